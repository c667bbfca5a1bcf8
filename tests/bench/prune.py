"""What pruning costs ingest, on both stores, and what it achieves meanwhile. Part of run.py.

Two servers on logs of the same length, which are old; one has a rule that says so. They run in turns, each for a round of
POSTs to other files at full load. Chunks on MongoDB are made old by their time, and the embedded store's by a clock that is
forty days slow while they are written.
"""
import pathlib
import re
import shutil
import time
import urllib.request

import bson
import pymongo
from mongo import Mongod
from support import SECRET, Pebbles, median, show, wrk

PARTS = ["prune", "prune-sqlite"]
FILES = 500
DAYS = 40
KEYS = {"JWT_SECRET": SECRET}
RULE = {"EVENTS_RETENTION_DAYS": "30", "PRUNE_INTERVAL_S": "1"}
LIBRARY = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def add_arguments(parser):
    parser.add_argument("--old-events", type=int, default=150_000, help="of prune, in each of its two logs")


def pruned(server):
    """Events that went since its start, steps, and a bound of the longest."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
        text = answer.read().decode()
    events = float(re.search(r'pebbles_pruned_total\{what="events"\} (\S+)', text)[1])
    counts = [(bound, int(count)) for bound, count in
              re.findall(r'pebbles_prune_step_duration_seconds_bucket\{le="([^"]+)"\} (\d+)', text)]
    longest = next((bound for bound, count in counts if count == counts[-1][1]), "0")
    seconds = float(re.search(r"pebbles_prune_step_duration_seconds_sum (\S+)", text)[1])
    return {"events": events, "steps": counts[-1][1], "longest": longest, "seconds": seconds}


def fill(start, wanted):
    """Through a server, until there are as many."""
    server, found = start(), 0
    while found < wanted:
        found += wrk(server.port, 2, files=FILES, names="old", connections=256)["requests"]
    return server, int(found)


class Sides:
    """`start(name, keys)` starts the server of a log, which `stop` leaves there."""

    def __init__(self, args, start):
        self.args = args
        self.start = start
        self.peaks = {}

    def with_server(self, name, work):
        server = self.start(name, {**KEYS, **(RULE if name == "pruned" else {})})
        time.sleep(1.5)  # pruning begins a second after the start
        before = pruned(server)
        figures = work(server)
        after = pruned(server)
        self.peaks[name] = max(self.peaks.get(name, 0), server.memory("VmHWM"))
        server.stop()
        return {**figures, **{key: after[key] - before[key] for key in ("events", "steps", "seconds")},
                "longest": after["longest"]}

    def round(self, name):
        return self.with_server(name, lambda server: wrk(server.port, self.args.seconds, names="young"))

    def idle(self):
        def wait(_):
            time.sleep(self.args.seconds)
            return {}
        return self.with_server("pruned", wait)

    def compare(self):
        rounds = {"whole": [], "pruned": []}
        for _ in range(self.args.rounds):
            for name in rounds:
                rounds[name].append(self.round(name))
        show("without pruning", rounds["whole"])
        show("beside pruning", rounds["pruned"])
        print(f"  beside pruning to without: {median(rounds['pruned'], 'rate') / median(rounds['whole'], 'rate'):.3f}  "
              "(at least 0.97)")
        self.show_pruned("meanwhile", rounds["pruned"])
        self.show_pruned("idle", [self.idle()])
        print(f"  peak RSS {self.peaks['whole']:.0f} MiB without, {self.peaks['pruned']:.0f} MiB with", flush=True)

    def show_pruned(self, when, rounds):
        seconds = self.args.seconds * len(rounds)
        steps = sum(r["steps"] for r in rounds)
        print(f"  pruned {when}: {sum(r['events'] for r in rounds) / seconds:.0f} events/s in {steps} steps of "
              f"{sum(r['seconds'] for r in rounds) / max(steps, 1) * 1000:.1f} ms, the longest at most "
              f"{max(float(r['longest']) for r in rounds) * 1000:.0f} ms, at work "
              f"{sum(r['seconds'] for r in rounds) / seconds:.1%} of the time", flush=True)


def bench_sqlite(args, folder):
    if LIBRARY is None:
        print("prune, SQLite: left out, libfaketime is not installed", flush=True)
        return
    slow = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": f"-{DAYS}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    data = {name: folder / f"prune-data-{name}" for name in ("whole", "pruned")}

    def start(name, keys):
        return Pebbles(args.binary, folder / f"prune-{name}", keys, store=["--embedded", str(data[name])])

    server, events = fill(lambda: start("whole", {**KEYS, **slow}), args.old_events)
    server.stop()
    shutil.copytree(data["whole"], data["pruned"])
    print(f"prune, SQLite: {events} old events of {FILES} files, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
    Sides(args, start).compare()


def age(uri, database):
    """All chunks are forty days old."""
    with pymongo.MongoClient(uri, directConnection=True) as client:
        events = client[database]["progress_events"]
        changes = [pymongo.UpdateOne({"_id": chunk["_id"]},
                                     {"$set": {"at": bson.Timestamp(chunk["at"].time - DAYS * 86_400, chunk["at"].inc)}})
                   for chunk in events.find({}, {"at": 1})]
        for begin in range(0, len(changes), 10_000):
            events.bulk_write(changes[begin:begin + 10_000], ordered=False)


def bench_mongo(args, folder):
    if not args.mongod or not args.mongo_bench:
        print("prune, MongoDB: left out, it needs --mongod and --mongo-bench", flush=True)
        return
    mongod = Mongod(args, folder / "prune-mongod")

    def start(name, keys):
        return Pebbles(args.binary, folder / f"prune-{name}", keys,
                       store=["--store", "mongodb", "--mongo-uri", f"{mongod.uri}/{name}", "--host", "127.0.0.1"])

    try:
        for name in ("whole", "pruned"):
            server, events = fill(lambda name=name: start(name, KEYS), args.old_events)
            server.stop()
            age(mongod.uri, name)
        print(f"prune, MongoDB: {events} old events of {FILES} files, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
        Sides(args, start).compare()
    finally:
        mongod.stop()


def bench(args, folder):
    if args.only in (None, "prune", "prune-sqlite"):
        bench_sqlite(args, folder)
    if args.only in (None, "prune"):
        bench_mongo(args, folder)
