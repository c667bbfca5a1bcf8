"""Updates that come from a queue: received by the real binary from a real service that speaks SQS's protocol."""
import contextlib
import json
import time

import harness
import httpx
import mongo
import pytest
from elasticmq import ElasticMq
from harness import bearer, owner, update, wait_until
from metrics_support import metrics
from sqs import Message, new_name
from sqs_proxy import SqsProxy

pytestmark = pytest.mark.timeout(120)


def body(filename="sales.csv", *, krn, email=owner, **rest):
    return json.dumps({**update(filename, **rest), "clientKrn": krn, "email": email})


def record(server, krn, filename="sales.csv"):
    answer = httpx.get(f"{server.url}/clients/{krn}/progress", params={"filename": filename}, trust_env=False)
    return answer.json() if answer.status_code == 200 else None


def wait_for_done(server, krn, done, filename="sales.csv", timeout=60):
    return wait_until(lambda: (found := record(server, krn, filename)) and found["counts"]["done"] == done and found,
                      timeout, f"{done} done of {filename}")


def details(server):
    return httpx.get(f"{server.url}/health", params={"verbose": ""}, trust_env=False).json()


def health(server):
    return httpx.get(f"{server.url}/health", trust_env=False).status_code


def consumed(server, outcome):
    return metrics(server.url)[f'pebbles_messages_consumed_total{{outcome="{outcome}",source="sqs"}}']


def wait_consumed(server, outcome, count, timeout=60):
    wait_until(lambda: consumed(server, outcome) >= count, timeout, f"{count} {outcome}")


def reasons(letters):
    return sorted(letter.attributes["pebbles-dlq-reason"] for letter in letters)


@pytest.fixture
def queue(shared_sqs):
    return shared_sqs.create()


@pytest.fixture
def consumer(make_server, shared_sqs):
    """consumer(queue): a server that consumes it; further settings by name."""

    def start(queue, uri=None, **settings):
        store = {"uri": uri} if uri else {}
        return make_server(env=shared_sqs.env(queue, **settings), **store).start()

    return start


@pytest.mark.parametrize("store", ["sqlite", "mongodb"])
def test_an_update_is_counted_and_its_message_deleted(consumer, queue, krn, store, request):
    uri = request.getfixturevalue("one_node").uri(mongo.new_database()) if store == "mongodb" else None
    server = consumer(queue, uri)
    queue.send([body(krn=krn, done=3, warn=1, total=10, errors=[{"line": 7, "message": "bad"}])])
    found = wait_for_done(server, krn, 3)
    assert found["email"] == owner and found["total"] == 10 and found["errors"] == [{"line": 7, "message": "bad"}]
    queue.wait_empty()


@pytest.mark.parametrize("store", ["sqlite", "mongodb"])
def test_a_backlog_is_counted_exactly(consumer, queue, krn, store, request):
    uri = request.getfixturevalue("one_node").uri(mongo.new_database()) if store == "mongodb" else None
    files = [f"file-{number}.csv" for number in range(20)]
    queue.send([body(name, krn=krn, done=1, warn=2) for _ in range(25) for name in files])
    server = consumer(queue, uri)
    queue.wait_empty()
    for name in files:
        assert record(server, krn, name)["counts"] == {"done": 25, "warn": 50, "failed": 0}
    assert consumed(server, "applied") == 500


@pytest.mark.parametrize("store", ["sqlite", "mongodb"])
def test_new_files_of_several_pollers_are_each_one_of_their_own(consumer, queue, krn, store, request):
    uri = request.getfixturevalue("one_node").uri(mongo.new_database()) if store == "mongodb" else None
    queue.send([body(f"file-{number}.csv", krn=krn, done=1) for number in range(400)])
    server = consumer(queue, uri, SQS_POLLERS_MAX="4")
    queue.wait_empty()

    def listed():
        answer = httpx.get(f"{server.url}/clients/{krn}/progress", params={"limit": 1000}, trust_env=False)
        return records if len(records := answer.json()) == 400 else None

    assert len({found["id"] for found in wait_until(listed, 10, "a list of all")}) == 400


def test_a_repeated_event_counts_once_and_another_update_of_its_key_is_refused(consumer, shared_sqs, queue, krn):
    letters = shared_sqs.create()
    server = consumer(queue, SQS_DLQ_URL=letters.url)
    queue.send([body(krn=krn, done=1, eventId="e-1")] * 3)
    wait_consumed(server, "duplicate", 2)
    queue.send([body(krn=krn, done=2, eventId="e-1")])
    wait_until(lambda: any(letters.depth()), 60, "a dead letter")
    assert reasons(letters.take_all()) == ["key_reused"]
    assert record(server, krn)["counts"]["done"] == 1
    queue.wait_empty()


def test_a_message_that_was_not_deleted_is_recognised(consumer, shared_sqs, krn):
    """Each delete fails for the first time, of each second message for good."""
    queue = shared_sqs.create(VisibilityTimeout=1)
    refused = set()

    def answer(action, asked):
        if action != "DeleteMessageBatch" or len(refused) >= 20:
            return None
        failed = []
        for number, entry in enumerate(asked["Entries"]):
            refused.add(entry["ReceiptHandle"])
            fault = {"SenderFault": True, "Code": "ReceiptHandleIsInvalid"} if number % 2 else {
                "SenderFault": False, "Code": "InternalError"}
            failed.append({"Id": entry["Id"], "Message": "not now", **fault})
        return 200, {"Successful": [], "Failed": failed}

    queue.send([body(krn=krn, done=1) for _ in range(20)])
    with SqsProxy(shared_sqs.service, answer) as proxy:
        server = consumer(queue, SQS_ENDPOINT=proxy.url)
        queue.wait_empty()
        assert record(server, krn)["counts"]["done"] == 20
        assert metrics(server.url)["pebbles_sqs_delete_failures_total"] >= 20
        assert consumed(server, "applied") == 20 and consumed(server, "duplicate") >= 1
        server.stop()


def test_an_envelope_of_sns_is_taken_off(consumer, queue, krn):
    server = consumer(queue)
    envelope = {"Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:aws:sns:eu-west-1:1:t",
                "Message": body(krn=krn, done=1), "Timestamp": "2026-01-01T00:00:00.000Z", "SignatureVersion": "1",
                "MessageAttributes": {"content-type": {"Type": "String", "Value": "application/json"}}}
    queue.send([json.dumps(envelope), json.dumps({**envelope, "MessageId": "n-2"}), json.dumps(envelope)])
    queue.wait_empty()
    assert record(server, krn)["counts"]["done"] == 2  # SNS has delivered one of them twice
    assert consumed(server, "duplicate") == 1


def test_cloud_events_in_both_modes(consumer, queue, krn):
    server = consumer(queue)
    attributes = {"specversion": "1.0", "id": "1", "source": "/w/1", "type": "progress"}
    structured = json.dumps({**attributes, "data": json.loads(body(krn=krn, done=1))})
    named = Message(structured, {"Content-Type": "application/cloudevents+json; charset=utf-8"})
    binary = [Message(body(krn=krn, done=10), {f"{prefix}{name}": value for name, value in
                                                {**attributes, "id": event}.items()})
              for prefix, event in (("ce_", "2"), ("ce-", "3"), ("cloudEvents_", "3"))]
    queue.send([structured, named, *binary])
    queue.wait_empty()
    assert record(server, krn)["counts"]["done"] == 21
    assert consumed(server, "duplicate") == 2


def poison(krn):
    """One message of each kind that can never be counted, and its reason; the file is complete."""
    return {"not_json": "{nonsense", "invalid": body(krn="no name", done=1),
            "not_the_owner": body(krn=krn, email="eve@example.com", done=5),
            "already_completed": body(krn=krn, done=100)}


def test_poison_is_left_to_the_redrive_policy(consumer, shared_sqs, krn):
    letters = shared_sqs.create()
    queue = shared_sqs.create(dead_letters=letters, receives_max=2)
    # SQS_DLQ_URL has nothing to do: two ways would be two dead letters.
    server = consumer(queue, SQS_DLQ_URL=shared_sqs.create().url)
    queue.send([body(krn=krn, done=1, isLast=True)])
    queue.wait_empty()
    bad = poison(krn)
    queue.send([*bad.values(), body("other.csv", krn=krn, done=7)])
    wait_for_done(server, krn, 7, "other.csv")
    wait_until(lambda: letters.depth()[0] == len(bad), 60, "all dead letters")
    queue.wait_empty()
    assert sorted(letter.body for letter in letters.take_all()) == sorted(bad.values())
    assert record(server, krn)["counts"]["done"] == 1
    assert consumed(server, "left") == 2 * len(bad) and consumed(server, "dead_lettered") == 0
    assert "sqs_poison_left" in server.log_text()


def test_poison_is_sent_to_the_dead_letter_queue(consumer, shared_sqs, queue, krn):
    letters = shared_sqs.create()
    server = consumer(queue, SQS_DLQ_URL=letters.url)
    queue.send([body(krn=krn, done=1, isLast=True)])
    queue.wait_empty()
    bad = poison(krn)
    ids = queue.send([Message(text, {"trace": "1", "other": "2"}) for text in bad.values()]
                     + [body("other.csv", krn=krn, done=7)])
    wait_for_done(server, krn, 7, "other.csv")
    queue.wait_empty()
    found = {letter.attributes["pebbles-dlq-reason"]: letter for letter in letters.take_all()}
    assert {reason: letter.body for reason, letter in found.items()} == bad
    for reason, id in zip(bad, ids):
        attributes = found[reason].attributes
        assert attributes["pebbles-dlq-message-id"] == id
        assert attributes["pebbles-dlq-detail"] and attributes["pebbles-dlq-time"].endswith("Z")
        assert attributes["trace"] == "1" and attributes["other"] == "2"
    assert consumed(server, "dead_lettered") == len(bad)


def test_a_dead_letter_with_ten_attributes_says_why_first(consumer, shared_sqs, queue):
    letters = shared_sqs.create()
    consumer(queue, SQS_DLQ_URL=letters.url)
    queue.send([Message("{nonsense", {f"attribute-{number}": "x" for number in range(10)})])
    wait_until(lambda: any(letters.depth()), 60, "a dead letter")
    (letter,) = letters.take_all()
    assert len(letter.attributes) == 10
    assert {"pebbles-dlq-reason", "pebbles-dlq-detail", "pebbles-dlq-message-id"} < set(letter.attributes)


def test_a_dead_letter_that_is_sent_back_counts_once(consumer, shared_sqs, queue, krn):
    """Both copies of it are known by the message that they were."""
    letters = shared_sqs.create()
    server = consumer(queue, SQS_DLQ_URL=letters.url)
    queue.send([body(krn=krn, done=1)])
    wait_for_done(server, krn, 1)
    queue.send([body("other.csv", krn=krn, email="eve@example.com", done=1)])
    wait_for_done(server, krn, 1, "other.csv")
    queue.send([body("other.csv", krn=krn, done=5)])  # not the owner
    wait_until(lambda: any(letters.depth()), 60, "a dead letter")
    (letter,) = letters.take_all()
    mended = json.dumps({**json.loads(letter.body), "email": "eve@example.com"})
    queue.send([Message(mended, letter.attributes)] * 2)
    wait_for_done(server, krn, 6, "other.csv")
    wait_consumed(server, "duplicate", 1)
    queue.wait_empty()
    assert record(server, krn, "other.csv")["counts"]["done"] == 6


def test_the_dead_letter_queue_is_waited_for(consumer, shared_sqs, queue, krn):
    name = new_name("letters")
    server = consumer(queue, SQS_DLQ_URL=queue.url.rsplit("/", 1)[0] + "/" + name)
    queue.send(["{nonsense", body(krn=krn, done=1)])
    wait_for_done(server, krn, 1)
    wait_until(lambda: health(server) == 503, 60, "not ready")
    assert details(server)["parts"]["sqs"]["deadLettersWaiting"] == 1
    letters = shared_sqs.create(name)
    wait_until(lambda: any(letters.depth()), 60, "a dead letter")
    queue.wait_empty()
    wait_until(lambda: health(server) == 200, 60, "ready again")


def test_poison_without_a_place_to_go_stays_and_does_not_spin(consumer, queue, krn):
    server = consumer(queue)
    queue.send(["{nonsense", body(krn=krn, done=1)])
    wait_for_done(server, krn, 1)
    wait_consumed(server, "left", 1)
    wait_until(lambda: queue.depth() == (0, 1, 0), 30, "only the bad one, hidden")
    time.sleep(3)
    assert consumed(server, "left") == 1
    assert "sqs_keeps_poison" in server.log_text() and "sqs_poison_left" in server.log_text()


@pytest.fixture
def fifo(shared_sqs):
    return shared_sqs.create(FifoQueue="true")


def numbered(krn, numbers, group, filename="sales.csv"):
    return [Message(body(filename, krn=krn, done=1, total=number + 1, errors=[{"message": f"{number}"}]),
                    group=group, deduplication_id=f"{group}-{number}") for number in numbers]


def test_a_group_keeps_its_order(consumer, fifo, krn):
    files = [f"file-{number}.csv" for number in range(4)]
    server = consumer(fifo)
    for start in range(0, 60, 20):
        for name in files:
            fifo.send(numbered(krn, range(start, start + 20), name, name))
    fifo.wait_empty()
    for name in files:
        found = record(server, krn, name)
        assert [error["message"] for error in found["errors"]] == [str(number) for number in range(60)]
        assert found["total"] == 60


@pytest.mark.parametrize("way", ["redrive", "url", "none"])
def test_poison_in_the_middle_of_a_group_holds_up_nothing(consumer, shared_sqs, krn, way):
    """Neither what is no update, nor what its file refuses, nor that a group has several files: all of one receive."""
    letters = shared_sqs.create(FifoQueue="true")
    fifo = shared_sqs.create(FifoQueue="true",
                             **({"dead_letters": letters, "receives_max": 2} if way == "redrive" else {}))
    bad = [Message("{nonsense", group="g", deduplication_id="bad-1"),
           Message(body(krn=krn, email="eve@example.com"), group="g", deduplication_id="bad-2")]
    good = numbered(krn, range(6), "g")
    other = numbered(krn, range(6, 8), "g", "other.csv")
    fifo.send([*good[:3], bad[0], *good[3:5], other[0], bad[1], *good[5:], other[1]])
    server = consumer(fifo, **({"SQS_DLQ_URL": letters.url} if way == "url" else {}))
    found = wait_for_done(server, krn, 6)
    assert [error["message"] for error in found["errors"]] == [str(number) for number in range(6)]
    wait_for_done(server, krn, 2, "other.csv")
    if way == "none":
        wait_until(lambda: sum(fifo.depth()) == 2, 60, "only the bad ones")
        return
    fifo.wait_empty()
    assert sorted(letter.body for letter in letters.take_all()) == sorted(message.body for message in bad)


def test_a_wrong_queue_is_said_and_waited_for(consumer, shared_sqs, queue, krn, make_server):
    name = new_name("later")
    env = shared_sqs.env(queue, SQS_QUEUE_URL=queue.url.rsplit("/", 1)[0] + "/" + name)
    server = make_server(env=env).start(wait=False)
    wait_until(lambda: "sqs_failed" in server.log_text(), 60, "a word about it")
    wait_until(lambda: health(server) == 503, 30, "not ready")
    assert "QueueDoesNotExist" in server.log_text() and "QueueDoesNotExist" in json.dumps(details(server))
    answer = httpx.post(f"{server.url}/clients/{krn}/progress", json=update(done=1), headers=bearer(), trust_env=False)
    assert answer.status_code == 200  # HTTP goes on
    assert server.log_text().count("sqs_failed") <= 3
    later = shared_sqs.create(name)
    later.send([body(krn=krn, done=1)])
    wait_until(lambda: health(server) == 200, 60, "ready")
    wait_for_done(server, krn, 2)


def fault(status, code):
    return status, {"__type": f"com.amazonaws.sqs#{code}", "message": "as the test wants it"}


def test_denied_access_is_said_and_tried_again(consumer, shared_sqs, queue, krn, make_server):
    denied = [True]
    with SqsProxy(shared_sqs.service, lambda action, asked: fault(403, "AccessDenied") if denied[0] else None) as proxy:
        server = make_server(env=shared_sqs.env(queue, SQS_ENDPOINT=proxy.url)).start(wait=False)
        wait_until(lambda: "sqs_failed" in server.log_text() and health(server) == 503, 60, "not ready")
        assert "AccessDenied" in server.log_text()
        denied[0] = False
        queue.send([body(krn=krn, done=1)])
        wait_for_done(server, krn, 1)
        wait_until(lambda: health(server) == 200, 30, "ready")
        assert "sqs_answers_again" in server.log_text()
        server.stop()


def test_throttling_and_faults_of_the_service_are_waited_out(consumer, shared_sqs, krn):
    queue = shared_sqs.create(VisibilityTimeout=5)
    asked_for = []

    def answer(action, asked):
        asked_for.append(action)
        if len(asked_for) > 60:
            return None
        return {0: fault(400, "ThrottlingException"), 1: fault(503, "ServiceUnavailable"), 2: None}[len(asked_for) % 3]

    queue.send([body(krn=krn, done=1) for _ in range(50)])
    with SqsProxy(shared_sqs.service, answer) as proxy:
        server = consumer(queue, SQS_ENDPOINT=proxy.url)
        queue.wait_empty(90)
        assert record(server, krn)["counts"]["done"] == 50
        assert health(server) == 200
        server.stop()


def test_a_service_that_is_away_is_waited_for(consumer, tmp_path, krn, make_server):
    import sqs
    with ElasticMq(tmp_path / "elasticmq", is_persistent=True) as service:
        client = sqs.Client(service)
        queue = client.create()
        server = make_server(env=client.env(queue)).start()
        queue.send([body(krn=krn, done=1)])
        wait_for_done(server, krn, 1)
        service.kill()
        wait_until(lambda: "sqs_failed" in server.log_text(), 60, "a word about it")
        assert health(server) == 200  # of a minute at first
        service.start()
        queue.send([body(krn=krn, done=1)])
        wait_for_done(server, krn, 2)
        server.stop()


def test_a_damaged_body_is_as_if_it_had_not_come(consumer, shared_sqs, queue, krn):
    damaged = [{"MessageId": "m", "ReceiptHandle": "r", "Body": body(krn=krn, done=100), "MD5OfBody": "0" * 32}]

    def answer(action, asked):
        return (200, {"Messages": [damaged.pop()]}) if action == "ReceiveMessage" and damaged else None

    with SqsProxy(shared_sqs.service, answer) as proxy:
        server = consumer(queue, SQS_ENDPOINT=proxy.url)
        queue.send([body(krn=krn, done=1)])
        wait_for_done(server, krn, 1)
        assert metrics(server.url)["pebbles_sqs_messages_damaged_total"] == 1
        assert "sqs_checksum_differs" in server.log_text()
        server.stop()


def test_while_the_store_is_away_messages_stay_hidden(consumer, shared_sqs, one_node, krn):
    """They are received once, although a policy would make dead letters of them at the second time."""
    letters = shared_sqs.create()
    queue = shared_sqs.create(VisibilityTimeout=4, dead_letters=letters, receives_max=1)
    server = consumer(queue, one_node.uri(mongo.new_database()))
    queue.send([body(krn=krn, done=1)])
    wait_for_done(server, krn, 1)
    (member,) = one_node.members
    member.freeze()
    try:
        queue.send([body(f"file-{number % 3}", krn=krn, done=1) for number in range(30)])
        time.sleep(15 if harness.long_rounds else 6)
        assert queue.depth()[0] == 0
    finally:
        member.thaw()
    for number in range(3):
        wait_for_done(server, krn, 10, f"file-{number}")
    queue.wait_empty()
    assert not any(letters.depth())
    assert metrics(server.url)["pebbles_sqs_visibility_extensions_total"] >= 30


def test_what_it_does_is_seen(consumer, queue, krn):
    queue.send([body(krn=krn, done=1) for _ in range(30)])
    server = consumer(queue)
    wait_for_done(server, krn, 30)
    queue.wait_empty()
    shown = metrics(server.url)
    assert shown["pebbles_sqs_messages_received_total"] >= 30
    assert shown["pebbles_sqs_receive_duration_seconds_count"] >= 3
    assert shown["pebbles_sqs_settle_duration_seconds_count"] == 30
    assert 1 <= shown["pebbles_sqs_pollers"] <= 8
    for state in ("visible", "in_flight", "delayed"):
        assert f'pebbles_sqs_queue_messages{{state="{state}"}}' in shown
    assert shown['pebbles_last_message_timestamp_seconds{source="sqs"}'] > 1.7e9
    part = details(server)["parts"]["sqs"]
    assert part["state"] == "receiving" and part["queue"] == queue.url
    assert set(part["depth"]) == {"visible", "inFlight", "delayed"}
    wait_until(lambda: details(server)["parts"]["sqs"]["inFlight"] == 0, 30, "nothing held")


def test_a_stop_does_not_wait_for_a_poll(consumer, queue, krn):
    server = consumer(queue)
    queue.send([body(krn=krn, done=1)])
    wait_for_done(server, krn, 1)
    queue.wait_empty()
    time.sleep(1)  # all pollers wait now
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10  # a poll may wait for 20 s


def test_a_stop_deletes_what_is_stored(consumer, queue, krn):
    queue.send([body(krn=krn, done=1) for _ in range(300)])
    server = consumer(queue)
    wait_until(lambda: (found := record(server, krn)) and found["counts"]["done"] > 0, 60, "the first")
    server.stop()
    server.start(env={"SQS_ENABLED": "false"})
    counted = record(server, krn)["counts"]["done"]
    assert sum(queue.depth()) == 300 - counted


def test_a_url_alone_switches_nothing_on(consumer, queue, krn):
    queue.send([body(krn=krn, done=1)])
    server = consumer(queue, SQS_ENABLED="false")
    assert server.log_text().count("sqs_not_enabled") == 1
    with contextlib.suppress(KeyError):
        assert "sqs" not in details(server)["parts"]
    assert queue.depth() == (1, 0, 0)
