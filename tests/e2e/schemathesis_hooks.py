"""What schemathesis must be told: ids that exist, and which answers are right though nothing in an OpenAPI document can
tell which request gets them. Every check stays switched on. openapi_test.py has it loaded, through SCHEMATHESIS_HOOKS.
"""
import json
import os
import re
import zlib

import schemathesis

# Its names for some of its findings.
accepted_though_invalid = "ST201"
rejected_though_valid = "ST202"
other_methods_allowed = "ST205"

# A request that is good by itself, and refused for what was there before or for how two of its parts go together.
refusals = {
    "This file processing has already been completed",
    "This key was used with a different update",
    "Invalid parameters: counts would pass 9007199254740991",
    "Invalid parameters: cursor is not one of this list: start again without cursor",
    "Invalid parameters: after is not a cursor of this feed: start again without after",
    "Invalid parameters: Idempotency-Key and eventId differ",
    # A month does not have that day.
    "Invalid parameters: createdAfter must be a time such as 2025-06-04T12:40:07.512Z",
    "Invalid parameters: updatedAfter must be a time such as 2025-06-04T12:40:07.512Z",
}

# The service takes numbers and booleans for these too. The document does not: of such a union, generated clients make a
# class that callers have to wrap each text in.
kept_as_text = re.compile(r"(errors|warnings) -> Array with invalid items: (code|field|value): Incorrect type")

of_records = {"readProgressById", "readErrors", "readWarnings", "readHistory"}

# [clientKrn, id] of records that the server under test has: drawn ones never exist. The others may be deleted, once.
records = json.loads(os.environ.get("PEBBLES_TEST_RECORDS", "[]"))
deletable = json.loads(os.environ.get("PEBBLES_TEST_DELETABLE", "[]"))


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(context, value):
    """Lines are a text."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@schemathesis.deserializer("application/x-ndjson", "text/csv", "text/html")
def deserialize_text(context, response):
    return response.content.decode()


@schemathesis.hook
def map_case(context, case):
    operation = case.operation.definition.raw.get("operationId")
    if operation == "deleteProgress" and deletable and is_valid(case):
        case.path_parameters.update(zip(("clientKrn", "id"), deletable.pop()))
    if operation in ("reportProgress", "deleteProgress") and is_valid(case):
        for name in ("If-Match", "If-None-Match"):  # a drawn state is never that of the file
            (case.headers or {}).pop(name, None)
    if operation in of_records and records and is_valid(case):
        drawn = zlib.crc32(f"{case.path_parameters['id']} {case.query}".encode())
        if drawn % 4:  # the rest go on asking for what does not exist
            case.path_parameters.update(zip(("clientKrn", "id"), records[drawn % len(records)]))
            (case.query or {}).pop("cursor", None)  # a drawn one is never right
    return case


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if failure.code == rejected_though_valid and response.status_code in (400, 412, 422):
        problem = response.json()
        if response.status_code == 412:
            return not {"If-Match", "If-None-Match"} & set(case.headers)
        return not (problem["error"] in refusals or is_about_fractions(problem, case.body)
                    or ("a number is out of range" in problem["error"] and has_huge_integer(case.body)))
    if failure.code == accepted_though_invalid and response.status_code == 413:
        return False  # a batch with too many updates, which it does not take for a refusal
    if failure.code == other_methods_allowed and case.operation.path.endswith("/batch"):
        return "Undocumented methods advertised: DELETE, GET\n" not in failure.message + "\n"  # `batch` might be an id
    if failure.code == accepted_though_invalid and response.status_code in (200, 304):
        # By contract unknown query parameters are ignored, and so is what `verbose` says: that it is there counts.
        ignored = ("in query - object with unexpected properties", "parameter `verbose` in query")
        return not (any(what in failure.message for what in ignored) or kept_as_text.search(failure.message)
                    or has_refused_updates(case, response))
    return True


def is_valid(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def has_refused_updates(case, response):
    """A batch is answered 200 with what is wrong with each update."""
    return case.operation.definition.raw.get("operationId") == "reportBatch" and response.json()["failed"] > 0


def is_about_fractions(problem, body):
    """To JSON Schema 1.0 is an integer like 1; here, integers have no fraction, not even an empty one."""
    faults = problem.get("errors", [])
    return bool(faults) and all(isinstance(value_at(body, fault["pointer"]), float) for fault in faults)


def has_huge_integer(value):
    """One that 64 bits do not hold, in a member that is ignored: a schema cannot reach into those."""
    if isinstance(value, dict):
        return any(map(has_huge_integer, value.values()))
    if isinstance(value, list):
        return any(map(has_huge_integer, value))
    return isinstance(value, int) and not -2**63 <= value < 2**64


def value_at(document, pointer):
    for step in pointer.split("/")[1:]:
        document = document[int(step) if isinstance(document, list) else step]
    return document
