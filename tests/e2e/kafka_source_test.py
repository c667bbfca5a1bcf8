"""Updates that come from a topic: read by the real binary from a real broker."""
import contextlib
import json
import pathlib
import re
import time

import harness
import httpx
import kafka
import mongo
import pytest
from api_support import stored
from harness import owner, update, wait_until
from kafka import Message, new_name
from metrics_support import metrics

pytestmark = pytest.mark.timeout(120)


def message(filename="sales.csv", *, krn, email=owner, key=None, partition=-1, headers=(), **rest):
    body = {**update(filename, **rest), "clientKrn": krn, "email": email}
    return Message(json.dumps(body).encode(), key or f"{krn}/{filename}".encode(), list(headers), partition)


class Topic:
    """A topic, its dead letters, and the group that reads it."""

    def __init__(self, client, partitions=1, create=True):
        self.client, self.partitions = client, partitions
        self.name, self.group = new_name(), new_name("group")
        if create:
            self.create()

    def create(self):
        self.client.create_topic(self.dead_letters, partitions=1)
        self.client.create_topic(self.name, partitions=self.partitions)

    @property
    def dead_letters(self):
        return f"{self.name}.dlq"

    def env(self, **more):
        return {"KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": self.client.address, "KAFKA_TOPIC_NAME": self.name,
                "KAFKA_GROUP_ID": self.group, "KAFKA_CONF_SESSION_TIMEOUT_MS": "6000", **more}

    def produce(self, *messages, **settings):
        self.client.produce(self.name, messages, **settings)

    def read_dead_letters(self):
        return self.client.read(self.dead_letters)

    def wait_committed(self, timeout=30):
        """Until the group has committed all there is."""
        ends = self.client.ends(self.name)
        wait_until(lambda: [offset or 0 for offset in self.client.committed(self.group, self.name)] == ends, timeout,
                   f"offsets {ends} of {self.name}")


@pytest.fixture
def topic(shared_kafka):
    return Topic(shared_kafka)


def record(server, krn, filename="sales.csv"):
    answer = httpx.get(f"{server.url}/clients/{krn}/progress", params={"filename": filename}, trust_env=False)
    return stored(answer.json()) if answer.status_code == 200 else None


def wait_for_done(server, krn, done, filename="sales.csv", timeout=30):
    return wait_until(lambda: (found := record(server, krn, filename)) and found["counts"]["done"] == done and found,
                      timeout, f"{done} done of {filename}")


def details(server):
    return httpx.get(f"{server.url}/health", params={"verbose": ""}, trust_env=False).json()


def consumed(server, outcome):
    return metrics(server.url)[f'pebbles_messages_consumed_total{{outcome="{outcome}",source="kafka"}}']


def test_an_update_is_counted_and_its_offset_committed(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    topic.produce(message(krn=krn, done=3, warn=1, total=10, errors=[{"line": 7, "message": "bad"}]))
    found = wait_for_done(server, krn, 3)
    assert found["email"] == owner and found["total"] == 10 and found["errors"] == [{"line": 7, "message": "bad"}]
    topic.wait_committed()
    assert topic.read_dead_letters() == []


def test_updates_of_a_file_are_counted_in_order_and_exactly(make_server, shared_kafka, krn):
    topic = Topic(shared_kafka, partitions=4)
    server = make_server(env=topic.env()).start()
    files = [f"file-{number}.csv" for number in range(20)]
    topic.produce(*(message(name, krn=krn, done=1, total=round_ + 1, errors=[{"message": f"{round_}"}])
                    for round_ in range(200) for name in files))
    for name in files:
        found = wait_for_done(server, krn, 200, name)
        assert found["total"] == 200 and found["errorCount"] == 200
        assert [error["message"] for error in found["errors"]] == [str(number) for number in range(100)]
    topic.wait_committed()
    assert consumed(server, "applied") == 4000


def test_a_repeated_event_counts_once(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    topic.produce(*[message(krn=krn, done=1, eventId="e-1")] * 3, message(krn=krn, done=10))
    wait_for_done(server, krn, 11)
    topic.wait_committed()
    assert consumed(server, "duplicate") == 2


def test_what_can_never_be_counted_becomes_a_dead_letter(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    poison = Message(b"{nonsense", b"\xff\x00key", [("trace", b"1"), ("trace", b"2")])
    topic.produce(message(krn=krn, done=1), poison, message(krn=krn, email="eve@example.com", done=5),
                  message(krn=krn, done=10, isLast=True), message(krn=krn, done=100), Message(None, b"tombstone"),
                  Message(b""), message(krn=krn, filename="other.csv", done=7))
    wait_for_done(server, krn, 7, "other.csv")
    topic.wait_committed()
    assert record(server, krn)["counts"]["done"] == 11 and record(server, krn)["isCompleted"]
    letters = {letter.header("pebbles-dlq-offset"): letter for letter in topic.read_dead_letters()}
    assert {offset: letter.header("pebbles-dlq-reason") for offset, letter in letters.items()} == {
        b"1": b"not_json", b"2": b"not_the_owner", b"4": b"already_completed", b"5": b"empty_value",
        b"6": b"empty_value"}
    assert letters[b"5"].value is None and letters[b"6"].value == b""
    letter = letters[b"1"]
    assert (letter.key, letter.value, letter.headers[:2]) == (poison.key, poison.value, poison.headers)
    assert letter.header("pebbles-dlq-topic") == topic.name.encode()
    assert letter.header("pebbles-dlq-partition") == b"0"
    assert letter.header("pebbles-dlq-time").endswith(b"Z") and letter.header("pebbles-dlq-detail")
    assert consumed(server, "dead_lettered") == 5


def test_many_refusals_of_one_file_do_not_stop_the_others(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    bad = message(krn=krn, email="eve@example.com", done=1)
    good = [message(krn=krn, done=1), message("other.csv", krn=krn, done=1)]
    topic.produce(*good, *([bad] * 20 + good) * 30)
    wait_for_done(server, krn, 31)
    wait_for_done(server, krn, 31, "other.csv")
    topic.wait_committed()
    assert len({letter.header("pebbles-dlq-offset") for letter in topic.read_dead_letters()}) == 600


def test_without_a_topic_for_dead_letters_nothing_is_lost(make_server, shared_kafka, krn):
    topic = Topic(shared_kafka, create=False)
    shared_kafka.create_topic(topic.name)
    server = make_server(env=topic.env(KAFKA_CONF_TOPIC_METADATA_PROPAGATION_MAX_MS="500")).start()
    topic.produce(message(krn=krn, done=1), message(krn=krn, email="eve@example.com"), message(krn=krn, done=10),
                  message("other.csv", krn=krn, done=7))
    wait_for_done(server, krn, 7, "other.csv")  # other files go on
    wait_until(lambda: "dead_letters_not_written" in server.log_tail(), 30, "a word about it")
    assert record(server, krn)["counts"]["done"] == 1  # what is behind the refusal waits for it
    assert shared_kafka.committed(topic.group, topic.name)[0] in (None, 0, 1)
    assert details(server)["parts"]["kafka"]["deadLettersWaiting"] == 1
    shared_kafka.create_topic(topic.dead_letters)
    wait_for_done(server, krn, 11)
    topic.wait_committed()
    assert len(topic.read_dead_letters()) == 1


@pytest.mark.skipif(not harness.long_rounds, reason="takes over a minute")
def test_a_minute_without_progress_is_not_ready(make_server, shared_kafka, krn):
    topic = Topic(shared_kafka, create=False)
    shared_kafka.create_topic(topic.name)
    server = make_server(env=topic.env(KAFKA_CONF_TOPIC_METADATA_PROPAGATION_MAX_MS="500")).start()
    topic.produce(message(krn=krn, done=1), message(krn=krn, email="eve@example.com"), message(krn=krn, done=10))

    def health():
        return httpx.get(f"{server.url}/health", trust_env=False).status_code

    wait_for_done(server, krn, 1)
    assert health() == 200
    wait_until(lambda: health() == 503, 75, "not ready")
    assert "no progress" in json.dumps(details(server))
    shared_kafka.create_topic(topic.dead_letters)
    wait_until(lambda: health() == 200, 30, "ready again")
    wait_for_done(server, krn, 11)


def test_a_backlog_of_large_messages_takes_bounded_memory(make_server, shared_kafka, krn):
    """Nearly 1 MiB each, as many items as that can be: read and parsed they are the most that a message can weigh."""
    count = 400 if harness.long_rounds else 60
    topic = Topic(shared_kafka, partitions=4)
    errors = [{"line": line + 1, "message": "x" * 60} for line in range(10_000)]
    topic.produce(*(message(f"file-{n % 50}", krn=krn, done=1, errors=errors, partition=n % 4) for n in range(count)))
    server = make_server(env=topic.env(), executable=harness.release_binary()).start()
    topic.wait_committed(timeout=100)
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())[1]) // 1024
    assert peak < 300, f"{peak} MiB"
    assert sum(record(server, krn, f"file-{n}")["errorCount"] for n in range(50)) == 10_000 * count


def test_an_aborted_transaction_is_not_counted(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    topic.produce(message(krn=krn, done=100), transaction="abort")
    topic.produce(message(krn=krn, done=1), transaction="commit")
    wait_for_done(server, krn, 1)
    topic.wait_committed()  # behind the marks of the transactions too


def test_two_instances_share_the_partitions(make_server, shared_kafka, one_node, krn):
    topic = Topic(shared_kafka, partitions=4)
    uri = one_node.uri(mongo.new_database())
    servers = [make_server(uri=uri, env=topic.env()).start() for _ in range(2)]
    files = [f"file-{number}.csv" for number in range(40)]

    def shares():
        return [len(details(server)["parts"]["kafka"]["partitions"]) for server in servers]

    wait_until(lambda: shares() == [2, 2], 30, "two partitions each")
    topic.produce(*(message(name, krn=krn, done=1) for _ in range(50) for name in files))
    for name in files:
        wait_for_done(servers[0], krn, 50, name)
    topic.wait_committed()
    assert all(consumed(server, "applied") > 0 for server in servers)


def test_instances_that_come_and_go_count_everything_once(make_server, shared_kafka, one_node, krn):
    topic = Topic(shared_kafka, partitions=6)
    uri = one_node.uri(mongo.new_database())
    servers = [make_server(uri=uri, env=topic.env()).start()]
    files = [f"file-{number}.csv" for number in range(30)]
    rounds = 0
    for act in ["join", "join", "kill", "leave", "join", "none"]:
        topic.produce(*(message(name, krn=krn, done=1) for _ in range(100) for name in files))
        rounds += 100
        if act == "join":
            servers.append(make_server(uri=uri, env=topic.env()).start())
        elif act == "kill":
            servers.pop(0).kill()
        elif act == "leave":
            servers.pop(0).stop()
        time.sleep(0.3)
    for name in files:
        wait_for_done(servers[-1], krn, rounds, name, 60)
    topic.wait_committed(60)


def test_a_topic_that_is_missing_is_waited_for(make_server, shared_kafka, krn):
    topic = Topic(shared_kafka, create=False)
    server = make_server(env=topic.env(KAFKA_CONF_TOPIC_METADATA_REFRESH_INTERVAL_MS="500")).start()
    with server.client() as client:
        sent = client.post(f"/clients/{krn}/progress", json=update(done=1), headers=harness.bearer())
    assert sent.status_code == 200
    topic.create()
    topic.produce(message(krn=krn, done=10))
    wait_for_done(server, krn, 11)


def test_a_broker_that_is_away_is_waited_for(make_server, tmp_path, krn):
    with kafka.Broker(tmp_path / "broker") as broker:
        topic = Topic(kafka.Client(broker.address), partitions=2)
        topic.produce(message(krn=krn, done=1))
        broker.stop()
        server = make_server(env=topic.env()).start()  # there is no broker yet
        with server.client() as client:
            sent = client.post(f"/clients/{krn}/progress", json=update("rest.csv", done=1), headers=harness.bearer())
        assert sent.status_code == 200
        wait_until(lambda: details(server)["parts"]["kafka"]["state"] == "no broker answers", 30, "a word about it")
        broker.start()
        wait_for_done(server, krn, 1, timeout=60)
        broker.kill()
        time.sleep(1)
        assert httpx.get(f"{server.url}/health", trust_env=False).text == "OK"
        broker.start()
        wait_until(lambda: details(server)["parts"]["kafka"]["state"] == "assigned", 30, "a word about it")
        topic.produce(message(krn=krn, done=10))
        wait_for_done(server, krn, 11, timeout=60)
        topic.wait_committed(60)


def test_reading_a_topic_again_changes_nothing(make_server, shared_kafka, krn):
    topic = Topic(shared_kafka, partitions=2)
    server = make_server(env=topic.env()).start()
    files = [f"file-{number}.csv" for number in range(10)]
    topic.produce(*(message(name, krn=krn, done=1) for _ in range(100) for name in files))
    for name in files:
        wait_for_done(server, krn, 100, name)
    before = [record(server, krn, name) for name in files]
    topic.wait_committed()
    server.stop()
    topic.group = new_name("group")
    server.start(env=topic.env())
    topic.wait_committed()
    assert [record(server, krn, name) for name in files] == before
    assert consumed(server, "duplicate") == 1000


def test_a_topic_made_anew_is_noticed(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    topic.produce(*[message(krn=krn, done=1)] * 5)
    wait_for_done(server, krn, 5)
    topic.wait_committed()
    server.stop()
    topic.client.delete_topic(topic.name)
    topic.client.create_topic(topic.name)
    topic.produce(message(krn=krn, done=10))
    server.start(env=topic.env(), wait=False)
    wait_until(lambda: "KAFKA_LOG_ID" in server.log_tail(), 30, "a word about it")
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(f"{server.url}/health", trust_env=False)
        assert answer.status_code == 503 and "KAFKA_LOG_ID" in answer.json()["detail"]
    assert record(server, krn)["counts"]["done"] == 5
    assert (topic.client.committed(topic.group, topic.name)[0] or 0) in (0, 5)  # not past what was not counted
    server.stop()
    server.start(env=topic.env(KAFKA_LOG_ID="second"))
    wait_for_done(server, krn, 15)


def test_a_stop_leaves_nothing_uncommitted(make_server, shared_kafka, krn):
    topic = Topic(shared_kafka, partitions=2)
    server = make_server(env=topic.env()).start()
    topic.produce(*(message(f"file-{number % 50}.csv", krn=krn, done=1) for number in range(5000)))
    wait_until(lambda: consumed(server, "applied") > 0, 30, "the first batch")
    server.stop()
    committed = sum(offset or 0 for offset in topic.client.committed(topic.group, topic.name))
    server.start(env=topic.env())
    wait_until(lambda: consumed(server, "applied") + committed == 5000, 30, "the rest")
    assert consumed(server, "duplicate") == 0


def test_a_static_member_that_is_fenced_comes_back(make_server, topic, krn):
    env = topic.env(KAFKA_CONF_GROUP_INSTANCE_ID="one")
    first = make_server(env=env).start()
    topic.produce(message(krn=krn, done=1))
    wait_for_done(first, krn, 1)
    with topic.client.consumer(topic.group, **{"group.instance.id": "one"}) as other:
        other.subscribe([topic.name])
        other.poll(5)
        wait_until(lambda: "kafka_failed" in first.log_tail(), 30, "a word about it")
    topic.produce(message(krn=krn, done=10))
    wait_for_done(first, krn, 11, timeout=60)


def test_an_address_without_the_flag_stays_off(make_server, topic):
    server = make_server(env={"KAFKA_BOOTSTRAP_SERVERS": topic.client.address}).start()
    assert server.log_tail().count("kafka_not_enabled") == 1
    assert details(server)["parts"].keys() == {"store", "http", "ingest"}


@pytest.mark.parametrize("env", [{"KAFKA_CONF_SECURITY_PROTOKOL": "ssl"}, {"KAFKA_CONF_ENABLE_AUTO_COMMIT": "true"},
                                 {"KAFKA_CONF_SESSION_TIMEOUT_MS": "soon"}, {"KAFKA_BOOTSTRAP_SERVERS": ""}])
def test_a_setting_that_cannot_be_is_an_error_at_start(make_server, topic, env):
    server = make_server(env={**topic.env(), **env}).start(wait=False)
    assert server.process.wait(20) == 2
    server.process = None
    assert next(iter(env)) in server.log_tail() or "session.timeout.ms=soon" in server.log_tail()
