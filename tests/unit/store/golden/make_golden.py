#!/usr/bin/env python3
"""Writes the golden files of log format 1 from the specification alone (docs/log-format.md), without Pebbles' code.

The files are fixed: a change in what this prints is a change of the format, and needs a new number.
"""
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).parent


def line(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def chunk_hash(client, filename, first, events, prev):
    header = {"format": 1, "client": client, "filename": filename, "first": first, "n": len(events), "prev": prev}
    return hashlib.sha256((line(header) + "".join(map(line, events))).encode()).hexdigest()


def fingerprint(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


CLIENT, FILENAME = "krn:acme:client:123", 'größe "Ω" 100%/sales.csv'
FIRST = [
    {"v": 1, "kind": "reported", "id": "65a1b2c3d4e5f60718293a4b", "at": 1704103200000, "by": "user@acme.com",
     "channel": "rest", "counts": {"done": 500, "warn": 2, "failed": 1}, "total": 10000,
     "errors": [{"line": 145, "message": "Invalid format"}, {"message": "tab\there, \"quoted\" \\ and \u0001"}],
     "warnings": [{"line": 89, "message": "Deprecated field 🙂"}]},
    {"v": 2, "kind": "reported", "at": 1704103200001, "by": "user@acme.com", "channel": "rest",
     "counts": {"done": 0, "warn": 0, "failed": 0}, "key": "p:run-7/2", "fingerprint": fingerprint("any")},
]
SECOND = [
    {"v": 3, "kind": "reported", "at": 1704103260123, "by": "user@acme.com", "channel": "kafka",
     "counts": {"done": 9007199254740991 - 500, "warn": 1, "failed": 0}, "key": "p:урок", "fingerprint": fingerprint("x"),
     "pos": {"log": "MkU3OEVBNTcwNTJENDM2Qg", "topic": "progress-updates", "partition": 11, "offset": 4294967296}},
    {"v": 4, "kind": "reported", "at": 1704103260123, "by": "user@acme.com", "channel": "sqs",
     "counts": {"done": 0, "warn": 0, "failed": 1}, "total": 9007199254740991, "isLast": True,
     "errors": [{"line": 9007199254740991, "message": "\u007f\u2028"}], "key": "s:9f1c", "fingerprint": fingerprint("")},
]
# A file that was there before the log, and its first update since.
ADOPTED = [
    {"v": 1, "kind": "adopted", "id": "65a1b2c3d4e5f60718293a4b", "at": 1704123000000, "by": "user@acme.com",
     "channel": "rest", "counts": {"done": 9500, "warn": 25, "failed": 10}, "total": 10000,
     "errors": [{"line": 145, "message": "Invalid format"}], "warnings": [{"line": 89, "message": "Deprecated field"}],
     "createdAt": 1704103200000, "errorCount": 10, "warningCount": 1},
    {"v": 2, "kind": "reported", "at": 1704123000001, "by": "user@acme.com", "channel": "rest",
     "counts": {"done": 500, "warn": 0, "failed": 0}, "isLast": True},
]

# Items with all that they may have, and each member alone.
DETAILED = [
    {"v": 1, "kind": "reported", "id": "65a1b2c3d4e5f60718293a4b", "at": 1704103200000, "by": "user@acme.com",
     "channel": "rest", "counts": {"done": 0, "warn": 1, "failed": 3},
     "errors": [{"line": 145, "message": "Invalid format", "code": "E42", "field": "amount", "value": "12,5\t€"},
                {"message": "", "field": "name"}, {"line": 1, "message": "x", "value": "\"\""}],
     "warnings": [{"message": "Deprecated", "code": "W1"}]},
]

first_hash = chunk_hash(CLIENT, FILENAME, 1, FIRST, None)
second_hash = chunk_hash(CLIENT, FILENAME, 3, SECOND, {"first": 1, "hash": first_hash})
adopted_hash = chunk_hash(CLIENT, FILENAME, 1, ADOPTED, None)
detailed_hash = chunk_hash(CLIENT, FILENAME, 1, DETAILED, None)
for name, events, digest in (("chunk-1", FIRST, first_hash), ("chunk-3", SECOND, second_hash),
                             ("adopted", ADOPTED, adopted_hash), ("detailed", DETAILED, detailed_hash)):
    (HERE / f"{name}.ndjson").write_text("".join(map(line, events)), encoding="utf-8", newline="\n")
    (HERE / f"{name}.sha256").write_text(digest + "\n")
