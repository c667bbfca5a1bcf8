"""What callers were told, and whether the server's totals agree with it.

The law: an update that was answered 200 counts exactly once, one that was refused never, and one without an answer once
or not at all. Each update carries a large random number, its mark, as its `done`: so sums tell what is in them.
"""
import dataclasses
import itertools
import threading


@dataclasses.dataclass(eq=False)
class Update:
    """One update, which with a key may have been sent several times."""

    filename: str
    mark: int
    key: str | None = None
    warn: int = 1
    acknowledged: bool = False
    unknown: bool = False  # some attempt of it may have been applied

    def __str__(self):
        return f"{self.filename}: update of {self.mark}, " + (f"key {self.key}" if self.key else "without a key")

    def answered(self, status, text=""):
        """Notes what an attempt came to: the status and the text of an error, or None when no answer came."""
        if status == 200:
            self.acknowledged = True
        elif status is None or (status >= 500 and "was not applied" not in text):  # which is a promise too
            self.unknown = True


class History:
    """All updates of a test. Any thread."""

    def __init__(self, dice):
        self.dice = dice
        self.lock = threading.Lock()
        self.updates = []

    def update(self, filename, *, with_key):
        with self.lock:
            mark = self.dice.randrange(1, 2**36)
            key = f"key-{len(self.updates)}-{mark}" if with_key else None
            self.updates.append(Update(filename, mark, key))
            return self.updates[-1]

    def open(self):
        """Those with a key that nobody has acknowledged: to be sent again."""
        return [update for update in self.updates if update.key and not update.acknowledged]


def subsets(updates):
    for size in range(len(updates) + 1):
        yield from itertools.combinations(updates, size)


def total_of(updates):
    return sum(update.mark for update in updates), sum(update.warn for update in updates)


def check(history, totals):
    """The verdict: a list of what is wrong, empty when all is well. `totals` has (done, warn) for each filename.

    What it learns of updates without an answer it writes into the history, so that the next check finds few of them."""
    faults = []
    by_file = {}
    for update in history.updates:
        by_file.setdefault(update.filename, []).append(update)
    for filename in sorted(set(totals) | set(by_file)):
        faults += check_file(filename, by_file.get(filename, []), totals.get(filename, (0, 0)))
    return faults


def check_file(filename, updates, total):
    counted = [update for update in updates if update.acknowledged]
    doubtful = [update for update in updates if update.unknown and not update.acknowledged]
    assert len(doubtful) <= 16, f"{filename}: too many updates of unknown outcome to tell them apart"
    certain = total_of(counted)
    excess = total[0] - certain[0], total[1] - certain[1]
    for applied in subsets(doubtful):
        if total_of(applied) == excess:
            for update in doubtful:
                update.unknown, update.acknowledged = False, update in applied
            return []
    return [explain(filename, updates, counted, doubtful, excess)]


def explain(filename, updates, counted, doubtful, excess):
    """Names the one update that would account for the difference, if there is one."""
    for applied in subsets(doubtful):
        sums = total_of(applied)
        rest = excess[0] - sums[0], excess[1] - sums[1]
        for update in updates:
            own = total_of([update])
            if update in counted and rest == (-own[0], -own[1]):
                return f"lost: {update}"
            if (update in counted or update in applied) and rest == own:
                return f"doubled: {update}"
            if update not in counted and update not in doubtful and rest == own:
                return f"counted although it was refused or never sent: {update}"
    return (f"{filename}: done differs by {excess[0]}, updates by {excess[1]}, from the {len(counted)} acknowledged; "
            f"{len(doubtful)} without an answer do not explain it")
