"""SQS to the last unit: whatever dies or stays away, every update counts once, every poison message becomes a dead
letter, and the queue is empty in the end. No outage makes a dead letter of a good message."""
import itertools
import random
import threading
import time
from collections import Counter

import harness
import pytest
import sqs
import tally
from api_support import Api
from elasticmq import ElasticMq
from load import verify_clean
from sqs_load import Planner, count_repeated, faults_of, keyed, krns, plain
from sqs_proxy import SqsProxy, lose_deletes
from tally import File, totals_of

count = 20_000 if harness.long_rounds else 1_200
rounds = 3 if harness.long_rounds else 1
away_s = 15 if harness.long_rounds else 6
catch_up_s = 600 if harness.long_rounds else 120
again = 1_000 if harness.long_rounds else 100


class Stage:
    """A queue, its dead letters, and servers that consume it. `letters_by` is how they get there: "redrive", by the
    queue's own policy, or "url", by SQS_DLQ_URL."""

    def __init__(self, service, make_server, seed, letters_by, store):
        self.make_server, self.store, self.letters_by = make_server, store, letters_by
        self.seed, self.dice = seed, random.Random(str(seed))
        self.client = sqs.Client(service)
        self.letters = self.client.create()
        policy = {"dead_letters": self.letters} if letters_by == "redrive" else {}
        self.queue = self.client.create(VisibilityTimeout=4, **policy)
        self.plan = Planner(self.dice, count).make()
        self.servers = []

    def start(self, instances):
        more = {"SQS_DLQ_URL": self.letters.url} if self.letters_by == "url" else {}
        for _ in range(instances):
            self.servers.append(self.make_server(env=self.client.env(self.queue, **more), **self.store).start())
        return self.servers

    def send_openers(self):
        self.queue.send(self.plan.openers)
        self.queue.wait_empty(catch_up_s)

    def send_in(self, chunks):
        """Gives the thread that sends each chunk."""
        size = -(-len(self.plan.messages) // chunks)
        for number in range(chunks):
            chunk = self.plan.messages[number * size:(number + 1) * size]
            sending = threading.Thread(target=self.queue.send, args=(chunk,), daemon=True)
            sending.start()
            yield sending
            sending.join()

    def wait_consumed(self):
        deadline = time.monotonic() + catch_up_s
        while any(depth := self.queue.depth()) or sum(self.letters.depth()) < len(self.plan.poison):
            assert time.monotonic() < deadline, self.explained(
                f"{depth} in the queue, {self.letters.depth()} of {len(self.plan.poison)} dead letters")
            time.sleep(0.1)

    def check(self):
        reason_of = (lambda letter: letter.attributes.get("pebbles-dlq-reason")) if self.letters_by == "url" else None
        totals = totals_of(Api(self.servers[0]), krns)
        count_repeated(self.plan.files, totals, self.client.repeated)
        faults = faults_of(self.plan, totals, self.letters.take_all(), reason_of)
        assert not faults, self.explained("\n".join(faults[:30]))

    def explained(self, text):
        logs = "\n".join(f"--- server {number}\n{server.log_tail(15)}" for number, server in enumerate(self.servers))
        return (f"{text}\n{len(self.client.repeated)} messages were repeated by boto3\nPEBBLES_SEED={self.seed[0]}\n"
                f"{logs}\n--- ElasticMQ\n{self.client.service.log_tail()}")


@pytest.fixture
def persistent_sqs(tmp_path):
    """A service of this test's own, to be killed and restarted."""
    with ElasticMq(tmp_path / "elasticmq", is_persistent=True) as service:
        yield service


@pytest.mark.timeout(3600 if harness.long_rounds else 240)
@pytest.mark.parametrize("letters_by", ["url", pytest.param("redrive", marks=pytest.mark.skipif(
    not harness.long_rounds, reason="takes a minute"))])
def test_three_instances_on_mongodb(persistent_sqs, make_server, one_node, database, seed, letters_by):
    """They are killed in turn; the queue service is killed, and MongoDB is away. It ends after them: what they hold to
    the last they delete."""
    stage = Stage(persistent_sqs, make_server, seed, letters_by, {"uri": one_node.uri(database)})
    servers = stage.start(3)
    stage.send_openers()

    def kill_instance(number):
        servers[number % 3].restart(kill=True)

    def kill_service(_):
        persistent_sqs.kill()
        persistent_sqs.start()

    def freeze_mongod(_):
        (member,) = one_node.members
        member.freeze()
        try:
            time.sleep(away_s)
        finally:
            member.thaw()

    faults = [kill_instance, kill_service, kill_instance, freeze_mongod, kill_instance]
    kills = itertools.count()
    for fault, sending in zip(faults * rounds, stage.send_in(len(faults) * rounds)):
        time.sleep(stage.dice.uniform(0, 0.3))
        if fault is kill_service:
            sending.join()  # a send that is tried again would be two messages, without a key to tell it by
        fault(next(kills) if fault is kill_instance else 0)
    stage.wait_consumed()
    stage.check()
    verify_clean(servers[0])


def send_updates(queue, form):
    """Updates of a few files; these, with what must be counted of them, and the messages' ids."""
    files = [File(krn=krns[0], name=f"file {number}.csv") for number in range(5)]
    messages = []
    for number in range(1, again + 1):
        file = files[number % len(files)]
        update = {"clientKrn": file.krn, "email": harness.owner, **harness.update(file.name, done=number, warn=1)}
        file.count(update)
        messages.append(form(update, f"m-{number}"))
    return files, queue.send(messages)


def assert_counted_once(files, server):
    assert tally.faults_of(files, totals_of(Api(server), krns)) == []


@pytest.mark.parametrize("form", [plain, keyed])
def test_messages_that_are_delivered_ten_times_count_once(make_server, shared_sqs, form):
    """The server is told that they are deleted, and they are not."""
    queue = shared_sqs.create(VisibilityTimeout=1)
    delivered = Counter()
    losing = threading.Event()
    losing.set()

    def seen(action, body, answer):
        if action == "ReceiveMessage":
            delivered.update(message["MessageId"] for message in answer.get("Messages", []))

    def answer(action, body):
        return lose_deletes(action, body) if losing.is_set() else None

    with SqsProxy(shared_sqs.service, answer, seen) as proxy:
        server = make_server(env=shared_sqs.env(queue, SQS_ENDPOINT=proxy.url)).start()
        files, ids = send_updates(queue, form)
        harness.wait_until(lambda: all(delivered[id] >= 10 for id in ids), catch_up_s, "ten deliveries of each")
        losing.clear()
        queue.wait_empty()
        assert_counted_once(files, server)
        server.stop()
    verify_clean(server)


def test_what_was_applied_dead_lettered_and_redriven_under_a_new_id_counts_once(make_server, shared_sqs):
    letters = shared_sqs.create()
    queue = shared_sqs.create(dead_letters=letters, receives_max=2, VisibilityTimeout=1)
    with SqsProxy(shared_sqs.service, lose_deletes) as proxy:
        server = make_server(env=shared_sqs.env(queue, SQS_ENDPOINT=proxy.url)).start()
        files, ids = send_updates(queue, keyed)
        harness.wait_until(lambda: sum(letters.depth()) == again, catch_up_s, "every message among the dead letters")
        assert_counted_once(files, server)
        server.stop()
    new_ids = queue.send(letters.take_all())
    assert not set(ids) & set(new_ids)
    server.start(env={"SQS_ENDPOINT": shared_sqs.service.url})
    queue.wait_empty()
    assert not any(letters.depth())
    assert_counted_once(files, server)
    verify_clean(server)
