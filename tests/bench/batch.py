"""Batches beside single POSTs of the same updates, on the same server in interleaved rounds. Part of run.py.

Both sides are sent by wrk with one thread, over connections that are kept, without keys, to the same files. Single POSTs
have as many connections as serve them best.
"""
import mongo
from support import Pebbles, TOKEN, median, run_wrk, show, wrk

PARTS = ["batch", "batch-sqlite"]
FILES = 100
UPDATES = 1_000
BATCH_CONNECTIONS = 16
SINGLE_CONNECTIONS = (64, 256, 1024)
runs = 0


def send(port, args, files=FILES, minimal=False):
    """Figures of updates, not of requests."""
    global runs
    runs += 1
    figures = run_wrk(port, args.seconds, "batch.lua", {
        "BENCH_FILES": str(files), "BENCH_UPDATES": str(UPDATES), "BENCH_RUN": str(runs), "BENCH_TOKEN": TOKEN,
        "BENCH_MINIMAL": "1" if minimal else "0"}, BATCH_CONNECTIONS)
    figures["requests"] *= UPDATES
    figures["rate"] *= UPDATES
    return figures


def compare(args, server, aim, processes):
    """Prints the figures of all sides, and gives how many updates were answered."""
    meters = {}

    def measured(label, measure):
        meters[label] = mongo.CpuMeter(**processes)

        def run():
            with meters[label]:
                return measure()
        return run

    sides = {f"single, {n} connections": lambda n=n: wrk(server.port, args.seconds, files=FILES, connections=n)
             for n in SINGLE_CONNECTIONS}
    sides[f"batches of {UPDATES:,}"] = lambda: send(server.port, args)
    sides["batches, return=minimal"] = lambda: send(server.port, args, minimal=True)
    sides[f"batches, {UPDATES:,} files"] = lambda: send(server.port, args, files=UPDATES, minimal=True)
    rounds = {label: [] for label in sides}
    sides = {label: measured(label, measure) for label, measure in sides.items()}
    for _ in range(args.rounds):
        for label, measure in sides.items():
            rounds[label].append(measure())
    for label, figures in rounds.items():
        show(label, figures)
        meters[label].show(sum(r["requests"] for r in figures))
    single = max(median(rounds[label], "rate") for label in rounds if label.startswith("single"))
    for label in list(rounds)[len(SINGLE_CONNECTIONS):]:
        print(f"  {label} to single: {median(rounds[label], 'rate') / single:.1f}{aim}", flush=True)
    return sum(int(r["requests"]) for figures in rounds.values() for r in figures)


def finish(args, name, server, answered):
    """What wrk hangs up on may be counted without having been seen answered."""
    in_flight_max = args.rounds * (sum(SINGLE_CONNECTIONS) + 3 * BATCH_CONNECTIONS * UPDATES)
    mongo.check_totals(name, server, answered, in_flight_max, server.totals())
    server.stop()


def bench(args, folder):
    print(f"POSTs of single updates and of batches, {FILES} files, wrk -t1, {args.rounds} interleaved rounds of "
          f"{args.seconds} s", flush=True)
    if args.only in (None, "batch") and args.mongod and args.mongo_bench:
        mongod = mongo.Mongod(args, folder / "batch-mongod")
        try:
            server = mongod.pebbles(args, folder / "batch", "batch")
            print("on MongoDB:")
            processes = {"mongod": mongod.process, "pebbles": server.process}
            finish(args, "MongoDB", server, compare(args, server, "  (at least 10)", processes))
        finally:
            mongod.stop()
    if args.only in (None, "batch-sqlite"):
        server = Pebbles(args.binary, folder / "batch-sqlite")
        print("on the embedded store:")
        finish(args, "SQLite", server, compare(args, server, "", {"pebbles": server.process}))
