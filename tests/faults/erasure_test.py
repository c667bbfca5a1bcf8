"""What was deleted, or taken by retention, is in no byte of the embedded store's files, nor of a backup made afterwards."""
import collections
import contextlib
import re
import secrets
import time

import harness
import pytest
from api_support import Api, pebbles
from load import data_of, verify_clean
from retention_test import ApiOfADay, Days, library, long

krn = "krn:erasure"
texts_of = ("message", "value", "field", "code")


class Canary:
    """The contents of one file: words that stand nowhere else."""

    def __init__(self, filename):
        self.filename, self.mark = filename, secrets.token_hex(8)
        self.email = f"{self.word('email')}@example.com"
        self.token = harness.mint(self.email, ttl=400 * 86_400)

    def word(self, of):
        return f"{of}{self.mark}"

    def words(self, *of):
        return [self.word(one).encode() for one in of or (*texts_of, "email")]

    def item(self, line, times=1):
        return {"line": line, **{of: (self.word(of) + " ") * (times if of == "message" else 1) for of in texts_of}}

    def update(self, number, items=1, times=1, **rest):
        errors = [self.item(1000 * number + line + 1, times) for line in range(items)]
        return harness.update(self.filename, failed=items, errors=errors, eventId=f"{self.mark}-{number}", **rest)

    def report(self, api, *updates):
        answer = api.http.post(f"/clients/{krn}/progress/batch", json=list(updates), headers=harness.bearer(self.token))
        assert answer.status_code == 200 and {one["status"] for one in answer.json()["results"]} == {200}, answer.text

    def delete(self, api):
        file_id = api.record(krn, self.filename)["id"]
        answer = api.http.delete(f"/clients/{krn}/progress/{file_id}", headers=harness.bearer(self.token))
        assert answer.status_code == 204, answer.text
        return file_id


def bytes_of(folder):
    """Of all files; one that is removed meanwhile has none."""
    out = []
    for file in sorted(folder.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            out.append(file.read_bytes())
    return out


def found(folder, words):
    """How often each of these is there, of those that are."""
    words = set(words)
    everything = (word for content in bytes_of(folder) for word in re.findall(rb"(?:message|value|field|code|email)[0-9a-f]{16}", content))
    return collections.Counter(word for word in everything if word in words)


def wait_gone(folder, words, timeout=20):
    harness.wait_until(lambda: not found(folder, words), timeout, f"{words[:5]} to be gone")


def pruned_now(server, **env):
    return pebbles("prune", "--now", *server.store_arguments, env={**server.store_env, **env})


def backed_up(server, tmp_path):
    folder = tmp_path / f"backup-{secrets.token_hex(4)}"
    folder.mkdir()
    done = pebbles("backup", *server.store_arguments, folder / "copy.db")
    assert done.returncode == 0, done.stderr
    return folder


def fill(api, *canaries):
    """Several updates of each, of all sizes, in turns: the contents of one row and of many pages."""
    for number, times in enumerate((1, 40, 1, 2000, 3)):
        for canary in canaries:
            canary.report(api, canary.update(number, items=3, times=times))


def test_prune_now_erases_what_was_deleted(make_server, tmp_path):
    server = make_server().start()
    api = Api(server)
    gone, stays = Canary("gone.csv"), Canary("stays.csv")
    fill(api, gone, stays)
    before = api.record(krn, stays.filename)
    gone.delete(api)
    folder = data_of(server)
    server.stop()
    assert found(folder, gone.words()).keys() == set(gone.words()), "nothing to erase: this proves nothing"
    done = pruned_now(server)
    assert done.returncode == 0 and "5 events" not in done.stderr, done.stderr
    assert not found(folder, gone.words())
    assert found(folder, stays.words()).keys() == set(stays.words())
    assert not found(backed_up(server, tmp_path), gone.words())
    verify_clean(server)
    api = Api(server.start())
    assert api.record(krn, stays.filename) == before
    assert api.get(krn, filename=gone.filename).status_code == 404
    # An update that comes once more is known.
    late = api.post(krn, gone.update(3, items=3, times=2000), token=gone.token)
    assert late.status_code == 404, late.text
    assert not found(folder, gone.words())


def feed(api, **parameters):
    answer = api.http.get(f"/clients/{krn}/events", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer


def test_the_feed_tells_of_a_deletion_whose_contents_were_erased(make_server):
    server = make_server().start()
    api = Api(server)
    gone, again, stays = Canary("gone.csv"), Canary("again.csv"), Canary("stays.csv")
    fill(api, gone, again, stays)
    ids = {gone.filename: gone.delete(api), again.filename: again.delete(api)}
    api.report(krn, again.filename, done=7)
    server.stop()
    for _ in range(2):
        assert pruned_now(server).returncode == 0
    api = Api(server.start())
    told = [event for event in feed(api).json()["events"] if event["kind"] == "deleted"]
    assert {event["filename"]: event["id"] for event in told} == ids
    assert {event["email"] for event in told} <= {"", None}
    assert api.record(krn, again.filename)["counts"]["done"] == 7
    server.stop()
    verify_clean(server)


@pytest.fixture
def clock(tmp_path):
    """What a server's clock shows, while it runs too."""
    if library is None:
        pytest.skip("libfaketime is not installed")
    return Clock(tmp_path / "clock")


class Clock:
    def __init__(self, file):
        self.file = file
        self.set("-1d")

    def set(self, offset):
        self.file.write_text(offset)

    @property
    def env(self):
        return {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "PRUNE_INTERVAL_S": "1"}


@pytest.mark.parametrize("moment", ["running", "killed"])
def test_an_hour_later_a_server_has_erased_what_was_deleted(make_server, clock, tmp_path, moment):
    server = make_server()
    api = ApiOfADay(server.start(env=clock.env))
    canaries = [Canary(f"{number}.csv") for number in range(3)]
    stays = canaries[-1]
    words = [word for canary in canaries[:-1] for word in canary.words()]
    fill(api, *canaries)
    for canary in canaries[:-1]:
        canary.delete(api)
    folder = data_of(server)
    assert found(folder, words).keys() == set(words)
    time.sleep(1.5)  # a run of retention or two, which have nothing to do yet
    assert found(folder, words).keys() == set(words)
    clock.set("-19h")
    if moment == "killed":
        harness.wait_until(lambda: "pruned" in server.log_text(), 20, "a word about it")
        server.kill()
        server.start(env=clock.env)
    wait_gone(folder, words)
    api = ApiOfADay(server)
    api.report(krn, stays.filename, done=1, token=stays.token)
    assert not found(backed_up(server, tmp_path), words)
    server.stop()
    assert not found(folder, words)
    assert found(folder, stays.words()).keys() == set(stays.words())
    verify_clean(server)


def test_rows_that_moved_between_pages_leave_no_copies(make_server, clock, tmp_path):
    """Trees are balanced many times here, which leaves copies of rows in the unused space of pages."""
    server = make_server()
    api = ApiOfADay(server.start(env=clock.env))
    canaries = [Canary(f"{number}.csv") for number in range(300 if harness.long_rounds else 60)]
    sizes = (1, 30, 2, 9, 4)
    for number, times in enumerate(sizes):
        for place, canary in enumerate(canaries):
            canary.report(api, canary.update(number, times=1 + times * (1 + place * 7 % 5)))
    words = [word for canary in canaries[::2] for word in canary.words("message", "email")]
    for canary in canaries[::2]:
        canary.delete(api)
    folder = data_of(server)
    clock.set("-19h")
    wait_gone(folder, words)
    assert not found(backed_up(server, tmp_path), words)
    server.stop()
    assert not found(folder, words)
    verify_clean(server)


def test_old_events_are_erased(make_server, tmp_path):
    days = Days(make_server())
    api = days.at(-40)
    canary = Canary("a.csv")
    canary.report(api, canary.update(0, items=100))
    late = Canary("a.csv")
    late.email, late.token = canary.email, canary.token
    late.report(api, *(late.update(number, items=10, times=50) for number in range(1, 11)))
    folder = data_of(days.server)
    words = late.words(*texts_of)
    days.go_to(-40)
    assert found(folder, words).keys() == set(words)
    api = days.at(0, EVENTS_RETENTION_DAYS="30", PRUNE_INTERVAL_S="1")
    wait_gone(folder, words)
    # The first hundred errors are the record's: they stay as long as it does.
    assert api.record(krn, "a.csv")["errors"][0]["value"].strip() == canary.word("value")
    assert not found(backed_up(days.server, tmp_path), words)
    days.go_to(0)
    assert not found(folder, words)
    days.verify_clean()


def test_old_files_are_erased(make_server, clock, tmp_path):
    server = make_server()
    clock.set("-40d")
    env = {**clock.env, "RETENTION_DAYS": "30"}
    api = ApiOfADay(server.start(env=env))
    gone, stays = Canary("gone.csv"), Canary("stays.csv")
    fill(api, gone, stays)
    gone.report(api, gone.update(9, isLast=True))
    folder = data_of(server)
    assert found(folder, gone.words()).keys() == set(gone.words())
    clock.set("-1d")
    harness.wait_until(lambda: api.get(krn, filename=gone.filename).status_code == 404, 20, "the deletion")
    clock.set("-19h")
    wait_gone(folder, gone.words())
    assert not found(backed_up(server, tmp_path), gone.words())
    server.stop()
    assert not found(folder, gone.words())
    assert found(folder, stays.words()).keys() == set(stays.words())


@pytest.mark.parametrize("point", ["before-store-commit", "before-checkpoint", "after-checkpoint"])
def test_a_prune_that_was_killed_is_done_by_the_next(make_server, point):
    server = make_server().start()
    api = Api(server)
    gone, stays = Canary("gone.csv"), Canary("stays.csv")
    fill(api, gone, stays)
    gone.delete(api)
    server.stop()
    for times in (1, 2, 3):
        pruned_now(server, PEBBLES_CRASH_AT=f"{point}:{times}")
    done = pruned_now(server)
    assert done.returncode == 0, done.stderr
    assert not found(data_of(server), gone.words())
    assert found(data_of(server), stays.words()).keys() == set(stays.words())
    verify_clean(server)


def test_a_reader_from_outside_delays_it_only(make_server, clock, tmp_path):
    """A backup or a verification reads as of its beginning, and so needs what has been erased since."""
    import sqlite3
    server = make_server()
    api = ApiOfADay(server.start(env=clock.env))
    gone = Canary("gone.csv")
    fill(api, gone)
    gone.delete(api)
    folder = data_of(server)
    with contextlib.closing(sqlite3.connect(f"file:{folder}/pebbles.db?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM progress_events").fetchone()
        clock.set("-19h")
        harness.wait_until(lambda: "pruned" in server.log_text(), 20, "a word about it")
        began = time.monotonic()
        api.report(krn, "other.csv", done=1)
        assert time.monotonic() - began < 2, "an update waits for it"
        reader.execute("COMMIT")
    wait_gone(folder, gone.words())


def test_now_and_dry_run_exclude_each_other(server):
    refused = pebbles("prune", "--now", "--dry-run", *server.store_arguments)
    assert refused.returncode not in (0, 2) and "--dry-run" in refused.stderr + refused.stdout
