"""Health, liveness and readiness of the real server: what they say, and that they say it at once."""
import time

import httpx
import mongo
import pytest
from harness import wait_until

paths = ("/health", "/readyz")


@pytest.fixture
def own_node(tmp_path):
    with mongo.ReplicaSet(tmp_path / "own-node") as replica_set:
        yield replica_set


def ask(server, path, **headers):
    return httpx.get(server.url + path, headers=headers, trust_env=False, timeout=5)


@pytest.mark.parametrize("path", [*paths, "/livez"])
def test_it_says_ok_in_text(server, path):
    answer = ask(server, path)
    assert (answer.status_code, answer.text, answer.headers["Cache-Control"]) == (200, "OK", "no-store")


@pytest.mark.parametrize("path", paths)
def test_details_for_who_asks_for_them(server, path):
    for answer in (ask(server, path + "?verbose"), ask(server, path, Accept="application/json")):
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
        found = answer.json()
        assert found["status"] == "ok" and found["version"] and found["uptimeSeconds"] >= 0
        assert found["parts"]["store"] == {"kind": "sqlite", "state": "ok", "pool": {"inUse": 0, "idle": 7, "waiting": 0}}
        assert found["parts"]["http"]["connections"] >= 1 and found["parts"]["ingest"] == {"queued": 0}
    assert ask(server, path, Accept="*/*").text == "OK"


def test_details_of_mongodb(make_server, one_node):
    server = make_server(uri=one_node.uri(mongo.new_database())).start()
    store = ask(server, "/health?verbose").json()["parts"]["store"]
    assert (store["kind"], store["state"], store["topology"]) == ("mongodb", "ok", "replica set")
    assert store["pool"]["inUse"] + store["pool"]["idle"] >= 1 and store["pool"]["waiting"] == 0 and abs(store["clockDifferenceMs"]) < 2500


def test_a_store_that_hangs_is_said_at_once_and_does_not_fail_liveness(make_server, own_node):
    server = make_server(uri=own_node.uri(mongo.new_database())).start()
    own_node.members[0].freeze()
    try:
        wait_until(lambda: ask(server, "/readyz").status_code == 503, 15, "not ready")
        with server.client() as client:  # a new one for each request would be most of the time on a busy machine
            asked_at = time.monotonic()
            for _ in range(20):
                answer = client.get("/health?verbose")
                assert answer.status_code == 503 and answer.headers["Retry-After"]
                assert answer.json()["parts"]["store"]["state"] != "ok" and answer.json()["error"]
                assert client.get("/livez").text == "OK"
            assert time.monotonic() - asked_at < 5  # each of them waits for nothing
    finally:
        own_node.members[0].thaw()
    wait_until(lambda: ask(server, "/readyz").status_code == 200, 30, "ready again")


def test_who_stops_is_not_ready_first_and_alive_till_the_end(make_server):
    server = make_server(env={"SHUTDOWN_DELAY_S": "2"}).start()
    with server.client() as client:
        server.process.terminate()
        answer = wait_until(lambda: (got := client.get("/readyz")).status_code == 503 and got, what="not ready")
        assert answer.json()["detail"] == "Shutting down"
        assert client.get("/livez").text == "OK"
