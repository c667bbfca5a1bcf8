"""What one requester reads, however it asks, leaves room and time for another (docs/adr/0020-bounded-reads.md)."""
import contextlib
import json
import socket
import threading
import time

import harness
import hostile
import mongo
import pytest
from api_support import Api, assert_problem, path_of
from harness import update, wait_until

letters = "a" * 8192


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def api(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        server = harness.Server(folder)
    else:
        server = mongo.MongoServer(folder, request.getfixturevalue("one_node").uri(mongo.new_database()))
    yield Api(server.start())
    server.stop()


@pytest.fixture(scope="module")
def large(api):
    """A file with 8 MB of errors that are alike, of a tenant that others attack."""
    krn = "krn:large"
    for number in range(9):
        batch = [update("a", failed=100, errors=[{"line": n + 1, "message": letters} for n in range(100)])]
        answer = api.http.post(path_of(krn, "batch") + "?return=minimal", json=batch, headers=harness.bearer())
        assert answer.status_code == 200, answer.text[:300]
    return krn, api.record(krn, "a")["id"]


@contextlib.contextmanager
def attacked(attack, *arguments, **options):
    stop = threading.Event()
    thread = threading.Thread(target=attack, args=(*arguments, stop), kwargs=options)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_search_that_finds_nothing_ends_page_by_page(api, large):
    krn, record_id = large
    needle = "a" * 255 + "b"
    answer = api.get(krn, record_id, "errors", contains=needle)
    assert answer.status_code == 200 and answer.json() == []
    pages = 1
    while link := answer.headers.get("Link"):
        answer = api.http.get(link[1:link.index(">")])
        assert answer.status_code == 200 and answer.json() == []
        pages += 1
    assert pages > 1, "8 MB are more than a page looks at"


def test_searches_leave_others_their_time(api, large, krn):
    """A page of errors of another tenant, from another address, while eight clients search."""
    other = api.report(krn, "b", failed=1, errors=[{"line": 1, "message": "x"}])
    record_id = api.record(krn, "b")["id"]
    with attacked(hostile.searches, api.server, *large):
        for _ in range(5):
            assert [item["message"] for item in api.get(krn, record_id, "errors").json()] == ["x"]
            assert api.get("krn:nobody", "").status_code in (200, 404)
    assert other["counts"]["failed"] == 1


def test_slow_readers_of_one_address_leave_exports_to_others(api, large, krn):
    """32 readers under four names of tenants, one of which has a file; the name does not matter, the address does."""
    api.report(krn, "b", failed=1, errors=[{"line": 1, "message": "x"}])
    record_id = api.record(krn, "b")["id"]
    tenant, large_id = large
    paths = [path_of(tenant, large_id, "errors") + "?format=ndjson", f"/clients/{tenant}/events?format=ndjson",
             "/clients/krn:nobody:1/events?format=ndjson", "/clients/krn:nobody:2/events?format=ndjson"]
    url = path_of(tenant, large_id, "errors") + "?format=ndjson"
    with attacked(hostile.slow_readers, api.server, paths), hostile.client_from(api.server) as theirs:
        wait_until(lambda: theirs.get(url).status_code == 503, 20, "the attacker to have all that it may have")
        for _ in range(3):
            answer = api.get(krn, record_id, "errors", format="csv")
            assert answer.status_code == 200 and answer.text.count("\r\n") == 2


def test_a_token_is_a_requester_too(api, large, krn):
    """From the attacker's own address, with a token that verifies."""
    tenant, large_id = large
    url = path_of(tenant, large_id, "errors") + "?format=ndjson"
    with attacked(hostile.slow_readers, api.server, [url]), hostile.client_from(api.server) as theirs:
        wait_until(lambda: theirs.get(url).status_code == 503, 20, "the attacker to have all that it may have")
        path = f"/clients/{krn}/events?format=ndjson"
        assert theirs.get(path, headers=harness.bearer()).status_code == 200
        assert theirs.get(url, headers={"Authorization": "Bearer x.y.z"}).status_code == 503


def test_names_without_files_cost_little(api, krn):
    api.report(krn, "b", done=1)
    with attacked(hostile.invented_names, api.server):
        for _ in range(10):
            assert api.http.get(f"/clients/{krn}/summary").json()["files"] == 1
    empty = api.http.get("/clients/krn:nobody:at:all/events").json()
    assert empty["events"] == [] and empty["more"] is False


def test_a_page_of_large_records_ends_by_bytes(api):
    """Each has 128 KiB of errors and warnings: a thousand in one answer would be 128 MB."""
    krn = "krn:heavy"
    items = [{"line": n + 1, "message": "x" * 1000} for n in range(64)]
    for number in range(0, 120, 4):
        batch = [update(f"{number + n:03}", errors=items, warnings=items) for n in range(4)]
        assert api.http.post(path_of(krn, "batch") + "?return=minimal", json=batch,
                             headers=harness.bearer()).status_code == 200
    for sort in ("-updatedAt", "filename"):
        names, answer = [], api.get(krn, sort=sort)
        while True:
            assert len(answer.content) < 14 << 20
            names += [record["filename"] for record in answer.json()]
            if "Link" not in answer.headers:
                break
            answer = api.http.get(answer.headers["Link"][1:].partition(">")[0])
        assert sorted(names) == [f"{number:03}" for number in range(120)]


def test_a_stop_during_the_worst_reads_is_in_time(make_server, krn):
    """Searches, reads of the past and exports under way; the clients stay where they are."""
    server = make_server(env={"SHUTDOWN_TIMEOUT_S": "5"}).start()
    api = Api(server)
    for _ in range(8):
        api.post(krn, update("a", failed=100, errors=[{"line": 1, "message": letters}] * 100))
    record_id = api.record(krn, "a")["id"]
    paths = [path_of(krn, record_id, "errors") + "?contains=" + "a" * 255 + "b", path_of(krn, record_id) + "?at=7",
             path_of(krn, record_id, "errors") + "?format=ndjson", f"/clients/{krn}/events?format=ndjson"]
    lines = []
    for number in range(24):
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(f"GET {paths[number % 4]} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        lines.append(line)
    began = time.monotonic()
    server.stop(timeout=20)
    assert time.monotonic() - began < 10
    for line in lines:
        line.close()


def test_links_are_absolute(make_server, krn):
    for env, base in (({}, ""), ({"PUBLIC_URL": "https://files.example.com/pebbles"}, "https://files.example.com/pebbles")):
        api = Api(make_server(env=env).start())
        for name in ("a", "b"):
            api.report(krn, name, failed=2, errors=[{"message": "x"}, {"message": "y"}])
        api.report(krn, "a", done=1)
        record_id = api.record(krn, "a")["id"]
        for parts in ((), (record_id, "errors"), (record_id, "events")):
            link = api.get(krn, *parts, limit=1).headers["Link"]
            path = path_of(krn, *parts).replace(":", "%3A")
            assert link.startswith(f"<{base}{path}?limit=1&") and link.endswith('>; rel="next"')
            assert api.http.get(link[1 + len(base):link.index(">")]).status_code == 200


@pytest.mark.parametrize("name", ["page", "offset"])
def test_other_ways_to_go_through_pages_are_told(api, krn, name):
    answer = api.get(krn, **{name: "2"})
    assert_problem(answer, 400, f"Invalid parameters: {name} is not known here: follow the Link of each page, or use "
                                "limit and cursor")


def test_an_export_may_be_read_slowly(make_server, krn):
    """At 60 kB a second, for longer than the write timeout."""
    server = make_server(env={"HTTP_WRITE_TIMEOUT_S": "1"}).start()
    api = Api(server)
    for _ in range(2):
        api.post(krn, update("a", failed=100, errors=[{"line": 1, "message": letters}] * 100))
    path = path_of(krn, api.record(krn, "a")["id"], "errors") + "?format=ndjson&limit=60"
    with hostile.connect(server, receive_bytes=8192) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        said, began = b"", time.monotonic()
        while piece := line.recv(6000):
            said += piece
            time.sleep(max(0, began + len(said) / 120_000 - time.monotonic()))
    assert said.endswith(b"0\r\n\r\n") and said.count(b'"line":1') == 60
    assert json.loads(said[said.rindex(b'{"line"'):said.rindex(b"\n\r\n0")])["line"] == 1
