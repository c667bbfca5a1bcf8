"""kill -9 at random moments and at every named point: what was acknowledged counts once, all else once at most."""
import random
import signal
import subprocess
import time

import harness
import pytest
from load import Load, verify_clean

rounds = 30 if harness.long_rounds else 4


@pytest.mark.timeout(60 + 10 * rounds)
def test_kill_at_random_moments(make_server, seed):
    server = make_server()
    load = Load(server, seed)
    dice = random.Random(str(seed))
    for _ in range(rounds):
        if dice.random() < 0.4:  # and once more on the way up
            server.start(wait=False)
            time.sleep(dice.uniform(0, 0.06))
            server.kill()
        server.start()
        with load:
            time.sleep(dice.uniform(0.05, 1.5))
            server.kill()
        server.start()
        load.check()
        server.kill()
    verify_clean(server)  # which replays what the last kill has left
    server.start()
    load.check()
    assert load.acknowledged > 20 * rounds
    server.stop()
    verify_clean(server)


def crash_points():
    listed = subprocess.run([harness.binary(), "crash-points"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            text=True)
    return listed.stdout.split() if listed.returncode == 0 else []


def test_there_are_crash_points():
    """A build without them would pass all of what is below, having no case."""
    assert len(crash_points()) >= 11


def later_passage(point):
    return 3 if "checkpoint" in point else 60


@pytest.mark.parametrize("passage", ["first", "later"])
@pytest.mark.parametrize("point", crash_points())
def test_kill_at_a_named_point(make_server, seed, point, passage):
    server = make_server()
    idle_moments = "checkpoint" in point  # there are few checkpoints where there are none
    load = Load(server, seed, bursts=idle_moments)
    if passage == "later":
        server.start()
        with load:
            load.wait_acknowledged(30)
        server.kill()
    number = 1 if passage == "first" else later_passage(point)
    server.start(wait=False, env={"PEBBLES_CRASH_AT": f"{point}:{number}"})
    with load:
        try:
            status = server.wait_dead(15)
        except subprocess.TimeoutExpired:
            pytest.fail(load.explained(f"passage {number} of {point} was not reached in 15 s"))
    assert status == -signal.SIGKILL, load.explained(f"ended with {status} and not at {point}")
    server.start()
    load.check()
    with load:
        load.wait_acknowledged(20)
    load.check()
    server.stop()
    verify_clean(server)


@pytest.mark.parametrize("point", ["before-checkpoint", "after-checkpoint"])
def test_kill_while_stopping(make_server, seed, point):
    """An orderly stop checkpoints at its end; to be killed there is no different."""
    server = make_server().start()
    server.stop()  # the next start has nothing to copy, so that the first checkpoint is the last one
    load = Load(server, seed)
    server.start(env={"PEBBLES_CRASH_AT": point})
    with load:
        load.wait_acknowledged(30)
        server.process.send_signal(signal.SIGTERM)
        assert server.wait_dead(15) == -signal.SIGKILL
    server.start()
    load.check()
    server.stop()
    verify_clean(server)
