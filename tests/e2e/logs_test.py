"""What the log says, in both formats, and what it must never say."""
import collections
import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import harness
import httpx
import mongo
import pytest
import sqs
from api_support import Api, path_of, pebbles
from harness import mint, update, wait_until
from kafka import Message
from kafka_source_test import Topic
from kafka_source_test import message as kafka_message
from sqs_source_test import body as sqs_body

pytestmark = pytest.mark.timeout(180)

trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
traceparent = f"00-{trace_id}-{span_id}-01"
stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
value = r'("([^"\\]|\\.)*"|[-0-9.a-z]+)'
text_line = re.compile(stamp.pattern + rf" (trace|debug|info |warn |error) [a-z_]+( [a-z_]+={value})*")
debugging = {"LOG_FORMAT": "json", "LOG_LEVEL": "debug"}


def lines_of(server):
    """All whole lines, each of which must be an object with what every line has."""
    text = server.log.read_bytes().decode()  # strictly
    out = []
    for line in text[:text.rfind("\n") + 1].splitlines():
        read = json.loads(line)
        assert list(read)[:3] == ["ts", "level", "event"], line
        assert stamp.fullmatch(read["ts"]) and read["level"] in ("trace", "debug", "info", "warn", "error"), line
        out.append(read)
    return out


def find(server, event, **members):
    return [line for line in lines_of(server) if line["event"] == event and members.items() <= line.items()]


def wait_for(server, event, **members):
    return wait_until(lambda: find(server, event, **members), 30, f"{event} with {members}")


def send_raw(server, *pieces):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while got := connection.recv(65536):
            answer += got
        return answer


def provoke(server, krn):
    """Requests of all kinds, with texts that could break a line."""
    api = Api(server)
    api.report(krn, filename='a "quoted" \\ name \u2028 \U0001F600.csv', done=1)
    api.report(krn, filename="x" * 1000, done=1)
    api.get(krn, filename="nothing \x85 here")
    api.post(krn, b"{nonsense")
    api.http.get('/no/such/"path"/%0a%0d%00')
    api.http.delete(path_of(krn))
    for raw in (b"\x16\x03\x01\xff\xfe\r\n\r\n", b"GET /\xff\xc0\xaf HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: \"a b\"\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n"):
        send_raw(server, raw)


def test_every_line_of_json_is_an_object(make_server, krn):
    server = make_server(env={"LOG_FORMAT": "json", "LOG_LEVEL": "trace"}).start()
    provoke(server, krn)
    server.stop()
    lines = lines_of(server)
    assert {"server_listening", "request_done", "server_stopping", "server_stopped"} <= {one["event"] for one in lines}
    assert len([line for line in lines if line["event"] == "request_done"]) > 8


def test_every_line_of_text_has_its_form(make_server, krn):
    server = make_server(env={"LOG_LEVEL": "trace"}).start()
    provoke(server, krn)
    server.stop()
    logged = [line for line in server.log.read_bytes().decode().split("\n") if stamp.match(line)]
    for line in logged:
        assert text_line.fullmatch(line), line
    assert sum(" request_done " in line for line in logged) > 8


def test_a_request_is_a_line_at_debug(make_server, krn):
    server = make_server(env=debugging).start()
    api = Api(server)
    answer = api.post(krn, update("a.csv", done=1), headers={"X-Request-Id": "mine/1", "traceparent": traceparent})
    assert answer.status_code == 200 and answer.headers["X-Request-Id"] == "mine/1"
    (line,) = wait_for(server, "request_done", request_id="mine/1")
    assert line["level"] == "debug" and line["method"] == "POST" and line["status"] == 200
    assert line["path"] == path_of(krn) and line["client"] == krn and line["file"] == "a.csv"
    assert line["trace_id"] == trace_id and line["ms"] > 0 and line["bytes"] > len(answer.content)
    for given in ({}, {"traceparent": "00-nonsense"}, {"traceparent": f"00-{'0' * 32}-{span_id}-01"}):
        answer = api.http.get(path_of(krn), params={"filename": "a.csv"}, headers=given)
        (line,) = wait_for(server, "request_done", request_id=answer.headers["X-Request-Id"])
        assert re.fullmatch("[0-9a-f]{32}", line["trace_id"]) and line["trace_id"] != trace_id
        assert line["path"] == path_of(krn) and line["file"] == "a.csv"
    (line,) = wait_for(server, "request_done", request_id="mine/1")
    assert line["client"] == krn, "what one request noted is not the next one's"
    api.http.get("/health", headers={"X-Request-Id": "other"})
    (line,) = wait_for(server, "request_done", request_id="other")
    assert "client" not in line and "file" not in line


def test_at_info_requests_are_not_logged(make_server, krn):
    server = make_server(env={"LOG_FORMAT": "json"}).start()
    provoke(server, krn)
    server.stop()
    assert {line["event"] for line in lines_of(server)} <= {"server_listening", "store_opened", "server_stopping",
                                                            "server_stopped"}


def test_every_answer_has_an_id_and_an_error_says_it_too(server, krn):
    api = Api(server)
    for answer in (api.post(krn, b"{nonsense"), api.http.get("/nowhere"), api.get(krn, filename="nothing"),
                   api.post(krn, b"{}", token="x"), api.http.put(path_of(krn))):
        assert answer.status_code >= 400 and answer.json()["requestId"] == answer.headers["X-Request-Id"]
    refused = send_raw(server, b"nonsense\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 400") and b"X-Request-Id: " in refused and b'"requestId":"' in refused
    made = {api.http.get("/health").headers["X-Request-Id"] for _ in range(50)}
    assert len(made) == 50
    for bad in ("a b", "x" * 129, 'a"b', "a\\b", "<script>", "a\tb"):
        assert api.http.get("/health", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad


def test_signals_set_the_level(make_server, krn):
    server = make_server(env={"LOG_FORMAT": "json", "LOG_LEVEL": "warn"}).start()
    api = Api(server)
    api.report(krn, done=1)
    assert lines_of(server) == []
    for name, came in (("info", 1), ("debug", 2)):
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: len(find(server, "log_level_changed")) == came, 10, "the change")
        assert find(server, "log_level_changed")[-1]["to"] == name
    api.report(krn, done=1, headers={"X-Request-Id": "seen"})
    wait_for(server, "request_done", request_id="seen")
    server.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: len(find(server, "log_level_changed")) == 3, 10, "the change")
    api.report(krn, done=1, headers={"X-Request-Id": "unseen"})
    server.stop()
    assert not find(server, "request_done", request_id="unseen") and find(server, "server_stopped")


def test_a_fault_that_repeats_is_said_once_a_second_with_a_count(make_server, tmp_path, krn):
    with mongo.ReplicaSet(tmp_path / "set") as replica_set:
        uri = replica_set.uri("away") + "&serverSelectionTimeoutMS=200"
        server = make_server(uri=uri, env={"LOG_FORMAT": "json"}).start()
        Api(server).report(krn, done=1)
        replica_set.members[0].kill()
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: Api(server).post(krn, update(done=1)), range(200)))
        took = time.monotonic() - began
    failed = [answer for answer in answers if answer.status_code == 503]
    assert len(failed) > 100
    wait_until(lambda: told(server) == len(failed), 10, f"{len(failed)} failures told")
    lines = find(server, "request_failed")
    assert 1 <= len(lines) <= took + 2, "the limit is one a second"
    ids = {answer.headers["X-Request-Id"] for answer in failed}
    for line in lines:
        assert line["level"] == "warn" and line["status"] == 503 and line["client"] == krn and line["file"]
        assert line["request_id"] in ids and line["trace_id"]
    assert find(server, "database_away")


def told(server):
    """Requests that failed, those included of which only a count was said."""
    lines = find(server, "request_failed")
    rest = find(server, "unsaid", of="request_failed")
    return len(lines) + sum(line.get("unsaid", 0) for line in lines) + sum(line["lines"] for line in rest)


def test_a_log_that_nobody_reads_holds_up_nobody(make_server, krn):
    """The pipe is full after 64 KiB; what does not fit into the server's own buffer is dropped and counted."""
    server = make_server(env={"LOG_LEVEL": "debug"})
    read_end, write_end = os.pipe()
    server.folder.mkdir(parents=True, exist_ok=True)
    settings = {"HOST": "127.0.0.1", "PORT": str(server.port), "JWT_SECRET": harness.secret, **debugging}
    inherited = {name: value for name, value in os.environ.items() if not harness.foreign.match(name)}
    server.process = subprocess.Popen([server.executable, "serve", *server.store_arguments], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=write_end, env={**inherited, **settings})
    os.close(write_end)
    server.wait_healthy()
    path = "/nowhere/" + "x" * 500
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    count = 20_000
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        source = connection.makefile("rb")
        for _ in range(count // 100):
            connection.sendall(request * 100)
            for _ in range(100):
                assert harness.read_message(source).startswith(b"HTTP/1.1 404")
    text = b""

    def read():
        nonlocal text
        while got := os.read(read_end, 1 << 20):
            text += got

    reader = threading.Thread(target=read)
    reader.start()
    Api(server).report(krn, done=1)
    server.stop()
    reader.join()
    os.close(read_end)
    events = [json.loads(line) for line in text.decode().splitlines()]
    lost = sum(line["lines"] for line in events if line["event"] == "log_lines_dropped")
    seen = sum(line["event"] == "request_done" and line["path"] == path for line in events)
    assert lost > 1000 and seen + lost == pytest.approx(count, abs=50)  # health checks and the report may be lost too


def test_a_trace_goes_on_from_kafka_to_dead_letters(make_server, shared_kafka, krn):
    topic = Topic(shared_kafka)
    server = make_server(env=topic.env(**debugging)).start()
    headers = [("traceparent", traceparent.encode()), ("tracestate", b"vendor=1")]
    bad = [kafka_message(krn=krn, filename="a.csv", counts={}, headers=headers),
           Message(b"{nonsense", b"key", [("traceparent", b"00-nonsense"), ("tracestate", b"vendor=1")]),
           kafka_message(krn=krn, filename="event.csv", counts={}, headers=[
               ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"t"),
               ("ce_traceparent", traceparent.encode()), ("content-type", b"application/json")])]
    topic.produce(kafka_message(krn=krn, filename="good.csv", done=1, headers=headers), *bad)
    topic.wait_committed()
    letters = {int(letter.header("pebbles-dlq-offset")): letter for letter in topic.read_dead_letters()}
    assert len(letters) == 3
    for offset in (1, 3):
        version, trace, parent, flags = letters[offset].header("traceparent").decode().split("-")
        assert (version, trace, flags) == ("00", trace_id, "01") and parent != span_id
    assert letters[1].header("tracestate") == b"vendor=1"
    assert trace_id not in letters[2].header("traceparent").decode() and letters[2].header("tracestate") is None
    (read,) = find(server, "message_read", file="good.csv")
    assert read["trace_id"] == trace_id and read["client"] == krn and read["source"] == "kafka"
    said = find(server, "message_dead_lettered")[0]
    assert said["level"] == "warn" and said["id"].endswith(f"/{topic.name}/0/1") and said["reason"] == "invalid"
    assert said["trace_id"] == trace_id and said["client"] == krn and said["file"] == "a.csv"


def test_a_trace_goes_on_from_sqs_to_dead_letters(make_server, shared_sqs, krn):
    queue, letters = shared_sqs.create(), shared_sqs.create()
    server = make_server(env=shared_sqs.env(queue, SQS_DLQ_URL=letters.url, **debugging)).start()
    attributes = {"traceparent": traceparent, "tracestate": "vendor=1"}
    queue.send([sqs.Message(sqs_body("good.csv", krn=krn, done=1), attributes),
                sqs.Message(sqs_body("bad.csv", krn=krn, counts={}), attributes)])
    wait_until(lambda: any(letters.depth()), 60, "a dead letter")
    (letter,) = letters.take_all()
    version, trace, parent, flags = letter.attributes["traceparent"].split("-")
    assert (version, trace, flags) == ("00", trace_id, "01") and parent != span_id
    assert letter.attributes["tracestate"] == "vendor=1"
    (read,) = wait_for(server, "message_read", file="good.csv")
    assert read["trace_id"] == trace_id and read["client"] == krn and read["source"] == "sqs"
    (said,) = wait_for(server, "message_dead_lettered")
    assert said["trace_id"] == trace_id and said["client"] == krn and said["file"] == "bad.csv"
    assert said["id"] == read["id"] or said["id"] == letter.attributes["pebbles-dlq-message-id"]


secrets = {
    "JWT_SECRET": "jwt-Secret-jwt-Secret-jwt-Secret-jwt-Secret",
    "MONGO_URI": "mongo-Secret",
    "JWT_JWKS_URL": "jwks-Secret",
    "KAFKA_CONF_SASL_PASSWORD": "kafka-Secret",
    "KAFKA_CONF_SSL_KEY_PASSWORD": "key-Secret",
    "AWS_SECRET_ACCESS_KEY": "aws-Secret-aws-Secret-aws-Secret-aws-Sec",
    "AWS_SESSION_TOKEN": "session-Secret",
    "SQS_QUEUE_URL": "queue-Secret",
    "bearer": "bearer-Secret",
    "query": "query-Secret",
}


def secret_settings(port):
    """Every setting that can hold a secret, and nobody at any of the addresses."""
    return {
        "JWT_SECRET": secrets["JWT_SECRET"], "JWT_JWKS_URL": f"http://user:{secrets['JWT_JWKS_URL']}@127.0.0.1:{port}/",
        "MONGO_URI": f"mongodb://user:{secrets['MONGO_URI']}@127.0.0.1:{port}/db",
        "KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
        "KAFKA_CONF_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_CONF_SASL_MECHANISM": "PLAIN",
        "KAFKA_CONF_SASL_USERNAME": "user", "KAFKA_CONF_SASL_PASSWORD": secrets["KAFKA_CONF_SASL_PASSWORD"],
        "KAFKA_CONF_SSL_KEY_PASSWORD": secrets["KAFKA_CONF_SSL_KEY_PASSWORD"],
        "SQS_ENABLED": "true", "SQS_QUEUE_URL": f"http://user:{secrets['SQS_QUEUE_URL']}@127.0.0.1:{port}/queue",
        "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{port}", "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": secrets["AWS_SECRET_ACCESS_KEY"],
        "AWS_SESSION_TOKEN": secrets["AWS_SESSION_TOKEN"],
    }


def assert_no_secret(text, where):
    for name, secret in secrets.items():
        assert secret not in text, f"the secret of {name} is in {where}"


@pytest.mark.parametrize("format", ["json", "text"])
def test_no_secret_is_logged_or_answered(make_server, krn, format):
    port = harness.free_port()
    env = {**secret_settings(port), "LOG_LEVEL": "trace", "LOG_FORMAT": format}
    server = make_server(uri=env["MONGO_URI"], env=env).start(wait=False)
    with server.client() as client:
        wait_until(lambda: harness_alive(client), 30, "the server")
        token = mint(key=secrets["JWT_SECRET"])
        secrets["token"] = token.split(".")[2]
        said = []
        for headers in ({"Authorization": f"Bearer {token}"}, {"Authorization": f"Bearer {secrets['bearer']}"},
                        {"Authorization": secrets["bearer"]}, {"Authorization": f"Basic {secrets['bearer']}"},
                        {"Authorization": f"Bearer {token[:-3]}abc"}):
            for body in (update(done=1), b"{nonsense", {"filename": 1}):
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                target = f"{path_of(krn)}?access_token={secrets['query']}"
                answer = client.post(target, content=content, headers={"Content-Type": "application/json", **headers})
                said.append(answer.text + str(answer.headers))
        for target in (f"/?access_token={secrets['query']}", f"/{token}",
                       f"{path_of(krn)}?x={secrets['query']}&limit=x",
                       f"/health?verbose&token={secrets['query']}", f"/x/access_token={secrets['query']}", "/metrics"):
            answer = client.get(target)
            said.append(answer.text + str(answer.headers))
        raw = f"GET /?access_token={secrets['query']} HTTP/9.9\r\nAuthorization: Bearer {secrets['bearer']}\r\n\r\n"
        said.append(send_raw(server, raw.encode(), f"nonsense {secrets['bearer']}\r\n\r\n".encode()).decode())
    wait_until(lambda: {"issuer_keys_unavailable", "database_away", "kafka_away", "sqs_failed"}
               <= set(re.findall(r"[a-z]+(?:_[a-z]+)+", server.log_text())), 60, "all faults")
    server.stop()
    assert_no_secret("\n".join(said), "an answer")
    assert_no_secret(server.log_text(), "the log")
    assert "request_done" in server.log_text()


def harness_alive(client):
    try:
        return client.get("/health").status_code == 503
    except httpx.HTTPError:
        return False


def test_no_secret_is_in_the_config_print_or_in_errors_at_start(tmp_path):
    env = secret_settings(harness.free_port())
    shown = pebbles("config", env=env)
    assert shown.returncode == 0 and "SQS_QUEUE_URL=http://***@127.0.0.1" in shown.stdout
    assert_no_secret(shown.stdout + shown.stderr, "the config print")
    bad = {"MONGO_URI": f"mongodb://user:{secrets['MONGO_URI']}@/?w=0", "JWT_SECRET": secrets["bearer"],
           "JWT_JWKS_URL": f"ftp://user:{secrets['JWT_JWKS_URL']}@host/",
           "SQS_QUEUE_URL": f"gopher://user:{secrets['SQS_QUEUE_URL']}@host/",
           "SQS_DLQ_URL": env["SQS_QUEUE_URL"],
           "AWS_ENDPOINT_URL_SQS": f"x://user:{secrets['SQS_QUEUE_URL']}@host/",
           "KAFKA_CONF_SASL_PASSWORD_X": secrets["KAFKA_CONF_SASL_PASSWORD"]}
    for name, value in bad.items():
        refused = pebbles("serve", env={**env, name: value, "PORT": "0"})
        assert refused.returncode == 2 and "pebbles: " in refused.stderr, (name, refused)
        assert_no_secret(refused.stdout + refused.stderr, f"what is said of a bad {name}")
    for arguments in (("serve", "--jwt-secert", secrets["JWT_SECRET"]),
                      ("serve", f"--jwt-secert={secrets['JWT_SECRET']}"),
                      ("config", secrets["JWT_SECRET"])):
        refused = pebbles(*arguments)
        assert refused.returncode != 0
        assert_no_secret(refused.stdout + refused.stderr, f"what is said of {arguments[:1]}")


def test_the_events_are_documented():
    """By name and level, every one that the code has and none that it has not."""
    source = "".join(path.read_text() for path in (harness.root / "src/telemetry").glob("*.cpp"))
    # A name, and the level before it in the call; `drained ? info : warn` has two.
    in_code = collections.defaultdict(set)
    call = r'(?:\bsay\(|write_line\(|make_line\(|RepeatedEvent \w+\{)\s*([\w: ?]+?),\s*"(\w+)"'
    for levels, name in re.findall(call, source):
        in_code[name] |= set(re.findall(r"\b(?:trace|debug|info|warn|error)\b", levels))
    in_code["unsaid"] = {"warn", "error"}  # of whatever it is
    documented = {}
    table = (harness.root / "docs/logging.md").read_text().split("## Events")[1]
    for names, levels in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([a-z, ]+) \|", table, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            documented[name] = set(levels.split(", "))
    assert set(documented) == set(in_code)
    for name, levels in in_code.items():
        assert levels == documented[name], name
