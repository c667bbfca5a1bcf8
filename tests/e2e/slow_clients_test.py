"""Clients that hold on to connections and do little with them, by slowhttptest and by thousands: others are served."""
import contextlib
import os
import re
import resource
import shutil
import socket
import subprocess
import threading
import time

import pytest
from api_support import Api, path_of
from harness import bearer, wait_until

pytestmark = pytest.mark.timeout(180)

deadlines = {"HTTP_IDLE_TIMEOUT_S": "6", "HTTP_HEAD_TIMEOUT_S": "3", "HTTP_BODY_TIMEOUT_S": "3",
             "HTTP_WRITE_TIMEOUT_S": "3"}
many = 5000  # of each kind


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def memory_kib(server, what):
    """`what` is VmRSS, or VmHWM for the most that it was."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(rf"{what}:\s+(\d+) kB", status.read())[1])


class Others:
    """A client that goes on posting and reading meanwhile, on connections of its own, old and new. Leaving the block
    tells that each was answered well."""

    def __init__(self, server, krn):
        self.server, self.krn = server, krn
        self.count, self.slowest, self.faults = 0, 0, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        kept = Api(self.server)
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                fresh = Api(self.server)
                with fresh.http:
                    for api in (kept, fresh):
                        self.count += 1
                        assert api.report(self.krn, "others.csv", done=1)["counts"]["done"] == self.count
                        assert api.record(self.krn, "others.csv")["counts"]["done"] == self.count
            except Exception as fault:
                self.faults.append(repr(fault))
                return
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.stop.set()
        self.thread.join()
        assert not self.faults, self.faults
        assert self.count > 20, "others were not served"


@pytest.mark.parametrize("mode", ["slow heads", "slow bodies", "slow readers"])
def test_others_are_served_beside_slowhttptest(make_server, krn, mode):
    program = shutil.which("slowhttptest")
    assert program, "the package slowhttptest is missing: script/test installs it"
    server = make_server(env=deadlines).start()
    api = Api(server)
    errors = [{"line": line, "message": "x" * 300} for line in range(1, 101)]
    for number in range(60):
        api.report(krn, f"{number}.csv", done=1, errors=errors)
    before = descriptors(server)
    options = {"slow heads": ["-H", "-i", "1"], "slow bodies": ["-B", "-i", "1", "-s", "8192"],
               "slow readers": ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"]}[mode]
    connections = 1000
    with Others(server, krn) as others:
        attack = subprocess.run(
            [program, *options, "-c", str(connections), "-r", "500", "-l", "12", "-p", "5", "-t",
             "POST" if mode == "slow bodies" else "GET", "-u", server.url + path_of(krn)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        assert not others.faults
    if mode != "slow bodies":  # it has no token, so it is sent away at once
        assert max(map(int, re.findall(r"(?:connected|closed): +(\d+)", plain(attack.stdout)))) >= connections // 2
    assert "Exit status" in plain(attack.stdout)
    assert memory_kib(server, "VmHWM") < 500 * 1024, "answers that nobody takes fill the memory"
    wait_until(lambda: descriptors(server) <= before + 2, 20, "the end of their connections")
    print(f"{mode}: {others.count} updates beside, the slowest round {1000 * others.slowest:.0f} ms, "
          f"at most {memory_kib(server, 'VmHWM') / 1024:.0f} MiB")


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def is_closed(connection):
    """By the server; reads what it said before."""
    connection.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while connection.recv(65536):
            pass
        return True
    return False


def test_slow_bodies_that_have_a_token_end_at_their_deadline(make_server, krn):
    server = make_server(env=deadlines).start()
    head = (f"POST {path_of(krn)} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer()['Authorization']}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{").encode()
    before = memory_kib(server, "VmRSS")
    with contextlib.ExitStack() as opened, Others(server, krn):
        connections = [opened.enter_context(connect(server)) for _ in range(500)]
        for connection in connections:
            connection.sendall(head)
        for _ in range(4):
            time.sleep(0.5)
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.sendall(b" ")
        assert memory_kib(server, "VmRSS") - before < 100 * 1024, "a length that is announced is not yet memory"
        answers = []
        for connection in connections:
            connection.settimeout(15)
            answers.append(connection.recv(65536))
    assert {answer.split(b" ")[1] for answer in answers} == {b"408"}


def raise_own_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} descriptors are needed, and {hard} allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def test_thousands_of_idle_and_half_open_connections_stop_nobody(make_server, krn):
    raise_own_limit(2 * many + 1000)
    server = make_server(env={**deadlines, "HTTP_IDLE_TIMEOUT_S": "15", "HTTP_HEAD_TIMEOUT_S": "15",
                              "MAX_CONNECTIONS": str(2 * many + 1000)}).start()
    Api(server).report(krn, done=1)
    before, resting = memory_kib(server, "VmRSS"), descriptors(server)
    with contextlib.ExitStack() as opened:
        with Others(server, krn) as others:
            idle = [opened.enter_context(connect(server)) for _ in range(many)]
            for connection in idle:  # each has been served once
                connection.sendall(b"GET /no/such/path HTTP/1.1\r\nHost: x\r\n\r\n")
            half_open = [opened.enter_context(connect(server)) for _ in range(many)]
            for connection in half_open:
                connection.sendall(b"GET /clients/krn:")
            wait_until(lambda: descriptors(server) >= resting + 2 * many, 20, "all connections")
            began = others.count
            wait_until(lambda: others.count > began + 100, 30, "others are served beside all of them")
            peak = memory_kib(server, "VmHWM")
            # The half-open ones are told, the idle ones are closed without a word.
            wait_until(lambda: descriptors(server) <= resting + 10, 60, "the deadlines")
        assert all(is_closed(connection) for connection in idle)
        answers = set()
        for connection in half_open:
            connection.settimeout(5)
            answers.add(connection.recv(65536).split(b" ")[1])
        assert answers == {b"408"}
    each = (peak - before) * 1024 / (2 * many)
    print(f"{2 * many} connections: {each:.0f} bytes each, at most {peak / 1024:.0f} MiB, {others.count} updates beside, "
          f"the slowest round {1000 * others.slowest:.0f} ms")
    assert each < 24 * 1024


def test_the_limit_of_descriptors_is_raised(make_server, krn):
    """As far as the system lets it: a shell's usual 1024 would end at a thousand clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = make_server()
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.ExitStack() as opened:
        for _ in range(400):
            opened.enter_context(connect(server))
        wait_until(lambda: descriptors(server) > 400, 10, "all connections")
        Api(server).report(krn, done=1)
    assert "accept_failed" not in server.log_text()
