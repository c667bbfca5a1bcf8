"""Lists that find by status, name, time and order, what records tell of their own pace, and summaries."""
import contextlib
import datetime
import itertools
import re
import sqlite3
import time
from urllib.parse import quote

import bson
import harness
import mongo
import pytest
from api_read_test import walk
from api_support import Api, assert_problem, path_of, pebbles
from harness import bearer, mint, update, wait_until

counted = ("files", "running", "completed", "withErrors", "withWarnings", "stalled")


@pytest.fixture(scope="module")
def api(any_server):
    return Api(any_server)


def summary_of(api, krn, **how):
    answer = api.http.get(f"/clients/{quote(krn, safe=':')}/summary", **how)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(records):
    return [record["filename"] for record in records]


def found(api, krn, **parameters):
    """What a list finds: all at once, and the same page by page."""
    whole = names(api.listed(krn, **parameters))
    paged = [name for page in walk(api, krn, limit=2, **parameters) for name in names(page)]
    assert paged == whole
    return whole


def fill(api, krn):
    """Files of every kind; the server's time between them is in the answer."""
    api.report(krn, "a/running.csv", done=1)
    api.report(krn, "a/failed.csv", failed=1)
    api.report(krn, "b/error.csv", errors=[{"message": "x"}])
    time.sleep(0.01)
    between = api.record(krn, "b/error.csv")["createdAt"]
    api.report(krn, "b/warned.csv", warn=1)
    api.report(krn, "b/warning.csv", warnings=[{"message": "x"}], isLast=True)
    api.report(krn, "c*.csv", isLast=True, token=mint("other@example.com"))
    return between


def test_lists_find_what_they_are_asked_for(api, krn):
    between = fill(api, krn)
    newest = ["c*.csv", "b/warning.csv", "b/warned.csv", "b/error.csv", "a/failed.csv", "a/running.csv"]
    rows = [({}, newest),
            ({"status": "running"}, newest[2:]),
            ({"status": "completed"}, newest[:2]),
            ({"status": "with-errors"}, ["b/error.csv", "a/failed.csv"]),
            ({"status": "with-warnings"}, ["b/warning.csv", "b/warned.csv"]),
            ({"status": "stalled"}, []),
            ({"filenamePrefix": "b/"}, newest[1:4]),
            ({"filenamePrefix": "b/warn", "status": "completed"}, ["b/warning.csv"]),
            ({"filenamePrefix": "c*"}, ["c*.csv"]),
            ({"filenamePrefix": "%"}, []),
            ({"email": "other@example.com", "status": "completed"}, ["c*.csv"]),
            ({"createdAfter": between}, newest[:3]),
            ({"updatedAfter": between, "status": "running"}, ["b/warned.csv"]),
            ({"updatedAfter": "2999-12-31T23:59:59.999999Z"}, []),
            ({"createdAfter": "0001-01-01T00:00:00Z", "sort": "createdAt"}, newest[::-1]),
            ({"sort": "updatedAt"}, newest[::-1]),
            ({"sort": "-createdAt"}, newest),
            ({"sort": "filename"}, sorted(newest)),
            ({"sort": "-filename", "filenamePrefix": "a/"}, ["a/running.csv", "a/failed.csv"])]
    for parameters, expected in rows:
        assert found(api, krn, **parameters) == expected, parameters
    assert found(api, krn + ":2", status="running") == []
    # An exact name wins, and is what it was.
    assert api.get(krn, filename="a/running.csv", status="completed", sort="filename").json()["counts"]["done"] == 1


def test_a_cursor_is_of_its_filters_and_order(api, krn):
    fill(api, krn)
    asked = {"status": "running", "filenamePrefix": "b/", "sort": "filename", "createdAfter": "2020-01-01T00:00:00Z",
             "updatedAfter": "2020-01-01T00:00:00Z", "email": harness.owner}
    link = api.get(krn, limit=1, **asked).headers["Link"]
    reference = re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]
    cursor = reference.rpartition("cursor=")[2]
    assert names(api.listed(krn, cursor=cursor, **asked)) == ["b/warned.csv"]
    for name in asked:
        other = {**asked, name: {"status": "completed", "filenamePrefix": "b", "sort": "-filename",
                                 "email": "x@y.z"}.get(name, "2020-01-01T00:00:01Z")}
        missing = {key: value for key, value in asked.items() if key != name}
        for parameters in (other, missing):
            assert_problem(api.get(krn, cursor=cursor, **parameters), 400,
                           "Invalid parameters: cursor is not one of this list: start again without cursor")


bad_values = {"status": ["", "done", "RUNNING", "running,completed"], "filenamePrefix": [""],
              "createdAfter": ["", "now", "1700000000", "2025-02-30T00:00:00Z", "2025-06-04T12:00:00+02:00"],
              "updatedAfter": ["", "2025-06-04", "2025-06-04T25:00:00Z"],
              "sort": ["", "id", "--filename", "filename,createdAt", "Filename"]}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in bad_values.items() for value in values])
def test_a_bad_parameter(api, krn, name, value):
    for more in ({}, {"filename": "x"}):
        assert_problem(api.get(krn, **{name: value}, **more), 400, "Invalid parameters: ")


@pytest.mark.parametrize("name", bad_values)
def test_a_parameter_given_twice(api, krn, name):
    good = {"status": "running", "filenamePrefix": "a", "sort": "filename"}.get(name, "2025-06-04T12:00:00Z")
    assert api.get(krn, **{name: good}).status_code == 200
    answer = api.http.get(f"{path_of(krn)}?{name}={quote(good)}&{name}={quote(good)}")
    assert_problem(answer, 400, f"Invalid parameters: {name} is given more than once")


def test_a_record_tells_its_pace(api, krn):
    api.report(krn, "a", done=100, total=1000)
    first = api.shown(krn, filename="a")
    assert (first["percent"], first["ratePerSecond"], first["etaSeconds"], first["stalled"]) == (10, None, None, False)
    time.sleep(0.3)
    api.report(krn, "a", done=50, warn=30, failed=20)
    second = api.shown(krn, filename="a")
    took = (datetime.datetime.fromisoformat(second["updatedAt"].replace("Z", "+00:00"))
            - datetime.datetime.fromisoformat(second["createdAt"].replace("Z", "+00:00"))).total_seconds()
    assert second["percent"] == 20
    assert second["ratePerSecond"] == pytest.approx(100 / took, abs=0.01)
    assert 0 <= second["etaSeconds"] <= 800 * took / 100 + 1
    api.report(krn, "a", isLast=True)
    last = api.shown(krn, filename="a")
    assert (last["percent"], last["etaSeconds"], last["idleSeconds"], last["stalled"]) == (100, None, None, False)
    assert api.shown(krn)[0] == last


def test_what_stands_still_is_stalled(make_server, krn):
    api = Api(make_server(env={"STALLED_AFTER_S": "1"}).start())
    api.report(krn, "slow", done=1)
    api.report(krn, "done", isLast=True)
    fresh = api.get(krn, filename="slow")
    fresh_list = api.get(krn)
    wait_until(lambda: api.shown(krn, filename="slow")["stalled"], what="stalled")
    stalled = api.shown(krn, filename="slow")
    assert stalled["idleSeconds"] >= 1 and not api.shown(krn, filename="done")["stalled"]
    # To be stalled is news, to whoever has the record as it was; how long it is, is not.
    tag = {"If-None-Match": fresh.headers["ETag"]}
    assert api.get(krn, filename="slow", headers=tag).status_code == 200
    assert api.get(krn, headers={"If-None-Match": fresh_list.headers["ETag"]}).status_code == 200
    tag = {"If-None-Match": api.get(krn, filename="slow").headers["ETag"]}
    assert api.get(krn, filename="slow", headers=tag).status_code == 304
    assert found(api, krn, status="stalled") == ["slow"]
    wait_until(lambda: summary_of(api, krn)["stalled"] == 1, what="a summary that knows")
    api.report(krn, "slow", done=1)
    assert found(api, krn, status="stalled") == [] and not api.shown(krn, filename="slow")["stalled"]


def test_a_summary(api, krn):
    assert [summary_of(api, krn)[name] for name in counted] == [0] * 6
    fill(api, krn)
    expected = [6, 4, 2, 2, 2, 0]
    wait_until(lambda: [summary_of(api, krn)[name] for name in counted] == expected, 5, "the summary")
    summary = summary_of(api, krn)
    assert summary["clientKrn"] == krn and set(summary) == {"clientKrn", "asOf", *counted}
    as_of = datetime.datetime.fromisoformat(summary["asOf"].replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - as_of).total_seconds()) < 5
    api.report(krn, "a/running.csv", isLast=True)
    wait_until(lambda: summary_of(api, krn)["completed"] == 3, 5, "the summary")
    assert summary_of(api, krn + ":2")["files"] == 0
    assert_problem(api.http.get("/clients/acme/summary"), 400, "Invalid parameters: ")


def test_summaries_need_a_token_where_reads_do(make_server, krn):
    api = Api(make_server(env={"PUBLIC_READS": "false", "JWT_CLIENT_CLAIM": "client"}).start())
    path = f"/clients/{krn}/summary"
    assert api.http.get(path).status_code == 401
    assert api.http.get(path, headers=bearer(mint(client="krn:other"))).status_code == 403
    assert api.http.get(path, headers=bearer(mint(client=krn))).status_code == 200
    for parameters in ({"status": "running"}, {"sort": "filename"}, {"status": "nonsense"}):
        assert api.get(krn, **parameters).status_code == 401


# What it costs the store


@contextlib.contextmanager
def profiled(database, work):
    """What the server did on `progress` meanwhile for those who asked, in `work`: the upkeep walks along `_id` beside."""
    database["system.profile"].drop()
    database.command("profile", 2)
    try:
        yield
    finally:
        database.command("profile", 0)
    costs = {name: 1 for name in ("op", "keysExamined", "docsExamined", "planSummary", "hasSortStage")}
    asked = {"ns": f"{database.name}.progress", "planSummary": {"$ne": "IXSCAN { _id: 1 }"}}
    work += database["system.profile"].find(asked, costs)


@pytest.fixture(scope="module")
def many(one_node, tmp_path_factory):
    """A client with 30,000 files on MongoDB, of which a handful are sought, and the database."""
    name = mongo.new_database()
    server = mongo.MongoServer(tmp_path_factory.mktemp("many"), one_node.uri(name)).start()
    start = datetime.datetime(2025, 6, 4, tzinfo=datetime.timezone.utc)
    documents = [{"_id": bson.ObjectId(f"{int(start.timestamp()) + number // 7:08x}{number:016x}"),
                  "clientKrn": "krn:many", "filename": f"{'f' if number % 6000 else 'x'}-{number:06}",
                  "email": f"{number % 3}@example.com", "total": None,
                  "counts": {"done": number, "warn": 0, "failed": 0},
                  "isCompleted": number % 6000 != 0, "createdAt": start + datetime.timedelta(seconds=number // 7),
                  "updatedAt": start + datetime.timedelta(seconds=number // 5), "errors": [], "warnings": [],
                  "errorCount": 0, "warningCount": 0, "version": 1, "rev": 0, "fold": 1,
                  "head": {"first": 1, "hash": bytes(32)}, "state": int(number % 6000 != 0)}
                 for number in range(30_000)]
    client = one_node.client()
    database = client[name]
    database.progress.insert_many(documents, ordered=False)
    yield Api(server), database
    server.stop()
    client.close()


@pytest.mark.parametrize("sort, email", [*itertools.product(
    ["-updatedAt", "updatedAt", "-createdAt", "createdAt", "-filename", "filename"], [None]),
    ("-updatedAt", "0@example.com")])
def test_a_page_examines_no_more_than_it_may(many, sort, email):
    api, database = many
    asked = {"status": "running", "sort": sort, **({"email": email} if email else {})}
    finds = []
    with profiled(database, finds):
        pages = list(walk(api, "krn:many", **asked))
    assert len([record for page in pages for record in page]) == 5
    assert len(pages) == (1 if email else 3)
    assert len(finds) >= len(pages)
    for find in finds:
        assert find["keysExamined"] <= 10_002 and find["docsExamined"] <= 10_001, find
        assert "IXSCAN" in find["planSummary"] and not find.get("hasSortStage"), find


def test_a_name_s_beginning_is_a_range_where_names_are_the_order(many):
    api, database = many
    finds = []
    with profiled(database, finds):
        assert len(api.listed("krn:many", filenamePrefix="x-", sort="filename")) == 5
    assert [find["docsExamined"] for find in finds] == [5]


def test_what_was_completed_long_ago_is_not_counted_again(many):
    api, database = many
    asked = [summary_of(api, "krn:many")]
    assert [asked[0][name] for name in counted] == [30_000, 5, 29_995, 0, 0, 5]
    time.sleep(2.1)  # kept for two seconds
    work = []
    with profiled(database, work):
        asked.append(summary_of(api, "krn:many"))
    assert asked[1].pop("asOf") > asked[0].pop("asOf") and asked[0] == asked[1]
    assert sum(one.get("keysExamined", 0) for one in work) < 100
    assert sum(one.get("docsExamined", 0) for one in work) == 0


def test_a_disturbance_has_all_counted_again(many):
    """As rebuilding does, and whoever takes files away."""
    api, database = many
    before = summary_of(api, "krn:many")["completed"]
    gone = database.progress.find_one_and_delete({"clientKrn": "krn:many", "state": 1})
    database.pebbles_clients.update_one({"_id": "krn:many"}, {"$inc": {"disturbances": 1}}, upsert=True)
    wait_until(lambda: summary_of(api, "krn:many")["completed"] == before - 1, 5, "the summary")
    database.progress.insert_one(gone)
    database.pebbles_clients.update_one({"_id": "krn:many"}, {"$inc": {"disturbances": 1}}, upsert=True)


def test_documents_without_a_state_are_counted_and_get_one(many):
    api, database = many
    started = datetime.datetime(2025, 6, 4)
    database.progress.insert_many([
        {"clientKrn": "krn:old", "filename": f"{number}", "email": "a@b.c",
         "counts": {"done": 1, "warn": number % 2, "failed": 0},
         "isCompleted": number % 2 == 0, "createdAt": started, "updatedAt": started,
         "errors": [{"pattern": "x", "lines": [{"line": 1, "values": []}]}] if number == 0 else [], "warnings": []}
        for number in range(4)])
    assert [summary_of(api, "krn:old")[name] for name in counted] == [4, 2, 2, 1, 2, 2]
    api.server.restart()  # it looks for them when it starts, and then every ten minutes
    api.http = api.server.client()
    wait_until(lambda: database.progress.count_documents({"clientKrn": "krn:old", "state": {"$exists": True}}) == 4, 10,
               "the states")
    assert [summary_of(api, "krn:old")[name] for name in counted] == [4, 2, 2, 1, 2, 2]
    assert {row["filename"]: row["state"] for row in database.progress.find({"clientKrn": "krn:old"})} == {
        "0": 3, "1": 4, "2": 1, "3": 4}


def test_a_store_of_the_first_schema_is_brought_up(make_server, krn):
    server = make_server().start()
    api = Api(server)
    fill(api, krn)
    server.stop()
    path = server.folder / "data" / "pebbles.db"
    with sqlite3.connect(path) as database:
        for trigger in ("added", "changed", "removed"):
            database.execute(f"DROP TRIGGER progress_{trigger}")
        for table in ("client_states", "kept_keys", "tombstones"):
            database.execute(f"DROP TABLE {table}")
        for index in ("running", "completed"):
            database.execute(f"DROP INDEX progress_{index}_idx")
        for column in ("state", "born"):
            database.execute(f"ALTER TABLE progress DROP COLUMN {column}")
        database.execute("PRAGMA user_version=1")
    database.close()
    copy = server.folder / "copy.db"
    assert pebbles("backup", "--embedded", server.folder / "data", copy).returncode == 0
    server.start()
    api.http = server.client()
    assert [summary_of(api, krn)[name] for name in counted] == [6, 4, 2, 2, 2, 0]
    assert found(api, krn, status="with-errors") == ["b/error.csv", "a/failed.csv"]
