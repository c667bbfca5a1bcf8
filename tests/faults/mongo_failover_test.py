"""A primary that dies or freezes under load: nothing acknowledged is lost, nothing counts twice, and it goes on soon."""
import random
import time

import harness
import pytest
from history import check
from load import Load, verify_clean

rounds = {"kill": 10, "freeze": 10} if harness.long_rounds else {"kill": 2, "freeze": 1}
recovery_max_s = 10
frozen_s = 10


@pytest.mark.timeout(60 + 60 * max(rounds.values()))
@pytest.mark.parametrize("fault", rounds)
def test_a_primary_fails_under_load(make_server, three_nodes, database, seed, fault):
    server = make_server(uri=three_nodes.uri(database))
    load = Load(server, seed, pause=0.2, must_answer=True)
    dice = random.Random(str(seed))
    three_nodes.wait_steady()
    server.start()
    for _ in range(rounds[fault]):
        primary = three_nodes.wait_steady()
        with load:
            load.wait_acknowledged(30)
            time.sleep(dice.uniform(0, 0.5))
            began = time.monotonic()
            primary.kill() if fault == "kill" else primary.freeze()
            try:
                three_nodes.wait_majority(20, among=three_nodes.others(primary))
                # While a member is frozen the others tell each other what they have by heartbeats alone: a majority
                # is slow then, and few updates are proof enough.
                load.wait_acknowledged(3, recovery_max_s)
                if fault == "freeze":
                    time.sleep(max(0, began + frozen_s - time.monotonic()))
            finally:
                primary.start() if fault == "kill" else primary.thaw()
            load.wait_acknowledged(20)
        load.check()
    server.stop()
    verify_clean(server)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("weak", [False, True], ids=["majority", "control: one"])
def test_writes_that_no_majority_has_are_not_acknowledged(make_server, three_nodes, database, seed, weak):
    """The primary writes alone for a moment and dies. With write concern 1 this must lose updates, or neither this test
    nor the one above proves anything."""
    server = make_server(uri=three_nodes.uri(database), env={"PEBBLES_TEST_WEAK_WRITES": "1"} if weak else {})
    load = Load(server, seed, pause=0.2)
    primary = three_nodes.wait_steady()
    server.start()
    with load:
        load.wait_acknowledged(30)
        try:
            for other in three_nodes.others(primary):  # not SIGSTOP: what waits in a socket would still arrive
                other.fail_point("stopReplProducer", "alwaysOn")
            time.sleep(1.5)
            primary.kill()
        finally:
            for other in three_nodes.others(primary):
                other.fail_point("stopReplProducer", "off")
    three_nodes.wait_primary(20, among=three_nodes.others(primary))
    primary.start()
    three_nodes.wait_steady()
    server.wait_healthy()
    if not weak:
        load.check()
        return
    totals = load.totals()
    counted = sum(warn for _, warn in totals.values())  # one an update
    assert counted < load.acknowledged, load.explained("nothing was lost")
    assert check(load.history, totals)
    server.kill()  # it may wait for ever for a log that was cut
