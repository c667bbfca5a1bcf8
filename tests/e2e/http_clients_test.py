"""What clients that others wrote see of the service: large bodies that are refused, slow uploads, kept connections."""
import contextlib
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import time

import harness
import httpx
import pytest
from api_support import Api, path_of
from harness import bearer, update, wait_until

rounds = 100 if harness.long_rounds else 12
sizes = [2 << 20, 8 << 20, 16 << 20]
refusals = {  # what is wrong with the request: its answer
    "no token": 401, "too large": 413, "another type": 415, "no such path": 404}

node_client = """
const [kind, url, size, rounds, headers] = process.argv.slice(1);
const body = Buffer.alloc(Number(size), 32);
async function ask() {
  if (kind === "fetch") {
    const answer = await fetch(url, {method: "POST", body, headers: JSON.parse(headers)});
    return [answer.status, (await answer.json()).status];
  }
  const axios = require("axios");
  const answer = await axios.post(url, body, {headers: JSON.parse(headers), validateStatus: () => true,
                                              maxBodyLength: Infinity});
  return [answer.status, answer.data.status];
}
(async () => {
  for (let round = 0; round < Number(rounds); ++round) {
    try { console.log(JSON.stringify(await ask())); }
    catch (fault) { console.log(JSON.stringify(String(fault.cause || fault))); }
  }
})();
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("clients")).start()
    yield Api(server)
    server.stop()


def request_of(api, wrong):
    """The URL and headers of a request that is refused for this."""
    headers = {"Content-Type": "application/json", **bearer()}
    path = path_of("krn:clients")
    if wrong == "no token":
        del headers["Authorization"]
    elif wrong == "another type":
        headers["Content-Type"] = "application/xml"
    elif wrong == "no such path":
        path += "/a/b/c"
    return api.server.url + path, headers


def ask_node(kind, url, headers, size):
    modules = os.environ.get("PEBBLES_NODE_CLIENTS") or str(harness.root / "build/components/node-clients")
    done = subprocess.run(["node", "-e", node_client, kind, url, str(size), str(rounds), json.dumps(headers)],
                          env={**os.environ, "NODE_PATH": modules + "/node_modules"}, text=True, capture_output=True,
                          timeout=100)
    return [json.loads(line) for line in done.stdout.splitlines()] or done.stderr


def ask_curl(url, headers, size, folder):
    body = pathlib.Path(folder) / "body"
    body.write_bytes(b" " * size)
    fields = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    found = []
    for _ in range(rounds):
        done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", *fields,
                               "--data-binary", f"@{body}", url], text=True, capture_output=True, timeout=60)
        found.append([int(done.stdout)] * 2 if done.returncode == 0 else done.stderr)
    return found


def ask_httpx(url, headers, size):
    found = []
    with httpx.Client(trust_env=False, timeout=30) as client:
        for _ in range(rounds):
            try:
                answer = client.post(url, headers=headers, content=b" " * size)
                found.append([answer.status_code, answer.json()["status"]])
            except httpx.HTTPError as fault:
                found.append(repr(fault))
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("client", ["fetch", "axios", "curl", "httpx"])
def test_a_refused_body_is_read_so_that_the_answer_arrives(api, tmp_path, client):
    """Node's clients write all of a body before they look for an answer, and take a closed connection for its end."""
    for wrong, status in refusals.items():
        url, headers = request_of(api, wrong)
        for size in sizes if wrong == "no token" or harness.long_rounds else sizes[1:2]:
            if client == "curl":
                found = ask_curl(url, headers, size, tmp_path)
            elif client == "httpx":
                found = ask_httpx(url, headers, size)
            else:
                found = ask_node(client, url, headers, size)
            assert found == [[status, status]] * rounds, (wrong, size, found)


def test_what_is_announced_above_every_limit_is_refused_at_once(api):
    url, headers = request_of(api, "no token")
    with socket.create_connection(("127.0.0.1", api.server.port), timeout=10) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n"
                           % path_of("krn:clients").encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")


def paced(body, bytes_per_second, piece=4096):
    """The body in pieces, at that rate."""
    began = time.monotonic()
    for at in range(0, len(body), piece):
        yield body[at:at + piece]
        time.sleep(max(0, began + (at + piece) / bytes_per_second - time.monotonic()))


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server with a body timeout of one second."""
    server = harness.Server(tmp_path_factory.mktemp("hasty"), env={"HTTP_BODY_TIMEOUT_S": "1"}).start()
    yield Api(server)
    server.stop()


def test_a_slow_upload_that_goes_on_is_no_slow_client(hasty, krn):
    """Many times the timeout in all, at 120 kB a second."""
    body = json.dumps([update("a", done=1)] * 4000).encode()
    assert 4 * 120_000 < len(body)
    answer = hasty.http.post(path_of(krn, "batch") + "?return=minimal", content=paced(body, 120_000), timeout=60,
                             headers={**bearer(), "Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text[:300]
    assert hasty.record(krn, "a")["counts"]["done"] == 4000


def test_a_body_that_trickles_is_given_up(hasty, krn):
    began = time.monotonic()
    with contextlib.suppress(httpx.HTTPError):
        answer = hasty.http.post(path_of(krn), content=paced(b" " * 4000, 100, 10), timeout=60,
                                 headers={**bearer(), "Content-Type": "application/json"})
        assert answer.status_code == 408
    assert time.monotonic() - began < 30
    assert hasty.listed(krn) == []


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])


def connect_all(stack, server, count):
    return [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=15)) for _ in range(count)]


@pytest.fixture
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for both ends: the server inherits it
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(180)
def test_an_idle_connection_keeps_at_most_12_kib(make_server, descriptors):
    """Also one that once had a large head, a body and an answer."""
    count = 10_000 if harness.long_rounds else 1_500
    if descriptors < 2 * count + 100:
        pytest.skip("ulimit -n is too low here")
    server = make_server(env={"HTTP_IDLE_TIMEOUT_S": "300", "HTTP_HEAD_TIMEOUT_S": "60"}).start()
    large = b"GET /nowhere HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1500) for n in range(10)) + b"\r\n"
    with contextlib.ExitStack() as stack:
        before = resident_kib(server)
        crowd = connect_all(stack, server, count)
        for connection in crowd:
            connection.sendall(large)
            assert connection.recv(4096).startswith(b"HTTP/1.1 404 ")
        wait_until(lambda: resident_kib(server) - before <= 12 * count, 10, "idle connections within 12 KiB each")
        for connection in crowd[::100]:  # and each is served again
            connection.sendall(large)
            assert connection.recv(4096).startswith(b"HTTP/1.1 404 ")


@pytest.mark.timeout(180)
def test_long_heads_that_never_end_are_bounded(make_server, descriptors):
    """All of them together hold 16 MiB beyond their first 4 KiB each; who is in a hurry is served meanwhile."""
    count = 9_000 if harness.long_rounds else 2_500
    if descriptors < 2 * count + 100:
        pytest.skip("ulimit -n is too low here")
    server = make_server(env={"HTTP_HEAD_TIMEOUT_S": "60"}).start()
    part = b"GET /health HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1500) for n in range(10))
    with contextlib.ExitStack() as stack:
        before = resident_kib(server)
        for connection in connect_all(stack, server, count):
            with contextlib.suppress(OSError):  # where it was refused already
                connection.sendall(part)
        assert resident_kib(server) - before <= 16 * 1024 + 12 * count + 8192
        with server.client() as client:
            assert client.get("/health").status_code == 200
            wait_until(lambda: client.get("/health", headers={"X-Long": "x" * 6000}).status_code == 200, 20,
                       "a request with a long head among those")


def test_many_kinds_of_answers_may_be_read_by_pages(api, krn):
    """Each answer has the headers that a browser asks for, refusals included."""
    origin = {"Origin": "https://app.example.com"}
    api.report(krn, "a", done=1)
    tag = api.get(krn, filename="a").headers["ETag"]
    answers = {
        200: api.http.get(path_of(krn), headers=origin),
        304: api.http.get(path_of(krn), params={"filename": "a"}, headers={**origin, "If-None-Match": tag}),
        400: api.http.get(path_of(krn), params={"limit": "x"}, headers=origin),
        401: api.http.post(path_of(krn), json={}, headers=origin),
        404: api.http.get("/nowhere", headers=origin),
        405: api.http.put(path_of(krn), headers=origin),
        413: api.http.post(path_of(krn), content=b" " * (2 << 20),
                           headers={**origin, **bearer(), "Content-Type": "application/json"}),
        415: api.http.post(path_of(krn), content=b"x", headers={**origin, **bearer(), "Content-Type": "text/xml"}),
        431: api.http.get("/health", headers={**origin, "X": "x" * 20_000}),
        501: api.http.request("BREW", "/health", headers=origin)}
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "*", status
        assert {"ETag", "Link", "Retry-After", "X-Request-Id"} <= set(
            re.split(", ", answer.headers["Access-Control-Expose-Headers"])), status


def test_a_preflight_names_what_pages_send(api, krn):
    answer = api.http.options(path_of(krn), headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"})
    allowed = {name.lower() for name in answer.headers["Access-Control-Allow-Headers"].split(", ")}
    assert allowed >= {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "baggage",
                       "sentry-trace", "traceparent", "tracestate", "cache-control", "prefer", "x-request-id"}


@pytest.mark.parametrize("path", ["/health/", "/clients/krn:a/progress/", "/clients/krn:a/summary/"])
def test_a_slash_at_the_end_is_told(api, path):
    answer = api.http.get(path)
    assert answer.status_code == 404 and "ends with a slash" in answer.json()["detail"]


def test_a_query_that_is_not_utf_8_is_told(api, krn):
    answer = api.http.get(f"{path_of(krn)}?filename=caf%FC")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "Invalid parameters: filename is not UTF-8 once its percent escapes are decoded"


def test_a_refused_type_and_size_name_what_is_accepted(api, krn):
    headers = {**bearer(), "Content-Type": "text/xml"}
    assert "application/json" in api.http.post(path_of(krn), content=b"x", headers=headers).json()["detail"]
    headers["Content-Type"] = "application/json"
    large = api.http.post(path_of(krn), content=b" " * (1 << 21), headers=headers)
    assert (large.status_code, large.json()["detail"]) == (
        413, f"The body is too large: at most {1 << 20} bytes are accepted here")


@pytest.mark.parametrize("line, status", [
    (b"GET /health HTTP/1.2", 200), (b"GET http://h/health HTTP/1.1", 200), (b"GET http://h HTTP/1.1", 404),
    (b"GET http://h?x=1 HTTP/1.1", 404), (b"GET /he alth HTTP/1.1", 400), (b"GET http://u@h/health HTTP/1.1", 400)])
def test_first_lines(api, line, status):
    with socket.create_connection(("127.0.0.1", api.server.port), timeout=10) as connection:
        connection.sendall(line + b"\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 %d " % status)
