"""The store is away while updates come by REST, Kafka and SQS. Meanwhile nothing is acknowledged and nothing becomes a
dead letter, and the memory stays flat; afterwards all of it is applied, each update once."""
import time

import harness
import kafka
import pytest
from api_support import Api
from load import Load, verify_clean
from open_loop import rss_mib
from sqs_load import keyed, plain
from tally import File, faults_of, totals_of

away_s = 30 if harness.long_rounds else 8
messages = 20_000 if harness.long_rounds else 1_500
# What was read ahead and waits: at most 8,000 messages of SQS and as many of Kafka as its bounds allow.
growth_mib_max = 100
kafka_krn, sqs_krn = "krn:away:kafka", "krn:away:sqs"


class Queues:
    """A topic and a queue that are filled while the store is away, each with its dead letters."""

    def __init__(self, shared_kafka, shared_sqs):
        self.kafka, self.sqs = shared_kafka, shared_sqs
        self.topic = shared_kafka.create_topic(partitions=3)
        self.topic_letters = shared_kafka.create_topic(self.topic + ".dlq")
        self.letters = shared_sqs.create()
        # Delivered a second time a message would be a dead letter: so an outage must not cost deliveries.
        self.queue = shared_sqs.create(dead_letters=self.letters, receives_max=2, VisibilityTimeout=5)
        self.group = kafka.new_name("group")
        self.files = [File(krn=krn, name=f"file {number}.csv") for krn in (kafka_krn, sqs_krn) for number in range(20)]

    def env(self):
        return {"KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": self.kafka.address,
                "KAFKA_TOPIC_NAME": self.topic, "KAFKA_GROUP_ID": self.group, **self.sqs.env(self.queue)}

    def updates(self, krn, count):
        files = [file for file in self.files if file.krn == krn]
        for number in range(count):
            file = files[number % len(files)]
            update = {"clientKrn": file.krn, "email": harness.owner, **harness.update(file.name, done=number, warn=1)}
            file.count(update)
            yield update, number

    def fill(self, count):
        """Half of the messages have keys."""
        for krn, send in ((kafka_krn, self.send_kafka), (sqs_krn, self.queue.send)):
            send([(keyed if number % 2 else plain)(update, f"{krn} {time.monotonic_ns()}")
                  for update, number in self.updates(krn, count)])

    def send_kafka(self, made):
        self.kafka.produce(self.topic, [message.body.encode() for message in made], acks="all")

    def committed(self):
        return sum(offset or 0 for offset in self.kafka.committed(self.group, self.topic))

    def wait_consumed(self):
        harness.wait_until(lambda: self.kafka.committed(self.group, self.topic) == self.kafka.ends(self.topic), 120,
                           "the end of the topic")
        self.queue.wait_empty(120)

    def assert_no_dead_letters(self):
        assert self.kafka.ends(self.topic_letters) == [0]
        assert not any(self.letters.depth())


@pytest.fixture(params=["frozen", "killed"])
def go_away(request):
    """How a mongod goes away, and comes back."""
    def freeze(member):
        member.freeze()
        return member.thaw

    def kill(member):
        member.kill()
        return member.start

    return freeze if request.param == "frozen" else kill


@pytest.mark.timeout(600 if harness.long_rounds else 240)
def test_all_channels_wait_for_the_store(make_server, one_node, shared_kafka, shared_sqs, database, seed, go_away):
    queues = Queues(shared_kafka, shared_sqs)
    server = make_server(uri=one_node.uri(database), env=queues.env()).start()
    queues.fill(messages)  # so that its memory is that of a server at work
    queues.wait_consumed()
    load = Load(server, seed, pause=0.05)
    with load:
        load.wait_acknowledged(200)
        (member,) = one_node.members
        come_back = go_away(member)
        try:
            wait_for_silence(load)  # answers to what was committed before are on their way no more
            before = load.acknowledged, queues.committed(), rss_mib(server)
            queues.fill(messages)
            refused = len(load.history.updates)
            peak = watch_memory(server, away_s)
            assert load.acknowledged == before[0], load.explained("it acknowledges while the store is away")
            assert queues.committed() == before[1], load.explained("it commits offsets while the store is away")
            assert len(load.history.updates) > refused, load.explained("it does not even refuse")
            assert peak - before[2] < growth_mib_max, (before, peak)
            queues.assert_no_dead_letters()
        finally:
            come_back()
        load.wait_acknowledged(200, 60)
    load.check()
    queues.wait_consumed()
    queues.assert_no_dead_letters()
    faults = faults_of(queues.files, totals_of(Api(server), [kafka_krn, sqs_krn]))
    assert not faults, load.explained("\n".join(faults[:20]))
    server.stop()
    verify_clean(server)


def wait_for_silence(load, seconds=6):
    """For longer than a lane waits for a frozen server: what was stored just before may be answered only then."""
    acknowledged, since = load.acknowledged, time.monotonic()
    while time.monotonic() - since < seconds:
        if load.acknowledged != acknowledged:
            acknowledged, since = load.acknowledged, time.monotonic()
        time.sleep(0.1)


def watch_memory(server, seconds):
    """The most that it held, in MiB."""
    peak, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        peak = max(peak, rss_mib(server))
        time.sleep(0.1)
    return peak
