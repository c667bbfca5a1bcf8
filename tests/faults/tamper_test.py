"""`verify` finds what was changed behind Pebbles' back and names it; `rebuild` repairs what the log can repair."""
import contextlib
import hashlib
import json
import re
import sqlite3

import mongo
import pytest
from api_support import Api, Connection, pebbles
from harness import update
from load import data_of, verify, verify_clean

victim = ("krn:b", "b.csv")
clients, filenames = ["krn:a", "krn:b", "krn:c"], ["a.csv", "b.csv", "d/ü.csv"]


@pytest.fixture
def store(make_server):
    return filled(make_server())


def filled(server):
    """It has nine files of several chunks each, and has stopped."""
    server.start()
    connection = Connection(server.port)
    for number in range(5):
        for client in clients:
            for filename in filenames:
                body = update(filename, done=10 + number, errors=[{"line": number + 1, "message": "an error"}])
                assert connection.post(client, body, key=f"key-{number}")[0] == 200
    connection.close()
    server.stop()
    return server


@contextlib.contextmanager
def opened(server):
    database = sqlite3.connect(data_of(server) / "pebbles.db")
    row, = database.execute("SELECT stream FROM streams WHERE client=? AND filename=?", victim).fetchone()
    with database:
        yield database, row
    database.close()


def everything(server):
    with opened(server) as (database, _):
        return {table: database.execute(f"SELECT * FROM {table}").fetchall()
                for table in ("streams", "progress_events", "progress", "progress_items", "stream_chunks",
                              "event_keys")}


def chunks(database, row):
    return [first for first, in database.execute(
        "SELECT first_version FROM progress_events WHERE stream=? ORDER BY first_version", (row,))]


def change(server, sql, *values):
    """Runs the statement with the victim's row behind `values`, and it must hit exactly one row."""
    with opened(server) as (database, row):
        assert database.execute(sql, (*values, row)).rowcount == 1



def assert_names_the_victim(result):
    assert result.returncode == 1, result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if re.match(r"krn:\S+ / ", line)]
    assert lines and all(line.startswith(" / ".join(victim) + ": ") for line in lines), result.stdout


snapshots = {
    "a counter": "UPDATE progress SET done=done+1 WHERE stream=?",
    "the version": "UPDATE progress SET version=version+1 WHERE stream=?",
    "the owner": "UPDATE progress SET email='thief@example.com' WHERE stream=?",
    "completion": "UPDATE progress SET is_completed=1 WHERE stream=?",
    "an error count": "UPDATE progress SET error_count=0 WHERE stream=?",
    "a time": "UPDATE progress SET updated_at=updated_at+1 WHERE stream=?",
    "the head": "UPDATE progress SET head=zeroblob(32) WHERE stream=?",
    "the client in the snapshot": "UPDATE progress SET client='krn:a' WHERE stream=?",
    "the id": "UPDATE progress SET id=zeroblob(12) WHERE stream=?",
    "a missing snapshot": "DELETE FROM progress WHERE stream=?",
    "an error's text": "UPDATE progress_items SET errors=replace(errors, 'an error', 'no error') WHERE stream=?",
    "missing items": "DELETE FROM progress_items WHERE stream=?",
    "items that are no JSON": "UPDATE progress_items SET errors='[' WHERE stream=?",
}
indexes = {
    "a missing index row": "DELETE FROM stream_chunks WHERE first_version=1 AND stream=?",
    "an index row elsewhere": "UPDATE stream_chunks SET seq=seq+1 WHERE first_version=1 AND stream=?",
    "a missing last index row": "DELETE FROM stream_chunks WHERE first_version="
                                "(SELECT max(first_version) FROM progress_events) "
                                "AND stream=?",
    "a missing key": "DELETE FROM event_keys WHERE hash=(SELECT min(hash) FROM event_keys) AND stream=?",
    "a key elsewhere": "UPDATE event_keys SET seq=1 WHERE hash=(SELECT min(hash) FROM event_keys) AND stream=?",
}


@pytest.mark.parametrize("what", [*snapshots, *indexes])
def test_what_the_log_can_repair(store, what):
    whole = everything(store)
    change(store, (snapshots | indexes)[what])
    assert everything(store) != whole
    assert_names_the_victim(verify(store))
    rebuilt = pebbles("rebuild", "--embedded", data_of(store))
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    verify_clean(store)
    after = everything(store)
    for table in ("streams", "progress_events", "progress_items", "stream_chunks", "event_keys"):
        assert sorted(after[table]) == sorted(whole[table]), table
    store.start()
    api = Api(store)
    for client in clients:
        for filename in filenames:
            record = api.record(client, filename)
            assert (record["counts"]["done"], record["version"], record["errorCount"]) == (60, 5, 5)
        assert len(api.listed(client)) == 3
    replay = api.post(victim[0], update(victim[1], done=10, errors=[{"line": 1, "message": "an error"}]), key="key-0")
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert api.report(victim[0], victim[1], done=1)["counts"]["done"] == 61
    store.stop()
    verify_clean(store)


logs = {
    "a byte of an event": "UPDATE progress_events SET events=replace(events, '\"done\":11', '\"done\":12') "
                          "WHERE events LIKE '%\"done\":11%' AND stream=?",
    "a byte of a text": "UPDATE progress_events SET events=replace(events, 'an error', 'an Error') "
                        "WHERE events LIKE '%\"done\":11%' AND stream=?",
    "events that are no JSON": "UPDATE progress_events SET events='x' WHERE events LIKE '%\"done\":11%' AND stream=?",
    "the hash": "UPDATE progress_events SET hash=zeroblob(32) WHERE events LIKE '%\"done\":12%' AND stream=?",
    "the number of events": "UPDATE progress_events SET n=n+1 WHERE events LIKE '%\"done\":12%' AND stream=?",
    "an unknown format": "UPDATE progress_events SET format=99 WHERE events LIKE '%\"done\":12%' AND stream=?",
    "the predecessor": "UPDATE progress_events SET prev_hash=zeroblob(32) "
                       "WHERE events LIKE '%\"done\":12%' AND stream=?",
    "a missing chunk": "DELETE FROM progress_events WHERE events LIKE '%\"done\":12%' AND stream=?",
    "a missing first chunk": "DELETE FROM progress_events WHERE events LIKE '%\"done\":10%' AND stream=?",
    "a missing last chunk": "DELETE FROM progress_events WHERE events LIKE '%\"done\":14%' AND stream=?",
}


@pytest.mark.parametrize("what", logs)
def test_what_nobody_can_repair(store, what):
    """It is reported by both and left as it is; the others are as good as before."""
    change(store, logs[what])
    assert_names_the_victim(verify(store))
    damaged = everything(store)
    rebuilt = pebbles("rebuild", "--embedded", data_of(store))
    assert_names_the_victim(rebuilt)
    after = everything(store)
    for table in ("streams", "progress_events", "progress", "progress_items"):
        assert after[table] == damaged[table], table
    assert_names_the_victim(verify(store))


def test_verify_of_what_is_not_there(tmp_path):
    for command in ("verify", "rebuild"):
        result = pebbles(command, "--embedded", tmp_path)
        assert result.returncode not in (0, 1) and "pebbles.db" in result.stderr
        assert not (tmp_path / "pebbles.db").exists()


def test_verify_and_rebuild_of_a_clean_store_change_nothing(store):
    whole = everything(store)
    verify_clean(store)
    rebuilt = pebbles("rebuild", "--embedded", data_of(store))
    assert rebuilt.returncode == 0 and "9 streams; 0 snapshots rewritten" in rebuilt.stdout
    assert everything(store) == whole
    assert verify(store).stdout == "9 streams, 45 chunks, 45 events verified; 0 differ\n"


class SqliteTamperer:
    """What somebody can do who may write to the database, and knows the format."""

    def __init__(self, server):
        self.server = server

    def rewrite_last_chunk(self):
        """Changes an event, and every hash and snapshot that follows from it."""
        with opened(self.server) as (database, row):
            seq, first, prev_version, prev_hash, text = database.execute(
                "SELECT seq, first_version, prev_version, prev_hash, events FROM progress_events WHERE stream=? "
                "ORDER BY first_version DESC LIMIT 1", (row,)).fetchone()
            text, digest = rewritten(first, prev_version, prev_hash, text)
            database.execute("UPDATE progress_events SET events=?, hash=? WHERE seq=?", (text, digest, seq))
            database.execute("UPDATE progress SET done=done-1, head=? WHERE stream=?", (digest, row))

    def remove_last_chunk(self):
        """And what would tell of it."""
        with opened(self.server) as (database, row):
            seq, = database.execute("SELECT max(seq) FROM progress_events WHERE stream=?", (row,)).fetchone()
            for table in ("event_keys", "stream_chunks", "progress_events"):
                database.execute(f"DELETE FROM {table} WHERE seq=?", (seq,))
            database.execute("DELETE FROM progress WHERE stream=?", (row,))

    def remove_all(self):
        with opened(self.server) as (database, row):
            for table in ("progress_events", "stream_chunks", "event_keys", "progress", "streams"):
                database.execute(f"DELETE FROM {table} WHERE stream=?", (row,))


class MongoTamperer:
    """The same of MongoDB."""

    of_victim = {"clientKrn": victim[0], "filename": victim[1]}

    def __init__(self, server, database):
        self.server, self.database = server, database

    def last_chunk(self):
        return self.database.progress_events.find_one(self.of_victim, sort=[("_id.first", -1)])

    def rewrite_last_chunk(self):
        chunk = self.last_chunk()
        prev = chunk["prev"]
        text, digest = rewritten(chunk["_id"]["first"], prev["first"], prev["hash"], chunk["events"])
        self.database.progress_events.update_one({"_id": chunk["_id"]}, {"$set": {"events": text, "hash": digest}})
        changed = self.database.progress.update_one(self.of_victim, {"$inc": {"counts.done": -1}, "$set": {"head.hash": digest}})
        assert changed.modified_count == 1

    def remove_last_chunk(self):
        assert self.database.progress_events.delete_one({"_id": self.last_chunk()["_id"]}).deleted_count == 1
        self.database.progress.delete_one(self.of_victim)

    def remove_all(self):
        assert self.database.progress_events.delete_many(self.of_victim).deleted_count > 0
        self.database.progress.delete_many(self.of_victim)


def rewritten(first, prev_first, prev_hash, text):
    """The victim's chunk with another number in it, and its hash."""
    assert '"done":14' in text
    text = text.replace('"done":14', '"done":13')
    header = {"format": 1, "client": victim[0], "filename": victim[1], "first": first, "n": 1,
              "prev": {"first": prev_first, "hash": prev_hash.hex()}}
    lines = json.dumps(header, ensure_ascii=False, separators=(",", ":")) + "\n" + text
    return text, hashlib.sha256(lines.encode()).digest()


@pytest.fixture(params=["sqlite", "mongodb"])
def tamperer(request, make_server):
    """Of a stopped server with nine files, on each store."""
    if request.param == "sqlite":
        yield SqliteTamperer(filled(make_server()))
        return
    one_node, database = request.getfixturevalue("one_node"), mongo.new_database()
    server = filled(make_server(uri=one_node.uri(database)))
    with one_node.client() as client:
        yield MongoTamperer(server, client[database])


@pytest.fixture
def heads(tamperer, tmp_path):
    """A file of the heads of now."""
    file = tmp_path / "heads.ndjson"
    written = check_heads(tamperer, "--write-heads", file)
    assert written.returncode == 0 and len(file.read_text().splitlines()) == 9, written.stderr
    return file


def check_heads(tamperer, option, heads):
    server = tamperer.server
    return pebbles("verify", *server.store_arguments, option, heads, env=server.store_env)


def test_a_head_that_was_kept_elsewhere_tells_of_a_log_that_was_rewritten(tamperer, heads):
    kept = check_heads(tamperer, "--head", heads)
    assert kept.returncode == 0, kept.stdout
    tamperer.rewrite_last_chunk()
    verify_clean(tamperer.server)  # alone it cannot tell
    found = check_heads(tamperer, "--head", heads)
    assert_names_the_victim(found)
    assert "version 5: the chunk is not the one whose head was kept" in found.stdout


def test_a_head_tells_of_what_was_removed_from_the_end(tamperer, heads):
    tamperer.remove_last_chunk()
    found = check_heads(tamperer, "--head", heads)
    assert found.returncode == 1
    assert "the log ends at version 4, the head that was kept is of version 5" in found.stdout
    tamperer.remove_all()
    found = check_heads(tamperer, "--head", heads)
    assert found.returncode == 1 and "nothing is left of the log whose head was kept" in found.stdout


def test_updates_do_not_change_what_a_head_proves(tamperer, heads):
    server = tamperer.server.start()
    Api(server).report(*victim, done=1)
    server.stop()
    kept = check_heads(tamperer, "--head", heads)
    assert kept.returncode == 0, kept.stdout


@pytest.mark.parametrize("text", ["x", "[]", "{}", '{"clientKrn":"a","filename":"b","version":1,"first":1,"hash":"00"}'])
def test_a_file_that_has_no_heads_is_refused(store, tmp_path, text):
    heads = tmp_path / "heads.ndjson"
    heads.write_text("\n" + text)
    refused = pebbles("verify", *store.store_arguments, "--head", heads, env=store.store_env)
    assert refused.returncode == 2 and "line 2 is not a head" in refused.stderr
    absent = pebbles("verify", *store.store_arguments, "--head", tmp_path / "absent", env=store.store_env)
    assert absent.returncode == 2 and "cannot be read" in absent.stderr
