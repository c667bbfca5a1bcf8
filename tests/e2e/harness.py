"""Starts and stops the real binary, mints tokens, and stands between a client and the server to break things.

Used by the end-to-end tests, the fault tests and the benchmarks; the fixtures around it are in tests/conftest.py.
"""
import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import httpx
import jwt
import pytest

root = pathlib.Path(__file__).resolve().parents[2]
secret = "a development secret that only the tests know, 32 bytes and more"
owner = "worker@example.com"
long_rounds = bool(os.environ.get("PEBBLES_LONG"))

# What would configure a server is never taken from the environment of whoever runs the tests.
foreign = re.compile(r"^(PEBBLES_|MONGO_|SQS_|KAFKA_|AWS_|JWT_|LOG_|SHUTDOWN_|CLIENT_KRN_|HTTP_|CORS_|HOST$|PORT$|PUBLIC_READS$)")


def binary():
    """The binary under test: the debug one, with crash points, when script/test runs."""
    return os.environ.get("PEBBLES_BINARY") or str(root / "build/debug/pebbles")


def release_binary():
    """Skips the test where nobody has built it."""
    path = os.environ.get("PEBBLES_RELEASE_BINARY") or str(root / "build/release/pebbles")
    if not os.path.exists(path):
        pytest.skip("there is no release build: script/server, or script/test --long, makes one")
    return path


def free_port():
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, timeout=10.0, what="the condition"):
    """Polls until `condition()` is true and returns what it returned."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(0.02)
    return result


def mint(email=owner, *, ttl=3600, key=secret, algorithm="HS256", headers=None, **claims):
    """A token. A claim of None is left out; so is `email` when it is None."""
    now = int(time.time())
    payload = {"email": email, "iat": now, "exp": now + ttl, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers)


def bearer(token=None):
    """The request header of a token, of the default owner's if none is given."""
    return {"Authorization": f"Bearer {token or mint()}"}


def update(filename="sales.csv", done=0, warn=0, failed=0, **rest):
    """The body of a report; `rest` adds or replaces members."""
    counts = {"done": done, "warn": warn, "failed": failed}
    return {"filename": filename, "counts": counts, "total": None, "isLast": False, "errors": [], "warnings": [], **rest}


class Started:
    """A process that tests started, and may end or hold up; None while there is none."""

    process = None

    def kill(self):
        """SIGKILL, as a power cut would (except that the page cache lives on)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.forget()

    def forget(self):
        """After its end: takes away what libraries that it was preloaded or linked with left in memory."""
        for name in ("faketime_shm_", "sem.faketime_sem_", "mongoc-"):
            pathlib.Path(f"/dev/shm/{name}{self.process.pid}").unlink(missing_ok=True)
        self.process = None

    def freeze(self):
        """It keeps its connections and answers nothing, as behind a broken network."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class Server(Started):
    """One server on a folder and a port of its own, which it keeps over restarts; its store is embedded in the folder.
    mongo.MongoServer has another."""

    def __init__(self, folder, *, executable=None, port=None, env=None, arguments=()):
        self.folder = pathlib.Path(folder)
        self.executable = executable or binary()
        self.port = port or free_port()
        self.env = dict(env or {})
        self.arguments = list(arguments)
        self.process = None
        self.log = self.folder / "server.log"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def store_arguments(self):
        """What `serve`, `verify` and `rebuild` must be told to find the store."""
        return ["--embedded", str(self.folder / "data")]

    @property
    def store_env(self):
        return {}

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self, *, env=None, wait=True, timeout=30):
        """Starts it, with `env` for this start only, and waits for /health unless told not to."""
        assert not self.running, "the server runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_begin = self.log.stat().st_size if self.log.exists() else 0
        inherited = {name: value for name, value in os.environ.items() if not foreign.match(name)}
        settings = {"HOST": "127.0.0.1", "PORT": str(self.port), "JWT_SECRET": secret, "SHUTDOWN_DELAY_S": "0",
                    "no_proxy": "127.0.0.1",
                    "MONGOC_DISABLE_SHM": "1",  # or libmongoc complains, in its own way, of what a killed one left there
                    **self.store_env, **self.env, **(env or {})}
        command = [self.executable, "serve", *self.store_arguments, *self.arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**inherited, **settings})
        if wait:
            self.wait_healthy(timeout)
        return self

    def wait_healthy(self, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            if not self.running:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/health", timeout=2, trust_env=False).status_code == 200:
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f"the server was not healthy within {timeout} s:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self, timeout=40):
        """SIGTERM; the server must exit with 0."""
        if self.process is None:
            return
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {timeout} s:\n{self.log_tail()}") from None
        self.forget()
        assert status == 0, f"the server exited with {status}:\n{self.log_tail()}"

    def wait_dead(self, timeout=20):
        """Waits for the server to end by itself, as at a crash point; the exit status, negative for a signal."""
        status = self.process.wait(timeout)
        self.forget()
        return status

    def restart(self, **how):
        self.kill() if how.pop("kill", False) else self.stop()
        return self.start(**how)

    def client(self, **options):
        """An httpx client of this server, without a token."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=15, **options)

    def log_text(self):
        """What was logged before this call: a thread of the server's writes it some milliseconds later."""
        if self.running:
            time.sleep(0.1)
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_logged(self, event, timeout=20, times=1):
        """Waits until this start has logged the event so often."""
        def count():
            with open(self.log, "rb") as log:
                log.seek(self.log_begin)
                return len(re.findall(rb"\b%s\b" % event.encode(), log.read()))
        wait_until(lambda: count() >= times, timeout, f"{times} times {event} in the log")

    def log_tail(self, lines=60):
        return "\n".join(self.log_text().splitlines()[-lines:])


class FlakyProxy:
    """Stands before a server and, request by request, does what `fate(number)` says:

    pass          hand over request and answer
    lose_request  cut the connection before the server sees the request
    lose_answer   let the server answer, then cut the connection
    half_answer   hand over the first half of the answer's bytes, then cut
    busy          answer 503 with Retry-After by itself
    `fates` counts what was done, `requests` keeps the raw requests in order of arrival.
    """

    def __init__(self, upstream_port, fate, retry_after=1):
        self.upstream_port, self.fate, self.retry_after = upstream_port, fate, retry_after
        self.fates, self.requests, self.arrivals = {}, [], []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    @staticmethod
    def seeded(seed, **chances):
        """A fate that draws by `chances`, such as lose_answer=0.3; the rest pass."""
        dice = random.Random(seed)
        names, weights = [*chances, "pass"], [*chances.values(), 1 - sum(chances.values())]
        return lambda number: dice.choices(names, weights)[0]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError, EOFError):
            source = connection.makefile("rb")
            while (request := read_message(source)) is not None:
                with self.lock:
                    self.requests.append(request)
                    self.arrivals.append(time.monotonic())
                    fate = self.fate(len(self.requests))
                    self.fates[fate] = self.fates.get(fate, 0) + 1
                if fate == "busy":
                    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                                       b"Retry-After: %d\r\n\r\n" % self.retry_after)
                    continue
                if fate == "lose_request":
                    return cut(connection)
                with socket.create_connection(("127.0.0.1", self.upstream_port), timeout=15) as upstream:
                    upstream.sendall(request)
                    answer = read_message(upstream.makefile("rb"))
                if fate == "lose_answer":
                    return cut(connection)
                if fate == "half_answer":
                    connection.sendall(answer[: len(answer) // 2])
                    return cut(connection)
                connection.sendall(answer)


def cut(connection):
    """Closes with a reset, as a died peer or a broken middlebox does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_message(source):
    """One HTTP message with Content-Length, as bytes; None at the end of the stream."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = source.readline()
        if not line:
            return None
        head += line
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return head + (source.read(int(length[1])) if length else b"")
