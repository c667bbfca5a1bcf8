"""Tenants see nothing of one another: a generated matrix of requests over routes, tenants, tokens and settings.

Each tenant's data carry strings that nobody else's do: its canaries. No answer, and no log line that a request brought
about, may hold a canary of another tenant than the one in the request's path."""
import gzip
import http.client
import json
import os
import re
import secrets
import socket
import threading
import urllib.parse
import unicodedata
from dataclasses import dataclass, field
from urllib.parse import quote

import harness
import pytest
from api_support import Api, assert_problem, path_of
from harness import mint, update

claim = "clients"
shared = "shared.csv"  # every tenant has a file of this name, and uses this key for it
shared_key = "run-1"
tokens = ("own", "other", "none", "bad")

missing = "Missing Authorization header"
invalid = "Invalid or expired token"
wrong_client = "Token is not valid for this client"
not_the_owner = "Only the original creator can update this file's progress"
completed = "This file processing has already been completed"
key_reused = "This key was used with a different update"
not_found = "Progress not found for this file"
bad_parameters = "Invalid parameters: "

# Three names each; what makes the tenants differ is all that the row's name says.
families = {
    "strangers": lambda: [f"krn:{secrets.token_hex(8)}:client" for _ in range(3)],
    "case": lambda: ["krn:acme:client", "krn:Acme:client", "krn:ACME:CLIENT"],
    "normal form": lambda: ["krn:" + unicodedata.normalize("NFC", "\u00e5ngstr\u00f6m"),
                            "krn:" + unicodedata.normalize("NFD", "\u00e5ngstr\u00f6m"), "krn:\u00e5ngstro\u0308m"],
    "ending": lambda: ["krn:end", "krn:end.", "krn:end%20"],
}


@dataclass
class Tenant:
    """What one tenant has stored, and the strings that give it away."""
    krn: str
    canary: str
    token: str = ""
    spoilt: str = ""
    ids: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    cursors: dict = field(default_factory=dict)

    @property
    def guests(self):
        """A client of this tenant's where tokens of others leave files, as they may unless tokens are bound."""
        return self.krn + ":guests"

    @property
    def email(self):
        return f"{self.canary}-email@example.com"

    @property
    def filename(self):
        return f"{self.canary}-file.csv"

    @property
    def event(self):
        return f"{self.canary}-event"

    def items(self):
        return [{"line": 1, "message": f"{self.canary}-message " + "x" * 600}]

    def first_report(self, filename):
        return update(filename, done=1, errors=self.items(), warnings=self.items())

    def marks(self):
        """What may stand in no answer to another: also the name as JSON shows it, the ids, and the tags."""
        name = json.dumps(self.krn, ensure_ascii=False)
        return [mark.encode() for mark in (self.canary, name, *self.ids.values(), *self.tags.values())]


@dataclass(frozen=True)
class Request:
    """One cell of the matrix. `status` and `text` are the contract's for the path's tenant with a good token;
    `others` are those for somebody else's, where they differ and tokens are not bound."""
    name: str
    method: str
    path: str
    status: int
    text: str | None = None
    others: tuple | None = None
    kind: str = "open"  # or "read", "write"
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    check: object = None  # called with the answer, when it is the one for a good token


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    raw: bytes  # head and body as they are to be searched

    def json(self):
        return json.loads(self.body)


class Line:
    """One kept-alive connection: every tenant's requests go through the same buffers of the server."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)

    def send(self, request, authorization):
        headers = {**request.headers, **({"Authorization": authorization} if authorization else {})}
        self.connection.request(request.method, request.path, request.body, headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        return Answer(answer.status, answer.headers, body, answer.headers.as_bytes() + b"\n" + body)


class Log:
    """What the server logs from now on, and whose request each line is about."""

    def __init__(self, path):
        self.path, self.start, self.whose, self.last = path, os.path.getsize(path), {}, None

    def note(self, answer, tenant, request):
        self.last = answer.headers["X-Request-Id"]
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        self.whose[self.last] = tenant, urllib.parse.unquote(request.path).encode() + body

    def read(self):
        with open(self.path, "rb") as log:
            log.seek(self.start)
            return log.read()

    def assert_clean(self, tenants):
        """Each line has nothing but what is of whoever asked, or what they asked for; what a fault says of a file, by
        the client in it. All that was logged."""
        harness.wait_until(lambda: self.last.encode() in self.read(), what="the line of the last request")
        text = self.read()
        for line in text.splitlines():
            named = re.search(rb'request_id="(\w+)"', line)
            asked, said = self.whose.get(named[1].decode(), (None, b"")) if named else (None, b"")
            if asked is None:
                asked = next((tenant for tenant in tenants for name in (tenant.krn, tenant.guests)
                              if f'client="{name}"'.encode() in line), None)
            for tenant in tenants:
                for mark in tenant.marks() if tenant is not asked else ():
                    assert mark not in line or mark in said, f"{mark} of {tenant.krn!r} in a line of the log: {line}"
        return text


def populate(api, tenants, bound):
    for tenant in tenants:
        clients = {claim: [tenant.krn, tenant.guests]} if bound else {}
        tenant.token = mint(tenant.email, **clients)
        tenant.spoilt = mint(tenant.email, key="a secret that is not the server's, but long enough", **clients)
        for filename, how in ((shared, {"key": shared_key}), (tenant.filename, {}), ("done.csv", {})):
            body = tenant.first_report(filename)
            if filename == tenant.filename:
                body["eventId"] = tenant.event
            answer = api.post(tenant.krn, {**body, "isLast": filename == "done.csv"}, token=tenant.token, **how)
            assert answer.status_code == 200 and answer.json()["result"] == "created", answer.text
        read = harness.bearer(tenant.token)
        for record in api.get(tenant.krn, headers=read).json():
            tenant.ids[record["filename"]] = record["id"]
            tenant.tags[record["filename"]] = api.get(tenant.krn, record["id"], headers=read).headers["ETag"]
        tenant.tags["list"] = api.get(tenant.krn, headers=read).headers["ETag"]
        for name, parameters in (("list", {}), ("email", {"email": tenant.email})):
            page = api.get(tenant.krn, limit=1, headers=read, **parameters)
            tenant.cursors[name] = re.search(r"cursor=([^&>]+)", page.headers["Link"])[1]
    assert len({id for tenant in tenants for id in tenant.ids.values()}) == 3 * len(tenants)


# The requests to one tenant's path; `other` is the one whose names, ids, tags, cursors and keys are tried on it.

def reads(tenant, other):
    def get(name, *rest, status=200, text=None, method="GET", headers=None, check=None, **parameters):
        query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in parameters.items())
        return Request(f"{method} {name}", method, path_of(tenant.krn, *rest) + ("?" + query if query else ""), status,
                       text, kind="read", headers=headers or {}, check=check)

    def names(*filenames):
        def check(answer):
            records = answer.json() if answer.body.startswith(b"[") else [answer.json()]
            assert {record["filename"] for record in records} == set(filenames)
            assert all((record["clientKrn"], record["email"]) == (tenant.krn, tenant.email) for record in records)
        return check

    mine = (shared, tenant.filename, "done.csv")
    tag = lambda whose, what: {"If-None-Match": f'"x", {whose.tags[what]}'}
    yield get("the list", check=names(*mine))
    yield get("the list, packed", headers={"Accept-Encoding": "gzip"}, check=names(*mine))
    yield get("the list of an owner", email=tenant.email, check=names(*mine))
    yield get("the list of another's owner", email=other.email, check=names())
    yield get("a page", limit=1)
    yield get("the next page", limit=5, cursor=tenant.cursors["list"])
    yield get("the next page of an owner", limit=5, cursor=tenant.cursors["email"], email=tenant.email)
    yield get("a page by another's cursor", status=400, text=bad_parameters, cursor=other.cursors["list"])
    yield get("a page of another's owner by his cursor", status=400, text=bad_parameters, email=other.email,
              cursor=other.cursors["email"])
    yield get("a page of the owner by another's cursor", status=400, text=bad_parameters, email=tenant.email,
              cursor=other.cursors["email"])
    yield get("a page of another's owner by the own cursor", status=400, text=bad_parameters, email=other.email,
              cursor=tenant.cursors["email"])
    yield get("no page", status=400, text=bad_parameters, limit=0)
    yield get("a file", filename=tenant.filename, check=names(tenant.filename))
    yield get("a file that all have", filename=shared, check=names(shared))
    yield get("a file, with another's owner", filename=shared, email=other.email, check=names(shared))
    yield get("another's file", status=404, text=not_found, filename=other.filename)
    for filename in mine:
        yield get(f"{filename} by id", tenant.ids[filename], check=names(filename))
    for filename, ident in other.ids.items():
        yield get(f"another's {filename} by id", ident, status=404, text=not_found)
    yield get("no id", other.canary, status=404, text=not_found)
    for what, rest, parameters in (("list", [], {}), (shared, [], {"filename": shared}),
                                   (shared, [tenant.ids[shared]], {})):
        yield get(f"{what} with its tag", *rest, status=304, headers=tag(tenant, what), **parameters)
        yield get(f"{what} with another's tag", *rest, headers=tag(other, what), **parameters)
    yield get("another's id with its tag", other.ids[shared], status=404, text=not_found, headers=tag(other, shared))
    for what in ("errors", "warnings", "events"):
        for how in ({}, {"format": "ndjson"}):
            yield get(f"{what} {how}", tenant.ids[shared], what, **how)
            yield get(f"another's {what} {how}", other.ids[shared], what, status=404, text=not_found, **how)
    yield get("a file as it was", tenant.ids[shared], at=1)
    yield get("another's file as it was", other.ids[shared], status=404, text=not_found, at=1)
    for name in ("summary", "events"):
        yield Request(f"GET {name}", "GET", f"/clients/{quote(tenant.krn, safe=':')}/{name}", 200, kind="read")
    yield get("the list", method="HEAD")
    yield get("a file", method="HEAD", filename=shared)
    yield get("another's id", other.ids[shared], method="HEAD", status=404)
    yield get("another's tag", method="HEAD", filename=shared, headers=tag(other, shared))


def writes(tenant, other, kind, turn):
    def post(name, body, status=200, text=None, others=(403, not_the_owner), krn=tenant.krn, key=None, check=None,
             **headers):
        sent = {"Content-Type": "application/json"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        if key is not None:
            sent["Idempotency-Key"] = key
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Request(f"POST {name}", "POST", path_of(krn), status, text, others, "write", sent, content, check)

    def result(what, replayed=None):
        def check(answer):
            assert (answer.json()["result"], answer.headers["Idempotent-Replayed"]) == (what, replayed)
        return check

    own = tenant.first_report(shared)
    mine = update(tenant.filename, errors=tenant.items())
    new = f"{tenant.canary}-new-{kind}-{other.canary[-4:]}.csv"
    yield post("a new file", update(new, errors=tenant.items()), others=None, krn=tenant.guests,
               check=result("created"))
    # The same key for the same bytes, but of another tenant: it is new here.
    yield post("what all have sent", update(f"twin-{kind}-{turn}.csv", done=1), others=None, krn=tenant.guests,
               key=shared_key, check=result("created"))
    yield post("a file by another's event", {**mine, "eventId": other.event}, check=result("updated"))
    yield post("an update", {**mine, "counts": {"done": 5, "warn": 0, "failed": 0}}, check=result("updated"))
    yield post("an update without lists", mine, check=result("updated"), Prefer="return=minimal")
    yield post("a replay", own, key=shared_key, check=result("updated", "true"))
    yield post("a replay by event", {**tenant.first_report(tenant.filename), "eventId": tenant.event},
               check=result("updated", "true"))
    yield post("the key with another update", {**own, "total": 5}, 422, key_reused, key=shared_key)
    yield post("a completed file", update("done.csv"), 400, completed)
    for name, body in (("half a body", json.dumps(own).encode()[:-1]), ("a list", b"[]"),
                       ("bad counts", {**own, "counts": {"done": -1, "warn": tenant.canary}}),
                       ("bad items", {**own, "errors": [{"message": 5, "line": tenant.canary}, *tenant.items()]}),
                       ("an object for a name", {**own, "filename": {"$gt": ""}}),
                       ("two events", {**own, "eventId": tenant.event})):
        yield post(name, body, 400, bad_parameters, others=None, key="k")
    yield Request("DELETE of another's id", "DELETE", path_of(tenant.krn, other.ids[shared]), 404, not_found,
                  kind="write")
    yield post("text", own, 415, others=None, Content_Type="text/plain")
    yield post("gzip", own, 415, others=None, Content_Encoding="gzip")
    yield post("too much", b"", 413, others=None, Content_Length=str(2**20 + 1))  # told apart before it is sent


def anything_else(tenant):
    origin = {"Origin": f"https://{tenant.canary}.example", "Access-Control-Request-Method": "POST"}
    for path in (path_of(tenant.krn), path_of(tenant.krn, tenant.ids[shared])):
        yield Request("OPTIONS", "OPTIONS", path, 204)
        yield Request("a preflight", "OPTIONS", path, 204, headers=origin)
        yield Request("PUT", "PUT", path, 405)
    yield Request("POST to an id", "POST", path_of(tenant.krn, tenant.ids[shared]), 405)
    client = quote(tenant.krn, safe=":")
    for path in (f"/clients/{client}", f"/clients/{client}/", f"/{client}/progress", f"/clients/{client}/events/x",
                 f"/clients/{client}/summary/x",
                 f"/clients/{client}/progress/{tenant.ids[shared]}/x", f"/clients/{client}/../{client}/progress",
                 f"//clients/{client}/progress", f"/./clients/{client}/progress", f"/clients//{client}/progress",
                 f"/clients/{client}%2fprogress", f"/clients/{client}/%2e%2e/progress/x"):
        yield Request(f"nothing at {path}", "GET", path, 404)
    yield Request("a bad target", "GET", path_of(tenant.krn) + "?filename=%zz", 400)
    yield Request("health", "GET", "/health", 200)


def cells(tenants):
    """(path's tenant, the other, kind of token, request) for all there is to try. Reads come before what writes."""
    pairs = [(tenant, other) for tenant in tenants for other in tenants if other is not tenant]
    turns = [number % 2 for number in range(len(pairs))]  # which of the two others it is
    for kind in tokens:
        for tenant, other in pairs if kind in ("own", "other") else pairs[::2]:
            for request in (*reads(tenant, other), *anything_else(tenant)):
                yield tenant, other, kind, request
    for kind in reversed(tokens):
        for turn, (tenant, other) in zip(turns, pairs):
            for request in writes(tenant, other, kind, turn):
                yield tenant, other, kind, request


def authorization_of(tenant, other, kind):
    token = {"own": tenant.token, "other": other.token, "none": None, "bad": tenant.spoilt}[kind]
    return token and f"Bearer {token}"


def expected(request, kind, public_reads, bound):
    """(status, text), and whether the answer is the one that a good token gets."""
    if request.kind == "open" or (request.kind == "read" and public_reads) or kind == "own":
        return request.status, request.text, True
    if kind == "none":
        return 401, missing, False
    if kind == "bad":
        return 401, invalid, False
    if bound:
        return 403, wrong_client, False
    return (request.status, request.text, True) if request.others is None else (*request.others, False)


def assert_contracted(answer, request, kind, setting):
    status, text, served = expected(request, kind, *setting)
    assert answer.status == status, f"{answer.status} {answer.body[:300]}"
    if status in (401, 403, 422) or (served and request.status >= 400):
        assert "ETag" not in answer.headers and "Link" not in answer.headers
        assert answer.headers["Idempotent-Replayed"] is None
    if status >= 400 and request.method != "HEAD":
        assert answer.headers["Content-Type"] == "application/problem+json"
        error = answer.json()["error"]
        assert text is None or (error.startswith(text) if text.endswith(" ") else error == text), error
    if served and request.check:
        request.check(answer)


def assert_clean(text, tenants, allowed, where):
    for tenant in tenants:
        for mark in tenant.marks() if tenant is not allowed else ():
            assert mark not in text, f"{mark} of {tenant.krn!r} in {where}: {text[:500]}"


settings = [(public, bound) for public in (True, False) for bound in (False, True)]


@pytest.fixture(scope="module", params=settings,
                ids=["public reads", "public reads, bound tokens", "private reads", "private reads, bound tokens"])
def api(request, tmp_path_factory):
    public, bound = request.param
    server = harness.Server(tmp_path_factory.mktemp("tenants"), env={
        "PUBLIC_READS": str(public).lower(), "JWT_CLIENT_CLAIM": claim if bound else "", "LOG_LEVEL": "trace"}).start()
    out = Api(server)
    out.setting, out.sent = request.param, []
    yield out
    server.stop()
    assert_no_secret_in(server.log_text(), out.sent)


def assert_no_secret_in(log, sent):
    assert harness.secret not in log
    for token in sent:
        assert not any(part in log for part in token.split(".")[1:]), "a token is in the log"


def tenants_of(api, family):
    tenants = [Tenant(krn, f"canary-{secrets.token_hex(6)}") for krn in families[family]()]
    populate(api, tenants, api.setting[1])
    api.sent += [token for tenant in tenants for token in (tenant.token, tenant.spoilt)]
    return tenants


@pytest.mark.parametrize("family", families)
def test_no_answer_and_no_log_line_holds_anything_of_another_tenant(api, family):
    tenants = tenants_of(api, family)
    if family in ("strangers", "ending"):
        api.server.restart()  # so that the disk is read, and not only what is kept in memory
    line, log, count = Line(api.server.port), Log(api.server.log), 0
    for tenant, other, kind, request in cells(tenants):
        where = f"{request.name} of {tenant.krn!r}, token: {kind}"
        answer = line.send(request, authorization_of(tenant, other, kind))
        try:
            assert_contracted(answer, request, kind, api.setting)
        except AssertionError as fault:
            raise AssertionError(f"{where}: {fault}") from fault
        assert_clean(answer.raw, tenants, None if answer.status >= 400 else tenant, where)
        log.note(answer, tenant, request)
        count += 1
    assert count > 1300, "the matrix is whole"
    log.assert_clean(tenants)
    for tenant in tenants:  # and what the writes have left is each one's own
        records = api.get(tenant.krn, headers=harness.bearer(tenant.token)).json()
        assert {record["filename"]: record["counts"]["done"] for record in records} == {
            shared: 1, "done.csv": 1, tenant.filename: 11}
        assert_clean(json.dumps(records, ensure_ascii=False).encode(), tenants, tenant, "what is left")


def test_tenants_that_speak_at_once_get_their_own_answers(api):
    """Pipelined over one connection, then each on a connection of its own at the same time."""
    tenants = tenants_of(api, "strangers")
    log = Log(api.server.log)
    # What is sent in chunks is left out: it is read here by its length.
    wanted = [(tenant, request) for tenant, other in zip(tenants, tenants[1:] + tenants[:1])
              for request in reads(tenant, other)
              if request.method == "GET" and request.status == 200 and "ndjson" not in request.name]
    mixed = [wanted[at::len(wanted) // 3] for at in range(len(wanted) // 3)]
    ordered = [pair for column in mixed for pair in column]

    def head(tenant, request):
        fields = {**request.headers, "Host": "h", "Authorization": f"Bearer {tenant.token}"}
        lines = [f"GET {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join(lines) + "\r\n\r\n"

    with socket.create_connection(("127.0.0.1", api.server.port), timeout=15) as connection:
        text = "".join(head(tenant, request) for tenant, request in ordered).encode()
        threading.Thread(target=connection.sendall, args=(text,)).start()
        source = connection.makefile("rb")
        for tenant, request in ordered:
            answer = harness.read_message(source)
            assert answer.startswith(b"HTTP/1.1 200 "), request.name
            fields, _, body = answer.partition(b"\r\n\r\n")
            text = gzip.decompress(body) if b"Content-Encoding: gzip" in fields else body
            assert_clean(fields + text, tenants, tenant, request.name)
    faults = []

    def hammer(tenant, other):
        line = Line(api.server.port)
        try:
            for number in range(5):
                body = json.dumps(update(f"{tenant.canary}-{number}", errors=tenant.items())).encode()
                post = Request("", "POST", path_of(tenant.guests), 200, body=body,
                               headers={"Content-Type": "application/json"})
                log.note(line.send(post, f"Bearer {tenant.token}"), tenant, post)
                for request in reads(tenant, other):
                    answer = line.send(request, f"Bearer {tenant.token}")
                    assert answer.status == request.status, request.name
                    log.note(answer, tenant, request)
                    assert_clean(answer.raw, tenants, tenant, request.name)
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=hammer, args=pair) for pair in zip(tenants, tenants[1:] + tenants[:1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    log.assert_clean(tenants)


def test_what_is_logged_when_the_store_fails_is_the_clients_own(make_server):
    """Damaged pages bring log lines with names in them: those of the request at hand, as a bad answer's text is."""
    server = make_server(env={"LOG_LEVEL": "trace"}).start()
    api = Api(server)
    tenants = [Tenant(krn, f"canary-{secrets.token_hex(6)}") for krn in families["strangers"]()]
    populate(api, tenants, False)
    server.restart()
    path = server.folder / "data" / "pebbles.db"
    with open(path, "r+b") as store:
        for page in range(1, os.path.getsize(path) // 4096):
            store.seek(page * 4096)
            store.write(b"\xff" * 64)
    line, log = Line(server.port), Log(server.log)
    for tenant, other, kind, request in cells(tenants):
        answer = line.send(request, authorization_of(tenant, other, kind))
        log.note(answer, tenant, request)
        assert_clean(answer.raw, tenants, None if answer.status >= 400 else tenant, request.name)
    seen = log.assert_clean(tenants)
    assert b"read_failed" in seen and b"load_failed" in seen
    assert all(f'client="{tenant.krn}"'.encode() in seen for tenant in tenants), "the lines that this is about"
    assert_no_secret_in(seen.decode(), [token for tenant in tenants for token in (tenant.token, tenant.spoilt)])
