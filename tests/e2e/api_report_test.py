"""POST /clients/{clientKrn}/progress: answers, keys, ownership, completion, and the order in which faults are found."""
import harness
import httpx
import pytest
from api_support import Api, assert_problem, path_of
from harness import update

stranger = "somebody.else@example.com"
count_max = 2**53 - 1
already_completed = "This file processing has already been completed"
not_the_owner = "Only the original creator can update this file's progress"
key_reused = "This key was used with a different update"


@pytest.fixture(scope="module")
def api(any_server):
    return Api(any_server)


def test_the_first_update_creates_and_the_next_adds_up(api, krn):
    body = {"filename": "sales_data.csv", "counts": {"done": 500, "warn": 2, "failed": 1}, "total": 10000,
            "isLast": False, "errors": [{"line": 145, "message": "Invalid format"}],
            "warnings": [{"line": 89, "message": "Deprecated field"}]}
    answer = api.post(krn, body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {
        "result": "created", "clientKrn": krn, "filename": "sales_data.csv",
        "counts": {"done": 500, "warn": 2, "failed": 1}, "total": 10000, "isCompleted": False,
        "errors": [{"line": 145, "message": "Invalid format"}],
        "warnings": [{"line": 89, "message": "Deprecated field"}]}

    more = {"filename": "sales_data.csv", "counts": {"done": 1, "warn": 0, "failed": 3},
            "errors": [{"message": "no line"}, {"line": 7, "message": "", "code": 42, "field": "amount", "value": "12,5"}]}
    answer = api.post(krn, more)
    assert answer.status_code == 200
    assert answer.json() == {
        "result": "updated", "clientKrn": krn, "filename": "sales_data.csv",
        "counts": {"done": 501, "warn": 2, "failed": 4}, "total": 10000, "isCompleted": False,
        "errors": [{"line": 145, "message": "Invalid format"}, {"message": "no line"},
                   {"line": 7, "message": "", "code": "42", "field": "amount", "value": "12,5"}],
        "warnings": [{"line": 89, "message": "Deprecated field"}]}


def test_lists_are_empty_and_the_total_null_when_unknown(api, krn):
    answer = api.post(krn, {"filename": "a", "counts": {"done": 0, "warn": 0, "failed": 0}})
    assert answer.json() == {"result": "created", "clientKrn": krn, "filename": "a",
                             "counts": {"done": 0, "warn": 0, "failed": 0}, "total": None, "isCompleted": False,
                             "errors": [], "warnings": []}


def test_a_later_total_replaces_and_null_keeps(api, krn):
    assert api.report(krn, total=10)["total"] == 10
    assert api.report(krn, total=None)["total"] == 10
    assert api.report(krn, done=50, total=20)["total"] == 20


def test_unknown_members_are_ignored(api, krn):
    body = update(done=1, __proto__={"a": 1}, **{"$set": {"counts": 9}, "a.b": [], "id": "x", "version": 7})
    body["counts"]["extra"] = "x"
    assert api.post(krn, body).json()["counts"] == {"done": 1, "warn": 0, "failed": 0}


def test_completion_is_final(api, krn):
    answer = api.report(krn, done=3, isLast=True)
    assert (answer["result"], answer["isCompleted"]) == ("created", True)
    before = api.record(krn, "sales.csv")
    for late in (update(done=1), update(isLast=True), update(total=5)):
        assert_problem(api.post(krn, late), 400, already_completed)
    assert api.record(krn, "sales.csv") == before
    assert before["completedAt"] is not None


def test_nobody_but_the_owner_updates(api, krn):
    api.report(krn, done=1)
    other = harness.mint(stranger)
    assert_problem(api.post(krn, update(done=5), token=other), 403, not_the_owner)
    assert_problem(api.post(krn, update(isLast=True), token=other), 403, not_the_owner)
    assert api.record(krn, "sales.csv")["counts"]["done"] == 1
    assert api.report(krn, "other.csv", done=2, token=other)["result"] == "created"
    assert [record["filename"] for record in api.listed(krn, email=stranger)] == ["other.csv"]


def test_a_sum_past_the_largest_count_is_refused(api, krn):
    api.report(krn, done=count_max, warn=1)
    before = api.record(krn, "sales.csv")
    assert_problem(api.post(krn, update(done=1)), 400, "Invalid parameters: ")
    assert api.record(krn, "sales.csv") == before
    assert api.report(krn, warn=count_max - 1)["counts"] == {"done": count_max, "warn": count_max, "failed": 0}


def test_the_first_hundred_items_are_kept_and_all_are_counted(api, krn):
    def items(first, count):
        return [{"line": line, "message": f"row {line}"} for line in range(first, first + count)]

    api.report(krn, errors=items(1, 60), warnings=items(1, 99))
    answer = api.report(krn, errors=items(61, 60), warnings=items(100, 1))
    assert answer["errors"] == items(1, 100)
    assert answer["warnings"] == items(1, 100)
    api.report(krn, errors=items(121, 10_000))
    record = api.record(krn, "sales.csv")
    assert (record["errorCount"], record["warningCount"]) == (10_120, 100)
    assert record["errors"] == items(1, 100)


def test_long_messages_are_kept_up_to_64_kib(api, krn):
    long = "é" * (32 * 1024)
    api.report(krn, errors=[{"message": long}, {"message": "y"}])
    record = api.record(krn, "sales.csv")
    assert record["errorCount"] == 2
    assert [item["message"] for item in record["errors"]] == [long]


@pytest.mark.parametrize("prefer", ["return=minimal", "respond-async, return=minimal", 'Return="minimal"'])
def test_prefer_minimal_leaves_the_lists_out(api, krn, prefer):
    body = update(done=1, errors=[{"message": "x"}])
    answer = api.post(krn, body, headers={"Prefer": prefer})
    assert answer.json() == {"result": "created", "clientKrn": krn, "filename": "sales.csv",
                             "counts": {"done": 1, "warn": 0, "failed": 0}, "total": None, "isCompleted": False}
    full = api.post(krn, body, headers={"Prefer": "return=representation"}).json()
    assert [item["message"] for item in full["errors"]] == ["x", "x"]


# Keys

keyed = {"Idempotency-Key bare": lambda key, **rest: {"key": key, "body": update(**rest)},
         "Idempotency-Key quoted": lambda key, **rest: {"key": f'"{key}"', "body": update(**rest)},
         "eventId": lambda key, **rest: {"body": update(eventId=key, **rest)},
         "both": lambda key, **rest: {"key": key, "body": update(eventId=key, **rest)}}


@pytest.mark.parametrize("again", keyed)
@pytest.mark.parametrize("first", keyed)
def test_a_key_counts_once_however_it_is_given(api, krn, first, again):
    answer = api.post(krn, **keyed[first]("run-7/2", done=5, errors=[{"message": "x"}]))
    assert answer.status_code == 200 and "Idempotent-Replayed" not in answer.headers
    replay = api.post(krn, **keyed[again]("run-7/2", done=5, errors=[{"message": "x"}]))
    assert (replay.status_code, replay.headers["Idempotent-Replayed"]) == (200, "true")
    assert replay.json() == {**answer.json(), "result": replay.json()["result"]}
    assert api.record(krn, "sales.csv")["version"] == 1


def test_a_replay_answers_the_present_state(api, krn):
    api.report(krn, done=1, key="k1")
    api.report(krn, done=10, total=99)
    replay = api.post(krn, update(done=1), key="k1")
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert (replay.json()["counts"]["done"], replay.json()["total"]) == (11, 99)


def test_a_replay_is_one_for_ever_even_after_completion(api, krn):
    api.report(krn, done=1, key="k1")
    api.report(krn, done=2, isLast=True, key="k2")
    for body, key in ((update(done=1), "k1"), (update(done=2, isLast=True), "k2")):
        replay = api.post(krn, body, key=key)
        assert (replay.status_code, replay.headers["Idempotent-Replayed"]) == (200, "true")
        assert replay.json()["isCompleted"] is True
    assert_problem(api.post(krn, update(done=1), key="k3"), 400, already_completed)
    assert api.record(krn, "sales.csv")["counts"]["done"] == 3


@pytest.mark.parametrize("other", [{"done": 2}, {"done": 1, "total": 5}, {"done": 1, "isLast": True},
                                   {"done": 1, "errors": [{"message": "x"}]},
                                   {"done": 1, "warnings": [{"message": "x"}]}], ids=repr)
def test_a_key_with_another_update_is_refused(api, krn, other):
    api.report(krn, done=1, key="k")
    answer = api.post(krn, update(**other), key="k")
    assert_problem(answer, 422, key_reused)
    assert "Idempotent-Replayed" not in answer.headers
    assert api.record(krn, "sales.csv")["version"] == 1


def test_the_same_update_spelt_otherwise_is_a_replay(api, krn):
    api.report(krn, done=1, key="k")
    body = b' {"isLast" : null, "counts":{"failed":0,"warn":0,"done":1}, "x":1, "filename":"s\\u0061les.csv"} '
    assert api.post(krn, body, key="k").headers["Idempotent-Replayed"] == "true"


def test_a_key_belongs_to_its_file(api, krn):
    for client, filename in ((krn, "a"), (krn, "b"), (krn + ":2", "a")):
        answer = api.post(client, update(filename, done=1), key="the same")
        assert answer.json()["result"] == "created" and "Idempotent-Replayed" not in answer.headers


def test_a_key_that_was_refused_is_free_again(api, krn):
    api.report(krn, done=count_max)
    assert_problem(api.post(krn, update(done=1), key="k"), 400, "Invalid parameters: ")
    assert api.report(krn, warn=1, key="k")["counts"]["warn"] == 1


def test_a_key_survives_a_restart(make_server, krn):
    server = make_server().start()
    Api(server).report(krn, done=1, key="k")
    server.restart()
    assert Api(server).post(krn, update(done=1), key="k").headers["Idempotent-Replayed"] == "true"
    assert Api(server).record(krn, "sales.csv")["counts"]["done"] == 1


def test_two_different_keys_for_one_update_are_refused(api, krn):
    assert_problem(api.post(krn, update(done=1, eventId="a"), key="b"), 400, "Invalid parameters: ")
    assert api.listed(krn) == []


# Other errors

def test_unknown_paths_and_methods(api, krn):
    for path in ("/", "/clients", f"/clients/{krn}", path_of(krn, "a", "b"), "/healthz", path_of(krn) + "/"):
        assert_problem(api.http.get(path), 404, None)
    for method, path, allowed in (("DELETE", path_of(krn), {"GET", "HEAD", "POST"}),
                                  ("PUT", path_of(krn), {"GET", "HEAD", "POST"}),
                                  ("POST", path_of(krn, "0" * 24), {"GET", "HEAD", "DELETE"}),
                                  ("POST", "/health", {"GET", "HEAD"})):
        answer = api.http.request(method, path)
        assert_problem(answer, 405, None)
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed | {"OPTIONS"}


@pytest.mark.parametrize("content_type", ["text/plain", None, "application/json; charset=latin1", "application/jsonp",
                                          "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_is_not_json_by_its_type(api, krn, content_type):
    headers = harness.bearer() | ({} if content_type is None else {"Content-Type": content_type})
    answer = api.http.post(path_of(krn), content=b'{"filename":"a","counts":{"done":1,"warn":0,"failed":0}}',
                           headers=headers)
    assert_problem(answer, 415, None)
    assert api.listed(krn) == []


@pytest.mark.parametrize("content_type", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8",
                                          'application/json;charset="UTF-8"'])
def test_spellings_of_json(api, krn, content_type):
    assert api.post(krn, update(), headers={"Content-Type": content_type}).status_code == 200


def test_a_compressed_body_is_refused(api, krn):
    assert_problem(api.post(krn, update(), headers={"Content-Encoding": "gzip"}), 415, None)


def test_a_body_of_1_mib_is_taken_and_a_larger_one_not(api, krn):
    body = b'{"filename":"a","counts":{"done":1,"warn":0,"failed":0}}'
    assert api.post(krn, body + b" " * (2**20 - len(body))).status_code == 200
    assert_problem(api.post(krn, body + b" " * (2**20 + 1 - len(body))), 413, None)

    def chunks():
        yield body
        for _ in range(20):
            yield b" " * 65536

    # The server may answer and hang up before all of it was sent.
    try:
        answer = api.http.post(path_of(krn), content=chunks(),
                               headers={**harness.bearer(), "Content-Type": "application/json"})
        assert_problem(answer, 413, None)
    except httpx.TransportError:
        pass
    assert api.record(krn, "a")["version"] == 1


def test_too_long_a_path_and_too_long_a_head(api):
    assert_problem(api.http.get("/clients/krn:" + "x" * 9000 + "/progress"), 414, None)
    assert_problem(api.http.get("/health", headers={"X-Long": "x" * 20_000}), 431, None)


def test_all_faults_of_a_body_are_listed(api, krn):
    body = {"filename": "", "counts": {"done": -1, "warn": "1"}, "total": 0, "isLast": "true",
            "errors": [{"line": 0}, 5], "warnings": {}, "eventId": ""}
    problem = assert_problem(api.post(krn, body), 400, "Invalid parameters: ")
    assert {fault["pointer"] for fault in problem["errors"]} == {
        "/filename", "/counts/done", "/counts/warn", "/counts/failed", "/total", "/isLast", "/errors/0/line",
        "/errors/0/message", "/errors/1", "/warnings", "/eventId"}
    assert all(fault["detail"] for fault in problem["errors"])


def test_the_order_of_checks(api, krn):
    no_token, bad_type, bad_body = {"Authorization": ""}, {"Content-Type": "text/plain"}, b"{"
    assert api.http.post("/nowhere", content=bad_body, headers=bad_type).status_code == 404
    assert api.http.put(path_of(krn), content=bad_body, headers=bad_type).status_code == 405
    assert api.post(krn, bad_body, headers=no_token | bad_type).status_code == 401
    assert api.post(krn, bad_body, token=harness.mint(None), headers=bad_type).status_code == 403
    assert api.post(krn, bad_body, headers=bad_type).status_code == 415
    assert api.post(krn, b" " * (2**20 + 1), token=harness.mint(ttl=-3600)).status_code == 401

    api.report(krn, done=1, key="k")
    other = harness.mint(stranger)
    assert_problem(api.post(krn, update(done=-1), token=other), 400, "Invalid parameters: ")
    assert_problem(api.post(krn, update(done=1), token=other, key="k"), 403, not_the_owner)  # before the replay
    assert_problem(api.post(krn, update(done=2), token=other, key="k"), 403, not_the_owner)
    api.report(krn, isLast=True)
    assert_problem(api.post(krn, update(done=1), token=other), 403, not_the_owner)  # before completion
    assert_problem(api.post(krn, update(done=2), key="k"), 422, key_reused)
    assert api.post(krn, update(done=1), key="k").headers["Idempotent-Replayed"] == "true"
    assert_problem(api.post(krn, update(done=1), key="new"), 400, already_completed)
