"""What real clients call JSON, lines and events, and what they are told where it is none."""
import json

import harness
import pytest
from api_support import Api, assert_problem, path_of
from harness import bearer, update


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("accepted")).start()
    yield Api(server)
    server.stop()


def send(api, krn, body, content_type, *rest, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.http.post(path_of(krn, *rest), content=content,
                         headers={**bearer(), "Content-Type": content_type, **headers})


def event(data, **more):
    return {"specversion": "1.0", "id": "e-1", "source": "/worker", "type": "progress", "data": data, **more}


@pytest.mark.parametrize("content_type", ["application/json;charset=utf8", "text/json", '"application/json"',
                                          "application/cloudevents+json", "application/cloudevents+json; charset=UTF8"])
def test_names_of_json(api, krn, content_type):
    assert send(api, krn, update(done=1), content_type).status_code == 200
    assert send(api, krn, event(update("e.csv", done=1)), content_type).status_code == 200
    assert api.record(krn, "e.csv")["counts"]["done"] == 1


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/ndjson", "application/jsonl",
                                          "application/x-jsonlines; charset=utf8"])
def test_names_of_lines(api, krn, content_type):
    body = b"".join(json.dumps(update(done=1)).encode() + b"\n" for _ in range(3))
    answer = send(api, krn, body, content_type, "batch")
    assert answer.status_code == 200 and answer.json()["succeeded"] == 3


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin1", "application/xml"])
def test_others_are_refused(api, krn, content_type):
    assert_problem(send(api, krn, update(done=1), content_type), 415, "Content-Type must be application/json, ")


def test_an_event_counts_once_by_its_source_and_id(api, krn):
    for replayed in (False, True):
        answer = send(api, krn, event(update(done=1)), "application/json")
        assert answer.status_code == 200 and ("Idempotent-Replayed" in answer.headers) == replayed
    assert send(api, krn, event(update(done=1), source="/other"), "application/json").status_code == 200
    assert send(api, krn, event(update(done=1)), "application/json", **{"Idempotency-Key": "e-1"}).status_code == 200
    assert_problem(send(api, krn, event(update(done=1)), "application/json", **{"Idempotency-Key": "another"}), 400,
                   "Invalid parameters: Idempotency-Key and eventId differ")
    assert_problem(send(api, krn, event(update(done=1, eventId="other")), "application/json"), 400, "Invalid parameters: ")
    assert api.record(krn, "sales.csv")["counts"]["done"] == 3


def test_an_event_of_eventbridge(api, krn):
    bridged = {"version": "0", "id": "b-1", "detail-type": "progress", "source": "acme.worker", "account": "1",
               "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "resources": [], "detail": update(done=1)}
    for _ in range(2):
        assert send(api, krn, bridged, "application/json").status_code == 200
    assert api.record(krn, "sales.csv")["counts"]["done"] == 1


def test_a_batch_of_events(api, krn):
    events = [event(update(done=1), id=str(number)) for number in range(3)] + [event(update(done=1), specversion="0.3")]
    answer = send(api, krn, events, "application/cloudevents-batch+json", "batch").json()
    assert (answer["succeeded"], answer["failed"]) == (3, 1)
    assert answer["results"][3]["error"] == "Invalid parameters: specversion must be 1.0"


@pytest.mark.parametrize("body, told", [
    (b'{"filename":"a",\n "counts":{"done":1 "warn":0}}', "expected ',' or '}', found '\"' (line 2, column 21)"),
    (b'\xef\xbb\xbf{}', "it begins with a byte order mark (U+FEFF), which JSON must not have (line 1, column 1)"),
    (b"{'filename':1}", "expected a name in double quotes or '}', found an apostrophe (line 1, column 2)"),
    (b'{"filename":"\\ud800"}', "a string has half of a surrogate pair: \\ud800 (line 1, column 14)"),
    (b'{"x":', "expected a value, found the end of the text (line 1, column 6)")])
def test_what_is_not_json_is_told_with_its_place(api, krn, body, told):
    assert_problem(send(api, krn, body, "application/json"), 400,
                   "Invalid parameters: the body is not valid JSON: " + told)


def test_a_value_that_cannot_be_read_refuses_only_its_update(api, krn):
    good = json.dumps(update(done=1)).encode()
    bad = [b'{"filename":"\\ud800"}', b'{"filename":"\xff"}', b'{"x":"\\x"}', b'{"x":1e999}', b"[" * 70 + b"]" * 70]
    body = b"[" + good + b"".join(b",\n" + each for each in bad) + b",\n" + good + b"]"
    answer = send(api, krn, body, "application/json", "batch").json()
    assert [result["status"] for result in answer["results"]] == [200, *[400] * len(bad), 200]
    for number, result in enumerate(answer["results"][1:-1]):
        assert f"(line {number + 2}, column " in result["error"]
    assert api.record(krn, "sales.csv")["counts"]["done"] == 2
