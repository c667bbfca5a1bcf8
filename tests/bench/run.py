#!/usr/bin/env python3
"""Benchmarks, each beside its reference in one run. Started by script/bench.

Every figure is a ratio of medians of interleaved rounds, because machines are shared and noisy. The reference of the
embedded store over REST is nginx (two workers, `return 200`) answering the very same requests of the same load
generator (wrk, one thread); those of MongoDB are in mongo.py, those of Kafka and SQS in kafka.py and sqs.py;
instances.py compares three instances with one, batch.py batches with single updates.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

import batch
import finding
import history
import instances
import kafka
import mongo
import noisy
import prune
import sqs
from support import CONNECTIONS, TOKEN, Nginx, Pebbles, median, run_wrk, show, token, wrk


def bench_rates(args, nginx, folder):
    print(f"POST, {CONNECTIONS} connections, wrk -t1, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
    sides = {
        "nginx, return 200": dict(server="nginx"),
        "200 files": dict(server="plain"),
        "nginx, key on every POST": dict(server="nginx", keyed=True),
        "200 files, key on every POST": dict(server="keyed", keyed=True),
        "one hot file": dict(server="hot", files=1),
    }
    servers = {name: Pebbles(args.binary, folder / name) for name in ("plain", "keyed", "hot")}
    rounds = {label: [] for label in sides}
    for _ in range(args.rounds):
        for label, side in sides.items():
            port = nginx.port if side["server"] == "nginx" else servers[side["server"]].port
            rounds[label].append(wrk(port, args.seconds, files=side.get("files", 200), keyed=side.get("keyed", False)))
    for label in sides:
        show(label, rounds[label])
    rate = {label: median(rounds[label], "rate") for label in sides}
    print(f"  ratio to nginx: {rate['200 files'] / rate['nginx, return 200']:.3f}  (at least 0.25, aim 0.4)")
    print(f"  with keys to without: {rate['200 files, key on every POST'] / rate['200 files']:.3f}  (at least 0.6)")
    print(f"  one hot file to 200: {rate['one hot file'] / rate['200 files']:.3f}  (at least 1)")
    for name, server in servers.items():
        answered = sum(int(r["requests"]) for label, side in sides.items() if side["server"] == name for r in rounds[label])
        stored = server.totals()
        # wrk hangs up with requests in flight: those may be counted without having been seen answered.
        in_flight_max = CONNECTIONS * args.rounds
        print(f"  {name}: answered {answered}, stored {stored}, peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)
        assert answered <= stored <= answered + in_flight_max, "a count was lost or doubled"
        server.stop()
    return rate["200 files"]


def bench_reads(args, nginx, folder):
    print(f"GET of one record, {CONNECTIONS} connections, wrk -t1, {args.rounds} interleaved rounds of {args.seconds} s",
          flush=True)
    server = Pebbles(args.binary, folder / "reads")
    base = f"http://127.0.0.1:{server.port}"
    path = "/clients/krn:acme:client:123/progress"
    body = json.dumps({"filename": "sales_data.csv", "counts": {"done": 500, "warn": 2, "failed": 1}, "total": 1000})
    urllib.request.urlopen(urllib.request.Request(base + path, body.encode(), {
        "Content-Type": "application/json", "Authorization": "Bearer " + TOKEN})).close()
    path += "?filename=sales_data.csv"
    with urllib.request.urlopen(base + path) as answer:
        tag = answer.headers["ETag"]
        print(f"  the record has {len(answer.read())} bytes")
    sides = {"nginx, return 200": (nginx.port, {}), "200": (server.port, {}),
             "304": (server.port, {"BENCH_KNOWN_TAG": tag})}
    rounds = {label: [] for label in sides}
    for _ in range(args.rounds):
        for label, (port, settings) in sides.items():
            rounds[label].append(run_wrk(port, args.seconds, "get.lua", {"BENCH_PATH": path, **settings}))
    for label in sides:
        show(label, rounds[label])
    rate = {label: median(rounds[label], "rate") for label in sides}
    print(f"  200 to nginx: {rate['200'] / rate['nginx, return 200']:.3f}  (at least 0.3, aim 0.5)")
    print(f"  304 to 200: {rate['304'] / rate['200']:.3f}  (above 1)")
    print(f"  peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)
    server.stop()


def bench_tokens(args, folder):
    print(f"POST with a verified token in the cache, {args.rounds} interleaved rounds of {args.seconds} s", flush=True)
    private, public = folder / "private.pem", folder / "public.pem"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    rsa = token("RS256", lambda text: subprocess.run(["openssl", "dgst", "-sha256", "-sign", private], input=text,
                                                     check=True, capture_output=True).stdout)
    sides = {"HS256": (Pebbles(args.binary, folder / "hs"), TOKEN),
             "RS256": (Pebbles(args.binary, folder / "rs", {"JWT_PUBLIC_KEY_FILE": str(public)}), rsa)}
    rounds = {label: [] for label in sides}
    for _ in range(args.rounds):
        for label, (server, bearer) in sides.items():
            rounds[label].append(wrk(server.port, args.seconds, bearer=bearer))
    for label, (server, _) in sides.items():
        show(label, rounds[label])
        server.stop()
    print(f"  RS256 to HS256: {median(rounds['RS256'], 'rate') / median(rounds['HS256'], 'rate'):.3f}  (at least 0.9)",
          flush=True)


def disk_sync_ms(folder, seconds=0.5):
    """What one durable write of a page takes here, without anybody else: the floor of every answer to a POST."""
    took = []
    with open(folder / "page", "wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            start = time.monotonic()
            os.pwrite(file.fileno(), bytes(4096), 4096 * (len(took) % 256))
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - start) * 1000)
    took.sort()
    return {"p50_ms": took[len(took) // 2], "p99_ms": took[len(took) * 99 // 100], "max_ms": took[-1]}


def bench_tail(args, nginx, folder, peak):
    target = peak / 2
    print(f"tail at half of the peak ({target:.0f}/s), checkpoints included", flush=True)
    server = Pebbles(args.binary, folder / "tail")
    wrk(server.port, args.seconds)  # fills the write-ahead log and the memory ahead of the tables
    rounds = {"nginx": [], "pebbles": []}
    disk = []
    pause = {side: CONNECTIONS / target * 1000 for side in rounds}
    for _ in range(args.rounds):
        disk.append(disk_sync_ms(folder))
        for side, port in (("nginx", nginx.port), ("pebbles", server.port)):
            figures = wrk(port, args.seconds, pause_ms=pause[side])
            rounds[side].append(figures)
            # What a request takes comes off the pause, so that both sides run at the same rate.
            pause[side] = max(0.0, pause[side] + (CONNECTIONS / target - CONNECTIONS / figures["rate"]) * 1000)
    for side, figures in rounds.items():
        show(side, figures)
        print(f"    p50 {median(figures, 'p50_ms'):.2f}, p99.9 {median(figures, 'p999_ms'):.2f}, max {median(figures, 'max_ms'):.2f} ms")
    print(f"  one write of a page and fdatasync, nothing else running: p50 {median(disk, 'p50_ms'):.2f}, "
          f"p99 {median(disk, 'p99_ms'):.2f}, max {median(disk, 'max_ms'):.2f} ms")
    ratio = median(rounds["pebbles"], "p99_ms") / median(rounds["nginx"], "p99_ms")
    print(f"  p99 to nginx's: {ratio:.2f}  (at most 3; aim: under 10 ms)", flush=True)
    server.stop()


def bench_memory(args, folder):
    print("memory: one million updates over 100,000 files", flush=True)
    server = Pebbles(args.binary, folder / "memory")
    sent, target, samples = 0, args.updates, []
    print(f"  idle RSS {server.memory():.0f} MiB")
    while sent < target:
        sent += int(wrk(server.port, 10, files=100_000)["requests"])
        samples.append(server.memory())
        print(f"  after {sent:8d} updates: RSS {samples[-1]:.0f} MiB", flush=True)
    print(f"  peak RSS {server.memory('VmHWM'):.0f} MiB", flush=True)
    server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--micro", help="the micro benchmarks' binary")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=1_000_000)
    mongo.add_arguments(parser)
    kafka.add_arguments(parser)
    sqs.add_arguments(parser)
    noisy.add_arguments(parser)
    finding.add_arguments(parser)
    history.add_arguments(parser)
    prune.add_arguments(parser)
    parser.add_argument("--only", choices=["rates", "tail", "memory", "domain", "reads", "tokens", *mongo.PARTS,
                                           *kafka.PARTS, *sqs.PARTS, *noisy.PARTS, *instances.PARTS, *batch.PARTS,
                                           *finding.PARTS, *history.PARTS, *prune.PARTS])
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pebbles-bench-"))
    nginx = Nginx(folder / "nginx")
    try:
        if args.micro and args.only in (None, "domain"):
            subprocess.run([args.micro, "--benchmark_min_time=1", "--benchmark_repetitions=3",
                            "--benchmark_report_aggregates_only=true"], check=True)
        peak = 0
        if args.only in (None, "rates", "tail"):
            peak = bench_rates(args, nginx, folder)
        if args.only in (None, "tail"):
            bench_tail(args, nginx, folder, peak)
        if args.only in (None, "reads"):
            bench_reads(args, nginx, folder)
        if args.only in (None, "tokens"):
            bench_tokens(args, folder)
        if args.only in (None, "memory"):
            bench_memory(args, folder)
        if args.only in (None, *mongo.PARTS):
            mongo.bench(args, folder)
        if args.only in (None, *kafka.PARTS):
            kafka.bench(args, folder)
        if args.only in (None, *sqs.PARTS):
            sqs.bench(args, folder)
        if args.only in (None, *noisy.PARTS):
            noisy.bench(args, folder)
        if args.only in (None, *instances.PARTS):
            instances.bench(args, folder)
        if args.only in (None, *batch.PARTS):
            batch.bench(args, folder)
        if args.only in (None, *finding.PARTS):
            finding.bench(args, folder)
        if args.only in (None, *history.PARTS):
            history.bench(args, folder)
        if args.only in (None, *prune.PARTS):
            prune.bench(args, folder)
    finally:
        nginx.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
