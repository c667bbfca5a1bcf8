"""Cursors: what nobody can make, change or read without the store's key, and where they hold."""
import base64
import hashlib
import http.client
import json
import re
import sqlite3
import struct
from concurrent.futures import ThreadPoolExecutor

import harness
import mongo
import pymongo
import pytest
from api_support import Api, assert_problem, path_of, pebbles
from bson.binary import Binary
from harness import update, wait_until

int64_min, int64_max, int32_max = -2**63, 2**63 - 1, 2**31 - 1
# What a place never has, and what it has that is far beyond everything.
hostile = [-1, int64_min, int64_min + 1, -2**31, -4096, -10**12, 0, 1, 2, int32_max, int32_max + 1, 2**32, 2**53, 2**62,
           int64_max]


@pytest.fixture(scope="module")
def api(any_server):
    return Api(any_server)


@pytest.fixture
def record(api, krn):
    for _ in range(3):
        api.report(krn, errors=[{"message": "e"}] * 3, warnings=[{"message": "w"}] * 3)
    return api.record(krn, "sales.csv")


def feed_path(krn):
    return path_of(krn).removesuffix("progress") + "events"


def cursor_of(answer):
    assert answer.status_code == 200, answer.text
    return re.search(r"cursor=([^&>]+)", answer.headers["Link"])[1]


def refused(answer, name="cursor"):
    what = "a cursor of this feed" if name == "after" else "one of this list"
    assert_problem(answer, 400, f"Invalid parameters: {name} is not {what}: start again without {name}")


# ---- As versions before this one made them: with a check that needs no key ----

def in_base64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forged_place(scope, numbers, format=2):
    place = bytes([format]) + b"".join(struct.pack(">q", number) for number in numbers)
    return in_base64(place + hashlib.sha256(b"pebbles place cursor" + place + scope).digest()[:8])


def forged_list(krn, position, order=0, descending=True, format=2):
    name = krn.encode()
    text = struct.pack(">q", len(name)) + name + b"--" + struct.pack(">q", 0) + b"--"
    text += bytes([ord("a") + order, ord("d" if descending else "a")])
    place = bytes([format]) + position
    return in_base64(place + hashlib.sha256(b"pebbles list cursor" + text + place).digest()[:8])


def forgeries(krn, record):
    """(path, parameters) of requests with every kind of cursor."""
    owner, file = krn.encode(), record["id"].encode()
    path = path_of(krn, record["id"])
    for format in (1, 2, 3):
        for number in hostile:
            for kind in ("errors", "warnings"):
                scope = b"\0".join([kind.encode(), owner, file, b"", b"", b""])
                for place in ([1, number, 0, 1], [number, 1, 1, 1], [1, 1, number, number], [number, number, -1, 0]):
                    for shape in ("json", "csv", "ndjson"):
                        yield f"{path}/{kind}", {"cursor": forged_place(scope, place, format), "format": shape}
            for shape in ("json", "ndjson"):
                history = forged_place(b"\0".join([b"events", owner, file]), [number, 1], format)
                yield f"{path}/events", {"cursor": history, "format": shape}
                for place in ([number, 1], [1, number]):
                    feed = forged_place(b"\0".join([b"feed", owner]), place, format)
                    yield feed_path(krn), {"after": feed, "format": shape}
            time, id = struct.pack(">q", number), bytes.fromhex(record["id"])
            for order, position in enumerate((time + id, id, id + b"sales.csv")):
                for sign in ("-", ""):
                    sort = sign + ("updatedAt", "createdAt", "filename")[order]
                    yield path_of(krn), {"cursor": forged_list(krn, position, order, sign == "-", format), "sort": sort}


def test_a_cursor_that_anybody_can_make_is_refused(api, krn, record):
    asked = 0
    for path, parameters in forgeries(krn, record):
        refused(api.http.get(path, params=parameters), "after" if "after" in parameters else "cursor")
        asked += 1
    assert asked > 1000 and api.server.running
    assert len(api.get(krn, record["id"], "errors").json()) == 9


def test_a_cursor_that_was_changed_or_is_of_something_else_is_refused(api, krn, record):
    path = path_of(krn, record["id"])
    api.report(krn, "other.csv")
    pages = {(path_of(krn), "cursor"): cursor_of(api.get(krn, limit=1)),
             (f"{path}/events", "cursor"): cursor_of(api.get(krn, record["id"], "events", limit=1)),
             (f"{path}/errors", "cursor"): cursor_of(api.get(krn, record["id"], "errors", limit=1)),
             (f"{path}/warnings", "cursor"): cursor_of(api.get(krn, record["id"], "warnings", limit=1)),
             (feed_path(krn), "after"): api.http.get(feed_path(krn), params={"limit": 1}).json()["next"]}
    for (target, name), cursor in pages.items():
        assert api.http.get(target, params={name: cursor}).status_code == 200
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        for position in range(len(raw)):
            changed = bytearray(raw)
            changed[position] ^= 1 << position % 8
            refused(api.http.get(target, params={name: in_base64(changed)}), name)
        for other in (cursor[:-1], cursor + "A", cursor + "=", "", "A", in_base64(raw[:1]), in_base64(raw[:17])):
            refused(api.http.get(target, params={name: other}), name)
        for (place, _), other in pages.items():
            if place != target:
                refused(api.http.get(target, params={name: other}), name)


# ---- Where they hold ----

def pages_of(api, krn, record):
    """Requests for a second page of each kind."""
    return [(path_of(krn), {"cursor": cursor_of(api.get(krn, limit=1))}),
            *((path_of(krn, record["id"], kind), {"cursor": cursor_of(api.get(krn, record["id"], kind, limit=1))})
              for kind in ("errors", "warnings", "events")),
            (feed_path(krn), {"after": api.http.get(feed_path(krn), params={"limit": 2}).json()["next"]})]


def answers(api, pages):
    out = [api.http.get(path, params=parameters) for path, parameters in pages]
    return [(answer.status_code, [item.get("version") for item in events_of(answer)]) for answer in out]


def events_of(answer):
    body = answer.json()
    return body if isinstance(body, list) else body.get("events", [])


def filled(api, krn):
    for _ in range(3):
        api.report(krn, errors=[{"message": "e"}] * 3, warnings=[{"message": "w"}] * 3)
    api.report(krn, "other.csv")
    return api.record(krn, "sales.csv")


def test_cursors_survive_restarts_and_a_backup(make_server, krn, tmp_path):
    server = make_server().start()
    api = Api(server)
    pages = pages_of(api, krn, filled(api, krn))
    before = answers(api, pages)
    assert [status for status, _ in before] == [200] * 5 and all(versions for _, versions in before)
    server.restart()
    assert answers(Api(server), pages) == before
    server.restart(kill=True)
    assert answers(Api(server), pages) == before
    copy = tmp_path / "restored"
    (copy / "data").mkdir(parents=True)
    done = pebbles("backup", *server.store_arguments, copy / "data" / "pebbles.db")
    assert done.returncode == 0, done.stderr
    server.stop()
    for command in ("rebuild", "verify"):
        done = pebbles(command, *server.store_arguments)
        assert done.returncode == 0, done.stderr
    server.start()
    assert answers(Api(server), pages) == before
    restored = make_server(copy).start()
    assert answers(Api(restored), pages) == before


def test_a_key_that_is_deleted_is_replaced_and_one_that_is_damaged_is_not(make_server, krn):
    server = make_server().start()
    api = Api(server)
    pages = pages_of(api, krn, filled(api, krn))
    server.stop()
    with sqlite3.connect(server.folder / "data" / "pebbles.db") as database:
        database.execute("UPDATE secrets SET value='not a key' WHERE name='cursor_key'")
    database.close()
    assert server.start(wait=False).wait_dead() == 2
    assert "'cursor_key' of the table secrets is not a blob of 32 bytes" in server.log_text()
    with sqlite3.connect(server.folder / "data" / "pebbles.db") as database:
        assert database.execute("DELETE FROM secrets WHERE value='not a key'").rowcount == 1
    database.close()
    server.start()
    api = Api(server)
    for path, parameters in pages:
        refused(api.http.get(path, params=parameters), *parameters)
    assert [status for status, _ in answers(api, pages_of(api, krn, api.record(krn, "sales.csv")))] == [200] * 5


def test_cursors_of_one_instance_hold_at_another(make_server, one_node, krn):
    uri = one_node.uri(mongo.new_database())
    servers = [make_server(uri=uri) for _ in range(2)]
    with ThreadPoolExecutor() as starts:  # at once: one of the two makes the key
        list(starts.map(lambda server: server.start(), servers))
    first, second = map(Api, servers)
    record = filled(first, krn)
    wait_until(lambda: len(second.listed(krn)) == 2, what="the snapshots")
    wait_until(lambda: len(first.http.get(feed_path(krn)).json()["events"]) == 4, what="the feed")
    pages = pages_of(first, krn, record)
    assert answers(second, pages) == answers(first, pages)
    for path, parameters in pages_of(second, krn, record):
        assert first.http.get(path, params=parameters).status_code == 200
    servers[0].restart()
    assert answers(Api(servers[0]), pages) == answers(second, pages)
    servers[0].stop()
    with pymongo.MongoClient(uri) as client:
        secrets = client.get_default_database().pebbles_secrets
        assert [len(row["key"]) for row in secrets.find()] == [32]
        secrets.update_one({}, {"$set": {"key": Binary(bytes(31))}})
        assert servers[0].start(wait=False).wait_dead() == 2
        assert "the document 'cursorKey' of pebbles_secrets" in servers[0].log_text()
    assert answers(second, pages)[0][0] == 200, "who runs goes on"


# ---- What a feed tells of others ----

def test_a_feed_tells_nothing_of_what_others_write(api, krn):
    api.report(krn)
    events, idle = api.http.get(feed_path(krn)).json()["events"], []
    for round in range(6):
        page = api.http.get(feed_path(krn), params={"after": idle[-1]} if idle else {}).json()
        assert page["events"] == (events if not idle else []) and page["more"] is False
        idle.append(page["next"])
        if round >= 3:  # before, nobody writes
            for number in range(10):
                api.report(krn + ":other", f"{number}.csv")
    # Whether others have written cannot be told from them: they differ in any case, in all their bytes.
    raw = [base64.urlsafe_b64decode(cursor + "=") for cursor in idle]
    assert len({len(text) for text in raw}) == 1
    assert len({text[1:17] for text in raw}) == len({text[17:] for text in raw}) == len(raw)
    assert len({text[17:25] for text in raw}) == len({text[25:33] for text in raw}) == len(raw)
    lines = [json.loads(line) for line in api.http.get(feed_path(krn), params={"format": "ndjson"}).text.splitlines()]
    assert len(lines) == 1 and lines[0]["cursor"] not in idle


def test_where_a_page_of_a_feed_ends_tells_nothing_of_what_others_write(make_server, krn):
    """A look passes so many rows of the event log, of all clients, and no more: neither pages nor pieces show that."""
    server = make_server().start()
    api = Api(server)
    api.report(krn)
    begun = api.http.get(feed_path(krn)).json()["next"]
    for batch in range(6):
        many = [update(f"{batch}-{number}.csv", done=1) for number in range(9_000)]
        done = api.http.post(path_of(krn + ":other") + "/batch", headers=harness.bearer(), json=many)
        assert done.status_code in (200, 207), done.text[:300]
        if batch == 2:
            api.report(krn)
    for after, versions in ((None, [1, 2]), (begun, [2])):
        page = api.http.get(feed_path(krn), params={"after": after} if after else {}).json()
        assert [event["version"] for event in page["events"]] == versions and page["more"] is False
    first = api.http.get(feed_path(krn), params={"limit": 1}).json()
    assert len(first["events"]) == 1 and first["more"] is True
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    line.request("GET", feed_path(krn) + "?format=ndjson")
    answer = line.getresponse()
    sizes = []
    while size := int(answer.fp.readline(), 16):  # of the chunks, as they come
        sizes.append(size)
        answer.fp.read(size + 2)
    assert len(sizes) == 1
    line.close()
