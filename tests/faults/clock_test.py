"""The clock jumps: no negative times, updates keep their order, and tokens are judged by the new time."""
import pathlib
import time

import harness
import pytest
from api_support import Api, assert_problem, pebbles
from load import data_of, krn

an_hour, a_day = 3600, 86_400
library = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


@pytest.fixture
def shifted(make_server, tmp_path):
    """A server whose wall clock is off by as many seconds as jump(seconds) says; its monotonic clock is not."""
    if library is None:
        pytest.skip("libfaketime is not installed")
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    server = make_server(env={"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset),
                              "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}).start()

    def jump(seconds):
        replaced = tmp_path / "next"
        replaced.write_text(f"{seconds:+}\n")
        replaced.rename(offset)

    return Api(server), jump


def test_a_clock_that_jumps(shifted):
    api, jump = shifted
    token = harness.mint(ttl=2 * a_day)
    first = api.report(krn, "a.csv", done=1, token=token)
    assert first["result"] == "created"
    created = api.record(krn, "a.csv")
    versions, done = [created["version"]], 1
    for seconds in (-an_hour, an_hour, -30 * a_day, a_day, 0):
        jump(seconds)
        done += 1
        assert api.report(krn, "a.csv", done=1, token=token)["counts"]["done"] == done
        record = api.record(krn, "a.csv")
        assert record["createdAt"] == created["createdAt"] and record["id"] == created["id"]
        assert record["updatedAt"] >= record["createdAt"]
        versions.append(record["version"])
        api.report(krn, f"{seconds}.csv", token=token)
        assert api.get(krn, headers={"If-None-Match": '"x"'}).status_code == 200
    assert versions == sorted(set(versions))
    records = api.listed(krn)
    assert len(records) == 6
    assert records == sorted(records, key=lambda record: (record["updatedAt"], record["id"]), reverse=True)
    jump(-an_hour)
    last = api.report(krn, "a.csv", isLast=True, token=token)
    record = api.record(krn, "a.csv")
    assert last["isCompleted"] and record["completedAt"] == record["updatedAt"] >= record["createdAt"]
    api.server.stop()
    proved = pebbles("verify", "--embedded", data_of(api.server))
    assert proved.returncode == 0, proved.stdout + proved.stderr


def test_tokens_are_judged_by_the_new_time(shifted):
    api, jump = shifted
    token = harness.mint(ttl=2 * an_hour)
    for seconds, good in ((0, True), (an_hour, True), (365 * a_day, False), (-an_hour, True), (3 * an_hour, False),
                          (0, True)):
        jump(seconds)
        answer = api.post(krn, harness.update(done=1), token=token)
        if good:
            assert answer.status_code == 200, (seconds, answer.text)
        else:
            assert_problem(answer, 401, "Invalid or expired token")
    early = harness.mint(nbf=int(time.time()) + an_hour, ttl=3 * an_hour)
    for seconds, status in ((0, 401), (2 * an_hour, 200), (0, 401)):
        jump(seconds)
        assert api.post(krn, harness.update(done=1), token=early).status_code == status, seconds
