"""The API's description: a valid document, with examples that fit, that says what the server does and nothing else."""
import base64
import concurrent.futures
import hashlib
import html.parser
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
from urllib.parse import quote

import harness
import httpx
import jsonschema
import openapi_spec_validator
import pytest
from api_support import Api, json_type, path_of, pebbles, problem_type
from harness import bearer, mint, update

methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
client_path = "/clients/{clientKrn}/progress"
batch_path = client_path + "/batch"
record_path = client_path + "/{id}"
ndjson = "application/x-ndjson"
summary_path = "/clients/{clientKrn}/summary"
item_paths = {what: f"{record_path}/{what}" for what in ("errors", "warnings", "events")}
feed_path = "/clients/{clientKrn}/events"
lines_of = {batch_path: "BatchUpdateResult", item_paths["errors"]: "SentItem", item_paths["warnings"]: "SentItem",
            item_paths["events"]: "HistoryEvent", feed_path: "FeedEvent"}  # what a line of NDJSON is
seen = set()  # (path, method, status) of every answer that was compared


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("openapi")).start()
    yield Api(server)
    server.stop()


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server that asks for bound tokens everywhere, and is in a hurry."""
    env = {"PUBLIC_READS": "false", "JWT_CLIENT_CLAIM": "client", "HTTP_HEAD_TIMEOUT_S": "1"}
    server = harness.Server(tmp_path_factory.mktemp("strict"), env=env).start()
    yield Api(server)
    server.stop()


@pytest.fixture(scope="module")
def document(api):
    return api.http.get("/openapi.json").json()


formats = jsonschema.FormatChecker(["date-time"])


@formats.checks("date-time")
def is_time(value):
    """More than the format asks for: UTC with milliseconds. A pattern in the document would break generated clients."""
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value))


def resolved(document, value):
    while "$ref" in value:
        target = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        value = target
    return value


def assert_fits(document, schema, value):
    whole = {"allOf": [schema], "components": document["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=formats).validate(value)


def fits(document, schema, value):
    try:
        assert_fits(document, schema, value)
        return True
    except jsonschema.ValidationError:
        return False


def operations(document):
    return [(path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
            if method in methods]


# The document by itself


def test_the_document_is_valid_openapi(document):
    openapi_spec_validator.OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1.")
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for _, _, operation in operations(document):
        assert operation["summary"] and operation["description"] and operation["tags"] and "security" in operation


def with_schemas(value):
    """Everything in `value` that has a schema and may have examples: parameters, headers, bodies."""
    if isinstance(value, list):
        for part in value:
            yield from with_schemas(part)
    if isinstance(value, dict):
        if isinstance(value.get("schema"), dict):
            yield value
        for part in value.values():
            yield from with_schemas(part)


def test_every_example_fits_its_schema(document):
    checked = 0
    for part in with_schemas(document):
        # A cursor that somebody made up is never a right one.
        assert part.get("examples") or part.get("name") == "cursor", f"{part} has no example"
        for example in part.get("examples", {}).values():
            assert_fits(document, part["schema"], resolved(document, example)["value"])
            checked += 1
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", []):
            assert_fits(document, schema, example)
            checked += 1
    assert checked > 60


def test_every_component_is_used(document):
    text = json.dumps(document)
    for kind in ("parameters", "headers", "schemas", "examples", "responses"):
        for name in document["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name} is not used"


def test_every_error_is_a_problem_with_an_example(document):
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            response = resolved(document, response)
            if status < "400":
                continue
            assert list(response["content"]) == [problem_type], f"{method} {path} {status}"
            examples = response["content"][problem_type]["examples"]
            for example in examples.values():
                value = resolved(document, example)["value"]
                assert value["status"] == int(status) and value["detail"] == value["error"]


# The document and the server's routes


def test_documented_methods_are_the_allowed_ones(api, document):
    for path in document["paths"]:
        target = re.sub(r"\{[^}]*\}", "krn:x", path)
        answer = api.http.options(target)
        assert answer.status_code == 204, path
        allowed = set(answer.headers["Allow"].lower().replace(" ", "").split(","))
        fitting = [item for other, item in document["paths"].items()
                   if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]*", other), target)]  # `batch` may be an id too
        documented = {method for item in fitting for method in item if method in methods}
        # By the router's rule, which the document's description tells: no need to repeat it for every path.
        implied = {"options"} | ({"head"} if "get" in documented else set())
        assert documented | implied == allowed, path


def test_every_route_of_the_source_is_documented(document):
    found, calls = set(), 0
    for source in pathlib.Path(harness.root / "src").rglob("*.cpp"):
        text = source.read_text()
        calls += len(re.findall(r"\brouter(?:\(\))?\.add\(", text))
        found |= set(re.findall(r'\brouter(?:\(\))?\.add\(\s*"([A-Z]+)",\s*"(/[^"]*)"', text))
    assert len(found) == calls, "a route is added in a way that this test cannot read"
    assert {(method.upper(), path) for path, method, _ in operations(document)} == found


def test_the_version_is_the_servers(document):
    assert document["info"]["version"] in pebbles("--version").stdout.split()


# The document and the server's answers


def assert_documented(document, answer, path, method, status):
    """The answer has that status, and is in every part as the document has it for this operation."""
    assert answer.status_code == status, answer.text[:300]
    response = resolved(document, document["paths"][path][method]["responses"][str(status)])
    seen.add((path, method, status))
    for name, header in response.get("headers", {}).items():
        header = resolved(document, header)
        assert name in answer.headers or not header.get("required"), f"{name} is missing"
        if name in answer.headers:
            value = answer.headers[name]
            assert_fits(document, header["schema"], int(value) if header["schema"]["type"] == "integer" else value)
    for name in ("Allow", "ETag", "Idempotent-Replayed", "Link", "Preference-Applied", "Retry-After",
                 "WWW-Authenticate"):
        assert name not in answer.headers or name in response.get("headers", {}), f"{name} is not documented"
    if "content" not in response:
        assert answer.content == b""
        return None
    kind = answer.headers["Content-Type"].split(";")[0]
    schema = response["content"][kind]["schema"]
    if kind == ndjson:
        schema = document["components"]["schemas"][lines_of[path]]
        bodies = [json.loads(line) for line in answer.text.splitlines()]
    elif resolved(document, schema).get("type") == "string":
        bodies = [answer.text]
    else:
        bodies = [answer.json()]
    for body in bodies:
        assert_fits(document, schema, body)
        if path != "/openapi.json" or status != 200:  # of itself the document tells but the outline
            assert_members_are_documented(document, schema, body)
    return bodies[0]


def assert_members_are_documented(document, schema, value):
    """Schemas let later versions add members; those of this version have to be there."""
    schema = resolved(document, schema)
    while "oneOf" in schema:
        schema = resolved(document, next(one for one in schema["oneOf"] if fits(document, one, value)))
    if isinstance(value, list):
        for part in value:
            assert_members_are_documented(document, schema["items"], part)
    elif isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        assert set(value) <= set(known)
        for name, part in value.items():
            assert_members_are_documented(document, known[name], part)


def test_answers_to_updates(api, document, krn):
    def post(status, body=None, on=krn, **how):
        return assert_documented(document, api.post(on, update() if body is None else body, **how), client_path, "post",
                                 status)

    full = update(done=5, failed=1, total=10, errors=[{"line": 1, "message": "x"}], warnings=[{"message": "y"}])
    assert post(200, full, key='"k1"')["result"] == "created"
    assert post(200, full, key='"k1"')["errors"]
    assert post(200, update(done=1, eventId="k2"))["result"] == "updated"
    assert "errors" not in post(200, update(done=1), headers={"Prefer": "return=minimal"})
    post(422, update(done=2), key="k1")
    assert len(post(400, {"counts": {"done": -1}})["errors"]) == 4
    post(400, b"{")
    post(400, update(done=2**53 - 1))
    post(400, on="no-krn")
    post(412, update(done=1), headers={"If-None-Match": "*"})
    post(200, update(isLast=True))
    post(400, update())
    post(401, headers={"Authorization": ""})
    post(401, token="x.y.z")
    post(403, token=mint("other@example.com"))
    post(403, token=mint(None))
    assert_documented(document, api.http.post("/clients/krn:a/b/progress"), client_path, "post", 404)
    post(413, b" " * (2**20 + 1))
    post(415, headers={"Content-Type": "text/plain"})
    post(431, headers={"X": "x" * 20_000})
    assert_documented(document, api.http.post("/clients/krn:" + "x" * 9000 + "/progress"), client_path, "post", 414)
    assert_documented(document, api.http.delete(path_of(krn)), client_path, "post", 405)
    assert_documented(document, api.http.delete(path_of(krn)), client_path, "get", 405)


def test_answers_to_batches(api, document, krn):
    def post(status, body, on=krn, **how):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**bearer(how.get("token")), "Content-Type": "application/json", **how.get("headers", {})}
        answer = api.http.post(path_of(on, "batch"), content=content, headers=headers)
        return assert_documented(document, answer, batch_path, "post", status)

    full = update(done=5, failed=1, total=10, errors=[{"line": 1, "message": "x"}], warnings=[{"message": "y"}])
    mixed = [full, {}, update(done=1, eventId="k"), update(done=1, eventId="k"), update(done=2, eventId="k")]
    assert [result["status"] for result in post(200, mixed)["results"]] == [200, 400, 200, 200, 422]
    assert post(200, {"updates": mixed}, headers={"Prefer": "return=minimal"})["succeeded"] == 3
    lines = "\n".join(map(json.dumps, mixed)).encode()
    assert post(200, lines, headers={"Content-Type": ndjson, "Accept": ndjson})["status"] == 200
    post(400, b"{")
    post(400, [], on="no-krn")
    post(400, [], headers={"Idempotency-Key": "x" * 257})
    post(401, [], headers={"Authorization": ""})
    post(403, [], token=mint(None))
    post(413, b"[" + b"1," * 10_000 + b"1]")
    post(413, b" " * (16 * 2**20 + 1))
    post(415, [], headers={"Content-Type": "text/plain"})
    post(431, [], headers={"X": "x" * 20_000})
    assert_documented(document, api.http.post("/clients/krn:a/b/progress/batch"), batch_path, "post", 404)
    assert_documented(document, api.http.post("/clients/krn:" + "x" * 9000 + "/progress/batch"), batch_path, "post", 414)
    assert_documented(document, api.http.put(path_of(krn, "batch")), batch_path, "post", 405)


def test_answers_to_reads(api, document, krn):
    for name in ("a.csv", "b.csv", "c.csv"):
        api.report(krn, name, done=1, errors=[{"message": "x"}], isLast=name == "a.csv")

    def get(expected, *rest, headers=None, **parameters):
        answer = api.get(krn, *rest, headers=headers, **parameters)
        assert_documented(document, answer, record_path if rest else client_path, "get", expected)
        return answer

    record = get(200, filename="a.csv")
    ident = record.json()["id"]
    get(200, ident)
    page = get(200, limit=1, email=harness.owner)
    assert "Link" in page.headers and len(get(200).json()) == 3
    for rest, answer, parameters in (((), record, {"filename": "a.csv"}), ((ident,), get(200, ident), {})):
        get(304, *rest, headers={"If-None-Match": answer.headers["ETag"]}, **parameters)
    for parameters in ({"limit": 0}, {"limit": 2**53}, {"cursor": "x"}, {"filename": "a.csv", "limit": 0}):
        get(400, **parameters)
    get(404, filename="nothing.csv")
    get(404, "0" * 24)
    named = get(200, filenamePrefix="a", status="completed", sort="filename", updatedAfter="2025-01-01T00:00:00Z")
    assert len(named.json()) == 1
    on = get(200, limit=1, sort="-createdAt", createdAfter="2025-01-01T00:00:00.5Z", status="with-errors")
    assert "Link" in on.headers
    for name in ("status", "sort", "createdAfter", "updatedAfter", "filenamePrefix"):
        get(400, **{name: ""})
    summary = f"/clients/{quote(krn)}/summary"
    counts = assert_documented(document, api.http.get(summary), summary_path, "get", 200)
    assert (counts["files"], counts["completed"], counts["withErrors"]) == (3, 1, 3)
    assert_documented(document, api.http.delete(summary), summary_path, "get", 405)
    for path, target in ((client_path, "/clients/x/progress"), (record_path, "/clients/x/progress/" + "0" * 24),
                         (summary_path, "/clients/x/summary")):
        assert_documented(document, api.http.get(target), path, "get", 400)
        assert_documented(document, api.http.get(target + "?" + "x" * 9000), path, "get", 414)
        assert_documented(document, api.http.get(target, headers={"X": "x" * 20_000}), path, "get", 431)
    for method in ("get", "delete"):
        assert_documented(document, api.http.put(path_of(krn, ident)), record_path, method, 405)


def test_answers_to_deletes(api, document, krn):
    api.report(krn, "a.csv", done=1)
    target = path_of(krn, api.record(krn, "a.csv")["id"])

    def delete(status, target, token=None, **headers):
        answer = api.http.delete(target, headers={**bearer(token), **headers})
        assert_documented(document, answer, record_path, "delete", status)

    assert_documented(document, api.http.delete(target), record_path, "delete", 401)
    delete(401, target, "x.y.z")
    delete(403, target, mint("other@example.com"))
    delete(412, target, **{"If-Match": '"x"'})
    delete(204, target)
    delete(404, target)
    delete(400, "/clients/x/progress/" + "0" * 24)
    delete(414, target + "?" + "x" * 9000)
    delete(431, target, X="x" * 20_000)


def test_answers_to_reads_of_histories(api, document, krn):
    api.report(krn, "a.csv", done=1, key="k", errors=[{"message": "x", "code": "c"}, {"line": 2, "message": "y"}])
    api.report(krn, "a.csv", done=1, warnings=[{"line": 1, "message": "x"}, {"message": "z"}], isLast=True)
    ident = api.record(krn, "a.csv")["id"]
    for what, path in item_paths.items():
        target = path_of(krn, ident, what)

        def get(status, **how):
            answer = api.http.get(target, **how)
            assert_documented(document, answer, path, "get", status)
            return answer

        tag = get(200).headers["ETag"]
        get(304, headers={"If-None-Match": tag})
        assert "Link" in get(200, params={"limit": 1}).headers
        if what != "events":
            get(200, params={"limit": 1, "lineFrom": 1, "lineTo": 9, "contains": "X"})
            get(200, params={"format": "csv"})
        get(200, params={"format": "ndjson"})
        for bad in ({"limit": 0}, {"cursor": "x"}, {"format": "x"}):
            get(400, params=bad)
        assert_documented(document, api.get(krn, "0" * 24, what), path, "get", 404)
        assert_documented(document, api.http.delete(target), path, "get", 405)
        assert_documented(document, api.http.get(target + "?" + "x" * 9000), path, "get", 414)
        assert_documented(document, api.http.get(target, headers={"X": "x" * 20_000}), path, "get", 431)
    for at in (1, 2, "2100-01-01T00:00:00Z"):
        assert_documented(document, api.get(krn, ident, at=at), record_path, "get", 200)
    assert_documented(document, api.get(krn, ident, at=3), record_path, "get", 404)
    assert_documented(document, api.get(krn, ident, at="x"), record_path, "get", 400)
    target = f"/clients/{krn}/events"
    for parameters in ({}, {"limit": 1}, {"after": "latest"}, {"format": "ndjson"}):
        assert_documented(document, api.http.get(target, params=parameters), feed_path, "get", 200)
    assert_documented(document, api.http.get(target, params={"after": "x"}), feed_path, "get", 400)
    assert_documented(document, api.http.delete(target), feed_path, "get", 405)
    assert_documented(document, api.http.get(target + "?" + "x" * 9000), feed_path, "get", 414)
    assert_documented(document, api.http.get(target, headers={"X": "x" * 20_000}), feed_path, "get", 431)


unkept = ("/health", "/readyz", "/livez", "/metrics")  # what is true now may not be in a moment


def test_answers_where_reads_need_a_token(strict, document, krn):
    assert_documented(document, strict.post(krn, update(), token=mint(client="krn:b")), client_path, "post", 403)
    for path, target in ((client_path, path_of(krn)), (record_path, path_of(krn, "0" * 24)),
                         (summary_path, f"/clients/{quote(krn)}/summary"),
                         *((path, path_of(krn, "0" * 24, what)) for what, path in item_paths.items()),
                         (feed_path, f"/clients/{krn}/events")):
        assert_documented(document, strict.http.get(target), path, "get", 401)
        assert_documented(document, strict.http.get(target, headers=bearer("x.y.z")), path, "get", 401)
        assert_documented(document, strict.http.get(target, headers=bearer(mint(client="krn:b"))), path, "get", 403)
        assert_documented(document, strict.http.get(target, headers=bearer(mint(None))), path, "get", 403)
    for path in ("/openapi.json", "/api-docs", *unkept):
        assert_documented(document, strict.http.get(path), path, "get", 200)


def test_answers_of_the_service(api, document):
    for path in ("/health", "/readyz"):
        assert_documented(document, api.http.get(path + "?verbose"), path, "get", 200)
        assert_documented(document, api.http.get(path, headers={"Accept": "application/json"}), path, "get", 200)
    for path in ("/openapi.json", "/api-docs", *unkept):
        answer = api.http.get(path)
        assert_documented(document, answer, path, "get", 200)
        if path not in unkept:
            tag = {"If-None-Match": answer.headers["ETag"]}
            assert_documented(document, api.http.get(path, headers=tag), path, "get", 304)
            assert answer.headers["Content-Encoding"] == "gzip" and answer.headers["ETag"].startswith('W/"')
            plain = api.http.get(path, headers={"Accept-Encoding": "identity"})
            assert plain.content == answer.content and "W/" + plain.headers["ETag"] == answer.headers["ETag"]
        assert_documented(document, api.http.delete(path), path, "get", 405)
        assert_documented(document, api.http.get(path + "?%zz"), path, "get", 400)
        assert_documented(document, api.http.get(path + "?" + "x" * 9000), path, "get", 414)
        assert_documented(document, api.http.get(path, headers={"X": "x" * 20_000}), path, "get", 431)


def say(server, data):
    """Raw bytes; the answer as httpx has them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(data)
        said = b"".join(iter(lambda: line.recv(65536), b""))
    head, body = said.split(b"\r\n\r\n", 1)
    first, *lines = head.decode().split("\r\n")
    return httpx.Response(int(first.split()[1]), headers=[line.split(": ", 1) for line in lines], content=body)


def test_answers_to_bad_framing(strict, document):
    unfinished = {}
    for path, method, _ in operations(document):
        target = path.replace("{clientKrn}", "krn:a").replace("{id}", "0" * 24).encode()
        start = method.upper().encode() + b" " + target
        assert_documented(document, say(strict.server, start + b" HTTP/3.0\r\nHost: h\r\n\r\n"), path, method, 505)
        assert_documented(document, say(strict.server, start + b" HTTP/1.1\r\n\r\n"), path, method, 400)
        brewed = say(strict.server, b"BREW " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        assert_documented(document, brewed, path, method, 501)
        unfinished[path, method] = start + b" HTTP/1.1\r\nHo"
    with concurrent.futures.ThreadPoolExecutor(len(unfinished)) as pool:  # each waits for its deadline
        waited = pool.map(lambda head: say(strict.server, head), unfinished.values())
        for (path, method), said in zip(unfinished, waited):
            assert_documented(document, said, path, method, 408)


def test_health_while_stopping(make_server, document):
    server = make_server(env={"SHUTDOWN_DELAY_S": "2"}).start()
    with server.client() as client:
        server.process.terminate()
        answer = harness.wait_until(lambda: (got := client.get("/health")).status_code == 503 and got, what="not ready")
        assert_documented(document, answer, "/health", "get", 503)
        assert_documented(document, client.get("/readyz?verbose"), "/readyz", "get", 503)
        assert client.get("/livez").text == "OK"


def test_every_documented_status_was_seen(document):
    """Runs after the tests above; what they cannot bring about is named here."""
    documented = {(path, method, int(status)) for path, method, operation in operations(document)
                  for status in operation["responses"]}
    if not {("/health", "get", 503), (client_path, "post", 200), ("/api-docs", "get", 408)} <= seen:
        pytest.skip("only with the rest of this file")
    # Faults of the server's own; and a store or a lane without room, which the fault tests bring about.
    rare = {(path, method, 500) for path, method, _ in documented}
    rare |= {(client_path, "post", 503), (batch_path, "post", 503), (record_path, "delete", 503), ("/metrics", "get", 503)}
    rare |= {(path, "get", 503)
             for path in (client_path, record_path, summary_path, *item_paths.values(), feed_path)}
    # What cannot be read in the database (tests/faults/unreadable_test.py).
    rare |= {(client_path, "post", 409), (record_path, "delete", 409)}
    # And a page of what retention took meanwhile.
    rare |= {(item_paths[what], "get", 410) for what in ("errors", "warnings")}
    assert documented - seen == rare


# The page


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.inline, self.links, self.tag = {}, [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        self.links += [value for name, value in attributes if name in ("href", "src", "action")]
        assert not any(name.startswith("on") or name == "style" for name, _ in attributes)

    def handle_data(self, data):
        if self.tag in ("script", "style"):
            self.inline[self.tag] = self.inline.get(self.tag, "") + data

    def handle_endtag(self, tag):
        self.tag = None


def test_the_page_is_complete_in_itself(api):
    answer = api.http.get("/api-docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    # A place in the page, or what stands beside it: nothing else, so it works behind any prefix and without a network.
    assert set(page.links) == {"#content", "openapi.json"}
    assert not re.search(r"https?:|\burl\(|@import", answer.text)
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == "'none'" and policy["connect-src"] == "'self'"
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inline[kind].encode()).digest()).decode()
        assert policy[f"{kind}-src"] == f"'sha256-{digest}'"


def test_the_page_makes_no_markup_of_the_document(api):
    script = Page(api.http.get("/api-docs").text).inline["script"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", script)
    assert api.http.get("/api-docs").headers["Content-Security-Policy"].endswith(
        "require-trusted-types-for 'script'; trusted-types 'none'")


# schemathesis: all phases, all checks


@pytest.mark.timeout(1800 if harness.long_rounds else 240)
def test_schemathesis(api, krn, tmp_path):
    """Drawn requests, good and bad, by the document alone. Deterministic: the same ones in every run."""
    def make(name):
        api.report(krn, name, done=1, warnings=[{"message": "x"}])
        return [krn, api.record(krn, name)["id"]]

    records = [make(name) for name in ("a.csv", "b.csv")]
    deletable = [make(f"{number}.csv") for number in range(100)]
    # All but validation_mismatch, which counts refusals: most updates are drawn for files that are complete by then, or
    # in another state. Each refusal of what is valid is judged by itself (ST202, and schemathesis_hooks.py).
    warnings = ("missing_auth,missing_test_data,base_url_mismatch,missing_deserializer,unused_openapi_auth,"
                "unsupported_regex,method_not_allowed,constants_extraction,unmatched_filter,unresolvable_reference,"
                "low_valid_rate,rate_limited,dictionary_mismatch,timeout_units")
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{api.server.url}/openapi.json", "--checks", "all",
         "--phases", "examples,coverage,fuzzing,stateful", "--header", f"Authorization: Bearer {mint()}",
         "--generation-deterministic", "--max-examples", "1000" if harness.long_rounds else "30",
         "--continue-on-failure", "--no-color", "--warnings", warnings],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=1500 if harness.long_rounds else 220,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
             "PYTHONPATH": str(harness.root / "tests/e2e"), "PEBBLES_TEST_RECORDS": json.dumps(records),
             "PEBBLES_TEST_DELETABLE": json.dumps(deletable)})
    assert run.returncode == 0, run.stdout[-20_000:]
    assert "No issues found" in run.stdout, run.stdout[-20_000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in run.stdout, f"{phase} did not run"
    assert "Missing test data" not in run.stdout
