"""/metrics of the real server, against docs/metrics.md and against promtool, which others wrote."""
import json
import pathlib
import re
import subprocess

import httpx
import mongo
import pytest
from api_support import Api, path_of
from harness import free_port, mint, owner, update, wait_until
from kafka import Message, new_name
from metrics_support import metrics, metrics_text

pytestmark = pytest.mark.timeout(120)
root = pathlib.Path(__file__).parents[2]


def documented():
    """Name → (labels, type), of docs/metrics.md."""
    out = {}
    rows = re.findall(r"^\| (`[^|]*`) \| (counter|gauge|histogram) \|", (root / "docs/metrics.md").read_text(), re.M)
    for names, kind in rows:
        for name, labels in re.findall(r"`([a-z_]+)(?:\{([a-z_,]+)\})?`", names):
            out[name] = (frozenset(labels.split(",")) if labels else frozenset(), kind)
    return out


def shown(text):
    """The same of what a server shows."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    out = {}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? \S+$", text, re.M):
        family = name if name in kinds else re.sub("_(bucket|sum|count)$", "", name)
        out[family] = (frozenset(re.findall(r'([a-z_]+)="', labels)) - {"le"}, kinds[family])
    return out


@pytest.fixture
def api(server):
    return Api(server)


@pytest.fixture
def monitored(make_server):
    """monitored(**options): a server with a port for metrics, and that port's URL."""

    def start(env=None, **options):
        port = free_port()
        return make_server(env={"METRICS_PORT": str(port), **(env or {})}, **options).start(), f"http://127.0.0.1:{port}"

    return start


def failures(url):
    found = metrics(url)
    return {tuple(re.findall('="([^"]*)"', name)): value for name, value in found.items()
            if name.startswith("pebbles_updates_failed_total") and value}


def test_what_is_shown_is_what_is_documented(monitored, one_node, shared_kafka, shared_sqs, krn):
    """With every channel on and something done on each; promtool finds nothing."""
    topic, group = new_name(), new_name("group")
    shared_kafka.create_topic(f"{topic}.dlq")
    shared_kafka.create_topic(topic)
    queue = shared_sqs.create()
    kafka_env = {"KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": shared_kafka.address, "KAFKA_TOPIC_NAME": topic,
                 "KAFKA_GROUP_ID": group}
    server, url = monitored(env={**kafka_env, **shared_sqs.env(queue)}, uri=one_node.uri(mongo.new_database()))
    api = Api(server)
    api.report(krn, done=1)
    assert api.post(krn, update(done=1), token=mint("eve@example.com")).status_code == 403
    assert api.get(krn, filename="sales.csv").status_code == 200 and api.get(krn).status_code == 200
    body = json.dumps({**update("queued.csv", done=1), "clientKrn": krn, "email": owner})
    shared_kafka.produce(topic, [Message(body.encode())])
    queue.send([body])
    wait_until(lambda: api.get(krn, filename="queued.csv").json().get("version") == 2, 60, "both messages")
    wait_until(lambda: "pebbles_kafka_consumer_lag{" in metrics_text(url), 30, "a lag")
    text = metrics_text(url)
    assert shown(text) == documented()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_requests_are_timed_by_route_method_and_class_of_status(api, krn):
    api.report(krn)
    api.http.get("/clients/nobody/progress")
    api.http.get("/nowhere")
    api.http.head("/livez")
    api.http.get(path_of(krn, "0" * 24))
    found = metrics(api.server.url)

    def count(route, method, status):
        return found[f'pebbles_http_request_duration_seconds_count{{method="{method}",route="{route}",status="{status}"}}']

    assert count("/clients/{clientKrn}/progress", "POST", "2xx") == 1
    assert count("/clients/{clientKrn}/progress", "GET", "4xx") == 1
    assert count("/clients/{clientKrn}/progress/{id}", "GET", "4xx") == 1
    assert count("(none)", "(any)", "4xx") == 1
    assert count("/livez", "GET", "2xx") == 1


def test_updates_are_counted_by_channel_and_outcome(api, krn):
    api.report(krn, done=1)
    for _ in range(2):
        api.post(krn, update(done=2), key="k")
    api.post(krn, update(done=2), token=mint("eve@example.com"))
    found = metrics(api.server.url)
    outcomes = {outcome: found[f'pebbles_updates_total{{channel="rest",outcome="{outcome}"}}']
                for outcome in ("applied", "duplicate", "refused", "retry")}
    assert outcomes == {"applied": 2, "duplicate": 1, "refused": 1, "retry": 0}
    assert found["pebbles_log_events_total"] == 2 and found["pebbles_log_bytes_total"] > 100
    assert found["pebbles_batch_updates_sum"] >= 2 and found["pebbles_commit_duration_seconds_count"] >= 2
    assert found['pebbles_store_operation_duration_seconds_count{operation="commit"}'] >= 2
    assert found["pebbles_queue_updates"] == 0 and found["pebbles_http_connections"] >= 1 and found["pebbles_ready"] == 1


def test_clients_whose_updates_fail_have_names_at_the_port_for_it(monitored):
    server, url = monitored(env={"METRICS_CLIENTS_MAX": "2"})
    api = Api(server)
    for client, times in (("krn:a", 3), ("krn:b", 2), ("krn:c", 1), ("krn:d", 1)):
        for _ in range(times):
            assert api.post(client, {"filename": "x"}).status_code == 400
    assert failures(url) == {("krn:a", "invalid"): 3, ("krn:b", "invalid"): 2, ("(others)", "invalid"): 2}
    for _ in range(4):
        api.post("krn:c", b"{")
    assert failures(url)[("krn:c", "invalid")] >= 1  # it fails more often than b by now
    assert ("krn:b", "invalid") not in failures(url)
    api.http.post(path_of("krn:z"), json=update(), headers={"Authorization": "Bearer x.y.z"})
    assert sum(failures(url).values()) <= 11  # who cannot show a token is nobody


def test_nobody_is_named_where_everybody_may_look(make_server):
    server = make_server(env={"METRICS_CLIENTS_MAX": "20"}).start()
    assert Api(server).post("krn:secret", {}).status_code == 400
    assert failures(server.url) == {("(others)", "invalid"): 1}
    assert "krn:secret" not in metrics_text(server.url)


def test_a_flood_of_clients_makes_no_more_series(monitored):
    server, url = monitored(env={"METRICS_CLIENTS_MAX": "5"})
    api = Api(server)
    for number in range(300):
        api.post(f"krn:flood-{number}", {})
    found = failures(url)
    assert len(found) == 6 and sum(found.values()) == 300


def test_a_port_for_metrics_takes_them_off_the_other(monitored):
    server, url = monitored()
    assert httpx.get(f"{server.url}/metrics", trust_env=False).status_code == 404
    for path in ("/health", "/livez", "/readyz"):
        assert httpx.get(url + path, trust_env=False).text == "OK"
    assert httpx.get(url + path_of("krn:a"), trust_env=False).status_code == 404
    assert metrics(url)["pebbles_ready"] == 1


def test_what_the_process_uses(api):
    found = metrics(api.server.url)
    pid = api.server.process.pid
    resident = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    assert found["process_resident_memory_bytes"] == pytest.approx(resident, rel=0.2)
    assert found["process_threads"] == len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))
    assert 0 < found["process_open_fds"] < found["process_max_fds"]
    assert 0 < found["process_cpu_seconds_total"] < 60
    started = pathlib.Path(f"/proc/{pid}").stat().st_mtime
    assert found["process_start_time_seconds"] == pytest.approx(started, abs=5)
