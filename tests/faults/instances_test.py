"""Three instances behind haproxy on one MongoDB, fed by all three channels: to replace them in turn fails no request,
to kill one fails those that it had in hand, and every total is exact."""
import contextlib
import itertools
import random
import threading
import time

import harness
import kafka_load
import pytest
import sqs_load
from api_support import Api, Connection
from haproxy import Haproxy
from harness import update, wait_until
from load import Load, krn
from tally import totals_of

instances = 3
rounds = 10 if harness.long_rounds else 1
messages = 20_000 if harness.long_rounds else 1_200  # of each queue
catch_up_s = 120


class Topic:
    """Kafka's part of the load."""

    def __init__(self, client, dice):
        self.client = client
        self.topic = client.create_topic(partitions=kafka_load.partitions, max_message_bytes=4 << 20)
        self.letters = client.create_topic(self.topic + ".dlq", partitions=2, max_message_bytes=8 << 20)
        self.plan = kafka_load.Planner(dice, messages).make()
        self.group = f"group-of-{self.topic}"

    def env(self):
        return {"KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": self.client.address,
                "KAFKA_TOPIC_NAME": self.topic, "KAFKA_GROUP_ID": self.group,
                "KAFKA_CONF_SESSION_TIMEOUT_MS": "2000", "KAFKA_CONF_HEARTBEAT_INTERVAL_MS": "300"}

    def send(self, portion):
        self.client.produce(self.topic, portion, message_max_bytes=4 << 20, acks="all", enable_idempotence=True)

    def wait_consumed(self):
        ends = self.client.ends(self.topic)
        wait_until(lambda: self.client.committed(self.group, self.topic) == ends, catch_up_s, "the end of the topic")

    def faults(self, api):
        return kafka_load.faults_of(self.plan, totals_of(api, kafka_load.krns), self.client.read(self.letters, 60))


class Queue:
    """SQS's part."""

    def __init__(self, client, dice):
        self.client = client
        self.letters = client.create()
        self.queue = client.create(VisibilityTimeout=4)
        self.plan = sqs_load.Planner(dice, messages).make()

    def env(self):
        return self.client.env(self.queue, SQS_DLQ_URL=self.letters.url)

    def send_openers(self):
        self.queue.send(self.plan.openers)
        self.queue.wait_empty(catch_up_s)

    def send(self, portion):
        self.queue.send(portion)

    def wait_consumed(self):
        wait_until(lambda: not any(self.queue.depth()) and sum(self.letters.depth()) >= len(self.plan.poison),
                   catch_up_s, "the end of the queue, and its dead letters,")

    def faults(self, api):
        return sqs_load.faults_of(self.plan, totals_of(api, sqs_load.krns), self.letters.take_all(),
                                  lambda letter: letter.attributes.get("pebbles-dlq-reason"))


class Feed:
    """Sends a plan in portions for as long as it is a context, and what is left at its end."""

    def __init__(self, channel):
        self.channel = channel
        self.left = iter(channel.plan.messages)
        self.ending = threading.Event()
        self.fault = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()

    def run(self):
        try:
            while portion := list(itertools.islice(self.left, None if self.ending.is_set() else 50)):
                self.channel.send(portion)
                self.ending.wait(0.1)
        except Exception as fault:  # told to the test, in its own thread
            self.fault = fault

    def __exit__(self, *unused):
        self.ending.set()
        self.thread.join(catch_up_s)
        assert self.fault is None and not self.thread.is_alive(), self.fault


class Stage:
    """The servers, what is before them, and what they are fed with."""

    def __init__(self, make_server, folder, shared_kafka, shared_sqs, uri, seed):
        dice = random.Random(str(seed))
        self.channels = Topic(shared_kafka, dice), Queue(shared_sqs, dice)
        # haproxy looks twice a second; whoever stops serves on until it has seen that.
        env = {"SHUTDOWN_DELAY_S": "3", **self.channels[0].env(), **self.channels[1].env()}
        self.servers = [make_server(uri=uri, env=env).start() for _ in range(instances)]
        self.channels[1].send_openers()
        # By turns, so that each instance has requests, and of the same files: the load is of one client.
        self.balancer = Haproxy(folder / "haproxy", self.servers, balance="roundrobin")
        self.load = Load(self.servers[0], seed, files=12, refusals=(502, 503))
        self.load.servers = [self.balancer]

    @contextlib.contextmanager
    def running(self):
        with self.balancer, Feed(self.channels[0]), Feed(self.channels[1]), self.load:
            self.load.wait_acknowledged(50)
            yield
            self.load.wait_acknowledged(50)

    def check(self):
        for channel in self.channels:
            channel.wait_consumed()
        faults = [fault for channel in self.channels for fault in channel.faults(Api(self.servers[1]))]
        assert not faults, self.load.explained("\n".join(faults[:30]))
        self.load.check()

@pytest.fixture
def stage(make_server, tmp_path, shared_kafka, shared_sqs, one_node, database, seed):
    return Stage(make_server, tmp_path, shared_kafka, shared_sqs, one_node.uri(database), seed)


@pytest.mark.timeout(180 + 60 * rounds)
def test_a_rolling_restart_fails_no_request(stage):
    with stage.running():
        for server in stage.servers * rounds:
            server.restart()
            stage.balancer.wait_ready(instances)
            stage.load.wait_acknowledged(20)
    assert not stage.load.failed, stage.load.explained(str(stage.load.failed[:10]))
    stage.check()


@pytest.mark.timeout(180 + 60 * rounds)
def test_a_killed_instance_fails_only_what_it_had_in_hand(stage):
    with stage.running():
        for server in stage.servers * rounds:
            before = len(stage.load.failed)
            sent = time.monotonic()
            server.kill()
            killed = time.monotonic()
            stage.load.wait_acknowledged(100)
            failed = stage.load.failed[before:]
            assert all(began < killed for began, _ in failed), stage.load.explained(f"{killed}: {failed}")
            # Each thread had one in hand; what it sent while the process was ending is another.
            assert sum(began < sent for began, _ in failed) <= stage.load.threads
            # Of a connection that was used before haproxy says nothing about it: the caller is to decide.
            assert all(what.startswith(("502", "RemoteDisconnected")) for _, what in failed), failed
            server.start()
            stage.balancer.wait_ready(instances)
    stage.check()


def test_what_answers_when_no_instance_is_ready(make_server, tmp_path, database):
    """Those that are not ready do, and say when to try again."""
    server = make_server(uri=f"mongodb://127.0.0.1:{harness.free_port()}/{database}?serverSelectionTimeoutMS=500")
    server.start(wait=False)
    wait_until(lambda: "server_listening" in server.log_text(), 20, "the listener")
    with Haproxy(tmp_path / "haproxy", [server], ready=0) as balancer:
        connection = Connection(balancer.port)
        status, headers, answer = connection.post(krn, update(done=1))
        assert (status, bool(headers["Retry-After"])) == (503, True) and "instance" not in answer["detail"], answer
        connection.close()  # a second request may meet the end of what haproxy keeps to the server, which it passes on
        server.kill()
        connection = Connection(balancer.port)
        status, headers, answer = connection.post(krn, update(done=1))
        assert (status, headers["Retry-After"], answer["detail"]) == (503, "1", "No instance answers")
        connection.close()
