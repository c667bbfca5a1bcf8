"""The example workers against the real server, on real CSV files. What they should have reported is counted here, with
a CSV reader of our own: nothing of the workers' code is used."""
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import uuid
from collections import Counter

import elasticmq
import harness
import pytest
import sqs
from api_support import Api
from harness import FlakyProxy, root

workers = {"python": [sys.executable, str(root / "examples/python/worker.py")],
           "bash": [str(root / "examples/bash/worker.sh")],
           "batches": [sys.executable, str(root / "examples/python/batch_worker.py"), "--batch", "2"]}
distro_info = pathlib.Path("/usr/share/distro-info")
penguins = pathlib.Path(importlib.util.find_spec("palmerpenguins").origin).parent / "data"
each = pytest.mark.parametrize("worker", workers)


def start_worker(worker, url, krn, file, *options, token=None):
    """`file` is a path, or what the server is to call it and a path."""
    name, path = file if isinstance(file, tuple) else (file.name, file)
    command = [*workers[worker], "--url", url, "--client", krn, "--filename", name, *options, str(path)]
    environment = {**os.environ, "PEBBLES_TOKEN": token or harness.mint(), "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def run_worker(*arguments, **options):
    process = start_worker(*arguments, **options)
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def read_csv(text):
    """(line the row ends on, fields) of every row, read character by character as RFC 4180 says."""
    row, field, line, quoted, position = [], "", 1, False, 0
    text = text.replace("\r\n", "\n")
    while position < len(text):
        character = text[position]
        if quoted:
            if text.startswith('""', position):
                field, position = field + '"', position + 1
            elif character == '"':
                quoted = False
            else:
                field += character
        elif character == '"':
            quoted = True
        elif character == ",":
            row, field = [*row, field], ""
        elif character == "\n":
            if row or field or text[position - 1] == '"':
                yield line, [*row, field]
            row, field = [], ""
        else:
            field += character
        line += character == "\n"
        position += 1
    if row or field:
        yield line, [*row, field]


def expected(path, *, missing_is=None, error_values=()):
    """What the file's record must say in the end."""
    rows = list(read_csv(path.read_text("utf-8-sig")))
    header, counts, errors, warnings = rows[0][1], Counter(done=0, warn=0, failed=0), [], []
    for line, fields in rows[1:]:
        padded = fields + [""] * (len(header) - len(fields))
        wrong = [(line, f"{name}: {value} is not allowed") for name, value in zip(header, padded) if value in error_values]
        absent = [(line, f"{name}: missing") for name, value in zip(header, padded) if value == "" and missing_is]
        errors += wrong + (absent if missing_is == "error" else [])
        warnings += absent if missing_is == "warn" else []
        bad = wrong or (absent and missing_is == "error")
        counts["failed" if bad else "warn" if absent and missing_is == "warn" else "done"] += 1
    return {"counts": dict(counts), "total": len(rows) - 1, "isCompleted": True, "errorCount": len(errors),
            "warningCount": len(warnings), "errors": errors[:100], "warnings": warnings[:100]}


def stored(client, krn, filename):
    record = client.get(f"/clients/{krn}/progress", params={"filename": filename}).raise_for_status().json()
    state = {name: record[name] for name in ("counts", "total", "isCompleted", "errorCount", "warningCount")}
    lists = {name: [(item["line"], item["message"]) for item in record[name]] for name in ("errors", "warnings")}
    return state | lists


def test_the_csv_reader_of_this_test_reads_what_rfc_4180_says():
    text = 'a,"b ""c"", d",\r\n\n1,"two\nlines",""\n"",x'
    assert list(read_csv(text)) == [(1, ["a", 'b "c", d', ""]), (4, ["1", "two\nlines", ""]), (5, ["", "x"])]


@each
@pytest.mark.parametrize("name", ["debian.csv", "ubuntu.csv"])
def test_missing_fields_of_distro_info_are_warnings(server, client, krn, worker, name):
    file = distro_info / name
    status, out, err = run_worker(worker, server.url, krn, file, "--missing", "warn", "--every", "7")
    assert (status, err) == (0, ""), out
    wanted = expected(file, missing_is="warn")
    assert wanted["counts"]["warn"] > 0 and wanted["counts"]["done"] > 0
    assert stored(client, krn, name) == wanted


@each
@pytest.mark.parametrize("name", ["penguins.csv", "penguins-raw.csv"])
def test_values_that_are_not_there_fail_the_rows_of_penguins(server, client, krn, worker, name):
    file = penguins / name
    options = ["--missing", "error", "--error-value", "NA", "--every", "50"]
    status, out, err = run_worker(worker, server.url, krn, file, *options)
    assert (status, err) == (0, ""), out
    wanted = expected(file, missing_is="error", error_values=["NA"])
    assert wanted["counts"]["failed"] > 0 and wanted["counts"]["done"] > 0
    assert stored(client, krn, name) == wanted


@each
def test_a_hard_file_is_counted_row_by_row(server, client, krn, worker, tmp_path):
    text = ('\ufeffid,"na""me, fü\\ll",,note\r\n'
            '1,"a, b",x,\r\n'
            "\r\n"
            '2,"two\r\nlines, ""q""",y,z\r\n'
            "3,NA,,ok,extra\r\n"
            '"",NA,NA,q\r\n'
            '5,a,b,"NA"')
    file = tmp_path / "Ünïcode, and a space.csv"
    file.write_bytes(text.encode())
    options = ["--missing", "warn", "--error-value", "NA", "--error-value", "n/a", "--every", "1"]
    status, out, err = run_worker(worker, server.url, krn, file, *options)
    assert (status, err) == (0, ""), out
    assert stored(client, krn, file.name) == {
        "counts": {"done": 1, "warn": 1, "failed": 3}, "total": 5, "isCompleted": True,
        "errorCount": 5, "warningCount": 3,
        "errors": [(6, "5 fields, the header has 4"), (6, 'na"me, fü\\ll: NA is not allowed'),
                   (7, 'na"me, fü\\ll: NA is not allowed'), (7, "column 3: NA is not allowed"),
                   (8, "note: NA is not allowed")],
        "warnings": [(2, "note: missing"), (6, "column 3: missing"), (7, "id: missing")]}


@each
def test_a_file_without_rows_is_completed(server, client, krn, worker, tmp_path):
    for name, text in [("empty.csv", ""), ("header.csv", "a,b\n")]:
        file = tmp_path / name
        file.write_text(text)
        status, out, err = run_worker(worker, server.url, krn, file)
        assert (status, err) == (0, ""), out
        state = stored(client, krn, name)
        assert (state["counts"], state["total"]) == ({"done": 0, "warn": 0, "failed": 0}, None)
        assert state["isCompleted"]


seeds = [("python", seed) for seed in range(40 if harness.long_rounds else 4)]
seeds += [("bash", seed) for seed in range(8 if harness.long_rounds else 1)]
seeds += [("batches", seed) for seed in range(20 if harness.long_rounds else 2)]


@pytest.mark.parametrize("worker, seed", seeds)
def test_totals_are_exact_behind_a_network_that_loses_requests_and_answers(server, client, krn, worker, seed):
    file, every = penguins / "penguins.csv", {"python": "10", "bash": "50", "batches": "5"}[worker]
    fate = FlakyProxy.seeded(seed, lose_answer=0.25, lose_request=0.1, half_answer=0.1)
    with FlakyProxy(server.port, lambda number: "lose_answer" if number == 2 else fate(number)) as proxy:
        options = ["--missing", "error", "--error-value", "NA", "--every", every]
        status, out, err = run_worker(worker, proxy.url, krn, file, *options)
        assert (status, err) == (0, ""), out
        assert proxy.fates["lose_answer"] > 0
        reports = 344 // int(every) + 1
        assert len(proxy.requests) > ((reports + 1) // 2 if worker == "batches" else reports)
    assert stored(client, krn, file.name) == expected(file, missing_is="error", error_values=["NA"])


@each
def test_a_busy_service_is_given_the_time_it_asks_for(server, client, krn, worker):
    file = distro_info / "debian.csv"
    with FlakyProxy(server.port, lambda number: "busy" if number == 2 else "pass", retry_after=2) as proxy:
        status, out, err = run_worker(worker, proxy.url, krn, file, "--missing", "warn", "--every", "10")
        assert (status, err) == (0, ""), out
        assert proxy.arrivals[2] - proxy.arrivals[1] >= 1.9
        assert proxy.requests[2] == proxy.requests[1], "the same report, with the same key"
    assert stored(client, krn, file.name) == expected(file, missing_is="warn")


@each
def test_a_worker_that_died_is_run_again_and_nothing_counts_twice(server, client, krn, worker):
    file = penguins / "penguins.csv"
    options = ["--missing", "error", "--error-value", "NA", "--every", "20"]
    with FlakyProxy(server.port, lambda number: time.sleep(0.05) or "pass") as proxy:
        process = start_worker(worker, proxy.url, krn, file, *options)
        harness.wait_until(lambda: len(proxy.requests) >= 5, what="five reports")
        process.kill()
        process.communicate()
    harness.wait_until(lambda: sum(stored(client, krn, file.name)["counts"].values()) >= 80)
    assert not stored(client, krn, file.name)["isCompleted"]
    status, out, err = run_worker(worker, server.url, krn, file, *options)
    assert (status, err) == (0, ""), out
    wanted = expected(file, missing_is="error", error_values=["NA"])
    assert stored(client, krn, file.name) == wanted
    assert run_worker(worker, server.url, krn, file, *options)[0] == 0, "a third run only repeats"
    assert stored(client, krn, file.name) == wanted


@each
def test_a_server_that_is_killed_and_comes_back_loses_and_doubles_nothing(server, client, krn, worker):
    file = penguins / "penguins.csv"
    options = ["--missing", "error", "--error-value", "NA", "--every", "20"]
    with FlakyProxy(server.port, lambda number: time.sleep(0.05) or "pass") as proxy:
        process = start_worker(worker, proxy.url, krn, file, *options)
        harness.wait_until(lambda: len(proxy.requests) >= 5, what="five reports")
        server.restart(kill=True)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), out
    assert stored(client, krn, file.name) == expected(file, missing_is="error", error_values=["NA"])


@each
def test_a_refusal_is_told_and_ends_the_worker(server, client, krn, worker, tmp_path):
    file = distro_info / "debian.csv"
    assert run_worker(worker, server.url, krn, file)[0] == 0
    before = stored(client, krn, file.name)
    changed = tmp_path / "debian.csv"
    changed.write_text(file.read_text() + "99,Nobody,nobody\n")
    for options, text in [({"token": harness.mint("someone@else.com")}, "Only the original creator can update"),
                          ({}, "This file processing has already been completed"),
                          ({"token": "no.token.atall"}, "Invalid or expired token")]:
        status, _, err = run_worker(worker, server.url, krn, changed, **options)
        assert status == 1 and text in err
    assert stored(client, krn, file.name) == before


@each
def test_a_service_that_stays_away_is_given_up_on(krn, worker):
    url = f"http://127.0.0.1:{harness.free_port()}"
    status, _, err = run_worker(worker, url, krn, distro_info / "debian.csv", "--retry-seconds", "2")
    assert status == 3 and "gave up after 2 s" in err


@each
@pytest.mark.parametrize("options", [["--every", "0"], ["--missing", "maybe"], ["--no-such"]])
def test_wrong_usage_is_told(krn, worker, options):
    status, _, err = run_worker(worker, "http://127.0.0.1:1", krn, distro_info / "debian.csv", *options)
    assert status == 2 and "usage" in err


def test_a_token_is_not_shown_to_other_users_of_the_machine(server, krn):
    """Every user can read the command lines of all processes: curl must get the token another way."""
    # Tests beside this one show theirs, minted in the same second: this one is like no other.
    token, seen = harness.mint(jti=str(uuid.uuid4())), []
    with FlakyProxy(server.port, lambda number: seen.extend(command_lines()) or "pass") as proxy:
        assert run_worker("bash", proxy.url, krn, distro_info / "debian.csv", token=token)[0] == 0
    assert any("curl" in line for line in seen)
    assert not any(token in line for line in seen)


def command_lines():
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def run_sqs_worker(queue, krn, file, *options):
    command = [sys.executable, str(root / "examples/python/sqs_worker.py"), "--queue-url", queue.url, "--client", krn,
               "--email", harness.owner, *options, str(file)]
    environment = {**os.environ, **queue.client.producer_env(), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=90)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def fifo_queue(shared_sqs):
    return shared_sqs.create(FifoQueue="true", VisibilityTimeout=30)


@pytest.mark.parametrize("name", ["penguins.csv", "Ünïcode, and a space.csv"])
def test_reports_through_a_fifo_queue_are_counted_in_order_and_once(make_server, shared_sqs, fifo_queue, krn, tmp_path,
                                                                    name):
    file = tmp_path / name
    file.write_bytes((penguins / "penguins.csv").read_bytes())
    server = make_server(env=shared_sqs.env(fifo_queue)).start()
    options = ["--missing", "error", "--error-value", "NA", "--every", "5"]
    wanted = expected(file, missing_is="error", error_values=["NA"])
    status, out, err = run_sqs_worker(fifo_queue, krn, file, *options)
    assert (status, err) == (0, ""), out
    fifo_queue.wait_empty()
    with server.client() as client:
        assert stored(client, krn, name) == wanted
        # Another queue does not know what the first has seen: the service does.
        other_queue = shared_sqs.create(FifoQueue="true", VisibilityTimeout=30)
        server.stop()
        server.start(env=shared_sqs.env(other_queue))
        assert run_sqs_worker(other_queue, krn, file, *options)[0] == 0
        other_queue.wait_empty()
        assert stored(client, krn, name) == wanted


def test_the_message_of_the_docs_is_counted(make_server, shared_sqs, fifo_queue):
    server = make_server(env=shared_sqs.env(fifo_queue)).start()
    (code,) = re.findall("```python\n(.*?)```", (root / "docs/sqs.md").read_text(), re.DOTALL)
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/progress.fifo"
    assert url in code
    environment = {**os.environ, **shared_sqs.producer_env(), "NO_PROXY": "127.0.0.1"}
    subprocess.run([sys.executable, "-c", code.replace(url, fifo_queue.url)], env=environment, check=True, timeout=60)
    fifo_queue.wait_empty()
    with server.client() as client:
        assert stored(client, "krn:acme:client:123", "sales.csv") == {
            "counts": {"done": 500, "warn": 2, "failed": 1}, "total": 10000, "isCompleted": False, "errorCount": 0,
            "warningCount": 0, "errors": [], "warnings": []}


def test_a_queue_that_refuses_or_stays_away_is_told(shared_sqs, fifo_queue, krn):
    file = distro_info / "debian.csv"
    fifo_queue.url += "-is-missing"
    status, _, err = run_sqs_worker(fifo_queue, krn, file)
    assert status == 1 and "QueueDoesNotExist" in err
    fifo_queue.client = sqs.Client(elasticmq.ElasticMq("nowhere"))
    status, _, err = run_sqs_worker(fifo_queue, krn, file, "--retry-seconds", "1")
    assert status == 3 and "gave up after 1 s" in err


def follow(server, krn, place, *options):
    command = [sys.executable, str(root / "examples/python/follow.py"), "--url", server.url, "--client", krn,
               "--place", str(place), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, env={**os.environ, "NO_PROXY": "127.0.0.1"})
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_the_follower_tells_each_event_once_and_goes_on_where_it_was(server, client, krn, tmp_path):
    api, place = Api(server), tmp_path / "place"
    assert follow(server, krn, place, "--once") == (0, [], "")
    told = []
    for number in range(3):
        for _ in range(700):
            api.report(krn, f"{number}.csv", done=1)
        told.append([(event["filename"], event["version"]) for event in follow(server, krn, place, "--once")[1]])
    assert told == [[(f"{number}.csv", version) for version in range(1, 701)] for number in range(3)]
    server.stop()
    status, _, said = follow(server, krn, place, "--once", "--retry-seconds", "1")
    assert (status, said) == (3, "follow: the service stays away\n")


def test_a_follower_that_keeps_a_wrong_place_is_told(server, krn, tmp_path):
    place = tmp_path / "place"
    place.write_text("nonsense")
    status, events, said = follow(server, krn, place, "--once")
    assert status == 1 and not events and "after is not a cursor of this feed" in said
