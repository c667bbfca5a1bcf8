"""POST /clients/{clientKrn}/progress/batch: its forms, each update by itself, keys, bounds, and what a kill leaves."""
import json
import os
import re
import socket
import subprocess

import harness
import httpx
import pytest
from api_support import Api, assert_problem, json_type, path_of
from harness import update

ndjson = "application/x-ndjson"
stranger = "somebody.else@example.com"
completed = "This file processing has already been completed"
updates_max, bytes_max, update_bytes_max = 10_000, 16 * 2**20, 2**20


@pytest.fixture(scope="module")
def api(any_server):
    return Api(any_server)


def lines(updates):
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in updates)


# Name: (what makes a body of updates, its type)
forms = {"array": (lambda updates: json.dumps(updates).encode(), json_type),
         "object": (lambda updates: json.dumps({"batch": 7, "updates": updates}).encode(), json_type),
         "ndjson": (lines, ndjson)}
every_form = pytest.mark.parametrize("form", forms)


def send(api, krn, updates, form="array", *, token=None, key=None, minimal=False, headers=None, timeout=60):
    """`updates` may be bytes, which are sent as they are."""
    body, content_type = (updates, forms[form][1]) if isinstance(updates, bytes) else (forms[form][0](updates), forms[form][1])
    sent = {**harness.bearer(token), "Content-Type": content_type, **(headers or {})}
    if key is not None:
        sent["Idempotency-Key"] = key
    if minimal:
        sent["Prefer"] = "return=minimal"
    return api.http.post(path_of(krn, "batch"), content=body, headers=sent, timeout=timeout)


def results(answer):
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["Content-Type"] == json_type
    body = answer.json()
    good = sum(result["status"] == 200 for result in body["results"])
    assert (body["succeeded"], body["failed"]) == (good, len(body["results"]) - good)
    assert list(body) == ["succeeded", "failed", "results"]
    return body["results"]


def statuses(answer):
    return [result["status"] for result in results(answer)]


def done(api, krn, filename="sales.csv"):
    return api.record(krn, filename)["counts"]["done"]


@every_form
def test_each_update_is_answered_in_order_as_alone(api, krn, form):
    first = update("a", done=1, total=9, errors=[{"line": 1, "message": "ü"}])
    answer = results(send(api, krn, [first, update("b", warn=2), update("a", done=2)], form))
    common = {"status": 200, "clientKrn": krn, "isCompleted": False, "warnings": []}
    a = {**common, "filename": "a", "total": 9, "errors": first["errors"]}
    assert answer == [{**a, "result": "created", "counts": {"done": 1, "warn": 0, "failed": 0}},
                      {**common, "result": "created", "filename": "b", "counts": {"done": 0, "warn": 2, "failed": 0},
                       "total": None, "errors": []},
                      {**a, "result": "updated", "counts": {"done": 3, "warn": 0, "failed": 0}}]
    assert done(api, krn, "a") == 3


@every_form
def test_one_bad_update_does_not_touch_the_others(api, krn, form):
    updates = [update(done=1), {"filename": "x", "counts": {"done": -1}}, 7, "x", [update(done=1)], None,
               update(done=10), update("y" * 1025), update(done=100, eventId="")]
    answer = results(send(api, krn, updates, form))
    assert [result["status"] for result in answer] == [200, 400, 400, 400, 400, 400, 200, 400, 400]
    assert answer[1]["error"].startswith("Invalid parameters: counts.")
    assert [fault["pointer"] for fault in answer[1]["errors"]] == ["/counts/done", "/counts/warn", "/counts/failed"]
    assert answer[2]["error"] == answer[5]["error"] == "Invalid parameters: the update must be a JSON object"
    assert {"title", "status", "detail", "error"} <= set(answer[2])
    assert done(api, krn) == 11


def test_bad_lines_are_faults_of_their_own(api, krn):
    good = lines([update(done=1)])
    body = (b"\n\r\n" + good + b"{\n" + good.strip() + b"\r\n  \t\n" + good + good.strip() + good +
            b"\xff\n" + b"nul\n" + b'{"filename":"a"}{"counts":1}\n' + b"[" * 100 + b"\n" + good.strip())
    answer = results(send(api, krn, body, "ndjson"))
    assert [result["status"] for result in answer] == [200, 400, 200, 200, 400, 400, 400, 400, 400, 200]
    assert answer[1]["error"].startswith("Invalid parameters: the update is not valid JSON")
    assert done(api, krn) == 4


@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"[", b"[{}", b"[{},]", b"[{}{}]", b"[{}]x", b"[{}]]", b"nul", b'"x"', b"7", b"null", b"{}",
    b'{"updates":null}', b'{"updates":{}}', b'{"updates":[]', b'{"updates":[],"updates":[]}', b'{"update":[{}]}',
    b"[\xff]", b"[01]", b'[{"filename":"a"]}', b"\xef\xbb\xbf[]"])
def test_a_document_that_is_no_batch_is_refused(api, krn, body):
    assert_problem(send(api, krn, body), 400, "Invalid parameters: ")


def test_nothing_of_a_document_with_a_fault_at_its_end_is_counted(api, krn):
    body = json.dumps([update(done=1)] * 3).encode()[:-1] + b",{]"
    assert_problem(send(api, krn, body), 400, "Invalid parameters: the body is not valid JSON: ")
    assert api.listed(krn) == []


def test_an_empty_batch_is_fine(api, krn):
    for body, form in ((b"[]", "array"), (b'{"updates":[]}', "array"), (b"", "ndjson"), (b"\n\n", "ndjson")):
        assert results(send(api, krn, body, form)) == []


@every_form
def test_minimal_leaves_the_states_out(api, krn, form):
    answer = send(api, krn, [update(done=1, eventId="k"), update(done=1, eventId="k"), {}], form, minimal=True)
    assert answer.headers["Preference-Applied"] == "return=minimal"
    first, second, third = results(answer)
    assert first == {"status": 200, "result": "created"}
    assert second == {"status": 200, "result": "updated", "replayed": True}
    assert third["status"] == 400 and third["errors"]


@pytest.mark.parametrize("accept, is_lines", [(ndjson, True), ("text/csv, application/x-ndjson;q=0.5", True),
                                              ("*/*", False), (f"{ndjson}, {json_type}", False), (json_type, False)])
def test_answers_come_as_lines_to_who_takes_nothing_else(api, krn, accept, is_lines):
    answer = send(api, krn, [update(done=1), {}], headers={"Accept": accept}, minimal=True)
    assert answer.headers["Content-Type"] == (ndjson if is_lines else json_type)
    if is_lines:
        assert answer.text.endswith("}\n")
        assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [200, 400]


def test_what_a_later_update_of_the_batch_finds(api, krn):
    answer = results(send(api, krn, [update(done=1), update(done=2, isLast=True), update(done=4), update("b", done=8)]))
    assert [result["status"] for result in answer] == [200, 200, 400, 200]
    assert (answer[1]["isCompleted"], answer[2]["error"]) == (True, completed)
    assert done(api, krn) == 3


def test_files_of_others_are_refused_one_by_one(api, krn):
    api.report(krn, "theirs", done=1, token=harness.mint(stranger))
    answer = results(send(api, krn, [update("mine", done=1), update("theirs", done=1), update("mine", done=1)]))
    assert [result["status"] for result in answer] == [200, 403, 200]
    assert answer[1]["error"] == "Only the original creator can update this file's progress"
    assert (done(api, krn, "mine"), done(api, krn, "theirs")) == (2, 1)


def test_two_clients_do_not_meet(api, krn):
    other = krn + "-other"
    assert statuses(send(api, krn, [update(done=1, eventId="k")])) == [200]
    answer = results(send(api, other, [update(done=5, eventId="k", clientKrn=krn)]))
    assert (answer[0]["result"], answer[0]["clientKrn"]) == ("created", other)
    assert (done(api, krn), done(api, other)) == (1, 5)


# Keys


@every_form
def test_event_ids_count_once_in_a_batch_over_batches_and_alone(api, krn, form):
    batch = [update(done=1, eventId="k1"), update(done=2, eventId="k2"), update(done=1, eventId="k1")]
    answer = results(send(api, krn, batch, form))
    assert [result.get("replayed", False) for result in answer] == [False, False, True]
    answer = results(send(api, krn, [*batch, update(done=4, eventId="k3")], form))
    assert [result.get("replayed", False) for result in answer] == [True, True, True, False]
    assert answer[0]["counts"]["done"] == 7, "the present state"
    assert api.post(krn, update(done=2), key="k2").headers["Idempotent-Replayed"] == "true"
    assert statuses(send(api, krn, [update(done=9, eventId="k1"), update("other", done=9, eventId="k1")], form)) == [422, 200]
    assert done(api, krn) == 7


@pytest.mark.parametrize("key", ["run-7", '"run 7"', "k" * 256])
def test_one_key_makes_the_whole_batch_repeatable(api, krn, key):
    batch = [update(done=1), update(done=1), update("b", done=5), {}, update(done=1, isLast=True)]
    assert statuses(send(api, krn, batch, key=key)) == [200, 200, 200, 400, 200]
    before = api.record(krn, "sales.csv")
    answer = results(send(api, krn, batch, key=key))
    assert [result["status"] for result in answer] == [200, 200, 200, 400, 200]
    assert [result.get("replayed") for result in answer] == [True, True, True, None, True]
    assert api.record(krn, "sales.csv") == before and before["counts"]["done"] == 3
    assert done(api, krn, "b") == 5


def test_a_batch_that_was_counted_in_part_is_completed(api, krn):
    batch = [update(f"f{i}", done=1) for i in range(10)]
    assert statuses(send(api, krn, batch[:4], key="b")) == [200] * 4
    answer = results(send(api, krn, batch, key="b"))
    assert [result.get("replayed", False) for result in answer] == [True] * 4 + [False] * 6
    assert sum(record["counts"]["done"] for record in api.listed(krn)) == 10


def test_how_a_key_and_event_ids_go_together(api, krn):
    batch = [update(done=1), update(done=2, eventId="own")]
    send(api, krn, batch, key="k")
    assert api.post(krn, update(done=1), key="k/0").headers["Idempotent-Replayed"] == "true"
    assert api.post(krn, update(done=2), key="own").headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in api.post(krn, update(done=2), key="k/1").headers
    assert statuses(send(api, krn, [update(done=3)], key="k")) == [422]


@pytest.mark.parametrize("key", ["", '"', "k" * 257, '"a" b'])
def test_a_bad_key_refuses_the_whole(api, krn, key):
    assert_problem(send(api, krn, [update(done=1)], key=key), 400, "Invalid parameters: Idempotency-Key ")
    assert api.listed(krn) == []


def test_ten_thousand_keys_of_one_file_are_found_again(api, krn):
    """And its chunks are read once for all of them: reading one for each key took minutes."""
    batch = [update(done=1, eventId=f"k{i}") for i in range(updates_max)]
    for replayed in (False, True):
        told = results(send(api, krn, batch, minimal=True))
        assert [result["status"] for result in told] == [200] * updates_max
        assert sum("replayed" in result for result in told) == updates_max * replayed
    assert done(api, krn) == updates_max


# The head


def test_the_head_is_judged_as_for_one_update(api, krn):
    body = [update(done=1)]
    assert_problem(send(api, krn, body, headers={"Authorization": ""}), 401, "Missing Authorization header")
    assert_problem(send(api, krn, body, token="x.y.z"), 401, "Invalid or expired token")
    assert_problem(send(api, krn, body, token=harness.mint(None)), 403, None)
    assert_problem(send(api, "no-krn", body), 400, "Invalid parameters: clientKrn is not a valid client name")
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-lines"}, {"Content-Encoding": "gzip"},
                    {"Content-Type": ndjson + "; charset=latin1"}):
        assert_problem(send(api, krn, body, headers=headers), 415, None)
    for content_type in (ndjson, "Application/X-NDJSON; charset=UTF-8"):
        assert statuses(send(api, krn, lines([update("t", done=1)]), headers={"Content-Type": content_type})) == [200]


def test_the_path_beside_records(api, krn):
    path = path_of(krn, "batch")
    assert_problem(api.http.get(path), 404, "Progress not found for this file")
    assert_problem(api.http.delete(path, headers=harness.bearer()), 404, "Progress not found for this file")
    for method in ("PUT", "PATCH"):
        answer = api.http.request(method, path)
        assert_problem(answer, 405, None)
        assert set(answer.headers["Allow"].split(", ")) == {"POST", "GET", "HEAD", "DELETE", "OPTIONS"}
    assert set(api.http.options(path).headers["Allow"].split(", ")) == {"POST", "GET", "HEAD", "DELETE", "OPTIONS"}
    assert_problem(api.http.post(path_of(krn, "0" * 24)), 405, None)
    assert_problem(api.http.post(path + "/x"), 404, None)


# Bounds


@every_form
def test_ten_thousand_and_one_more(api, krn, form):
    batch = [update(f"f{i % 7}", done=1) for i in range(updates_max)]
    answer = results(send(api, krn, batch, form, key="big"))
    assert [result["status"] for result in answer] == [200] * updates_max
    assert answer[-1]["counts"]["done"] == len(range((updates_max - 1) % 7, updates_max, 7))
    assert_problem(send(api, krn, [*batch, update("over", done=1)], form, key="big"), 413,
                   f"A batch must have at most {updates_max} updates")
    replayed = results(send(api, krn, batch, form, key="big", minimal=True))
    assert all(result.get("replayed") for result in replayed)
    assert sum(record["counts"]["done"] for record in api.listed(krn)) == updates_max


@every_form
def test_sixteen_mebibytes_and_one_more(api, krn, form):
    batch = forms[form][0]([update(f"f{i}", done=1, note="x" * 1_000_000) for i in range(16)])
    full = batch + b" " * (bytes_max - len(batch))
    assert statuses(send(api, krn, full, form)) == [200] * 16
    answer = send(api, krn, full + b" ", form)
    assert_problem(answer, 413, f"The body is too large: at most {16 << 20} bytes are accepted here")
    assert all(record["counts"]["done"] == 1 for record in api.listed(krn))


def test_more_than_announced_may_come_in_chunks_but_not_too_much(api, krn):
    def chunks(count):
        for i in range(count):
            yield lines([update("chunked", done=1, note="x" * 100_000)])

    headers = {**harness.bearer(), "Content-Type": ndjson, "Prefer": "return=minimal"}
    assert statuses(api.http.post(path_of(krn, "batch"), content=chunks(100), headers=headers)) == [200] * 100
    assert_problem(api.http.post(path_of(krn, "batch"), content=chunks(170), headers=headers), 413, None)
    assert done(api, krn, "chunked") == 100


@every_form
def test_each_update_has_the_bound_of_a_single_one(api, krn, form):
    bare = len(json.dumps(update("a", done=1, x=""), ensure_ascii=form != "ndjson"))
    fitting, over = (update("a", done=1, x="x" * (update_bytes_max - bare + more)) for more in (0, 1))
    answer = results(send(api, krn, [fitting, over, update("a", done=1)], form))
    assert [result["status"] for result in answer] == [200, 413, 200]
    assert answer[1]["error"] == f"The update is too large: it must have at most {update_bytes_max} bytes"
    assert done(api, krn, "a") == 2


def test_a_long_answer_ends_without_states(api, krn):
    """States of 128 KiB each: the answer stays within bounds, and every result is there."""
    fat = [{"line": 1, "message": "x" * 64_000}]
    api.report(krn, done=1, errors=fat, warnings=fat)
    answer = send(api, krn, [update(done=1)] * 1000)
    assert len(answer.content) < 20 * 2**20
    told = results(answer)
    assert [result["status"] for result in told] == [200] * 1000
    with_states = [result for result in told if "errors" in result]
    assert len(with_states) > 20 and told[:len(with_states)] == with_states
    assert set(told[-1]) == {"status", "result"}
    assert done(api, krn) == 1001


def test_an_answer_to_faults_is_bounded(api, krn):
    bad = update(done=1, errors=[0] * 100)
    told = results(send(api, krn, [bad] * 1000))
    assert [result["status"] for result in told] == [400] * 1000
    assert [len(result["errors"]) for result in told] == [100] * 100 + [1] * 900


# Behaviour of the server


def test_a_client_that_stalls_leaves_room_for_the_batches_of_others(make_server, krn):
    api = Api(make_server().start())
    head = (f"POST {path_of(krn, 'batch')} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {harness.mint()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {bytes_max}\r\n\r\n").encode()
    stalled, refused = [], 0
    try:
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", api.server.port), timeout=10)
            stalled.append(connection)
            try:
                connection.sendall(head + b" " * (bytes_max - 1))
                connection.settimeout(2)
                refused += connection.recv(12) == b"HTTP/1.1 503"
            except TimeoutError:
                pass  # it is taken, and its end is awaited
            except ConnectionError:
                refused += 1
        assert refused == 4, "whoever holds one token has half of the room for bodies"
        large = json.dumps([update(done=1)]).encode().ljust(bytes_max)
        assert_problem(send(api, krn + ":other", large), 503, None)  # an invented name is nobody else
        others = {"Authorization": f"Bearer {harness.mint('other@example.com')}"}
        answer = api.http.post(path_of(krn + ":another", "batch"), content=large, timeout=30,
                               headers={**others, "Content-Type": "application/json"})
        assert statuses(answer) == [200]
        for _ in range(3):
            assert statuses(send(api, krn + ":other", [update(done=1)])) == [200]
        assert_problem(send(api, krn, large), 503, None)
    finally:
        for connection in stalled:
            connection.close()
    harness.wait_until(lambda: send(api, krn, large).status_code == 200, 10, "room for who has stalled")


def test_the_commands_of_the_docs(api, krn):
    (commands,) = [code for code in re.findall("```sh\n(.*?)```", (harness.root / "docs/api.md").read_text(), re.DOTALL)
                   if "/progress/batch" in code]
    commands = commands.replace("http://127.0.0.1:8081", api.server.url).replace("krn:acme:client:123", krn)
    ran = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", commands.replace("curl ", "curl -sS --fail-with-body ")],
                         env={**os.environ, "TOKEN": harness.mint(), "NO_PROXY": "127.0.0.1"}, stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert [ran.stdout.count(part) for part in ('"status":200', '"failed":0,"results"')] == [4, 3]
    assert done(api, krn, "a.csv") == 1500


def test_a_batch_in_the_making_holds_nobody_up(api, krn):
    with socket.create_connection(("127.0.0.1", api.server.port)) as line:
        line.sendall(f"POST {path_of(krn, 'batch')} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                     f"Content-Type: {ndjson}\r\nAuthorization: Bearer {harness.mint()}\r\n\r\n".encode())
        part = lines([update(done=1)])
        line.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        api.report(krn, "beside", done=1)
        assert [record["filename"] for record in api.listed(krn)] == ["beside"], "counted before the end was there"
        line.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(part), part))
        assert b'"succeeded":2' in line.recv(65536)
    assert done(api, krn) == 2


def test_half_a_batch_counts_nothing(api, krn):
    with socket.create_connection(("127.0.0.1", api.server.port)) as line:
        part = lines([update(done=1)])
        line.sendall(f"POST {path_of(krn, 'batch')} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(part) + 1}\r\n"
                     f"Content-Type: {ndjson}\r\nAuthorization: Bearer {harness.mint()}\r\n\r\n".encode() + part)
        line.shutdown(socket.SHUT_WR)
        while line.recv(65536):
            pass
    assert api.listed(krn) == []


def test_failures_are_counted_for_each_update(make_server, krn):
    server = make_server(env={"METRICS_PORT": str(port := harness.free_port())}).start()
    api = Api(server)
    statuses(send(api, krn, [update(done=1), {}, {}, update(done=1, isLast=True), update(done=1)]))
    assert_problem(send(api, krn, b"{"), 400, None)
    with httpx.Client(trust_env=False) as client:
        text = client.get(f"http://127.0.0.1:{port}/metrics").text
    (line,) = [line for line in text.splitlines() if krn in line and 'reason="invalid"' in line]
    assert line.endswith(" 4")
    assert ('pebbles_http_request_duration_seconds_count{method="POST",'
            'route="/clients/{clientKrn}/progress/batch",status="2xx"} 1') in text.splitlines()
