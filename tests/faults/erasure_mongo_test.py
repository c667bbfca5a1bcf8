"""`pebbles prune --now` on MongoDB, beside a running server: no document has what was deleted, and the feed still tells of
the deletion."""
import bson.json_util
import mongo
from api_support import Api, pebbles
from erasure_test import Canary, feed, fill, krn
from load import verify_clean


def documents(database):
    """Of all collections, as text."""
    return {name: bson.json_util.dumps(list(database[name].find())) for name in database.list_collection_names()}


def found(database, canary):
    everything = "".join(documents(database).values())
    return [word for word in canary.words() if word.decode() in everything]


def test_prune_now_erases_what_was_deleted(make_server, one_node):
    name = mongo.new_database()
    server = make_server(uri=one_node.uri(name)).start()
    api = Api(server)
    gone, again, brief, stays = (Canary(f"{name}.csv") for name in ("gone", "again", "brief", "stays"))
    fill(api, gone, again, stays)
    brief.report(api, brief.update(0))
    ids = {canary.filename: canary.delete(api) for canary in (gone, again, brief)}
    api.report(krn, again.filename, done=7)
    before = feed(api).json()
    database = one_node.client()[name]
    assert found(database, gone) and found(database, again) and found(database, brief)
    for _ in range(2):
        done = pebbles("prune", "--now", *server.store_arguments, env=server.store_env)
        assert done.returncode == 0, done.stderr
        for canary in (gone, again, brief):
            assert not found(database, canary)
    assert len(found(database, stays)) == len(stays.words())
    told = [event for event in feed(api).json()["events"] if event["kind"] == "deleted"]
    assert {event["filename"]: event["id"] for event in told} == ids
    assert feed(api, after=before["next"]).json()["events"] == []
    assert api.record(krn, again.filename)["counts"]["done"] == 7
    late = api.post(krn, gone.update(3, items=3, times=2000), token=gone.token)
    assert late.status_code == 404, late.text
    verify_clean(server)
    assert api.report(krn, gone.filename, done=3)["counts"]["done"] == 3
    server.stop()
    verify_clean(server)
