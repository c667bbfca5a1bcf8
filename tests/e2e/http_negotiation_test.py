"""HEAD, OPTIONS, CORS and gzip."""
import gzip
import re

import harness
import pytest
from api_support import Api, path_of
from harness import update

allowed = {"GET", "HEAD", "POST", "OPTIONS"}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("negotiation")).start()
    yield Api(server)
    server.stop()


def methods(answer, header="Allow"):
    return set(answer.headers[header].replace(" ", "").split(","))


def test_head_says_what_get_would(api, krn):
    record = api.report(krn, done=1, errors=[{"line": 1, "message": "x" * 3000}])
    assert record["result"] == "created"
    ident = api.record(krn, "sales.csv")["id"]
    for path, parameters in ((path_of(krn), {}), (path_of(krn), {"filename": "sales.csv"}), (path_of(krn, ident), {}),
                             (path_of(krn, "0" * 24), {}), ("/health", {}), ("/nowhere", {})):
        for coding in ("identity", "gzip"):
            headers = {"Accept-Encoding": coding, "X-Request-Id": "the-same"}
            get = api.http.get(path, params=parameters, headers=headers)
            head = api.http.head(path, params=parameters, headers=headers)
            assert head.status_code == get.status_code and head.content == b""
            assert {name: value for name, value in head.headers.items() if name != "date"} == \
                   {name: value for name, value in get.headers.items() if name != "date"}


def test_options_names_the_methods(api, krn):
    for path, expected in ((path_of(krn), allowed), (path_of(krn, "0" * 24), allowed - {"POST"} | {"DELETE"}),
                           ("/health", allowed - {"POST"})):
        answer = api.http.options(path)
        assert answer.status_code == 204 and answer.content == b"" and methods(answer) == expected
        assert "Content-Length" not in answer.headers
    assert api.http.options("/nowhere").status_code == 404
    whole = api.http.build_request("OPTIONS", "/")
    whole.extensions["target"] = b"*"
    answer = api.http.send(whole)
    assert answer.status_code == 204 and methods(answer) >= {"GET", "POST", "OPTIONS"}


page = "https://app.example.com"


def preflight(api, krn, origin=page, method="POST"):
    return api.http.options(path_of(krn), headers={"Origin": origin, "Access-Control-Request-Method": method,
                                                   "Access-Control-Request-Headers": "authorization,idempotency-key"})


def test_any_page_may_read_by_default(api, krn):
    answer = preflight(api, krn)
    assert answer.status_code == 204 and answer.headers["Access-Control-Allow-Origin"] == "*"
    assert methods(answer, "Access-Control-Allow-Methods") == allowed
    assert {"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Prefer"} <= methods(
        answer, "Access-Control-Allow-Headers")
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    made = api.post(krn, update(), headers={"Origin": page})
    for seen in (made, api.get(krn, headers={"Origin": page}), api.http.get("/nowhere", headers={"Origin": page}),
                 api.http.post(path_of(krn), headers={"Origin": page})):
        assert seen.headers["Access-Control-Allow-Origin"] == "*"
        assert {"ETag", "Link", "Retry-After", "Idempotent-Replayed"} <= methods(seen, "Access-Control-Expose-Headers")
        assert "Access-Control-Allow-Credentials" not in seen.headers
    assert "Access-Control-Allow-Origin" not in api.get(krn).headers


def test_listed_pages_only(make_server, krn):
    api = Api(make_server(env={"CORS_ORIGINS": f"https://other.example, {page}"}).start())
    for answer in (preflight(api, krn), api.get(krn, headers={"Origin": page})):
        assert answer.headers["Access-Control-Allow-Origin"] == page and answer.headers["Vary"].split(", ")[0] == "Origin"
    for origin in ("https://evil.example", page + ".evil.example", page.upper(), "null", page + ":443"):
        for answer in (preflight(api, krn, origin), api.get(krn, headers={"Origin": origin})):
            assert answer.status_code in (200, 204) and "Access-Control-Allow-Origin" not in answer.headers
            assert answer.headers["Vary"].split(", ")[0] == "Origin"


def test_no_page_at_all(make_server, krn):
    api = Api(make_server(env={"CORS_ORIGINS": "none"}).start())
    for answer in (preflight(api, krn), api.get(krn, headers={"Origin": page})):
        assert not any(name.startswith("access-control") for name in answer.headers)


def raw(api, path, coding, **parameters):
    """Status, headers and the body's bytes as they came."""
    with api.http.stream("GET", path, params=parameters, headers={"Accept-Encoding": coding}) as answer:
        return answer, b"".join(answer.iter_raw())


def without_clock(body):
    """A second may begin between two answers."""
    return re.sub(rb'"idleSeconds":\d+', b"", body)


@pytest.mark.parametrize("records", [4, 400], ids=["by the loop", "by a worker"])
def test_gzip_when_asked(api, krn, records):
    for number in range(records):
        api.report(krn, f"{number:04}.csv", done=number, errors=[{"line": 1, "message": "é" * 100}])
    plain, body = raw(api, path_of(krn), "identity")
    packed, bytes_ = raw(api, path_of(krn), "br, gzip;q=0.8")
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert without_clock(gzip.decompress(bytes_)) == without_clock(body) and len(bytes_) < len(body) / 2
    assert int(packed.headers["Content-Length"]) == len(bytes_)
    # One state, two codings: a weak tag for the second, and either brings a 304.
    assert packed.headers["ETag"] == "W/" + plain.headers["ETag"]
    for tag in (plain.headers["ETag"], packed.headers["ETag"]):
        for coding in ("gzip", "identity"):
            answer = api.http.get(path_of(krn), headers={"If-None-Match": tag, "Accept-Encoding": coding})
            assert answer.status_code == 304 and answer.content == b"" and answer.headers["ETag"] == tag
    for coding in ("", "identity", "gzip;q=0", "br", "gzip;q=0, *"):
        assert "Content-Encoding" not in raw(api, path_of(krn), coding)[0].headers


def test_small_answers_stay_as_they_are(api, krn):
    api.report(krn, done=1)
    answer, _ = raw(api, path_of(krn), "gzip", filename="sales.csv")
    assert "Content-Encoding" not in answer.headers
    tag = answer.headers["ETag"]
    unchanged = api.get(krn, filename="sales.csv", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304 and unchanged.headers["Vary"] == answer.headers["Vary"] == "Accept-Encoding"


def test_an_answer_to_a_report_is_packed_too(api, krn):
    items = [{"line": line, "message": "the same again"} for line in range(1, 101)]
    answer = api.post(krn, update(errors=items), headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip" and len(answer.json()["errors"]) == 100
