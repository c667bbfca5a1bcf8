"""Many workers at once: every update counts exactly once, and twins of one key count once."""
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import harness
import pytest
from api_support import Api, Connection
from harness import update, wait_until

workers = 16


@pytest.fixture
def server(any_server):
    return any_server


def on_all_workers(work):
    """Runs work(number) on every worker at the same moment."""
    gate = threading.Barrier(workers)

    def run(number):
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def test_sixteen_workers_on_one_file(server, krn):
    updates = 500

    def report(number):
        connection = Connection(server.port)
        answers = [connection.post(krn, update(done=1, warn=number, failed=index % 3)) for index in range(updates)]
        connection.close()
        assert {status for status, _, _ in answers} == {200}
        return [(body["result"], body["counts"]["done"]) for _, _, body in answers]

    answers = [answer for part in on_all_workers(report) for answer in part]
    record = Api(server).record(krn, "sales.csv")
    assert record["counts"] == {"done": workers * updates, "warn": updates * sum(range(workers)),
                                "failed": workers * sum(index % 3 for index in range(updates))}
    assert record["version"] == workers * updates
    assert Counter(result for result, _ in answers) == {"created": 1, "updated": workers * updates - 1}
    # Each answer is the state right after its own update, so no two are alike.
    assert sorted(done for _, done in answers) == list(range(1, workers * updates + 1))


def test_sixteen_workers_on_many_files_of_many_clients(server, krn):
    def report(number):
        connection = Connection(server.port)
        for index in range(120):
            status, _, _ = connection.post(f"{krn}:{index % 3}", update(f"file-{index % 10}", done=1 + number))
            assert status == 200
        connection.close()

    on_all_workers(report)
    api = Api(server)

    def sums_of(client):
        sums = Counter()
        for record in api.listed(f"{krn}:{client}"):
            sums[record["filename"]] += record["counts"]["done"]
        return sums

    for client in range(3):
        expected = Counter()
        for index in range(client, 120, 3):
            expected[f"file-{index % 10}"] += sum(range(1, workers + 1))
        # Lists of a busy server may follow a little later.
        wait_until(lambda: sums_of(client) == expected, 5, f"{expected}")  # noqa: B023 (called here and now)


def test_of_concurrent_twins_one_counts(server, krn):
    rounds = 25

    def report(number):
        connection = Connection(server.port)
        answers = [connection.post(krn, update(f"file-{index % 5}", done=1), key=f"key-{index}")
                   for index in range(rounds)]
        connection.close()
        return [(status, headers.get("Idempotent-Replayed"), body["result"]) for status, headers, body in answers]

    parts = on_all_workers(report)
    for index in range(rounds):
        answers = Counter(part[index][:2] for part in parts)
        assert answers == {(200, None): 1, (200, "true"): workers - 1}, index
    assert {record["counts"]["done"] for record in Api(server).listed(krn)} == {rounds // 5}


def test_of_concurrent_twins_that_differ_one_update_wins(server, krn):
    def report(number):
        connection = Connection(server.port)
        answers = [connection.post(krn, update(f"file-{index}", done=1 + number % 2), key="k") for index in range(20)]
        connection.close()
        return [(status, headers.get("Idempotent-Replayed")) for status, headers, _ in answers]

    parts = on_all_workers(report)
    for index in range(20):
        answers = Counter(part[index] for part in parts)
        assert answers == {(200, None): 1, (200, "true"): workers // 2 - 1, (422, None): workers // 2}
        assert Api(server).record(krn, f"file-{index}")["version"] == 1


def test_of_concurrent_creators_one_owns(server, krn):
    def report(number):
        connection = Connection(server.port, token=harness.mint(f"worker-{number}@example.com"))
        statuses = [connection.post(krn, update(f"file-{index}", done=1))[0] for index in range(20)]
        connection.close()
        return statuses

    parts = on_all_workers(report)
    for index in range(20):
        statuses = Counter(part[index] for part in parts)
        assert statuses == {200: 1, 403: workers - 1}
        record = Api(server).record(krn, f"file-{index}")
        owner = next(number for number, part in enumerate(parts) if part[index] == 200)
        assert (record["email"], record["counts"]["done"]) == (f"worker-{owner}@example.com", 1)


def test_of_concurrent_completions_one_is_the_last(server, krn):
    def report(number):
        connection = Connection(server.port)
        answers = [connection.post(krn, update(f"file-{index}", done=1, isLast=True)) for index in range(20)]
        connection.close()
        return [status for status, _, _ in answers]

    parts = on_all_workers(report)
    for index in range(20):
        assert Counter(part[index] for part in parts) == {200: 1, 400: workers - 1}
        assert Api(server).record(krn, f"file-{index}")["counts"]["done"] == 1
