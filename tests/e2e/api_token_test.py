"""Who may write: good tokens, and every other."""
import base64
import hashlib
import hmac
import json
import time

import harness
import jwt
import pytest
from api_support import Api, assert_problem, path_of, pebbles
from harness import mint, update

missing = "Missing Authorization header"
invalid = "Invalid or expired token"
no_email = "No email found in authentication token"
an_hour = 3600


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("token")).start()
    yield Api(server)
    server.stop()


def encoded(content):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(header, claims, key=harness.secret):
    """A token with an HMAC by hand, for what PyJWT will not write."""
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())}"


def claims(**rest):
    return {"email": harness.owner, "exp": int(time.time()) + an_hour, **rest}


hs256 = {"alg": "HS256", "typ": "JWT"}
good = mint()
head, body, signature = good.split(".")


def send(api, krn, authorization):
    headers = [("Content-Type", "application/json")]
    headers += [("Authorization", value) for value in authorization]
    return api.http.post(path_of(krn), content=json.dumps(update(done=1)).encode(), headers=headers)


def assert_refused(api, krn, answer, status, text):
    assert_problem(answer, status, text)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert api.listed(krn) == []


@pytest.mark.parametrize("authorization", [[], [""], ["Basic dXNlcjpwYXNz"], ["Bearer"], [good], ["Token " + good],
                                           ["Bearer " + good] * 2, ["Bearer " + good, "Basic x"],
                                           [f"Bearer {good} {good}"],
                                           [f"Bearer {good}, Bearer {good}"], ["Bearer" + good]],
                         ids=lambda values: " and ".join(value[:12] for value in values))
def test_no_token_or_a_malformed_header(api, krn, authorization):
    answer = send(api, krn, authorization)
    assert answer.status_code == 401 and answer.json()["error"] in (missing, invalid)
    if authorization in ([], ["Basic dXNlcjpwYXNz"]):
        assert answer.json()["error"] == missing
    assert_refused(api, krn, answer, 401, None)


def test_a_token_in_the_query_is_none(api, krn):
    for name in ("access_token", "token", "Authorization"):
        answer = api.http.post(path_of(krn), params={name: good}, json=update(done=1))
        assert_refused(api, krn, answer, 401, missing)


flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
bad_tokens = {
    "alg none": jwt.encode(claims(), None, algorithm="none"),
    **{f"alg {name} unsigned": f"{encoded({'alg': name})}.{body}."
       for name in ("none", "None", "NONE", "nOnE", "HS256", "")},
    "alg none with a signature": f"{encoded({'alg': 'none'})}.{body}.{signature}",
    "wrong secret": mint(key="another secret that is long enough to be one"),
    "secret with a change of case": mint(key=harness.secret.upper()),
    "HS384": mint(algorithm="HS384"), "HS512": mint(algorithm="HS512"),
    "ES256 of zeros": f"{encoded({'alg': 'ES256'})}.{body}.{encoded(bytes(64))}",
    "RS256 signed with HMAC": signed({"alg": "RS256"}, claims()),
    "alg in lower case": signed({"alg": "hs256"}, claims()),
    "no alg": signed({"typ": "JWT"}, claims()), "alg null": signed({"alg": None}, claims()),
    "alg a list": signed({"alg": ["HS256"]}, claims()), "two algs": signed(b'{"alg":"none","alg":"HS256"}', claims()),
    "signature stripped": f"{head}.{body}.", "no signature": f"{head}.{body}",
    "one bit changed": f"{head}.{body}.{flipped}",
    "signature cut": good[:-4], "signature padded": good + "=",
    "signature of another": f"{head}.{encoded(claims(a=1))}.{signature}",
    "claims of another": f"{head}.{mint('boss@example.com').split('.')[1]}.{signature}",
    "crit": signed({**hs256, "crit": ["exp"]}, claims()),
    "b64 false": signed({**hs256, "b64": False, "crit": ["b64"]}, claims()),
    "zip": signed({**hs256, "zip": "DEF"}, claims()), "five parts": f"{good}.{body}.{body}", "four parts": f"{good}.x",
    "500 dots": "." * 500, "a dot": ".", "two dots": "..", "not base64": f"{head}.{body}.!!!!",
    "letters of base64": good[:-6] + "+/+/",
    "header not JSON": signed(b"x", claims()), "header a list": signed([], claims()),
    "header null": signed(b"null", claims()),
    "claims not JSON": signed(hs256, b"x"), "claims a list": signed(hs256, []), "claims null": signed(hs256, b"null"),
    "two emails": signed(hs256, json.dumps(claims()).encode()[:-1] + b',"email":"boss@example.com"}'),
    "embedded jwk": signed({**hs256, "jwk": {"kty": "oct", "k": encoded(b"k" * 32)}}, claims(), "k" * 32),
    "jku": signed({**hs256, "jku": "http://127.0.0.1:1/keys"}, claims(), "k" * 32),
    "kid with ..": signed({**hs256, "kid": "../../dev/null"}, claims(), ""),
    "kid of 10,000": signed({**hs256, "kid": "k" * 10_000}, claims()),
    "expired": mint(ttl=-an_hour), "expired long ago": mint(ttl=-10**9),
    "not yet valid": mint(nbf=int(time.time()) + an_hour),
    "no exp": mint(exp=None), "exp a string": signed(hs256, claims(exp=str(2**31))),
    "exp negative": signed(hs256, claims(exp=-1)),
    "exp 0": signed(hs256, claims(exp=0)), "exp 1e308": signed(hs256, b'{"email":"a@b.c","exp":1e308}'),
    "exp null": signed(hs256, claims(exp=None)),
    "exp in milliseconds": signed(hs256, claims(exp=int(time.time() + an_hour) * 1000)),
    "nbf a string": signed(hs256, claims(nbf="0")), "iat a string": signed(hs256, claims(iat="0")),
}


@pytest.mark.parametrize("row", bad_tokens)
def test_a_bad_token(api, krn, row):
    assert_refused(api, krn, send(api, krn, ["Bearer " + bad_tokens[row]]), 401, invalid)


@pytest.mark.parametrize("email", [None, "", 5, [], {}, True, ["a@b.c"], "no at sign", "a@b.c\nx@y.z", "@", "a@",
                                   "@b"], ids=repr)
def test_a_token_without_an_email(api, krn, email):
    token = mint(None) if email is None else signed(hs256, claims(email=email))
    assert_refused(api, krn, send(api, krn, ["Bearer " + token]), 403, no_email)


def test_an_email_that_nobody_vouches_for(api, krn):
    assert_refused(api, krn, send(api, krn, ["Bearer " + mint(email_verified=False)]), 403, no_email)


@pytest.mark.parametrize("size", [12_000, 20_480])
def test_a_huge_token(api, krn, size):
    answer = send(api, krn, ["Bearer " + good + "A" * size])
    assert answer.status_code in (401, 431) and api.listed(krn) == []


@pytest.mark.parametrize("token", [mint(nbf=int(time.time()) - 5), mint(email_verified=True),
                                   mint(aud="anybody", iss="anyone"),
                                   mint(headers={"typ": "at+jwt"}), mint("ünï+tag@example.com"),
                                   mint(scope="x" * 3000)],
                         ids=["nbf", "verified", "aud and iss", "typ", "Unicode email", "large"])
def test_a_good_token(api, krn, token):
    email = jwt.decode(token, options={"verify_signature": False})["email"]
    assert send(api, krn, ["Bearer " + token]).status_code == 200
    assert api.record(krn, "sales.csv")["email"] == email
    assert [record["email"] for record in api.listed(krn, email=email)] == [email]


def test_a_token_is_good_again_and_again_until_it_expires(api, krn):
    token = signed(hs256, claims(exp=int(time.time()) + 2))
    for _ in range(3):
        assert send(api, krn, ["Bearer " + token]).status_code == 200
    spoilt = token[:-8] + ("A" * 8)  # while the good one is remembered
    assert send(api, krn, ["Bearer " + spoilt]).status_code == 401


def test_owners_differ_byte_by_byte(api, krn):
    api.report(krn, token=mint("Worker@example.com"))
    for email in ("worker@example.com", "WORKER@EXAMPLE.COM", "Worker@example.com.", "Worker+x@example.com"):
        assert api.post(krn, update(), token=mint(email)).status_code == 403


def test_reads_ask_for_no_token_and_mind_none(api, krn):
    api.report(krn)
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": "Bearer " + bad_tokens["alg none"]}):
        assert api.http.get(path_of(krn), headers=headers).status_code == 200


def test_the_development_key_and_the_token_command(make_server, krn):
    """Without JWT_SECRET an embedded server makes itself a key that only its owner can read."""
    server = make_server(env={"JWT_SECRET": ""}).start()
    data = server.folder / "data"
    key = data / "development.key"
    assert key.stat().st_mode & 0o777 == 0o600
    minted = pebbles("token", "--embedded", data, "--email", "dev@example.com")
    assert minted.returncode == 0, minted.stderr
    api = Api(server)
    assert api.report(krn, done=1, token=minted.stdout.strip())["result"] == "created"
    assert api.record(krn, "sales.csv")["email"] == "dev@example.com"
    assert_problem(api.post(krn, update()), 401, invalid)  # signed with another secret
    expired = pebbles("token", "--embedded", data, "--email", "dev@example.com", "--ttl", "1s").stdout.strip()
    decoded = jwt.decode(expired, key.read_text().strip(), algorithms=["HS256"], options={"verify_exp": False})
    assert decoded["exp"] <= time.time() + 2
    refused = pebbles("token", "--embedded", data, "--email", "dev@here")  # the server would say that there is none
    assert refused.returncode == 2 and "--email dev@here" in refused.stderr and not refused.stdout
    before = key.read_text()
    server.restart()
    assert key.read_text() == before
    assert api.post(krn, update(), token=minted.stdout.strip()).status_code == 200
    assert key.read_text().strip() not in server.log_text()
