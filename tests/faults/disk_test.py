"""A disk that fills up, and a disk that fails to sync."""
import re
import shutil
import subprocess
import time

import harness
import pytest
from api_support import Api, Connection, assert_problem, pebbles
from history import check
from load import Load, krn, verify_clean


@pytest.fixture
def mount_small(tmp_path):
    """mount_small(path, megabytes) puts a small file system there until the test's end."""
    mounted = []

    def mount(path, megabytes):
        path.mkdir(parents=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "pebbles-test", str(path)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mount is refused here: {done.stderr.strip()}")
        mounted.append(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path):
    """A file that takes all that is left, to the last byte."""
    with open(path, "wb", buffering=0) as ballast:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                pass


def log_events(server):
    return re.findall(r"store_(?:refuses_commits|commits_again)", server.log_text())


def test_disk_full(mount_small, make_server, tmp_path, seed):
    folder = tmp_path / "server"
    mount_small(folder / "data", 16)
    server = make_server(folder).start()
    load = Load(server, seed, threads=4)
    with load:
        load.wait_acknowledged(100)
    load.check()
    api = Api(server)
    before = load.totals()
    body = harness.update("big.csv", done=1, errors=[{"message": "x" * 20_000}])
    accepted = 1
    assert api.post(krn + ":big", body, key="big-0").status_code == 200
    ballast = folder / "data" / "ballast"
    fill(ballast)

    def post_big():
        return api.post(krn + ":big", body, key=f"big-{accepted}")

    def post_until_refused():
        """The log has some room left in its file, which is used up first."""
        nonlocal accepted
        while (answer := post_big()).status_code == 200:
            accepted += 1
            assert accepted < 3000, "a full disk takes everything"
        assert_problem(answer, 503, None)
        assert int(answer.headers["Retry-After"]) >= 1

    post_until_refused()

    with load:  # everything fails and nothing is harmed
        time.sleep(0.5)
    assert server.running
    assert load.totals().keys() == before.keys()
    assert api.record(krn + ":big", "big.csv")["counts"]["done"] == accepted
    post_until_refused()
    assert log_events(server)[-1] == "store_refuses_commits"
    health = api.http.get("/health")  # a disk that is full is seen; reads go on, so work is still sent here
    assert health.status_code == 503 and "refuses commits: database or disk is full" in health.json()["detail"]
    assert "refuses commits" in api.http.get("/health?verbose").json()["parts"]["store"]["state"]
    assert api.http.get("/readyz").status_code == 200

    ballast.unlink()
    harness.wait_until(lambda: api.http.get("/health").status_code == 200, what="health without an update")
    last = harness.wait_until(lambda: (answer := post_big()).status_code == 200 and answer,
                              what="a commit after room was made")
    assert last.json()["counts"]["done"] == accepted + 1
    assert log_events(server)[-1] == "store_commits_again"
    with load:
        load.wait_acknowledged(50)
    load.check()
    server.restart(kill=True)
    load.check()
    server.stop()
    verify_clean(server)


def test_start_on_a_full_disk(mount_small, make_server, tmp_path, seed):
    """Crashed, then the disk filled up: the start either serves what is there or is refused, and loses nothing."""
    folder = tmp_path / "server"
    mount_small(folder / "data", 16)
    server = make_server(folder).start()
    load = Load(server, seed, threads=4)
    with load:
        load.wait_acknowledged(100)
        server.kill()
    ballast = folder / "data" / "ballast"
    fill(ballast)
    server.start(wait=False)
    try:
        server.wait_healthy(5)
        load.totals()
        server.kill()
    except AssertionError:
        assert server.process.returncode != 0
        server.kill()
    ballast.unlink()
    server.start()
    load.check()


# Failed fsync

def failing(tmp_path, name, call_number):
    """An executable that is Pebbles with every fdatasync and fsync of a thread failing from `call_number` on, and the
    file that tells of it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace, script = tmp_path / f"{name}.trace", tmp_path / name
    script.write_text(f"#!/bin/sh\nexec strace -D -f -y -o '{trace}' -e trace=fdatasync,fsync "
                      f"-e inject=fdatasync,fsync:error=EIO:when={call_number}+ '{harness.binary()}' \"$@\"\n")
    script.chmod(0o755)
    if subprocess.run([script, "--version"], capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")
    return str(script), trace


def made_store(make_server):
    """A server whose store exists: its start has nothing to sync, so that calls are those of the lane."""
    server = make_server().start()
    server.stop()
    return server


def assert_ended_by_a_failed_sync(server, status, trace):
    assert status == 70, f"ended with {status}\n{server.log_tail()}"
    assert "could not be synced" in server.log_text()
    # After the first failure nothing else was tried: a second sync may claim success for what is lost. (SQLite itself
    # ignores a failed sync of the folder.)
    assert len(re.findall(r"pebbles\.db\S*>\).*INJECTED", trace.read_text())) == 1


@pytest.mark.parametrize("call_number", [1, 2, 40])
def test_a_failed_sync_of_one_caller(make_server, tmp_path, seed, call_number):
    """With one caller it is plain whose commit it was: that one alone, the last, has no acknowledgement."""
    server = made_store(make_server)
    server.executable, trace = failing(tmp_path, "failing", call_number)
    server.start()
    load = Load(server, seed, threads=1)
    connection = Connection(server.port)
    for number in range(1000):
        if not load.send(connection, load.history.update("a", with_key=number % 2 == 0)):
            break
    assert_ended_by_a_failed_sync(server, server.wait_dead(10), trace)
    *earlier, last = load.history.updates
    assert all(update.acknowledged for update in earlier) and last.unknown and not last.acknowledged
    server.executable = harness.binary()
    server.start()
    assert not check(load.history, load.totals()), load.explained("before any retry")
    load.check()
    server.stop()
    verify_clean(server)


@pytest.mark.parametrize("bursts", [False, True], ids=["commits", "checkpoints"])
def test_a_failed_sync_under_load(make_server, tmp_path, seed, bursts):
    server = made_store(make_server)
    server.executable, trace = failing(tmp_path, "failing", 25)
    server.start()
    load = Load(server, seed, bursts=bursts)
    with load:
        status = server.wait_dead(20)
    assert_ended_by_a_failed_sync(server, status, trace)
    server.executable = harness.binary()
    server.start()
    load.check()
    with load:
        load.wait_acknowledged(50)
    load.check()


@pytest.mark.parametrize("call_number", [1, 2, 3])
def test_a_failed_sync_while_idle(make_server, tmp_path, seed, call_number):
    """Snapshots are written out and copied when nobody waits: what was acknowledged before is kept."""
    server = make_server().start()
    load = Load(server, seed)
    with load:
        load.wait_acknowledged(200)
        server.kill()
    server.executable, trace = failing(tmp_path, "failing", call_number)
    server.start(wait=False)
    assert_ended_by_a_failed_sync(server, server.wait_dead(10), trace)
    server.executable = harness.binary()
    server.start()
    load.check()


def test_a_failed_sync_at_the_first_start(make_server, tmp_path):
    server = make_server()
    server.executable, _ = failing(tmp_path, "failing", 1)
    server.start(wait=False)
    assert server.wait_dead(10) in (2, 70)
    assert "pebbles.db" in server.log_text()
    server.executable = harness.binary()
    server.start()
    Api(server).report(krn, done=1)


def test_a_backup_to_a_full_disk_leaves_nothing_behind(mount_small, make_server, tmp_path, seed):
    server = make_server().start()
    load = Load(server, seed, files=200)
    with load:
        load.wait_acknowledged(300)
    mount_small(tmp_path / "small", 16)
    fill(tmp_path / "small" / "ballast")
    refused = pebbles("backup", *server.store_arguments, tmp_path / "small" / "backup.db")
    assert refused.returncode == 2 and "full" in refused.stderr, refused
    assert [path.name for path in (tmp_path / "small").iterdir()] == ["ballast"]
    load.check()
