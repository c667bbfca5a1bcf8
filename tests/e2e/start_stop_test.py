"""How a server starts and ends: what it prints, on which addresses, which files it makes, which signals end it."""
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess

import harness
import httpx
import pytest
from api_support import Api, pebbles
from metrics_support import metrics

key = {"JWT_SECRET": harness.secret}


def has_version_6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


version_6 = pytest.mark.skipif(not has_version_6(), reason="this host has no IPv6")


class Printed:
    """A server whose standard output and log are pipes."""

    def __init__(self, folder, *arguments, before=(), **env):
        inherited = {name: value for name, value in os.environ.items() if not harness.foreign.match(name)}
        self.process = subprocess.Popen(
            [*before, harness.binary(), "serve", *arguments], env={**inherited, "PORT": "0", **key, **env},
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def first_line(self):
        """Waits for it, and no longer than for the line itself: what comes behind it is not needed."""
        return self.process.stdout.readline().rstrip("\n")

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        status = self.process.wait(30)
        self.out, self.log = self.process.stdout.read(), self.process.stderr.read()  # they have few lines
        return status

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def test_where_it_listens_is_printed_at_once(tmp_path):
    """Into a pipe too, and where nothing else is printed behind it."""
    with Printed(tmp_path, "--store", f"sqlite:{tmp_path}/x.db", HOST="127.0.0.1") as server:
        found = re.fullmatch(r"Pebbles \S+ listens on (http://127\.0\.0\.1:\d+)", server.first_line())
        assert httpx.get(f"{found[1]}/health", trust_env=False).status_code == 200
        assert server.end() == 0


def test_a_closed_standard_output_is_no_reason_to_end(tmp_path):
    server = subprocess.Popen(
        ["sh", "-c", 'exec "$0" serve --store "sqlite:$1/x.db" >&-', harness.binary(), str(tmp_path)],
        env={**os.environ, "PORT": "0", "HOST": "127.0.0.1", **key}, stderr=subprocess.PIPE, text=True)
    try:
        assert any("server_listening" in line for line in iter(server.stderr.readline, ""))
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert server.returncode == 0


@version_6
@pytest.mark.parametrize("host, shown", [("::", "[::1]"), ("::1", "[::1]"), ("[::1]", "[::1]"), ("[::]", "[::1]"),
                                         ("0.0.0.0", "127.0.0.1")])
def test_addresses_of_version_6(tmp_path, host, shown):
    with Printed(tmp_path, "--store", f"sqlite:{tmp_path}/x.db", HOST=host, METRICS_PORT="0") as server:
        url = re.fullmatch(r"Pebbles \S+ listens on (http://\S+)", server.first_line())[1]
        at = re.fullmatch(r"Metrics are at (http://\S+)", server.first_line())[1]
        assert url.startswith(f"http://{shown}:") and at.startswith(f"http://{shown}:")
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        assert "pebbles_ready 1" in httpx.get(at, trust_env=False).text
        port = url.rsplit(":", 1)[1]
        assert pebbles("health", env={"HOST": host, "PORT": port}).returncode == 0
        if host.strip("[]") == "::":  # those of version 4 are served too
            assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
        assert server.end() == 0


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_signals_that_end_it_cleanly(tmp_path, how):
    with Printed(tmp_path, "--embedded", str(tmp_path / "data"), HOST="127.0.0.1") as server:
        server.first_line()
        assert server.end(how) == 0
        assert f'why="{how.name}"' in server.log and "server_stopped drained=true" in server.log


def test_a_server_that_is_to_outlive_its_terminal_does(tmp_path):
    with Printed(tmp_path, "--store", f"sqlite:{tmp_path}/x.db", HOST="127.0.0.1",
                 before=["sh", "-c", 'trap "" HUP; exec "$0" "$@"']) as server:
        url = server.first_line().rsplit(" ", 1)[1]
        server.process.send_signal(signal.SIGHUP)
        server.process.send_signal(signal.SIGUSR1)
        assert any("log_level_changed" in line for line in iter(server.process.stderr.readline, ""))
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        assert server.end() == 0


def test_secrets_are_not_suggested_for_the_command_line(tmp_path):
    with Printed(tmp_path, "--embedded", str(tmp_path / "data"), HOST="127.0.0.1") as server:
        server.first_line()
        server.end()
    assert "JWT_SECRET_FILE" in server.out and "--jwt-secret" not in server.out and harness.secret not in server.out
    minting = re.search(r"TOKEN=\$\((.*)\)", server.out)[1]
    minted = subprocess.run(["sh", "-c", minting], env={**os.environ, **key}, stdout=subprocess.PIPE, text=True)
    assert minted.returncode == 0 and minted.stdout.count(".") == 2
    assert "--jwt-secret" not in pebbles("serve", "--help").stdout


def test_misspelt_variables_and_odd_addresses_are_warned_of(tmp_path):
    odd = {"KAFKA_ENABLE": "true", "PUBLIC_READ": "false", "KAFKA_BROKERS": "x", "KAFKA_PORT": "tcp://10.0.0.1:9092",
           "MONGO_URI": "mongodb://u:p@ss@127.0.0.1:9/admin?serverSelectionTimeoutMS=200"}
    with Printed(tmp_path, HOST="127.0.0.1", **odd) as server:
        server.first_line()
        server.end()
    doubts = re.findall(r'setting_doubted setting="(\w+)" what="(.*)"', server.log)
    assert ("KAFKA_ENABLE", "is not read: KAFKA_ENABLED is meant?") in doubts
    assert ("PUBLIC_READ", "is not read: PUBLIC_READS is meant?") in doubts
    assert sorted(setting for setting, _ in doubts) == ["KAFKA_BROKERS", "KAFKA_ENABLE", "MONGO_URI", "MONGO_URI",
                                                       "PUBLIC_READ"]
    assert any("@ as %40" in what for _, what in doubts) and any("authSource=admin" in what for _, what in doubts)


def test_the_config_command_says_so_too():
    printed = pebbles("config", env={"KAFKA_ENABLE": "true", "MONGO_URI": "mongodb://h/admin"})
    assert printed.returncode == 0 and "KAFKA_ENABLED=false" in printed.stdout
    assert "pebbles: KAFKA_ENABLE is not read: KAFKA_ENABLED is meant?\n" in printed.stderr
    assert "pebbles: MONGO_URI is not as it should be: files would be stored in" in printed.stderr


def modes(folder):
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_the_stores_files_are_its_owners_alone(make_server, tmp_path, umask):
    folder = tmp_path / "server"
    folder.mkdir()
    server = make_server(folder, executable=masked(tmp_path, umask)).start()
    Api(server).report("krn:a", done=1)
    data = folder / "data"
    assert {"pebbles.db", "pebbles.db-wal", "pebbles.db-shm", "pebbles.db-lock"} <= set(modes(data))
    assert backup(server, tmp_path / "backup.db", umask).returncode == 0
    assert {name: oct(mode) for name, mode in modes(data).items() if mode != (0o700 if name == "data" else 0o600)} == {}
    assert modes(tmp_path)["backup.db"] == 0o600
    server.restart(kill=True)  # with a journal that is there already
    assert all(mode in (0o600, 0o700) for mode in modes(data).values())


def masked(folder, umask):
    """The binary under a umask."""
    script = folder / "masked"
    script.write_text(f"#!/bin/sh\numask {umask:04o}\nexec '{harness.binary()}' \"$@\"\n")
    script.chmod(0o700)
    return str(script)


def backup(server, to, umask=0o022):
    return subprocess.run([masked(to.parent, umask), "backup", *server.store_arguments, str(to)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_files_and_folders_that_were_open_are_closed(make_server, tmp_path):
    server = make_server(tmp_path / "server", env={"JWT_SECRET": ""}).start()
    server.stop()
    data = tmp_path / "server/data"
    for path in [data, *data.iterdir()]:
        path.chmod(0o777)
    server.start()
    assert all(mode == (0o700 if name == "data" else 0o600) for name, mode in modes(data).items()), modes(data)
    assert "store_file_open" not in server.log_text()


def test_a_folder_with_other_things_in_it_is_left_alone_and_warned_of(make_server, tmp_path):
    data = tmp_path / "server/data"
    data.mkdir(parents=True)
    data.chmod(0o755)
    (data / "notes.txt").write_text("of somebody")
    server = make_server(tmp_path / "server").start()
    assert modes(data)["data"] == 0o755 and modes(data)["pebbles.db"] == 0o600
    assert f'store_file_open path="{data}"' in server.log_text()


def test_a_backup_names_the_folder_that_is_missing(make_server, tmp_path):
    server = make_server().start()
    answer = backup(server, tmp_path / "x.db")
    assert answer.returncode == 0
    missing = pebbles("backup", *server.store_arguments, tmp_path / "none" / "x.db")
    assert missing.returncode == 2
    assert missing.stderr == f"pebbles: there is no folder {tmp_path}/none: make it first\n"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")
def test_the_start_time_is_known_where_only_processes_are_shown(tmp_path):
    """As ProcSubset=pid and ProtectProc=invisible of deploy/pebbles.service have /proc."""
    unit = pathlib.Path(harness.root / "deploy/pebbles.service").read_text()
    assert "ProcSubset=pid\n" in unit and "ProtectProc=invisible\n" in unit
    hide = ["unshare", "--mount", "sh", "-c",
            'mount -t proc -o subset=pid,hidepid=invisible proc /proc && test ! -e /proc/stat && exec "$0" "$@"']
    if subprocess.run([*hide, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("this host does not let /proc be mounted so")
    with Printed(tmp_path, "--store", f"sqlite:{tmp_path}/x.db", HOST="127.0.0.1", before=hide) as server:
        url = server.first_line().rsplit(" ", 1)[1]
        shown = metrics(url)
        started = pathlib.Path(f"/proc/{server.process.pid}").stat().st_mtime
        assert shown["process_start_time_seconds"] == pytest.approx(started, abs=5)
        assert shown["process_threads"] > 1 and shown["process_open_fds"] > 3
        assert server.end() == 0
