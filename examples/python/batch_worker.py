#!/usr/bin/env python3
"""Processes a CSV file as worker.py does and reports in batches: many reports in one request. Standard library only.

Exits 0 when every report was taken, 1 when one was refused, 2 on wrong usage, 3 when Pebbles stayed away too long.
"""
import sys
import time

import worker


class Batches(worker.Pebbles):
    """Gathers reports and sends them together. Each has its own event id, the same on every try, so it counts once."""

    items_max = 1000  # of a report, so that a batch of 20 stays well below 16 MiB

    def __init__(self, rules, run_id):
        super().__init__(rules.url, rules.client, rules.token, run_id, rules.retry_seconds)
        self.path += "/batch"
        self.size, self.waiting = rules.batch, []

    def report(self, update):
        self.sent += 1
        self.waiting.append({**update, "eventId": f"{self.run_id}-{self.sent}"})
        if update["isLast"] or len(self.waiting) == self.size:
            self.flush()

    def flush(self):
        """Sends the batch until each report is taken. All of them again: what was counted is known by its event id."""
        deadline = time.monotonic() + self.retry_seconds
        while True:
            results = self.deliver(self.waiting, {})[0]["results"]
            bad = [result for result in results if result["status"] != 200]
            for result in bad:
                if result["status"] != 503:
                    raise worker.Refused(f"{result['status']}: {result['error']}")
            if not bad:
                break
            wait = max(result["retryAfter"] for result in bad)
            if time.monotonic() + wait > deadline:
                raise worker.Away(bad[0]["error"])
            time.sleep(wait)
            self.retries += 1
        self.replayed += sum(result.get("replayed", False) for result in results)
        self.waiting = []


def main():
    parser = worker.parser_of(__doc__)
    parser.add_argument("--batch", type=worker.positive, default=20, metavar="N", help="reports in one request (20)")
    rules = worker.rules_of(parser)
    return worker.run(parser, rules, lambda _, run_id: Batches(rules, run_id))


if __name__ == "__main__":
    sys.exit(main())
