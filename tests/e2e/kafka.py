"""What tests do to a Kafka broker with somebody else's client (confluent-kafka), and the broker itself."""
import contextlib
import itertools
import os
import time
from dataclasses import dataclass, field

import confluent_kafka
import confluent_kafka.admin
from harness import wait_until
from kafka_broker import Broker  # noqa: F401 (tests take it from here)

names = itertools.count(1)


def new_name(kind="topic"):
    """Of a topic or group that nothing else uses on a broker that tests share."""
    return f"{kind}-{os.getpid()}-{next(names)}"


@dataclass
class Message:
    """To be produced, or as it was read. Headers are a list: their names may repeat."""

    value: bytes | None
    key: bytes | None = None
    headers: list = field(default_factory=list)
    partition: int = -1  # -1: by its key
    timestamp_ms: int = 0  # 0: when it is produced
    topic: str | None = None
    offset: int | None = None

    def header(self, name):
        """The last of that name, as bytes; None when there is none."""
        return dict(self.headers).get(name)


class Client:
    """A client of one broker. Every call waits, with a deadline, until the broker has done what was asked."""

    def __init__(self, address):
        self.address = address
        self.admin = confluent_kafka.admin.AdminClient(self.settings())

    def settings(self, **more):
        return {"bootstrap.servers": self.address, "socket.nagle.disable": True, "log_level": 0, **more}

    def create_topic(self, name=None, partitions=1, **config):
        """Its name. `config` has underscores for the dots of Kafka's settings."""
        name = name or new_name()
        wanted = confluent_kafka.admin.NewTopic(
            name, partitions, 1, config={setting.replace("_", "."): str(value) for setting, value in config.items()})
        self.finish(self.admin.create_topics([wanted], operation_timeout=20))
        self.wait_for_partitions(name, partitions)
        return name

    def wait_for_partitions(self, name, total):
        """What the controller has made, brokers tell their clients a moment later."""
        def led():
            found = self.admin.list_topics(timeout=10).topics.get(name)
            return found and sum(partition.leader >= 0 for partition in found.partitions.values()) == total

        wait_until(led, 20, f"{total} partitions of {name}")

    def delete_topic(self, name):
        self.finish(self.admin.delete_topics([name], operation_timeout=20))
        wait_until(lambda: name not in self.admin.list_topics(timeout=10).topics, 20, f"the end of {name}")

    def add_partitions(self, name, total):
        self.finish(self.admin.create_partitions([confluent_kafka.admin.NewPartitions(name, total)]))
        self.wait_for_partitions(name, total)

    @staticmethod
    def finish(futures):
        for future in futures.values():
            future.result(30)

    def producer(self, **settings):
        return confluent_kafka.Producer(self.settings(**{"linger.ms": 5, **settings}))

    def produce(self, topic, messages, *, transaction=None, **settings):
        """Sends messages (or bare values) and waits until the broker has them all. `transaction` is "commit" or
        "abort"; `settings` are librdkafka's with underscores for dots, such as compression_type="zstd"."""
        settings = {name.replace("_", "."): value for name, value in settings.items()}
        if transaction:
            settings.setdefault("transactional.id", new_name("transaction"))
        producer = self.producer(**settings)
        if transaction:
            producer.init_transactions(30)
            producer.begin_transaction()
        faults = []
        for message in messages:
            if not isinstance(message, Message):
                message = Message(message)
            self.send(producer, topic, message, faults)
        left = producer.flush(60)
        assert not left and not faults, f"{left} messages were not delivered; {faults[:3]}"
        if transaction == "commit":
            producer.commit_transaction(30)
        elif transaction == "abort":
            producer.abort_transaction(30)

    @staticmethod
    def send(producer, topic, message, faults):
        def delivered(error, _):
            if error is not None:
                faults.append(error)

        while True:
            try:
                producer.produce(topic, message.value, message.key, partition=message.partition,
                                 on_delivery=delivered, timestamp=message.timestamp_ms, headers=message.headers)
                producer.poll(0)
                return
            except BufferError:  # the queue is full: the broker is slower
                producer.poll(0.1)

    @contextlib.contextmanager
    def consumer(self, group, **settings):
        consumer = confluent_kafka.Consumer(self.settings(**{
            "group.id": group, "enable.auto.commit": False, "enable.partition.eof": False, **settings}))
        try:
            yield consumer
        finally:
            consumer.close()

    def partitions(self, topic):
        found = self.admin.list_topics(topic, timeout=20).topics[topic]
        if found.error is not None:
            raise confluent_kafka.KafkaException(found.error)
        return sorted(found.partitions)

    def ends(self, topic):
        """The offset behind the last message of each partition."""
        with self.consumer("pebbles-tests") as consumer:
            return [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=20)[1]
                    for partition in self.partitions(topic)]

    def committed(self, group, topic):
        """A group's committed offset of each partition, None where there is none."""
        with self.consumer(group) as consumer:
            wanted = [confluent_kafka.TopicPartition(topic, partition) for partition in self.partitions(topic)]
            deadline = time.monotonic() + 60
            while True:
                try:
                    return [position.offset if position.offset >= 0 else None
                            for position in consumer.committed(wanted, timeout=20)]
                except confluent_kafka.KafkaException as fault:
                    if not is_temporary(fault.args[0]) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)

    def read(self, topic, timeout=30):
        """Every message that is in the topic now (committed ones only), partition by partition."""
        out = []
        with self.consumer(new_name("reader"), **{"enable.partition.eof": True, "auto.offset.reset": "earliest"}) as c:
            waiting = set(self.partitions(topic))
            c.assign([confluent_kafka.TopicPartition(topic, partition, 0) for partition in waiting])
            deadline = time.monotonic() + timeout
            while waiting:
                assert time.monotonic() < deadline, f"partitions {waiting} of {topic} have no end"
                for message in c.consume(10_000, 0.1):
                    if message.error() is None:
                        out.append(read_message(message))
                    elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        waiting.discard(message.partition())
                    else:
                        raise confluent_kafka.KafkaException(message.error())
        return sorted(out, key=lambda message: (message.partition, message.offset))


def is_temporary(error):
    """A group's coordinator starts or moves, say: not retriable to librdkafka where a call brings it back."""
    codes = (error.NOT_COORDINATOR, error.COORDINATOR_NOT_AVAILABLE, error.COORDINATOR_LOAD_IN_PROGRESS)
    return error.retriable() or error.code() in codes


def read_message(message):
    return Message(value=message.value(), key=message.key(), headers=message.headers() or [],
                   partition=message.partition(), timestamp_ms=message.timestamp()[1], topic=message.topic(),
                   offset=message.offset())
