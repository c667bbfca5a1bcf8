"""An orderly stop under load, and two servers on one store."""
import re
import shutil
import signal
import sqlite3
import time

import harness
import httpx
import pytest
from api_support import Api, pebbles
from load import Load, data_of, krn, verify_clean

rounds = 50 if harness.long_rounds else 4


@pytest.mark.timeout(60 + 10 * rounds)
def test_sigterm_under_load(make_server, tmp_path, seed):
    server = make_server()
    load = Load(server, seed, threads=8)
    for number in range(rounds):
        server.start()
        with load:
            time.sleep(load.dice.uniform(0.05, 0.6))
            started = time.monotonic()
            server.stop(timeout=10)  # exit 0, or it fails
            assert time.monotonic() - started < 10
        # All is written out: the file alone, without its log, has everything that was acknowledged.
        copy = tmp_path / f"copy-{number}"
        copy.mkdir()
        shutil.copy(data_of(server) / "pebbles.db", copy)
        with sqlite3.connect(copy / "pebbles.db") as database:
            alone = {filename: (done, warn) for filename, done, warn in database.execute(
                "SELECT streams.filename, done, warn FROM progress JOIN streams USING(stream)")}
        proved = pebbles("verify", "--embedded", copy)
        assert proved.returncode == 0, proved.stdout + proved.stderr
        server.start()
        assert alone == load.totals()
        load.check()
        server.stop()
    log = server.log_text()
    assert 'drained="no"' not in log and "request_failed" not in log


def test_a_backup_of_the_file_alone_can_be_put_back(make_server, tmp_path, seed):
    """As docs/operations.md has it: stop, copy pebbles.db. What a later run leaves beside it must not get into it."""
    server = make_server().start()
    load = Load(server, seed)
    with load:
        load.wait_acknowledged(300)
    load.check()
    before = load.totals()
    server.stop()
    shutil.copy(data_of(server) / "pebbles.db", tmp_path / "backup.db")
    server.start()
    with load:
        load.wait_acknowledged(300)
    load.check()
    server.stop()
    shutil.copy(tmp_path / "backup.db", data_of(server) / "pebbles.db")
    verify_clean(server)
    server.start()
    assert load.totals() == before


def test_sigint_is_an_orderly_stop_too(make_server):
    server = make_server().start()
    server.process.send_signal(signal.SIGINT)
    assert server.wait_dead(10) == 0


def test_a_request_in_flight_is_answered(make_server):
    """Its head has come, its body comes after the signal: it is served, and the connection closed."""
    server = make_server().start()

    def slow_body():
        body = b'{"filename":"slow.csv","counts":{"done":1,"warn":0,"failed":0}}'
        yield body[:20]
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        yield body[20:]

    with server.client() as client:
        answer = client.post(f"/clients/{krn}/progress", content=slow_body(),
                             headers={**harness.bearer(), "Content-Type": "application/json"})
    assert answer.status_code == 200
    assert server.wait_dead(10) == 0
    server.start()
    assert Api(server).record(krn, "slow.csv")["counts"]["done"] == 1


def test_not_ready_but_serving_for_a_while(make_server):
    """With SHUTDOWN_DELAY_S a load balancer sees 503 on /health while updates are still taken."""
    server = make_server(env={"SHUTDOWN_DELAY_S": "4"}).start()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    api = Api(server)
    asked = pebbles("health", env={"PORT": str(server.port)})
    assert asked.returncode == 1 and "Shutting down" in asked.stderr
    health = api.http.get("/health")
    assert (health.status_code, health.headers["Connection"]) == (503, "close") and health.headers["Retry-After"]
    answer = api.post(krn, harness.update(done=1))
    assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
    assert server.wait_dead(10) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + "/health", trust_env=False)


def test_idle_connections_do_not_delay_the_stop(make_server):
    server = make_server().start()
    clients = [server.client() for _ in range(20)]
    for client in clients:
        assert client.get("/health").status_code == 200
    started = time.monotonic()
    server.stop(timeout=10)
    assert time.monotonic() - started < 5
    for client in clients:
        client.close()


def test_a_second_server_on_the_same_store_is_refused(make_server, seed):
    server = make_server().start()
    load = Load(server, seed, threads=2)
    with load:
        for command in (("serve", "--embedded", data_of(server), "--port", "0"),
                        ("serve", "--store", f"sqlite:{data_of(server)}/pebbles.db", "--port", "0"),
                        ("rebuild", "--embedded", data_of(server))):
            refused = pebbles(*command, env={"JWT_SECRET": harness.secret}, timeout=10)
            assert refused.returncode != 0
            assert "pebbles.db" in refused.stderr and "in use" in refused.stderr
        load.wait_acknowledged(20)
    load.check()


def test_verify_beside_a_server_under_load(make_server, seed):
    server = make_server().start()
    load = Load(server, seed)
    with load:
        load.wait_acknowledged(50)
        for _ in range(8):
            proved = verify_clean(server)
            assert re.search(r"^\d+ streams, \d+ chunks, \d+ events verified; 0 differ", proved.stdout, re.M)
    load.check()
    server.stop()
    proved = verify_clean(server)
    streams, events = map(int, re.search(r"(\d+) streams, \d+ chunks, (\d+) events", proved.stdout).groups())
    assert streams == len(load.files)
    assert events == sum(update.acknowledged for update in load.history.updates)
