"""What an OpenAPI document cannot say of the API: the formats of texts, and which fields exclude each other."""

import json
from urllib.parse import unquote

import schemathesis
from hypothesis import strategies as st

NO_NUL = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def text(max_bytes, min_size=0, alphabet=NO_NUL):
    """Texts by their length in bytes, which JSON Schema has no word for."""
    texts = st.text(alphabet, min_size=min_size, max_size=max_bytes)
    return texts.filter(lambda text: len(text.encode()) <= max_bytes)


versions = st.integers(0, 2**64 - 1).map(str)
tags = versions.map('"{}"'.format)
seconds = st.integers(1, 3_153_600_000).map(str)
units = ["us", "ms", "s", "sec", "m", "min", "h", "hours", "d", "days", "w", "y"]
# Of each unit so many that none is more than 100 years.
durations = st.lists(
    st.builds("{}{}{}".format, st.integers(1, 20), st.sampled_from(["", " "]), st.sampled_from(units)),
    min_size=1,
    max_size=4,
).map(" ".join)

for name, strategy in {
    "key": text(1024, min_size=1),
    "prefix": text(1024),
    "idempotency-key": text(255, min_size=1, alphabet=st.characters(exclude_categories=["Cs"])),
    "version": versions,
    "version-or-any": st.just("*") | versions,
    "version-tag": st.just("*") | tags,
    "version-tags": st.just("*") | st.lists(tags, min_size=1, max_size=3).map(", ".join),
    "token-name": text(100, min_size=1, alphabet=st.characters(exclude_categories=["Cs", "Cc"])).filter(str.strip),
    "wait": st.integers(0, 50).map("{}ms".format),
    "duration": seconds | durations,
    "ttl": st.sampled_from(["none", "keep"]) | seconds | durations,
}.items():
    schemathesis.openapi.format(f"kverse-{name}", strategy)


@schemathesis.serializer("application/x-ndjson")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("application/x-ndjson")
def as_text(context, response):
    return response.content.decode()


def keep_one(fields, first, second):
    """Leaves the first of two fields that exclude each other."""
    if fields and fields.get(first) is not None and fields.get(second) is not None:
        del fields[second]


def store(schema, key):
    """Stores something under a key, and returns its entity tag."""
    put = schema["/kv"]["PUT"]
    response = put.Case(query={"key": key}, body=b"x", media_type="application/octet-stream").call()
    return response.headers["etag"][0]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes valid what was made to be valid, but has fields that exclude each other; and half of the keys exist."""
    label = context.operation.label
    if label.endswith(" /watch"):
        # A stream of events does not end: it has tests of its own.
        case.headers["Accept"] = "application/json"
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    is_read = label.startswith(("GET", "HEAD"))
    if not is_read:
        keep_one(case.headers, "If-Match", "If-None-Match")
    if label == "PUT /kv":
        if case.media_type == "application/json":
            case.query.pop("key", None)
            case.query.pop("ttl", None)
        else:
            case.query.setdefault("key", "k")
    elif label in ("GET /keys", "HEAD /keys"):
        # A cursor is valid only with the list that it came from.
        case.query.pop("cursor", None)
        if case.query.get("count") in (True, "true"):
            for name in ("delimiter", "limit", "max_bytes", "include"):
                case.query.pop(name, None)
    elif label.endswith(" /watch"):
        case.query.pop("include", None)
    elif label == "POST /import":
        # A line with another key ends the import.
        case.query.pop("prefix", None)
        case.body = json.dumps({"key": "imported", "value": str(case.body)})
    elif label == "DELETE /keys":
        case.query.pop("cursor", None)
        case.query["confirm"] = case.query["prefix"] or "*"
    fields = case.body if isinstance(case.body, dict) else {}
    for operation in fields.get("operations", []):
        keep_one(operation, "if_match", "if_none_match")
        keep_one(operation, "ttl", "expires_at")
    for scope in fields.get("scopes", []):
        if {"monitor", "admin"} & set(scope["verbs"]):
            scope.pop("prefix", None)
    if context.operation.path.startswith("/kv"):
        places = (case.path_parameters, case.query, fields)
        key = unquote(next(place["key"] for place in places if place and "key" in place))
        if (is_read or "If-None-Match" not in case.headers) and len(key) % 2:
            tag = store(context.operation.schema, key)
            if case.headers.get("If-Match", "*") != "*":
                case.headers["If-Match"] = tag
