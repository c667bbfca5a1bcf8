"""Debian's haproxy on loopback, with the configuration of deploy/haproxy.cfg, before servers of a test."""
import contextlib
import csv
import http.client
import pathlib
import re
import socket
import subprocess

from harness import Started, free_port, root, wait_until

shipped = root / "deploy/haproxy.cfg"


def configuration(servers, port, control, balance):
    """The shipped one with other addresses, and with a port at which it tells its state."""
    text = shipped.read_text()
    if balance:
        text, replaced = re.subn(r"(?m)^  balance uri$", f"  balance {balance}", text)
        assert replaced == 1, "deploy/haproxy.cfg balances otherwise"
    text = re.sub(r"(?m)^  bind .*$", f"  bind 127.0.0.1:{port}", text)
    lines = "\n".join(f"  server pebbles-{number} 127.0.0.1:{server.port}" for number, server in enumerate(servers, 1))
    text, replaced = re.subn(r"(?m)(^  server .*\n)+", lines + "\n", text)
    assert replaced == 2, "deploy/haproxy.cfg has its servers elsewhere"
    return text.replace("global\n", f"global\n  stats socket ipv4@127.0.0.1:{control} level admin\n", 1)


class Haproxy(Started):
    """One balancer on a folder and a port of its own; its start waits until `ready` of the servers are: all, if not
    told. `balance` is another way to choose a server."""

    def __init__(self, folder, servers, ready=None, balance=None):
        self.folder = pathlib.Path(folder)
        self.servers, self.port, self.balance = servers, free_port(), balance
        self.ready_at_start = len(servers) if ready is None else ready
        self.control = free_port()
        self.log = self.folder / "haproxy.log"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "haproxy.cfg"
        path.write_text(configuration(self.servers, self.port, self.control, self.balance))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["haproxy", "-db", "-f", path], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        wait_until(self.answers, 10, "the start of haproxy")
        self.wait_ready(self.ready_at_start)
        return self

    def answers(self):
        assert self.process.poll() is None, f"haproxy ended:\n{self.log.read_text()[-3000:]}"
        with contextlib.suppress(OSError, http.client.HTTPException):
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            line.request("GET", "/health")
            line.getresponse()
            line.close()
            return True

    def ready(self):
        """The names of the servers that it sends requests to."""
        with socket.create_connection(("127.0.0.1", self.control), timeout=5) as control:
            control.sendall(b"show stat\n")
            shown = control.makefile().read()
        rows = csv.DictReader(shown.removeprefix("# ").splitlines())
        return [row["svname"] for row in rows if row["pxname"] == "pebbles" and row["svname"] != "BACKEND"
                and row["status"].startswith("UP")]

    def wait_ready(self, count, timeout=15):
        wait_until(lambda: len(self.ready()) == count, timeout, f"{count} servers that are ready")

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.kill()
