"""Kafka to the last unit: whatever dies or joins, every update counts once, every poison message becomes a dead letter,
and offsets are committed to the end. The whole topic again, for a new group, changes nothing."""
import itertools
import random
import time

import harness
import kafka
import pytest
from api_support import Api
from kafka_load import Planner, faults_of, krns, partitions
from load import verify_clean
from tally import totals_of

count = 200_000 if harness.long_rounds else 4_000
chunks = 20 if harness.long_rounds else 4
catch_up_s = 600 if harness.long_rounds else 60


class Stage:
    """A topic, its dead letters, and servers of one group."""

    def __init__(self, broker, make_server, seed, store):
        self.broker, self.make_server, self.store = broker, make_server, store
        self.seed, self.dice = seed, random.Random(str(seed))
        self.client = kafka.Client(broker.address)
        self.topic = self.client.create_topic(partitions=partitions, max_message_bytes=4 << 20)
        self.letters = self.client.create_topic(self.topic + ".dlq", partitions=2, max_message_bytes=8 << 20)
        self.plan = Planner(self.dice, count).make()
        self.servers = []

    def settings(self, group):
        return {"KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": self.broker.address,
                "KAFKA_TOPIC_NAME": self.topic, "KAFKA_GROUP_ID": group,
                # So that a dead member's partitions are soon another's.
                "KAFKA_CONF_SESSION_TIMEOUT_MS": "2000", "KAFKA_CONF_HEARTBEAT_INTERVAL_MS": "300"}

    def start(self, instances=1, group="exact"):
        for _ in range(instances):
            self.servers.append(self.make_server(env=self.settings(group), **self.store).start())
        return self.servers

    def produce_in_chunks(self):
        """Gives the number of each chunk after it was produced."""
        size = -(-len(self.plan.messages) // chunks)
        for number in range(chunks):
            chunk = self.plan.messages[number * size:(number + 1) * size]
            self.client.produce(self.topic, chunk, message_max_bytes=4 << 20, acks="all", compression_type="lz4",
                                enable_idempotence=True)
            yield number

    def wait_consumed(self, group="exact"):
        ends = self.client.ends(self.topic)
        deadline = time.monotonic() + catch_up_s
        while (committed := self.client.committed(group, self.topic)) != ends:
            assert time.monotonic() < deadline, self.explained(f"committed {committed} of {ends}")
            time.sleep(0.1)

    def check(self):
        faults = faults_of(self.plan, totals_of(Api(self.servers[0]), krns), self.client.read(self.letters, 60))
        assert not faults, self.explained("\n".join(faults[:30]))

    def versions(self):
        api = Api(self.servers[0])
        return {file.key: api.record(*file.key)["version"] for file in self.plan.files[::7]}

    def replay_from_0(self):
        """All of the topic for a new group, by one instance."""
        before = self.versions()
        for server in self.servers:
            server.stop()
        self.servers = []
        self.start(group="again")
        self.wait_consumed("again")
        self.check()
        assert self.versions() == before

    def explained(self, text):
        logs = "\n".join(f"--- server {number}\n{server.log_tail(15)}" for number, server in enumerate(self.servers))
        return f"{text}\nPEBBLES_SEED={self.seed[0]}\n{logs}"


@pytest.mark.timeout(3600 if harness.long_rounds else 120)
def test_three_instances_on_mongodb(make_server, broker, three_nodes, database, seed):
    """They are killed in turn, leave and join; the broker is killed, and the primary steps down."""
    three_nodes.wait_steady()
    stage = Stage(broker, make_server, seed, {"uri": three_nodes.uri(database)})
    servers = stage.start(3)

    def kill_instance(number):
        servers[number % 3].restart(kill=True)

    def kill_broker(_):
        broker.kill()
        broker.start()

    def step_down(_):
        with three_nodes.wait_primary().client() as client:
            client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=3)

    def leave_and_join(number):
        servers[number % 3].restart()

    faults = itertools.cycle([kill_instance, kill_broker, step_down, leave_and_join])
    for number in stage.produce_in_chunks():
        time.sleep(stage.dice.uniform(0, 0.5))
        next(faults)(number)
    stage.wait_consumed()
    stage.check()
    verify_clean(servers[0])
    stage.replay_from_0()
    verify_clean(stage.servers[0])


@pytest.mark.timeout(3600 if harness.long_rounds else 120)
def test_one_instance_on_the_embedded_store(make_server, broker, seed):
    stage = Stage(broker, make_server, seed, {})
    (server,) = stage.start()
    for number in stage.produce_in_chunks():
        time.sleep(stage.dice.uniform(0, 0.3))
        if number % 4 == 1:
            broker.kill()
            broker.start()
        else:
            server.restart(kill=number % 4 < 3)
    stage.wait_consumed()
    stage.check()
    folder = server.folder
    before = stage.versions()
    server.stop()
    verify_clean(server)
    stage.servers = [make_server(folder, env=stage.settings("again")).start()]
    stage.wait_consumed("again")
    stage.check()
    assert stage.versions() == before
