"""Two instances delete and update the same files at once, old updates are delivered again, and one of them dies on the
way. The log in the database tells what was counted: each update carries a mark of its own as its `done`."""
import json
import random
import time
from collections import Counter

import harness
import httpx
import pytest
from api_support import Api, Connection, path_of
from harness import update, wait_until
from history import History
from load import Threads, verify_clean

krn = "krn:deleting"
filenames = [f"file {number}.csv" for number in range(3)]
kills = 6 if harness.long_rounds else 2


class DeletingLoad(Threads):
    """Threads that report, deliver again what was reported, and delete, each to an instance that is drawn anew. Use it
    as a context. `deleted` has the id of each life whose deletion was answered 204, `tried` of each that was to be."""

    reporters, redeliverers, deleters = 4, 2, 2

    def __init__(self, servers, seed):
        super().__init__()
        self.servers, self.seed = servers, seed
        self.dice = random.Random(str(seed))
        self.history = History(random.Random(self.dice.random()))
        self.deleted, self.tried = set(), set()
        self.faults = []

    def work(self):
        kinds = [self.report] * self.reporters + [self.redeliver] * self.redeliverers + [self.delete] * self.deleters
        return [(self.run, kind, self.dice.random()) for kind in kinds]

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
            self.tried.add(life)
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
                   self.explained(f"{updates} more updates and {deletions} more deletions"))

    def deliver_all_again(self, server):
        """Each update with a key; one without an answer may be counted only now."""
        connection = Connection(server.port)
        for one in self.history.updates:
            if one.key:
                wait_until(lambda: self.send(connection, one), 20, self.explained(f"{one}: an answer"))
        connection.close()

    def explained(self, text):
        return f"{text}\nPEBBLES_SEED={self.seed[0]}, {len(self.history.updates)} updates"


def logs_of(database):
    """By file the events of all its lives."""
    def events(filename):
        chunks = database.progress_events.find({"clientKrn": krn, "filename": filename}).sort("_id.first")
        return [json.loads(line) for chunk in chunks for line in chunk["events"].splitlines()]
    return {filename: events(filename) for filename in filenames}


def check_shown(logs, api):
    """What is shown of each file is what its log says of its last life."""
    for filename, events in logs.items():
        assert [event["v"] for event in events] == list(range(1, len(events) + 1))
        ends = [place for place, event in enumerate(events) if event["kind"] == "deleted"]
        life = [event["counts"] for event in events[ends[-1] + 1 if ends else 0:]]
        shown = api.get(krn, filename=filename)
        if not life:
            assert shown.status_code == 404, filename
        else:
            assert shown.status_code == 200, filename
            counts = shown.json()["counts"]
            for name in ("done", "warn"):
                assert counts[name] == sum(count[name] for count in life), filename
        for place in ends:
            assert api.get(krn, events[place]["id"]).status_code == 404, filename


def faults_of(load, logs):
    """What callers were told that is not in the logs, and what is there that it should not be."""
    counted = Counter((filename, event["counts"]["done"]) for filename, events in logs.items() for event in events
                      if event["kind"] != "deleted")
    ended = Counter(event["id"] for events in logs.values() for event in events if event["kind"] == "deleted")
    faults = list(load.faults)
    for one in load.history.updates:
        times = counted.pop((one.filename, one.mark), 0)
        if times > 1 or (times == 0 and one.acknowledged) or (times == 1 and not one.acknowledged and not one.unknown):
            faults.append(f"{one}: counted {times} times")
    faults += [f"{which}: counted, and sent by nobody" for which in counted]
    faults += [f"{life}: deleted {times} times" for life, times in ended.items() if times > 1]
    faults += [f"{life}: answered 204, and not deleted" for life in load.deleted - set(ended)]
    faults += [f"{life}: deleted by nobody" for life in set(ended) - load.tried]
    return faults


@pytest.fixture
def servers(make_server, one_node, database):
    return [make_server(uri=one_node.uri(database)).start() for _ in range(2)]


@pytest.fixture
def logs(one_node, database):
    """logs() as they are now."""
    with one_node.client() as client:
        yield lambda: logs_of(client[database])


@pytest.mark.timeout(120 + 30 * kills)
def test_deletions_and_updates_by_two_instances_of_which_one_dies(servers, logs, seed):
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
    before = logs()
    for server in reversed(servers):
        load.deliver_all_again(server)
    assert logs() == before, load.explained("a redelivery was counted")
    faults = faults_of(load, before)
    assert not faults, load.explained("\n".join(faults))
    for server in servers:
        check_shown(before, Api(server))
        assert not load.deleted & {record["id"] for record in Api(server).listed(krn)}
    verify_clean(servers[0])


def test_what_is_lost_doubled_or_back_is_found(servers, logs, seed):
    """The control: each fault, made in what was read of the log."""
    load = DeletingLoad(servers, seed)
    with load:
        load.wait_more(20, 3)
    whole = logs()
    assert faults_of(load, whole) == []
    filename, events = max(whole.items(), key=lambda entry: len(entry[1]))
    told = {one.mark for one in load.history.updates if one.acknowledged}
    place = next(place for place, event in enumerate(events) if event.get("counts", {}).get("done") in told)
    end = next(event for log in whole.values() for event in log if event.get("id") in load.deleted and event["kind"] == "deleted")

    def broken(changed):
        return faults_of(load, {**whole, filename: changed})

    assert [fault.endswith("counted 0 times") for fault in broken(events[:place] + events[place + 1:])] == [True]
    assert [fault.endswith("counted 2 times") for fault in broken([*events, events[place]])] == [True]
    twice = broken([*events, end])
    assert twice == [f"{end['id']}: deleted 2 times"]
    without = {name: [event for event in log if event != end] for name, log in whole.items()}
    assert faults_of(load, without) == [f"{end['id']}: answered 204, and not deleted"]
    assert broken([*events, {**end, "id": "0" * 24}]) == [f"{'0' * 24}: deleted by nobody"]
    with pytest.raises(AssertionError):
        check_shown({filename: events[:-1]}, Api(servers[0]))
