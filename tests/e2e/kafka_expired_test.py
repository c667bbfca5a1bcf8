"""Messages that the topic's retention removed before they were read are counted, and nothing else is taken for them."""
import re

import confluent_kafka
import pytest
from harness import wait_until
from kafka_source_test import Topic, details, message, record, wait_for_done
from metrics_support import metrics

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def topic(shared_kafka):
    return Topic(shared_kafka)


def expired(server):
    return metrics(server.url)["pebbles_kafka_messages_expired_total"]


def remove_before(topic, offset):
    """As retention does."""
    where = confluent_kafka.TopicPartition(topic.name, 0, offset)
    topic.client.finish(topic.client.admin.delete_records([where]))


def logged(server):
    return [tuple(map(int, found)) for found in re.findall(
        r"kafka_messages_expired .*partition=0 from=(\d+) to=(\d+) messages=\d+", server.log_text())]


def test_messages_that_were_removed_while_the_server_was_away(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    topic.produce(*[message(krn=krn, done=1)] * 3)
    wait_for_done(server, krn, 3)
    topic.wait_committed()
    assert expired(server) == 0
    server.stop()
    topic.produce(*[message(krn=krn, done=1)] * 10)
    remove_before(topic, 10)  # seven that nobody has read
    server.start()
    wait_for_done(server, krn, 6)
    wait_until(lambda: expired(server) == 7, what="seven that are missing")
    assert logged(server) == [(3, 10)]
    topic.wait_committed()
    server.restart()  # they are not counted again
    topic.produce(message(krn=krn, done=1))
    wait_for_done(server, krn, 7)
    assert expired(server) == 0


def test_a_partition_of_which_nothing_is_left(make_server, topic, krn):
    server = make_server(env=topic.env()).start()
    topic.produce(message(krn=krn, done=1))
    wait_for_done(server, krn, 1)
    topic.wait_committed()
    server.stop()
    topic.produce(*[message(krn=krn, done=1)] * 4)
    remove_before(topic, 5)
    server.start()
    wait_until(lambda: expired(server) == 4, 30, "four that are missing")  # by the end of the partition alone
    topic.produce(message(krn=krn, done=1))
    wait_for_done(server, krn, 2)
    wait_until(lambda: details(server)["parts"]["kafka"]["partitions"][0].get("lag") == 0, what="the end")
    assert expired(server) == 4


def test_what_was_read_before_it_was_removed_is_not_counted(make_server, topic, krn):
    """Nor are the offsets of transactions and of aborted messages, also while the server looks for what is missing."""
    server = make_server(env=topic.env()).start()
    topic.produce(*[message(krn=krn, done=1)] * 2)
    wait_for_done(server, krn, 2)
    topic.wait_committed()
    server.stop()
    topic.produce(message(krn=krn, done=1))
    remove_before(topic, 3)
    server.start()
    wait_until(lambda: expired(server) == 1, 30, "one that is missing")
    for _ in range(2):
        topic.produce(*[message(krn=krn, done=1)] * 5, transaction="abort")
        topic.produce(*[message(krn=krn, done=1)] * 5, transaction="commit")
    wait_for_done(server, krn, 12)
    remove_before(topic, 10)
    topic.produce(message(krn=krn, done=1))
    wait_for_done(server, krn, 13)
    assert expired(server) == 1 and record(server, krn)["counts"]["done"] == 13


def test_a_group_that_begins_has_missed_nothing(make_server, topic, krn):
    topic.produce(*[message(krn=krn, done=1)] * 4)
    remove_before(topic, 3)
    server = make_server(env=topic.env()).start()
    wait_for_done(server, krn, 1)
    assert expired(server) == 0
