"""Benchmarks of Kafka: a backlog and a trickle into MongoDB, beside what else can be done with the same messages on the
same broker and mongod in the same run. Part of run.py.

The references: MongoDB's own sink connector on Kafka Connect, which only inserts, and a loop of bare librdkafka, which
parses and stores nothing (kafka_bench.cpp). Each side has a topic and a group of its own and waits there with its
partitions assigned; a backlog is one transaction, so that all of it appears to them in one moment.
"""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import mongo
from support import HERE, SECRET, Pebbles, free_port, median

PARTS = ["kafka-drain", "kafka-trickle"]
PARTITIONS = 4
DATABASE = "kafka"


def add_arguments(parser):
    parser.add_argument("--kafka", default=os.environ.get("PEBBLES_KAFKA"), help="the folder with the broker's jars")
    parser.add_argument("--kafka-connect", default=os.environ.get("PEBBLES_KAFKA_CONNECT"), help="the folder with the "
                        "jars of Kafka Connect and of MongoDB's connector")
    parser.add_argument("--kafka-bench", help="the binary of kafka_bench.cpp")
    parser.add_argument("--messages", type=int, default=400_000, help="of one backlog")


def figures_of(output):
    parts = dict(part.split("=") for part in re.search("BENCH (.*)", output).group(1).split())
    parts.pop("name")
    return {name: float(value) for name, value in parts.items()}


class Kafka:
    """The broker of the tests, with the whole compiler of Java."""

    def __init__(self, args, folder):
        sys.path.append(str(HERE.parent / "e2e"))
        import confluent_kafka.admin
        import kafka_broker
        self.program = args.kafka_bench
        self.lib = confluent_kafka
        self.broker = kafka_broker.Broker(folder, options=["-XX:TieredStopAtLevel=4", "-Xmx512m"]).start()
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.broker.address, "log_level": 0})

    @property
    def process(self):
        return self.broker.process

    def create_topic(self, name):
        for future in self.admin.create_topics([self.lib.admin.NewTopic(name, PARTITIONS, 1)]).values():
            future.result(30)

    def wait_assigned(self, group, timeout=60):
        """Until the members of a group have every partition of its topic among them."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(self.lib.KafkaException):
                (found,) = self.admin.describe_consumer_groups([group]).values()
                members = found.result(10).members
                if sum(len(m.assignment.topic_partitions) for m in members if m.assignment) == PARTITIONS:
                    return
            time.sleep(0.1)
        sys.exit(f"the group {group} was not assigned its partitions in {timeout} s")

    def command(self, name, topic, **options):
        flags = [f"--{option}={value}" for option, value in options.items()]
        return [self.program, name, f"--brokers={self.broker.address}", f"--topic={topic}",
                f"--partitions={PARTITIONS}", *flags]

    def backlog(self, topic, count, seed):
        """Makes one appear, and gives the moment at which it did."""
        done = subprocess.run(self.command("produce", topic, count=count, seed=seed), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return figures_of(done.stdout)["began"]

    def stop(self):
        self.broker.stop()


# With its defaults librdkafka 2.0 stops fetching for up to a second whenever its queue has got full. This is a queue
# without that: the fastest that reading can be, with all of the backlog in memory.
UNBOUNDED = ["queued.min.messages=10000000", "queued.max.messages.kbytes=2000000"]


class Bare:
    """A loop of librdkafka, which ends with each backlog."""

    def __init__(self, kafka, topic, command, settings=()):
        self.kafka, self.topic, self.name = kafka, topic, command
        self.settings = [f"--set={setting}" for setting in settings]
        kafka.create_topic(topic)

    def measure(self, count, seed):
        loop = subprocess.Popen(
            [*self.kafka.command(self.name, self.topic, count=count, group=self.topic), *self.settings],
            stdout=subprocess.PIPE, text=True)
        assert loop.stdout.readline() == "READY\n"
        began = self.kafka.backlog(self.topic, count, seed)
        output, _ = loop.communicate(timeout=300)
        assert loop.returncode == 0
        figures = figures_of(output)
        return {"rate": count / (figures["ended"] - began), "rss_mib": figures["rss_mib"]}


class Store:
    """Something that runs all the time and writes to MongoDB; `stored()` tells how many messages it has written."""

    def __init__(self, kafka, topic):
        self.kafka, self.topic, self.total = kafka, topic, 0

    def measure(self, count, seed):
        began = self.kafka.backlog(self.topic, count, seed)
        self.total += count
        while (stored := self.stored()) < self.total:
            assert time.monotonic() - began < 300, f"{stored} of {self.total} after 300 s"
            time.sleep(0.02)
        took = time.monotonic() - began
        return {"rate": count / took, "rss_mib": self.rss_mib()}


def peak_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


WORKER = """
bootstrap.servers={brokers}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
offset.storage.file.filename={folder}/offsets
listeners=http://127.0.0.1:{port}
plugin.discovery=only_scan
consumer.isolation.level=read_committed
"""
SINK = """
name={topic}
connector.class=com.mongodb.kafka.connect.MongoSinkConnector
tasks.max={partitions}
topics={topic}
connection.uri={uri}
database={database}
collection=sink
"""


class Sink(Store):
    """MongoDB's connector with its defaults and a task for each partition."""

    def __init__(self, kafka, mongod, jars, folder):
        super().__init__(kafka, "bench-sink")
        kafka.create_topic(self.topic)
        folder.mkdir()
        port = free_port()
        (folder / "worker").write_text(WORKER.format(brokers=kafka.broker.address, folder=folder, port=port))
        (folder / "sink").write_text(SINK.format(topic=self.topic, partitions=PARTITIONS, database=DATABASE,
                                                 uri=f"{mongod.uri}/?replicaSet=bench"))
        self.collection = client_of(mongod).get_database(DATABASE).get_collection("sink")
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*",
             "org.apache.kafka.connect.cli.ConnectStandalone", str(folder / "worker"), str(folder / "sink")],
            stdout=self.log, stderr=self.log)
        kafka.wait_assigned(f"connect-{self.topic}")

    def stored(self):
        return self.collection.estimated_document_count()

    def rss_mib(self):
        return peak_mib(self.process)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Consumer(Store):
    """Pebbles."""

    def __init__(self, args, kafka, mongod, folder, topic, database):
        super().__init__(kafka, topic)
        kafka.create_topic(topic)
        kafka.create_topic(topic + ".dlq")
        self.progress = client_of(mongod).get_database(database).get_collection("progress")
        settings = {"JWT_SECRET": SECRET, "KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": kafka.broker.address,
                    "KAFKA_TOPIC_NAME": topic, "KAFKA_GROUP_ID": topic}
        self.server = Pebbles(args.binary, folder, keys=settings, store=[
            "--store", "mongodb", "--mongo-uri", f"{mongod.uri}/{database}", "--host", "127.0.0.1"])
        self.process = self.server.process
        kafka.wait_assigned(topic)

    def stored(self):
        """Each message adds 500."""
        sums = list(self.progress.aggregate([{"$group": {"_id": None, "done": {"$sum": "$counts.done"}}}]))
        return sums[0]["done"] // 500 if sums else 0

    def rss_mib(self):
        return self.server.memory("VmHWM")

    def stop(self):
        self.server.stop()


def client_of(mongod):
    import pymongo
    return pymongo.MongoClient(mongod.uri, directConnection=True)


def bench_drain(args, kafka, mongod, folder):
    print(f"Kafka, {args.messages:,} messages of 1,000 files on {PARTITIONS} partitions, {args.rounds} interleaved rounds",
          flush=True)
    cpu = {}
    with contextlib.ExitStack() as running:
        sides = {"bare loop": Bare(kafka, "bench-bare", "drain"),
                 "bare loop, unbounded queue": Bare(kafka, "bench-unbounded", "drain", UNBOUNDED)}
        if args.kafka_connect:
            sides["sink connector"] = Sink(kafka, mongod, args.kafka_connect, folder / "sink")
            running.callback(sides["sink connector"].stop)
        sides["pebbles"] = Consumer(args, kafka, mongod, folder / "pebbles-drain", "bench-pebbles", DATABASE)
        running.callback(sides["pebbles"].stop)
        rounds = {label: [] for label in sides}
        for number in range(args.rounds):
            for label, side in sides.items():
                processes = {"broker": kafka.process, "mongod": mongod.process}
                if hasattr(side, "process"):
                    processes["itself"] = side.process
                meter = cpu.setdefault(label, mongo.CpuMeter(**processes))
                with meter:
                    rounds[label].append(side.measure(args.messages, number + 1))
    for label, figures in rounds.items():
        rates = " ".join(f"{figure['rate']:.0f}" for figure in figures)
        print(f"  {label:28} {median(figures, 'rate'):9.0f}/s   peak RSS {figures[-1]['rss_mib']:4.0f} MiB   "
              f"rounds: {rates}")
        cpu[label].show(args.messages * args.rounds)
    rate = mongo.rates_of(rounds)
    print(f"  pebbles to the bare loop: {rate['pebbles'] / rate['bare loop']:.3f}  (at least 0.2, aim 0.4)")
    print(f"  pebbles to the bare loop with an unbounded queue: {rate['pebbles'] / rate['bare loop, unbounded queue']:.3f}")
    if args.kafka_connect:
        print(f"  pebbles to the sink connector: {rate['pebbles'] / rate['sink connector']:.2f}  (at least 4, aim 8)")
    print(f"  peak RSS {rounds['pebbles'][-1]['rss_mib']:.0f} MiB  (under 300)", flush=True)


def bench_trickle(args, kafka, mongod, folder):
    """Each message is for the same file; what its count becomes in MongoDB tells that it is stored."""
    count, rate = 200, 10
    print(f"Kafka, {rate} messages a second for {count // rate} s", flush=True)
    consumer = Consumer(args, kafka, mongod, folder / "pebbles-trickle", "bench-trickle", "trickle")
    producer = kafka.lib.Producer({"bootstrap.servers": kafka.broker.address, "linger.ms": 0,
                                   "socket.nagle.disable": True, "log_level": 0})
    value = (b'{"clientKrn":"krn:acme:client:123","filename":"a.csv","email":"user@acme.com",'
             b'"counts":{"done":500,"warn":2,"failed":1},"total":10000000}')
    took_ms = []
    for number in range(1, count + 1):
        began = time.monotonic()
        producer.produce("bench-trickle", value, partition=number % PARTITIONS)
        producer.flush(10)
        while consumer.stored() < number:
            assert time.monotonic() - began < 10, "a message was not stored"
            time.sleep(0.001)
        took_ms.append((time.monotonic() - began) * 1000)
        time.sleep(max(0, began + 1 / rate - time.monotonic()))
    consumer.stop()
    first = took_ms.pop(0)  # with the producer's first connection
    took_ms.sort()
    print(f"  from produced to stored: p50 {took_ms[len(took_ms) // 2]:.1f}, p99 {took_ms[len(took_ms) * 99 // 100]:.1f}, "
          f"max {took_ms[-1]:.1f} ms  (each under 100); "
          f"the first, with the producer's connection, {first:.1f}", flush=True)


def bench(args, folder):
    if not args.kafka or not args.kafka_bench or not args.mongod or not args.mongo_bench:
        if args.only in PARTS:
            sys.exit("the benchmarks of Kafka need --kafka, --kafka-bench, --mongod and --mongo-bench")
        print("Kafka is left out: --kafka FOLDER or --mongod PATH is missing", flush=True)
        return
    mongod = mongo.Mongod(args, folder / "kafka-mongod")
    kafka = Kafka(args, folder / "kafka")
    try:
        for name, part in zip(PARTS, (bench_drain, bench_trickle)):
            if args.only in (None, name):
                part(args, kafka, mongod, folder)
    finally:
        kafka.stop()
        mongod.stop()
