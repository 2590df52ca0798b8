"""The query language as laws: every text has an answer or a 400, and an index finds what a test finds."""

import contextlib
import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.digital_twins.egress.filter import compiled
from local.digital_twins.errors import ServiceError
from local.digital_twins.query.answer import Position, answer
from local.digital_twins.query.compile import compile_query
from local.digital_twins.query.parse import LENGTH_LIMIT
from local.digital_twins.tables import PropertyIndex, prepare, write_relationship, write_twin

TWINS = [
    {"a": 1, "b": "x", "c": True, "d": {"e": 1.5, "f": "y"}},
    {"a": 2.5, "b": "xy", "c": False, "d": {"e": 2}, "list": [1, "x", True]},
    {"a": "1", "b": "y", "d": {}},
    {"a": True, "b": "", "list": []},
    {"a": -3, "b": "é\ud7ff", "d": {"f": "x"}},
    {"b": "x\U0010ffff", "a": 2**60, "c": True},
    {},
]
EDGES = [(0, 1), (1, 2), (2, 0), (0, 3), (3, 3), (4, 5), (1, 2)]


@pytest.fixture(scope="module")
def database():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    twins, relationships = PropertyIndex(connection, "twins"), PropertyIndex(connection, "relationships")
    for number, values in enumerate(TWINS):
        model = f"dtmi:m{number % 3};1"
        stamps = {name: {"lastUpdateTime": f"2026-03-0{number + 1}T06:00:00Z"} for name in values}
        document = {"$dtId": f"t{number}", **values, "$metadata": {"$model": model, **stamps}}
        twins.update(write_twin(connection, f"t{number}", model, json.dumps(document)), None, document)
    for number, (source, target) in enumerate(EDGES):
        document = {
            "$relationshipId": f"r{number}",
            "$sourceId": f"t{source}",
            "$targetId": f"t{target}",
            "$relationshipName": "n" if number % 2 else "m",
            "a": number,
        }
        key = write_relationship(connection, document, json.dumps(document))
        relationships.update(key, None, document)
    yield connection
    connection.close()


def run(database, text):
    query = compile_query(text, lambda kind: [kind, "dtmi:m0;1"])
    return json.loads(answer(database, query, Position(text), 100).body)["value"]


FIELD = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "d.e",
        "d.f",
        "d",
        "list",
        "$dtId",
        "$metadata.$model",
        "$metadata.a.lastUpdateTime",
        "$metadata.no",
        "no",
        "T.a",
        "[[b]]",
    ]
)
VALUE = st.sampled_from(
    [
        "1",
        "2.5",
        "-3",
        "0",
        "1e300",
        "'x'",
        "'y'",
        "''",
        "'t3'",
        "'é'",
        "true",
        "false",
        "null",
        "'dtmi:m1;1'",
        "'2026-03-02T06:00:00Z'",
    ]
)
TEXT = st.sampled_from(["'x'", "'t'", "''", "'é\ud7ff'", "'x\U0010ffff'", "'\U0010ffff'"])
LEAF = (
    st.builds("{} {} {}".format, FIELD, st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="]), VALUE)
    | st.builds("{} {} {}".format, VALUE, st.sampled_from(["=", "<", ">="]), FIELD)
    | st.builds("{} {} {}".format, FIELD, st.sampled_from(["=", "!=", "<"]), FIELD)
    | st.builds(
        "{} {} [{}]".format, FIELD, st.sampled_from(["IN", "NIN"]), st.lists(VALUE, max_size=3).map(", ".join)
    )
    | st.builds(
        "{}({})".format,
        st.sampled_from(
            [f"IS_{kind}" for kind in ("DEFINED", "NULL", "NUMBER", "BOOL", "STRING", "OBJECT", "PRIMITIVE")]
        ),
        FIELD,
    )
    | st.builds("{}({}, {})".format, st.sampled_from(["STARTSWITH", "ENDSWITH", "CONTAINS"]), FIELD, TEXT)
    | st.builds("ARRAY_CONTAINS({}, {})".format, FIELD, VALUE)
    | st.builds("IS_OF_MODEL({}{})".format, VALUE, st.sampled_from(["", ", exact"]))
)
CONDITION = st.recursive(
    LEAF,
    lambda inner: (
        st.builds("NOT {}".format, inner.map("({})".format))
        | st.builds("({} AND {})".format, inner, inner)
        | st.builds("({} OR {})".format, inner, inner)
    ),
    max_leaves=6,
)


@given(condition=CONDITION)
def test_the_indexes_find_what_testing_every_row_finds(database, condition):
    text = f"SELECT T.$dtId FROM DIGITALTWINS T WHERE {condition}"
    with contextlib.suppress(ServiceError):
        query = compile_query(text, lambda kind: [kind, "dtmi:m0;1"])
        tested = query.sql(lambda sql, most: None, (), 100)
        expected = [row[-1] for row in database.execute(tested.text, tested.parameters)]
        assert [json.dumps(row["$dtId"]) for row in run(database, text)] == expected
        counted = run(database, f"SELECT COUNT() FROM DIGITALTWINS T WHERE {condition}")
        assert counted == [{"COUNT": len(expected)}]


@given(condition=CONDITION)
def test_a_condition_and_its_negation_never_both_hold(database, condition):
    def found(where):
        return {row["$dtId"] for row in run(database, f"SELECT T.$dtId FROM DIGITALTWINS T WHERE {where}")}

    with contextlib.suppress(ServiceError):
        assert not found(condition) & found(f"NOT ({condition})")


HOP = st.builds(
    "{}-[{}]-{}".format,
    st.sampled_from(["", "<"]),
    st.sampled_from(["", "r", ":m", "q:m|n", ":n*2", "*1..3", "*..4", "*0..1", "m|n*..2"]),
    st.sampled_from(["", ">"]),
)
MATCHED = st.builds(
    "SELECT {} FROM DIGITALTWINS MATCH ({}){}({}){}({}) WHERE {}.$dtId {}".format,
    st.sampled_from(["*", "a", "b.$dtId", "a, b AS x", "COUNT()", "TOP(2) b"]),
    st.sampled_from(["a", ""]),
    HOP,
    st.sampled_from(["b", "a", ""]),
    HOP,
    st.sampled_from(["c", "b", "a"]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["= 't0'", "IN ['t1', 't4']", "!= 't2'", "= 't3' AND b.a > 0", "= 't0' AND r.a < 5"]),
)
WORDS = st.sampled_from(
    [
        *("SELECT", "*", "COUNT()", "TOP(3)", "FROM", "DIGITALTWINS", "RELATIONSHIPS", "T", "R", "WHERE"),
        *("AND", "OR", "NOT", "IN", "NIN", "[", "]", "(", ")", ",", ".", "=", "!=", "<", ">=", "'a'"),
        *("'\\''", "1", "-2e5", "1e999", "99999999999999999999", "true", "null", "T.$dtId", "$metadata"),
        *("exact", "JOIN", "RELATED", "MATCH", "(a)-[]->(b)", "(a)<-[x:y*2..3]-(b)", "AS", "IS_DEFINED("),
        *("CONTAINS(", "IS_OF_MODEL(", "[[Group]]", "[[a'b]]", "GROUP", "ORDER", "BY", '"', "\\", "é"),
    ]
)


@given(
    text=MATCHED
    | st.lists(WORDS, max_size=16).map(" ".join)
    | st.lists(WORDS, max_size=10).map(lambda words: " ".join(["SELECT * FROM DIGITALTWINS T WHERE", *words]))
    | st.text(max_size=60)
)
def test_every_text_is_answered_or_refused(database, text):
    with contextlib.suppress(ServiceError):
        run(database, text)


@given(text=st.lists(WORDS | st.sampled_from(["type", "$body.a", "STARTS_WITH("]), max_size=12).map(" ".join))
def test_every_route_filter_is_taken_or_refused(text):
    event = {"type": "microsoft.iot.telemetry", "data": {"a": 1}}
    with contextlib.suppress(ServiceError):
        assert compiled(text)(event) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM DIGITALTWINS WHERE " + "(" * 150 + "a = 1" + ")" * 150,
        "SELECT * FROM DIGITALTWINS WHERE " + "NOT " * 1900 + "a = 1",
        "SELECT * FROM DIGITALTWINS WHERE " + " AND ".join(["a = 1"] * 51),
    ],
    ids=["parentheses", "negations", "operators"],
)
def test_the_largest_queries_are_answered(database, text):
    assert [row["$dtId"] for row in run(database, text)] == ["t0"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM DIGITALTWINS WHERE " + "(" * 201 + "a = 1" + ")" * 201,
        "SELECT * FROM DIGITALTWINS WHERE " + " OR ".join(["a = 1"] * 52),
        "SELECT * FROM DIGITALTWINS WHERE a IN [" + ", ".join(["1"] * 51) + "]",
        "SELECT * FROM DIGITALTWINS".ljust(LENGTH_LIMIT + 1),
    ],
    ids=["parentheses", "operators", "members", "length"],
)
def test_queries_beyond_the_limits_are_refused(database, text):
    with pytest.raises(ServiceError) as info:
        run(database, text)
    assert info.value.code == "SqlQueryError"
