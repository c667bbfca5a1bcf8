"""What the tests of the HTTP API and of faults share beside harness.py: requests, and what answers must look like."""
import http.client
import json
import os
import subprocess
import urllib.parse

import harness

problem_type = "application/problem+json"
json_type = "application/json"


def path_of(krn, *rest):
    """The path of a client's list, with everything encoded that may be; `rest` are further segments."""
    return "/".join(["/clients", urllib.parse.quote(krn, safe=":"), "progress", *rest])


# What records tell beside what is stored: some of it is another a second later.
derived = {"percent", "ratePerSecond", "etaSeconds", "idleSeconds", "stalled"}


def stored(shown):
    """A record, or a list, without what is derived."""
    if isinstance(shown, list):
        return [stored(record) for record in shown]
    return {name: value for name, value in shown.items() if name not in derived}


def pebbles(*arguments, env=None, timeout=60):
    """Runs a command of the binary to its end, with nothing of the caller's configuration."""
    inherited = {name: value for name, value in os.environ.items() if not harness.foreign.match(name)}
    return subprocess.run([harness.binary(), *map(str, arguments)], env={**inherited, **(env or {})}, timeout=timeout,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Api:
    """A client of one server that speaks the contract."""

    def __init__(self, server):
        self.server = server
        self.http = server.client()

    def post(self, krn, body, *, token=None, key=None, headers=None, **options):
        """`body` is what json.dumps takes, or bytes that are sent as they are."""
        if not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        sent = {**harness.bearer(token), "Content-Type": json_type, **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        return self.http.post(path_of(krn), content=body, headers=sent, **options)

    def report(self, krn, filename="sales.csv", **rest):
        """A report that must be taken; the answer's JSON. Takes what `post` takes and the members of an update."""
        how = {name: rest.pop(name) for name in ("token", "key", "headers") if name in rest}
        answer = self.post(krn, harness.update(filename, **rest), **how)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, krn, *rest, headers=None, **parameters):
        return self.http.get(path_of(krn, *rest), params=parameters, headers=headers)

    def record(self, krn, filename):
        """As it is stored."""
        return stored(self.shown(krn, filename=filename))

    def listed(self, krn, **parameters):
        """Records as they are stored."""
        return stored(self.shown(krn, **parameters))

    def shown(self, krn, **parameters):
        answer = self.get(krn, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


def assert_problem(answer, status, text):
    """An error as the contract has it. A `text` that ends with a space is only the beginning."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
    assert answer.headers["Content-Type"] == problem_type
    body = answer.json()
    assert body["status"] == status
    assert body["title"] and body["detail"]
    if text is None:
        return body
    if text.endswith(" "):
        assert body["error"].startswith(text), body["error"]
    else:
        assert body["error"] == text
    for leak in ("sqlite", "mongo", "simdjson", "errno", ".cpp", "SELECT "):
        assert leak not in answer.text
    return body


class Connection:
    """One kept-alive connection that reports; several times as fast as httpx, for loads. Not shared between threads."""

    failures = (OSError, http.client.HTTPException)

    def __init__(self, port, *, token=None, timeout=15):
        self.port, self.timeout = port, timeout
        self.headers = {"Content-Type": json_type, **harness.bearer(token)}
        self.line = None

    def post(self, krn, body, key=None):
        """(status, headers, parsed body). Raises one of `failures`, after which the connection is made anew."""
        headers = self.headers if key is None else {**self.headers, "Idempotency-Key": key}
        try:
            if self.line is None:
                self.line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            self.line.request("POST", path_of(krn), json.dumps(body), headers)
            answer = self.line.getresponse()
            content = answer.read()
            return answer.status, answer.headers, json.loads(content)
        except self.failures:
            self.close()
            raise

    def close(self):
        if self.line is not None:
            self.line.close()
            self.line = None
