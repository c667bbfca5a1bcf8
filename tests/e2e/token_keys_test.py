"""Tokens by public keys, from a file and from an issuer: who may write with which."""
import hashlib
import hmac
import json
import time

import harness
import httpx
import jwt
import pytest
from api_support import Api, assert_problem, path_of, pebbles
from api_token_test import claims, hs256, signed
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from harness import mint, update, wait_until
from issuer import Issuer, SigningKey, algorithms, base64url

invalid = "Invalid or expired token"
no_keys = "The keys to verify tokens are not available"
kinds = sorted(set(algorithms.values()))


@pytest.fixture(scope="module")
def keys():
    """One key of each kind, named after it."""
    return {kind: SigningKey(kind, kid=kind) for kind in kinds}


@pytest.fixture(scope="module")
def issuer(keys):
    issuer = Issuer(*keys.values())
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def api(issuer, tmp_path_factory):
    """A server that knows the issuer and nothing else."""
    server = harness.Server(tmp_path_factory.mktemp("jwks"), env={"JWT_SECRET": "", "JWT_JWKS_URL": issuer.url}).start()
    yield Api(server)
    server.stop()


@pytest.fixture
def make_issuer():
    made = []

    def make(*keys):
        made.append(Issuer(*keys))
        return made[-1]

    yield make
    for issuer in made:
        issuer.stop()


def refused(api, krn, token, status=401, text=invalid):
    assert_problem(api.post(krn, update(done=1), token=token), status, text)
    assert api.listed(krn) == []


def serve(make_server, **env):
    return Api(make_server(env={"JWT_SECRET": "", **env}).start())


@pytest.mark.parametrize("algorithm", [*algorithms, "Ed25519"])
def test_every_algorithm(api, keys, krn, algorithm):
    key = keys[algorithms.get(algorithm, "ed25519")]
    if algorithm == "Ed25519":  # the name of RFC 9864, which PyJWT does not write
        text = ".".join(base64url(json.dumps(part).encode()) for part in (
            {"alg": "Ed25519", "kid": key.kid}, {"email": harness.owner, "exp": int(time.time()) + 60}))
        token = f"{text}.{base64url(key.private.sign(text.encode()))}"
    else:
        token = key.mint(algorithm=algorithm)
    for _ in range(2):  # by its signature, then from the cache
        assert api.post(krn, update(done=1), token=token).status_code == 200
    for spoilt in (token[:-8] + "A" * 8, token[:-4], token + "AAAA", token + "="):
        assert_problem(api.post(krn, update(done=1), token=spoilt), 401, invalid)
    assert api.record(krn, "sales.csv")["counts"]["done"] == 2


def relabelled(token, **header):
    """The token with another header, and its old signature."""
    head, body, signature = token.split(".")
    return f"{base64url(json.dumps({**jwt.get_unverified_header(token), **header}).encode())}.{body}.{signature}"


@pytest.mark.parametrize("kind, algorithm", [(kind, algorithm) for kind in kinds
                                             for algorithm in (*algorithms, "HS256", "none", "ES512", "ES256K")
                                             if algorithms.get(algorithm) != kind])
def test_an_algorithm_that_the_key_does_not_serve(api, keys, krn, kind, algorithm):
    refused(api, krn, relabelled(keys[kind].mint(), alg=algorithm))


def test_the_public_key_is_no_secret(api, keys, krn):
    """RFC 8725, section 2.1: whoever knows the public key signs with it as if it were a shared secret."""
    for name, material in {"pem": keys["rsa"].pem.encode(), "n": keys["rsa"].jwk()["n"].encode(),
                           "jwk": json.dumps(keys["rsa"].jwk()).encode()}.items():
        text = ".".join(base64url(json.dumps(part).encode()) for part in (
            {"alg": "HS256", "kid": "rsa"}, {"email": harness.owner, "exp": int(time.time()) + 60}))
        refused(api, krn, f"{text}.{base64url(hmac.new(material, text.encode(), hashlib.sha256).digest())}")


@pytest.mark.parametrize("kind, size", [("p256", 64), ("p384", 96)])
def test_signatures_over_a_curve(api, keys, krn, kind, size):
    """CVE-2022-21449 and its relatives; the DER form that other protocols use; numbers that are too long or short."""
    token = keys[kind].mint()
    text = token.rpartition(".")[0]
    signature = jwt.utils.base64url_decode(token.rpartition(".")[2])
    der = keys[kind].private.sign(text.encode(), ec.ECDSA(hashes.SHA256() if kind == "p256" else hashes.SHA384()))
    half = size // 2
    for bad in (bytes(size), bytes(half) + signature[half:], signature[:half] + bytes(half), b"\xff" * size, der,
                signature + b"\0", b"\0" + signature, signature[:-1], b""):
        refused(api, krn, f"{text}.{base64url(bad)}")


def test_keys_that_do_not_belong_to_the_name(api, keys, krn):
    refused(api, krn, keys["p256"].mint(headers={"kid": "rsa"}))
    stranger = SigningKey("rsa", kid="rsa")
    refused(api, krn, stranger.mint())
    for kid in (None, 7, ["rsa"], {"kid": "rsa"}):
        refused(api, krn, relabelled(keys["rsa"].mint(), kid=kid))


def test_a_token_without_a_name_asks_for_the_only_key(api, keys, krn, make_server, make_issuer):
    unnamed = {kind: SigningKey(kind) for kind in kinds}
    for kind in kinds:
        unnamed[kind].private = keys[kind].private
        assert api.post(krn, update(done=1), token=unnamed[kind].mint()).status_code == 200
    two = make_issuer(SigningKey("p256", "one"), other := SigningKey("p256", "two"))
    ambiguous = serve(make_server, JWT_JWKS_URL=two.url)
    other_krn = krn + ":2"
    assert ambiguous.post(other_krn, update(), token=other.mint()).status_code == 200
    other.kid = None
    assert_problem(ambiguous.post(other_krn, update(), token=other.mint()), 401, invalid)


def test_nothing_in_a_token_makes_the_server_fetch(api, issuer, keys, krn, make_issuer):
    trap = make_issuer(attacker := SigningKey("rsa", "rsa"))
    before = issuer.fetches
    for header in ({"jku": trap.url}, {"x5u": trap.url}, {"jwk": attacker.jwk()}, {"x5c": ["AAAA"]},
                   {"kid": trap.url}, {"kid": "../../dev/null"}, {"kid": "k" * 10_000}, {"kid": "' or 1=1 --"},
                   {"kid": "\0"}, {"kid": ""}):
        refused(api, krn, attacker.mint(headers={"kid": "rsa", **header}))
    assert trap.fetches == 0
    assert issuer.fetches <= before + 1  # of the kids, the first that was none may ask the issuer once a minute


def test_unknown_names_ask_the_issuer_once_a_minute(make_server, make_issuer, krn):
    issuer = make_issuer(key := SigningKey("p256", "known"))
    api = serve(make_server, JWT_JWKS_URL=issuer.url)
    assert api.post(krn, update(done=1), token=key.mint()).status_code == 200
    first = issuer.fetches
    for number in range(200):
        assert_problem(api.post(krn, update(done=1), token=key.mint(headers={"kid": f"unknown {number}"})), 401, invalid)
    for number in range(100):  # bad ones of a known name, and of none, cost none at all
        api.post(krn, update(done=1), token=key.mint(headers={"kid": "known"})[:-6] + f"{number:06}")
    assert issuer.fetches <= first + 1
    assert api.record(krn, "sales.csv")["counts"]["done"] == 1


def test_a_new_key_is_known_with_its_first_token(make_server, make_issuer, krn):
    """Rotation: nobody waits for the next refresh, and no good token is refused."""
    issuer = make_issuer(old := SigningKey("rsa", "2025"))
    api = serve(make_server, JWT_JWKS_URL=issuer.url)
    assert api.post(krn, update(done=1), token=old.mint()).status_code == 200
    new = SigningKey("rsa", "2026")
    issuer.publish(old, new)
    assert api.post(krn, update(done=1), token=new.mint()).status_code == 200
    assert api.post(krn, update(done=1), token=old.mint()).status_code == 200
    assert api.record(krn, "sales.csv")["counts"]["done"] == 3


def test_a_key_that_went_takes_its_tokens_along(make_server, make_issuer, krn):
    issuer = make_issuer(old := SigningKey("p256", "old"), new := SigningKey("p256", "new"))
    api = serve(make_server, JWT_JWKS_URL=issuer.url, JWT_JWKS_REFRESH_S="1")
    tokens = {key.kid: key.mint() for key in (old, new)}
    for token in tokens.values():
        assert api.post(krn, update(), token=token).status_code == 200  # now in the cache
    issuer.publish(new)
    wait_until(lambda: api.post(krn, update(), token=tokens["old"]).status_code == 401, what="the old key's end")
    assert api.post(krn, update(), token=tokens["new"]).status_code == 200
    issuer.publish(SigningKey("p256", "old"), new)  # the name again, but another key
    fetches = issuer.fetches
    wait_until(lambda: issuer.fetches > fetches + 1, what="two more fetches")
    assert_problem(api.post(krn, update(), token=tokens["old"]), 401, invalid)


def redirect(handler):
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def hundred_megabytes(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b" " * (1 << 20))
    except OSError:
        pass  # the server has hung up, as it should


faults = {"away": 503, "not JSON": b"<html>", "a list": [], "no keys": {"keys": []}, "keys no list": {"keys": {}},
          "a redirect": redirect, "not found": 404, "100 MB": hundred_megabytes, "101 keys": {"keys": [{}] * 101},
          "only a secret": {"keys": [{"kty": "oct", "kid": "k", "k": base64url(b"k" * 32)}]}}


def test_known_keys_serve_while_the_issuer_is_not_well(make_server, make_issuer, krn):
    issuer = make_issuer(key := SigningKey("p256", "known"))
    server = make_server(env={"JWT_SECRET": "", "JWT_JWKS_URL": issuer.url, "JWT_JWKS_REFRESH_S": "1"}).start()
    api = Api(server)
    assert api.post(krn, update(), token=key.mint()).status_code == 200
    for fault, answer in faults.items():
        issuer.answer, fetches = answer, issuer.fetches
        wait_until(lambda: issuer.fetches > fetches, what=f"a fetch of {fault}")
        time.sleep(0.1)
        assert api.post(krn, update(), token=key.mint()).status_code == 200, fault
    assert server.log_text().count("issuer_keys_unavailable") == 1
    issuer.publish(key, new := SigningKey("p256", "new"))
    wait_until(lambda: api.post(krn, update(), token=new.mint()).status_code == 200, what="the issuer's recovery")
    assert "/elsewhere" not in issuer.paths
    rss = int(next(line.split()[1] for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmHWM")))
    assert rss < 150_000, "a set of 100 MB was read to its end"


def test_no_token_can_be_judged_before_the_issuer_has_answered(make_server, make_issuer, krn):
    issuer = make_issuer(key := SigningKey("p256", "known"))
    good, issuer.answer = issuer.answer, 500
    api = serve(make_server, JWT_JWKS_URL=issuer.url)
    answer = api.post(krn, update(done=1), token=key.mint())
    assert_problem(answer, 503, no_keys)
    assert int(answer.headers["Retry-After"]) > 0
    assert_problem(api.post(krn, update(done=1), token=mint()), 401, invalid)  # HS256: whatever the issuer says
    assert_problem(api.post(krn, update(done=1), token="x.y.z"), 401, invalid)
    assert api.listed(krn) == []
    issuer.answer = good
    wait_until(lambda: api.post(krn, update(done=1), token=key.mint()).status_code == 200, what="the issuer's keys")
    assert api.record(krn, "sales.csv")["counts"]["done"] == 1


def test_a_slow_issuer_stops_nobody(make_server, make_issuer, krn):
    issuer = make_issuer(key := SigningKey("p256", "known"))
    api = serve(make_server, JWT_JWKS_URL=issuer.url, JWT_JWKS_REFRESH_S="1")
    assert api.post(krn, update(), token=key.mint()).status_code == 200
    issuer.delay = 10.0
    fetches = issuer.fetches
    wait_until(lambda: issuer.fetches > fetches, what="a slow fetch")
    started = time.monotonic()
    for _ in range(20):
        assert api.post(krn, update(), token=key.mint()).status_code == 200
    assert time.monotonic() - started < 5
    fetches = issuer.fetches
    wait_until(lambda: issuer.fetches > fetches, 20, "another one")
    started = time.monotonic()
    api.server.stop()  # which does not wait for it
    assert time.monotonic() - started < 4
    issuer.delay = 0.0


# Each beside a good key, which goes on serving.
unusable = {"of encryption": lambda: SigningKey("rsa", "bad").jwk(use="enc"),
            "key_ops without verify": lambda: SigningKey("rsa", "bad").jwk(key_ops=["encrypt"]),
            "of another algorithm": lambda: SigningKey("rsa", "bad").jwk(alg="RSA-OAEP"),
            "of an algorithm it cannot do": lambda: SigningKey("rsa", "bad").jwk(alg="ES256"),
            "short": lambda: SigningKey("short rsa", "bad").jwk(),
            "exponent 1": lambda: SigningKey("rsa", "bad").jwk(e="AQ"),
            "even exponent": lambda: SigningKey("rsa", "bad").jwk(e="Ag"),
            "not base64url": lambda: SigningKey("rsa", "bad").jwk(n="+/+="),
            "P-521": lambda: SigningKey("p521", "bad").jwk(),
            "secp256k1": lambda: SigningKey("secp256k1", "bad").jwk(),
            "off its curve": lambda: SigningKey("p256", "bad").jwk(x=base64url(b"\1" * 32)),
            "another curve's name": lambda: SigningKey("p256", "bad").jwk(crv="P-384"),
            "coordinate cut": lambda: SigningKey("p256", "bad").jwk(x=base64url(b"\1" * 31)),
            "Ed25519 cut": lambda: SigningKey("ed25519", "bad").jwk(x=base64url(b"\1" * 31)),
            "X25519": lambda: SigningKey("ed25519", "bad").jwk(crv="X25519"),
            "private": lambda: SigningKey("rsa", "bad").jwk(d="AQAB"),
            "symmetric": lambda: {"kty": "oct", "kid": "bad", "k": base64url(b"k" * 32), "alg": "HS256"},
            "kty missing": lambda: {"kid": "bad"}, "kid no text": lambda: SigningKey("rsa").jwk(kid=7)}


def test_keys_of_a_set_that_are_left_out(make_server, make_issuer, krn):
    good = SigningKey("p256", "good")
    issuer = make_issuer()
    issuer.answer = {"keys": [*(make() for make in unusable.values()), good.jwk()]}
    server = make_server(env={"JWT_SECRET": "", "JWT_JWKS_URL": issuer.url}).start()
    assert Api(server).post(krn, update(), token=good.mint()).status_code == 200
    assert server.log_text().count("issuer_key_skipped") == len(unusable)


def test_keys_of_a_set_in_a_file_that_are_left_out(make_server, tmp_path, krn):
    good = SigningKey("p256", "good")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [*(make() for make in unusable.values()), good.jwk()]}))
    server = make_server(env={"JWT_SECRET": "", "JWT_PUBLIC_KEY_FILE": str(path)}).start()
    assert Api(server).post(krn, update(), token=good.mint()).status_code == 200
    assert server.log_text().count("key_file_key_skipped") == len(unusable)


def test_a_keys_own_algorithm_narrows_it(make_server, make_issuer, krn):
    key = SigningKey("rsa", "narrow")
    issuer = make_issuer()
    issuer.answer = {"keys": [key.jwk(alg="PS256", use="sig", key_ops=["verify"])]}
    api = serve(make_server, JWT_JWKS_URL=issuer.url)
    refused(api, krn, key.mint(algorithm="RS256"))
    assert api.post(krn, update(), token=key.mint(algorithm="PS256")).status_code == 200


def test_of_two_keys_with_one_name_the_first_counts(make_server, make_issuer, krn):
    first, second = SigningKey("p256", "same"), SigningKey("p256", "same")
    api = serve(make_server, JWT_JWKS_URL=make_issuer(first, second).url)
    refused(api, krn, second.mint())
    assert api.post(krn, update(), token=first.mint()).status_code == 200


def test_jwt_algorithms_narrows_the_keys(make_server, make_issuer, krn):
    rsa, p256 = SigningKey("rsa", "r"), SigningKey("p256", "p")
    api = serve(make_server, JWT_JWKS_URL=make_issuer(rsa, p256).url, JWT_ALGORITHMS="PS256, ES256",
                JWT_SECRET=harness.secret)
    for token in (rsa.mint(algorithm="RS256"), mint()):
        refused(api, krn, token)
    for token in (rsa.mint(algorithm="PS256"), p256.mint()):
        assert api.post(krn, update(), token=token).status_code == 200


@pytest.mark.parametrize("kind", kinds)
def test_a_file_with_a_public_key(make_server, tmp_path, krn, kind):
    key = SigningKey(kind)
    path = tmp_path / "key.pem"
    path.write_text(key.pem)
    api = serve(make_server, JWT_PUBLIC_KEY_FILE=str(path))
    assert api.post(krn, update(done=1), token=key.mint()).status_code == 200
    for token in (SigningKey(kind).mint(), key.mint(headers={"kid": "unknown"}), mint()):
        assert_problem(api.post(krn, update(done=1), token=token), 401, invalid)
    assert api.record(krn, "sales.csv")["counts"]["done"] == 1


def test_a_file_with_a_key_set_and_a_secret_beside_it(make_server, tmp_path, krn):
    key = SigningKey("rsa", "named")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [key.jwk()]}))
    api = serve(make_server, JWT_PUBLIC_KEY_FILE=str(path), JWT_SECRET=harness.secret)
    for token in (key.mint(), mint()):
        assert api.post(krn, update(), token=token).status_code == 200
    refused(api, krn + ":2", SigningKey("rsa", "named").mint())


bad_settings = {
    "no such file": ({"JWT_PUBLIC_KEY_FILE": "/nowhere/key.pem"}, "JWT_PUBLIC_KEY_FILE"),
    "a private key": ({"JWT_PUBLIC_KEY_FILE": lambda: SigningKey("rsa").private_pem}, "PRIVATE KEY"),
    "not PEM": ({"JWT_PUBLIC_KEY_FILE": lambda: "hello"}, "JWT_PUBLIC_KEY_FILE"),
    "a short key": ({"JWT_PUBLIC_KEY_FILE": lambda: SigningKey("short rsa").pem}, "1024 bits"),
    "a curve": ({"JWT_PUBLIC_KEY_FILE": lambda: SigningKey("secp256k1").pem}, "curve"),
    "a bad set": ({"JWT_PUBLIC_KEY_FILE": lambda: '{"keys":[]}'}, "no key"),
    "an unknown algorithm": ({"JWT_ALGORITHMS": "RS256,none"}, "JWT_ALGORITHMS"),
    "an empty name": ({"JWT_ALGORITHMS": "RS256,,ES256"}, "JWT_ALGORITHMS"),
    "algorithms without a key": ({"JWT_ALGORITHMS": "RS256", "JWT_SECRET": harness.secret}, "JWT_ALGORITHMS"),
    "another scheme": ({"JWT_JWKS_URL": "file:///etc/passwd"}, "JWT_JWKS_URL"),
    "no URL": ({"JWT_JWKS_URL": "keys"}, "JWT_JWKS_URL"),
    "refresh 0": ({"JWT_JWKS_REFRESH_S": "0"}, "JWT_JWKS_REFRESH_S"),
    "reads perhaps": ({"PUBLIC_READS": "perhaps"}, "PUBLIC_READS"),
}


@pytest.mark.parametrize("row", bad_settings)
def test_a_bad_setting_stops_the_start(tmp_path, row):
    env, text = bad_settings[row]
    for name, value in env.items():
        if callable(value):
            (tmp_path / "key").write_text(value())
            env = {**env, name: str(tmp_path / "key")}
    ended = pebbles("serve", "--embedded", tmp_path / "data", "--port", "0", env=env)
    assert ended.returncode == 2 and text in ended.stderr, ended.stderr
    assert harness.secret not in ended.stderr


def test_without_any_key_a_server_that_is_not_embedded_refuses_to_start(tmp_path):
    ended = pebbles("serve", "--store", f"sqlite:{tmp_path}/p.db", "--port", "0")
    assert ended.returncode == 2 and "JWT_JWKS_URL" in ended.stderr


issuer_rules = {"JWT_ISSUER": "https://issuer.example, https://other.example", "JWT_AUDIENCE": "pebbles,uploads"}
good_claims = {"iss": "https://issuer.example", "aud": "pebbles"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("strict"), env=issuer_rules).start()
    yield Api(server)
    server.stop()


@pytest.mark.parametrize("fitting", [good_claims, {**good_claims, "iss": "https://other.example"},
                                    {**good_claims, "aud": ["others", "uploads"]}], ids=json.dumps)
def test_issuer_and_audience_that_fit(strict, krn, fitting):
    assert strict.post(krn, update(), token=mint(**fitting)).status_code == 200


# Not through PyJWT, which has rules of its own for what it signs.
@pytest.mark.parametrize("change", [{"iss": None}, {"iss": "https://issuer.example/"}, {"iss": "HTTPS://issuer.example"},
                                    {"iss": ["https://issuer.example"]}, {"iss": 7}, {"iss": ""}, {"aud": None},
                                    {"aud": "other"}, {"aud": []}, {"aud": ["other"]}, {"aud": ["pebbles", 7]},
                                    {"aud": "pebbles,uploads"}, {"aud": {"pebbles": True}}, {"aud": ""}], ids=json.dumps)
def test_issuer_and_audience_that_do_not_fit(strict, krn, change):
    members = {name: value for name, value in {**claims(), **good_claims, **change}.items() if value is not None}
    refused(strict, krn, signed(hs256, members))


def test_thirty_seconds_of_leeway(strict, krn):
    now = int(time.time())
    for good in ({"ttl": -20}, {"nbf": now + 20}):
        assert strict.post(krn, update(), token=mint(**good_claims, **good)).status_code == 200
    for bad in ({"ttl": -40}, {"nbf": now + 45}):
        assert_problem(strict.post(krn, update(), token=mint(**good_claims, **bad)), 401, invalid)


def test_a_token_without_an_end_only_if_allowed(make_server, krn):
    api = Api(make_server(env={"JWT_REQUIRE_EXP": "false"}).start())
    assert api.post(krn, update(), token=mint(exp=None)).status_code == 200
    assert_problem(api.post(krn, update(), token=mint(ttl=-40)), 401, invalid)


wrong_client = "Token is not valid for this client"


@pytest.fixture(scope="module")
def bound(tmp_path_factory):
    """Tokens are bound to clients, and reads ask for one."""
    server = harness.Server(tmp_path_factory.mktemp("bound"),
                            env={"JWT_CLIENT_CLAIM": "https://acme.example/clients", "PUBLIC_READS": "false"}).start()
    yield Api(server)
    server.stop()


def of_client(clients, **rest):
    return mint(**{"https://acme.example/clients": clients}, **rest)


def test_a_token_is_good_for_its_clients_only(bound, krn):
    own, other = krn, krn + ":other"
    for clients in (own, [own], [other, own]):
        assert bound.post(own, update(done=1), token=of_client(clients)).status_code == 200
    for clients in (other, [], [other], None, 7, [7, own], {own: True}, own + ":", own[:-1], own.upper(), "*", ""):
        assert_problem(bound.post(own, update(done=1), token=of_client(clients)), 403, wrong_client)
    assert_problem(bound.post(own, update(done=1), token=mint(client=own)), 403, wrong_client)
    record = bound.http.get(path_of(own), params={"filename": "sales.csv"}, headers=harness.bearer(of_client(own))).json()
    assert record["counts"]["done"] == 3


def test_reads_that_ask_for_a_token(bound, krn):
    token = of_client(krn)
    made = bound.post(krn, update(), token=token)
    assert made.status_code == 200
    record = bound.http.get(path_of(krn), params={"filename": "sales.csv"}, headers=harness.bearer(token)).json()
    for path, parameters in ((path_of(krn), {}), (path_of(krn), {"filename": "sales.csv"}), (path_of(krn), {"limit": "x"}),
                             (path_of(krn, record["id"]), {}), (path_of(krn, "f" * 24), {})):
        nobody = bound.http.get(path, params=parameters)
        assert_problem(nobody, 401, "Missing Authorization header")
        assert nobody.headers["WWW-Authenticate"] == "Bearer"
        bad = bound.http.get(path, params=parameters, headers=harness.bearer("x.y.z"))
        assert_problem(bad, 401, invalid)
        foreign = bound.http.get(path, params=parameters, headers=harness.bearer(of_client(krn + ":other")))
        assert_problem(foreign, 403, wrong_client)
        assert "sales.csv" not in nobody.text + bad.text + foreign.text
    assert bound.http.get(path_of(krn, record["id"]), headers=harness.bearer(token)).status_code == 200
    assert bound.http.head(path_of(krn)).status_code == 401
    assert bound.http.get("/health").status_code == 200


def test_the_token_command_writes_the_claim_in_force(bound, krn):
    env = {"JWT_SECRET": harness.secret, "JWT_CLIENT_CLAIM": "https://acme.example/clients"}
    token = pebbles("token", "--email", harness.owner, "--client", krn, env=env).stdout.strip()
    assert bound.post(krn, update(), token=token).status_code == 200
    assert_problem(bound.post(krn + ":2", update(), token=token), 403, wrong_client)


def test_many_tokens_take_bounded_memory(strict, krn):
    """bad-input: 100,000 different tokens; a part of it here, with bad ones between."""
    pid = strict.server.process.pid
    resident = lambda: int(next(line.split()[1] for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")))
    with httpx.Client(base_url=strict.server.url, trust_env=False) as http:
        def flood(count, start):
            for number in range(start, start + count):
                token = mint(**good_claims, jti=f"{number}", filler="x" * 200)
                assert http.post(path_of(krn), headers={"Authorization": f"Bearer {token}"}, content=b"").status_code == 415
                bad = token[:-6] + "AAAAAA"
                assert http.post(path_of(krn), headers={"Authorization": f"Bearer {bad}"}, content=b"").status_code == 401
        rounds = 2 if not harness.long_rounds else 50
        flood(1000, 0)
        before = resident()
        flood(1000 * rounds, 1000)
        assert resident() - before < 20_000, "KiB"
