"""Documents of the earlier service are served, listed on every page, adopted and converted; and every command of ingest
names client and file, so that a sharded cluster sends it to one shard."""
import contextlib
import datetime
import itertools
import re
import time

import bson
import harness
import pytest
from api_support import Api, assert_problem, path_of, pebbles, stored
from harness import update, wait_until
from load import verify, verify_clean
from wire import WireProxy

krn = "krn:acme:client:123"
owner = "user@acme.com"
utc = datetime.timezone.utc


def sample(**changes):
    """The document that the architecture brief shows, as it stands."""
    return {"_id": bson.ObjectId(), "clientKrn": krn, "filename": "sales_data.csv", "email": owner,
            "counts": {"done": 9500, "warn": 25, "failed": 10}, "total": 10000, "isCompleted": False,
            "createdAt": "2024-01-01T10:00:00Z", "updatedAt": "2024-01-01T15:30:00Z",
            "errors": [{"line": 145, "message": "Invalid format"}],
            "warnings": [{"line": 89, "message": "Deprecated field"}], **changes}


@pytest.fixture
def progress(one_node, database):
    with one_node.client() as client:
        yield client[database].progress


@pytest.fixture
def start(make_server, one_node, database):
    return lambda: Api(make_server(uri=one_node.uri(database), env={"LOG_LEVEL": "debug"}).start())


def wait_for_the_conversion(api):
    """The first look through all documents after a start; the next is minutes away."""
    api.server.wait_logged("documents_converted", 30)


def test_the_sample_is_served_adopted_and_continued(start, progress, database):
    document = sample()
    progress.insert_one(document)
    api = start()
    record = api.record(krn, "sales_data.csv")
    assert record == {
        "id": str(document["_id"]), "clientKrn": krn, "filename": "sales_data.csv", "email": owner,
        "counts": {"done": 9500, "warn": 25, "failed": 10}, "total": 10000, "isCompleted": False,
        "createdAt": "2024-01-01T10:00:00.000Z", "updatedAt": "2024-01-01T15:30:00.000Z",
        "errors": [{"line": 145, "message": "Invalid format"}],
        "warnings": [{"line": 89, "message": "Deprecated field"}],
        "errorCount": 1, "warningCount": 1, "completedAt": None, "version": 0}
    assert api.listed(krn) == [record] and api.listed(krn, email=owner) == [record]
    assert stored(api.get(krn, record["id"]).json()) == record
    assert_problem(api.post(krn, update("sales_data.csv", done=1)), 403,
                   "Only the original creator can update this file's progress")

    token = harness.mint(owner)
    body = update("sales_data.csv", done=500, errors=[{"message": "late"}], isLast=True)
    answer = api.post(krn, body, token=token, key="last")
    assert answer.status_code == 200 and answer.json()["result"] == "updated", answer.text
    replay = api.post(krn, body, token=token, key="last")
    assert replay.headers["Idempotent-Replayed"] == "true"
    later = api.record(krn, "sales_data.csv")
    assert (later["id"], later["createdAt"], later["version"]) == (record["id"], record["createdAt"], 2)
    assert later["counts"] == {"done": 10000, "warn": 25, "failed": 10} and later["isCompleted"]
    assert later["errors"] == [{"line": 145, "message": "Invalid format"}, {"message": "late"}]

    kept = progress.find_one({"_id": document["_id"]})
    assert isinstance(kept["createdAt"], datetime.datetime) and isinstance(kept["updatedAt"], datetime.datetime)
    chunks = list(progress.database.progress_events.find())
    assert [chunk["n"] for chunk in chunks] == [2]
    assert "older than the log" not in verify_clean(api.server).stdout


def test_times_are_converted_in_place_in_the_background(start, progress):
    """And nothing else of the document, but that it gets its state; a second owner's is left as it is but for its times, and named by `verify`."""
    documents = [sample(filename=f"file-{number}", updatedAt=f"2024-01-01T15:30:{number % 60:02}Z", extra="kept")
                 for number in range(1500)]
    documents.append(sample(filename="file-0", email="late@acme.com", createdAt="2024-01-02T10:00:00Z"))
    progress.insert_many(documents)
    api = start()
    wait_until(lambda: not progress.count_documents({"$or": [{"createdAt": {"$type": "string"}},
                                                             {"updatedAt": {"$type": "string"}}]}), 15, "the conversion")
    for before in documents:
        now = progress.find_one({"_id": before["_id"]})
        for name in ("createdAt", "updatedAt"):
            before[name] = datetime.datetime.fromisoformat(before[name]).replace(tzinfo=None)
        assert now.pop("state") == 6  # it has errors and warnings
        assert now == before
    assert api.record(krn, "file-0")["email"] == owner
    assert api.post(krn, update("file-0", done=1), token=harness.mint("late@acme.com")).status_code == 403
    found = verify(api.server)
    assert found.returncode == 1 and "has a second owner, late@acme.com" in found.stdout
    assert "1501 files are older than the log" in found.stdout


ids_in_order = [  # of one type behind the other, as the server sorts them
    *[bson.MinKey(), None], *range(400), *[f"id-{number:04}" for number in range(400)],
    *[{"of": number} for number in range(400)], *[bytes([number]) for number in range(200)],
    *[bson.ObjectId(f"{number:024x}") for number in range(3000)], False, True,
    *[datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=number) for number in range(600)],
    bson.Timestamp(1, 1)]


@contextlib.contextmanager
def watched(progress, **which):
    """What was done on `progress`, of these kinds, and with the rows of instances meanwhile."""
    database, commands = progress.database, []
    rows = {"ns": f"{database.name}.pebbles_instances", "op": "update"}
    database.command("profile", 1, filter={"$or": [{"ns": f"{database.name}.progress", **which}, rows]})
    try:
        yield commands
    finally:
        database.command("profile", 0, filter="unset")
        commands += database["system.profile"].find({}).sort("$natural", 1)
        database["system.profile"].drop()


def walks(progress, commands):
    """The finds of the conversion among them. Each looks at few documents, and few follow one another without a
    heartbeat in between."""
    is_find = [command["ns"] == progress.full_name for command in commands]
    assert all(len(list(group)) <= 16 for is_one, group in itertools.groupby(is_find) if is_one)
    finds = [command for command, is_one in zip(commands, is_find) if is_one]
    for found in finds:
        assert found["op"] == "query" and is_of_the_upkeep(found["command"]), found
        assert found["planSummary"] == "IXSCAN { _id: 1 }" and not found.get("hasSortStage"), found
        assert found["docsExamined"] <= 2000 and found["keysExamined"] <= 2001, found
    return finds


def is_converted(progress):
    return not progress.count_documents({"$or": [{"state": {"$exists": False}}, {"createdAt": {"$type": "string"}},
                                                 {"updatedAt": {"$type": "string"}}]})


def test_a_conversion_looks_at_a_bounded_page_between_two_heartbeats(start, progress):
    """Whatever the documents' ids are; and one that is refused keeps no other from its turn."""
    progress.insert_many([sample(_id=key, filename=f"file-{number}") for number, key in enumerate(ids_in_order)])
    progress.insert_one(sample(_id="id-", filename="refused"))
    progress.database.command("collMod", "progress", validator={"filename": {"$ne": "refused"}})
    with watched(progress, op={"$in": ["query", "getmore"]}) as commands:
        api = start()
        wait_for_the_conversion(api)
        api.server.stop()
    assert progress.count_documents({"state": 6}) == len(ids_in_order)
    finds = walks(progress, commands)
    assert len(finds) >= 4
    assert len(ids_in_order) < sum(found["docsExamined"] for found in finds) <= len(ids_in_order) + 1 + len(finds)
    progress.delete_one({"filename": "refused"})
    assert is_converted(progress)
    with watched(progress, op={"$ne": "command"}) as commands:  # what has all that is looked for is looked at, and no more
        api = start()
        wait_for_the_conversion(api)
        api.server.stop()
    assert sum(found["docsExamined"] for found in walks(progress, commands)) >= len(ids_in_order)


def test_a_conversion_that_fails_waits_and_goes_on(make_server, standalone, database):
    failing = {"failCommands": ["find"], "namespace": f"{database}.progress", "errorCode": 50}
    with standalone.client() as client:
        progress = client[database].progress
        progress.insert_many([sample(filename=f"file-{number}") for number in range(150)])
        standalone.fail_point("failCommand", "alwaysOn", **failing)
        try:
            server = make_server(uri=standalone.uri(database), env={"LOG_LEVEL": "debug"}).start()
            server.wait_logged("database_away", 30)
            server.wait_logged("database_answers_again", 30)  # heartbeats go on, and do not try again each time
        finally:
            failed = client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})["count"]
        assert failed == 1 and not is_converted(progress)
        wait_until(lambda: is_converted(progress), 15, "the conversion")
        assert Api(server).record(krn, "file-149")["createdAt"] == "2024-01-01T10:00:00.000Z"
        server.stop()


def test_completed_files_are_deleted_by_age(make_server, one_node, progress, database):
    """By their last update, whether that is a text or a date; what has no time that can be read stays."""
    old, young = "2024-01-01T15:30:00Z", datetime.datetime.now(utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    def date(text):
        return datetime.datetime.fromisoformat(text)

    documents = [sample(filename=f"old-{number}", isCompleted=True, updatedAt=old if number % 2 else date(old))
                 for number in range(1200)]
    kept = [sample(filename="running"), sample(filename="young", isCompleted=True, updatedAt=young),
            sample(filename="young date", isCompleted=True, updatedAt=date(young)),
            sample(filename="touched", isCompleted=True, updatedAt=date(young), createdAt=old),
            sample(filename="no time", isCompleted=True, updatedAt="soon", createdAt="now")]
    progress.insert_many([*documents, *kept])
    api = Api(make_server(uri=one_node.uri(database)).start(env={"RETENTION_DAYS": "30", "PRUNE_INTERVAL_S": "1"}))
    names = {document["filename"] for document in kept}
    def shown():
        return {record["filename"] for record in api.listed(krn, limit=2000)}

    wait_until(lambda: len(shown()) <= len(names), 60, "the old ones to go")
    assert shown() == names
    assert progress.find_one({"filename": "young"})["completedAt"] == date(young).replace(tzinfo=None)
    assert progress.count_documents({"filename": {"$in": list(names)}, "completedAt": {"$exists": True}}) == 3
    api.server.stop()
    rules = {**api.server.store_env, "RETENTION_DAYS": "30"}
    again = pebbles("prune", "--store", "mongodb", env=rules)
    assert again.stdout.startswith("0 files deleted"), again.stdout + again.stderr
    verify_clean(api.server)


def test_documents_with_times_of_either_kind_are_on_every_page(start, progress):
    api = start()
    wait_for_the_conversion(api)  # what is inserted now stays as it is
    documents = []
    for number in range(60):
        date = datetime.datetime(2024, 1, 1, 10, number // 3, number % 3, tzinfo=utc)
        text = date.strftime("%Y-%m-%dT%H:%M:%SZ")
        documents.append(sample(filename=f"file-{number:02}", email=owner if number % 2 else "else@acme.com",
                                updatedAt=date if number % 5 < 2 else text, createdAt=text))
    progress.insert_many(documents)
    for parameters, expected in (({}, range(60)), ({"email": owner}, range(1, 60, 2))):
        names = [record["filename"] for page in pages(api, limit="7", **parameters) for record in page]
        assert names == [f"file-{number:02}" for number in reversed(expected)]
    verify_clean(api.server)


def pages(api, **parameters):
    answer = api.get(krn, **parameters)
    while True:
        assert answer.status_code == 200, answer.text
        yield answer.json()
        if "Link" not in answer.headers:
            return
        answer = api.http.get(answer.url.join(re.match(r"<([^>]+)>", answer.headers["Link"])[1]))


def equal_members(part):
    """The members that a filter holds to a value or to some, with those of its clauses when every clause has them."""
    out = {name for name, value in part.items() if not name.startswith("$")
           and (not isinstance(value, dict) or set(value) == {"$in"})}
    if "$or" in part:
        out |= set.intersection(*(equal_members(clause) for clause in part["$or"]))
    return out


def targets(command):
    """(collection, what the members are of, the members by which a router finds the shard) of each part."""
    name, collection = next(iter(command.items()))
    if name == "insert":
        return [(collection, name, set(document)) for document in command["documents"]]
    if name == "update":
        return [(collection, name, equal_members(part["q"])) for part in command["updates"]]
    if name == "find":
        return [(collection, name, equal_members(command["filter"]))]
    assert collection == "pebbles_instances" or name not in ("delete", "aggregate", "findAndModify", "count",
                                                             "distinct"), command
    return []


def is_of_the_upkeep(command):
    """Housekeeping of all clients at once: the walk through all documents for what the earlier service left."""
    return command.get("find") == "progress" and "min" in command and command["hint"] == {"_id": 1}


def snapshots(mongod, database):
    with mongod.client() as client:
        return {found["filename"]: found.get("version") for found in client[database].progress.find({"clientKrn": krn})}


def test_every_command_names_client_and_file(make_server, standalone, database):
    """What goes to a standalone server goes the same way to a sharded cluster."""
    with standalone.client() as client:
        client[database].progress.insert_one(sample(filename="old"))
    with WireProxy(standalone.port) as proxy:
        server = make_server(uri=proxy.uri(database)).start()
        api = Api(server)
        settle = len(proxy.commands)
        for number in range(3):
            for filename in ("a", "b"):
                api.report(krn, filename, done=1, key=f"key-{number}")
        api.report(krn, "a", done=1, key="key-0")
        api.post(krn, update("old", done=1), token=harness.mint(owner))
        record = api.record(krn, "a")
        wait_until(lambda: snapshots(standalone, database) == {"a": 3, "b": 3, "old": 2}, 10, "the snapshots")
        ingest = [part for command in proxy.commands[settle:] if not is_of_the_upkeep(command)
                  for part in targets(command) if part[0] in ("progress", "progress_events")]
        assert {part[:2] for part in ingest} == {(collection, name) for collection in ("progress", "progress_events")
                                                 for name in ("find", "insert", "update")} - {("progress_events", "update")}
        assert [part for part in ingest if not {"clientKrn", "filename"} <= part[2]] == []

        # A list and a record by its id have no file name: the client is named, whose shards are asked.
        settle = len(proxy.commands)
        api.listed(krn)
        api.listed(krn, email=owner)
        assert api.http.get(path_of(krn, record["id"])).status_code == 200
        reads = [part for command in proxy.commands[settle:] if not is_of_the_upkeep(command)
                 for part in targets(command) if part[0] == "progress"]
        assert len(reads) >= 5 and all("clientKrn" in part[2] for part in reads)
        assert not [command for command in proxy.commands if "commitTransaction" in command]
        assert pebbles("verify", *server.store_arguments, env=server.store_env).returncode == 0
        server.stop()
