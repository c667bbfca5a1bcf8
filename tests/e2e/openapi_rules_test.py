"""Rules for the OpenAPI document: what client generators can read. Each has the smallest document that breaks it.

What a rule is good for was found with openapi-generator (Python, Java, Go, TypeScript), openapi-python-client and
openapi-typescript; generated_clients_test.py uses what they generate.
"""
import collections
import json
import re

import harness
import pytest

document = json.loads((harness.root / "src/egress/docs/openapi.json").read_text())
methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
reference = re.compile(r"#/components/(parameters|headers|schemas|examples|responses)/([A-Z][A-Za-z]*)")
# Types of that name are there already in Java, Go, Python or TypeScript, and would be hidden.
taken_names = {"Record", "Event", "ProgressEvent", "Error", "Object", "String", "Number", "Boolean", "Date", "Map",
               "List", "Set", "Array", "Response", "Request", "Client", "Configuration", "Any", "Type", "Enum"}


def walk(value, place="", schema=False):
    """(place, object, whether it is a schema) of every object but examples."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from walk(part, f"{place}/{index}", schema)
    elif isinstance(value, dict):
        is_map = place.endswith(("/properties", "/components/schemas"))  # of names, which may be those of keywords
        if not is_map:
            yield place, value, schema or place.endswith("/schema")
        for name, part in value.items():
            if name in ("example", "examples", "enum", "default") and not is_map:
                continue
            inner = f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from walk(part, inner, schema or name == "schema" or place == "/components/schemas")


def schemas(api):
    return [(place, value) for place, value, schema in walk(api) if schema]


def operations(api):
    return [(f"/paths/{path}/{method}", operation) for path, item in api.get("paths", {}).items()
            for method, operation in item.items() if method in methods]


def types(schema):
    return [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])


def components(api, kind="schemas"):
    return api.get("components", {}).get(kind, {})


def is_named(value):
    return set(value) == {"$ref"}


def references(api):
    """Every `$ref` names a component that is there, and nothing stands next to it."""
    for place, value, _ in walk(api):
        target = value.get("$ref")
        if target is None:
            continue
        match = reference.fullmatch(target)
        if not match or match[2] not in components(api, match[1]) or not is_named(value):
            yield place


def named_parameters(api):
    """Parameters, headers and answers with errors are components."""
    for path, item in api.get("paths", {}).items():
        for holder in (item, *(part for method, part in item.items() if method in methods)):
            yield from (path for parameter in holder.get("parameters", []) if not is_named(parameter))
    for place, operation in operations(api):
        for status, response in operation.get("responses", {}).items():
            if status >= "300" and not is_named(response):
                yield f"{place}/{status}"
            yield from (place for header in response.get("headers", {}).values() if not is_named(header))


def named_bodies(api):
    """The schema of a body is a component: what has no name in the document gets an accidental one in a client."""
    for place, value, _ in walk(api):
        for kind, media in value.get("content", {}).items() if isinstance(value.get("content"), dict) else ():
            if "/properties" not in place and not is_named(media.get("schema", {})):
                yield f"{place}/{kind}"


def named_parts(api):
    """So is every object and every union within a component, and no array holds an array."""
    for place, schema in schemas(api):
        nested = not re.fullmatch(r"/components/schemas/[^/]*", place)
        is_free = schema.get("additionalProperties") is True and "properties" not in schema  # an object of anything
        if nested and (set(schema) & {"oneOf", "properties"} or ("object" in types(schema) and not is_free)):
            yield place
        if "array" in types(schema) and "array" in types(schema.get("items", {})):
            yield place


def wide_integers(api):
    """An integer that 32 bits may not hold says so; a number is not cut to 32 bits."""
    for place, schema in schemas(api):
        if "integer" in types(schema) and schema.get("maximum", 2**63) >= 2**31 and schema.get("format") != "int64":
            yield place
        if "number" in types(schema) and schema.get("format") != "double":
            yield place


def nulls(api):
    """Null is only ever the second of two types."""
    for place, schema in schemas(api):
        kinds = schema.get("type")
        if kinds == "null" or "nullable" in schema or (isinstance(kinds, list) and kinds[1:] != ["null"]):
            yield place


def texts_in_enumerations(api):
    """Enumerations are of texts; `const` is an enumeration of one; a text has no other type."""
    for place, schema in schemas(api):
        if "const" in schema or not all(isinstance(value, str) for value in schema.get("enum", [])):
            yield place


def constants(api):
    """In Go the values of all named enumerations are constants of one package. Those that are no identifiers are given
    names: each generator has its own, in which FILENAME may be `-filename`."""
    found = collections.Counter()
    for name, schema in components(api).items():
        values = schema.get("enum", [])
        constants_of = schema.get("x-enum-varnames", values)
        found.update(constant.upper() for constant in constants_of)
        are_identifiers = all(re.fullmatch(r"[A-Za-z][A-Za-z_]*", constant) for constant in constants_of)
        if len(constants_of) != len(values) or not are_identifiers:
            yield name
    yield from (constant for constant, count in found.items() if count > 1)


def patterns(api):
    """Patterns have no control characters, which end up in source code. Those of members are also for Go, whose regular
    expressions know no \\u, and which looks at no time with one."""
    for place, schema in schemas(api):
        pattern = schema.get("pattern", "")
        if re.search(r"[\x00-\x1f\x7f-\x9f]", pattern) or "format" in schema and pattern:
            yield place
        elif r"\u" in pattern and place != "/components/schemas/ClientKrn":  # only a parameter's
            yield place
        else:
            re.compile(pattern)


def unions(api):
    """A union is of components, each once, also as what an array holds: openapi-generator for TypeScript imports each by
    its name. `anyOf` is something else to each generator, and for openapi-generator nothing in `allOf` is ever null."""
    for place, schema in schemas(api):
        parts = schema.get("oneOf", [])
        held = [components(api).get(part.get("$ref", "").rpartition("/")[2], {}).get("items", part) for part in parts]
        texts = [json.dumps(part) for part in held]
        if set(schema) & {"anyOf", "allOf", "not"} or not all(map(is_named, parts)) or len(set(texts)) < len(texts):
            yield place


def open_answers(api):
    """What the server sends may get members: by default clients for Java and Go refuse those that they do not know."""
    sent = set()
    waiting = [media["schema"] for _, operation in operations(api)
               for response in operation.get("responses", {}).values()
               for media in resolved(api, response).get("content", {}).values()]
    while waiting:
        text = json.dumps(waiting.pop())
        for _, name in reference.findall(text):
            if name not in sent and name in components(api):
                sent.add(name)
                waiting.append(components(api)[name])
    for name in sent:
        if "properties" in components(api)[name] and components(api)[name].get("additionalProperties") is not True:
            yield name


def resolved(api, value):
    match = reference.fullmatch(value.get("$ref", ""))
    return components(api, match[1])[match[2]] if match else value


def names(api):
    """Operations are named like methods, once each, and have one known tag; schemas are named like classes."""
    known = {tag["name"] for tag in api.get("tags", [])}
    found = [operation.get("operationId", "") for _, operation in operations(api)]
    for place, operation in operations(api):
        name, tags = operation.get("operationId", ""), operation.get("tags", [])
        if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) or found.count(name) > 1 or len({*tags} & known) != 1:
            yield place
    for name in components(api):
        if not re.fullmatch(r"([A-Z][a-z]+)+", name) or name in taken_names:
            yield name


def head(api):
    """Who is responsible, and where a client finds a server."""
    if not api.get("info", {}).get("contact", {}).get("name"):
        yield "/info/contact"
    urls = [server["url"] for server in api.get("servers", [])]
    if not any(url.startswith("http") for url in urls):
        yield "/servers"


def in_schemas(**parts):
    return {"components": {"schemas": parts}}


def with_answer(schema, **parts):
    response = {"200": {"content": {"application/json": {"schema": schema}}}}
    return {"paths": {"/x": {"get": {"responses": response}}}, **in_schemas(**parts)}


a = {"$ref": "#/components/schemas/A"}
text = {"type": "string"}
rules = [
    (references, in_schemas(A=text, B={"$ref": "#/components/schemas/A/type"})),
    (references, in_schemas(B={"$ref": "#/components/schemas/Missing"})),
    (references, in_schemas(A=text, B={**a, "description": "x"})),
    (references, {"paths": {"/x": {"get": {"parameters": [{"$ref": "#/paths/~1y/get/parameters/0"}]}}}}),
    (named_parameters, {"paths": {"/x": {"parameters": [{"name": "id", "in": "path"}]}}}),
    (named_parameters, {"paths": {"/x": {"get": {"parameters": [{"name": "limit", "in": "query"}]}}}}),
    (named_parameters, {"paths": {"/x": {"get": {"responses": {"404": {"description": "x"}}}}}}),
    (named_parameters, {"paths": {"/x": {"get": {"responses": {"200": {"headers": {"ETag": {"schema": text}}}}}}}}),
    (named_bodies, with_answer(text)),
    (named_bodies, {"paths": {"/x": {"post": {"requestBody": {"content": {"application/json": {"schema": text}}}}}}}),
    (named_parts, in_schemas(A={"type": "object", "properties": {"b": {"type": "object", "properties": {"c": text}}}})),
    (named_parts, in_schemas(A={"type": "array", "items": {"oneOf": [a]}})),
    (named_parts, in_schemas(A={"type": "array", "items": {"type": "array", "items": text}})),
    (wide_integers, in_schemas(A={"type": "integer"})),
    (wide_integers, in_schemas(A={"type": ["integer", "null"], "maximum": 2**53 - 1})),
    (wide_integers, {"components": {"headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}}}),
    (wide_integers, in_schemas(A={"type": "object", "properties": {"x": {"type": "number"}}})),
    (nulls, in_schemas(A={"type": "null"})),
    (nulls, in_schemas(A={"oneOf": [a, {"type": "null"}]})),
    (nulls, in_schemas(A={"type": "string", "nullable": True})),
    (nulls, in_schemas(A={"type": ["string", "number", "null"]})),
    (texts_in_enumerations, in_schemas(A={"type": "boolean", "const": True})),
    (texts_in_enumerations, in_schemas(A={"type": "integer", "enum": [200]})),
    (constants, in_schemas(A={"type": "string", "enum": ["json"]}, B={"type": "string", "enum": ["json", "csv"]})),
    (constants, in_schemas(A={"type": "string", "enum": ["filename", "-filename"]})),
    (patterns, in_schemas(A={"type": "string", "pattern": "^[^\0]+$"})),
    (patterns, in_schemas(A={"type": "string", "pattern": r"^[^\u0000]+$"})),
    (patterns, in_schemas(A={"type": "string", "format": "date-time", "pattern": "Z$"})),
    (unions, in_schemas(A=text, B={"anyOf": [a]})),
    (unions, in_schemas(A=text, B={"oneOf": [a, {"type": "integer"}]})),
    (unions, in_schemas(A=text, B={"type": "array", "items": a}, C={"oneOf": [a, {"$ref": "#/components/schemas/B"}]})),
    (unions, in_schemas(A=text, B={"allOf": [a]})),
    (open_answers, with_answer(a, A={"type": "object", "properties": {"b": text}})),
    (open_answers, with_answer(a, A={"type": "array", "items": {"$ref": "#/components/schemas/B"}},
                               B={"type": "object", "properties": {"b": text}, "additionalProperties": False})),
    (names, {"paths": {"/x": {"get": {"operationId": "read_x", "tags": ["T"]}}}, "tags": [{"name": "T"}]}),
    (names, {"paths": {"/x": {"get": {"operationId": "readX", "tags": []}}}, "tags": [{"name": "T"}]}),
    (names, in_schemas(Record=text)),
    (names, in_schemas(some_part=text)),
    (head, {"info": {"contact": {"name": "x"}}, "servers": [{"url": "."}]}),
    (head, {"info": {}, "servers": [{"url": "http://127.0.0.1"}]}),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, _ in rules), ids=lambda rule: rule.__name__)
def test_the_document_keeps_the_rule(rule):
    assert list(rule(document)) == []


@pytest.mark.parametrize(("rule", "bad"), rules, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_finds_what_breaks_it(rule, bad):
    assert list(rule(bad))


def test_copies_are_equal():
    """A list cannot hold the schema that it is in a union with, nor another name of it (`unions`): it holds a copy."""
    record, listed = ({**components(document)[name], "description": ""} for name in ("ProgressRecord", "ListedRecord"))
    assert record == listed
    event, told = (components(document)[name] for name in ("HistoryEvent", "FeedEvent"))
    shared = {name: part for name, part in told["properties"].items() if name not in ("filename", "cursor")}
    assert event["properties"] == shared and ["filename", *event["required"]] == told["required"]
