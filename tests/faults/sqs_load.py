"""Seeded messages for a queue: updates, duplicates and poison, of which every total and every dead letter is known
beforehand, in whatever order a standard queue delivers them."""
import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass, field

import harness
import tally
from sqs import Message
from tally import File

krns = ["krn:sqs:one", "krn:sqs:two"]
duplicate_share = 0.05
poison_share = 0.01
other = "somebody.else@example.com"
cloud_events = {"content-type": "application/cloudevents+json"}


@dataclass
class Plan:
    """`openers` are to be counted before the rest is sent: they give each file its owner, and complete some. `poison`
    is the reason by the mark in a message's body."""

    openers: list = field(default_factory=list)
    messages: list = field(default_factory=list)
    files: list = field(default_factory=list)
    poison: dict = field(default_factory=dict)


class Planner:
    """Draws everything from `dice`."""

    def __init__(self, dice, count):
        self.dice, self.count = dice, count
        self.plan = Plan()
        self.files = [File(krn=krn, name=f"file {number}.csv")
                      for krn in krns for number in range(max(10, count // 200))]
        self.closed = [File(krn=krn, name="closed.csv") for krn in krns]
        self.plan.files = [*self.files, *self.closed]
        self.first = {}
        self.marks = iter(range(1, 10**9))

    def make(self):
        for file in self.plan.files:
            update = self.first[file.key] = self.update(file, isLast=file in self.closed)
            self.plan.openers.append(self.counted(file, update, keyed))
        for _ in range(self.count - len(self.plan.openers)):
            if self.dice.random() < poison_share:
                self.add_poison()
            else:
                self.add()
        self.add_duplicates()
        return self.plan

    def update(self, file, **more):
        return {"clientKrn": file.krn, "email": harness.owner,
                **harness.update(file.name, done=self.dice.randint(1, 1000), warn=1, **more)}

    def counted(self, file, update, form):
        file.count(update)
        return form(update, f"m-{next(self.marks)}")

    def add(self):
        # A few files have much of the load, so that all instances write them at once.
        file = self.dice.choice(self.files[:4] if self.dice.random() < 0.2 else self.files)
        form = self.dice.choices([plain, keyed, structured, notification], [45, 45, 5, 5])[0]
        self.plan.messages.append(self.counted(file, self.update(file), form))

    def add_poison(self):
        mark = f"poison-{next(self.marks)}"
        file = self.dice.choice(self.files)
        update = {**self.update(file), "note": mark}
        makers = {
            "not_json": lambda: Message(self.dice.choice(["{", "hello", "[]"]) + mark),
            "invalid": lambda: dumped({**update, self.dice.choice(["email", "clientKrn", "filename", "counts"]): 5}),
            "content_type": lambda: dumped(update, {"content-type": "text/xml"}),
            "cloud_event": lambda: dumped({"specversion": "0.3", "id": mark}, cloud_events),
            "not_the_owner": lambda: dumped({**update, "email": other}),
            "already_completed": lambda: dumped({**self.update(self.dice.choice(self.closed)), "note": mark}),
            "key_reused": lambda: dumped({**self.first[file.key], "total": 7, "note": mark}),
        }
        reason = self.dice.choice(list(makers))
        self.plan.poison[mark] = reason
        self.plan.messages.append(makers[reason]())

    def add_duplicates(self):
        """What a producer sends twice: messages of their own, recognised by the key in them."""
        known = [message for message in self.plan.messages if '"m-' in message.body]
        for message in self.dice.sample(known, int(len(known) * duplicate_share)):
            self.plan.messages.insert(self.dice.randrange(len(self.plan.messages) + 1), message)


def dumped(update, attributes=None):
    return Message(json.dumps(update, separators=(",", ":")), dict(attributes or {}))


def plain(update, mark):
    return dumped(update)


def keyed(update, mark):
    update["eventId"] = mark
    return dumped(update)


def structured(update, mark):
    return dumped({"specversion": "1.0", "id": mark, "source": "/tests", "type": "progress", "data": update},
                  cloud_events)


def notification(update, mark):
    """As SNS wraps what it delivers to a queue."""
    return dumped({"Type": "Notification", "MessageId": mark, "TopicArn": "arn:aws:sns:eu-central-1:1:topic",
                   "Message": json.dumps({**update, "eventId": mark}), "Timestamp": "2026-01-31T12:00:00.000Z"})


def count_repeated(files, totals, repeated):
    """A batch that boto3 sent again may have arrived the first time: of its messages without a key, which nobody can
    tell from others, those are counted twice that explain a total."""
    updates = [json.loads(message.body) for message in repeated if message.body.startswith("{\"clientKrn\"")]
    for file in files:
        again = [update["counts"]["done"] for update in updates
                 if (update["clientKrn"], update["filename"]) == file.key and not {"eventId", "note"} & {*update}]
        for number in range(len(again) + 1):
            for some in itertools.combinations(again, number):
                if totals.get(file.key) == (file.done + sum(some), file.updates + number):
                    file.done, file.updates = totals[file.key]
                    break


def faults_of(plan, totals, letters, reason_of=None):
    """What is wrong with the totals and with the dead letters; `reason_of` tells a letter's reason where it has one."""
    faults = tally.faults_of(plan.files, totals)
    found = set()
    for letter in letters:
        mark = (re.findall(r"poison-\d+", letter.body) or [None])[0]
        reason = reason_of(letter) if reason_of else plan.poison.get(mark)
        if reason is None or plan.poison.get(mark) != reason:
            faults.append(f"a dead letter {mark} for {reason} instead of {plan.poison.get(mark)}: {letter}")
        found.add(mark)
    missing = Counter(reason for mark, reason in plan.poison.items() if mark not in found)
    if missing:
        faults.append(f"no dead letters: {dict(missing)}")
    return faults
