"""Benchmarks of exports, histories and feeds, on both stores. Part of run.py.

The reference of an export is the store's own bare read of the same rows: SQLite's program printing them, and a raw
cursor of the driver. What reading costs ingest is compared in interleaved rounds; the reader stands back behind
everything else, as it would on a machine of its own.
"""
import json
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.request

import pymongo
from mongo import Mongod
from support import TOKEN, Pebbles, median, run_wrk, show, wrk

PARTS = ["history"]
KRN = "krn:acme:client:123"
ITEM = {"message": "Invalid format: a date is expected", "code": "E-17", "field": "born"}
SHAPES = {"wide.csv": 10_000, "deep.csv": 1}  # items in an event


def add_arguments(parser):
    parser.add_argument("--errors", type=int, default=1_000_000, help="of each file of history")


def get(server, path, headers=None):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers or {})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return answer.read(), answer.headers


def record(server, name):
    return json.loads(get(server, f"/clients/{KRN}/progress?filename={name}")[0])


def fill(server, name, each, wanted):
    """Until there are as many errors; the file's path."""
    body = json.dumps({"filename": name, "counts": {"done": 1, "warn": 0, "failed": each},
                       "errors": [{"line": line, **ITEM} for line in range(1, each + 1)]}, separators=(",", ":"))
    found = 0
    while found < wanted:
        if each > 1:
            request = urllib.request.Request(f"http://127.0.0.1:{server.port}/clients/{KRN}/progress", body.encode(), {
                "Content-Type": "application/json", "Authorization": "Bearer " + TOKEN, "Prefer": "return=minimal"})
            urllib.request.urlopen(request, timeout=60).close()
        else:
            run_wrk(server.port, 5, "errors.lua", {"BENCH_BODY": body, "BENCH_TOKEN": TOKEN}, connections=256)
        found = record(server, name)["errorCount"]
    return f"/clients/{KRN}/progress/{record(server, name)['id']}", found


def drain(server, path, headers=""):
    """Reads an answer to its end without looking at it; its bytes and seconds."""
    started, size = time.monotonic(), 0
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(f"GET {path} HTTP/1.0\r\n{headers}\r\n".encode())
        buffer = bytearray(1 << 20)
        while count := line.recv_into(buffer):
            size += count
    return size, time.monotonic() - started


def bench_exports(server, path, errors, bare):
    """`bare` reads the same rows without Pebbles."""
    sides = {"bare read of the rows": lambda: (0, bare()),
             "CSV": lambda: drain(server, path + "/errors?format=csv"),
             "NDJSON": lambda: drain(server, path + "/errors?format=ndjson"),
             "CSV, gzip": lambda: drain(server, path + "/errors?format=csv", "Accept-Encoding: gzip\r\n"),
             "events, NDJSON": lambda: drain(server, path + "/events?format=ndjson")}
    took = {label: [] for label in sides}
    for _ in range(3):
        for label, run in sides.items():
            took[label].append(run())
    for label, rounds in took.items():
        seconds = statistics.median(one[1] for one in rounds)
        print(f"    {label:24} {errors / seconds:10.0f} errors/s   {rounds[0][0] / 2**20:6.0f} MiB in {seconds:6.2f} s")
    rate = errors / statistics.median(one[1] for one in took["CSV"])
    print(f"    CSV: {rate:.0f} rows/s  (at least 50000)", flush=True)


def bench_pages(server, path):
    """A page at the start beside one at the end."""
    last = cursor = ""
    while True:
        _, headers = get(server, f"{path}/errors?limit=10000{cursor}")
        if not headers["Link"]:
            break
        last, cursor = cursor, "&cursor=" + re.search("cursor=([^>]+)", headers["Link"])[1]
    took = {"start": [], "end": []}
    for _ in range(200):
        for label, place in (("start", ""), ("end", last)):
            started = time.monotonic()
            page, _ = get(server, f"{path}/errors?limit=100{place}")
            took[label].append((time.monotonic() - started) * 1000)
    start, end = (statistics.median(took[label]) for label in ("start", "end"))
    print(f"    a page of 100: {start:.2f} ms at the start, {end:.2f} ms at the end: {end / start:.2f}  (about 1)", flush=True)


def bench_slow_readers(server, path):
    before = server.memory()
    slow = []
    for _ in range(8):
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(f"GET {path}/errors?format=csv HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        slow.append(line)
    time.sleep(3)
    print(f"    RSS {before:.0f} MiB, with 8 exports that nobody reads {server.memory():.0f} MiB, "
          f"peak {server.memory('VmHWM'):.0f} MiB", flush=True)
    for line in slow:
        line.close()


READER = """
import os, sys, urllib.request
os.nice(19)
base, *paths = sys.argv[1:]
while True:
    for path in paths:
        with urllib.request.urlopen(base + path, timeout=600) as answer:
            while answer.read(1 << 20):
                pass
"""


def bench_ingest(args, server, paths):
    rounds = {"nobody reads": [], "one client reads": []}
    for _ in range(args.rounds):
        for label in rounds:
            reader = None
            if label != "nobody reads":
                reader = subprocess.Popen([sys.executable, "-c", READER, f"http://127.0.0.1:{server.port}", *paths])
                time.sleep(0.3)
            rounds[label].append(wrk(server.port, args.seconds, clients=1, names="ingest", may_refuse=True))
            if reader:
                assert reader.poll() is None, "the reader ended"
                reader.kill()
                reader.wait()
    for label, figures in rounds.items():
        show(label, figures)
    ratio = median(rounds["one client reads"], "rate") / median(rounds["nobody reads"], "rate")
    print(f"    ingest beside a client that reads as fast as it can: {ratio:.3f} of that without", flush=True)


def bench_store(args, server, bare_of):
    paths = []
    for name, each in SHAPES.items():
        path, errors = fill(server, name, each, args.errors)
        print(f"  {errors} errors in events of {each}", flush=True)
        bench_exports(server, path, errors, bare_of(name))
        bench_pages(server, path)
        bench_slow_readers(server, path)
        paths += [path + "/errors?format=csv", path + "/events?format=ndjson"]
    bench_ingest(args, server, [*paths, f"/clients/{KRN}/events?format=ndjson"])


def bare_sqlite(folder, name):
    query = (f"SELECT e.events FROM streams s JOIN stream_chunks c USING(stream) JOIN progress_events e USING(seq) "
             f"WHERE s.client='{KRN}' AND s.filename='{name}' ORDER BY c.first_version")

    def read():
        file = next(folder.glob("*.db"))
        started = time.monotonic()
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            for _ in connection.execute(query):
                pass
        return time.monotonic() - started
    return read


def bare_mongo(uri, database, name):
    def read():
        started = time.monotonic()
        with pymongo.MongoClient(uri, directConnection=True) as client:
            for _ in client[database]["progress_events"].find_raw_batches(
                    {"clientKrn": KRN, "filename": name}, sort=[("_id", 1)], batch_size=1000):
                pass
        return time.monotonic() - started
    return read


def bench(args, folder):
    print("history: SQLite", flush=True)
    server = Pebbles(args.binary, folder / "history")
    bench_store(args, server, lambda name: bare_sqlite(folder / "history", name))
    server.stop()
    print("history: MongoDB", flush=True)
    mongod = Mongod(args, folder / "history-mongod")
    server = mongod.pebbles(args, folder / "history-mongo", "history")
    bench_store(args, server, lambda name: bare_mongo(mongod.uri, "history", name))
    server.stop()
    mongod.stop()
