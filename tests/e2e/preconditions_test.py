"""If-Match and If-None-Match on updates and deletes (RFC 9110, section 13.1), on both stores."""
import concurrent.futures
import itertools

import pytest
from api_support import Api, assert_problem, path_of
from harness import bearer, mint, update

numbers = itertools.count(1)
changed = "The file is not in the state that If-Match or If-None-Match asks for"
only_create = {"If-None-Match": "*"}


@pytest.fixture
def api(any_server):
    return Api(any_server)


@pytest.fixture
def krn():
    return f"krn:preconditions:{next(numbers)}"


def tag_of(api, krn, filename="sales.csv", **headers):
    answer = api.get(krn, filename=filename, headers={"Accept-Encoding": "identity", **headers})
    assert answer.status_code == 200
    return answer.headers["ETag"]


def test_an_update_of_the_known_state_counts_and_one_of_an_earlier_state_does_not(api, krn):
    api.report(krn, done=1)
    tag = tag_of(api, krn)
    assert api.report(krn, done=1, headers={"If-Match": f'"other", {tag}'})["counts"]["done"] == 2
    assert_problem(api.post(krn, update(done=1), headers={"If-Match": tag}), 412, changed)
    assert_problem(api.post(krn, update(done=1), headers={"If-None-Match": tag_of(api, krn)}), 412, changed)
    api.report(krn, done=1, headers={"If-None-Match": tag})  # it is in another state by now
    assert api.record(krn, "sales.csv")["counts"]["done"] == 3
    api.report(krn, done=1, headers={"If-Match": "*"})
    assert_problem(api.post(krn, update("new.csv", done=1), headers={"If-Match": "*"}), 412, changed)
    assert api.get(krn, filename="new.csv").status_code == 404


def test_a_file_is_only_created(api, krn):
    assert api.report(krn, done=1, headers=only_create)["result"] == "created"
    assert_problem(api.post(krn, update(done=1), headers=only_create), 412, changed)
    record = api.record(krn, "sales.csv")
    assert record["counts"]["done"] == 1
    assert api.http.delete(path_of(krn, record["id"]), headers=bearer()).status_code == 204
    assert api.report(krn, done=1, headers=only_create)["result"] == "created"


def test_of_many_that_create_or_know_one_state_one_wins(api, krn):
    def statuses(headers):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: api.post(krn, update(done=1), headers=headers).status_code, range(24)))
        return sorted(answers)

    assert statuses(only_create) == [200] + [412] * 23
    assert statuses({"If-Match": tag_of(api, krn)}) == [200] + [412] * 23
    assert api.record(krn, "sales.csv")["counts"]["done"] == 2


def test_a_retry_is_replayed_whatever_it_asked_for(api, krn):
    for headers in (only_create, None):
        headers = headers or {"If-Match": tag_of(api, krn)}
        key = f"key-{len(headers['If-Match']) if 'If-Match' in headers else 0}"
        assert api.post(krn, update(done=1), key=key, headers=headers).status_code == 200
        again = api.post(krn, update(done=1), key=key, headers=headers)
        assert again.status_code == 200 and again.headers["Idempotent-Replayed"] == "true"
        assert api.post(krn, update(done=2), key=key, headers=headers).status_code == 422
    assert api.record(krn, "sales.csv")["counts"]["done"] == 2


def test_who_may_not_update_is_told_that_first(api, krn):
    api.report(krn, done=1)
    assert api.post(krn, update(), token=mint("bob@example.com"), headers=only_create).status_code == 403
    assert api.post(krn, update(), headers={**only_create, "Authorization": ""}).status_code == 401
    api.report(krn, isLast=True)
    assert_problem(api.post(krn, update(), headers=only_create), 412, changed)


def test_a_delete_of_the_known_state(api, krn):
    api.report(krn, done=1)
    tag, target = tag_of(api, krn), path_of(krn, api.record(krn, "sales.csv")["id"])
    api.report(krn, done=1)

    def delete(**headers):
        return api.http.delete(target, headers={**bearer(), **{name.replace("_", "-"): headers[name] for name in headers}})

    assert_problem(delete(If_Match=tag), 412, changed)
    assert_problem(delete(If_None_Match="*"), 412, changed)
    assert api.record(krn, "sales.csv")["counts"]["done"] == 2
    assert delete(If_Match=tag_of(api, krn)).status_code == 204
    assert delete(If_Match="*").status_code == 404
    api.report(krn, done=1)
    assert_problem(api.post(krn, update(done=1), headers={"If-Match": tag}), 412, changed)  # a file of another id


def test_a_weak_tag_never_matches_and_the_answer_says_so(api, krn):
    api.report(krn, errors=[{"message": "x" * 2000}])
    weak = tag_of(api, krn, **{"Accept-Encoding": "gzip"})
    assert weak == "W/" + tag_of(api, krn)
    answer = api.post(krn, update(done=1), headers={"If-Match": weak})
    assert answer.status_code == 412 and "without W/" in answer.json()["detail"]
    assert api.post(krn, update(done=1), headers={"If-None-Match": weak}).status_code == 412  # compared weakly
    api.report(krn, done=1, headers={"If-Match": weak.removeprefix("W/")})


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", "abc", '*, "a"', '"a" "b"', '"a', "5-1-0"])
def test_what_is_no_list_of_tags_is_refused(api, krn, name, value):
    answer = api.post(krn, update(done=1), headers={name: value})
    assert answer.status_code == 400 and f"{name} must be * or a list of entity tags" in answer.json()["detail"]
    assert api.http.delete(path_of(krn, "0" * 24), headers={**bearer(), name: value}).status_code == 400
    assert api.get(krn, filename="sales.csv").status_code == 404


def test_a_batch_takes_neither(api, krn):
    for headers in (only_create, {"If-Match": "*"}):
        answer = api.http.post(path_of(krn, "batch"), json=[update(done=1)], headers={**bearer(), **headers})
        assert answer.status_code == 400 and "about one file" in answer.json()["detail"]
    assert api.listed(krn) == []
