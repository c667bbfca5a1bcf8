"""Writes whose outcome nobody was told: settled at the version they were sent at, so that each counts once."""
import random
import time

import harness
import pytest
from api_support import Api
from harness import wait_until
from load import Load, verify_clean
from mongo import ReplicaSet
from wire import WireProxy

krn = "krn:unknown"


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """A replica set of one whose fail points are this file's own."""
    with ReplicaSet(tmp_path_factory.mktemp("fail-points")) as replica_set:
        yield replica_set


def update_of(done):
    return {"filename": "a", "counts": {"done": done, "warn": 0, "failed": 0}}


@pytest.mark.parametrize("cuts", [1, 2, 5] if harness.long_rounds else [2])
@pytest.mark.parametrize("what", ["insert", "update"])
@pytest.mark.parametrize("where", ["replica set", "standalone"])
def test_the_network_is_cut_after_the_write(make_server, members, standalone, database, where, what, cuts):
    """Behind the insert of a chunk, whose outcome is then unknown, and behind the update of its snapshot."""
    mongod = members.members[0] if where == "replica set" else standalone
    with WireProxy(mongod.port) as proxy:
        server = make_server(uri=proxy.uri(database)).start()
        api = Api(server)
        assert api.post(krn, update_of(1), key="first").status_code == 200
        time.sleep(0.3)  # a file that has been quiet: its snapshot follows at once
        proxy.cut_around(what, cuts, "progress_events" if what == "insert" else "progress")
        answer = api.post(krn, update_of(10), key="second", timeout=60)
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            assert "may still be applied" in answer.text
        wait_until(lambda: api.post(krn, update_of(10), key="second", timeout=60).status_code == 200, 30, "the replay")
        wait_until(lambda: proxy.cuts == cuts, 10, "the cuts")
        assert api.report(krn, "a", done=100)["counts"]["done"] == 111
        with mongod.client() as client:
            wait_until(lambda: client[database].progress.find_one({"clientKrn": krn})["version"] == 3, 10, "the snapshot")
        verify_clean(server)
        server.stop()


unknown = ["RetryableWriteError"]
failures = {
    "insert, interrupted": {"failCommands": ["insert"], "errorCode": 11602, "errorLabels": unknown},
    "insert, shutting down": {"failCommands": ["insert"], "errorCode": 91},
    "insert, connection closed": {"failCommands": ["insert"], "closeConnection": True},
    "insert, not primary": {"failCommands": ["insert"], "errorCode": 10107},
    "insert, applied and not replicated": {"failCommands": ["insert"],
                                           "writeConcernError": {"code": 64, "errmsg": "waiting timed out"}},
    "update, connection closed": {"failCommands": ["update"], "closeConnection": True},
    "find, connection closed": {"failCommands": ["find"], "closeConnection": True},
    "update, not primary": {"failCommands": ["update"], "errorCode": 10107},
    "update, applied and not replicated": {"failCommands": ["update"],
                                           "writeConcernError": {"code": 64, "errmsg": "waiting timed out"}},
}


often = ["insert, connection closed", "insert, applied and not replicated", "update, connection closed"]


@pytest.mark.parametrize("failure", failures if harness.long_rounds else often)
def test_the_server_fails_commands_under_load(make_server, members, database, seed, failure):
    """Two instances on the same files, which conflict with each other meanwhile."""
    servers = [make_server(uri=members.uri(database)).start() for _ in range(2)]
    dice = random.Random(str(seed))
    load = Load(servers[0], seed, others=servers[1:], files=4, pause=0.02)
    mongod = members.members[0]
    try:
        with load:
            load.wait_acknowledged(20)
            for _ in range(5):
                mongod.fail_command({"times": dice.randrange(1, 5)}, appName="pebbles", **failures[failure])
                time.sleep(dice.uniform(0.1, 0.3))
            load.wait_acknowledged(20)
    finally:
        mongod.fail_point("failCommand", "off")
    load.check()


def test_writes_are_applied_and_then_dropped(make_server, members, database, seed):
    """The server applies a write and closes the connection instead of answering."""
    servers = [make_server(uri=members.uri(database)).start() for _ in range(2)]
    load = Load(servers[0], seed, others=servers[1:], files=4, pause=0.02)
    mongod = members.members[0]
    try:
        with load:
            load.wait_acknowledged(20)
            for times in (1, 2, 4):
                mongod.fail_point("onPrimaryTransactionalWrite", {"times": times}, closeConnection=True)
                load.wait_acknowledged(10, 30)
            load.wait_acknowledged(20)
    finally:
        mongod.fail_point("onPrimaryTransactionalWrite", "off")
    load.check()
