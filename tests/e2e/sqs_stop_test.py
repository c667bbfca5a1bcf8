"""A server that stops, or starts, leaves no message of its queue hidden; and odd queues and services."""
import json
import threading
import time

import harness
import pytest
from harness import wait_until
from metrics_support import metrics
from sqs_proxy import SqsProxy
from sqs_source_test import body, wait_for_done

pytestmark = pytest.mark.timeout(120)


class Polls:
    """Knows whether a receive is open at the service, and holds none up."""

    def __init__(self):
        self.open, self.total = 0, 0
        self.lock = threading.Lock()

    def began(self, action, asked):
        if action == "ReceiveMessage":
            with self.lock:
                self.open, self.total = self.open + 1, self.total + 1

    def ended(self, action, asked, answer):
        if action == "ReceiveMessage":
            with self.lock:
                self.open -= 1


@pytest.fixture
def polls():
    return Polls()


@pytest.fixture
def proxy(shared_sqs, polls):
    with SqsProxy(shared_sqs.service, polls.began, polls.ended) as proxy:
        yield proxy


def test_the_open_poll_ends_before_the_server_does(make_server, shared_sqs, proxy, polls, krn):
    """A message that comes after SIGTERM is counted, or is there for the next: not hidden for half a minute."""
    queue = shared_sqs.create(VisibilityTimeout=300)
    env = shared_sqs.env(queue, SQS_ENDPOINT=proxy.url, SQS_WAIT_S="3")
    first = make_server(env=env).start()
    wait_until(lambda: polls.open == 1, what="an open poll")
    first.process.terminate()
    wait_until(lambda: "server_stopping" in first.log_text(), what="the stop")
    queue.send([body(krn=krn, done=1)])
    first.stop()
    assert polls.open == 0
    visible, in_flight, _ = queue.depth()
    assert in_flight == 0
    with first.start().client() as client:
        wait_until(lambda: client.get(f"/clients/{krn}/progress", params={"filename": "sales.csv"}).status_code == 200,
                   what="the update")
    queue.wait_empty()
    assert visible in (0, 1)


def test_a_stop_takes_no_longer_than_the_open_poll(make_server, shared_sqs, polls, proxy):
    queue = shared_sqs.create()
    server = make_server(env=shared_sqs.env(queue, SQS_ENDPOINT=proxy.url, SQS_WAIT_S="2")).start()
    wait_until(lambda: polls.total > 0, what="a poll")
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 15  # of 30 that SHUTDOWN_TIMEOUT_S has


def test_what_cannot_be_counted_in_time_is_given_back(make_server, shared_sqs, one_node, krn):
    """The store is away: messages are held, and are visible again at once when the server has stopped."""
    import mongo  # noqa: PLC0415
    queue = shared_sqs.create(VisibilityTimeout=300)
    server = make_server(uri="mongodb://127.0.0.1:1/" + mongo.new_database() + "?serverSelectionTimeoutMS=200",
                         env=shared_sqs.env(queue, SHUTDOWN_TIMEOUT_S="4")).start(wait=False)
    queue.send([body(f"{number}.csv", krn=krn, done=1) for number in range(25)])
    wait_until(lambda: queue.depth() == (0, 25, 0), 30, "25 messages that are held")
    server.process.terminate()
    assert server.wait_dead(30) == 1  # not all was drained
    assert queue.depth() == (25, 0, 0)


def test_a_queue_that_hides_nothing_is_warned_of(make_server, shared_sqs, krn):
    queue = shared_sqs.create(VisibilityTimeout=0)
    server = make_server(env=shared_sqs.env(queue)).start()
    wait_until(lambda: "sqs_visibility_too_short" in server.log_text(), what="the warning")
    line = next(line for line in server.log_text().splitlines() if "sqs_visibility_too_short" in line)
    assert "seconds=0" in line and "VisibilityTimeout to 30" in line
    queue.send([body(krn=krn, done=1)])
    wait_for_done(server, krn, 1)


def test_a_service_that_does_not_wait_is_not_asked_without_end(make_server, shared_sqs):
    queue = shared_sqs.create()
    asked = []

    def answer(action, _):
        if action == "ReceiveMessage":
            asked.append(time.monotonic())
            return 200, {}
        return None

    with SqsProxy(shared_sqs.service, answer) as proxy:
        make_server(env=shared_sqs.env(queue, SQS_ENDPOINT=proxy.url)).start()
        wait_until(lambda: len(asked) >= 4, what="four polls")
        assert all(later - earlier > 0.4 for earlier, later in zip(asked, asked[1:]))
