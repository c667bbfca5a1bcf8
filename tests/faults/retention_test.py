"""What is too old goes: completed files, events, tombstones; the counts of what stays do not change. On both stores."""
import datetime
import pathlib
import re
from collections import Counter

import harness
import mongo
import pytest
from api_support import Api, assert_problem, path_of, pebbles
from load import verify_clean
from metrics_support import metrics

krn, unknown, secret = "krn:retention", "Progress not found for this file", "what nobody should find"
library = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
long = harness.mint(ttl=400 * 86_400)


def off_by(days):
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{days:+}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class ApiOfADay(Api):
    """Its token is good on every day."""

    def post(self, krn, body, *, token=long, **options):
        return super().post(krn, body, token=token, **options)

    def report_all(self, krn, updates):
        """In one request: much faster, and beginnings of files and logs of several events a chunk all the same."""
        answer = self.http.post(path_of(krn, "batch"), json=updates, headers=harness.bearer(long))
        assert answer.status_code == 200 and {one["status"] for one in answer.json()["results"]} == {200}, answer.text

    def report_parts(self, krn, filename, parts):
        """One after the other, each of ten updates and so a chunk of the log."""
        for part in range(parts):
            self.report_all(krn, [harness.update(filename, done=1, errors=[{"line": number + 1, "message": secret}],
                                                 eventId=f"old-{number}")
                                  for number in range(10 * part, 10 * part + 10)])

    def delete(self, krn, filename):
        file_id = self.record(krn, filename)["id"]
        answer = self.http.delete(f"/clients/{krn}/progress/{file_id}", headers=harness.bearer(long))
        assert answer.status_code == 204, answer.text


class Days:
    """One store through the days, each a number of days from today: there is a server on one of them at a time, and what
    prunes comes in between. Time does not go back."""

    def __init__(self, server):
        self.server = server
        self.day = -1000

    def at(self, day, **env):
        """The server on that day; that of the day before has stopped."""
        self.go_to(day)
        return ApiOfADay(self.server.start(env={**off_by(day), **env}))

    def go_to(self, day):
        assert day >= self.day
        self.server.stop()
        self.day = day

    def command(self, *arguments, **env):
        env = {**off_by(self.day), **self.server.store_env, **env}
        return pebbles(*arguments, *self.server.store_arguments, env=env)

    def prune(self, day, *arguments, **rules):
        """By name what it says that it did, or would do."""
        self.go_to(day)
        done = self.command("prune", *arguments, **rules)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("dry run, nothing was changed: ") == ("--dry-run" in arguments)
        counts = re.search(r"(\d+) files deleted; (\d+) events taken out of \d+ logs; (\d+) tombstones removed\n$", done.stdout)
        return Counter(dict(zip(("files", "events", "tombstones"), map(int, counts.groups()))))

    def prune_all(self, day, **rules):
        """Until there is nothing more: MongoDB takes nothing that is younger than an hour, and part of it a round later."""
        out = self.prune(day, **rules)
        for later in (day + 1, day + 2):
            out += self.prune(later, **rules)
        self.verify_clean()
        return +out

    def verify_clean(self):
        verify_clean(self.server)


class DaysOfMongo(Days):
    """MongoDB's clock counts, not that of who asks it to."""

    def __init__(self, server, members, clock):
        super().__init__(server)
        self.members, self.clock = members, clock

    def go_to(self, day):
        super().go_to(day)
        self.clock.write_text(f"{day:+}d")
        harness.wait_until(lambda: abs(self.off_by() - day) < 0.1, 20, f"day {day} in MongoDB")

    def off_by(self):
        with self.members.client() as client:
            there = client.admin.command("hello")["localTime"].replace(tzinfo=datetime.timezone.utc)
        return (there - datetime.datetime.now(datetime.timezone.utc)) / datetime.timedelta(days=1)


# On MongoDB these take half a minute each; the contract suites show the same of its pruner.
brief = pytest.mark.parametrize("days", ["sqlite", pytest.param("mongodb", marks=pytest.mark.skipif(
    not harness.long_rounds, reason="takes half a minute"))], indirect=True)


@pytest.fixture(params=["sqlite", "mongodb"])
def days(request, make_server, tmp_path):
    if library is None:
        pytest.skip("libfaketime is not installed")
    if request.param == "sqlite":
        yield Days(make_server())
        return
    clock = tmp_path / "clock"
    clock.write_text("-1000d")
    env = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
           "FAKETIME_DONT_FAKE_MONOTONIC": "1",
           "FAKETIME_FORCE_MONOTONIC_FIX": "0"}  # which has each write of the journal wait for its time-out
    with mongo.ReplicaSet(tmp_path / "members", env=env) as members:
        days = DaysOfMongo(make_server(uri=members.uri("pebbles")), members, clock)
        yield days
        days.server.stop()


def test_completed_files_go_in_time(days):
    api = days.at(-40)
    api.report_all(krn, [harness.update(f"old-{number}.csv", done=1, isLast=True) for number in range(250)])
    api.report(krn, "running.csv", done=1)
    api.report("krn:kept", "old.csv", done=1, isLast=True)
    api.report("krn:short", "old.csv", done=1, isLast=True)
    api = days.at(-20)
    api.report(krn, "young.csv", done=1, isLast=True)
    api.report("krn:short", "young.csv", done=1, isLast=True)
    rules = {"RETENTION_DAYS": "30", "RETENTION_DAYS_BY_CLIENT": "krn:kept=0, krn:short=10"}
    assert +days.prune(-4, "--dry-run") == {}
    for _ in range(2):
        assert +days.prune(-4, "--dry-run", **rules) == {"files": 252}
    assert days.prune_all(-4, **rules) == {"files": 252, "events": 504}
    assert days.prune_all(-2, **rules) == {}
    api = days.at(0)
    assert sorted(record["filename"] for record in api.listed(krn)) == ["running.csv", "young.csv"]
    assert [record["filename"] for record in api.listed("krn:kept")] == ["old.csv"]
    assert api.listed("krn:short") == []
    assert_problem(api.get(krn, filename="old-1.csv"), 404, unknown)


def test_a_dry_run_says_what_would_go_and_changes_nothing(days):
    api = days.at(-80)
    api.report_parts(krn, "long.csv", 2)
    api.report(krn, "deleted.csv", done=1)
    api.delete(krn, "deleted.csv")
    api.report(krn, "done.csv", done=1, isLast=True)
    before = api.record(krn, "long.csv")
    rules = {"RETENTION_DAYS": "30", "EVENTS_RETENTION_DAYS": "30", "TOMBSTONE_DAYS": "50"}
    days.go_to(-10)
    proved = verify_clean(days.server).stdout
    would = days.prune(-10, "--dry-run", **rules)
    # What a run deletes it may bury at once, or later: a dry run does not tell of that.
    assert would["files"] == 1 and would["events"] == 23
    assert days.prune(-10, "--dry-run", **rules) == would
    assert verify_clean(days.server).stdout == proved
    api = days.at(-10)
    assert api.record(krn, "long.csv") == before
    assert len(api.get(krn, before["id"], "events").json()) == 20
    assert len(api.listed(krn)) == 2


def test_the_server_prunes_by_itself(days):
    api = days.at(-40)
    api.report_all(krn, [harness.update(f"{number}.csv", done=1, isLast=number % 2 == 0) for number in range(30)])
    api = days.at(0, RETENTION_DAYS="30", EVENTS_RETENTION_DAYS="30", PRUNE_INTERVAL_S="1")
    harness.wait_until(lambda: len(api.listed(krn)) == 15, 30, "old files to go")
    harness.wait_until(lambda: "pruned" in api.server.log_text(), 60, "a word about it")
    found = metrics(api.server.url)
    assert found['pebbles_pruned_total{what="files"}'] == 15
    assert found['pebbles_prune_runs_total{outcome="done"}'] >= 1
    assert found['pebbles_prune_runs_total{outcome="failed"}'] == 0
    assert found["pebbles_last_prune_timestamp_seconds"] > 0 and found["pebbles_last_prune_duration_seconds"] > 0
    for record in api.listed(krn):
        assert api.report(krn, record["filename"], done=1)["counts"]["done"] == 2
    api.server.stop()
    days.verify_clean()


def test_old_events_give_way_to_a_baseline(days):
    api = days.at(-50)
    api.report_parts(krn, "a.csv", 30)
    api = days.at(-15)
    for number in range(10):
        api.report(krn, "a.csv", done=1, key=f"young-{number}")
    before = api.record(krn, "a.csv")
    assert days.prune_all(-11, EVENTS_RETENTION_DAYS="55") == {}
    assert days.prune_all(-8, EVENTS_RETENTION_DAYS="30") == {"events": 300}
    api = days.at(-6)
    after = api.record(krn, "a.csv")
    for name in ("id", "counts", "errors", "errorCount", "version", "createdAt", "updatedAt"):
        assert after[name] == before[name], name
    # Keys of the last fifteen days are known still.
    assert api.post(krn, harness.update("a.csv", done=1), key="young-3").headers["Idempotent-Replayed"] == "true"
    assert api.report(krn, "a.csv", done=1, key="new")["counts"]["done"] == 311
    assert days.prune_all(-5, EVENTS_RETENTION_DAYS="7") == {"events": 10}
    rebuilt = days.command("rebuild")
    assert rebuilt.returncode == 0 and " 0 snapshots rewritten" in rebuilt.stdout, rebuilt.stdout
    api = days.at(-3)
    assert api.post(krn, harness.update("a.csv", done=1), key="young-3").headers["Idempotent-Replayed"] == "true"
    assert api.record(krn, "a.csv")["counts"]["done"] == 311


def test_who_reads_errors_while_they_are_cut_hears_of_it(days):
    def report(api, first):
        numbers = range(first, first + 100)
        api.report(krn, "a.csv", failed=100, errors=[{"line": number, "message": "x"} for number in numbers])

    api = days.at(-50)
    for number in range(8):
        report(api, 1 + 100 * number)
    api = days.at(-15)
    report(api, 801)
    report(api, 901)
    file_id = api.record(krn, "a.csv")["id"]

    def get(what="errors", **parameters):
        headers = {"If-None-Match": parameters.pop("tag", '""')}
        return api.get(krn, file_id, what, headers=headers, **parameters)

    def next_of(answer):
        return re.search("cursor=([^&>]+)", answer.headers["Link"])[1]

    def lines(answer):
        assert answer.status_code == 200, answer.text
        return [item["line"] for item in answer.json()]

    first = get(limit=500)
    taken, in_last, behind = next_of(first), next_of(get(limit=750)), next_of(get(limit=800))
    assert days.prune_all(-11, EVENTS_RETENTION_DAYS="30") == {"events": 8}
    api = days.at(-8)
    for cursor in (taken, in_last):
        for form in ("json", "ndjson", "csv"):
            gone = "The errors behind this cursor were taken by retention: begin again"
            assert_problem(get(cursor=cursor, format=form), 410, gone)
    assert lines(get(cursor=behind)) == list(range(801, 1001))
    again = get(limit=500, tag=first.headers["ETag"])
    assert lines(again) == [*range(1, 101), *range(801, 1001)]
    assert get(limit=500, tag=again.headers["ETag"]).status_code == 304
    middle = get(limit=50)
    assert lines(get(cursor=next_of(middle))) == [*range(51, 101), *range(801, 1001)]
    assert len(get(format="csv").text.splitlines()) == 301


@brief
def test_a_deleted_file_leaves_no_more_than_its_tombstone_and_that_for_its_time(days):
    api = days.at(-80)
    api.report_parts(krn, "a.csv", 30)
    api = days.at(-70)
    api.delete(krn, "a.csv")
    assert days.prune_all(-70) == {"events": 301}
    api = days.at(-60)
    seventh = harness.update("a.csv", done=1, errors=[{"line": 8, "message": secret}])
    assert_problem(api.post(krn, seventh, key="old-7"), 404, unknown)
    assert days.prune_all(-40, TOMBSTONE_DAYS="50") == {}
    assert days.prune_all(-10, TOMBSTONE_DAYS="50") == {"tombstones": 1}
    api = days.at(0)
    assert api.report(krn, "a.csv", done=1, key="old-7")["result"] == "created"
    assert api.record(krn, "a.csv")["version"] == 1


@brief
def test_a_new_life_survives_the_burial_of_the_old_one(days):
    api = days.at(-40)
    api.report(krn, "a.csv", done=1, key="old")
    api.delete(krn, "a.csv")
    api.report(krn, "a.csv", done=7, key="new")
    before = api.record(krn, "a.csv")
    assert days.prune_all(-40) == {"events": 2}
    assert days.prune_all(-10, TOMBSTONE_DAYS="15") == {}
    api = days.at(0)
    assert api.record(krn, "a.csv") == before
    assert api.post(krn, harness.update("a.csv", done=7), key="new").headers["Idempotent-Replayed"] == "true"


def test_heads_that_were_kept_before_a_log_was_cut_are_counted(days, tmp_path):
    heads = tmp_path / "heads.ndjson"
    api = days.at(-40)
    for filename in ("cut.csv", "deleted.csv", "young.csv"):
        api.report(krn, filename, done=1)
    days.go_to(-40)
    assert days.command("verify", "--write-heads", heads).returncode == 0
    api = days.at(-20)
    for filename in ("cut.csv", "deleted.csv", "young.csv"):
        api.report(krn, filename, done=1)
    api.delete(krn, "deleted.csv")
    days.prune_all(-8, EVENTS_RETENTION_DAYS="10")
    kept = days.command("verify", "--head", heads)
    assert kept.returncode == 0, kept.stdout


def test_a_running_server_has_the_embedded_store_to_itself(server):
    refused = pebbles("prune", *server.store_arguments)
    assert refused.returncode == 2 and "in use by another process" in refused.stderr


def test_runs_that_fail_are_counted(make_server, tmp_path):
    """Nothing may change while the store is away, and the runs go on when it is there again."""
    mongod = mongo.Mongod(tmp_path / "mongod")
    with mongod:
        server = make_server(uri=mongod.uri("pebbles") + "?serverSelectionTimeoutMS=300", env={"PRUNE_INTERVAL_S": "1"}).start()

        def runs(outcome):
            return metrics(server.url)[f'pebbles_prune_runs_total{{outcome="{outcome}"}}']

        harness.wait_until(lambda: runs("done"), 20, "a run")
        mongod.kill()
        harness.wait_until(lambda: runs("failed") > 1, 40, "runs that fail")
        assert "prune_failed" in server.log_text()
        mongod.start()
        done = runs("done")
        harness.wait_until(lambda: runs("done") > done, 40, "a run that does not")
        server.stop()


def test_a_store_that_is_away_is_named():
    env = {"MONGO_URI": f"mongodb://127.0.0.1:{harness.free_port()}/pebbles?serverSelectionTimeoutMS=300"}
    refused = pebbles("prune", "--store", "mongodb", env=env)
    assert refused.returncode == 2 and "\npebbles: MongoDB: No suitable servers" in refused.stderr, refused.stderr


@pytest.mark.parametrize("variable,value", [("RETENTION_DAYS", "-1"), ("RETENTION_DAYS", "1.5"), ("TOMBSTONE_DAYS", "14"),
                                            ("EVENTS_RETENTION_DAYS_BY_CLIENT", "krn:a"),
                                            ("RETENTION_DAYS_BY_CLIENT", "krn:a=1,krn:a=2")])
def test_bad_rules_are_named(variable, value):
    refused = pebbles("config", env={variable: value})
    assert refused.returncode == 2 and refused.stderr.startswith(f"pebbles: {variable}={value}: must be "), refused.stderr


@pytest.mark.parametrize("days", ["sqlite"], indirect=True)
def test_what_comes_behind_a_burial_is_shown_and_survives(days):
    """A burial takes the newest rows of the log; what is counted after a restart stands behind them all the same."""
    api = days.at(-2)
    api.report(krn, "kept.csv", done=1)
    api.report_parts(krn, "gone.csv", 8)
    api.delete(krn, "gone.csv")
    feed = f"/clients/{krn}/events"
    cursor = api.http.get(feed, params={"after": "latest"}).json()["next"]
    assert days.prune(-1)["events"] == 81
    api = days.at(0)
    for number in range(3):
        api.report(krn, "kept.csv", done=10)
        api.report(krn, f"new-{number}.csv", done=1)
    api.server.kill()
    api = ApiOfADay(api.server.start(env=off_by(0)))
    assert api.record(krn, "kept.csv")["counts"]["done"] == 31
    events = api.http.get(feed, params={"after": cursor}).json()["events"]
    assert Counter(event["filename"] for event in events) == {"kept.csv": 3, "new-0.csv": 1, "new-1.csv": 1,
                                                              "new-2.csv": 1}
    days.go_to(0)
    days.verify_clean()
