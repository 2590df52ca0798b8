"""Whatever is sent: an answer of the service's own, never its failure, and none that never comes."""

import base64
import hmac
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.cosmos.errors import CosmosError
from local.cosmos.json_types import Json, JsonObject, Undefined, dump
from local.cosmos.query import plan
from local.cosmos.query.functions import FUNCTIONS
from local.cosmos.query.grammar import KEYWORDS
from local.cosmos.query.parser import parse
from local.cosmos.query.program import Program, compile_query, run
from local.cosmos.query.tree import AGGREGATES

DOCUMENT: JsonObject = {
    "id": "1", "pk": "a", "n": 3, "x": -1.5, "t": "text_%", "yes": True, "none": None, "big": 2**62,
    "tags": ["b", "a", 1, None, {"k": "v"}], "deep": {"x": [[1, 2], [3]], "at": "2026-01-01T00:00:00Z"},
}  # fmt: skip
PARAMETERS: JsonObject = {"@p": 1, "@q": ["a", {"k": None}], "@r": "x"}

MANY = max(250, settings.default.max_examples)
"""Of cases that take no request."""

paths = st.sampled_from(
    ["c", "c.n", "c.x", "c.t", "c.tags", "c.deep.x", "c.none", "c.missing", 'c["yes"]', "c.tags[4].k", "s"]
)
literals = st.sampled_from(
    [
        "1",
        "-2.5",
        "1e308",
        "9223372036854775807",
        "'te%_'",
        '"\\u00e9"',
        "true",
        "null",
        "undefined",
        "@p",
        "@q",
        "@r",
        "[]",
        "{}",
        "'(a+)+$'",
        "'2026-01-01T00:00:00Z'",
        "'day'",
    ]
)
names = st.sampled_from(sorted(FUNCTIONS) + sorted(AGGREGATES) + ["NOSUCH", "DOCUMENTID", "udf.f"])
binary = st.sampled_from(
    ["+", "-", "*", "/", "%", "||", "=", "!=", "<>", "<", ">=", "&", "|", "^", "AND", "OR", "??"]
)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(inner, max_size=4).map(", ".join)
    return st.one_of(
        st.tuples(inner, binary, inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(names, some).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(st.sampled_from(["NOT", "-", "~", "+"]), inner).map(" ".join),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
        st.tuples(inner, some).map(lambda parts: f"({parts[0]} IN ({parts[1]}))"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} BETWEEN {parts[1]} AND {parts[2]})"),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]} LIKE {parts[1]})"),
        some.map("[{}]".format),
        inner.map("{{'a': {0}, b: {0}}}".format),
        inner.map("ARRAY(SELECT VALUE {} FROM s IN c.tags)".format),
        inner.map("EXISTS(SELECT 1 FROM s IN c.tags WHERE {})".format),
        inner.map("(SELECT VALUE {} ORDER BY c.n)".format),
    )


expressions = st.recursive(paths | literals, _compound, max_leaves=8)
selections = st.one_of(
    st.just("*"),
    expressions.map("VALUE {}".format),
    st.lists(expressions, min_size=1, max_size=3).map(
        lambda listed: ", ".join(f"{one} AS a{place}" for place, one in enumerate(listed))
    ),
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    def perhaps(text: str) -> str:
        return text if draw(st.booleans()) else ""

    return " ".join([
        "SELECT", perhaps("DISTINCT"), perhaps("TOP 3"), draw(selections), "FROM c",
        perhaps("JOIN s IN c.tags"),
        perhaps(f"WHERE {draw(expressions)}"), perhaps(f"GROUP BY {draw(expressions)}"),
        perhaps(f"ORDER BY {draw(expressions)} DESC"), perhaps("OFFSET 1 LIMIT 2"),
    ])  # fmt: skip


scraps = st.lists(
    st.sampled_from(
        [*sorted(KEYWORDS), *"()[]{},.*=<>!?:|&^~+-/%@'\"\\", "c", "1", "'s'", "--", "\n", "\x00", "é"]
    )
    | st.text(max_size=3),
    max_size=40,
).map(" ".join)


@contextmanager
def refusals_allowed() -> Iterator[None]:
    """A refusal is an answer; anything else that is raised is a failure."""
    try:
        yield
    except CosmosError as refused:
        if refused.status not in (400, 501):
            raise


def answered(text: str) -> None:
    """Plans a query and runs it on DOCUMENT."""
    with refusals_allowed():
        plan_of = plan.query_plan(
            text, parse(text), PARAMETERS, frozenset({"OrderBy", "Aggregate", "Distinct"})
        )
        dump(plan_of)
    with refusals_allowed():
        dump(results(compile_query(parse(text), PARAMETERS), DOCUMENT))


def results(program: Program, document: JsonObject) -> list[Json]:
    return [one for one in run(program, {"": document}) if not isinstance(one, Undefined)]


@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(queries())
def test_any_query_of_the_grammar_is_answered_or_refused(text: str) -> None:
    answered(text)


@settings(max_examples=MANY, deadline=None)
@given(scraps)
def test_any_text_as_a_query_is_answered_or_refused(text: str) -> None:
    answered(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE COUNT(1) FROM c" + "".join(f" JOIN a{i} IN c.many" for i in range(6)),
        "SELECT VALUE x FROM (" * 40 + "SELECT VALUE c FROM c" + ") y JOIN x IN [y, y]" * 40,
        "SELECT VALUE " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT VALUE " + "NOT " * 3000 + "true",
        "SELECT VALUE 1" + "+1" * 5000,
        "SELECT VALUE c" + ".x" * 5000 + " FROM c",
        "SELECT VALUE RegexMatch(c.long, '^(a+)+$') FROM c",
        "SELECT * FROM c WHERE c.long LIKE '" + "%a" * 200 + "b'",
        "SELECT VALUE REPLACE(REPLACE(c.long, 'a', c.long), 'a', c.long) FROM c",
        "SELECT VALUE " + "ARRAY_CONCAT(" * 12 + "c.many" + ", c.many, c.many, c.many)" * 12 + " FROM c",
    ],
    ids=[
        "joins", "doubled", "parentheses", "negations", "sums", "steps", "regex", "like", "replaced",
        "concatenated",
    ],
)  # fmt: skip
def test_a_query_that_asks_for_too_much_ends(text: str) -> None:
    document: JsonObject = {"id": "1", "many": list(range(60)), "long": "a" * 5000}
    with refusals_allowed(), suppress(RecursionError):  # to that the service answers 400
        dump(results(compile_query(parse(text), {}), document))


@pytest.fixture(scope="module")
def target(database: DatabaseProxy) -> ContainerProxy:
    return database.create_container("fuzzed", PartitionKey("/pk"), default_ttl=-1)


PROPERTIES = [
    "id", "pk", "ttl", "op", "path", "value", "query", "parameters", "name", "operations", "condition",
    "operationType", "resourceBody",
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PROPERTIES), inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip
bodies = st.one_of(
    json_values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=50),
    st.integers(100, 5000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(100, 1000).map(lambda depth: b'{"id":"1","pk":"a","v":' + b"[" * depth + b"]" * depth + b"}"),
)
header_values = st.sampled_from(
    [
        "",
        "x",
        "-1",
        "99999999999999999999",
        "1e9",
        "[]",
        '["a"]',
        "[1e400]",
        "{}",
        "True",
        '"3"',
        "*",
        "\u00b2",
        "Sun, 99 Foo 1 00:00:00",
        "bm9uZQ==",
        "eyJrIjpbXSwicyI6MTg0NDY3NDQwNzM3MDk1NTE2MTUsImUiOjAsIm8iOjAsInQiOjB9",
    ]
)
headers = st.dictionaries(
    st.sampled_from(
        [
            "x-ms-documentdb-partitionkey",
            "x-ms-documentdb-isquery",
            "x-ms-documentdb-is-upsert",
            "x-ms-cosmos-is-batch-request",
            "x-ms-cosmos-batch-atomic",
            "x-ms-max-item-count",
            "x-ms-continuation",
            "x-ms-start-epk",
            "x-ms-end-epk",
            "x-ms-documentdb-partitionkeyrangeid",
            "if-none-match",
            "if-match",
            "if-modified-since",
            "a-im",
            "x-ms-cosmos-is-query-plan-request",
            "x-ms-documentdb-query-enablecrosspartition",
            "x-ms-offer-throughput",
            "x-ms-cosmos-offer-autopilot-settings",
            "x-ms-documentdb-expiry-seconds",
            "content-type",
        ]
    ),
    header_values | st.sampled_from(["Incremental Feed", "Full-Fidelity Feed", "application/query+json"]),
    max_size=5,
)
BELOW = ["", "/docs", "/docs/1", "/sprocs", "/conflicts", "/pkranges", "/operations/partitionkeydelete"]
places = st.sampled_from([
    "", "dbs", "dbs/tests/colls", "dbs/tests/users", "dbs/tests/users/u/permissions", "offers", "offers/AAAB",
    "dbs/AAAAAQ==/colls/AAAAAQAAAAE=/docs/AAAA", *(f"dbs/tests/colls/fuzzed{one}" for one in BELOW),
])  # fmt: skip


def send(service: Any, verb: str, place: str, body: bytes, extra: dict[str, str]) -> int:
    address, date = urlsplit(service.endpoints["cosmos"]), format_datetime(datetime.now(UTC), usegmt=True)
    parts = place.split("/") if place else []
    if "operations" in parts:
        parts = parts[:4]
        kind, link = "colls", "/".join(parts)
    elif not parts:
        kind = link = ""
    elif len(parts) % 2:
        kind, link = parts[-1], "/".join(parts[:-1])
    else:
        kind, link = parts[-2], "/".join(parts)
    if place.startswith(("offers", "dbs/AAAA")) and link:
        link = (parts[-2] if len(parts) % 2 else parts[-1]).lower()
    text = f"{verb.lower()}\n{kind}\n{link}\n{date.lower()}\n\n"
    key = base64.b64decode(service.endpoints["cosmosKey"])
    signature = base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request(verb, f"/{place}", body, {
            **{name: value.encode() for name, value in extra.items()}, "x-ms-date": date,
            "authorization": quote(f"type=master&ver=1.0&sig={signature}"),
        })  # fmt: skip
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(verb=st.sampled_from(["GET", "POST", "PUT", "PATCH"]), place=places, body=bodies, extra=headers)
def test_any_body_and_headers_get_an_answer_and_never_a_failure(
    service: Any, target: ContainerProxy, verb: str, place: str, body: bytes, extra: dict[str, str]
) -> None:
    status = send(service, verb, place, body, extra)
    assert status < 500 or status == 501
    assert status != 401
    target.upsert_item({"id": "alive", "pk": "a"})
