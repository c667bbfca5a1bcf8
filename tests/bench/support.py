"""What the benchmarks share: the load generator, the servers, and how figures are shown."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
SECRET = "a secret of the benchmarks, long enough for HS256"
CONNECTIONS = 64

NGINX_CONF = """
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "ok"; }} }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(algorithm="HS256", sign=lambda text: hmac.new(SECRET.encode(), text, hashlib.sha256).digest()):
    """About 500 bytes, as tokens of identity providers are."""
    now = int(time.time())
    claims = {"email": "user@acme.com", "iat": now, "exp": now + 86400, "name": "x" * 200}
    signed = b64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()) + "." + b64(json.dumps(claims).encode())
    return signed + "." + b64(sign(signed.encode()))


TOKEN = token()


class Nginx:
    def __init__(self, folder):
        self.port = free_port()
        folder.mkdir()
        conf = folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(dir=folder, port=self.port))
        self.process = subprocess.Popen(["nginx", "-c", str(conf), "-g", "daemon off;"], stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)


class Pebbles:
    """With the embedded store, unless `store` says otherwise in flags of `serve`."""

    def __init__(self, binary, folder, keys=None, store=None):
        self.folder = folder
        self.port = free_port()
        folder.mkdir()
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [binary, "serve", "--port", str(self.port), *(store or ["--embedded", str(folder)])],
            env={**os.environ, **(keys or {"JWT_SECRET": SECRET})}, stdout=self.log, stderr=self.log)
        wait_for(self.port)

    def memory(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status).group(1)) / 1024

    def totals(self, client="krn:acme:client:123"):
        """Of lists, which follow a busy server's updates a little later."""
        time.sleep(1)
        done, url = 0, f"/clients/{client}/progress?limit=10000"
        while url:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{url}") as answer:
                done += sum(record["counts"]["done"] for record in json.load(answer))
                link = answer.headers.get("Link")
                url = re.search("<(.*)>", link).group(1) if link else None
        return done // 500

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        assert code == 0, f"pebbles exited with {code}"
        shutil.rmtree(self.folder)


def put_first(pid=0):
    """Lets a process (this one: 0) have a processor as soon as it wants one, where we may: what measures the time of
    answers must not wait for those that it measures, as it would not on a machine of its own."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -10)
    except PermissionError:
        pass


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on {port}")


RUNS = 0


def wrk(port, seconds, files=200, keyed=False, pause_ms=0.0, bearer=None, names="sales_data", clients=1,
        connections=CONNECTIONS, may_refuse=False):
    """POSTs. `may_refuse`: what is over the server's strength is taken off the requests, and is one in a hundred at
    most."""
    global RUNS
    RUNS += 1
    return run_wrk(port, seconds, "post.lua", {
        "BENCH_FILES": str(files), "BENCH_KEYED": "1" if keyed else "0", "BENCH_TOKEN": bearer or TOKEN,
        "BENCH_PAUSE_MS": str(pause_ms), "BENCH_RUN": str(RUNS), "BENCH_NAMES": names,
        "BENCH_CLIENTS": str(clients)}, connections, 0.01 if may_refuse else 0)


def run_wrk(port, seconds, script, settings, connections=CONNECTIONS, refused_max=0.0):
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / script),
                          f"http://127.0.0.1:{port}/"], env={**os.environ, "BENCH_FOLDER": str(HERE), **settings},
                         capture_output=True, text=True, check=True).stdout
    found = re.search(r"BENCH (.*)", out).group(1)
    figures = {k: float(v) for k, v in (part.split("=") for part in found.split())}
    assert figures["errors"] <= refused_max * figures["requests"], out
    figures["requests"] -= figures["errors"]
    figures["rate"] = figures["requests"] / figures["seconds"]
    return figures


def median(rounds, name):
    return statistics.median(r[name] for r in rounds)


def show(label, rounds):
    rates = " ".join(f"{r['rate']:.0f}" for r in rounds)
    print(f"  {label:28} {median(rounds, 'rate'):9.0f}/s   p99 {median(rounds, 'p99_ms'):7.2f} ms   rounds: {rates}", flush=True)
