"""A seeded load that notes what it was told, and the check behind every fault."""
import random
import threading
import time

from api_support import Api, Connection, pebbles
from harness import wait_until
from history import History, check

krn = "krn:faults"


class Threads:
    """Use it as a context: inside it each of the calls that `work()` gives, a function and its arguments, has a thread
    of its own. They return once `ending` is set."""

    def __init__(self):
        self.ending = threading.Event()
        self.running = []

    def __enter__(self):
        self.ending.clear()
        self.running = [threading.Thread(target=call, args=arguments, daemon=True) for call, *arguments in self.work()]
        for thread in self.running:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.ending.set()
        for thread in self.running:
            thread.join(30)
            assert not thread.is_alive(), "a request hangs"


class Load(Threads):
    """Threads that report to a few files, some with keys and some without. `seed` is (number, name of the test).

    Use it as a context: they run inside it. `bursts` makes all of them pause together every half second, so that the
    server has idle moments. `others` are further servers on the same store, among which the threads are dealt out. A
    thread waits `pause` seconds after an update that was not acknowledged. With `must_answer` a request without an
    answer is a fault. `refusals` are the other statuses than 200 that are none. `failed` has of each attempt that was
    not acknowledged when it began, and the status or what became of the connection."""

    def __init__(self, server, seed, *, others=(), threads=6, files=8, keyed=0.7, bursts=False, pause=0.005,
                 must_answer=False, refusals=(503,)):
        super().__init__()
        self.server, self.seed, self.threads = server, seed, threads
        self.servers, self.pause, self.must_answer = [server, *others], pause, must_answer
        self.refusals, self.failed = refusals, []
        self.files = [f"file {number}.csv" for number in range(files)]
        self.keyed, self.bursts = keyed, bursts
        self.dice = random.Random(str(seed))
        self.history = History(random.Random(self.dice.random()))
        self.faults = []

    def work(self):
        return [(self.run, self.dice.random(), number) for number in range(self.threads)]

    @property
    def acknowledged(self):
        return sum(update.acknowledged for update in self.history.updates)

    def wait_acknowledged(self, more, timeout=15):
        wanted = self.acknowledged + more
        deadline = time.monotonic() + timeout
        while self.acknowledged < wanted:
            assert time.monotonic() < deadline, self.explained(f"{more} more were not acknowledged in {timeout} s")
            time.sleep(0.01)

    def run(self, seed, number):
        dice = random.Random(seed)
        connection = Connection(self.servers[number % len(self.servers)].port)
        while not self.ending.is_set():
            if self.bursts and time.monotonic() % 0.5 > 0.2:
                time.sleep(0.01)
                continue
            update = self.history.update(dice.choice(self.files), with_key=dice.random() < self.keyed)
            if not self.send(connection, update):
                time.sleep(self.pause)
        connection.close()

    def send(self, connection, update):
        """One attempt; true if it was acknowledged."""
        body = {"filename": update.filename, "counts": {"done": update.mark, "warn": update.warn, "failed": 0}}
        began = time.monotonic()
        try:
            status, _, answer = connection.post(krn, body, update.key)
        except ConnectionRefusedError as failure:
            self.failed.append((began, repr(failure)))
            return False  # nobody has seen it
        except Connection.failures as failure:
            update.answered(None)
            self.failed.append((began, repr(failure)))
            if self.must_answer:
                self.faults.append(f"{update}: no answer: {failure!r}")
            return False
        update.answered(status, answer.get("error", ""))
        if status != 200:
            self.failed.append((began, f"{status} {answer}"))
        if status not in (200, *self.refusals):
            self.faults.append(f"{update}: answered {status} {answer}")
        if status == 200 and answer["counts"]["done"] < update.mark:
            self.faults.append(f"{update}: the answer {answer} does not have it")
        return status == 200

    def retry_open(self):
        """Sends every keyed update that was not acknowledged until it is."""
        connection = Connection(self.server.port)
        for update in self.history.open():
            deadline = time.monotonic() + 15
            while not self.send(connection, update):
                assert time.monotonic() < deadline, self.explained(f"{update} is never acknowledged")
                time.sleep(0.02)
        connection.close()

    def totals(self):
        """Of each record by itself."""
        api = Api(self.server)
        return totals_of(api.record(krn, record["filename"]) for record in api.listed(krn))

    def check(self):
        """Everything sent again that may be, the totals must be exact, and `verify` content beside the server."""
        self.retry_open()
        totals = self.totals()
        faults = self.faults + check(self.history, totals)
        assert not faults, self.explained("\n".join(faults))
        wait_until(lambda: totals_of(Api(self.server).listed(krn)) == totals, 10, "the lists, which may follow later,")
        verify_clean(self.server)

    def explained(self, text):
        return f"{text}\nPEBBLES_SEED={self.seed[0]}, {len(self.history.updates)} updates\n{self.server.log_tail(20)}"


def totals_of(records):
    return {record["filename"]: (record["counts"]["done"], record["counts"]["warn"]) for record in records}


def data_of(server):
    return server.folder / "data"


def verify(server):
    return pebbles("verify", *server.store_arguments, env=server.store_env)


def verify_clean(server):
    proved = verify(server)
    assert proved.returncode == 0, proved.stdout + proved.stderr
    return proved
