"""All errors and warnings of a file, its history, its past states, and a client's change feed."""
import csv
import gzip
import http.client
import io
import json
import re
import socket
import subprocess
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import harness
import pytest
import requests
from api_support import Api, Connection, assert_problem, path_of, stored, problem_type
from harness import update, wait_until

not_found = "Progress not found for this file"
columns = ["line", "message", "code", "field", "value", "at", "version"]


@pytest.fixture(scope="module")
def api(any_server):
    return Api(any_server)


def feed_path(krn):
    return f"/clients/{quote(krn, safe=':')}/events"


def next_of(answer):
    link = answer.headers.get("Link")
    return answer.url.join(re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]) if link else None


def walk(api, krn, *rest, **parameters):
    """The items of all pages, by their links."""
    answer = api.get(krn, *rest, **parameters)
    out = []
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page) <= parameters.get("limit", 1000)
        out += page
        target = next_of(answer)
        if target is None:
            return out
        answer = api.http.get(target)


def lines_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert not answer.text or answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


def rows_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.count(b"\r\n") >= 1
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def file_with(api, krn, filename="sales.csv", updates=()):
    for rest in updates or ({},):
        api.report(krn, filename, **rest)
    return api.record(krn, filename)


def numbered(first, count):
    return [{"line": number, "message": f"Error {number}"} for number in range(first, first + count)]


# ---- Errors and warnings ----

def test_every_error_ever_sent_in_order(api, krn):
    detailed = {"line": 7, "message": "Not a date", "code": "E-17", "field": "born", "value": "31.02.2024"}
    record = file_with(api, krn, updates=[
        {"errors": numbered(1, 90), "warnings": [{"message": "first warning"}]},
        {"done": 5}, {"errors": numbered(91, 300)}, {"errors": [detailed, {"message": "no line"}]},
        {"warnings": [{"line": 1, "message": "second warning"}], "isLast": True}])
    assert len(record["errors"]) == 100 and record["errorCount"] == 392
    expected = [{**item, "version": 1} for item in numbered(1, 90)] + \
               [{**item, "version": 3} for item in numbered(91, 300)] + \
               [{**detailed, "version": 4}, {"message": "no line", "version": 4}]
    for limit in (1000, 392, 391, 100, 7, 1) if api.server.store_env == {} else (1000, 7):
        items = walk(api, krn, record["id"], "errors", limit=limit)
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item.pop("at")) for item in items)
        assert items == expected, limit
    warnings = walk(api, krn, record["id"], "warnings")
    assert [(item["message"], item["version"]) for item in warnings] == [("first warning", 1), ("second warning", 5)]
    assert walk(api, krn, file_with(api, krn, "none.csv")["id"], "errors") == []


def test_a_page_follows_from_where_the_last_ended_while_updates_go_on(api, krn):
    record = file_with(api, krn, updates=[{"errors": numbered(1, 10)}])
    first = api.get(krn, record["id"], "errors", limit=10)
    assert next_of(first) is None or api.http.get(next_of(first)).json() == []
    first = api.get(krn, record["id"], "errors", limit=6)
    api.report(krn, errors=numbered(11, 10))
    second = api.http.get(next_of(first))
    third = api.http.get(next_of(second))
    fourth = api.http.get(next_of(third))
    assert [item["line"] for page in (first, second, third, fourth) for item in page.json()] == list(range(1, 21))


def test_filters(api, krn):
    record = file_with(api, krn, updates=[{"errors": numbered(1, 50) + [{"message": "Ünïcode Error, no line"}]},
                                          {"errors": numbered(51, 50)}])

    def found(**parameters):
        return [item.get("line") for item in walk(api, krn, record["id"], "errors", **parameters)]

    assert found(lineFrom=48, lineTo=52) == [48, 49, 50, 51, 52]
    assert found(lineFrom=99) == [99, 100]
    assert found(lineTo=2) == [1, 2]
    assert found(lineFrom=5, lineTo=4) == []
    assert found(contains="ERROR 9") == [9, *range(90, 100)]
    assert found(contains="error 9", lineTo=95, limit=2) == [9, 90, 91, 92, 93, 94, 95]
    assert found(contains="nïcode") == [None]
    assert found(contains="NÏCODE") == [], "only ASCII letters are folded"
    assert found(contains="Error 51 ") == []
    assert found(contains="%") == found(contains=".*") == []
    table = rows_of(api.get(krn, record["id"], "errors", format="csv", lineFrom=99))
    assert [row["line"] for row in table] == ["99", "100"]
    assert len(lines_of(api.get(krn, record["id"], "errors", format="ndjson", contains="error 9", limit=3))) == 3


def test_where_little_matches_a_page_ends_early_and_goes_on(api, krn):
    updates = [{"errors": numbered(1 + 9000 * i, 9000)} for i in range(3)]
    record = file_with(api, krn, updates=updates)
    first = api.get(krn, record["id"], "errors", lineFrom=26_999)
    assert first.json() == [] and next_of(first)
    assert [item["line"] for item in walk(api, krn, record["id"], "errors", lineFrom=26_999)] == [26_999, 27_000]
    assert [row["line"] for row in rows_of(api.get(krn, record["id"], "errors", lineFrom=26_999, format="csv"))] == \
        ["26999", "27000"]


def test_a_page_is_bounded_in_bytes(api, krn):
    text = "x" * 60_000
    updates = [{"errors": [{"line": 1 + 10 * i + k, "message": text} for k in range(10)]} for i in range(6)]
    record = file_with(api, krn, updates=updates)
    first = api.get(krn, record["id"], "errors")
    assert 1_000_000 < len(first.content) < 3_000_000
    assert [item["line"] for item in walk(api, krn, record["id"], "errors")] == list(range(1, 61))
    events = api.get(krn, record["id"], "events")
    assert 600_000 < len(events.content) < 3_000_000 and next_of(events)
    assert [event["version"] for event in walk(api, krn, record["id"], "events")] == [1, 2, 3, 4, 5, 6]


hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", 'say "hi"', "a,b", "line\nbreak", "héllo ✓ 你好", " pad ",
           "", "plain", "'quoted'", "=HYPERLINK(\"http://x\",\"y\")", "a;b", "x;=1+1;y", "a\t-1", "a\n@b", 'a;"=1&"']


def test_csv(api, krn):
    errors = [{"line": number, "message": text or "-", "code": text, "field": text, "value": text}
              for number, text in enumerate(hostile, 1)]
    errors.append({"message": "no line"})
    record = file_with(api, krn, updates=[{"errors": errors}])
    answer = api.get(krn, record["id"], "errors", headers={"Accept": "text/csv"})
    assert answer.content.startswith((",".join(columns) + "\r\n").encode())
    rows = rows_of(answer)
    assert [list(row) for row in rows] == [columns] * len(errors)
    assert [row["line"] for row in rows] == [*map(str, range(1, len(hostile) + 1)), ""]
    for text, row in zip(hostile, rows):
        marked = text
        if not re.fullmatch(r"[+-][0-9]+", text):  # plain numbers are none
            marked = re.sub('([;\t\r\n]"*)(?=[-=+@])', r"\1'", text)
            if text and text[0] in "=+-@\t\r＝":
                marked = "'" + marked
        assert [row[name] for name in ("code", "field", "value")] == [marked] * 3
        assert row["message"] == (marked or "'-")
        assert row["version"] == "1" and row["at"].endswith("Z")
    formula = re.compile(r"[=@\t\r]|[-+](?![0-9]+$)")
    assert not any(formula.match(cell) for row in rows for cell in row.values() if cell)
    for separator in ";", "\t":
        table = csv.reader(io.StringIO(answer.content.decode(), newline=""), delimiter=separator)
        assert not any(formula.match(cell) for row in table for cell in row if cell)
    european = api.get(krn, record["id"], "errors", format="csv", delimiter=";").content.decode()
    assert european.startswith(";".join(columns) + "\r\n")
    assert [*csv.reader(io.StringIO(european, newline=""), delimiter=";")][1:] == [[*row.values()] for row in rows]
    with_mark = api.get(krn, record["id"], "errors", format="csv", bom="true")
    assert with_mark.content == b"\xef\xbb\xbf" + answer.content
    assert lines_of(api.get(krn, record["id"], "errors", format="ndjson")) == \
        api.get(krn, record["id"], "errors").json()


@pytest.mark.parametrize("filename, plain, full", [
    ("sales.csv", "sales.csv-errors.csv", "sales.csv-errors.csv"),
    ("in/2024/Umsätze.csv", "Ums_tze.csv-errors.csv", "Ums%C3%A4tze.csv-errors.csv"),
    ('"; filename="evil.exe', "__ filename__evil.exe-errors.csv", "__%20filename__evil.exe-errors.csv"),
    ("../../etc/passwd", "passwd-errors.csv", "passwd-errors.csv"),
    ("=CMD()", "_CMD__-errors.csv", "_CMD__-errors.csv"),
    ("txt\u202egpj", "txt_gpj-errors.csv", "txt_gpj-errors.csv")])
def test_the_name_of_a_download(api, krn, filename, plain, full):
    record = file_with(api, krn, filename)
    answer = api.get(krn, record["id"], "errors", format="csv")
    assert answer.headers["Content-Disposition"] == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"
    ndjson = api.get(krn, record["id"], "warnings", format="ndjson")
    assert "-warnings.ndjson" in ndjson.headers["Content-Disposition"]


def test_content_is_negotiated(api, krn):
    record = file_with(api, krn)
    kinds = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
    for accept, kind in (("*/*", "json"), ("", "json"), ("text/csv", "csv"), ("text/*", "csv"), ("image/png", "json"),
                         ("application/x-ndjson, text/csv;q=0.9", "ndjson"), ("text/csv;q=0.1, */*;q=0.5", "json"),
                         ("application/json;q=0.3, text/csv;q=0.4", "csv")):
        answer = api.get(krn, record["id"], "errors", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == kinds[kind], accept
        assert "Accept" in re.split(", *", answer.headers["Vary"])
        head = api.http.head(path_of(krn, record["id"], "errors"), headers={"Accept": accept})
        assert head.status_code == 200 and head.headers["Content-Type"] == kinds[kind] and head.content == b""
    for kind, content_type in kinds.items():
        answer = api.get(krn, record["id"], "errors", format=kind, headers={"Accept": "image/png"})
        assert answer.headers["Content-Type"] == content_type
    for path in ((krn, record["id"], "events"),):
        assert api.get(*path, headers={"Accept": "text/csv"}).headers["Content-Type"] == kinds["json"]
        assert_problem(api.get(*path, format="csv"), 400, "Invalid parameters: ")


def test_pages_have_tags(api, krn):
    record = file_with(api, krn, updates=[{"errors": numbered(1, 5)}])
    for what in ("errors", "events"):
        answer = api.get(krn, record["id"], what)
        tag = answer.headers["ETag"]
        again = api.get(krn, record["id"], what, headers={"If-None-Match": tag})
        assert again.status_code == 304 and again.headers["ETag"] == tag
    api.report(krn, errors=numbered(6, 1))
    for what in ("errors", "events"):
        assert api.get(krn, record["id"], what, headers={"If-None-Match": tag}).status_code == 200


bad_parameters = [("limit", bad) for bad in ("0", "-1", "1e3", "99999999999999999999", "", "x")] + \
    [("cursor", bad) for bad in ("", "x", "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] + [("format", bad) for bad in ("", "xml", "JSON")]


@pytest.mark.parametrize("what, name, value", [
    *((what, *bad) for what in ("errors", "warnings", "events") for bad in bad_parameters),
    *(("errors", name, bad) for name in ("lineFrom", "lineTo") for bad in ("0", "-1", "1.5", "", "x", "9" * 20)),
    ("errors", "contains", ""), ("errors", "contains", "x" * 257), ("errors", "bom", "yes")])
def test_bad_parameters(api, krn, what, name, value):
    record = file_with(api, krn)
    assert_problem(api.get(krn, record["id"], what, **{name: value}), 400, "Invalid parameters: ")


def test_parameters_twice_unknown_ids_and_names(api, krn):
    record = file_with(api, krn)
    other = krn + ":other"
    file_with(api, other)
    for what in ("errors", "warnings", "events"):
        path = path_of(krn, record["id"], what)
        for name in ("limit", "cursor", "format") + (("lineFrom", "lineTo", "contains", "bom") if what != "events" else ()):
            assert_problem(api.http.get(f"{path}?{name}=1&{name}=1"), 400, "Invalid parameters: ")
        assert api.http.get(path + "?contains[$ne]=x&x=y").status_code == 200
        for accept in ("application/json", "application/x-ndjson"):
            assert_problem(api.get(other, record["id"], what, headers={"Accept": accept}), 404, not_found)
            for wrong in ("0" * 24, "0" * 23, "z" * 24, "%00"):
                answer = api.get(krn, wrong, what, headers={"Accept": accept})
                assert answer.status_code in (400, 404) and answer.headers["Content-Type"] == problem_type
        assert api.http.get(f"/clients/x/progress/{record['id']}/{what}").status_code == 400
        assert api.http.post(path).status_code == 405


def test_cursors_belong_to_what_they_were_given_for(api, krn):
    updates = [{"errors": numbered(1, 3), "warnings": numbered(1, 3)}] * 2
    one, two = file_with(api, krn, "1", updates), file_with(api, krn, "2", updates)
    cursor = re.search("cursor=([^&>]+)", api.get(krn, one["id"], "errors", limit=2, lineFrom=1).headers["Link"])[1]
    assert api.get(krn, one["id"], "errors", cursor=cursor, lineFrom=1).status_code == 200
    for path, rest in (((one["id"], "errors"), {}), ((one["id"], "errors"), {"lineFrom": 2}),
                       ((one["id"], "errors"), {"lineFrom": 1, "contains": "x"}), ((one["id"], "events"), {}),
                       ((one["id"], "warnings"), {"lineFrom": 1}), ((two["id"], "errors"), {"lineFrom": 1}),
                       ((one["id"], "errors"), {"lineFrom": 1, "cursor": cursor[:-1]}),
                       ((one["id"], "errors"), {"lineFrom": 1, "cursor": cursor[:-2] + "zz"})):
        assert_problem(api.get(krn, *path, **{"cursor": cursor, **rest}), 400, "Invalid parameters: cursor ")
    assert_problem(api.http.get(feed_path(krn), params={"after": cursor}), 400, "Invalid parameters: after ")


# ---- Streaming ----

def many_errors(api, krn, updates=20, each=5000):
    connection = Connection(api.server.port)
    for number in range(updates):
        status, _, _ = connection.post(krn, update("many.csv", errors=numbered(1 + number * each, each)))
        assert status == 200
    connection.close()
    return api.record(krn, "many.csv")


def test_clients_of_others_read_a_stream(api, krn):
    """curl, requests and http.client, plain and compressed, over HTTP/1.1 and 1.0."""
    record = many_errors(api, krn)
    path = path_of(krn, record["id"], "errors") + "?format=csv"
    url = api.server.url + path
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert plain.headers["Transfer-Encoding"] == "chunked" and "Content-Length" not in plain.headers
    assert [row["line"] for row in csv.DictReader(io.StringIO(plain.text))] == [str(n) for n in range(1, 100_001)]
    compressed = requests.get(url, timeout=30)
    assert compressed.headers["Content-Encoding"] == "gzip" and compressed.content == plain.content
    raw = requests.get(url, stream=True, timeout=30).raw.read(decode_content=False)
    assert len(raw) < len(plain.content) / 5 and gzip.decompress(raw) == plain.content
    for options in ([], ["--compressed"], ["--http1.0"], ["--http1.0", "--compressed"]):
        got = subprocess.run(["curl", "-sS", "--fail", "--noproxy", "*", *options, url], capture_output=True, timeout=30)
        assert got.returncode == 0 and got.stdout == plain.content, (options, got.stderr)
    line = http.client.HTTPConnection("127.0.0.1", api.server.port, timeout=30)
    for _ in range(3):  # on one connection
        line.request("GET", path)
        assert line.getresponse().read() == plain.content
        line.request("GET", path_of(krn) + "?filename=many.csv")
        assert json.loads(line.getresponse().read())["errorCount"] == 100_000
    line.close()
    assert len(lines_of(api.get(krn, record["id"], "errors", format="ndjson"))) == 100_000


def test_a_slow_reader_takes_no_memory_and_holds_nobody_up(make_server, krn):
    server = make_server(env={"HTTP_WRITE_TIMEOUT_S": "60"}).start()
    api = Api(server)
    record = many_errors(api, krn, updates=60)
    url = path_of(krn, record["id"], "errors") + "?format=ndjson"

    def memory():
        with open(f"/proc/{server.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) / 1024

    assert len(api.http.get(url).content) > 15_000_000
    before = memory()
    slow = []

    def begin():
        slow.append(socket.create_connection(("127.0.0.1", server.port)))
        slow[-1].sendall(f"GET {url} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        return slow[-1].recv(12) == b"HTTP/1.1 200"

    for _ in range(8):
        wait_until(begin, 10, "a place for one more")
    assert_problem(api.http.get(url), 503, "Too many exports at once")
    for _ in range(20):
        assert api.get(krn, filename="many.csv").status_code == 200
    other = krn + ":2"
    theirs = file_with(api, other, updates=[{"errors": numbered(1, 10)}])
    assert len(lines_of(api.get(other, theirs["id"], "errors", format="ndjson"))) == 10
    assert memory() - before < 40
    for line in slow:
        line.close()
    wait_until(lambda: api.http.get(url).status_code == 200, 10, "their places to be free again")


def test_a_stop_ends_streams_in_time(make_server, krn):
    server = make_server(env={"SHUTDOWN_TIMEOUT_S": "4"}).start()
    api = Api(server)
    record = many_errors(api, krn, updates=100)
    line = socket.create_connection(("127.0.0.1", server.port))
    line.sendall(f"GET {path_of(krn, record['id'], 'errors')}?format=ndjson HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert line.recv(100)
    server.stop(timeout=10)  # exits with 0
    assert "answer_cut" in server.log_text()
    line.close()


# ---- History ----

def test_a_history(api, krn):
    api.report(krn, done=5, total=10, key="run-1/1", errors=[{"line": 3, "message": "x", "code": "E"}])
    api.report(krn, warn=1, warnings=[{"message": "w"}], eventId="run-1/2")
    api.report(krn, failed=2, isLast=True)
    record = api.record(krn, "sales.csv")
    events = api.get(krn, record["id"], "events").json()
    assert [event.pop("at") for event in events][-1] == record["updatedAt"]
    common = {"kind": "reported", "email": harness.owner, "channel": "rest", "position": None}
    assert events == [
        {**common, "version": 1, "id": record["id"], "counts": {"done": 5, "warn": 0, "failed": 0}, "total": 10,
         "isLast": False, "errors": [{"line": 3, "message": "x", "code": "E"}], "warnings": [], "eventId": "run-1/1"},
        {**common, "version": 2, "counts": {"done": 0, "warn": 1, "failed": 0}, "total": None, "isLast": False,
         "errors": [], "warnings": [{"message": "w"}], "eventId": "run-1/2"},
        {**common, "version": 3, "counts": {"done": 0, "warn": 0, "failed": 2}, "total": None, "isLast": True,
         "errors": [], "warnings": []}]
    whole = api.get(krn, record["id"], "events").json()
    for limit in (1, 2, 3):
        assert walk(api, krn, record["id"], "events", limit=limit) == whole
    assert lines_of(api.get(krn, record["id"], "events", format="ndjson")) == whole
    assert lines_of(api.get(krn, record["id"], "events", format="ndjson", limit=2)) == whole[:2]


def test_a_record_as_it_was(api, krn):
    states = []
    for number in range(1, 8):
        api.report(krn, done=number, errors=[{"line": number, "message": "e"}], isLast=number == 7)
        states.append(api.record(krn, "sales.csv"))
    record_id = states[-1]["id"]
    for number, state in enumerate(states, 1):
        answer = api.get(krn, record_id, at=number)
        assert stored(answer.json()) == state
        tag = answer.headers["ETag"]
        assert api.get(krn, record_id, at=number, headers={"If-None-Match": tag}).status_code == 304
    for state in states:
        at = [other for other in states if other["updatedAt"] <= state["updatedAt"]][-1]
        assert stored(api.get(krn, record_id, at=state["updatedAt"]).json()) == at
    now = datetime.fromisoformat(states[0]["createdAt"])
    form = "%Y-%m-%dT%H:%M:%S.%fZ"
    before = (now - timedelta(milliseconds=1)).astimezone(timezone.utc).strftime(form)
    assert_problem(api.get(krn, record_id, at=before), 404, not_found)
    assert stored(api.get(krn, record_id, at=(now + timedelta(days=9)).strftime(form)).json()) == states[-1]
    assert_problem(api.get(krn, record_id, at=8), 404, not_found)
    assert_problem(api.get(krn + ":2", record_id, at=1), 404, not_found)
    assert_problem(api.get(krn, "0" * 24, at=1), 404, not_found)
    for bad in ("0", "-1", "", "x", "2024-01-01", "2024-13-01T00:00:00Z", "1.5", "9" * 20):
        assert_problem(api.get(krn, record_id, at=bad), 400, "Invalid parameters: at ")
    assert_problem(api.http.get(path_of(krn, record_id) + "?at=1&at=2"), 400, "Invalid parameters: at ")


def test_a_long_history_is_folded(api, krn):
    connection = Connection(api.server.port)
    for number in range(600):
        connection.post(krn, update("long.csv", done=1, errors=[{"message": f"{number} " + "x" * 6000}]))
    connection.close()
    record = api.record(krn, "long.csv")
    for version in (1, 299, 599, 600):
        then = api.get(krn, record["id"], at=version).json()
        assert (then["version"], then["counts"]["done"], then["errorCount"]) == (version, version, version)
    assert len(walk(api, krn, record["id"], "events")) == 600


# ---- The feed ----

def follow(api, krn, cursor=None, **parameters):
    """What a poller does: (events, the cursor to go on with)."""
    events = []
    while True:
        answer = api.http.get(feed_path(krn), params={**({"after": cursor} if cursor else {}), **parameters})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert set(page) == {"events", "next", "more"}
        events += page["events"]
        cursor = page["next"]
        if not page["events"] and not page["more"]:
            return events, cursor


def test_the_feed_of_a_client(api, krn):
    assert follow(api, krn)[0] == []
    expected = []
    for number in range(30):
        api.report(krn, f"{number % 4}.csv", done=number, key=f"k{number}")
        api.report(krn + ":other", "0.csv")
        expected.append((f"{number % 4}.csv", number // 4 + 1, number))

    def shown(events):
        return [(event["filename"], event["version"], event["counts"]["done"]) for event in events]

    for limit in (1, 7, 1000):
        events, cursor = follow(api, krn, limit=limit)
        assert shown(events) == expected
    ids = {event["filename"]: event["id"] for event in events if "id" in event}
    assert ids == {record["filename"]: record["id"] for record in api.listed(krn)}
    of_one = [event for event in events if event["filename"] == "1.csv"]
    history = api.get(krn, ids["1.csv"], "events").json()
    assert [{name: event[name] for name in event if name != "filename"} for event in of_one] == history

    assert follow(api, krn, cursor)[0] == []
    latest = api.http.get(feed_path(krn), params={"after": "latest"}).json()
    assert latest["events"] == [] and latest["more"] is False
    api.report(krn, "new.csv")
    assert shown(follow(api, krn, cursor)[0]) == shown(follow(api, krn, latest["next"])[0]) == [("new.csv", 1, 0)]

    lines = lines_of(api.http.get(feed_path(krn), headers={"Accept": "application/x-ndjson"}))
    assert shown(lines) == [*expected, ("new.csv", 1, 0)]
    for number in (0, 3, 29, 30):
        rest = lines_of(api.http.get(feed_path(krn), params={"format": "ndjson", "after": lines[number]["cursor"]}))
        assert rest == lines[number + 1:]
    assert lines_of(api.http.get(feed_path(krn), params={"format": "ndjson", "limit": 5})) == lines[:5]
    assert lines_of(api.http.get(feed_path(krn), params={"format": "ndjson", "after": "latest"})) == []


def test_a_feed_beside_writers_misses_nothing(api, krn):
    counted = []

    def write(name):
        connection = Connection(api.server.port)
        for number in range(150):
            status, _, _ = connection.post(krn, update(f"{name}-{number % 5}.csv", done=1))
            assert status == 200
            counted.append(1)
        connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    seen, cursor, ended = [], None, False
    while not ended:
        ended = not any(thread.is_alive() for thread in threads)
        events, cursor = follow(api, krn, cursor, limit=50)
        seen += events
    assert len(seen) == len(counted) == 600
    versions = {}
    for event in seen:
        assert event["version"] == versions.get(event["filename"], 0) + 1
        versions[event["filename"]] = event["version"]


@pytest.mark.parametrize("name, value", [
    *((name, bad) for name, bad in bad_parameters if name != "cursor"),
    ("after", ""), ("after", "now"), ("after", "x"), ("after", "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ("format", "csv")])
def test_bad_parameters_of_the_feed(api, krn, name, value):
    assert_problem(api.http.get(feed_path(krn), params={name: value}), 400, "Invalid parameters: ")


def test_a_feed_cursor_is_one_clients(api, krn):
    api.report(krn)
    _, cursor = follow(api, krn)
    assert_problem(api.http.get(feed_path(krn + ":2"), params={"after": cursor}), 400, "Invalid parameters: after ")
    assert_problem(api.http.get(f"{feed_path(krn)}?after={cursor}&after={cursor}"), 400, "Invalid parameters: after ")
    assert api.http.get("/clients/x/events").status_code == 400


def test_who_may_read_records_may_read_these(make_server, krn):
    server = make_server(env={"PUBLIC_READS": "false", "JWT_CLIENT_CLAIM": "client"}).start()
    api = Api(server)
    mine = harness.bearer(harness.mint(client=krn))
    others = harness.bearer(harness.mint(client=krn + ":2"))
    api.report(krn, token=harness.mint(client=krn), errors=numbered(1, 1))
    record = api.get(krn, filename="sales.csv", headers=mine).json()
    for path in (path_of(krn, record["id"], "errors"), path_of(krn, record["id"], "warnings"),
                 path_of(krn, record["id"], "events"), path_of(krn, record["id"]) + "?at=1", feed_path(krn)):
        assert api.http.get(path).status_code == 401
        assert api.http.get(path, headers=others).status_code == 403
        assert api.http.get(path, headers=mine).status_code == 200
        assert api.http.get(path, headers={**others, "Accept": "application/x-ndjson"}).status_code == 403
