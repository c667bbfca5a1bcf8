"""Clients that cost memory or time with all they can send, one kind after another and then all at once, on either store:
the server's memory stays within what docs/operations.md says, falls again afterwards, and another tenant is served.

Memory is what the kernel says the process has had at most (VmHWM). A limit of the system would end the process at 512
MiB; these bounds are lower. By default each attack takes a moment, with PEBBLES_LONG ten minutes of all of them follow."""
import contextlib
import multiprocessing
import os
import pathlib
import statistics
import threading
import time

import harness
import hostile
import hostile_writes
import mongo
import pytest
from api_support import Connection
from load import verify_clean
from open_loop import rss_mib

pytestmark = pytest.mark.timeout(1500)

alone_mib_max, together_mib_max, limit_mib = 256, 384, 512
resting_growth_mib_max = 150  # what is kept on purpose: states, pages and snapshots that were used last
seconds_alone = 20 if harness.long_rounds else 1
seconds_together = 60 if harness.long_rounds else 4
idle_connections = 9_000 if harness.long_rounds else 1_500

writers = {
    "held posts": lambda *a: hostile_writes.held_posts(*a),
    "held batches": lambda *a: hostile_writes.held_posts(*a, krn="krn:hostile:held-batches", count=40, batch=True,
                                                         length=hostile_writes.batch_bytes_max),
    "arrays": lambda *a: hostile_writes.array_bombs(*a),
    "empty messages": lambda *a: hostile_writes.message_bombs(*a),
    "many small": lambda *a: hostile_writes.many_small(*a),
    "idle after large heads": lambda *a: hostile_writes.large_heads(*a, count=idle_connections),
    "slow heads": lambda *a: hostile_writes.slow_heads(*a, count=500),
    "bulk": lambda *a: hostile_writes.bulk(*a, senders=4, files=40_000),
}
attacks = {**writers, **hostile.attackers}


@pytest.fixture(params=["sqlite", "mongodb"])
def server(request, make_server):
    options = {} if request.param == "sqlite" else {"uri": request.getfixturevalue("one_node").uri(mongo.new_database())}
    return make_server(**options).start()


def attack_until_killed(attack, server):
    os.nice(19)  # a processor's time is what they must not win by
    attack(server, threading.Event())


@contextlib.contextmanager
def attacked(server, kinds):
    """All of these at once, each from a process of its own, which ends where it stands: the tenant measures the server,
    and not how the attackers share an interpreter."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=attack_until_killed, args=(attack, server), daemon=True) for attack in kinds]
    for process in processes:
        process.start()
    try:
        yield
        assert all(process.is_alive() for process in processes), "an attacker has given up"
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


class Tenant:
    """Another tenant, with small updates on a connection of its own. Every one must be taken."""

    def __init__(self, server):
        self.line, self.count = Connection(server.port, token=harness.mint("honest@example.com"), timeout=30), 0

    def report_for(self, seconds):
        """How long each update took."""
        took, until = [], time.monotonic() + seconds
        while time.monotonic() < until or len(took) < 10:
            began = time.monotonic()
            status, _, body = self.line.post("krn:honest", harness.update("honest.csv", done=1))
            assert status == 200, body
            self.count += 1
            assert body["counts"]["done"] == self.count
            took.append(time.monotonic() - began)
            time.sleep(0.02)
        return took


def reset_peak(server):
    """VmHWM begins anew (proc(5), clear_refs)."""
    pathlib.Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def p99(took):
    return statistics.quantiles(took, n=100)[98]


def test_memory_is_bounded_against_each_and_all(server):
    tenant = Tenant(server)
    normal = tenant.report_for(5 if harness.long_rounds else 0.5)
    resting, peaks, slow = rss_mib(server), {}, {}
    for name, attack in attacks.items():
        if not harness.long_rounds and name in ("idle after large heads", "slow heads", "bulk"):
            continue  # among all of them
        reset_peak(server)
        with attacked(server, [attack]):
            slow[name] = round(1000 * p99(tenant.report_for(seconds_alone)))
        peaks[name] = rss_mib(server, "VmHWM")
    reset_peak(server)
    with attacked(server, attacks.values()):
        took = tenant.report_for(seconds_together)
    peaks["all"] = rss_mib(server, "VmHWM")
    print(f"at rest {resting:.0f} MiB, at most", {name: round(peak) for name, peak in peaks.items()},
          f"p99 {1000 * p99(normal):.0f} ms alone, {1000 * p99(took):.0f} ms beside all, beside each", slow)
    assert max(peak for name, peak in peaks.items() if name != "all") < alone_mib_max, peaks
    assert peaks["all"] < together_mib_max < limit_mib, peaks
    harness.wait_until(lambda: rss_mib(server) < resting + resting_growth_mib_max, 20, "memory falls again")
    server.stop()
    verify_clean(server)


@pytest.mark.skipif(not harness.long_rounds, reason="ten minutes on each store: script/test --long")
def test_memory_stays_flat_for_ten_minutes(server):
    """The second half needs no more than the first, and the tenant's p99 stays within three times its normal."""
    tenant = Tenant(server)
    normal = p99(tenant.report_for(10))
    with attacked(server, attacks.values()):
        halves = []
        for _ in range(2):
            reset_peak(server)
            took = tenant.report_for(300)
            halves.append((rss_mib(server, "VmHWM"), p99(took)))
    print("normal p99", normal, "halves: peak MiB and p99", halves)
    assert halves[1][0] < min(halves[0][0] * 1.1 + 10, together_mib_max), halves
    assert all(slow < 3 * normal for _, slow in halves), (normal, halves)
    server.stop()
    verify_clean(server)
