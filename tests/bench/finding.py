"""Lists and summaries of a client with a million files, on both stores. Part of run.py.

The files are put into tables and collections as they would stand there, without their logs: nothing here reads those.
"""
import datetime
import json
import random
import sqlite3
import sys
import time
import urllib.request

import mongo
from support import Pebbles

PARTS = ["finding"]
CLIENT = "krn:acme:client:123"
DAYS = 30


def add_arguments(parser):
    parser.add_argument("--files", type=int, default=1_000_000, help="of the client of `finding`")


def made_files(count):
    """One in a hundred runs, one in ten has errors, one in four warnings; the last ones were updated just now."""
    dice = random.Random(7)
    now = int(time.time() * 1000)
    span = DAYS * 24 * 3600 * 1000
    for number in range(count):
        created = now - span + span * number // count
        updated = min(now, created + dice.randrange(3_600_000))
        yield {"number": number, "id": f"{created // 1000:08x}{dice.randrange(2**40):010x}{number % 2**24:06x}",
               "filename": f"{'rare' if number % 100_000 == 99_999 else 'sales'}_{number:08}.csv",
               "email": f"worker-{number % 10}@example.com", "completed": dice.random() >= 0.01, "created": created,
               "updated": updated, "failed": int(dice.random() < 0.1), "warn": int(dice.random() < 0.25)}


COLUMNS = ["stream", "client", "filename", "email", "id", "done", "warn", "failed", "total", "is_completed", "created_at",
           "updated_at", "completed_at", "error_count", "warning_count", "version", "rev", "fold", "head_version", "head",
           "positions"]
INSERT = f"INSERT INTO progress({','.join(COLUMNS)}) VALUES({','.join('?' * len(COLUMNS))})"


def fill_sqlite(path, count):
    """Into a file that a server has made."""
    with sqlite3.connect(path) as database:
        streams, rows = [], []
        for file in made_files(count):
            streams.append((file["number"] + 1, CLIENT, file["filename"]))
            rows.append((file["number"] + 1, CLIENT, file["filename"], file["email"], bytes.fromhex(file["id"]), 500,
                         file["warn"], file["failed"], 1000, int(file["completed"]), file["created"], file["updated"],
                         file["updated"] if file["completed"] else None, 0, 0, 3, 0, 1, 1, bytes(32), "[]"))
            if len(rows) == 10_000 or file["number"] == count - 1:
                database.executemany("INSERT INTO streams VALUES(?,?,?)", streams)
                database.executemany(INSERT, rows)
                streams.clear()
                rows.clear()
    database.close()


def fill_mongo(uri, name, count):
    import bson
    import pymongo

    def time_of(milliseconds):
        return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)

    with pymongo.MongoClient(uri, directConnection=True) as client:
        batch = []
        for file in made_files(count):
            state = int(file["completed"]) + 2 * file["failed"] + 4 * file["warn"]
            completed_at = {"completedAt": time_of(file["updated"])} if file["completed"] else {}
            batch.append({
                "_id": bson.ObjectId(file["id"]), "clientKrn": CLIENT, "filename": file["filename"],
                "email": file["email"], "counts": {"done": 500, "warn": file["warn"], "failed": file["failed"]},
                "total": 1000, "isCompleted": file["completed"], "state": state, "createdAt": time_of(file["created"]),
                "updatedAt": time_of(file["updated"]), **completed_at, "errors": [], "errorCount": 0, "warnings": [],
                "warningCount": 0, "version": 3, "rev": 0, "fold": 1, "head": {"first": 1, "hash": bytes(32)}})
            if len(batch) == 10_000 or file["number"] == count - 1:
                client[name].progress.insert_many(batch, ordered=False)
                batch.clear()


def get(server, target):
    """Milliseconds, the body, and whether there is a next page."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/clients/{CLIENT}/{target}", timeout=60) as answer:
        body = answer.read()
    return (time.perf_counter() - began) * 1000, json.loads(body), "Link" in answer.headers


def show_times(label, times, note=""):
    times = sorted(times)
    print(f"  {label:58} p50 {times[len(times) // 2]:8.2f} ms   p99 {times[len(times) * 99 // 100]:8.2f} ms   {note}",
          flush=True)


def measure(name, server, files):
    took, first, _ = get(server, "summary")
    assert first["files"] == files, first
    print(f"{name}, {files:,} files of one client: {first}", flush=True)
    show_times("the first summary", [took])
    fresh, kept = [], []
    for _ in range(10):
        time.sleep(2.1)
        fresh.append(get(server, "summary")[0])
        kept += [get(server, "summary")[0] for _ in range(50)]
    show_times("a summary, counted anew", fresh)
    show_times("a summary, kept", kept)
    for target in ("limit=100", "limit=100&status=with-errors", "limit=100&status=running", "limit=100&status=stalled",
                   "limit=100&sort=createdAt", "limit=100&sort=filename", "limit=100&filenamePrefix=rare",
                   "limit=100&filenamePrefix=rare&sort=filename", "limit=100&status=with-errors&sort=-filename"):
        answers = [get(server, "progress?" + target) for _ in range(30)]
        _, body, more = answers[-1]
        show_times(target, [answer[0] for answer in answers], f"{len(body)} records{', and more' if more else ''}")
    print(f"  RSS {server.memory():.0f} MiB, peak {server.memory('VmHWM'):.0f} MiB", flush=True)


def bench(args, folder):
    bench_sqlite(args, folder)
    if args.mongod and args.mongo_bench:
        bench_mongo(args, folder)
    elif args.only in PARTS:
        sys.exit("the benchmark of MongoDB needs --mongod PATH and --mongo-bench PATH")


def bench_sqlite(args, folder):
    sqlite_folder = folder / "finding"
    first = Pebbles(args.binary, sqlite_folder)
    first.process.terminate()
    first.process.wait(60)
    began = time.monotonic()
    fill_sqlite(sqlite_folder / "pebbles.db", args.files)
    print(f"  filled the embedded store in {time.monotonic() - began:.0f} s", flush=True)
    server = Pebbles(args.binary, folder / "finding-served", store=["--embedded", str(sqlite_folder)])
    measure("SQLite", server, args.files)
    server.stop()


def bench_mongo(args, folder):
    mongod = mongo.Mongod(args, folder / "mongod-finding")
    try:
        began = time.monotonic()
        fill_mongo(mongod.uri, "finding", args.files)
        print(f"  filled MongoDB in {time.monotonic() - began:.0f} s", flush=True)
        server = mongod.pebbles(args, folder / "mongo-finding", "finding")
        began = time.monotonic()
        while not is_ready(server):
            time.sleep(0.2)
        print(f"  its indexes were made {time.monotonic() - began:.0f} s after the start", flush=True)
        measure("MongoDB", server, args.files)
        server.stop()
    finally:
        mongod.stop()


def is_ready(server):
    try:
        return len(get(server, "progress?limit=1")[1]) == 1
    except OSError:
        return False
