"""Benchmark of SQS: a backlog drained from ElasticMQ, beside what else can be done with the same messages on the same
service in the same run. Part of run.py.

The references: a bare loop of the signed client, which receives and deletes and stores nothing (sqs_bench.cpp), and
the loop that one would write by hand in Python (sqs_peer.py). Each side finds the backlog when it starts; its time runs
from the first message that it takes to the last that it deletes, as the queue's own depth tells.
"""
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time

import mongo
from kafka import client_of, figures_of, peak_mib
from support import HERE, SECRET, Pebbles, median

PARTS = ["sqs-drain"]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "eu-central-1",
               "AWS_REGION": "eu-central-1"}


def add_arguments(parser):
    parser.add_argument("--elasticmq", default=os.environ.get("PEBBLES_ELASTICMQ"), help="the folder with its jars")
    parser.add_argument("--sqs-bench", help="the binary of sqs_bench.cpp")
    parser.add_argument("--sqs-messages", type=int, default=20_000, help="of one backlog")
    parser.add_argument("--pollers", type=int, default=4, help="of each side")


class Sqs:
    """The service of the tests, with the whole compiler of Java, and one queue at a time on it."""

    def __init__(self, args, folder):
        sys.path.append(str(HERE.parent / "e2e"))
        import elasticmq
        self.args = args
        self.service = elasticmq.ElasticMq(folder, options=["-XX:TieredStopAtLevel=4", "-Xmx512m"]).start()
        self.process = self.service.process
        self.connection = http.client.HTTPConnection("127.0.0.1", self.service.port)
        self.queue = ""

    def call(self, action, **body):
        """Unsigned, which this service does not mind."""
        self.connection.request("POST", "/", json.dumps(body), {
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text) if text else {}

    def change_queue(self):
        """To one that no side has seen: this service goes on with the long poll of a client that has gone, and what such
        a poll takes is out of sight for a minute."""
        if self.queue:
            self.call("DeleteQueue", QueueUrl=self.queue)
        name = f"bench-{time.monotonic_ns()}"
        self.queue = self.call("CreateQueue", QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]

    def depth(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.call("GetQueueAttributes", QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return [int(found[name]) for name in names]

    def command(self, name, **options):
        flags = [f"--{option}={value}" for option, value in options.items()]
        return [self.args.sqs_bench, name, f"--endpoint={self.service.url}", f"--queue={self.queue}",
                f"--pollers={self.args.pollers}", f"--count={self.args.sqs_messages}", *flags]

    def backlog(self, seed):
        done = subprocess.run(self.command("produce", seed=seed), env={**os.environ, **CREDENTIALS},
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def drained(self):
        """The seconds from the first message that somebody takes to the last that is deleted."""
        began, until = None, time.monotonic() + 300
        while True:
            visible, in_flight = self.depth()
            now = time.monotonic()
            assert now < until, f"{visible} messages are left and {in_flight} in flight after 300 s"
            if began is None and visible < self.args.sqs_messages:
                began = now
            if visible == in_flight == 0:
                return now - began
            time.sleep(0.02)

    def stop(self):
        self.service.stop()


def measure(sqs, mongod, side, seed):
    """A side is entered to run, gives its process, and adds its peak of memory to the figures when it is left. Processor
    times are in us for each message."""
    sqs.change_queue()
    sqs.backlog(seed)
    figures = {}
    with side(seed, figures) as process:
        processes = {"itself": process, "service": sqs.process, "mongod": mongod.process}
        meter = mongo.CpuMeter(**processes)
        with meter:
            figures["rate"] = sqs.args.sqs_messages / sqs.drained()
        figures |= {f"{name}_us": used / sqs.args.sqs_messages * 1e6 for name, used in meter.used.items()}
    return figures


def bare_loop(sqs):
    @contextlib.contextmanager
    def run(_, figures):
        loop = subprocess.Popen(sqs.command("drain"), env={**os.environ, **CREDENTIALS}, stdout=subprocess.PIPE,
                                text=True)
        yield loop
        output, _ = loop.communicate(timeout=60)
        assert loop.returncode == 0
        figures["rss_mib"] = figures_of(output)["rss_mib"]

    return run


def hand_written(sqs, mongod):
    @contextlib.contextmanager
    def run(seed, figures):
        loop = subprocess.Popen(
            [sys.executable, str(HERE / "sqs_peer.py"), "--endpoint", sqs.service.url, "--queue", sqs.queue,
             "--mongo-uri", f"{mongod.uri}/?replicaSet=bench", "--database", f"peer{seed}", "--pollers",
             str(sqs.args.pollers)], env={**os.environ, **CREDENTIALS})
        yield loop
        figures["rss_mib"] = peak_mib(loop)
        loop.kill()
        loop.wait()
        files = client_of(mongod).get_database(f"peer{seed}").get_collection("peer")
        check(sqs, sum(file["counts"]["done"] for file in files.find()) // 500)

    return run


def pebbles(sqs, folder, store_of):
    @contextlib.contextmanager
    def run(seed, figures):
        settings = {"JWT_SECRET": SECRET, "SQS_ENABLED": "true", "SQS_QUEUE_URL": sqs.queue,
                    "SQS_ENDPOINT": sqs.service.url, "SQS_POLLERS_MAX": str(sqs.args.pollers), **CREDENTIALS}
        server = Pebbles(sqs.args.binary, folder, keys=settings, store=store_of(seed))
        yield server.process
        check(sqs, server.totals())
        figures["rss_mib"] = server.memory("VmHWM")
        server.stop()

    return run


def check(sqs, counted):
    assert counted == sqs.args.sqs_messages, f"{counted} messages were counted of {sqs.args.sqs_messages}"


def bench_drain(args, sqs, mongod, folder):
    print(f"SQS, {args.sqs_messages:,} messages of 1,000 files, {args.pollers} pollers, {args.rounds} interleaved "
          "rounds", flush=True)

    def on_mongodb(seed):
        return ["--store", "mongodb", "--mongo-uri", f"{mongod.uri}/pebbles{seed}", "--host", "127.0.0.1"]

    sides = {"bare loop": bare_loop(sqs), "loop by hand, boto3 and MongoDB": hand_written(sqs, mongod),
             "pebbles, embedded": pebbles(sqs, folder / "embedded", lambda _: None),
             "pebbles, MongoDB": pebbles(sqs, folder / "mongodb", on_mongodb)}
    measure(sqs, mongod, sides["bare loop"], 0)  # so that the service has been compiled
    rounds = {label: [] for label in sides}
    for number in range(args.rounds):
        for label, side in sides.items():
            rounds[label].append(measure(sqs, mongod, side, number + 1))
    for label, figures in rounds.items():
        rates = " ".join(f"{figure['rate']:.0f}" for figure in figures)
        used = ", ".join(f"{name} {median(figures, f'{name}_us'):.0f}" for name in ("itself", "service", "mongod"))
        print(f"  {label:32} {median(figures, 'rate'):7.0f}/s   peak RSS {figures[-1]['rss_mib']:4.0f} MiB   "
              f"rounds: {rates}   us of processor a message: {used}")
    rate = mongo.rates_of(rounds)
    for label in ("pebbles, embedded", "pebbles, MongoDB"):
        print(f"  {label} to the bare loop: {rate[label] / rate['bare loop']:.3f}  (at least 0.8)")
        print(f"  {label} to the loop by hand: {rate[label] / rate['loop by hand, boto3 and MongoDB']:.2f}", flush=True)


def bench(args, folder):
    if not args.elasticmq or not args.sqs_bench or not args.mongod or not args.mongo_bench:
        if args.only in PARTS:
            sys.exit("the benchmark of SQS needs --elasticmq, --sqs-bench, --mongod and --mongo-bench")
        print("SQS is left out: --elasticmq FOLDER or --mongod PATH is missing", flush=True)
        return
    mongod = mongo.Mongod(args, folder / "sqs-mongod")
    sqs = Sqs(args, folder / "elasticmq")
    try:
        bench_drain(args, sqs, mongod, folder)
    finally:
        sqs.stop()
        mongod.stop()
