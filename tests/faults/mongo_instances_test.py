"""Several instances on one database: exact totals, one owner, and what a dead instance left is put right by another."""
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import harness
import mongo
import pytest
from api_support import Api, Connection, path_of, pebbles
from harness import update, wait_until
from load import Load, verify, verify_clean

rounds = 100 if harness.long_rounds else 10
seconds = 20 if harness.long_rounds else 2
krn = "krn:instances"


def test_a_new_life_that_began_at_another_instance(make_server, one_node, database):
    """What an instance has in memory of a file may be of a life that is over: completed, or somebody else's."""
    first, second = (Api(make_server(uri=one_node.uri(database)).start()) for _ in range(2))
    bob = harness.mint("bob@example.com")

    def delete(api, filename, token=None):
        answer = api.http.delete(path_of(krn, api.record(krn, filename)["id"]), headers=harness.bearer(token))
        assert answer.status_code == 204, answer.text

    first.report(krn, "completed.csv", done=1, isLast=True)
    delete(second, "completed.csv")
    second.report(krn, "completed.csv", done=10)
    assert first.report(krn, "completed.csv", done=100)["counts"]["done"] == 110
    first.report(krn, "owned.csv", done=1)
    delete(second, "owned.csv")
    second.report(krn, "owned.csv", done=10, token=bob)
    assert first.report(krn, "owned.csv", done=100, token=bob)["counts"]["done"] == 110
    delete(first, "owned.csv", bob)
    assert second.report(krn, "owned.csv", done=7)["result"] == "created"


@pytest.mark.parametrize("instances", [2, 3])
def test_totals_of_the_same_files_are_exact(make_server, one_node, database, seed, instances):
    servers = [make_server(uri=one_node.uri(database)).start() for _ in range(instances)]
    load = Load(servers[0], seed, others=servers[1:], files=4, must_answer=True)
    with load:
        time.sleep(seconds)
    load.check()
    assert load.acknowledged > 20 * seconds


def test_totals_are_exact_when_one_of_them_dies(make_server, one_node, database, seed):
    servers = [make_server(uri=one_node.uri(database)).start() for _ in range(3)]
    load = Load(servers[0], seed, others=servers[1:], files=4)
    with load:
        load.wait_acknowledged(60)
        servers[2].kill()
        load.wait_acknowledged(60)
        servers[2].start()
        load.wait_acknowledged(60)
    load.check()


def test_of_eight_users_one_owns(make_server, one_node, database):
    servers = [make_server(uri=one_node.uri(database)).start() for _ in range(2)]
    gate = threading.Barrier(8)

    def race(number):
        connection = Connection(servers[number % 2].port, token=harness.mint(f"user-{number}@example.com"))
        statuses = []
        for index in range(rounds):
            gate.wait(30)
            statuses.append(connection.post(krn, update(f"file-{index}", done=1 + number))[0])
        connection.close()
        return statuses

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(race, range(8)))
    for index in range(rounds):
        assert Counter(part[index] for part in parts) == {200: 1, 403: 7}, index
        owner = next(number for number, part in enumerate(parts) if part[index] == 200)
        record = Api(servers[0]).record(krn, f"file-{index}")
        assert (record["email"], record["counts"]["done"]) == (f"user-{owner}@example.com", 1 + owner)
    verify_clean(servers[0])


def log_and_snapshot(client, database, filename):
    """How far the log of a file goes and how far its snapshot."""
    chunks = client[database].progress_events.find({"clientKrn": krn, "filename": filename})
    log = max((chunk["_id"]["first"] + chunk["n"] - 1 for chunk in chunks), default=0)
    snapshot = client[database].progress.find_one({"clientKrn": krn, "filename": filename}) or {}
    return log, snapshot.get("version", 0)


def are_caught_up(client, database):
    """All snapshots, of every client, with their logs."""
    events = sum(chunk["n"] for chunk in client[database].progress_events.find())
    return sum(snapshot["version"] for snapshot in client[database].progress.find()) == events


@pytest.mark.parametrize("by, first", [("touch", True), ("touch", False), ("sweep", True)] +
                         [("sweep", False)] * harness.long_rounds)
def test_a_chunk_without_its_snapshot_is_caught_up(make_server, standalone, database, by, first):
    """To die between the two writes leaves the log ahead."""
    dying, other = (make_server(uri=standalone.uri(database)) for _ in range(2))
    other.start()
    dying.start(env={"PEBBLES_CRASH_AT": "after-chunks:1" if first else "after-chunks:3"})
    connection = Connection(dying.port)
    with standalone.client() as client:
        with pytest.raises(Connection.failures):
            for number in range(3):
                wait_until(lambda: log_and_snapshot(client, database, "a")[1] == number, 20, "the snapshot")
                time.sleep(0.3)  # a quiet file: its snapshot follows at once
                assert connection.post(krn, update("a", done=10**number), f"key-{number}")[0] == 200
        assert dying.wait_dead() == -signal.SIGKILL
        version = 1 if first else 3
        api = Api(other)
        assert log_and_snapshot(client, database, "a") == (version, version - 1)
        if by == "sweep":
            wait_until(lambda: log_and_snapshot(client, database, "a") == (version, version), 20, "the sweep")
            assert api.record(krn, "a")["version"] == version
        # The key of the update that nobody has answered is known, whoever is asked.
        answer = api.post(krn, update("a", done=10 ** (version - 1)), key=f"key-{version - 1}")
        assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (200, "true")
        assert api.report(krn, "a", failed=1)["counts"] == {"done": 1 if first else 111, "warn": 0, "failed": 1}
        wait_until(lambda: log_and_snapshot(client, database, "a") == (version + 1, version + 1), 20, "the snapshot")
    verify_clean(other)


@pytest.mark.parametrize("point", ["after-chunks", "after-store-commit"])
def test_a_death_holds_nobody_up(make_server, one_node, database, seed, point):
    """Another instance goes on at once with the same files, whose snapshots are behind."""
    dying, other = (make_server(uri=one_node.uri(database)) for _ in range(2))
    other.start()
    dying.start(env={"PEBBLES_CRASH_AT": f"{point}:{random.Random(str(seed)).randrange(10, 40)}"})
    load = Load(dying, seed, files=2)
    with load:
        assert dying.wait_dead(15) == -signal.SIGKILL
    load.server, load.servers = other, [other]
    with load:
        load.wait_acknowledged(40, 20)
    assert {update.filename for update in load.history.updates if update.acknowledged} == set(load.files)
    load.check()


def test_an_instance_that_was_given_up_comes_back(make_server, one_node, database, seed):
    """Frozen for longer than the others wait for its word: they end its sessions and catch up with its snapshots."""
    servers = [make_server(uri=one_node.uri(database)).start() for _ in range(2)]
    load = Load(servers[0], seed, others=servers[1:], files=4)
    with load:
        load.wait_acknowledged(60)
        servers[1].freeze()
        try:
            wait_until(lambda: "instance_given_up" in servers[0].log_text(), 15, "the giving up")
            load.wait_acknowledged(20)
        finally:
            servers[1].thaw()
        load.wait_acknowledged(60)
    load.check()


def test_verify_and_rebuild_beside_a_running_server(make_server, one_node, database, seed):
    server = make_server(uri=one_node.uri(database)).start()
    load = Load(server, seed, files=6)
    with load:
        load.wait_acknowledged(60)
    api = Api(server)
    api.report(krn, "untouched", done=5)
    with one_node.client() as client:
        wait_until(lambda: are_caught_up(client, database), 20, "the snapshots, which come over what is changed")
        client[database].progress.update_many({}, {"$set": {"counts.done": 1}})
    found = verify(server)
    assert found.returncode == 1 and "7 differ" in found.stdout, found.stdout + found.stderr
    with load:
        load.wait_acknowledged(20)
        rebuilt = pebbles("rebuild", *server.store_arguments, env=server.store_env)
        load.wait_acknowledged(20)
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    load.check()
    assert api.record(krn, "untouched")["counts"]["done"] == 5


def test_a_database_that_is_away_at_the_start(make_server, tmp_path, database):
    mongod = mongo.Mongod(tmp_path / "mongod")
    server = make_server(uri=mongod.uri(database) + "?serverSelectionTimeoutMS=500").start(wait=False)
    api = Api(server)
    wait_until(lambda: "server_listening" in server.log_text(), 20, "the listener")
    assert api.http.get("/health").status_code == 503
    answer = api.post(krn, update("a", done=1), key="k")
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    assert api.get(krn).status_code == 503
    with mongod:
        server.wait_healthy(15)
        assert api.post(krn, update("a", done=1), key="k").status_code == 200
        assert api.record(krn, "a")["counts"]["done"] == 1
        verify_clean(server)
        server.stop()
