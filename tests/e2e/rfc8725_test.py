"""RFC 8725 (BCP 225, JSON Web Token Best Current Practices), section by section: one test for each point of section 3.

The server under test trusts an issuer with a key of each kind, for one issuer, one audience and one client claim."""
import json
import time

import harness
import pytest
from api_support import Api, assert_problem, pebbles
from api_token_test import encoded, signed
from harness import mint, update
from issuer import Issuer, SigningKey, algorithms
from token_keys_test import relabelled

invalid = "Invalid or expired token"
rules = {"iss": "https://issuer.example", "aud": "pebbles"}


@pytest.fixture(scope="module")
def keys():
    return {kind: SigningKey(kind, kid=kind) for kind in sorted(set(algorithms.values()))}


@pytest.fixture(scope="module")
def api(keys, tmp_path_factory):
    issuer = Issuer(*keys.values())
    server = harness.Server(tmp_path_factory.mktemp("rfc8725"), env={
        "JWT_SECRET": harness.secret, "JWT_JWKS_URL": issuer.url, "JWT_ISSUER": rules["iss"],
        "JWT_AUDIENCE": rules["aud"], "JWT_ALGORITHMS": "RS256,PS256,ES256,ES384,EdDSA,HS256"}).start()
    yield Api(server)
    server.stop()
    issuer.stop()


def accepted(api, krn, token):
    answer = api.post(krn, update(), token=token)
    assert answer.status_code == 200, answer.text


def refused(api, krn, token):
    assert_problem(api.post(krn, update(done=1), token=token), 401, invalid)


def claims(**rest):
    return {"email": harness.owner, "exp": int(time.time()) + 60, **rules, **rest}


def test_3_1_perform_algorithm_verification(api, keys, krn):
    """Only the algorithms that the application allows, and each key with exactly one family of them."""
    for kind, key in keys.items():
        accepted(api, krn, key.mint(**rules))
        for algorithm in (*algorithms, "HS256"):
            if algorithms.get(algorithm) != kind:
                refused(api, krn, relabelled(key.mint(**rules), alg=algorithm))
    for algorithm in ("RS384", "RS512", "PS384", "PS512"):  # the key could, JWT_ALGORITHMS does not allow it
        refused(api, krn, keys["rsa"].mint(algorithm=algorithm, **rules))


def test_3_2_use_appropriate_algorithms(api, keys, krn):
    """No `none`, in any spelling; nothing obsolete."""
    for algorithm in ("none", "None", "NONE", "nOnE", "", "RS1", "HS1", "MD5", "ES256K", "HS384", "HS512"):
        refused(api, krn, f"{encoded({'alg': algorithm})}.{encoded(claims())}.")
        refused(api, krn, signed({"alg": algorithm}, claims()))
        refused(api, krn, relabelled(keys["rsa"].mint(**rules), alg=algorithm))


def test_3_3_validate_all_cryptographic_operations(api, keys, krn):
    """Every part is verified, and the token is refused as a whole if one fails. Nested tokens are not accepted."""
    for key in keys.values():
        head, body, signature = key.mint(**rules).split(".")
        other = key.mint("boss@example.com", **rules).split(".")
        for token in (f"{head}.{other[1]}.{signature}", f"{head}.{body}.{other[2]}", f"{head}.{body}.",
                      f"{head}.{body}", f"{head}..{signature}", f".{body}.{signature}"):
            refused(api, krn, token)
    inner = keys["p256"].mint(**rules)
    refused(api, krn, signed({"alg": "HS256", "cty": "JWT"}, inner.encode()))
    refused(api, krn, f"{encoded({'alg': 'dir', 'enc': 'A256GCM'})}..{encoded(bytes(12))}.{encoded(b'x')}.{encoded(bytes(16))}")
    started = time.monotonic()
    bomb = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_000_000_000, "p2s": encoded(b"salt" * 4)}
    refused(api, krn, f"{encoded(bomb)}.{encoded(b'k')}.{encoded(bytes(12))}.{encoded(b'x')}.{encoded(bytes(16))}")
    assert time.monotonic() - started < 5


def test_3_4_validate_cryptographic_inputs(api, krn, make_server):
    """Points off their curve make no key (and so nobody can sign with what is left of it)."""
    bad = SigningKey("p256", "bad")
    issuer = Issuer()
    issuer.answer = {"keys": [bad.jwk(y=encoded(b"\1" * 32)), SigningKey("p256", "good").jwk()]}
    server = make_server(env={"JWT_SECRET": "", "JWT_JWKS_URL": issuer.url}).start()
    refused(Api(server), krn, bad.mint())
    assert "bad: a key whose numbers" in server.log_text()
    issuer.stop()


@pytest.mark.parametrize("secret", ["", "password", "a" * 31])
def test_3_5_ensure_cryptographic_keys_have_sufficient_entropy(tmp_path, secret):
    """Passwords are no keys: RFC 7518 asks for at least as many bits as the hash has."""
    ended = pebbles("serve", "--store", f"sqlite:{tmp_path}/p.db", "--port", "0", env={"JWT_SECRET": secret})
    assert ended.returncode == 2 and "JWT_SECRET" in ended.stderr


def test_3_6_avoid_compression_of_encryption_inputs(api, krn):
    """Nothing that is compressed or encrypted is read at all."""
    for header in ({"zip": "DEF"}, {"zip": "none"}, {"enc": "A128GCM"}):
        refused(api, krn, signed({"alg": "HS256", **header}, claims()))


def test_3_7_use_utf_8(api, krn):
    for encoding in ("utf-16", "utf-16-be", "utf-32", "utf-8-sig", "cp037"):
        refused(api, krn, signed({"alg": "HS256"}, json.dumps(claims()).encode(encoding)))
        refused(api, krn, signed(json.dumps({"alg": "HS256"}).encode(encoding), claims()))
    refused(api, krn, signed({"alg": "HS256"}, b'{"email":"\xff@example.com","exp":9999999999}'))


def test_3_8_validate_issuer_and_subject(api, keys, krn):
    """The issuer is compared exactly. The subject is the email: an unverified or unusable one is nobody's."""
    for issuer in ("https://other.example", rules["iss"] + "/", rules["iss"].upper(), rules["iss"] + "\0", ""):
        refused(api, krn, signed({"alg": "HS256"}, claims(iss=issuer)))
        refused(api, krn, keys["ed25519"].mint(aud=rules["aud"], iss=issuer or None))
    for email in (None, "", "nobody", ["a@b.c"]):
        answer = api.post(krn, update(), token=signed({"alg": "HS256"}, claims(email=email)))
        assert_problem(answer, 403, "No email found in authentication token")


def test_3_9_use_and_validate_audience(api, keys, krn):
    accepted(api, krn, keys["p384"].mint(iss=rules["iss"], aud=["another", "pebbles"]))
    for audience in (None, "another", [], ["another"], "pebbles "):
        refused(api, krn, keys["p384"].mint(iss=rules["iss"], aud=audience))


def test_3_10_do_not_trust_received_claims(api, keys, krn):
    """`kid` is only ever compared; `jku`, `x5u`, `jwk` and `x5c` are refused, and nothing is fetched."""
    trap = Issuer(attacker := SigningKey("rsa", "rsa"))
    for header in ({"kid": "../../../dev/null"}, {"kid": "x' or '1'='1"}, {"kid": trap.url}, {"jku": trap.url},
                   {"x5u": trap.url}, {"jwk": attacker.jwk()}, {"x5c": ["MIIB"]}):
        refused(api, krn, attacker.mint(headers={"kid": "rsa", **header}, **rules))
    assert trap.fetches == 0
    trap.stop()


def test_3_11_use_explicit_typing(api, keys, krn):
    """Issuers do not agree on one `typ`, so it keeps no token out; 3.12 tells kinds of tokens apart. Critical
    extensions are another matter: what is not understood is refused (RFC 7515, section 4.1.11)."""
    for kind in ("JWT", "at+jwt", "application/at+jwt"):
        accepted(api, krn, keys["p256"].mint(headers={"typ": kind}, **rules))
    for critical in (["typ"], ["exp"], ["b64"], [], "typ", None):
        refused(api, krn, signed({"alg": "HS256", "typ": "JWT", "crit": critical, "b64": True}, claims()))


def test_3_12_use_mutually_exclusive_validation_rules(api, keys, krn):
    """A token of the same issuer for another purpose has another audience, or a key of its own: it is refused."""
    refused(api, krn, keys["rsa"].mint(iss=rules["iss"], aud="the-web-shop"))
    refused(api, krn, keys["rsa"].mint(iss="https://issuer.example/logout", aud="pebbles"))
    refused(api, krn, SigningKey("rsa", "of another purpose").mint(**rules))
    accepted(api, krn, keys["rsa"].mint(**rules))
    accepted(api, krn, mint(**rules))
