"""More than the service can do: it answers what it can and refuses the rest at once, with Retry-After; what it has
answered is counted once and what it has refused is not; its memory stays bounded, and when the load ends it is well
again."""
import threading
import time

import harness
from api_support import Api, Connection
from load import verify_clean
from open_loop import OpenLoop, rss_mib

seconds = 20 if harness.long_rounds else 4
files = 8_000
growth_mib_max = 300  # of the connections, the queues, the states that lanes hold, and snapshots on their way


class Watch:
    """Looks at the memory of a server while a load runs."""

    def __init__(self, server):
        self.server, self.peak = server, 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ending.wait(0.1):
            self.peak = max(self.peak, rss_mib(self.server))

    def __enter__(self):
        self.before = rss_mib(self.server)
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.ending.set()
        self.thread.join()


def done_of(server, krn):
    return sum(record["counts"]["done"] for record in Api(server).listed(krn, limit=10_000))


def offer(server, krn, connections, **load):
    """Watches the memory meanwhile; what became of the load, by the names of open_loop.cpp."""
    with Watch(server) as watch:
        figures = OpenLoop(server, client=krn, connections=connections, seconds=seconds, **load).figures()
    assert figures["other"] == figures["lost"] == figures["bare_busy"] == 0, figures
    assert watch.peak - watch.before < growth_mib_max, (watch.before, watch.peak)
    return figures


def seconds_until_answered(server, krn):
    line, began = Connection(server.port), time.monotonic()
    while line.post(krn, harness.update("afterwards.csv", done=1))[0] != 200:
        assert time.monotonic() - began < 20, "it does not recover"
        time.sleep(0.02)
    line.close()
    return time.monotonic() - began


def check_counted(server, krn, answered):
    harness.wait_until(lambda: done_of(server, krn) == answered, 20, f"a total of {answered:.0f}")  # lists follow
    server.stop()
    verify_clean(server)


def test_three_times_what_mongodb_takes(make_server, one_node, database, krn):
    """Of many files, each of which costs the database a write. One lane: all who have a connection wait for longer in
    it than it lets them, however fast the machine. It may become faster after it was measured, so that three times
    of what it took is nothing to it: then what it takes now is measured."""
    server = make_server(uri=one_node.uri(database), env={"MONGO_LANES": "1"}).start()
    taken = OpenLoop(server, client="krn:before", connections=500, seconds=3, files=files).figures()
    answered = 0
    for _ in range(4):
        figures = offer(server, krn, connections=9_000, rate=3 * taken["ok"] / taken["seconds"], files=files)
        answered += figures["ok"]
        if figures["busy"] > 0:
            break
        taken = figures
    assert figures["busy"] > 0, (taken, figures)
    assert figures["ok"] > 0.2 * taken["ok"] / taken["seconds"] * seconds, (taken, figures)
    assert seconds_until_answered(server, krn) < 5  # that lane has two seconds of work before it knows its pace
    check_counted(server, krn, answered + 1)


def test_a_crowd_on_the_embedded_store(make_server, krn):
    server = make_server().start()
    figures = offer(server, krn, connections=3_000)
    assert figures["ok"] > 3_000, figures
    assert seconds_until_answered(server, krn) < 1
    check_counted(server, krn, figures["ok"] + 1)
