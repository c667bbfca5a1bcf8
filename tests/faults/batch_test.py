"""kill -9 amid batches: sent again with the same key until they are answered, every update of them counts once."""
import random
import threading
import time

import harness
import httpx
import mongo
import pytest
from api_support import Api, path_of
from harness import update
from load import verify_clean

files, updates = 50, 5_000
rounds = 13 if harness.long_rounds else 6  # the first without a kill
batch = [update(f"f{i % files}", done=i) for i in range(updates)]


def send(api, krn, key):
    headers = {**harness.bearer(), "Idempotency-Key": key, "Prefer": "return=minimal"}
    return api.http.post(path_of(krn, "batch"), json=batch, headers=headers, timeout=60)


def send_until_counted(api, krn, key):
    """The results, once none of them says to try again."""
    def counted():
        answer = send(api, krn, key)
        results = answer.json().get("results", [])
        return answer.status_code == 200 and all(result["status"] != 503 for result in results) and results
    return harness.wait_until(counted, timeout=30, what=f"batch {key}")


@pytest.mark.parametrize("store", ["sqlite", "mongodb"])
def test_a_batch_through_kills(make_server, krn, store, request, seed):
    options = {} if store == "sqlite" else {"uri": request.getfixturevalue("one_node").uri(mongo.new_database())}
    server = make_server(**options).start()
    api, dice = Api(server), random.Random(str(seed))
    keys, cut_off = ["round-0"], 0
    began = time.monotonic()
    send(api, krn, keys[0])
    took = time.monotonic() - began  # how long one takes here, nobody knows beforehand
    server.kill()
    while len(keys) < rounds or (cut_off == 0 and len(keys) < 4 * rounds):
        keys.append(f"round-{len(keys)}")
        server.start()
        api = Api(server)
        killer = threading.Timer(dice.uniform(0.05, 1) * took, server.process.kill)
        killer.start()
        try:
            send(api, krn, keys[-1])
        except httpx.HTTPError:
            cut_off += 1
        killer.join()
        server.kill()
    server.start()
    api = Api(server)
    for key in keys:
        assert all(result["status"] == 200 for result in send_until_counted(api, krn, key))
    for key in keys:
        assert all(result["replayed"] for result in send_until_counted(api, krn, key))
    for name in range(files):
        record = api.record(krn, f"f{name}")
        assert record["counts"]["done"] == len(keys) * sum(range(name, updates, files))
        assert record["version"] == len(keys) * updates // files
    assert cut_off > 0, f"no kill came in time (seed {seed})"
    server.stop()
    verify_clean(server)
