"""`pebbles dlq replay`: which dead letters it sends back, what they look like then, and that each counts once."""
import json
import os
import subprocess
import time

import harness
import pytest
from api_support import Api, pebbles
from harness import wait_until
from kafka import Message, new_name

first_time = "2026-01-02T03:04:05.678Z"
later_time = "2026-01-02T03:04:06.000Z"


@pytest.fixture
def topic(shared_kafka):
    """A topic of three partitions with one of two for its dead letters."""
    name = shared_kafka.create_topic(partitions=3)
    shared_kafka.create_topic(name + ".dlq", partitions=2)
    return name


def letter(topic, reason, *, partition=0, offset=0, at=first_time, value=b"value", key=None, headers=(), more=(),
           stands_in=0):
    """A dead letter as the consumer writes it."""
    ours = {"reason": reason, "detail": "why", "log": "cluster", "topic": topic, "partition": str(partition),
            "offset": str(offset), "time": at}
    return Message(value, key, [*headers, *((f"pebbles-dlq-{name}", text.encode()) for name, text in ours.items()),
                                *more], partition=stands_in)


def environment(client, topic, **more):
    return {"KAFKA_BOOTSTRAP_SERVERS": client.address, "KAFKA_TOPIC_NAME": topic, **more}


def replay(client, topic, *arguments):
    done = pebbles("dlq", "replay", *arguments, env=environment(client, topic))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dry_run_counts_by_reason(shared_kafka, topic):
    shared_kafka.produce(topic + ".dlq", [
        letter(topic, "invalid"), letter(topic, "invalid", offset=1, stands_in=1), letter(topic, "not_the_owner"),
        Message(b"of somebody else")])
    shared_kafka.produce(topic + ".dlq", [letter(topic, "not_json")], transaction="abort")
    out = replay(shared_kafka, topic, "--dry-run")
    assert [line.split() for line in out.splitlines()[:2]] == [["2", "invalid"], ["1", "not_the_owner"]], out
    assert "3 dead letters would be sent back" in out and "1 message that is no dead letter" in out
    assert shared_kafka.ends(topic) == [0, 0, 0]


def test_what_is_sent_back_is_the_original(shared_kafka, topic):
    headers = [("n", b"1"), ("traceparent", b"\xff\x00"), ("n", b"2")]
    shared_kafka.produce(topic + ".dlq", [
        letter(topic, "invalid", partition=2, offset=7, key=b"key\xff", headers=headers),
        letter(topic, "invalid", partition=1, offset=3, value=b"", stands_in=1)])
    assert "2 dead letters sent back" in replay(shared_kafka, topic)
    sent = [(m.partition, m.key, m.value, m.headers) for m in shared_kafka.read(topic)]
    assert sent == [(1, None, b"", [("pebbles-replay-of", f"cluster/{topic}/1/3".encode())]),
                    (2, b"key\xff", b"value", [*headers, ("pebbles-replay-of", f"cluster/{topic}/2/7".encode())])]
    assert sum(shared_kafka.ends(topic + ".dlq")) == 2  # they stay


def test_a_letter_of_a_replay_names_its_first_original(shared_kafka, topic):
    shared_kafka.produce(topic + ".dlq", [letter(topic, "invalid", headers=[("pebbles-replay-of", b"first")])])
    replay(shared_kafka, topic)
    (message,) = shared_kafka.read(topic)
    assert message.headers == [("pebbles-replay-of", b"first")]


@pytest.mark.parametrize("arguments, chosen", [
    ((), 3), (("--from", first_time), 3), (("--from", later_time), 1), (("--to", later_time), 2),
    (("--from", "2026-01-02T03:04:05.679Z", "--to", later_time), 0), (("--reason", "invalid"), 1),
    (("--reason", "invalid", "--reason", "not_json"), 3), (("--reason", "other"), 0)])
def test_a_range_of_time_and_reasons_are_chosen(shared_kafka, topic, arguments, chosen):
    shared_kafka.produce(topic + ".dlq", [
        letter(topic, "invalid"), letter(topic, "not_json"), letter(topic, "not_json", at=later_time, stands_in=1)])
    replay(shared_kafka, topic, *arguments)
    assert sum(shared_kafka.ends(topic)) == chosen


def test_a_letter_without_its_value_stays(shared_kafka, topic):
    shared_kafka.produce(topic + ".dlq", [
        letter(topic, "too_large", value=None, more=[("pebbles-dlq-value-omitted", b"true")])])
    assert "1 cannot be sent back" in replay(shared_kafka, topic)
    assert sum(shared_kafka.ends(topic)) == 0


def test_a_topic_of_fewer_partitions_has_them_by_key(shared_kafka, topic):
    shared_kafka.produce(topic + ".dlq", [letter(topic, "invalid", partition=9, key=b"key")])
    assert "1 dead letter sent back" in replay(shared_kafka, topic)
    assert sum(shared_kafka.ends(topic)) == 1


@pytest.mark.parametrize("arguments, text", [
    (("--from", "yesterday"), "--from yesterday"), (("--to", "2026-13-01T00:00:00Z"), "--to 2026-13-01T00:00:00Z")])
def test_a_bad_time_is_an_error(shared_kafka, topic, arguments, text):
    done = pebbles("dlq", "replay", *arguments, env=environment(shared_kafka, topic))
    assert done.returncode == 2 and text in done.stderr


def test_a_topic_that_is_not_there_is_an_error(shared_kafka):
    name = new_name()
    done = pebbles("dlq", "replay", env=environment(shared_kafka, name))
    assert done.returncode == 2 and f"there is no topic {name}.dlq" in done.stderr


def test_without_brokers_it_says_what_to_set():
    done = pebbles("dlq", "replay", env={"KAFKA_TOPIC_NAME": "updates"})
    assert done.returncode == 2 and "KAFKA_BOOTSTRAP_SERVERS" in done.stderr


@pytest.mark.timeout(60)
def test_a_replay_killed_midway_and_run_again_counts_each_once(make_server, shared_kafka, topic, tmp_path):
    """The letters are refused for their clients' names; then the rule of names is another."""
    count, krn = 300, "acme"
    server = make_server(env={"KAFKA_ENABLED": "true", "KAFKA_GROUP_ID": topic, **environment(shared_kafka, topic)})
    server.start()
    shared_kafka.produce(topic, [Message(json.dumps({
        "clientKrn": krn, "email": harness.owner, **harness.update("a.csv", done=1)}).encode(), partition=number % 3)
        for number in range(count)])
    wait_until(lambda: sum(shared_kafka.ends(topic + ".dlq")) >= count, 20, "the dead letters")
    wait_until(lambda: shared_kafka.committed(topic, topic) == shared_kafka.ends(topic), 20, "the offsets")
    server.restart(env={"CLIENT_KRN_PATTERN": ".+"})

    # Ten messages at a time, a tenth of a second each: there is a midway.
    slow = {name: value for name, value in os.environ.items() if not harness.foreign.match(name)} | environment(
        shared_kafka, topic, KAFKA_CONF_QUEUE_BUFFERING_MAX_MESSAGES="10", KAFKA_CONF_LINGER_MS="100")
    killed = subprocess.Popen([harness.binary(), "dlq", "replay"], env=slow)
    wait_until(lambda: sum(shared_kafka.ends(topic)) > count + 50, 20, "a part of the replay")
    killed.kill()
    killed.wait()
    assert sum(shared_kafka.ends(topic)) < 2 * count, "it was not killed midway"

    assert f"{count} dead letters sent back" in replay(shared_kafka, topic, "--reason", "invalid")
    wait_until(lambda: shared_kafka.committed(topic, topic) == shared_kafka.ends(topic), 20, "the offsets")
    assert Api(server).record(krn, "a.csv")["counts"]["done"] == count
    time.sleep(0.2)
    assert sum(shared_kafka.ends(topic + ".dlq")) == count  # none was refused again


@pytest.mark.parametrize("name", [b"\xff\x00" * 2000, b"x" * 300, b"cluster/topic/1/2"])
def test_whatever_a_replayed_message_names_is_its_key(make_server, shared_kafka, topic, krn, name):
    """Anybody can write that header: two of the same name are one update."""
    server = make_server(env={"KAFKA_ENABLED": "true", "KAFKA_GROUP_ID": topic, **environment(shared_kafka, topic)})
    server.start()
    body = json.dumps({"clientKrn": krn, "email": harness.owner, **harness.update("a.csv", done=1)}).encode()
    shared_kafka.produce(topic, [Message(body, None, [("pebbles-replay-of", name)], number % 3) for number in range(4)])
    shared_kafka.produce(topic, [Message(body, None, [("pebbles-replay-of", b"another")])])
    wait_until(lambda: shared_kafka.committed(topic, topic) == shared_kafka.ends(topic), 20, "the offsets")
    assert Api(server).record(krn, "a.csv")["counts"]["done"] == 2
    server.stop()
    proved = pebbles("verify", *server.store_arguments)
    assert proved.returncode == 0, proved.stdout
