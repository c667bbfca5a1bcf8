"""A bad environment stops the start, is named, and leaves every file as it was."""
import hashlib
import socket
import sqlite3
import subprocess
import time

import harness
import httpx
import pytest
from api_support import Api, pebbles
from load import data_of, krn

key = {"JWT_SECRET": harness.secret}


def serve(tmp_path, *arguments, env=None, embedded=True):
    """Starts a server that is expected not to stay."""
    where = ["--embedded", tmp_path / "data"] if embedded else []
    return pebbles("serve", *where, *arguments, env={"PORT": "0", "HOST": "127.0.0.1", **(env or {})}, timeout=15)


def assert_refused(result, *names):
    assert result.returncode > 0, result
    for name in names:
        assert name in result.stderr, f"{name} is not in: {result.stderr}"
    assert harness.secret not in result.stdout + result.stderr


@pytest.mark.parametrize("variable, value", [
    ("PORT", "99999"), ("PORT", "abc"), ("PORT", "-1"), ("PORT", "80 81"), ("PORT", "0x50"), ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"), ("HTTP_THREADS", "0"), ("HTTP_THREADS", "1.5"), ("SHUTDOWN_TIMEOUT_S", "-1"),
    ("SHUTDOWN_DELAY_S", "99999999999999999999"), ("MAX_ERRORS_IN_RECORD", "101"), ("LIST_LIMIT", "0"),
    ("MAX_CONNECTIONS", "many"),
    ("CLIENT_KRN_PATTERN", "("), ("PEBBLES_STORE", "postgres"), ("PEBBLES_STORE", "sqlite:"),
    ("KAFKA_ENABLED", "banana"), ("SQS_ENABLED", "2"), ("PUBLIC_READS", "banana")])
def test_a_bad_value_is_named(tmp_path, variable, value):
    assert_refused(serve(tmp_path, env={**key, variable: value}), variable, value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("flag, value", [("--port", "99999"), ("--port", "abc"), ("--log-format", "xml"),
                                         ("--list-limit", "")])
def test_a_bad_flag_is_named(tmp_path, flag, value):
    assert_refused(serve(tmp_path, flag, value, env=key), flag)


def test_an_unknown_flag_is_refused(tmp_path):
    assert_refused(serve(tmp_path, "--no-such-flag", env=key), "--no-such-flag")


@pytest.mark.parametrize("variable, value", [
    *[("KAFKA_ENABLED", value) for value in ("true", "True", "1", "yes", "ON")], ("SQS_ENABLED", "true")])
def test_a_channel_without_an_address_is_refused(tmp_path, variable, value):
    """To ignore it would leave messages unread."""
    assert_refused(serve(tmp_path, env={**key, variable: value}), variable)


@pytest.mark.parametrize("off", ["false", "False", "0", "no", "off", ""])
def test_what_is_switched_off_is_no_matter(make_server, off):
    make_server(env={"KAFKA_ENABLED": off, "SQS_ENABLED": off, "PUBLIC_READS": "true"}).start()


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert_refused(serve(tmp_path, env={**key, "PORT": port}), port)
        assert_refused(serve(tmp_path, "--port", port, env=key), port)


def test_an_address_that_is_not_ours(tmp_path):
    assert_refused(serve(tmp_path, env={**key, "HOST": "192.0.2.1"}), "192.0.2.1")
    assert_refused(serve(tmp_path, env={**key, "HOST": "no.such.host.invalid"}), "no.such.host.invalid")


def test_no_way_to_verify_tokens(tmp_path):
    result = serve(tmp_path, "--store", f"sqlite:{tmp_path}/pebbles.db", embedded=False)
    assert_refused(result, "JWT_SECRET")
    assert not (tmp_path / "pebbles.db").exists()


def test_too_short_a_secret_is_refused_and_not_shown(tmp_path):
    result = serve(tmp_path, env={"JWT_SECRET": "hunter2-hunter2"})
    assert_refused(result, "JWT_SECRET", "32")
    assert "hunter2" not in result.stderr + result.stdout


def test_a_secret_from_a_file(make_server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(harness.secret + "\n")
    server = make_server(env={"JWT_SECRET": "", "JWT_SECRET_FILE": str(secret)}).start()
    assert Api(server).report(krn, done=1)["result"] == "created"
    assert_refused(serve(tmp_path, env={"JWT_SECRET_FILE": str(tmp_path / "nothing")}), "JWT_SECRET_FILE", "nothing")


@pytest.mark.parametrize("uri", ["http://127.0.0.1", "127.0.0.1:27017", "mongodb://", "mongodb://127.0.0.1:99999",
                                 "mongodb://u:hunter2@127.0.0.1/?w=1", "mongodb://127.0.0.1/?w=0",
                                 "mongodb://127.0.0.1/?journal=false", "mongodb://u:hunter2@127.0.0.1/?w=two"])
def test_a_bad_mongo_uri_is_refused(tmp_path, uri):
    """One that asks for weaker writes too: an acknowledged update could get lost."""
    refused = serve(tmp_path, env={**key, "MONGO_URI": uri}, embedded=False)
    assert_refused(refused, "MONGO_URI")
    assert "hunter2" not in refused.stdout + refused.stderr


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_mongodb_away_at_start(tmp_path, host):
    """It is waited for, and nothing else is served instead."""
    port = harness.free_port()
    with open(tmp_path / "log", "w+") as log:
        process = subprocess.Popen(
            [harness.binary(), "serve"], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**key, "MONGO_URI": f"mongodb://u:hunter2@{host}/x?serverSelectionTimeoutMS=300", "HOST": "127.0.0.1",
                 "PORT": str(port)})
        try:
            def answers(path):
                try:
                    return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10, trust_env=False)
                except httpx.ConnectError:
                    return None
            health = harness.wait_until(lambda: answers("/health"), timeout=15, what="an answer")
            assert health.status_code == 503 and health.headers["Retry-After"]
            answer = answers("/clients/krn:x/progress?filename=a")
            assert answer.status_code == 503 and answer.headers["Content-Type"] == "application/problem+json"
            assert "mongo" not in answer.text.lower()
        finally:
            process.terminate()
            assert process.wait(20) == 0
        log.seek(0)
        said = log.read()
    assert said.count("database_away") == 1, said
    assert "hunter2" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


def test_config_masks_secrets(tmp_path):
    shown = pebbles("config", "--embedded", tmp_path, env={**key, "PORT": "1234"})
    assert shown.returncode == 0 and "PORT=1234" in shown.stdout
    assert harness.secret not in shown.stdout


# Folders and files

def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    target = tmp_path / "file" / "data"
    assert_refused(pebbles("serve", "--embedded", target, env={**key, "PORT": "0"}), str(target))
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.fixture
def read_only(tmp_path):
    """read_only(path) makes what is there read-only, even for root, until the test's end."""
    mounted = []

    def bind(path):
        for command in (["mount", "--bind", path, path], ["mount", "-o", "remount,bind,ro", path]):
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            if done.returncode != 0:
                pytest.skip(f"mount is refused here: {done.stderr.strip()}")
            if path not in mounted:
                mounted.append(path)

    yield bind
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_folder_that_cannot_be_written(tmp_path, read_only):
    (tmp_path / "data").mkdir()
    read_only(tmp_path / "data")
    for env in (key, {}):
        assert_refused(serve(tmp_path, env=env), str(tmp_path / "data"))


def test_a_store_that_cannot_be_written(make_server, read_only):
    server = make_server().start()
    Api(server).report(krn, done=1)
    server.stop()
    read_only(data_of(server))
    assert_refused(serve(server.folder, env=key), "pebbles.db")


def state_of(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
            if not path.name.endswith(("-lock", ".key"))}


def other_database(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE customers(name)")
        database.execute("INSERT INTO customers VALUES('Ada')")
    database.close()


def database_of_another_program(path):
    other_database(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA application_id=12345")
    database.close()


foreign = {"garbage": lambda path: path.write_bytes(bytes(range(256)) * 64),
           "text": lambda path: path.write_text("a,b\n1,2\n" * 500),
           "a database of somebody's": other_database, "a database of another program": database_of_another_program,
           "a short file": lambda path: path.write_bytes(b"SQLite for")}


@pytest.mark.parametrize("what", foreign)
def test_a_file_that_is_not_ours(tmp_path, what):
    data = tmp_path / "data"
    data.mkdir()
    foreign[what](data / "pebbles.db")
    before = state_of(data)
    for command in ("serve", "verify", "rebuild"):
        result = pebbles(command, "--embedded", data, env={**key, "PORT": "0"}, timeout=15)
        assert_refused(result, "pebbles.db")
        assert result.returncode != 1  # which is to mean: a difference was found
        assert state_of(data) == before, command


@pytest.mark.parametrize("version", [0, 99])
def test_a_store_of_another_version(make_server, version):
    server = make_server().start()
    Api(server).report(krn, done=1)
    server.stop()
    with sqlite3.connect(data_of(server) / "pebbles.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute(f"PRAGMA user_version={version}")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    for path in data_of(server).glob("pebbles.db-[ws]*"):
        path.unlink()
    before = state_of(data_of(server))
    for command in ("serve", "verify", "rebuild"):
        result = pebbles(command, "--embedded", data_of(server), env={**key, "PORT": "0"}, timeout=15)
        assert_refused(result, "pebbles.db", "version", str(version))
        after = state_of(data_of(server))
        assert after["pebbles.db"] == before["pebbles.db"], command


def test_a_damaged_page(make_server):
    """Damage of the file itself: whatever can be answered is right, and nothing makes the process fall."""
    server = make_server().start()
    api = Api(server)
    for number in range(300):
        api.report(krn, f"file-{number}", done=number, errors=[{"message": "x" * 400}])
    server.stop()
    path = data_of(server) / "pebbles.db"
    pages = bytearray(path.read_bytes())
    for page in range(len(pages) // 4096 // 3, len(pages) // 4096 // 2):
        pages[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    for rest in data_of(server).glob("pebbles.db-[ws]*"):
        rest.unlink()
    path.write_bytes(pages)
    proved = pebbles("verify", "--embedded", data_of(server), env=key)
    assert proved.returncode in (1, 2), proved
    server.start(wait=False)
    try:
        server.wait_healthy(5)
    except AssertionError:
        assert server.process.returncode > 0  # refused, not fallen
        server.kill()
        return
    for number in range(0, 300, 20):
        answer = api.get(krn, filename=f"file-{number}")
        assert answer.status_code in (200, 500, 503)
        if answer.status_code == 200:
            assert answer.json()["counts"]["done"] == number
    assert server.running


def test_a_limit_of_64_descriptors(make_server, tmp_path):
    """It serves within it, refuses above, and serves again."""
    script = tmp_path / "limited"
    script.write_text(f"#!/bin/sh\nulimit -n 64\nexec '{harness.binary()}' \"$@\"\n")
    script.chmod(0o755)
    server = make_server(executable=str(script)).start()
    lines = []
    for _ in range(150):
        line = socket.create_connection(("127.0.0.1", server.port), timeout=2)
        lines.append(line)
    ticks = cpu_ticks(server.process.pid)
    time.sleep(1)
    assert cpu_ticks(server.process.pid) - ticks < 60, "it spins"
    for line in lines:
        line.close()
    harness.wait_until(lambda: can_report(server), what="a report after the flood")
    assert server.log_text().count("accept_failed") < 200


def cpu_ticks(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def can_report(server):
    try:
        return Api(server).post(krn, harness.update(done=1)).status_code == 200
    except httpx.HTTPError:
        return False
