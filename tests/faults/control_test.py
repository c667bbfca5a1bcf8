"""The fault tests' own controls: where the guard is missing, the same check on the same server must turn red."""
import shutil
import signal

import harness
import pytest
from api_support import Connection
from history import check
from load import Load, data_of
from sqs_load import count_repeated, keyed, plain
from tally import File, faults_of


@pytest.mark.parametrize("with_key", [False, True])
def test_a_retry_without_a_key_is_counted_twice(make_server, seed, with_key):
    """Killed between commit and answer: the caller can't know, and only the key makes its retry harmless."""
    server = make_server()
    load = Load(server, seed, keyed=1.0 if with_key else 0.0)
    server.start(env={"PEBBLES_CRASH_AT": "after-store-commit:5"})
    connection = Connection(server.port)
    while load.send(connection, load.history.update("a", with_key=with_key)):
        pass
    assert server.wait_dead() == -signal.SIGKILL
    server.start()
    last = load.history.updates[-1]
    assert load.send(connection, last)
    faults = check(load.history, load.totals())
    assert faults == ([] if with_key else [f"doubled: {last}"])


def test_a_store_that_forgets_what_it_acknowledged(make_server, tmp_path, seed):
    """As one that did not sync would after a power cut: the folder goes back to an earlier moment."""
    server = make_server().start()
    load = Load(server, seed, threads=1)
    with load:
        load.wait_acknowledged(30)
    server.kill()
    shutil.copytree(data_of(server), tmp_path / "earlier")
    server.start()
    lost = load.history.update("file 0.csv", with_key=True)
    assert load.send(Connection(server.port), lost)
    server.kill()
    shutil.rmtree(data_of(server))
    shutil.copytree(tmp_path / "earlier", data_of(server))
    server.start()
    assert check(load.history, load.totals()) == [f"lost: {lost}"]


def test_only_what_was_sent_again_without_a_key_may_be_counted_twice():
    def update(done):
        return {"clientKrn": "krn:a", "email": harness.owner, **harness.update("a.csv", done=done, warn=1)}

    repeated = [plain(update(5), "m-1"), plain(update(7), "m-2"), keyed(update(9), "m-3")]
    for total, is_right in [((100, 3), True), ((105, 4), True), ((112, 5), True),
                            ((109, 4), False), ((105, 5), False), ((95, 2), False)]:
        file = File(krn="krn:a", name="a.csv", done=100, updates=3)
        count_repeated([file], {file.key: total}, repeated)
        assert (not faults_of([file], {file.key: total})) == is_right, total
