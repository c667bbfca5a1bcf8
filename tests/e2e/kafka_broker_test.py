"""The broker and the client that the tests of Kafka stand on: what they say must be true."""
import pytest
from kafka import Broker, Client, Message, confluent_kafka, new_name


def test_what_is_produced_is_read(shared_kafka):
    topic = shared_kafka.create_topic(partitions=2)
    sent = [Message(b"a", b"key", [("n", b"1"), ("n", b"2")], partition=0), Message(None, b"\xff", partition=0),
            Message(b"", partition=1, timestamp_ms=253402300799000)]
    shared_kafka.produce(topic, sent, compression_type="zstd")
    read = shared_kafka.read(topic)
    assert [(m.partition, m.offset, m.key, m.value, m.headers) for m in read] == [
        (0, 0, b"key", b"a", [("n", b"1"), ("n", b"2")]), (0, 1, b"\xff", None, []), (1, 0, None, b"", [])]
    assert read[0].header("n") == b"2" and read[0].header("m") is None
    assert read[2].timestamp_ms == 253402300799000
    assert shared_kafka.ends(topic) == [2, 1]


def test_an_aborted_transaction_is_never_read(shared_kafka):
    topic = shared_kafka.create_topic()
    shared_kafka.produce(topic, [b"lost"], transaction="abort")
    shared_kafka.produce(topic, [b"kept"], transaction="commit")
    assert [message.value for message in shared_kafka.read(topic)] == [b"kept"]


def test_a_group_has_committed_what_it_has(shared_kafka):
    topic, group = shared_kafka.create_topic(partitions=2), new_name("group")
    assert shared_kafka.committed(group, topic) == [None, None]
    with shared_kafka.consumer(group) as consumer:
        consumer.commit(offsets=[confluent_kafka.TopicPartition(topic, 1, 5)], asynchronous=False)
    assert shared_kafka.committed(group, topic) == [None, 5]


def test_a_deleted_topic_is_gone_and_a_new_one_begins_at_0(shared_kafka):
    topic = shared_kafka.create_topic()
    shared_kafka.produce(topic, [b"old"] * 3)
    shared_kafka.delete_topic(topic)
    shared_kafka.create_topic(topic, partitions=1)
    assert shared_kafka.ends(topic) == [0]
    shared_kafka.add_partitions(topic, 3)
    assert shared_kafka.ends(topic) == [0, 0, 0]


@pytest.mark.timeout(60)
def test_a_killed_broker_comes_back_with_its_data(tmp_path):
    with Broker(tmp_path) as broker:
        client = Client(broker.address)
        topic = client.create_topic()
        client.produce(topic, [b"before"], acks="all")
        broker.kill()
        broker.start()
        assert [message.value for message in client.read(topic)] == [b"before"]
        broker.stop()
