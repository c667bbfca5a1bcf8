"""Benchmarks of MongoDB, each beside its reference on the same mongod in the same run. Part of run.py.

The references are loops of bare libmongoc (mongo_bench.cpp); the server is a replica set of one, which is what lets
everything run on one machine. Pebbles serves with one HTTP loop.
"""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

from support import CONNECTIONS, TOKEN, Pebbles, free_port, median, run_wrk, show, wait_for, wrk

PARTS = ["mongo-store", "mongo-rest", "mongo-contended", "mongo-reads", "mongo-growth"]


def add_arguments(parser):
    parser.add_argument("--mongod", default=os.environ.get("PEBBLES_MONGOD"), help="the server's program")
    parser.add_argument("--mongo-bench", help="the binary of mongo_bench.cpp")
    parser.add_argument("--streams", type=int, default=200_000, help="of mongo-growth; the promise is about 1,000,000")


class Mongod:
    def __init__(self, args, folder):
        self.program = args.mongo_bench
        port = free_port()
        self.uri = f"mongodb://127.0.0.1:{port}"
        folder.mkdir()
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [args.mongod, "--replSet", "bench", "--port", str(port), "--dbpath", str(folder), "--bind_ip", "127.0.0.1",
             "--wiredTigerCacheSizeGB", "4", "--oplogSize", "1024", "--unixSocketPrefix", str(folder)],
            stdout=self.log, stderr=self.log)
        wait_for(port)
        self.bare("initiate")

    def bare(self, command, **options):
        """Runs a command of mongo_bench; gives the figures that it prints, by name."""
        flags = [f"--{name}={value}" for name, value in options.items()]
        out = subprocess.run([self.program, command, "--uri", self.uri, *flags], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        figures = {}
        for line in re.findall("BENCH (.*)", out.stdout):
            parts = dict(part.split("=") for part in line.split())
            name = parts.pop("name")
            figures[name] = {key: float(value) for key, value in parts.items()}
            figures[name]["p99_ms"] = figures[name]["p99_us"] / 1000
        return figures

    def bare_one(self, command, **options):
        (figures,) = self.bare(command, **options).values()
        return figures

    def pebbles(self, args, folder, database):
        return Pebbles(args.binary, folder, store=["--store", "mongodb", "--mongo-uri", f"{self.uri}/{database}",
                                                   "--host", "127.0.0.1"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def cpu_seconds(process):
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class CpuMeter:
    """What processes use of the processors while a block runs, summed over blocks."""

    def __init__(self, **processes):
        self.processes = processes
        self.used = dict.fromkeys(processes, 0.0)

    def __enter__(self):
        self.before = {name: cpu_seconds(process) for name, process in self.processes.items()}

    def __exit__(self, *_):
        for name, process in self.processes.items():
            self.used[name] += cpu_seconds(process) - self.before[name]

    def show(self, requests):
        parts = [f"{name} {used / requests * 1e6:.0f} us" for name, used in self.used.items()]
        print("  processor time for each update: " + ", ".join(parts))


def interleave(args, sides):
    """Each side is something that measures; gives the figures of all rounds by label."""
    rounds = {label: [] for label in sides}
    for _ in range(args.rounds):
        for label, measure in sides.items():
            rounds[label].append(measure())
    for label in sides:
        show(label, rounds[label])
    return rounds


def rates_of(rounds):
    return {label: median(figures, "rate") for label, figures in rounds.items()}


def check_totals(name, server, answered, in_flight_max, stored):
    print(f"  {name}: answered {answered}, stored {stored}, peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)
    # wrk hangs up with requests in flight: those may be counted without having been seen answered.
    assert answered <= stored <= answered + in_flight_max, "a count was lost or doubled"


def bench_store(args, mongod, folder):
    print(f"MongoDB, the store alone, 10,000 updates of 100 files a batch, {args.rounds} interleaved rounds of "
          f"{args.seconds} s", flush=True)
    rounds = interleave(args, {
        "findAndModify, 1 thread": lambda: mongod.bare_one("findandmodify", seconds=args.seconds),
        "bare transactions": lambda: mongod.bare_one("bare-transactions", seconds=args.seconds),
        "store": lambda: mongod.bare_one("store", seconds=args.seconds),
    })
    rate = rates_of(rounds)
    print(f"  store to bare transactions: {rate['store'] / rate['bare transactions']:.3f}  (at least 0.5)")
    print(f"  store to findAndModify: {rate['store'] / rate['findAndModify, 1 thread']:.0f}  (over 100)")
    print(f"  peak RSS {median(rounds['store'], 'rss_mib'):.0f} MiB", flush=True)


def bench_rest(args, mongod, folder):
    print(f"MongoDB, POST, wrk -t1, 100 files, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
    servers = {name: mongod.pebbles(args, folder / f"mongo-{name}", name) for name in ("rest", "hot")}
    cpu = CpuMeter(mongod=mongod.process, pebbles=servers["rest"].process)

    def post(name, files, connections):
        return wrk(servers[name].port, args.seconds, files=files, connections=connections)

    def post_measured():
        with cpu:
            return post("rest", 100, 64)

    rounds = interleave(args, {
        "findAndModify, 16 threads": lambda: mongod.bare_one("findandmodify", seconds=args.seconds, threads=16),
        "64 connections": post_measured,
        "256 connections": lambda: post("rest", 100, 256),
        "64 connections, one hot file": lambda: post("hot", 1, 64),
        "256 connections, one hot file": lambda: post("hot", 1, 256),
    })
    rate = rates_of(rounds)
    base = rate["findAndModify, 16 threads"]
    print(f"  64 connections to findAndModify: {rate['64 connections'] / base:.2f}  (at least 2.5, aim 4)")
    print(f"  256 connections to findAndModify: {rate['256 connections'] / base:.2f}  (at least 4, aim 6)")
    for connections in (64, 256):
        hot = rate[f"{connections} connections, one hot file"] / rate[f"{connections} connections"]
        print(f"  one hot file to 100, {connections} connections: {hot:.3f}  (at least 1)")
    cpu.show(sum(r["requests"] for r in rounds["64 connections"]))
    for name, server in servers.items():
        answered = sum(int(r["requests"]) for label, figures in rounds.items() for r in figures
                       if "connections" in label and ("hot" in label) == (name == "hot"))
        check_totals(name, server, answered, (64 + 256) * args.rounds, server.totals())
        server.stop()


def bench_contended(args, mongod, folder):
    """The load on the hot file has connections of its own, so that waiting for it does not slow the others' load."""
    own_connections, hot_connections = 32, 8
    print(f"MongoDB, two instances, {own_connections} connections on 99 files of their own and {hot_connections} on "
          f"one file, which is theirs or shared, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
    servers = [mongod.pebbles(args, folder / f"mongo-instance-{i}", "contended") for i in range(2)]
    answered = 0

    def post(shared):
        nonlocal answered
        loads = [dict(port=s.port, files=99, names=f"own{i}", connections=own_connections)
                 for i, s in enumerate(servers)]
        loads += [dict(port=s.port, files=1, names="shared" if shared else f"hot{i}", connections=hot_connections)
                  for i, s in enumerate(servers)]
        with concurrent.futures.ThreadPoolExecutor(len(loads)) as pool:
            figures = list(pool.map(lambda load: wrk(seconds=args.seconds, **load), loads))
        answered += sum(int(f["requests"]) for f in figures)
        return {"own": {"rate": sum(f["rate"] for f in figures[:2]), "p99_ms": max(f["p99_ms"] for f in figures[:2])},
                "hot": {"rate": sum(f["rate"] for f in figures[2:]), "p99_ms": max(f["p99_ms"] for f in figures[2:])}}

    rounds = {False: [], True: []}
    for _ in range(args.rounds):
        for shared in rounds:
            rounds[shared].append(post(shared))
    rate = {}
    for shared, label in ((False, "hot files of their own"), (True, "hot file shared")):
        for kind in ("own", "hot"):
            figures = [r[kind] for r in rounds[shared]]
            show(f"{label}, {'the 99' if kind == 'own' else 'the hot'}", figures)
            rate[shared, kind] = median(figures, "rate")
    print(f"  the 99, with the hot file shared to without: {rate[True, 'own'] / rate[False, 'own']:.3f}  (at least 0.8)")
    print(f"  the hot file, shared to not: {rate[True, 'hot'] / rate[False, 'hot']:.3f}", flush=True)
    in_flight_max = 2 * 2 * (own_connections + hot_connections) * args.rounds
    check_totals("both", servers[0], answered, in_flight_max, servers[0].totals())
    print(f"  the other: peak RSS {servers[1].memory('VmHWM'):.0f} MiB", flush=True)
    for server in servers:
        server.stop()


def bench_reads(args, mongod, folder):
    print(f"MongoDB, GET of one record, wrk -t1, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
    server = mongod.pebbles(args, folder / "mongo-reads", "reads")
    path = "/clients/krn:acme:client:123/progress"
    body = json.dumps({"filename": "sales_data_1.csv", "counts": {"done": 500, "warn": 2, "failed": 1}, "total": 1000})
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", body.encode(), {
        "Content-Type": "application/json", "Authorization": "Bearer " + TOKEN})).close()
    settings = {"BENCH_PATH": path + "?filename=sales_data_1.csv"}
    cpu = CpuMeter(mongod=mongod.process, pebbles=server.process)

    def get():
        with cpu:
            return run_wrk(server.port, args.seconds, "get.lua", settings)

    def bare(threads):
        return lambda: mongod.bare_one("find", database="reads", seconds=args.seconds, threads=threads)

    rounds = interleave(args, {"bare find, 1 thread": bare(1), "bare find, 16 threads": bare(16),
                               f"GET, {CONNECTIONS} connections": get})
    rate = rates_of(rounds)
    get_rate = rate[f"GET, {CONNECTIONS} connections"]
    print(f"  GET to bare finds: {get_rate / rate['bare find, 16 threads']:.3f}  (at least 0.7)")
    cpu.show(sum(r["requests"] for r in rounds[f"GET, {CONNECTIONS} connections"]))
    print(f"  peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)
    server.stop()


def prove(args, mongod, command, database):
    """`verify` and `rebuild` stream: what they hold does not grow with the streams."""
    began = time.monotonic()
    process = subprocess.Popen([args.binary, command, "--store", "mongodb", "--mongo-uri", f"{mongod.uri}/{database}"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} exited with {process.returncode}"
    print(f"  pebbles {command}: {time.monotonic() - began:.1f} s, peak RSS {usage.ru_maxrss / 1024:.0f} MiB", flush=True)


def bench_growth(args, mongod, folder):
    few, many = 1000, args.streams
    print(f"MongoDB, {many:,} streams and {few:,}, wrk -t1, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
    for database, streams in (("few", few), ("many", many)):
        filled = mongod.bare_one("fill", database=database, streams=streams)
        print(f"  made {streams:,} at {filled['rate']:.0f}/s")
    servers = {name: mongod.pebbles(args, folder / f"mongo-{name}", name) for name in ("few", "many")}

    def post(name, files):
        return lambda: wrk(servers[name].port, args.seconds, files=files)

    def bare(files):
        return lambda: mongod.bare_one("findandmodify", database=f"bare{files}", files=files, threads=16,
                                       seconds=args.seconds)

    sides = {f"{few:,} streams": post("few", few), f"{few:,} of {many:,} streams": post("many", few),
             f"all of {many:,} streams": post("many", many),
             f"findAndModify, {few:,} files": bare(few), f"findAndModify, {many:,} files": bare(many)}
    for files in (few, many):
        bare(files)()  # makes them
    rate = rates_of(interleave(args, sides))
    base, same, every, bare_base, bare_every = (rate[label] for label in sides)
    print(f"  the same files among many to few: {same / base:.3f}  (at least 0.8)")
    print(f"  all of many to few: {every / base:.3f}  (at least 0.8; bare findAndModify: {bare_every / bare_base:.3f})")
    for name, server in servers.items():
        print(f"  {name}: peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)
        server.stop()
    for command in ("verify", "rebuild"):
        prove(args, mongod, command, "many")
    pages = [mongod.bare("list", database="many", seconds=args.seconds) for _ in range(args.rounds)]
    rounds = {label: [p[label] for p in pages] for label in ("list-page-1", "list-page-1000")}
    for label, figures in rounds.items():
        show(label, figures)
    near, far = rates_of(rounds).values()
    print(f"  page 1,000 to page 1: {far / near:.3f}  (about 1)", flush=True)


def bench(args, folder):
    if not args.mongod or not args.mongo_bench:
        if args.only in PARTS:
            sys.exit("the benchmarks of MongoDB need --mongod PATH")
        print("MongoDB is left out: --mongod PATH names no server", flush=True)
        return
    mongod = Mongod(args, folder / "mongod")
    parts = dict(zip(PARTS, (bench_store, bench_rest, bench_contended, bench_reads, bench_growth)))
    try:
        for name, part in parts.items():
            if args.only in (None, name):
                part(args, mongod, folder)
    finally:
        mongod.stop()
