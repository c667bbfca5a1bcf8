"""A stored record that is not what was written blocks nobody: lists go on without it, updates of its file get a final
answer that names it, messages become dead letters, `verify` names it, and `rebuild` derives it or keeps it apart."""
import contextlib
import sqlite3

import bson
import harness
import mongo
import pytest
from api_support import Api, path_of, pebbles
from harness import update
from kafka_source_test import Topic, message
from load import data_of, verify, verify_clean
from metrics_support import metrics

krn = "krn:acme:client:123"
victim = "victim.csv"
whole = ["a-whole.csv", "z-whole.csv"]


def file_of(what):
    return f"{what}.csv"


class Sqlite:
    """What a row of `progress` can be damaged to."""
    damages = {
        "a text in a count": ("done", "many"), "a fraction": ("warn", 1.5), "a negative count": ("failed", -1),
        "a huge count": ("done", 2**62), "no owner": ("email", ""), "a text as a time": ("updated_at", "soon"),
        "a short id": ("id", b"123"), "a short head": ("head", b"1"), "positions that are no JSON": ("positions", "["),
        "a total that is a text": ("total", "all"), "a negative version": ("version", -3),
    }

    def __init__(self, server):
        self.server = server

    def damage_all(self):
        with contextlib.closing(sqlite3.connect(data_of(self.server) / "pebbles.db")) as database, database:
            for what, (field, value) in self.damages.items():
                changed = database.execute(f"UPDATE progress SET {field}=? WHERE filename=?", (value, file_of(what)))
                assert changed.rowcount == 1


unset = object()


class Mongo:
    """What a document of `progress` can be damaged to."""
    damages = {
        "no owner": ("email", unset), "a null owner": ("email", None), "a number as the owner": ("email", 7),
        "counts of text": ("counts.done", "many"), "a fraction": ("counts.warn", 1.5),
        "a negative count": ("counts.failed", -1), "a huge count": ("counts.done", 2.0**70),
        "a huge integer": ("counts.done", 2**62), "null counts": ("counts", None), "a list of counts": ("counts", [1]),
        "a text as the total": ("total", "all"), "a number as a time": ("updatedAt", 12),
        "a null time": ("createdAt", None), "a text as completion": ("isCompleted", "yes"),
        "errors of text": ("errors", "none"), "a text as the error count": ("errorCount", "1"),
        "a negative version": ("version", -3), "a text as the version": ("version", "3"), "a null head": ("head", None),
        "an id of text": ("_id", "my-id"), "an id that is a number": ("_id", 5), "a null id": ("_id", None),
    }

    def __init__(self, server, progress):
        self.server, self.progress = server, progress

    def damage_all(self):
        for what, (field, value) in self.damages.items():
            of_file = {"clientKrn": krn, "filename": file_of(what)}
            if field == "_id":
                document = self.progress.find_one(of_file)
                self.progress.delete_one(of_file)
                self.progress.insert_one({**document, "_id": value})
            else:
                change = {"$unset": {field: ""}} if value is unset else {"$set": {field: value}}
                assert self.progress.update_one(of_file, change).modified_count == 1


@pytest.fixture(params=[Sqlite, Mongo])
def damaged(request, make_server):
    """A running server on each store, with a file for each damage and two that are whole."""
    name = mongo.new_database()
    node = request.getfixturevalue("one_node") if request.param is Mongo else None
    server = make_server(uri=node.uri(name)) if node else make_server()
    api = Api(server.start())
    for filename in [*whole, *map(file_of, request.param.damages)]:
        for number in range(2):
            api.report(krn, filename, done=10 + number, total=100)
    server.stop()
    with node.client() if node else contextlib.nullcontext() as client:
        store = Mongo(server, client[name].progress) if node else Sqlite(server)
        store.damage_all()
        server.start()
        yield store


def names(records):
    return sorted(record["filename"] for record in records)


def assert_names_it(answer, status, what):
    assert answer.status_code == status, (what, answer.text)
    detail = answer.json()["error"]
    assert "cannot be read" in detail and file_of(what) in detail, detail


def test_a_record_that_cannot_be_read_blocks_nobody(damaged):
    server, api = damaged.server, Api(damaged.server)
    bad = [file_of(what) for what in damaged.damages]
    for sort in ("-updatedAt", "createdAt", "filename"):
        assert names(api.listed(krn, sort=sort)) == whole, sort
    assert api.get(krn, limit=1).json()[0]["filename"] in whole
    for what in damaged.damages:
        assert_names_it(api.get(krn, filename=file_of(what)), 500, what)
        assert_names_it(api.post(krn, update(file_of(what), done=1)), 409, what)
    assert metrics(server.url)["pebbles_unreadable_records"] >= len(bad)
    batch = api.http.post(path_of(krn, "batch"), json=[update(name, done=1) for name in [whole[0], *bad, whole[1]]],
                          headers=harness.bearer(None))
    assert [entry["status"] for entry in batch.json()["results"]] == [200, *[409] * len(bad), 200], batch.text
    server.stop()
    found = verify(server)
    assert found.returncode == 1 and all(f"{krn} / {name}: " in found.stdout for name in bad), found.stdout
    rebuilt = pebbles("rebuild", *server.store_arguments, env=server.store_env)
    assert rebuilt.returncode == 0, (rebuilt.stdout, rebuilt.stderr)
    verify_clean(server)
    api = Api(server.start())
    assert names(api.listed(krn, limit=100)) == sorted([*whole, *bad])
    assert all(api.record(krn, name)["counts"]["done"] == 21 for name in bad)  # derived from the log
    assert api.report(krn, bad[0], done=1)["counts"]["done"] == 22
    server.stop()


def sample(**changes):
    return {"_id": bson.ObjectId(), "clientKrn": krn, "filename": victim, "email": harness.owner,
            "counts": {"done": 5, "warn": 0, "failed": 0}, "total": 10, "isCompleted": False,
            "createdAt": "2024-01-01T10:00:00Z", "updatedAt": "2024-01-01T15:30:00Z", "errors": [], "warnings": [],
            **changes}


def test_documents_without_a_log_are_kept_apart(make_server, one_node, database):
    """Those of the earlier service, and what somebody put there: named by `verify`, moved by `rebuild`."""
    bad = [sample(filename="1", _id="text"), sample(filename=None), sample(filename="3", email=None),
           sample(filename="4", counts={"done": "5"}), sample(filename="5", createdAt=None)]
    without = sample(filename="6")
    del without["email"]
    nobody = sample(email="other@acme.com")
    del nobody["filename"]
    bad += [without, nobody]
    with one_node.client() as client:
        stored = client[database]
        stored.progress.insert_many([*bad, sample()])
        server = make_server(uri=one_node.uri(database)).start()
        api = Api(server)
        assert names(api.listed(krn)) == [victim]
        assert metrics(server.url)["pebbles_unreadable_records"] == len(bad)
        for name in ("1", "3", "4", "5", "6"):
            answer = api.post(krn, update(name, done=1))
            assert answer.status_code == 409 and f"{krn} / {name} cannot be read" in answer.json()["error"], answer.text
        assert api.post(krn, update(victim, done=1)).status_code == 200
        removed = api.http.delete(path_of(krn, str(bad[3]["_id"])), headers=harness.bearer(None))
        assert removed.status_code == 409, removed.text
        server.stop()
        found = verify(server)
        assert found.returncode == 1 and found.stdout.count("cannot be read") == len(bad), found.stdout
        rebuilt = pebbles("rebuild", *server.store_arguments, env=server.store_env)
        assert f"{len(bad)} records that cannot be read were moved to pebbles_quarantine" in rebuilt.stdout
        verify_clean(server)
        kept = list(stored.pebbles_quarantine.find())
        assert sorted(str(entry["document"]["_id"]) for entry in kept) == sorted(str(entry["_id"]) for entry in bad)
        assert all(entry["collection"] == "progress" and "`" in entry["reason"] for entry in kept)
        server.start()
        assert Api(server).post(krn, update("3", done=1)).status_code == 200
        server.stop()


def test_a_poisoned_record_stops_no_partition(make_server, shared_kafka, one_node, database):
    topic = Topic(shared_kafka)
    with one_node.client() as client:
        client[database].progress.insert_one(sample(email=None))
        behind = [message(f"{number % 7}", krn=krn, done=1) for number in range(350)]
        topic.produce(message(victim, krn=krn, done=1), *behind, message(victim, krn=krn, done=2))
        server = make_server(uri=one_node.uri(database), env=topic.env()).start()
        topic.wait_committed()
        api = Api(server)
        assert [api.record(krn, f"{number}")["counts"]["done"] for number in range(7)] == [50] * 7
        letters = topic.read_dead_letters()
        assert len(letters) == 2
        for letter in letters:
            headers = dict(letter.headers)
            assert headers["pebbles-dlq-reason"] == b"unstorable", headers
            assert f"{krn} / {victim} cannot be read".encode() in headers["pebbles-dlq-detail"], headers
        server.stop()
