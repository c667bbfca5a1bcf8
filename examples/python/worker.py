#!/usr/bin/env python3
"""Processes a CSV file row by row and reports its progress to Pebbles. Standard library only, Python 3.9 or later.

Exits 0 when every report was taken, 1 when one was refused, 2 on wrong usage, 3 when the service stayed away too long.
"""
import argparse
import csv
import hashlib
import http.client
import json
import os
import random
import sys
import time
import urllib.parse


class Refused(Exception):
    """The service understood the report and does not want it: sending it again cannot help."""


class Away(Exception):
    """The service could not be reached, or had no room, for as long as we were ready to wait."""


class Pebbles:
    """Sends reports of one file. Each has a key of its own, the same on every try, so that it counts once."""

    items_max = 2000  # of a report: the service takes 10,000 a list and 1 MiB

    def __init__(self, url, client, token, run_id, retry_seconds):
        self.url = urllib.parse.urlsplit(url)
        self.path = f"{self.url.path.rstrip('/')}/clients/{urllib.parse.quote(client, safe='')}/progress"
        self.token, self.run_id, self.retry_seconds = token, run_id, retry_seconds
        self.connection = None
        self.sent = self.retries = self.replayed = 0

    def report(self, update):
        self.sent += 1
        _, headers = self.deliver(update, {"Idempotency-Key": f"{self.run_id}-{self.sent}"})
        self.replayed += headers.get("Idempotent-Replayed") == "true"

    def deliver(self, document, headers):
        """Sends it until it is taken or refused; connection errors, 429 and 5xx are tried again. The answer, and its
        headers."""
        body = json.dumps(document).encode()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Prefer": "return=minimal",
            **headers,
        }
        deadline, pause = time.monotonic() + self.retry_seconds, 0.1
        while True:
            try:
                status, answer, answer_headers = self.post(body, headers)
                if status == 200:
                    return json.loads(answer), answer_headers
                if status not in (408, 429, 500, 502, 503, 504):
                    raise Refused(f"{status}: {text_of(answer)}")
                problem, wait = f"{status}: {text_of(answer)}", seconds_of(answer_headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                self.disconnect()
                problem, wait = repr(error), 0
            wait = max(wait, pause * random.uniform(0.5, 1))
            if time.monotonic() + wait > deadline:
                raise Away(problem)
            time.sleep(wait)
            self.retries += 1
            pause = min(pause * 2, 10)

    def post(self, body, headers):
        if self.connection is None:
            secure = self.url.scheme == "https"
            connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self.connection = connect(self.url.hostname, self.url.port, timeout=30)
        self.connection.request("POST", self.path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.read(), response.headers

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def summary(self):
        return f"{self.sent} reports, {self.retries} retries, {self.replayed} known already"


def text_of(answer):
    try:
        return json.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode(errors="replace")


def seconds_of(retry_after):
    return int(retry_after) if retry_after and retry_after.isdigit() else 0


def rows_of(path):
    """Yields (line, fields, problem) for the header and each row; line is the one of the file that the row ends on."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, [], str(error)
                continue
            if fields:  # an empty line is no row
                yield reader.line_num, fields, None


def judge(header, fields, rules):
    """The errors and warnings of one row, as messages. This is the place for your own processing."""
    errors, warnings = [], []
    if len(fields) > len(header):
        errors.append(f"{len(fields)} fields, the header has {len(header)}")
    for number, name in enumerate(header):
        value = fields[number] if number < len(fields) else ""
        name = name or f"column {number + 1}"
        if value in rules.error_value:
            errors.append(f"{name}: {value} is not allowed")
        elif value == "" and rules.missing != "ignore":
            (errors if rules.missing == "error" else warnings).append(f"{name}: missing")
    return errors, warnings


def process(path, filename, total, sender, rules):
    counts, errors, warnings = {"done": 0, "warn": 0, "failed": 0}, [], []
    all_counts = dict(counts)

    def report(is_last):
        nonlocal counts, errors, warnings
        sender.report({"filename": filename, "counts": counts, "total": total or None, "isLast": is_last,
                       "errors": errors, "warnings": warnings})
        counts, errors, warnings = dict.fromkeys(counts, 0), [], []

    rows = rows_of(path)
    header = next(rows, (0, [], None))[1]
    for line, fields, problem in rows:
        row_errors, row_warnings = ([problem], []) if problem else judge(header, fields, rules)
        errors += [{"line": line, "message": message} for message in row_errors]
        warnings += [{"line": line, "message": message} for message in row_warnings]
        outcome = "failed" if row_errors else "warn" if row_warnings else "done"
        counts[outcome] += 1
        all_counts[outcome] += 1
        if sum(counts.values()) >= rules.every or len(errors) + len(warnings) >= sender.items_max:
            report(is_last=False)
    report(is_last=True)
    return all_counts


def run_id_of(path, filename, rules):
    """The same for the same work: a worker that died can be run again from the start, and nothing counts twice."""
    digest = hashlib.sha256(repr((filename, rules.every, rules.missing, sorted(rules.error_value))).encode())
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:32]


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parser_of(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="a CSV file in UTF-8 with a header line")
    parser.add_argument("--client", required=True, help="the clientKrn, such as krn:acme:client:123")
    parser.add_argument("--filename", help="what to call the file at Pebbles (default: its name without folders)")
    parser.add_argument("--every", type=positive, default=100, metavar="N", help="report every N rows (100)")
    parser.add_argument("--missing", choices=["ignore", "warn", "error"], default="ignore",
                        help="what an empty field is (ignore)")
    parser.add_argument("--error-value", action="append", default=[], metavar="VALUE",
                        help="a value that fails its row, such as NA; may be repeated")
    parser.add_argument("--run-id", help="names this run in the keys of its reports (default: made from the content)")
    parser.add_argument("--retry-seconds", type=positive, default=300, metavar="S",
                        help="how long to try one report again (300)")
    return parser


def run(parser, rules, make_sender):
    """Processes the file; `make_sender(filename, run_id)` makes what takes its reports. The exit status."""
    try:
        filename = rules.filename or os.path.basename(rules.file)
        total = max(0, sum(1 for _ in rows_of(rules.file)) - 1)
        run_id = rules.run_id or run_id_of(rules.file, filename, rules)
    except OSError as error:
        parser.error(str(error))
    sender = make_sender(filename, run_id)
    try:
        counts = process(rules.file, filename, total, sender, rules)
    except Refused as refusal:
        print(f"{filename}: refused with {refusal}", file=sys.stderr)
        return 1
    except Away as reason:
        print(f"{filename}: gave up after {rules.retry_seconds} s; last: {reason}", file=sys.stderr)
        return 3
    print(f"{filename}: {counts['done']} done, {counts['warn']} with warnings, {counts['failed']} failed; "
          f"{sender.summary()}")
    return 0


def rules_of(parser):
    """What the command line says, of who reports over HTTP."""
    parser.add_argument("--url", default=os.environ.get("PEBBLES_URL", "http://127.0.0.1:8081"))
    parser.add_argument("--token", default=os.environ.get("PEBBLES_TOKEN"), help="default: $PEBBLES_TOKEN")
    rules = parser.parse_args()
    if not rules.token:
        parser.error("a token is needed: --token or PEBBLES_TOKEN")
    return rules


def main():
    parser = parser_of(__doc__)
    rules = rules_of(parser)
    return run(parser, rules, lambda _, run_id: Pebbles(rules.url, rules.client, rules.token, run_id,
                                                        rules.retry_seconds))


if __name__ == "__main__":
    sys.exit(main())
