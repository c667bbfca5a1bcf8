"""What an update costs with one instance and with three, behind haproxy on one MongoDB at the same load, in interleaved
rounds. Part of run.py. Each side has a database of its own, and each instance of three one lane, as docs/operations.md
says. At half of what one instance takes neither side gathers larger batches because it is late; at full load both take
what they can."""
import statistics
import sys

import mongo
from support import HERE, Pebbles, median, wrk

PARTS = ["instances"]
COUNTS = (1, 3)
CLIENTS = 100
FILES = 1_000
LOADS = ((64, 0.5), (256, 0.5), (1024, None))  # connections, and the share of what one instance takes
settling_rounds = 2  # which are not counted: until all sides run at the same rate


class Side:
    """Some instances behind haproxy."""

    def __init__(self, args, mongod, folder, count):
        import haproxy
        folder.mkdir()
        database = f"instances{count}"
        lanes = "2" if count == 1 else "1"
        self.count, self.answered = count, 0
        self.servers = [Pebbles(args.binary, folder / f"pebbles-{number}", store=[
            "--store", "mongodb", "--mongo-uri", f"{mongod.uri}/{database}", "--mongo-lanes", lanes,
            "--host", "127.0.0.1"])
            for number in range(count)]
        self.balancer = haproxy.Haproxy(folder / "haproxy", self.servers).start()
        self.processes = {"mongod": mongod.process, "haproxy": self.balancer.process,
                          **{f"pebbles-{number}": server.process for number, server in enumerate(self.servers)}}

    def load(self, args, connections, pause_ms=0.0):
        """Its figures, with the processor time of an update in microseconds, by program."""
        meter = mongo.CpuMeter(**self.processes)
        with meter:
            figures = wrk(self.balancer.port, args.seconds, files=FILES, clients=CLIENTS, connections=connections,
                          pause_ms=pause_ms, may_refuse=pause_ms == 0)
        self.answered += int(figures["requests"])
        for name, used in meter.used.items():
            program = name.split("-")[0]
            figures[program] = figures.get(program, 0.0) + used / figures["requests"] * 1e6
        return figures

    def stop(self, in_flight_max):
        memory = ", ".join(f"{server.memory('VmHWM'):.0f}" for server in self.servers)
        stored = sum(self.servers[0].totals(f"krn:acme:client:{123 + client}") for client in range(CLIENTS))
        print(f"  {self.count}: answered {self.answered}, stored {stored}, peak RSS {memory} MiB", flush=True)
        # wrk hangs up with requests in flight: those may be counted without having been seen answered.
        assert self.answered <= stored <= self.answered + in_flight_max, "a count was lost or doubled"
        self.balancer.kill()
        for server in self.servers:
            server.stop()


def bench_load(args, sides, connections, share):
    """The same load for each side."""
    for side in sides.values():
        side.load(args, connections)  # makes the files
    target = sides[1].load(args, connections)["rate"] * (share or 1)
    print(f"{connections} connections, {f'{target:.0f} updates a second' if share else 'full load'}, {args.rounds} "
          f"interleaved rounds of {args.seconds} s", flush=True)
    pause = dict.fromkeys(sides, connections / target * 1000 if share else 0.0)
    rounds = {count: [] for count in sides}
    for number in range(settling_rounds + args.rounds):
        for count, side in sides.items():
            figures = side.load(args, connections, pause[count])
            figures["both"] = figures["pebbles"] + figures["mongod"]
            if number >= settling_rounds:
                rounds[count].append(figures)
            if share:  # what a request takes comes off the pause, so that all sides run at the same rate
                late = connections / target - connections / figures["rate"]
                pause[count] = max(0.0, pause[count] + late * 1000)
    for count, figures in rounds.items():
        shown = ", ".join(f"{program} {median(figures, program):.0f} us"
                          for program in ("pebbles", "mongod", "haproxy"))
        print(f"  {count}: {median(figures, 'rate'):6.0f}/s   p99 {median(figures, 'p99_ms'):6.2f} ms   an update "
              f"takes {shown}")
    one, three = rounds.values()
    ratios = {program: statistics.median(b[program] / a[program] for a, b in zip(one, three))
              for program in ("pebbles", "mongod", "both")}
    print(f"  three to one, by round: pebbles {ratios['pebbles']:.2f}, mongod {ratios['mongod']:.2f}, both "
          f"{ratios['both']:.2f}  (at most 1.2)", flush=True)


def bench(args, folder):
    if not args.mongod or not args.mongo_bench:
        if args.only in PARTS:
            sys.exit("the benchmark of instances needs --mongod and --mongo-bench")
        print("Instances are left out: --mongod PATH names no server", flush=True)
        return
    sys.path.append(str(HERE.parent / "e2e"))
    mongod = mongo.Mongod(args, folder / "instances-mongod")
    try:
        sides = {count: Side(args, mongod, folder / f"instances-{count}", count) for count in COUNTS}
        print(f"MongoDB, instances behind haproxy, POST, wrk -t1, {FILES} files of {CLIENTS} clients", flush=True)
        for connections, share in LOADS:
            bench_load(args, sides, connections, share)
        for side in sides.values():
            side.stop(sum(connections for connections, _ in LOADS) * (args.rounds + settling_rounds + 2))
    finally:
        mongod.stop()
