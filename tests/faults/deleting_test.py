"""Two instances delete and update the same files at once, old updates are delivered again, and one of them dies on the
way. The log in the database tells what was counted: each update carries a mark of its own as its `done`."""
import json
import random
import threading
import time
from collections import Counter

import harness
import httpx
import pytest
from api_support import Api, Connection, path_of
from harness import update, wait_until
from history import History
from load import verify_clean

krn = "krn:deleting"
filenames = [f"file {number}.csv" for number in range(3)]
kills = 6 if harness.long_rounds else 2


class DeletingLoad:
    """Threads that report, deliver again what was reported, and delete, each to an instance that is drawn anew. Use it
    as a context. `deleted` has the id of each life whose deletion was answered 204, `maybe_deleted` those without an
    answer."""

    reporters, redeliverers, deleters = 4, 2, 2

    def __init__(self, servers, seed):
        self.servers, self.seed = servers, seed
        self.dice = random.Random(str(seed))
        self.history = History(random.Random(self.dice.random()))
        self.deleted, self.maybe_deleted = set(), set()
        self.faults = []
        self.ending = threading.Event()

    def __enter__(self):
        self.ending.clear()
        work = [self.report] * self.reporters + [self.redeliver] * self.redeliverers + [self.delete] * self.deleters
        self.threads = [threading.Thread(target=self.run, args=(one, self.dice.random()), daemon=True) for one in work]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.ending.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a request hangs"

    def run(self, work, seed):
        dice = random.Random(seed)
        connections = [Connection(server.port) for server in self.servers]
        clients = [httpx.Client(base_url=server.url, trust_env=False, timeout=15) for server in self.servers]
        while not self.ending.is_set():
            if not work(dice, connections, clients):
                time.sleep(0.01)
        for one in (*connections, *clients):
            one.close()

    def report(self, dice, connections, _):
        return self.send(dice.choice(connections), self.history.update(dice.choice(filenames), with_key=dice.random() < 0.8))

    def redeliver(self, dice, connections, _):
        with self.history.lock:
            known = [one for one in self.history.updates if one.key]
        return known and self.send(dice.choice(connections), dice.choice(known))

    def send(self, connection, one):
        """One attempt; true if it was counted, now or before."""
        before = one.acknowledged
        body = update(one.filename, done=one.mark, warn=one.warn)
        try:
            status, headers, answer = connection.post(krn, body, one.key)
        except Connection.failures:
            one.answered(None)
            return False
        # Of a file that is deleted: counted while it was there.
        counted_before = one.key and status == 404
        one.answered(200 if counted_before else status, answer.get("error", ""))
        if not counted_before and status not in (200, 503):
            self.faults.append(f"{one}: answered {status} {answer}")
        if before and status == 200 and headers.get("Idempotent-Replayed") != "true":
            self.faults.append(f"{one}: counted again: {answer}")
        return one.acknowledged

    def delete(self, dice, _, clients):
        time.sleep(dice.uniform(0, 0.1))
        client, other = dice.sample(clients, 2)
        try:
            found = client.get(path_of(krn), params={"filename": dice.choice(filenames)})
            if found.status_code != 200:
                return False
            life = found.json()["id"]
            self.maybe_deleted.add(life)
            status = client.delete(path_of(krn, life), headers=harness.bearer()).status_code
            if status == 204:
                self.deleted.add(life)
            elif status not in (404, 503):
                self.faults.append(f"deletion of {life}: answered {status}")
            # Whoever was told that it is gone finds it nowhere.
            if status == 204 and other.get(path_of(krn, life)).status_code == 200:
                self.faults.append(f"{life}: was deleted, and is shown by another instance")
        except httpx.TransportError:
            return False
        return status == 204

    @property
    def acknowledged(self):
        return sum(one.acknowledged for one in self.history.updates)

    def wait_more(self, updates, deletions, timeout=30):
        """Until so much more was answered."""
        wanted = self.acknowledged + updates, len(self.deleted) + deletions
        wait_until(lambda: self.acknowledged >= wanted[0] and len(self.deleted) >= wanted[1], timeout,
                   f"PEBBLES_SEED={self.seed[0]}: {updates} more updates and {deletions} more deletions")

    def deliver_all_again(self, server):
        """Each update with a key; one without an answer may be counted only now."""
        connection = Connection(server.port)
        for one in self.history.updates:
            if one.key:
                wait_until(lambda: self.send(connection, one), 20, f"PEBBLES_SEED={self.seed[0]}: {one}")
        connection.close()


def events_of(database, filename):
    chunks = database.progress_events.find({"clientKrn": krn, "filename": filename}).sort("_id.first")
    return [json.loads(line) for chunk in chunks for line in chunk["events"].splitlines()]


def check(load, database, api):
    """Compares what callers were told with the log, and the log with what is shown."""
    faults, counted, ended = list(load.faults), Counter(), Counter()
    for filename in filenames:
        events = events_of(database, filename)
        if [event["v"] for event in events] != list(range(1, len(events) + 1)):
            faults.append(f"{filename}: versions {[event['v'] for event in events]}")
        done, warn = 0, 0
        for event in events:
            if event["kind"] == "deleted":
                ended[event["id"]] += 1
                done, warn = 0, 0
            else:
                counted[filename, event["counts"]["done"]] += 1
                done, warn = done + event["counts"]["done"], warn + event["counts"]["warn"]
        shown = api.get(krn, filename=filename)
        wanted = 404 if events and events[-1]["kind"] == "deleted" else 200
        if shown.status_code != wanted:
            faults.append(f"{filename}: {shown.status_code} instead of {wanted}")
        elif wanted == 200 and (shown.json()["counts"]["done"], shown.json()["counts"]["warn"]) != (done, warn):
            faults.append(f"{filename}: shows {shown.json()['counts']} instead of {done} and {warn}")
    for one in load.history.updates:
        times = counted.pop((one.filename, one.mark), 0)
        if times != 1 and not (times == 0 and not one.acknowledged):
            faults.append(f"{one}: counted {times} times")
        if times == 1 and not one.acknowledged and not one.unknown:
            faults.append(f"{one}: counted although it was refused")
    faults += [f"{which} was counted, and nobody sent it" for which in counted]
    faults += [f"{life}: deleted {times} times" for life, times in ended.items() if times != 1]
    faults += [f"{life}: answered 204, and not in the log" for life in load.deleted - set(ended)]
    faults += [f"{life}: deleted by nobody" for life in set(ended) - load.maybe_deleted]
    faults += [f"{life}: is shown again" for life in ended if api.get(krn, life).status_code != 404]
    assert not faults, "\n".join([*faults, f"PEBBLES_SEED={load.seed[0]}"])


@pytest.mark.timeout(120 + 30 * kills)
def test_deletions_and_updates_by_two_instances_of_which_one_dies(make_server, one_node, database, seed):
    servers = [make_server(uri=one_node.uri(database)).start() for _ in range(2)]
    load = DeletingLoad(servers, seed)
    with load:
        for _ in range(kills):
            load.wait_more(40, 5)
            victim = load.dice.choice(servers)
            time.sleep(load.dice.uniform(0, 0.2))
            victim.kill()
            load.wait_more(20, 3)
            victim.start()
        load.wait_more(40, 5)
    load.deliver_all_again(servers[0])
    apis = [Api(server) for server in servers]
    with one_node.client() as client:
        for api in apis:
            check(load, client[database], api)
        before = [events_of(client[database], filename) for filename in filenames]
        for server in reversed(servers):
            load.deliver_all_again(server)
        assert [events_of(client[database], filename) for filename in filenames] == before
        for api in apis:
            check(load, client[database], api)
    shown = [record for record in apis[0].listed(krn)]
    assert not load.deleted & {record["id"] for record in shown}
    verify_clean(servers[0])
