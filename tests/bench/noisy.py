"""Benchmarks of too much load: three times what the service can do, and a client that floods beside a quiet one. Part
of run.py.

The load is that of tests/load/open_loop.cpp: its requests have set times, so waiting shows as waiting.
"""
import re
import statistics
import subprocess
import sys
import time

import mongo
import noisy_peer
from support import TOKEN, Pebbles, median, put_first

PARTS = ["overload", "noisy"]
CROWD = 100  # connections of the noisy client
QUIET_RATE = 100  # of the quiet one, a second
FILES = 100_000  # of overload: each update has a file nearly to itself, which is what costs a store most


def add_arguments(parser):
    parser.add_argument("--open-loop", help="the binary of open_loop.cpp")


class Load:
    """Runs from now on."""

    def __init__(self, args, server, first=False, **options):
        flags = [f"--{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen([args.open_loop, f"--port={server.port}", f"--token={TOKEN}", *flags],
                                        stdout=subprocess.PIPE, text=True)
        if first:
            put_first(self.process.pid)

    def figures(self):
        out, _ = self.process.communicate()
        assert self.process.returncode == 0, out
        found = re.search("BENCH (.*)", out).group(1)
        figures = {name: float(value) for name, value in (part.split("=") for part in found.split())}
        assert figures["other"] == figures["lost"] == figures["bare_busy"] == 0, out
        return figures


def bench_overload(args, name, server):
    """What counts: refusals come at once and say when to come back, and nothing is left behind when the load ends."""
    rounds = []
    for _ in range(args.rounds):
        crowd = Load(args, server, connections=1000, seconds=args.seconds, files=FILES).figures()
        capacity = crowd["ok"] / crowd["seconds"]
        figures = Load(args, server, rate=3 * capacity, connections=8000, seconds=args.seconds, files=FILES).figures()
        rounds.append({"capacity": capacity, "rate": figures["ok"] / figures["seconds"],
                       "offered": (figures["requests"] + figures["unsent"]) / figures["seconds"], **figures})
    print(f"  {name}: capacity {median(rounds, 'capacity'):.0f}/s, offered {median(rounds, 'offered'):.0f}/s, sent "
          f"{statistics.median(r['requests'] / r['seconds'] for r in rounds):.0f}/s")
    print(f"    answered {median(rounds, 'rate'):.0f}/s, refused "
          f"{statistics.median(r['busy'] / r['seconds'] for r in rounds):.0f}/s, p50 of a refusal "
          f"{median(rounds, 'busy_p500_ms'):.2f} ms, p99 {median(rounds, 'busy_p990_ms'):.0f} ms")
    print(f"    the last answer after the end of the load: {median(rounds, 'drained_ms'):.0f} ms  (at most 1000)")
    print(f"    peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)


def bench_noisy(args, name, server):
    """The quiet client's p99 beside a crowd, to what it is alone."""
    quiet = dict(client="krn:quiet", connections=16, rate=QUIET_RATE, files=10, seconds=args.seconds)
    asks = {"reports": {}, "reads": {"get": "/clients/krn:quiet/progress?limit=10"}}
    floods = {"alone": None, "beside updates": {"files": 200},
              "beside lists": {"get": "/clients/krn:noisy/progress?limit=1000"}}
    for client in ("krn:quiet", "krn:noisy"):
        Load(args, server, client=client, connections=50, seconds=1, files=2000).figures()
    rounds = {(ask, flood): [] for ask in asks for flood in floods}
    for _ in range(args.rounds):
        for ask, flood in rounds:
            crowd = None
            if floods[flood] is not None:
                crowd = Load(args, server, client="krn:noisy", connections=CROWD, seconds=args.seconds + 1,
                             **floods[flood])
                time.sleep(0.5)
            rounds[ask, flood].append(Load(args, server, first=True, **quiet, **asks[ask]).figures())
            assert not rounds[ask, flood][-1]["busy"], "the quiet client was refused"
            if crowd:
                noise = crowd.figures()
                rounds[ask, flood][-1]["beside"] = noise["ok"] / noise["seconds"]
    for (ask, flood), figures in rounds.items():
        p99 = median(figures, "ok_p990_ms")
        ratio = p99 / median(rounds[ask, "alone"], "ok_p990_ms")
        wanted = "  (at most 3)" if (ask, flood) == ("reports", "beside updates") else ""
        noise = f" ({median(figures, 'beside'):.0f}/s)" if floods[flood] else ""
        print(f"  {name}, {ask} {flood}{noise}: p50 {median(figures, 'ok_p500_ms'):.2f} ms, p99 {p99:.2f} ms, to alone "
              f"{ratio:.2f}{wanted}", flush=True)
    print(f"    peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)


def bench_peer(args, mongod):
    """What the database itself makes of a quiet client beside a flood as large as Pebbles takes."""
    rounds = {False: [], True: []}
    for _ in range(args.rounds):
        for is_noisy, figures in rounds.items():
            figures.append(noisy_peer.run(mongod.uri, QUIET_RATE, args.seconds, is_noisy))
    alone, beside = (median(figures, "ok_p990_ms") for figures in rounds.values())
    print(f"  bare MongoDB: single inserts alone p99 {alone:.2f} ms, beside {median(rounds[True], 'beside'):.0f} inserts a "
          f"second {beside:.2f} ms, to alone {beside / alone:.2f}", flush=True)


def bench(args, folder):
    if not args.open_loop:
        if args.only in PARTS:
            sys.exit("the benchmarks of too much load need --open-loop PATH")
        print("too much load is left out: --open-loop PATH names no program", flush=True)
        return
    mongod = mongo.Mongod(args, folder / "mongod-noisy") if args.mongod and args.mongo_bench else None
    try:
        for part, run in (("overload", bench_overload), ("noisy", bench_noisy)):
            if args.only not in (None, part):
                continue
            print(f"{part}: {args.rounds} rounds of {args.seconds} s", flush=True)
            servers = {"sqlite": Pebbles(args.binary, folder / part)}
            if mongod:
                servers["mongodb"] = mongod.pebbles(args, folder / f"{part}-mongodb", part)
            for name, server in servers.items():
                run(args, name, server)
                server.stop()
            if mongod and part == "noisy":
                bench_peer(args, mongod)
    finally:
        if mongod:
            mongod.stop()
