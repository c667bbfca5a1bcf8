"""The queue service and the client that the tests of SQS stand on: what they say must be true."""
import elasticmq
import pytest
import sqs
from sqs import Message
from sqs_proxy import SqsProxy, lose_deletes


def test_what_is_sent_is_received_once_and_gone_when_it_is_deleted(shared_sqs):
    queue = shared_sqs.create(VisibilityTimeout=30)
    ids = queue.send([Message(f"message {number}", {"name": str(number)}) for number in range(23)])
    received = queue.receive() + queue.receive()
    assert queue.depth() == (3, 20, 0)
    queue.delete(received)
    received += queue.take_all()
    assert queue.depth() == (0, 0, 0)
    assert {message.id: (message.body, message.attributes, message.receive_count) for message in received} == {
        id: (f"message {number}", {"name": str(number)}, 1) for number, id in enumerate(ids)}


def test_groups_of_a_fifo_queue_keep_their_order_and_wait_for_what_is_in_flight(shared_sqs):
    queue = shared_sqs.create(FifoQueue="true", VisibilityTimeout=30)
    for number in range(6):  # one by one, so that their times differ
        queue.send([Message(str(number), group=f"group-{number % 2}", deduplication_id=str(number))])
    queue.send([Message("again", group="group-0", deduplication_id="0")])
    first = queue.receive(1)
    rest = queue.receive()
    groups = [["0", "2", "4"], ["1", "3", "5"]]
    of_first, of_rest = groups if first[0].body == "0" else groups[::-1]
    assert [message.body for message in first + rest] == [of_first[0], *of_rest]
    queue.delete(first)
    assert [message.body for message in queue.receive()] == of_first[1:]


def test_what_is_received_too_often_moves_to_the_dead_letters(shared_sqs):
    letters = shared_sqs.create()
    queue = shared_sqs.create(dead_letters=letters, receives_max=2, VisibilityTimeout=30)
    (id,) = queue.send([Message("poison", {"name": "value"})])
    assert [queue.receive(VisibilityTimeout=0)[0].receive_count for _ in range(2)] == [1, 2]
    assert queue.receive() == []
    (letter,) = letters.take_all()
    assert (letter.id, letter.body, letter.attributes) == (id, "poison", {"name": "value"})


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_queues_and_messages_outlive_a_persistent_service(tmp_path, end):
    with elasticmq.ElasticMq(tmp_path, is_persistent=True) as service:
        client = sqs.Client(service)
        letters = client.create()
        queue = client.create(dead_letters=letters, VisibilityTimeout=30)
        policy = queue.attribute("RedrivePolicy")
        bodies = [f"message {number}" for number in range(200)]
        queue.send(bodies)
        gone = queue.receive()
        queue.delete(gone)
        queue.receive()
        getattr(service, end)()
        service.start()
        assert queue.attribute("RedrivePolicy") == policy
        assert queue.depth() == (180, 10, 0)
        assert len({message.body for _ in range(18) for message in queue.receive()} - {m.body for m in gone}) == 180


def test_a_proxy_hands_over_what_it_does_not_answer(shared_sqs):
    queue = shared_sqs.create(VisibilityTimeout=30)
    seen = []
    with SqsProxy(shared_sqs.service, lose_deletes, lambda *what: seen.append(what)) as proxy:
        queue.boto = sqs.client_of(proxy.url)
        (id,) = queue.send(["body"])
        received = queue.receive()
        queue.delete(received)
        assert queue.depth() == (0, 1, 0), "the delete was answered and lost"
    assert [action for action, _, _ in seen] == ["SendMessageBatch", "ReceiveMessage", "GetQueueAttributes"]
    assert seen[1][2]["Messages"][0]["MessageId"] == id == received[0].id
