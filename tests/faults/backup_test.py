"""Backup under load and restore, as docs/operations.md has them: what was acknowledged before a backup is in it, it
can be proved, and callers that then send everything again, with their keys, arrive at the very same totals."""
import contextlib
import shutil

import harness
import mongo
import pymongo
import pymongo.errors
import pytest
from api_support import Api, Connection, pebbles
from load import Load, data_of, krn, totals_of, verify_clean

more = 2_000 if harness.long_rounds else 300


def acknowledged(load):
    return [update for update in load.history.updates if update.acknowledged]


def backed_up(server, file):
    return pebbles("backup", *server.store_arguments, file, env=server.store_env)


def check_restored(server, load, before):
    """`before` are the updates that were acknowledged when the backup began."""
    verify_clean(server)
    server.start()
    connection = Connection(server.port)
    for update in acknowledged(load):
        body = {"filename": update.filename, "counts": {"done": update.mark, "warn": update.warn, "failed": 0}}
        status, headers, answer = connection.post(krn, body, update.key)
        assert status == 200, answer
        if update in before:
            assert headers["Idempotent-Replayed"] == "true", load.explained(f"{update} is not in the backup")
    connection.close()
    assert totals_of(Api(server).listed(krn)) == load.totals()
    verify_clean(server)


def put_in_place(file, server):
    data_of(server).mkdir(parents=True)
    shutil.copy(file, data_of(server) / "pebbles.db")


@pytest.mark.parametrize("moment", ["under load", "after a kill", "after a stop"])
def test_the_embedded_store(make_server, tmp_path, seed, moment):
    server, restored = make_server().start(), make_server()
    file = tmp_path / "backup.db"
    load = Load(server, seed, keyed=1)
    with load:
        load.wait_acknowledged(more)
        before = set(acknowledged(load))
        if moment == "under load":
            done = backed_up(server, file)
            load.wait_acknowledged(50)
        else:
            server.kill() if moment == "after a kill" else server.stop()
            done = backed_up(server, file)
            server.start()
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{file.stat().st_size} bytes in {file}\n"
    load.check()
    put_in_place(file, restored)
    check_restored(restored, load, before)


def test_backups_one_after_the_other_hold_no_server_up(make_server, tmp_path, seed):
    server = make_server().start()
    load = Load(server, seed, must_answer=True)
    with load:
        for number in range(5):
            load.wait_acknowledged(20)
            file = tmp_path / f"{number}.db"
            assert backed_up(server, file).returncode == 0
            proved = pebbles("verify", "--store", f"sqlite:{file}")
            assert proved.returncode == 0, proved.stdout
    assert not load.failed
    load.check()


def test_what_a_backup_refuses(make_server, tmp_path):
    server = make_server().start()
    Api(server).report(krn, done=1)
    there = tmp_path / "there"
    there.write_text("another's")
    refused = backed_up(server, there)
    assert (refused.returncode, there.read_text()) == (2, "another's") and "is there already" in refused.stderr
    refused = backed_up(server, tmp_path / "no folder" / "file")
    assert refused.returncode == 2 and "there is no folder" in refused.stderr
    refused = pebbles("backup", "--embedded", tmp_path / "nothing", tmp_path / "file")
    assert refused.returncode == 2 and "there is no file" in refused.stderr
    refused = pebbles("backup", tmp_path / "file", env={"MONGO_URI": "mongodb://127.0.0.1/pebbles"})
    assert refused.returncode == 2 and "mongodump" in refused.stderr
    assert not list(tmp_path.glob("file*"))


def snapshot_of_member(replica_set, folder):
    """A secondary's files as they are at one instant, as a volume's snapshot has them; everything that was acknowledged
    before has reached that member."""
    primary = replica_set.wait_steady()
    with primary.client() as client:
        everywhere = pymongo.WriteConcern(w=len(replica_set.members), wtimeout=30_000)
        client.admin.get_collection("backups", write_concern=everywhere).insert_one({})
    member = replica_set.others(primary)[0]
    member.freeze()
    try:
        shutil.copytree(member.folder / "data", folder / "data", ignore=shutil.ignore_patterns("mongod.lock"))
    finally:
        member.thaw()


def stop(mongod):
    with mongod.client() as client, contextlib.suppress(pymongo.errors.AutoReconnect):
        client.admin.command("shutdown")
    assert mongod.process.wait(30) == 0
    mongod.process = None


def as_a_set_of_its_own(folder):
    """A mongod on a member's files. What a majority had is in their oplog, part of it nowhere else."""
    recovery = mongo.Mongod(folder, "--setParameter", "recoverFromOplogAsStandalone=true", "--setParameter",
                            "takeUnstableCheckpointOnShutdown=true").start()
    stop(recovery)
    alone = mongo.Mongod(folder).start()
    with alone.client() as client:
        client.drop_database("local")  # with the set that it was of
    stop(alone)
    member = mongo.Mongod(folder, "--replSet", "restored").start()
    mongo.initiate("restored", [member.port])
    return member


def test_mongodb(make_server, three_nodes, tmp_path, database, seed):
    server = make_server(uri=three_nodes.uri(database)).start()
    load = Load(server, seed, keyed=1)
    with load:
        load.wait_acknowledged(more)
        before = set(acknowledged(load))
        snapshot_of_member(three_nodes, tmp_path / "mongod")
        load.wait_acknowledged(50)
    load.check()
    member = as_a_set_of_its_own(tmp_path / "mongod")
    try:
        restored = make_server(uri=member.uri(database))
        check_restored(restored, load, before)
        restored.stop()
    finally:
        member.kill()
