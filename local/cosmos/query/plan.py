"""The gateway's query plan: how an SDK must merge what the partitions answer.

A plan names the features a query needs; a client that does not know one of them is refused here,
as azure-cosmos 4.17.1 is for GROUP BY and for more than one aggregate.
"""

from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.json_types import Json, JsonObject
from local.cosmos.query.program import compile_query
from local.cosmos.query.tree import Query, Span
from local.cosmos.query.walk import projected

PLAN_NAMES = {
    "COUNT": "Count", "SUM": "Sum", "AVG": "Average", "MIN": "Min", "MAX": "Max", "COUNTIF": "CountIf",
}  # fmt: skip


def needs_client(query: Query) -> bool:
    """Whether a query across partitions has to be merged by the client."""
    return bool(
        query.order_by or query.group_by or query.distinct or query.top or query.limit or projected(query)
    )


def counts_distinct(query: Query) -> bool:
    """An aggregate over all distinct rows: `SELECT COUNT(1) FROM (SELECT DISTINCT c.pk FROM c)`.

    The one derived table that stands for the whole container instead of for one document. The SDKs of other
    languages merge it; azure-cosmos for Python can not.
    """
    derived = query.sources[0].derived if query.sources else None
    return derived is not None and derived.distinct and bool(projected(query))


def unmergeable(query: Query) -> bool:
    """Whether azure-cosmos 4.17.1 can not merge it: GROUP BY, several aggregates, aggregates beside VALUE or
    over distinct rows."""
    found = projected(query)
    beside = bool(found) and query.value is not found[0]
    return bool(query.group_by) or len(found) > 1 or beside or counts_distinct(query)


def _features(query: Query) -> list[str]:
    found = projected(query)
    features: list[str] = []
    if query.group_by:
        features.append("GroupBy")
    if found:
        alone = len(found) == 1 and query.value is found[0]
        features.append("Aggregate" if alone else "NonValueAggregate")
    if len(found) > 1:
        features.append("MultipleAggregates")
    if any(call.name == "COUNTIF" for call in found):
        features.append("CountIf")
    if counts_distinct(query):
        features.append("DCount")
    if query.distinct:
        features.append("Distinct")
    if query.order_by:
        features.append("OrderBy" if len(query.order_by) == 1 else "MultipleOrderBy")
    if query.limit:
        features.append("OffsetAndLimit")
    if query.top:
        features.append("Top")
    return features


def _unsupported(features: list[str]) -> CosmosError:
    lines = "".join(
        f"\r\nQuery contained {name}, which the calling client does not support." for name in features
    )
    return bad_request(
        "Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the "
        f"requested features:{lines}"
    )


def query_plan(text: str, query: Query, parameters: JsonObject, supported: frozenset[str]) -> JsonObject:
    """The plan's JSON, or 400 naming what the client can not do."""
    missing = [name for name in _features(query) if name not in supported]
    if missing:
        raise _unsupported(missing)
    program = compile_query(query, parameters)
    found = projected(query)
    directions: list[Json] = ["Descending" if item.descending else "Ascending" for item in query.order_by]
    expressions: list[Json] = [_slice(text, item.span) for item in query.order_by]
    names: list[Json] = [PLAN_NAMES[call.name] for call in found]
    info: JsonObject = {
        "distinctType": _distinct_type(query),
        "top": program.limit if query.top else None,
        "offset": program.offset if query.limit else None,
        "limit": program.limit if query.limit else None,
        "orderBy": directions, "orderByExpressions": expressions,
        "groupByExpressions": [], "groupByAliases": [], "groupByAliasToAggregateType": {},
        "aggregates": names,
        "rewrittenQuery": _rewritten(text, query, program.offset, program.limit),
        "hasSelectValue": query.value is not None, "dCountInfo": None, "hasNonStreamingOrderBy": False,
    }  # fmt: skip
    everywhere: JsonObject = {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}
    return {"partitionedQueryExecutionInfoVersion": 2, "queryInfo": info, "queryRanges": [everywhere]}


def _distinct_type(query: Query) -> str:
    if not query.distinct:
        return "None"
    ordered = len(query.order_by) == 1 and query.value == query.order_by[0].expression
    return "Ordered" if ordered else "Unordered"


def _slice(text: str, span: Span | None) -> str:
    return text[span.start : span.end].strip() if span else ""


def _rewritten(text: str, query: Query, offset: int, limit: int | None) -> str:
    """What each partition is asked instead; empty when the query can go out as it is."""
    sources, where = _slice(text, query.from_span), _slice(text, query.where_span)
    if query.order_by:
        return _rewritten_order(text, query, sources, where, offset, limit)
    found = projected(query)
    if found:
        argument = f"({_slice(text, found[0].span).partition('(')[2]}"
        whole = _slice(text, query.value_span)
        if found[0].name == "AVG":
            whole = f'{{"sum": SUM{argument}, "count": COUNT{argument}}}'
        return f'SELECT VALUE [{{"item": {whole}}}] {sources}{_where(where)}'
    if query.limit:
        return f"{text[: _end_of_body(query, text)]} OFFSET 0 LIMIT {offset + (limit or 0)}"
    return text


def _rewritten_order(
    text: str, query: Query, sources: str, where: str, offset: int, limit: int | None
) -> str:
    items = ", ".join(f'{{"item": {_slice(text, item.span)}}}' for item in query.order_by)
    by = ", ".join(
        f"{_slice(text, item.span)} {'DESC' if item.descending else 'ASC'}" for item in query.order_by
    )
    alias = query.sources[0].alias
    if query.everything:
        payload = alias
    elif query.value is not None:
        payload = _slice(text, query.value_span)
    else:
        pairs = ", ".join(f'"{item.name}": {_slice(text, item.span)}' for item in query.items)
        payload = f"{{{pairs}}}"
    top = f"TOP {limit} " if query.top else ""
    tail = f" OFFSET 0 LIMIT {offset + (limit or 0)}" if query.limit else ""
    filtered = f"({where}) AND " if where else ""
    return (
        f"SELECT {top}{alias}._rid, [{items}] AS orderByItems, {payload} AS payload {sources} "
        f"WHERE {filtered}({{documentdb-formattableorderbyquery-filter}}) ORDER BY {by}{tail}"
    )


def _where(where: str) -> str:
    return f" WHERE {where}" if where else ""


def _end_of_body(query: Query, text: str) -> int:
    span = query.where_span or query.from_span
    return span.end if span else len(text)
