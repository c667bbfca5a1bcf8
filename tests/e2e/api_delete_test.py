"""DELETE /clients/{clientKrn}/progress/{id}: the owner's, and what redeliveries and fresh uploads find afterwards."""
import itertools

import harness
import pytest
from api_support import Api, assert_problem, path_of

numbers = itertools.count(1)
unknown = "Progress not found for this file"


@pytest.fixture
def api(any_server):
    return Api(any_server)


@pytest.fixture
def krn():
    return f"krn:delete:{next(numbers)}"


def delete(api, krn, file_id, token=None, **headers):
    return api.http.delete(path_of(krn, file_id), headers={**harness.bearer(token), **headers})


def gone(api, krn, file_id, filename="sales.csv"):
    return (api.get(krn, file_id).status_code == 404 and api.get(krn, filename=filename).status_code == 404
            and file_id not in [record["id"] for record in api.listed(krn)])


def test_the_owner_deletes_and_nothing_is_left_to_see(api, krn):
    api.report(krn, done=1, errors=[{"message": "e"}])
    other = api.report(krn, "other.csv", done=1)
    record = api.record(krn, "sales.csv")
    answer = delete(api, krn, record["id"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert gone(api, krn, record["id"])
    assert [record["filename"] for record in api.listed(krn)] == ["other.csv"] and other["result"] == "created"
    assert api.listed(krn, email=record["email"], limit=10)[0]["filename"] == "other.csv"
    assert_problem(delete(api, krn, record["id"]), 404, unknown)


def test_a_completed_file_is_deleted_too(api, krn):
    api.report(krn, done=1, isLast=True)
    assert delete(api, krn, api.record(krn, "sales.csv")["id"]).status_code == 204


def test_only_the_owner_deletes(api, krn):
    api.report(krn, done=1)
    file_id = api.record(krn, "sales.csv")["id"]
    assert_problem(delete(api, krn, file_id, harness.mint("bob@example.com")), 403,
                   "Only the original creator can delete this file's progress")
    without = api.http.delete(path_of(krn, file_id))
    assert_problem(without, 401, "Missing Authorization header")
    assert api.record(krn, "sales.csv")["id"] == file_id


def test_another_client_has_no_such_file(api, krn):
    api.report(krn, done=1)
    file_id = api.record(krn, "sales.csv")["id"]
    assert_problem(delete(api, f"{krn}:other", file_id), 404, unknown)
    assert api.record(krn, "sales.csv")["id"] == file_id


@pytest.mark.parametrize("file_id", ["0" * 24, "0" * 23, "0" * 25, "x" * 24, "%24ne", "..%2f", "a b"])
def test_ids_that_nobody_has(api, krn, file_id):
    assert delete(api, krn, file_id).status_code == 404


def test_a_bad_client_name(api):
    assert delete(api, "nobody", "0" * 24).status_code == 400


def test_a_redelivery_brings_nothing_back(api, krn):
    api.report(krn, done=5, key="run-1")
    file_id = api.record(krn, "sales.csv")["id"]
    assert delete(api, krn, file_id).status_code == 204
    assert_problem(api.post(krn, harness.update(done=5), key="run-1"), 404, unknown)
    assert_problem(api.post(krn, harness.update(done=6), key="run-1"), 422, "This key was used with a different update")
    assert gone(api, krn, file_id)


def test_a_fresh_upload_starts_a_new_life(api, krn):
    api.report(krn, done=5, isLast=True, key="run-1", errors=[{"message": "old"}])
    old = api.record(krn, "sales.csv")
    assert delete(api, krn, old["id"]).status_code == 204
    bob = harness.mint("bob@example.com")
    answer = api.report(krn, done=1, key="run-2", token=bob)
    assert answer["result"] == "created" and answer["counts"]["done"] == 1 and answer["errors"] == []
    new = api.record(krn, "sales.csv")
    assert new["id"] != old["id"] and new["email"] == "bob@example.com" and not new["isCompleted"]
    assert api.get(krn, old["id"]).status_code == 404
    # What the first owner's worker still sends of the old upload is known, and counts nothing.
    assert api.post(krn, harness.update(done=5, isLast=True, errors=[{"message": "old"}]), key="run-1").headers[
        "Idempotent-Replayed"] == "true"
    assert_problem(api.post(krn, harness.update(done=1)), 403, None)
    assert api.record(krn, "sales.csv")["counts"]["done"] == 1
    assert_problem(delete(api, krn, old["id"], bob), 404, unknown)
    assert delete(api, krn, new["id"], bob).status_code == 204


def test_lives_follow_each_other(api, krn):
    ids = set()
    for life in range(20):
        api.report(krn, done=life)
        record = api.record(krn, "sales.csv")
        assert record["counts"]["done"] == life and len(api.listed(krn)) == 1
        ids.add(record["id"])
        assert delete(api, krn, record["id"]).status_code == 204
        assert api.listed(krn) == []
    assert len(ids) == 20


def test_what_is_deleted_stays_so_after_a_restart(make_server):
    server = make_server().start()
    api, krn = Api(server), "krn:restart"
    api.report(krn, done=5, key="run-1")
    file_id = api.record(krn, "sales.csv")["id"]
    assert delete(api, krn, file_id).status_code == 204
    server.kill()
    server.restart()
    api = Api(server)
    assert gone(api, krn, file_id)
    assert_problem(api.post(krn, harness.update(done=5), key="run-1"), 404, unknown)
    assert api.report(krn, done=1)["counts"]["done"] == 1
