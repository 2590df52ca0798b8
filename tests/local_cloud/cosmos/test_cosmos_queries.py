"""The query language through azure-cosmos, inside a partition and across partitions."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey
from azure.cosmos.aio import ContainerProxy as AioContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

DOCUMENTS = [
    {
        "id": f"d{i}", "pk": f"p{i % 4}", "n": i, "name": f"name-{i:02}", "even": i % 2 == 0,
        "tags": ["a", "b"] if i % 3 == 0 else ["c"], "deep": {"x": i * 0.5},
        **({"note": None} if i % 5 == 0 else {}),
    }
    for i in range(24)
]  # fmt: skip
COMPOSITE = {
    "indexingMode": "consistent",
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": "/deep/*"}],
    "compositeIndexes": [
        [{"path": "/even", "order": "ascending"}, {"path": "/n", "order": "descending"}],
    ],
}


@pytest.fixture(scope="session")
def filled(database: DatabaseProxy) -> ContainerProxy:
    """A container with DOCUMENTS in four partitions; nobody changes it."""
    container = database.create_container("filled", PartitionKey("/pk"), indexing_policy=COMPOSITE)
    for document in DOCUMENTS:
        container.create_item(document)
    return container


def across(container: ContainerProxy, text: str, **parameters: Any) -> list[Any]:
    given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    return list(container.query_items(text, parameters=given, enable_cross_partition_query=True))


def inside(container: ContainerProxy, text: str, **parameters: Any) -> list[Any]:
    given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    return list(container.query_items(text, parameters=given, partition_key="p0"))


def numbers(predicate: Callable[[int], bool]) -> list[int]:
    return [i for i in range(24) if predicate(i)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("c.n = 5", numbers(lambda i: i == 5)),
        ("c.n != 5", numbers(lambda i: i != 5)),
        ("c.n > 20 OR c.n <= 1", [0, 1, 21, 22, 23]),
        ("c.n BETWEEN 4 AND 6", [4, 5, 6]),
        ("c.n NOT BETWEEN 2 AND 22", [0, 1, 23]),
        ("c.n IN (1, 3, 'x')", [1, 3]),
        ("c.n NOT IN (1, 3) AND c.n < 5", [0, 2, 4]),
        ("c.even", numbers(lambda i: i % 2 == 0)),
        ("c.even = true AND c.n < 4", [0, 2]),
        ("NOT c.even AND c.n < 4", [1, 3]),
        ("c.note = null", numbers(lambda i: i % 5 == 0)),
        ("IS_NULL(c.note)", numbers(lambda i: i % 5 == 0)),
        ("IS_DEFINED(c.note) AND c.n > 10", [15, 20]),
        ("NOT IS_DEFINED(c.note) AND c.n < 3", [1, 2]),
        ("c.missing = 1 OR c.n = 2", [2]),
        ("NOT (c.missing = 1)", []),
        ("c.missing != 1", []),
        ("c.n = '5'", []),
        ("c.n < 'z'", []),
        ("c.even = 1", []),
        ("STARTSWITH(c.name, 'name-1')", numbers(lambda i: 10 <= i < 20)),
        ("STARTSWITH(c.name, 'NAME-2', true)", [20, 21, 22, 23]),
        ("CONTAINS(c.name, '-07')", [7]),
        ("ENDSWITH(c.name, '3')", [3, 13, 23]),
        ("c.name LIKE '%-0_' AND c.n > 7", [8, 9]),
        ("c.name LIKE 'name-[01]5'", [5, 15]),
        ("ARRAY_CONTAINS(c.tags, 'a')", numbers(lambda i: i % 3 == 0)),
        ("ARRAY_LENGTH(c.tags) = 2 AND c.n < 7", [0, 3, 6]),
        ("c.tags[0] = 'c' AND c.n < 3", [1, 2]),
        ("c.deep.x = 1.5", [3]),
        ('c["deep"]["x"] >= 11', [22, 23]),
        ("c.n % 7 = 0", [0, 7, 14, 21]),
        ("c.n * 2 + 1 = 11", [5]),
        ("(c.note ?? 'none') = 'none' AND c.n < 3", [1, 2]),
        ("(c.even ? c.n : -1) > 19", [20, 22]),
        ("c.name || '!' = 'name-04!'", [4]),
        ("EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'b') AND c.n < 4", [0, 3]),
        ("c.id = 'd7'", [7]),
        ("c.pk = 'p1' AND c.n < 6", [1, 5]),
        ("c.pk IN ('p1', 'p2') AND c.n < 4", [1, 2]),
        ("LENGTH(c.name) = 7 AND ABS(c.n - 3) < 1", [3]),
    ],
)
def test_where(filled: ContainerProxy, where: str, expected: list[int]) -> None:
    assert sorted(across(filled, f"SELECT VALUE c.n FROM c WHERE {where}")) == expected
    mine = [i for i in expected if i % 4 == 0]
    assert sorted(inside(filled, f"SELECT VALUE c.n FROM c WHERE {where}")) == mine


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT c.id, c.deep.x AS half, c.n + 1, c.missing FROM c", {"id": "d4", "half": 2.0, "$1": 5}),
        ("SELECT VALUE {n: c.n, 'list': [c.n, c.missing, 'x']} FROM c", {"n": 4, "list": [4, "x"]}),
        ("SELECT VALUE c.tags FROM c", ["c"]),
        ("SELECT VALUE x.deep FROM machines x", {"x": 2.0}),
        ("SELECT * FROM c.deep", {"x": 2.0}),
        ("SELECT VALUE ARRAY(SELECT VALUE UPPER(t) FROM t IN c.tags) FROM c", ["C"]),
        ("SELECT VALUE (SELECT VALUE COUNT(1) FROM t IN c.tags) FROM c", 1),
        (
            "SELECT VALUE DateTimeAdd('mi', c.n, '2026-01-31T23:58:00Z') FROM c",
            "2026-02-01T00:02:00.0000000Z",
        ),
        (
            "SELECT VALUE DateTimeBin('2026-01-01T00:07:31.5Z', 'mi', 5) FROM c",
            "2026-01-01T00:05:00.0000000Z",
        ),
        ("SELECT VALUE DateTimeDiff('hour', '2026-01-01T00:59:00Z', '2026-01-01T02:00:00Z') FROM c", 2),
        ("SELECT VALUE TimestampToDateTime(1767225600000) FROM c", "2026-01-01T00:00:00.0000000Z"),
        ("SELECT VALUE DateTimeToTimestamp('2026-01-01T00:00:00Z') FROM c", 1767225600000),
        ("SELECT VALUE SUBSTRING(c.name, 0, 4) FROM c", "name"),
        ("SELECT VALUE ROUND(-2.5) FROM c", -3),
        ("SELECT VALUE 7 / 2 FROM c", 3.5),
        ("SELECT VALUE StringToNumber('12.5') FROM c", 12.5),
        ("SELECT VALUE IIF(c.n > 3, 'big', 'small') FROM c", "big"),
    ],
)
def test_projections(filled: ContainerProxy, text: str, expected: Any) -> None:
    where = " WHERE c.n = 4" if " c" in text and "machines" not in text and "FROM c.deep" not in text else ""
    if "machines" in text:
        where = " WHERE x.n = 4"
    if "FROM c.deep" in text:
        where = " WHERE deep.x = 2"
    assert across(filled, text + where) == [expected]


def test_undefined_results_are_left_out(filled: ContainerProxy) -> None:
    assert sorted(across(filled, "SELECT VALUE c.note FROM c WHERE c.n < 11"), key=str) == [None, None, None]
    assert across(filled, "SELECT VALUE 1 / 0 FROM c") == []


def test_joins_multiply_and_filter(filled: ContainerProxy) -> None:
    rows = across(filled, "SELECT c.n, t FROM c JOIN t IN c.tags WHERE c.n < 4 AND t != 'a'")
    assert sorted((row["n"], row["t"]) for row in rows) == [(0, "b"), (1, "c"), (2, "c"), (3, "b")]


def test_order_by_top_offset_and_distinct(filled: ContainerProxy) -> None:
    assert across(filled, "SELECT VALUE c.n FROM c ORDER BY c.n DESC") == list(range(23, -1, -1))
    assert across(filled, "SELECT TOP 3 VALUE c.name FROM c ORDER BY c.name") == [
        "name-00",
        "name-01",
        "name-02",
    ]
    assert across(filled, "SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 5 LIMIT 3") == [5, 6, 7]
    assert across(filled, "SELECT c.n FROM c WHERE c.even ORDER BY c.n OFFSET @o LIMIT @l", o=2, l=2) == [
        {"n": 4},
        {"n": 6},
    ]
    assert sorted(across(filled, "SELECT DISTINCT VALUE c.pk FROM c")) == ["p0", "p1", "p2", "p3"]
    assert across(filled, "SELECT DISTINCT VALUE c.even FROM c ORDER BY c.even") == [False, True]
    assert len(across(filled, "SELECT VALUE c.n FROM c OFFSET 20 LIMIT 10")) == 4
    assert len(across(filled, "SELECT TOP 5 * FROM c")) == 5
    assert inside(filled, "SELECT TOP 2 VALUE c.n FROM c ORDER BY c.n DESC") == [20, 16]


def test_a_composite_index_serves_its_order_and_the_reverse_of_it_only(filled: ContainerProxy) -> None:
    expected = sorted(DOCUMENTS, key=lambda one: (one["even"], -int(str(one["n"]))))
    found = across(filled, "SELECT VALUE c.n FROM c ORDER BY c.even, c.n DESC")
    assert found == [one["n"] for one in expected]
    assert across(filled, "SELECT VALUE c.n FROM c ORDER BY c.even DESC, c.n ASC") == found[::-1]
    for text in ("ORDER BY c.even, c.n", "ORDER BY c.n, c.even DESC", "ORDER BY c.n, c.name"):
        with pytest.raises(CosmosHttpResponseError, match="does not have a corresponding composite index"):
            across(filled, f"SELECT * FROM c {text}")


def test_order_by_leaves_out_documents_without_the_property(filled: ContainerProxy) -> None:
    assert len(across(filled, "SELECT * FROM c ORDER BY c.note")) == 5


def test_order_by_an_excluded_path_or_an_expression_is_refused(filled: ContainerProxy) -> None:
    with pytest.raises(CosmosHttpResponseError, match="order-by item is excluded"):
        inside(filled, "SELECT * FROM c ORDER BY c.deep.x")
    with pytest.raises(CosmosHttpResponseError, match="could not be mapped to a document path"):
        inside(filled, "SELECT * FROM c ORDER BY c.n + 1")


def test_order_by_sorts_types_before_values(make_container: Callable[..., ContainerProxy]) -> None:
    container = make_container()
    values = ["b", 2, None, True, "a", 1.5, False, -1]
    for i, value in enumerate(values):
        container.create_item({"id": str(i), "pk": "p0", "v": value})
    container.create_item({"id": "none", "pk": "p0"})
    expected = [None, False, True, -1, 1.5, 2, "a", "b"]
    assert inside(container, "SELECT VALUE c.v FROM c ORDER BY c.v") == expected
    assert inside(container, "SELECT VALUE c.v FROM c ORDER BY c.v DESC") == expected[::-1]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("COUNT(1)", 24), ("COUNT(c.note)", 5), ("SUM(c.n)", 276), ("AVG(c.n)", 11.5),
        ("MIN(c.name)", "name-00"), ("MAX(c.n)", 23),
    ],
)  # fmt: skip
def test_one_aggregate_across_partitions(filled: ContainerProxy, aggregate: str, expected: object) -> None:
    assert across(filled, f"SELECT VALUE {aggregate} FROM c") == [expected]


def test_an_aggregate_of_nothing(filled: ContainerProxy) -> None:
    assert across(filled, "SELECT VALUE COUNT(1) FROM c WHERE c.n > 99") == [0]
    assert inside(filled, "SELECT VALUE SUM(c.n) FROM c WHERE c.n > 99") == [0]
    assert inside(filled, "SELECT VALUE MAX(c.n) FROM c WHERE c.n > 99") == []
    assert inside(filled, "SELECT VALUE SUM(c.name) FROM c") == []


def test_groups_and_several_aggregates_work_inside_a_partition(filled: ContainerProxy) -> None:
    rows = inside(
        filled, "SELECT c.tags[0] AS tag, COUNT(1) AS n, MAX(c.n) AS high FROM c GROUP BY c.tags[0]"
    )
    assert sorted(rows, key=lambda row: row["tag"]) == [
        {"tag": "a", "n": 2, "high": 12},
        {"tag": "c", "n": 4, "high": 20},
    ]
    rows = inside(filled, "SELECT COUNT(1) AS n, AVG(c.n) AS mean FROM c")
    assert rows == [{"n": 6, "mean": 10}]


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("SELECT c.pk, COUNT(1) AS n FROM c GROUP BY c.pk", "GroupBy"),
        ("SELECT VALUE c.pk FROM c GROUP BY c.pk", "GroupBy"),
        ("SELECT COUNT(1) AS n, MAX(c.n) AS high FROM c", "MultipleAggregates"),
        ("SELECT COUNT(1) AS n FROM c", "NonValueAggregate"),
    ],
)
def test_what_the_sdk_can_not_merge_is_refused_across_partitions(
    filled: ContainerProxy, text: str, feature: str
) -> None:
    with pytest.raises(CosmosHttpResponseError, match=f"Query contained {feature}") as refused:
        across(filled, text)
    assert refused.value.status_code == 400


def test_a_query_across_partitions_must_be_asked_for(filled: ContainerProxy) -> None:
    with pytest.raises(CosmosHttpResponseError, match="Cross partition query is required but disabled"):
        list(filled.query_items("SELECT * FROM c"))


@pytest.mark.parametrize(
    ("text", "code", "near"),
    [
        ("SELECT * FROM c WHERE", "SC1001", "incorrect syntax near"),
        ("SELECT c.value FROM c", "SC1001", "near 'value'"),
        ("SELECT * FROM c WHERE c.n = = 1", "SC1001", "near '='"),
        ("SELECT * FROM c WHERE c.n = 'x", "SC1001", "near"),
        ("DELETE FROM c", "SC1001", "near 'DELETE'"),
        ("SELECT * FROM c WHERE d.n = 1", "SC2001", "Identifier 'd' could not be resolved."),
        ("SELECT * FROM c WHERE c.n = @p", "SC2001", "Parameter '@p'"),
        ("SELECT * FROM c WHERE FOO(c.n)", "SC2005", "'FOO' is not a recognized built-in function name."),
        ("SELECT * FROM c JOIN t IN c.tags", "SC2000", "only valid with a single input set"),
        ("SELECT * FROM c WHERE COUNT(1) > 2", "SC2000", "not allowed in the WHERE"),
        ("SELECT c.n, c.n FROM c", "SC2000", "Duplicate property name"),
    ],
)
def test_a_faulty_query_is_refused_with_place_and_code(
    filled: ContainerProxy, text: str, code: str, near: str
) -> None:
    with pytest.raises(CosmosHttpResponseError) as refused:
        inside(filled, text)
    assert refused.value.status_code == 400
    assert code in str(refused.value)
    assert near in str(refused.value)


def test_deep_nesting_is_refused_not_suffered(filled: ContainerProxy) -> None:
    assert inside(
        filled, f"SELECT VALUE c.n FROM c WHERE {'NOT ' * 100}c.n = 4 AND {'(' * 99}true{')' * 99}"
    ) == [4]
    with pytest.raises(CosmosHttpResponseError, match="nested too deeply") as refused:
        inside(filled, f"SELECT * FROM c WHERE {'NOT ' * 5000}c.even")
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE c.n FROM c",
        "SELECT VALUE c.n FROM c WHERE c.n > 2",
        "SELECT VALUE c.n FROM c ORDER BY c.n",
        "SELECT VALUE c.n FROM c ORDER BY c.n DESC",
        "SELECT VALUE c.name FROM c WHERE c.even ORDER BY c.name",
        "SELECT VALUE t FROM c JOIN t IN c.tags",
        "SELECT DISTINCT VALUE c.n FROM c",
        "SELECT VALUE c.n FROM c OFFSET 1 LIMIT 4",
        "SELECT TOP 3 VALUE c.n FROM c",
        "SELECT VALUE c.n FROM c GROUP BY c.n",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_resume_exactly_where_the_last_one_ended(filled: ContainerProxy, text: str, size: int) -> None:
    whole = inside(filled, text)
    resumed: list[Any] = []
    token: str | None = None
    while True:
        pages = filled.query_items(text, partition_key="p0", max_item_count=size).by_page(token)
        page = list(next(pages))
        assert len(page) <= size
        resumed += page
        token = pages.continuation_token  # pyright: ignore[reportAttributeAccessIssue]
        if not token:
            break
    assert resumed == whole


def test_pages_across_partitions_cover_everything(filled: ContainerProxy) -> None:
    for text in ("SELECT VALUE c.n FROM c", "SELECT VALUE c.n FROM c WHERE c.n >= 0"):
        pages = filled.query_items(text, enable_cross_partition_query=True, max_item_count=5).by_page()
        assert sorted(item for page in pages for item in page) == list(range(24))


async def test_the_asynchronous_client_queries_the_same(aio_container: AioContainerProxy) -> None:
    for i in range(9):
        await aio_container.create_item({"id": str(i), "pk": f"p{i % 3}", "n": i})
    found = [item async for item in aio_container.query_items("SELECT VALUE c.n FROM c ORDER BY c.n DESC")]
    assert found == list(range(8, -1, -1))
    assert [item async for item in aio_container.query_items("SELECT VALUE SUM(c.n) FROM c")] == [36]
    one = aio_container.query_items("SELECT VALUE c.n FROM c WHERE c.n > 3", partition_key="p1")
    assert [item async for item in one] == [4, 7]
    with pytest.raises(CosmosHttpResponseError, match="GroupBy"):
        _ = [item async for item in aio_container.query_items("SELECT c.pk FROM c GROUP BY c.pk")]


def test_a_grown_container_answers_from_an_index(make_container: Callable[..., ContainerProxy]) -> None:
    container = make_container()
    for machine in range(20):
        operations = [
            ("create", ({"id": f"r{i}", "pk": f"m{machine}", "type": "reading", "due": f"{i:03}"},))
            for i in range(99)
        ]
        operations.append(
            ("create", ({"id": "state", "pk": f"m{machine}", "type": "state", "due": f"{machine:03}"},))
        )
        container.execute_item_batch(operations, f"m{machine}")
    text = "SELECT VALUE c.pk FROM c WHERE c.type = 'state' AND c.due <= @t ORDER BY c.due"
    for _ in range(2):
        assert across(container, text, t="006") == [f"m{i}" for i in range(7)]
    pages = container.query_items(
        text, parameters=[{"name": "@t", "value": "999"}], enable_cross_partition_query=True, max_item_count=6
    ).by_page()
    assert [item for page in pages for item in page] == [f"m{i}" for i in range(20)]
    container.upsert_item({"id": "state", "pk": "m0", "type": "state", "due": "005"})
    assert across(container, text, t="002") == ["m1", "m2"]
