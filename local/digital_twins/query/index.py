"""Conditions to the keys of what fulfils them, straight from the indexes, exactly."""

from local.digital_twins.properties import ARRAY, FALSE, NULL, OBJECT, TRUE
from local.digital_twins.query import tree
from local.digital_twins.query.conditions import (
    Conditions,
    checked_members,
    function_name,
    second_argument,
    text_test,
)
from local.digital_twins.query.scope import Field
from local.digital_twins.query.sql import Sql, joined, listed

_RANGES = {
    "IS_NUMBER": Sql("value < ''"),
    "IS_STRING": Sql("value >= '' AND value < x''"),
    "IS_BOOL": Sql("value IN (?, ?)", (FALSE, TRUE)),
    "IS_NULL": Sql("value = ?", (NULL,)),
    "IS_OBJECT": Sql("value = ?", (OBJECT,)),
    "IS_PRIMITIVE": Sql("value NOT IN (?, ?)", (OBJECT, ARRAY)),
}
"""Of the property index: numbers sort before strings, strings before the marks of everything else."""


def keys(conditions: Conditions, condition: tree.Condition) -> Sql | None:
    """A SELECT of keys; None when no index answers the condition. The condition is a normal one."""
    match condition:
        case tree.AllOf(parts) | tree.AnyOf(parts):
            found = [keys(conditions, part) for part in parts]
            if any(part is None for part in found):
                return None
            operator = " INTERSECT " if isinstance(condition, tree.AllOf) else " UNION "
            return joined(
                operator, [Sql("SELECT * FROM (") + part + ")" for part in found if part is not None]
            )
        case tree.Comparison(tree.Path() as path, operator, tree.Literal(value), _):
            return _select(conditions.scope.field(path), _compared(operator, value))
        case tree.Membership(path, values, negated):
            checked_members(condition)
            return None if negated else _select(conditions.scope.field(path), _within(values))
        case tree.Call():
            return _of_call(conditions, condition)
        case _:
            return None


def _of_call(conditions: Conditions, call: tree.Call) -> Sql | None:
    name = function_name(call)
    if name == "IS_OF_MODEL":
        field, models = conditions.model_test(call)
        return _select(field, Sql("value IN ") + listed(models))
    if name == "ARRAY_CONTAINS":
        return None
    field = conditions.first_argument(call)
    if name == "IS_DEFINED" or name in _RANGES:
        return None if field.column else _select(field, _RANGES.get(name, Sql("1")))
    wanted = second_argument(call)
    assert isinstance(wanted, str)
    bounds = Sql("value >= '' AND value < x''")
    if name == "STARTSWITH":
        bounds = Sql("value >= ?", (wanted,)) + _below_prefix_end(wanted)
    return _select(field, bounds + " AND " + text_test(name, Sql("value"), wanted))


def _below_prefix_end(prefix: str) -> Sql:
    """What starts with `prefix` sorts before the prefix whose last character is the next one."""
    for at in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[at]) + 1
        if following < 0x11_0000:
            end = prefix[:at] + chr(0xE000 if following == 0xD800 else following)
            return Sql(" AND value < ?", (end,))
    return Sql(" AND value < x''")


def _compared(operator: str, value: tree.Scalar) -> Sql | None:
    match value:
        case bool():
            if operator not in ("=", "!="):
                return None
            return Sql("value = ?", (TRUE if value is (operator == "=") else FALSE,))
        case None:
            return Sql("value = ?", (NULL,)) if operator == "=" else None
        case str():
            low, high = "value >= ''", "value < x''"
        case int() | float():
            low, high = "1", "value < ''"
    bounds = {"=": "1", "<": low, "<=": low, ">": high, ">=": high, "!=": f"{low} AND {high}"}[operator]
    return Sql(f"{bounds} AND value {operator} ?", (value,))


def _within(values: tuple[tree.Literal, ...]) -> Sql:
    marks = {True: TRUE, False: FALSE, None: NULL}
    found = [
        marks[literal.value] if isinstance(literal.value, bool | None) else literal.value
        for literal in values
    ]
    return Sql("value IN ") + listed(found)


def _select(field: Field, where: Sql | None) -> Sql | None:
    if where is None or not field.names:
        return None
    if field.column is not None:
        table = field.collection.kind
        return Sql(f"SELECT key FROM (SELECT key, {field.column} AS value FROM {table}) WHERE ") + where
    if any(name.startswith("$") for name in field.names):
        return None  # The index has properties only: no ETags, no times of $metadata.
    path = Sql("(SELECT id FROM paths WHERE kind = ? AND text = ?)", (field.collection.kind, field.path))
    return Sql("SELECT owner FROM property_values WHERE path = ") + path + " AND " + where
