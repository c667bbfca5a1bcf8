"""Bodies that must be refused: in every case nothing is written, and the server goes on."""
import json

import harness
import pytest
from api_support import Api, assert_problem, pebbles
from harness import update


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("bad")).start()
    yield Api(server)
    server.stop()
    proved = pebbles("verify", "--embedded", server.folder / "data")
    assert proved.returncode == 0, proved.stdout + proved.stderr


def assert_refused(api, krn, body, statuses=(400,), **how):
    """The client has one file, so that an update of it and a new file would both show."""
    api.report(krn, "kept.csv", done=1)
    tag = api.get(krn).headers["ETag"]
    answer = api.post(krn, body, **how)
    assert answer.status_code in statuses, f"{answer.status_code} {answer.text[:200]}"
    assert_problem(answer, answer.status_code, "Invalid parameters: " if answer.status_code == 400 else None)
    assert api.get(krn, headers={"If-None-Match": tag}).status_code == 304


def assert_taken_or_refused(api, krn, body, counts):
    answer = api.post(krn, body)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        assert answer.json()["counts"] == counts
    else:
        assert api.listed(krn) == []


good = b'{"filename":"kept.csv","counts":{"done":1,"warn":0,"failed":0}}'
json_rows = {
    "empty": b"", "a space": b" ", "truncated": good[:-1], "truncated string": good[:15], "trailing bytes": good + b"x",
    "two documents": good + good, "trailing comma": good[:-1] + b",}", "line comment": b"//c\n" + good,
    "block comment": b"/* */" + good, "single quotes": good.replace(b'"', b"'"),
    "NaN": good.replace(b":1,", b":NaN,"), "Infinity": good.replace(b":1,", b":Infinity,"),
    "minus Infinity": good.replace(b":1,", b":-Infinity,"), "UTF-16": good.decode().encode("utf-16"),
    "null": b"null", "array": b"[]", "array of updates": b"[" + good + b"]", "string": b'"x"', "number": b"5",
    "true": b"true", "an empty object": b"{}", "100,000 brackets": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "deep unknown member": good[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "filename twice": good[:-1] + b',"filename":"b"}', "counts twice": good[:-1] + b',"counts":{}}',
    "invalid UTF-8": good.replace(b"kept", b"ke\xffpt"), "overlong": good.replace(b"kept", b"ke\xc0\xafpt"),
    "surrogate bytes": good.replace(b"kept", b"ke\xed\xa0\x80pt"),
    "beyond Unicode": good.replace(b"kept", b"\xf4\x90\x80\x80"),
    "lone surrogate": good.replace(b"kept", b"ke\\ud800pt"), "reversed surrogates": good.replace(b"kept",
                                                                                                 b"\\udc00\\ud800"),
    "NUL escaped": good.replace(b"kept", b"ke\\u0000pt"), "NUL raw": good.replace(b"kept", b"ke\x00pt"),
    "newline raw": good.replace(b"kept", b"ke\npt"), "bad escape": good.replace(b"kept", b"ke\\xpt"),
    "invalid UTF-8 in an unknown member": good[:-1] + b',"x":"\xff"}', "leading zero": good.replace(b":1,", b":01,"),
    "plus": good.replace(b":1,", b":+1,"), "hex": good.replace(b":1,", b":0x1,"),
    "bare point": good.replace(b":1,", b":1.,"),
    "half a literal": good[:-1] + b',"isLast":tru}',
    "1 MiB of spaces": b" " * 2**20, "a key of nearly 1 MiB": b'{"' + b"k" * (2**20 - 10) + b'":1}',
    "many keys": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
    "an object for a string": good.replace(b'"kept.csv"', b'{"$gt":""}'),
}


@pytest.mark.parametrize("row", json_rows)
def test_json(api, krn, row):
    assert_refused(api, krn, json_rows[row], (400, 413))


def test_a_byte_order_mark(api, krn):
    assert_taken_or_refused(api, krn, b"\xef\xbb\xbf" + good, {"done": 1, "warn": 0, "failed": 0})


def test_a_million_keys(api, krn):
    assert_refused(api, krn, b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}", (400, 413))


numbers = ["-1", "1.5", '"1"', "true", "null", "[]", "{}", "1e308", "1e400", "9007199254740992", "9223372036854775808",
           "18446744073709551616", "-9223372036854775809", "9" * 400, "1e-1", "0.1e1x"]


@pytest.mark.parametrize("number", numbers, ids=lambda number: number[:24])
@pytest.mark.parametrize("member", ["done", "warn", "failed"])
def test_counts(api, krn, member, number):
    counts = {"done": "0", "warn": "0", "failed": "0", member: number}
    inner = ",".join(f'"{name}":{value}' for name, value in counts.items())
    assert_refused(api, krn, f'{{"filename":"kept.csv","counts":{{{inner}}}}}'.encode())


@pytest.mark.parametrize("number, value", [("-0", 0), ("1e2", 100), ("1.0", 1), ("-0.0", 0), ("100e-2", 1)])
def test_integers_in_other_spellings(api, krn, number, value):
    body = f'{{"filename":"a","counts":{{"done":{number},"warn":0,"failed":0}}}}'.encode()
    assert_taken_or_refused(api, krn, body, {"done": value, "warn": 0, "failed": 0})


def without(*path):
    body = update("kept.csv", done=1)
    part = body
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return body


many = [{"message": "x"}] * 10_001
field_rows = {
    "counts missing": without("counts"), "counts null": update("kept.csv", counts=None),
    "counts a list": update(counts=[1, 2, 3]),
    "done missing": without("counts", "done"), "warn missing": without("counts", "warn"),
    "failed missing": without("counts", "failed"), "filename missing": without("filename"),
    **{f"total {value!r}": update("kept.csv", total=value) for value in (0, -1, 1.5, "9", True, [], 2**53, 10**400)},
    **{f"isLast {value!r}": update("kept.csv", isLast=value) for value in ("true", 1, 0, [], {}, "")},
    **{f"{name} {value!r}": update("kept.csv", **{name: value}) for name in ("errors", "warnings")
       for value in ({}, "x", 5, True, [None], [5], ["x"], [[]], [{}], [{"line": 1}], [{"message": 5}],
                     [{"message": None}],
                     [{"message": {}}], [{"message": "x", "line": 0}], [{"message": "x", "line": -1}],
                     [{"message": "x", "line": 1.5}], [{"message": "x", "line": "1"}],
                     [{"message": "x", "line": 2**63}],
                     [{"message": "x"}, {"message": "y", "line": False}])},
    "10,001 errors": update("kept.csv", errors=many), "10,001 warnings": update("kept.csv", warnings=many),
    "a message over 64 KiB": update("kept.csv", errors=[{"message": "x" * 65_537}]),
    "a message over 64 KiB in bytes": update("kept.csv", errors=[{"message": "\u00e9" * 32_769}]),
    **{f"filename {value!r}"[:40]: update(value) for value in
       ("", "x" * 1025, "\u00e9" * 513, "a\nb", "a\tb", "\r", "a\x7f", "\x1b[31m", None, 5, [], {"$gt": ""}, True)},
    **{f"eventId {value!r}"[:40]: update("kept.csv", eventId=value)
       for value in ("", "k" * 257, "a\nb", "a\x00", 5, [], {}, True)},
}


@pytest.mark.parametrize("row", field_rows)
def test_fields(api, krn, row):
    assert_refused(api, krn, field_rows[row], (400, 413))


@pytest.mark.parametrize("member", ["isLast", "errors", "warnings", "total", "eventId"])
def test_null_counts_as_absent_or_is_refused(api, krn, member):
    assert_taken_or_refused(api, krn, json.dumps(update("a", done=1, **{member: None})).encode(),
                            {"done": 1, "warn": 0, "failed": 0})


@pytest.mark.parametrize("rest", [{"total": 1}, {"errors": many[:10_000]}, {"errors": [{"message": "x" * 65_536}]},
                                  {"eventId": "k" * 256}, {"errors": [{"message": "", "line": 2**53 - 1}]},
                                  {"errors": [{"message": "a\nb\u0000", "x": 1}]}],
                         ids=lambda rest: str(rest)[:30])
def test_the_largest_that_is_allowed(api, krn, rest):
    """A total below what is done is sent by producers that guessed, and taken."""
    assert api.report(krn, "a" * 1024, done=2**53 - 1, **rest)["result"] == "created"


@pytest.mark.parametrize("key", ["", '""', "k" * 257, '"' + "k" * 257 + '"', '"open', '"a" b', '"a"b"', "a\tb",
                                 '"\\x"'],
                         ids=lambda key: key[:12])
def test_keys_in_a_header(api, krn, key):
    assert_refused(api, krn, update("kept.csv", done=1), key=key)


def test_two_keys_in_headers(api, krn):
    headers = [*harness.bearer().items(), ("Content-Type", "application/json"), ("Idempotency-Key", "a"),
               ("Idempotency-Key", "b")]
    answer = api.http.post(f"/clients/{krn}/progress", content=good, headers=headers)
    assert_problem(answer, 400, "Invalid parameters: ")
    assert api.listed(krn) == []


def test_the_longest_key_in_both_forms(api, krn):
    assert api.report(krn, done=1, key="k" * 256)["result"] == "created"
    assert api.post(krn, update(done=1), key='"' + "k" * 256 + '"').headers["Idempotent-Replayed"] == "true"
