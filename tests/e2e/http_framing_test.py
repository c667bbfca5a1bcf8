"""HTTP as bytes on a socket: what is framed badly, comes slowly, or could be read in two ways.

One server for all, with short deadlines. Each test ends with the same question: is everything as it was?"""
import contextlib
import json
import os
import re
import resource
import socket
import threading
import time

import harness
import pytest
from api_support import Api, path_of
from harness import bearer, update

deadline_s = 1


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    names = ("IDLE", "HEAD", "BODY", "WRITE")
    server = harness.Server(tmp_path_factory.mktemp("http"), env={
        **{f"HTTP_{name}_TIMEOUT_S": str(deadline_s) for name in names}, "MAX_CONNECTIONS": "64"}).start()
    yield Api(server)
    server.stop()


@pytest.fixture
def say(api, krn):
    """Sends bytes, reads to the end of what comes, and checks that nothing was written and the server is well."""
    yield lambda data, **how: exchange(api.server.port, data, **how)
    assert api.server.running
    assert api.http.get("/health").text == "OK"
    assert api.listed(krn) == [] and api.listed("krn:smuggled") == []


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=15)


def read_all(connection):
    out = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            out += piece
    return out


def exchange(port, data, finish=True):
    with connect(port) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
            connection.sendall(data)
        if finish:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def statuses(said):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def head_of(krn, *fields, method="POST", version="HTTP/1.1", host="Host: h"):
    lines = [f"{method} {path_of(krn)} {version}", *([host] if host else []),
             f"Authorization: {bearer()['Authorization']}", "Content-Type: application/json", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


good_body = json.dumps(update(done=1)).encode()
# What a server that misreads the framing would take for a request of its own.
smuggled = head_of("krn:smuggled", f"Content-Length: {len(good_body)}") + good_body


def assert_refused(said, *allowed):
    """One answer, and the end of the connection: nothing behind it was taken for a request."""
    assert len(statuses(said)) == 1 and statuses(said)[0] in allowed, said[:500]
    assert b"\r\nConnection: close\r\n" in said
    assert b"application/problem+json" in said


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET /health\r\n\r\n", b"GET /health HTTP/0.9\r\n\r\n",
                                  b"GET /health HTTP/2.0\r\nHost: h\r\n\r\n", b"GET /health HTTP/3.0\r\nHost: h\r\n\r\n",
                                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /health HTTP/1.1\nHost: h\n\n",
                                  b"GET  /health HTTP/1.1\r\nHost: h\r\n\r\n", b" GET /health HTTP/1.1\r\nHost: h\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX:\r\n b\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX: a\r\n\t\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                                  b"GET /health#x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"],
                         ids=lambda data: repr(data[:44]))
def test_what_is_no_request(say, data):
    said = say(data)
    assert len(statuses(said)) == 1 and statuses(said)[0] in (400, 505), said
    assert b"\r\nConnection: close\r\n" in said


@pytest.mark.parametrize("fields", [
    ("Content-Length: 5", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ("Content-Length: 5", "Content-Length: 6"), ("Content-Length: 5", "Content-Length: 5"), ("Content-Length: +5",),
    ("Content-Length: 5, 5",), ("Content-Length: -1",), ("Content-Length: 18446744073709551616",),
    ("Content-Length: 0x5",), ("Content-Length: 5 5",), ("Content-Length:",), ("Content-Length: 1e1",),
    ("Transfer-Encoding: xchunked",), ("Transfer-Encoding: chunked, chunked",), ("Transfer-Encoding: identity",),
    ("Transfer-Encoding: gzip, chunked",), ("Transfer-Encoding: chunked, gzip",), ("Transfer-Encoding: gzip",),
    ("Transfer-Encoding: gzip", "Content-Length: 5"), ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: \x0bchunked",), ("Transfer-Encoding: chunked;x=y",), ("Transfer-Encoding:",),
    ("Transfer-Encoding:\r\n chunked",), ("Content-Length:\r\n\t5",), ("Content-Length: 5\r\n 5",)],
    ids=lambda fields: " + ".join(fields))
def test_a_body_that_could_end_in_two_places(say, krn, fields):
    """Request smuggling: what one server takes for the body, the next takes for a request."""
    for body in (b"0\r\n\r\n" + smuggled, b"5\r\nhello\r\n0\r\n\r\n" + smuggled, smuggled):
        assert_refused(say(head_of(krn, *fields) + body), 400, 501)


@pytest.mark.parametrize("chunks", [b"x\r\n", b"10000000000000000\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"0x5\r\nhello\r\n",
                                    b"5 junk\r\nhello\r\n", b"5;\na=b\r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhello!\r\n",
                                    b"5\r\nhello", b"\r\n", b" 5\r\nhello\r\n"], ids=repr)
def test_a_bad_chunk(say, krn, chunks):
    assert_refused(say(head_of(krn, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n" + smuggled), 400, 413)


def test_beast_trailers_without_end(say, api, krn):
    """Beast 1.81 throws out of the read for a trailer over 64 KiB, and buffers one of 2 MB whole."""
    before = resident(api)
    for size in (70_000, 2_000_000):
        said = say(head_of(krn, "Transfer-Encoding: chunked") + b"0\r\nX: " + b"x" * size + b"\r\n\r\n", finish=False)
        assert said == b"" or statuses(said) == [400], said[:200]
    assert resident(api) - before < 8_000


def test_beast_chunk_extensions_without_end(say, api, krn):
    before = resident(api)
    said = say(head_of(krn, "Transfer-Encoding: chunked") + b"5;x=" + b"x" * 2_000_000 + b"\r\nhello\r\n0\r\n\r\n",
               finish=False)
    assert said == b"" or statuses(said) == [400], said[:200]
    assert resident(api) - before < 8_000


def test_beast_chunked_in_http_1_0(say, krn):
    said = say(head_of(krn, "Transfer-Encoding: chunked", version="HTTP/1.0") + b"0\r\n\r\n" + smuggled)
    assert_refused(said, 400)


def test_a_trailer_is_no_header(api, krn):
    """A trailer that claims to be a header changes nothing: not who speaks, not the key. One that would change the
    framing is refused (RFC 9110, section 6.5.1)."""
    body = b"%x\r\n%s\r\n0\r\n%%s: x\r\nAuthorization: Bearer x\r\n\r\n" % (len(good_body), good_body)
    chunked = head_of(krn, "Transfer-Encoding: chunked", "Connection: close")
    for field in (b"Content-Length", b"Transfer-Encoding"):
        assert_refused(exchange(api.server.port, chunked + body % field + smuggled), 400)
    for done in (1, 2):
        said = exchange(api.server.port, chunked + body % b"Idempotency-Key")
        assert statuses(said) == [200] and b"Idempotent-Replayed" not in said, said
        assert api.record(krn, "sales.csv")["counts"]["done"] == done
    assert api.listed("krn:smuggled") == []


def resident(api):
    with open(f"/proc/{api.server.process.pid}/status") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "get", "PATCH", "PROPFIND", "DELETE", "PUT"])
def test_methods_that_are_not_served(say, krn, method):
    said = say(head_of(krn, "X-Canary: canary-7", "Connection: close", method=method))
    assert statuses(said) in ([405], [501]) and b"canary-7" not in said


def test_limits(say, krn):
    assert_refused(say(head_of(krn, "X: " + "x" * 20_000)), 431)
    assert_refused(say(head_of(krn, *["A: b"] * 101)), 431)
    assert_refused(say(b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n"), 414)
    assert_refused(say(head_of(krn, "Content-Length: 1048577"), finish=False), 413)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    assert_refused(say(head_of(krn, "Transfer-Encoding: chunked") + chunk * 17, finish=False), 413)


def test_a_refused_body_is_never_asked_for(say, krn):
    expect = ("Expect: 100-continue", "Content-Length: 5")
    for data, status in ((head_of(krn, *expect).replace(b"Bearer ", b"Bearer x"), 401),
                         (head_of(krn, *expect).replace(b"/json", b"/xml"), 415),
                         (head_of(krn, "Expect: 100-continue", "Content-Length: 9999999"), 413)):
        said = say(data, finish=False)
        assert statuses(said) == [status], said


def test_a_wanted_body_is_asked_for(api, krn):
    with connect(api.server.port) as connection:
        connection.sendall(head_of(krn, "Expect: 100-continue", f"Content-Length: {len(good_body)}"))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(good_body)
        assert statuses(connection.recv(10_000)) == [200]


def test_pipelined_requests_the_second_bad(api, krn):
    said = exchange(api.server.port, head_of(krn, f"Content-Length: {len(good_body)}") + good_body +
                    b"GET /health HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n" + smuggled)
    assert statuses(said) == [200, 400]
    assert api.listed("krn:smuggled") == [] and api.record(krn, "sales.csv")["counts"]["done"] == 1


def test_keep_alive_pipelining_and_chunks(api, krn):
    chunked = b"".join(b"%x\r\n%s\r\n" % (1, good_body[i:i + 1]) for i in range(len(good_body))) + b"0\r\n\r\n"
    one = head_of(krn, "Transfer-Encoding: chunked") + chunked
    get = f"GET {path_of(krn)}?filename=sales.csv HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    with connect(api.server.port) as connection:
        for _ in range(3):
            connection.sendall((one + get) * 10)
            said = b""
            while len(statuses(said)) < 20 or not said.endswith(b"}"):
                said += connection.recv(65536)
            assert statuses(said) == [200] * 20
    assert api.record(krn, "sales.csv")["counts"]["done"] == 30


@pytest.mark.parametrize("data, step", [(b"GET /health HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 500, 1),
                                        (head_of("krn:slow", "Content-Length: 1000") + b" " * 500, 5_000)],
                         ids=["head", "body"])
def test_one_byte_at_a_time(say, api, data, step):
    started = time.monotonic()
    with connect(api.server.port) as connection:
        start = data.find(b"\r\n\r\n") + 4 if step > 1 else 1
        connection.sendall(data[:start])
        with contextlib.suppress(OSError):
            for at in range(start, len(data)):
                connection.sendall(data[at:at + 1])
                time.sleep(0.02)
                if time.monotonic() - started > 5 * deadline_s:
                    break
        said = read_all(connection)
    assert time.monotonic() - started < 4 * deadline_s + 1
    assert said == b"" or statuses(said) == [408]


def test_a_client_that_never_reads(api, krn):
    """It is cut off, memory stays bounded, and others are served meanwhile."""
    for number in range(40):
        items = [{"line": line + 1, "message": "x" * 600} for line in range(100)]
        api.report(krn, f"{number}.csv", errors=items)
    before = resident(api)
    request = f"GET {path_of(krn)} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    deaf = []
    for _ in range(10):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", api.server.port))
        with contextlib.suppress(OSError):
            connection.sendall(request * 20)
        deaf.append(connection)
    until = time.monotonic() + 3 * deadline_s
    while time.monotonic() < until:
        assert api.http.get("/health").status_code == 200
    assert resident(api) - before < 60_000
    sockets = len(open_sockets(api))
    assert sockets < 10, sockets
    for connection in deaf:
        connection.close()


def open_sockets(api):
    folder = f"/proc/{api.server.process.pid}/fd"
    names = []
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            names.append(os.readlink(f"{folder}/{name}"))
    return [name for name in names if name.startswith("socket:")]


def is_closed_without_a_word(connection):
    """By the server; takes nothing of what it says."""
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return connection.recv(1, socket.MSG_PEEK) == b""
    return False


def test_idle_connections_end_and_the_cap_holds(api):
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connect(api.server.port)) for _ in range(100)]
        harness.wait_until(lambda: sum(map(is_closed_without_a_word, crowd)) >= 100 - 64, what="the refused ones")
        time.sleep(deadline_s + 0.5)
        for connection in crowd:
            connection.setblocking(True)
            assert connection.recv(1) == b"", "an idle connection is closed without a word"
    assert exchange(api.server.port, b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").endswith(b"OK")


def test_five_thousand_idle_connections_cost_little_and_stop_nobody(make_server, krn):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 6_000:
        pytest.skip("ulimit -n is too low here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for both ends: the server inherits it
    try:
        patience = {"HTTP_IDLE_TIMEOUT_S": "300", "HTTP_HEAD_TIMEOUT_S": "300"}  # on a busy machine this takes a while
        api = Api(make_server(env=patience).start())
        api.report(krn, done=1)
        before = resident(api)
        with contextlib.ExitStack() as stack:
            for number in range(5_000):
                line = stack.enter_context(connect(api.server.port))
                if number % 2:
                    line.sendall(b"GET /health HTTP/1.1\r\n")  # and half of them have begun to speak
            for number in range(100):
                started = time.monotonic()
                assert api.report(krn, done=1)["counts"]["done"] == number + 2
                with api.server.client() as newcomer:
                    assert newcomer.get(path_of(krn)).status_code == 200
                assert time.monotonic() - started < 2
            assert len(open_sockets(api)) > 5_000
            assert resident(api) - before < 5_000 * 16
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_flood_of_connections_stops_nobody(api, krn):
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connect(api.server.port).close()

    api.report(krn)  # who is connected stays so; a newcomer may find the cap reached
    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(50):
            assert api.report(krn, done=1)["counts"]["done"] == number + 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("headers", [{"Range": "bytes=0-1"}, {"If-Match": '"x"'}, {"X-Unknown": "y"},
                                     {"Accept": "image/png"}, {"If-None-Match": "nonsense"}, {"TE": "trailers"},
                                     {"Upgrade": "h2c", "Connection": "Upgrade"}, {"Content-Length": "0"}],
                         ids=lambda headers: next(iter(headers)))
def test_headers_that_change_nothing(api, krn, headers):
    api.report(krn, done=1)
    answer = api.get(krn, filename="sales.csv", headers=headers)
    assert answer.status_code == 200 and answer.json()["counts"]["done"] == 1


def test_a_list_may_be_given_in_several_fields(api, krn):
    """RFC 9110, section 5.3: they count as one, in order."""
    written = [*bearer().items(), ("Content-Type", "application/json")]
    body = json.dumps(update(errors=[{"message": "x" * 3000}])).encode()
    made = api.http.post(path_of(krn), content=body,
                         headers=[*written, ("Prefer", "respond-async"), ("Prefer", "return=minimal")])
    assert made.status_code == 200 and "errors" not in made.json()
    tag = api.get(krn).headers["ETag"]
    several = [("If-None-Match", '"x"'), ("If-None-Match", tag), ("Accept-Encoding", "br"), ("Accept-Encoding", "gzip")]
    assert api.get(krn, headers=several).status_code == 304
    assert api.get(krn, headers=several[2:]).headers["Content-Encoding"] == "gzip"
    assert api.get(krn, headers=[("Accept", "text/html"), ("Accept", "image/png"), ("X", "1"), ("X", "2")]).json()
    refused = api.http.post(path_of(krn), content=good_body,
                            headers=[*written, ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")])
    assert refused.status_code == 415


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_a_compressed_body_is_not_read(api, krn, coding):
    import gzip
    bomb = gzip.compress(b" " * 50_000_000)
    answer = api.post(krn, bomb, headers={"Content-Encoding": coding})
    assert answer.status_code == 415 and api.listed(krn) == []
