"""GET: records, lists, pages, ETags, and that a client sees its own data and nothing else, byte by byte."""
import json
import re
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import harness
import pytest
from api_support import Api, Connection, assert_problem, derived, path_of, stored
from harness import update

not_found = "Progress not found for this file"
members = {"id", "clientKrn", "filename", "email", "counts", "total", "isCompleted", "createdAt", "updatedAt", "errors",
           "warnings", "errorCount", "warningCount", "completedAt", "version", *derived}
time_pattern = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


@pytest.fixture(scope="module")
def api(any_server):
    return Api(any_server)


def create_many(server, krn, count, threads=16):
    def create(numbers):
        connection = Connection(server.port)
        for number in numbers:
            status, _, _ = connection.post(krn, update(f"file-{number:05}.csv", done=number))
            assert status == 200
        connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(create, (range(first, count, threads) for first in range(threads))))


def walk(api, krn, **parameters):
    """The pages of a list, by its links."""
    answer = api.get(krn, **parameters)
    while True:
        assert answer.status_code == 200, answer.text
        yield stored(answer.json())
        link = answer.headers.get("Link")
        if link is None:
            return
        target = re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]
        answer = api.http.get(answer.url.join(target))


def test_a_record_has_the_members_of_the_contract(api, krn):
    api.report(krn, "a b.csv", done=1, warn=2, failed=3, total=9, errors=[{"line": 4, "message": "x"}])
    answer = api.get(krn, filename="a b.csv")
    assert answer.headers["Content-Type"] == "application/json"
    record = answer.json()
    assert set(record) == members
    assert re.fullmatch(r"[0-9a-f]{24}", record["id"])
    assert time_pattern.match(record["createdAt"]) and time_pattern.match(record["updatedAt"])
    shown = {name: record[name] for name in members - {"id", "createdAt", "updatedAt"}}
    assert shown == {"clientKrn": krn, "filename": "a b.csv", "email": harness.owner,
                     "counts": {"done": 1, "warn": 2, "failed": 3}, "total": 9, "isCompleted": False,
                     "errors": [{"line": 4, "message": "x"}], "warnings": [], "errorCount": 1, "warningCount": 0,
                     "completedAt": None, "version": 1, "percent": 66.6, "ratePerSecond": None, "etaSeconds": None,
                     "idleSeconds": 0, "stalled": False}
    api.report(krn, "a b.csv", isLast=True)
    later = api.record(krn, "a b.csv")
    assert (later["id"], later["createdAt"], later["version"]) == (record["id"], record["createdAt"], 2)
    assert time_pattern.match(later["completedAt"]) and later["completedAt"] == later["updatedAt"]


def test_a_record_by_its_id(api, krn):
    api.report(krn, done=1)
    record = api.record(krn, "sales.csv")
    assert stored(api.get(krn, record["id"]).json()) == record
    assert_problem(api.get(krn + ":2", record["id"]), 404, not_found)
    for wrong in ("0" * 24, "0" * 23, "0" * 25, "z" * 24, record["id"] + "0", record["id"][:-1], "%00"):
        answer = api.get(krn, wrong)
        assert answer.status_code in (400, 404), wrong


def test_what_is_not_there(api, krn):
    assert_problem(api.get(krn, filename="nothing"), 404, not_found)
    assert_problem(api.get(krn, filename=""), 404, not_found)
    assert api.listed(krn) == []
    assert api.listed(krn, email="nobody@example.com") == []


def test_lists_are_bare_arrays_newest_first(api, krn):
    for filename in "abc":
        api.report(krn, filename, done=1)
    other = harness.mint("other@example.com")
    api.report(krn, "d", done=1, token=other)
    time.sleep(0.005)
    api.report(krn, "b", done=1)
    records = api.listed(krn)
    assert records[0]["filename"] == "b" and {record["filename"] for record in records} == set("abcd")
    assert records == sorted(records, key=lambda record: (record["updatedAt"], record["id"]), reverse=True)
    assert {record["filename"] for record in api.listed(krn, email=harness.owner)} == set("abc")
    assert [record["filename"] for record in api.listed(krn, email="other@example.com")] == ["d"]
    assert api.get(krn, filename="a", email="other@example.com").json()["filename"] == "a"  # filename wins
    assert records[0] == api.record(krn, "b")
    assert api.listed(krn, **{"filename[$ne]": "x", "unknown": "1"}) == records


@pytest.mark.parametrize("parameters", [{"limit": limit} for limit in
                                        ("0", "-1", "1e3", "99999999999999999999", "", "x", "+1", " 1", "1.0")] +
                         [{"limit": ["1", "2"]}, {"cursor": ""}, {"cursor": "x"}, {"cursor": "A" * 500},
                          {"cursor": "{}"}, {"cursor": ["a", "b"]}], ids=str)
def test_bad_parameters(api, krn, parameters):
    assert_problem(api.get(krn, **parameters), 400, "Invalid parameters: ")


def test_too_large_a_limit_is_capped(api, krn):
    api.report(krn)
    assert len(api.listed(krn, limit="10000")) == len(api.listed(krn, limit="999999999999")) == 1


def test_a_cursor_is_good_for_its_own_list_only(api, krn):
    for filename in "abc":
        api.report(krn, filename)
        api.report(krn + ":2", filename)
    link = api.get(krn, limit="2").headers["Link"]
    cursor = re.search(r"cursor=([^&>]+)", link)[1]
    assert len(api.listed(krn, limit="2", cursor=cursor)) == 1
    assert_problem(api.get(krn + ":2", cursor=cursor), 400, "Invalid parameters: ")
    assert_problem(api.get(krn, cursor=cursor, email=harness.owner), 400, "Invalid parameters: ")
    assert_problem(api.get(krn, cursor=cursor[:-1]), 400, "Invalid parameters: ")
    assert_problem(api.get(krn, cursor=("B" if cursor[0] == "A" else "A") + cursor[1:]), 400, "Invalid parameters: ")
    pages = list(walk(api, krn, limit="2", email=harness.owner))
    assert [len(page) for page in pages] == [2, 1]


def test_pages_through_many_records_while_updates_go_on(make_server, krn):
    server = make_server().start()
    api = Api(server)
    create_many(server, krn, 2500)
    assert len(api.listed(krn)) == 1000  # by default
    touched, ending = set(), threading.Event()

    def keep_updating():
        connection = Connection(server.port)
        while not ending.is_set():
            filename = f"file-{(len(touched) * 37) % 2500:05}.csv"
            touched.add(filename)
            assert connection.post(krn, update(filename, done=1))[0] == 200
        connection.close()

    updater = threading.Thread(target=keep_updating)
    updater.start()
    try:
        walked = list(walk(api, krn, limit="100"))
    finally:
        ending.set()
        updater.join()
    assert len(touched) > 5
    assert all(len(page) == 100 for page in walked[:-1])
    seen = [(record["updatedAt"], record["id"]) for page in walked for record in page]
    assert seen == sorted(set(seen), reverse=True)  # ordered over all pages, none twice
    quiet = [record["filename"] for page in walked for record in page if record["filename"] not in touched]
    assert sorted(quiet) == sorted({f"file-{number:05}.csv" for number in range(2500)} - touched)

    still = [record for page in walk(api, krn, limit="700", email=harness.owner) for record in page]
    assert {record["filename"] for record in still} == {f"file-{number:05}.csv" for number in range(2500)}
    assert len(still) == 2500
    assert api.listed(krn, limit="10000") == still


# ETag

def conditions(tag):
    return {"exact": tag, "weak": "W/" + tag, "list": f'"a,b", {tag}, W/"c"', "any": "*"}


@pytest.mark.parametrize("how", ["exact", "weak", "list", "any"])
@pytest.mark.parametrize("what", ["record", "by id", "list", "list of an owner", "page"])
def test_an_unchanged_answer_is_not_sent_again(api, krn, what, how):
    for filename in "abc":
        api.report(krn, filename, done=1)
    rest, parameters = {"record": ([], {"filename": "a"}), "by id": ([api.record(krn, "a")["id"]], {}),
                        "list": ([], {}), "list of an owner": ([], {"email": harness.owner}),
                        "page": ([], {"limit": "2"})}[what]
    plain = {"Accept-Encoding": "identity"}
    first = api.get(krn, *rest, headers=plain, **parameters)
    tag = first.headers["ETag"]
    assert first.status_code == 200 and re.fullmatch(r'(W/)?"[^"]+"', tag)
    known = {**plain, "If-None-Match": conditions(tag)[how]}
    answer = api.get(krn, *rest, headers=known, **parameters)
    again = "W/" + tag if how == "weak" else tag  # as the client has it
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", again)
    assert answer.headers.get("Link") == first.headers.get("Link")
    api.report(krn, "a", done=1)
    answer = api.get(krn, *rest, headers=known, **parameters)
    if how == "any":
        assert answer.status_code == 304
    else:
        assert answer.status_code == 200 and answer.headers["ETag"] != tag
        assert answer.content != first.content


@pytest.mark.parametrize("value", ['"other"', "unquoted", 'W/"other", "another"', '"', ""])
def test_another_tag_gets_the_answer(api, krn, value):
    api.report(krn)
    assert api.get(krn, filename="sales.csv", headers={"If-None-Match": value}).status_code == 200


def test_the_tag_of_an_empty_list_changes_with_the_first_record(api, krn):
    tag = api.get(krn).headers["ETag"]
    assert api.get(krn, headers={"If-None-Match": tag}).status_code == 304
    api.report(krn)
    assert api.get(krn, headers={"If-None-Match": tag}).status_code == 200


def test_nothing_missing_is_unchanged(api, krn):
    assert api.get(krn, filename="nothing", headers={"If-None-Match": "*"}).status_code == 404


def test_a_replay_does_not_change_the_tag(api, krn):
    api.report(krn, done=1, key="k")
    tag = api.get(krn, filename="sales.csv").headers["ETag"]
    api.report(krn, done=1, key="k")
    assert api.get(krn, filename="sales.csv").headers["ETag"] == tag


def test_tags_stay_over_a_restart(make_server, krn):
    server = make_server().start()
    Api(server).report(krn, done=1)
    before = [Api(server).get(krn).headers["ETag"], Api(server).get(krn, filename="sales.csv").headers["ETag"]]
    server.restart(kill=True)
    assert before == [Api(server).get(krn).headers["ETag"], Api(server).get(krn, filename="sales.csv").headers["ETag"]]


def test_head_is_get_without_a_body(api, krn):
    api.report(krn)
    for path in (path_of(krn), path_of(krn) + "?filename=sales.csv", "/health"):
        full, head = api.http.get(path), api.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers.get("ETag") == full.headers.get("ETag")
        assert head.headers["Content-Length"] == full.headers["Content-Length"]


def test_health(api):
    answer = api.http.get("/health")
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["Content-Type"].startswith("text/plain")


# Tenants

nfc, nfd = unicodedata.normalize("NFC", "krn:caf\u00e9"), unicodedata.normalize("NFD", "krn:caf\u00e9")
lookalikes = ["krn:acme", "krn:Acme", "krn:acme.", "krn:acme:", "krn:acm\u0435", nfc, nfd, 'krn:{"$gt":""}',
              "krn:$where",
              "krn:acme%20", "krn:acme%2520", "krn:acme\u200f", "krn:" + "x" * 252, "krn:..", "krn:%", "krn:acme+b",
              "krn:acme'--", "krn:*", "krn:acme?", "krn:acme#x"]


def test_clients_differ_byte_by_byte(make_server):
    server = make_server().start()
    api = Api(server)
    ids = {}
    for number, client in enumerate(lookalikes, 1):
        assert api.report(client, done=number,
                          errors=[{"message": f"canary-{number:03}-"}])["result"] == "created", client
        ids[client] = api.record(client, "sales.csv")["id"]
    assert len(set(ids.values())) == len(lookalikes)
    for number, client in enumerate(lookalikes, 1):
        for answer in (api.get(client), api.get(client, filename="sales.csv"), api.get(client, email=harness.owner),
                       api.get(client, ids[client])):
            assert answer.status_code == 200
            records = answer.json() if isinstance(answer.json(), list) else [answer.json()]
            assert [(record["clientKrn"], record["counts"]["done"]) for record in records] == [(client, number)]
            assert re.findall(r"canary-(\d+)-", answer.text) == [f"{number:03}"]
        for other in lookalikes:
            if other != client:
                assert api.get(client, ids[other]).status_code == 404


def test_a_client_in_the_path_may_be_encoded(api, krn):
    api.report(krn, done=7)
    for spelling in (quote(krn, safe=""), "".join(f"%{byte:02x}" for byte in krn.encode()), krn.replace(":", "%3a", 1)):
        answer = api.http.get(f"/clients/{spelling}/progress")
        assert [record["clientKrn"] for record in answer.json()] == [krn]
    answer = api.http.post(f"/clients/{quote(krn, safe='')}/progress", json=update(done=1), headers=harness.bearer())
    assert (answer.json()["result"], answer.json()["clientKrn"]) == ("updated", krn)


@pytest.mark.parametrize("segment", ["", "acme", "krn:", "KRN:acme", "krn:" + "x" * 253, "krn:a%20b", "krn:a%0ab",
                                     "krn:a%00", "krn:a%2fb", "krn:%ff", "krn:a%c3", "krn:%zz", "krn:a%", "krn:a%a",
                                     "%2e%2e%2f", "krn:%c0%ae", "krn:a%7f", "krn:a%c2%a0b", "krn:" + "y" * 7000])
def test_a_bad_client(api, segment):
    path = f"/clients/{segment}/progress"
    for answer in (api.http.get(path), api.http.post(path, json=update(done=1), headers=harness.bearer())):
        assert answer.status_code in (400, 404), (segment, answer.status_code)


# Filenames

filenames = ["a/b/c.csv", "../../etc/passwd", "..", ".", "/", "100%.csv", "%2e%2e%2f", "%00", 'say "hi".csv',
             "it's.csv",
             "emoji \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467.csv", "\u202egnp.exe",
             "\u05e9\u05dc\u05d5\u05dd",
             "$where", "=CMD()", "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "a&b=c", "a+b c", "a?b#c",
             "\\n\\u0000",
             "back\\slash", "x" * 1024, "\u00e9" * 512, "e\u0301", "\u00e9", " ", " lead", "trail ", "A.csv", "a.csv",
             "null",
             "a\u2028b", "\ufeffbom", "\uffff", "\U0010ffff", "; DROP TABLE progress", "{}", "a,b", "\u00ad"]


def test_filenames_come_back_byte_for_byte(make_server, krn):
    server = make_server().start()
    api = Api(server)
    assert len(set(filenames)) == len(filenames)
    for number, filename in enumerate(filenames, 1):
        answer = api.post(krn, update(filename, done=number))
        assert (answer.status_code, answer.json()["result"]) == (200, "created"), filename
        assert answer.json()["filename"] == filename
    for _ in range(2):
        listed = api.listed(krn)
        assert {record["filename"]: record["counts"]["done"] for record in listed} == {
            filename: number for number, filename in enumerate(filenames, 1)}
        for number, filename in enumerate(filenames, 1):
            record = api.record(krn, filename)
            assert (record["filename"], record["counts"]["done"]) == (filename, number)
            raw = api.http.get(path_of(krn) + "?filename=" + quote(filename, safe="")).content
            assert json.loads(raw)["filename"].encode() == filename.encode()
        server.restart(kill=True)


@pytest.mark.parametrize("query", ["filename=%zz", "filename=%a", "filename=%ff", "filename=a&filename=b", "email=%c3",
                                   "email=a&email=b", "filename=%c0%af"])
def test_a_bad_query(api, krn, query):
    answer = api.http.get(f"{path_of(krn)}?{query}")
    assert answer.status_code in (400, 404)
    assert_problem(answer, answer.status_code, None)


def test_a_query_with_a_null_byte_finds_nothing(api, krn):
    api.report(krn, "a")
    assert api.http.get(f"{path_of(krn)}?filename=a%00").status_code in (400, 404)
