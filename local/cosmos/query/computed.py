"""Computed properties of a container: named expressions that queries use like properties."""

from dataclasses import replace

from local.cosmos.errors import bad_request
from local.cosmos.json_types import Json
from local.cosmos.query.parser import parse
from local.cosmos.query.tree import Expression, Item, Literal, Member, Name, Order, Query
from local.cosmos.query.walk import rewritten

MOST = 20
INVALID = "One of the specified inputs is invalid"


def parse_properties(given: Json) -> dict[str, Query]:
    """By name. Raises 400 for anything but a list of names with `SELECT VALUE ... FROM c` queries."""
    if given is None:
        return {}
    if not isinstance(given, list) or len(given) > MOST:
        raise bad_request(f"{INVALID}: computedProperties must be a list of at most {MOST}.")
    found: dict[str, Query] = {}
    for one in given:
        name = one.get("name") if isinstance(one, dict) else None
        text = one.get("query") if isinstance(one, dict) else None
        if not isinstance(name, str) or not isinstance(text, str):
            raise bad_request(f"{INVALID}: a computed property has a name and a query.")
        query = parse(text)
        plain = len(query.sources) == 1 and not query.sources[0].steps and not query.sources[0].each
        if query.value is None or query.where or query.order_by or query.group_by or not plain:
            raise bad_request(
                f"{INVALID}: the query of the computed property '{name}' must be of the form "
                "SELECT VALUE <expression> FROM c."
            )
        found[name] = query
    return found


def substituted(query: Query, properties: dict[str, Query]) -> Query:
    """The query with computed properties of its container replaced by what they stand for.

    Inside subqueries they are not replaced; `SELECT *` never shows them.
    """
    source = query.sources[0] if query.sources else None
    if not properties or source is None or source.steps or source.each or source.derived:
        return query

    def expand(expression: Expression) -> Expression:
        match expression:
            case Member(Name(name, span), Literal(str() as key)) if (
                name == source.alias and key in properties
            ):
                computed = properties[key]
                alias = computed.sources[0].alias
                return rewritten(
                    computed.value or expression, lambda one: _renamed(one, alias, Name(name, span))
                )
            case _:
                return expression

    def of(expression: Expression | None) -> Expression | None:
        return None if expression is None else rewritten(expression, expand)

    return replace(
        query,
        value=of(query.value),
        items=tuple(Item(rewritten(one.expression, expand), one.name, one.span) for one in query.items),
        where=of(query.where),
        group_by=tuple(rewritten(one, expand) for one in query.group_by),
        order_by=tuple(
            Order(rewritten(one.expression, expand), one.descending, one.span) for one in query.order_by
        ),
    )


def _renamed(expression: Expression, alias: str, name: Name) -> Expression:
    return name if isinstance(expression, Name) and expression.name == alias else expression
