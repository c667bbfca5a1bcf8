"""Totals that are known beforehand, beside what a server has counted: for updates that come from a queue or a topic."""
from dataclasses import dataclass


@dataclass(kw_only=True)
class File:
    """What must be counted of one file."""

    krn: str
    name: str
    done: int = 0
    updates: int = 0  # each has one warning

    @property
    def key(self):
        return (self.krn, self.name)

    def count(self, update):
        self.done += update["counts"]["done"]
        self.updates += 1


def totals_of(api, krns):
    """(done, warn) of each record by itself: lists may follow a little later."""
    def total(krn, filename):
        record = api.record(krn, filename)
        return record["counts"]["done"], record["counts"]["warn"]

    return {(krn, record["filename"]): total(krn, record["filename"])
            for krn in krns for record in api.listed(krn, limit=10_000)}


def faults_of(files, totals):
    expected = {file.key: (file.done, file.updates) for file in files}
    return [f"{key}: {totals.get(key)} instead of {expected.get(key)}"
            for key in sorted({*expected, *totals}) if totals.get(key) != expected.get(key)]
