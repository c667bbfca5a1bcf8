"""What is too old goes: completed files, events, tombstones; the counts of what stays do not change."""
import pathlib

import harness
import pytest
from api_support import Api, assert_problem, pebbles
from load import data_of, verify_clean

krn, unknown = "krn:retention", "Progress not found for this file"
library = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


@pytest.fixture
def at_day(make_server, tmp_path):
    """at_day(-40) is a server on one store whose clock is so many days off; the one before is stopped."""
    if library is None:
        pytest.skip("libfaketime is not installed")
    started = []

    def at_day(days, **env):
        if started:
            started.pop().stop()
        server = make_server(tmp_path / "one", env={**off_by(days), **env}).start()
        started.append(server)
        return Api(server)

    yield at_day


def off_by(days):
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{days:+}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}



def prune(api, *arguments, **env):
    done = pebbles("prune", "--embedded", data_of(api.server), *arguments, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_completed_files_go_in_time(at_day):
    api, long = at_day(-40), harness.mint(ttl=200 * 86_400)
    for number in range(250):
        api.report(krn, f"old-{number}.csv", done=1, isLast=True, token=long)
    api.report(krn, "running.csv", done=1, token=long)
    api.report("krn:kept", "old.csv", done=1, isLast=True, token=long)
    api.report("krn:short", "old.csv", done=1, isLast=True, token=long)
    api = at_day(-20)
    api.report(krn, "young.csv", done=1, isLast=True, token=long)
    api.report("krn:short", "young.csv", done=1, isLast=True, token=long)
    api.server.stop()
    rules = {"RETENTION_DAYS": "30", "RETENTION_DAYS_BY_CLIENT": "krn:kept=0, krn:short=10"}
    assert prune(api, "--dry-run").startswith("dry run, nothing was changed: 0 files")
    assert prune(api, "--dry-run", **rules).startswith("dry run, nothing was changed: 252 files")
    assert prune(api, **rules).startswith("252 files deleted; 504 events taken out of 252 logs")
    assert prune(api, **rules).startswith("0 files deleted; 0 events")
    verify_clean(api.server)
    api = at_day(0)
    assert sorted(record["filename"] for record in api.listed(krn)) == ["running.csv", "young.csv"]
    assert [record["filename"] for record in api.listed("krn:kept")] == ["old.csv"]
    assert api.listed("krn:short") == []
    assert_problem(api.get(krn, filename="old-1.csv"), 404, unknown)


def test_the_server_prunes_by_itself(at_day):
    long = harness.mint(ttl=200 * 86_400)
    api = at_day(-40)
    for number in range(30):
        api.report(krn, f"{number}.csv", done=1, isLast=number % 2 == 0, token=long)
    api = at_day(0, RETENTION_DAYS="30", EVENTS_RETENTION_DAYS="30", PRUNE_INTERVAL_S="1")
    harness.wait_until(lambda: len(api.listed(krn)) == 15, 20, "old files to go")
    harness.wait_until(lambda: "pruned" in api.server.log_text(), 20, "a word about it")
    for record in api.listed(krn):
        assert api.report(krn, record["filename"], done=1)["counts"]["done"] == 2
    api.server.stop()
    verify_clean(api.server)


def test_old_events_give_way_to_a_baseline(at_day):
    long = harness.mint(ttl=200 * 86_400)
    api = at_day(-40)
    for number in range(300):
        api.report(krn, "a.csv", done=1, errors=[{"line": number + 1, "message": "old"}], key=f"old-{number}", token=long)
    api = at_day(-5)
    for number in range(10):
        api.report(krn, "a.csv", done=1, key=f"young-{number}", token=long)
    before = api.record(krn, "a.csv")
    api.server.stop()
    assert prune(api, EVENTS_RETENTION_DAYS="45").startswith("0 files deleted; 0 events")
    assert "300 events taken" in prune(api, EVENTS_RETENTION_DAYS="30")
    verify_clean(api.server)
    api = at_day(0)
    after = api.record(krn, "a.csv")
    for name in ("id", "counts", "errors", "errorCount", "version", "createdAt", "updatedAt"):
        assert after[name] == before[name], name
    # Keys of the last fifteen days are known still.
    assert api.post(krn, harness.update("a.csv", done=1), key="young-3").headers["Idempotent-Replayed"] == "true"
    assert api.report(krn, "a.csv", done=1, key="new")["counts"]["done"] == 311
    api.server.stop()
    assert "10 events taken" in prune(api, EVENTS_RETENTION_DAYS="1")
    verify_clean(api.server)
    rebuilt = pebbles("rebuild", "--embedded", data_of(api.server))
    assert rebuilt.returncode == 0 and " 0 snapshots rewritten" in rebuilt.stdout, rebuilt.stdout
    api = at_day(0)
    assert api.post(krn, harness.update("a.csv", done=1), key="young-3").headers["Idempotent-Replayed"] == "true"
    assert api.record(krn, "a.csv")["counts"]["done"] == 311


def test_a_deleted_file_leaves_no_more_than_its_tombstone_and_that_for_its_time(at_day):
    long = harness.mint(ttl=300 * 86_400)
    api = at_day(-80)
    secret = "what nobody should find"
    for number in range(300):
        api.report(krn, "a.csv", done=1, errors=[{"message": secret}], key=f"{number}", token=long)
    file_id = api.record(krn, "a.csv")["id"]
    api = at_day(-70)
    assert api.http.delete(f"/clients/{krn}/progress/{file_id}", headers=harness.bearer(long)).status_code == 204
    api.server.stop()
    assert "301 events taken" in prune(api, **off_by(-70))
    verify_clean(api.server)
    api = at_day(-60)
    assert_problem(api.post(krn, harness.update("a.csv", done=1, errors=[{"message": secret}]), key="7", token=long), 404,
                   unknown)
    api.server.stop()
    assert "1 tombstones removed" in prune(api, TOMBSTONE_DAYS="50")
    verify_clean(api.server)
    api = at_day(0)
    assert api.report(krn, "a.csv", done=1, key="7")["result"] == "created"
    assert api.record(krn, "a.csv")["version"] == 1


def test_a_new_life_survives_the_burial_of_the_old_one(at_day):
    long = harness.mint(ttl=200 * 86_400)
    api = at_day(-40)
    api.report(krn, "a.csv", done=1, key="old", token=long)
    file_id = api.record(krn, "a.csv")["id"]
    assert api.http.delete(f"/clients/{krn}/progress/{file_id}", headers=harness.bearer(long)).status_code == 204
    api.report(krn, "a.csv", done=7, key="new", token=long)
    before = api.record(krn, "a.csv")
    api.server.stop()
    assert "2 events taken" in prune(api, **off_by(-40))
    assert "0 tombstones" in prune(api, TOMBSTONE_DAYS="15")
    verify_clean(api.server)
    api = at_day(0)
    assert api.record(krn, "a.csv") == before
    assert api.post(krn, harness.update("a.csv", done=7), key="new").headers["Idempotent-Replayed"] == "true"


def test_a_running_server_has_the_embedded_store_to_itself(server):
    refused = pebbles("prune", "--embedded", data_of(server))
    assert refused.returncode == 2 and "in use by another process" in refused.stderr


@pytest.mark.parametrize("variable,value", [("RETENTION_DAYS", "-1"), ("RETENTION_DAYS", "1.5"), ("TOMBSTONE_DAYS", "14"),
                                            ("EVENTS_RETENTION_DAYS_BY_CLIENT", "krn:a"),
                                            ("RETENTION_DAYS_BY_CLIENT", "krn:a=1,krn:a=2")])
def test_bad_rules_are_named(variable, value):
    refused = pebbles("config", env={variable: value})
    assert refused.returncode == 2 and refused.stderr.startswith(f"pebbles: {variable}={value}: must be "), refused.stderr
