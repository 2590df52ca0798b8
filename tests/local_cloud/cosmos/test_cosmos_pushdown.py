"""What SQLite is given to do never changes a result: laws over predicates on documents of every type."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cosmos.change_feed import Scope
from local.cosmos.container import Container
from local.cosmos.documents import Documents
from local.cosmos.query import pushdown
from local.cosmos.query.engine import execute
from local.cosmos.query.indexes import Indexes
from local.cosmos.query.parser import parse
from local.cosmos.query.program import compile_query, run
from local.cosmos.query.request import Request
from local.cosmos.query.values import canonical, order_key
from local.cosmos.store import Store

PROPERTIES = ("a", "b", "deep.x")
SCALARS = [
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 1.0, 2.0**53, 1e300, -1e-300, 0.1,
    "", "a", "ab", "b", "1", "true", "null", "é", "\U0001f600", "[]", "[1]", "Z",
]  # fmt: skip
NESTED: list[Any] = [[], [1], ["a", None], {}, {"x": 1}, {"y": "a"}]
MISSING = object()


def corpus(values: list[Any], count: int) -> list[dict[str, Any]]:
    """Documents whose properties run through all values, in ever new company."""
    chance = random.Random(7)
    made: list[dict[str, Any]] = []
    for i in range(count):
        a, b, x = values[i % len(values)], chance.choice(values), chance.choice(values)
        document: dict[str, Any] = {"id": str(i), "pk": f"p{i % 2}", "deep": {} if x is MISSING else {"x": x}}
        document.update({name: value for name, value in (("a", a), ("b", b)) if value is not MISSING})
        made.append(document)
    return made


EVERYTHING = corpus([*SCALARS, *NESTED, MISSING, MISSING], 144)
ORDERABLE = corpus([*SCALARS, MISSING], 87)

paths = st.sampled_from([f"c.{name}" for name in PROPERTIES])
literals = st.sampled_from([canonical(value).decode() for value in SCALARS])
operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
tests = st.one_of(
    st.tuples(paths, operators, literals).map(" ".join),
    st.tuples(literals, operators, paths).map(" ".join),
    st.tuples(paths, paths).map(" = ".join),
    paths,
    st.builds("IS_DEFINED({})".format, paths),
    st.builds("NOT IS_DEFINED({})".format, paths),
    st.builds("{} IN ({}, {})".format, paths, literals, literals),
    st.builds("{} BETWEEN {} AND {}".format, paths, literals, literals),
    st.builds("STARTSWITH({}, {})".format, paths, literals),
    st.builds("IS_NUMBER({})".format, paths),
)
predicates = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("cosmos") / "cosmos.sqlite", time.time)
    store.create_database("d")
    yield store
    store.close()


def filled(store: Store, name: str, given_documents: list[dict[str, Any]]) -> Container:
    container = store.create_container("d", {"id": name, "partitionKey": {"paths": ["/pk"]}})
    documents = Documents(store, container)
    for document in given_documents:
        with store.transaction(container) as lsn:
            documents.create(lsn * 128, container.key.of_document(document), dict(document))
    return container


@pytest.fixture(scope="module")
def everything(store: Store) -> Container:
    return filled(store, "everything", EVERYTHING)


@pytest.fixture(scope="module", params=[False, True], ids=["scanned", "indexed"])
def orderable(store: Store, request: pytest.FixtureRequest) -> Container:
    container = filled(store, f"orderable{request.param}", ORDERABLE)
    for number, name in enumerate(PROPERTIES if request.param else ()):
        path = tuple(name.split("."))
        columns = f"({pushdown.type_rank(path)}), ({pushdown.value_of(path)})"
        store.connection.execute(f"CREATE INDEX {container.table}_{number} ON {container.table}({columns})")
    return container


def answer(store: Store, container: Container, text: str, page_size: int) -> list[Any]:
    """All results through the engine, page by page."""
    found: list[Any] = []
    continuation: str | None = None
    while True:
        request = Request(
            connection=store.connection,
            indexes=Indexes(store.connection),
            container=container,
            scope=Scope(),
            program=compile_query(parse(text), {}),
            parameters={},
            limit=page_size,
            continuation=continuation,
            now=time.time(),
        )
        page = asyncio.run(execute(request))
        found += page.results
        continuation = page.continuation
        if continuation is None:
            return found


def expected(given_documents: list[dict[str, Any]], text: str) -> list[Any]:
    """All results by the evaluator alone, in the order of the documents."""
    program = compile_query(parse(text), {})
    return [value for document in given_documents for value in run(program, {"": document})]


@settings(max_examples=200, deadline=None)
@given(predicate=predicates, page_size=st.integers(20, 200))
def test_a_pushed_predicate_selects_what_the_evaluator_selects(
    store: Store, everything: Container, predicate: str, page_size: int
) -> None:
    text = f"SELECT VALUE c.id FROM c WHERE {predicate}"
    assert answer(store, everything, text, page_size) == expected(EVERYTHING, text)


@settings(max_examples=50, deadline=None)
@given(predicate=predicates, path=paths, descending=st.booleans(), page_size=st.integers(5, 90))
def test_order_by_in_sqlite_is_the_evaluators_order(
    store: Store, orderable: Container, predicate: str, path: str, descending: bool, page_size: int
) -> None:
    direction = "DESC" if descending else "ASC"
    text = f"SELECT VALUE [{path}, c.id] FROM c WHERE {predicate} ORDER BY {path} {direction}"
    found = answer(store, orderable, text, page_size)
    plain = expected(
        ORDERABLE, f"SELECT VALUE [{path}, c.id] FROM c WHERE ({predicate}) AND IS_DEFINED({path})"
    )
    assert found == sorted(plain, key=lambda pair: (order_key(pair[0]), int(pair[1])), reverse=descending)
