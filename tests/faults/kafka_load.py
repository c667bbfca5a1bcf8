"""A seeded topic of updates, duplicates and poison, of which every total and every dead letter is known beforehand."""
import json
import zlib
from collections import Counter
from dataclasses import dataclass, field

import harness
import tally
from kafka import Message

krns = ["krn:kafka:one", "krn:kafka:two"]
partitions = 12
duplicate_share = 0.05
poison_share = 0.005
other = "somebody.else@example.com"


@dataclass(kw_only=True)
class File(tally.File):
    """`partition` is None for one whose updates are on all of them."""

    partition: int | None = None
    last_keyed: dict | None = None  # of those that came first in the file's partition


@dataclass
class Plan:
    """`messages` in the order in which they are produced; `poison` is the reason by message key."""

    messages: list = field(default_factory=list)
    files: list = field(default_factory=list)
    poison: dict = field(default_factory=dict)


class Planner:
    """Draws everything from `dice`."""

    def __init__(self, dice, count):
        self.dice, self.count = dice, count
        self.plan = Plan()
        names = [f"file {number}.csv" for number in range(max(20, count // 200))]
        self.files = [File(krn=krn, name=name, partition=zlib.crc32(f"{krn}/{name}".encode()) % partitions)
                      for krn in krns for name in names]
        # Two files have their updates everywhere, so that all instances write them at once.
        self.spread = [File(krn=krn, name="spread.csv") for krn in krns]
        self.closed = [File(krn=krn, name=f"closed {number}.csv", partition=number % partitions)
                       for krn in krns for number in range(2)]
        self.plan.files = [*self.files, *self.spread, *self.closed]
        self.marks = iter(range(1, 10**9))

    def make(self):
        for file in self.plan.files:  # every file has its owner before there is poison of it
            self.add(file, isLast=file in self.closed)
        while len(self.plan.messages) < self.count:
            if self.dice.random() < poison_share:
                self.add_poison()
            else:
                self.add(self.dice.choice(self.spread if self.dice.random() < 0.1 else self.files))
        self.add_duplicates()
        return self.plan

    def partition_of(self, file):
        return self.dice.randrange(partitions) if file.partition is None else file.partition

    def update(self, file, **more):
        return {"clientKrn": file.krn, "email": harness.owner,
                **harness.update(file.name, done=self.dice.randint(1, 1000), warn=1, **more)}

    def add(self, file, **more):
        update = self.update(file, **more)
        file.count(update)
        mark = f"m-{next(self.marks)}"
        form = self.dice.choices([plain, keyed, binary, structured], [45, 45, 5, 5])[0]
        message = form(update, mark)
        message.partition = self.partition_of(file)
        if form is keyed and file.partition is not None:
            file.last_keyed = update
        self.plan.messages.append(message)

    def add_poison(self):
        """Each has a key of its own by which its dead letter is found."""
        key = f"poison-{next(self.marks)}".encode()
        file = self.dice.choice(self.files)
        update = self.update(file)
        makers = {
            "not_json": lambda: Message(self.dice.choice([b"{", b"hello", b"\xff\xfe", b"[]"])),
            "empty_value": lambda: Message(self.dice.choice([None, b""])),
            "invalid": lambda: dumped({**update, self.dice.choice(["email", "clientKrn", "filename", "counts"]): 5}),
            "content_type": lambda: dumped(update, [("content-type", b"text/xml")]),
            "cloud_event": lambda: dumped(update, [("ce_specversion", b"0.3"), ("ce_id", b"1")]),
            "too_large": lambda: dumped({**update, "padding": "x" * (1 << 20)}),
            "not_the_owner": lambda: dumped({**update, "email": other}),
            "already_completed": lambda: self.for_closed(),
            "key_reused": lambda: self.reused(file),
        }
        weights = [1 if reason == "too_large" else 10 for reason in makers]
        reason = self.dice.choices(list(makers), weights)[0]
        message = makers[reason]()
        if message is None:
            return
        if message.partition < 0:
            message.partition = file.partition
        message.key = key
        self.plan.poison[key] = reason
        self.plan.messages.append(message)

    def for_closed(self):
        file = self.dice.choice(self.closed)
        message = dumped(self.update(file))
        message.partition = file.partition
        return message

    def reused(self, file):
        """The key of an update that was before, and another payload."""
        if file.last_keyed is None:
            return None
        counts = {**file.last_keyed["counts"], "failed": 7}
        return dumped({**file.last_keyed, "counts": counts})

    def add_duplicates(self):
        """Those that have a key of the producer's own come again, somewhere later or earlier, on any partition."""
        known = [message for message in self.plan.messages if message.key is None and has_own_key(message)]
        for message in self.dice.sample(known, int(self.count * duplicate_share)):
            again = Message(message.value, None, message.headers, self.dice.randrange(partitions))
            self.plan.messages.insert(self.dice.randrange(len(self.plan.files), len(self.plan.messages) + 1), again)


def dumped(update, headers=()):
    return Message(json.dumps(update, separators=(",", ":")).encode(), None, list(headers))


def plain(update, mark):
    return dumped(update)


def keyed(update, mark):
    update["eventId"] = mark
    return dumped(update)


def binary(update, mark):
    return dumped(update, [("ce_specversion", b"1.0"), ("ce_id", mark.encode()), ("ce_source", b"/tests"),
                           ("ce_type", b"progress"), ("content-type", b"application/json")])


def structured(update, mark):
    return dumped({"specversion": "1.0", "id": mark, "source": "/tests", "type": "progress", "data": update},
                  [("content-type", b"application/cloudevents+json; charset=UTF-8")])


def has_own_key(message):
    return message.headers or b'"eventId"' in message.value


def faults_of(plan, totals, letters):
    """What is wrong with the totals and with what the dead-letter topic has."""
    faults = tally.faults_of(plan.files, totals)
    found = {}
    for letter in letters:
        reason = (letter.header("pebbles-dlq-reason") or b"none").decode()
        if plan.poison.get(letter.key) != reason:
            faults.append(f"a dead letter {letter.key} for {reason} instead of {plan.poison.get(letter.key)}: "
                          f"{(letter.value or b'')[:200]}")
        found[letter.key] = reason
    missing = Counter(reason for key, reason in plan.poison.items() if key not in found)
    if missing:
        faults.append(f"no dead letters: {dict(missing)}")
    return faults
