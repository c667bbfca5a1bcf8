"""What MongoDB itself gives a quiet client beside a noisy one, without Pebbles: documents like those of the event log,
one at a time at set times beside a flood in batches, as large as a lane's. The reference of noisy.py."""
import multiprocessing
import random
import time

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from support import put_first

FLOODS = 2  # connections, as Pebbles has lanes
BATCH = 23  # what a lane gathers in the same flood
LINE = "x" * 330  # an event of an update without errors


def events(client):
    return client.noisy_peer.get_collection("events", write_concern=WriteConcern("majority", j=True))


def document(client, files):
    return {"_id": {"clientKrn": client, "filename": f"file {random.randrange(files)}", "first": random.getrandbits(48)},
            "clientKrn": client, "at": time.time(), "events": LINE}


def quiet(uri, rate, seconds, out):
    put_first()
    log, took = events(MongoClient(uri)), []
    due = time.time()
    end = due + seconds
    while (due := due + random.expovariate(rate)) < end:
        time.sleep(max(0, due - time.time()))
        log.insert_one(document("krn:quiet", 10))
        took.append((time.time() - due) * 1000)
    took.sort()
    out.put({f"ok_p{share}_ms": took[len(took) * share // 1000] for share in (500, 990)})


def flood(uri, seconds, out):
    log, count = events(MongoClient(uri)), 0
    end = time.time() + seconds
    while time.time() < end:
        log.insert_many([document("krn:noisy", 200) for _ in range(BATCH)], ordered=False)
        count += BATCH
    out.put(count / seconds)


def run(uri, rate, seconds, is_noisy):
    """The quiet client's figures, with the rate of what is beside it."""
    with MongoClient(uri) as client:
        events(client).create_index("at")
        events(client).create_index([("clientKrn", 1), ("at", 1)])
    answers, counts = multiprocessing.Queue(), multiprocessing.Queue()
    floods = [multiprocessing.Process(target=flood, args=(uri, seconds + 1, counts)) for _ in range(FLOODS * is_noisy)]
    for process in floods:
        process.start()
    time.sleep(0.5)
    asker = multiprocessing.Process(target=quiet, args=(uri, rate, seconds, answers))
    asker.start()
    figures = answers.get(timeout=seconds + 30)
    figures["beside"] = sum(counts.get(timeout=30) for _ in floods)
    for process in (asker, *floods):
        process.join()
    return figures
