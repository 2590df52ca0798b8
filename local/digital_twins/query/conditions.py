"""Conditions to SQL tests, with the language's three values: comparing what is missing, or of another
type, is neither true nor false (NULL), so neither it nor its negation finds anything."""

from collections.abc import Callable, Mapping
from typing import assert_never

from local.digital_twins.query import tree
from local.digital_twins.query.normal import is_exact
from local.digital_twins.query.scope import Field, Scope, refused
from local.digital_twins.query.sql import Sql, bracketed, joined, listed

type Kinds = Callable[[str], list[str]]
"""Model id -> ids of all models whose twins are of it."""

MEMBERS_LIMIT = 50
NUMBER = "('integer', 'real')"
BOOLEAN = "('true', 'false')"
TYPE_CHECKS: Mapping[str, str] = {
    "IS_NUMBER": NUMBER,
    "IS_BOOL": BOOLEAN,
    "IS_STRING": "('text')",
    "IS_NULL": "('null')",
    "IS_OBJECT": "('object')",
    "IS_PRIMITIVE": "('text', 'integer', 'real', 'true', 'false', 'null')",
}
_SYNONYMS = {"STARTS_WITH": "STARTSWITH", "ENDS_WITH": "ENDSWITH"}
_PRIMITIVE_CLASS = (
    "CASE {0} WHEN 'integer' THEN 'real' WHEN 'false' THEN 'true' WHEN 'object' THEN NULL "
    "WHEN 'array' THEN NULL ELSE {0} END"
)


class Conditions:
    """Makes the tests of one query."""

    def __init__(self, scope: Scope, kinds: Kinds) -> None:
        self.scope = scope
        self._kinds = kinds

    def test(self, condition: tree.Condition) -> Sql:
        match condition:
            case tree.Negation(part):
                return Sql("NOT ") + bracketed(self.test(part))
            case tree.AllOf(parts):
                return bracketed(joined(" AND ", map(self.test, parts)))
            case tree.AnyOf(parts):
                return bracketed(joined(" OR ", map(self.test, parts)))
            case tree.Comparison():
                return self._comparison(condition)
            case tree.Membership():
                return self._membership(condition)
            case tree.Call():
                return self._call(condition)
            case _:
                assert_never(condition)

    def _comparison(self, condition: tree.Comparison) -> Sql:
        operator = condition.operator
        match condition.left, condition.right:
            case tree.Path() as path, tree.Literal(value):
                return compared(self.scope.field(path), operator, value, condition.place)
            case tree.Path() as left, tree.Path() as right:
                return _alike(self.scope.field(left), operator, self.scope.field(right))
            case _:
                raise refused("A comparison needs a property on one side.", condition.place)

    def _membership(self, condition: tree.Membership) -> Sql:
        field = self.scope.field(condition.path)
        checked_members(condition)
        any_of = bracketed(
            joined(
                " OR ",
                [
                    Sql("coalesce(") + compared(field, "=", value.value, condition.path.place) + ", 0)"
                    for value in condition.values
                ]
                or [Sql("0")],
            )
        )
        test = Sql("NOT ") + any_of if condition.negated else any_of
        return Sql("CASE WHEN ") + field.type() + " IS NOT NULL THEN " + test + " END"

    def _call(self, call: tree.Call) -> Sql:
        name = function_name(call)
        if name == "IS_OF_MODEL":
            field, models = self.model_test(call)
            return field.value() + " IN " + listed(models)
        field = self.first_argument(call)
        if name in TYPE_CHECKS:
            _expect(call, 1)
            return Sql("coalesce(") + field.type() + f" IN {TYPE_CHECKS[name]}, 0)"
        if name == "IS_DEFINED":
            _expect(call, 1)
            return bracketed(field.type() + " IS NOT NULL")
        value = second_argument(call)
        if name == "ARRAY_CONTAINS":
            if field.collection.kind == "relationships":
                raise refused("ARRAY_CONTAINS does not take properties of relationships.", call.place)
            return _array_contains(field, value)
        assert isinstance(value, str)
        return (
            Sql("CASE WHEN ")
            + field.type()
            + " = 'text' THEN "
            + text_test(name, field.value(), value)
            + " END"
        )

    def model_test(self, call: tree.Call) -> tuple[Field, list[str]]:
        """The model column that IS_OF_MODEL looks at, and the models it takes."""
        arguments = list(call.arguments)
        exact = bool(arguments) and is_exact(arguments[-1])
        if exact:
            arguments.pop()
        match arguments:
            case [tree.Literal(str(model))]:
                collection = self.scope.sole
            case [tree.Path((alias,)), tree.Literal(str(model))]:
                collection = self.scope.collections.get(alias)
            case _:
                raise refused("IS_OF_MODEL takes ([collection,] 'model id' [, exact]).", call.place)
        if collection is None or collection.kind != "twins":
            raise refused("IS_OF_MODEL takes the name of a collection of twins.", call.place)
        return Field(collection, ("$metadata", "$model")), [model] if exact else self._kinds(model)

    def first_argument(self, call: tree.Call) -> Field:
        if not call.arguments or not isinstance(call.arguments[0], tree.Path):
            raise refused(f"The first argument of {call.function} is a property.", call.place)
        return self.scope.field(call.arguments[0])


def function_name(call: tree.Call) -> str:
    name = _SYNONYMS.get(call.function, call.function)
    known = {
        *TYPE_CHECKS,
        "IS_OF_MODEL",
        "IS_DEFINED",
        "ARRAY_CONTAINS",
        "STARTSWITH",
        "ENDSWITH",
        "CONTAINS",
    }
    if name not in known:
        raise refused(f"no viable alternative at input '{call.function}('.", call.place)
    return name


def second_argument(call: tree.Call) -> tree.Scalar:
    _expect(call, 2)
    value = call.arguments[1]
    texts_only = function_name(call) != "ARRAY_CONTAINS"
    if not isinstance(value, tree.Literal) or (texts_only and not isinstance(value.value, str)):
        raise refused(
            f"The second argument of {call.function} is a {'string' if texts_only else 'value'}.", call.place
        )
    return value.value


def checked_members(condition: tree.Membership) -> None:
    if len(condition.values) > MEMBERS_LIMIT:
        raise refused(f"A set has at most {MEMBERS_LIMIT} values.", condition.path.place)


def text_test(function: str, value: Sql, wanted: str) -> Sql:
    match function, wanted:
        case _, "":
            return Sql("1")
        case "STARTSWITH", _:
            return Sql("substr(") + value + Sql(", 1, ?) = ?", (len(wanted), wanted))
        case "ENDSWITH", _:
            return Sql("substr(") + value + Sql(", ?) = ?", (-len(wanted), wanted))
        case _:
            return Sql("instr(") + value + Sql(", ?) > 0", (wanted,))


def compared(field: Field, operator: str, value: tree.Scalar, place: tree.Place) -> Sql:
    """A field against a value."""
    match value:
        case bool():
            _check_equality(operator, "booleans", place)
            wanted = "true" if value is (operator == "=") else "false"
            return (
                Sql("CASE WHEN ")
                + field.type()
                + f" IN {BOOLEAN} THEN "
                + field.type()
                + f" = '{wanted}' END"
            )
        case None:
            _check_equality(operator, "null", place)
            return bracketed(field.type() + f" {operator} 'null'")
        case str():
            types = "('text')"
        case int() | float():
            types = NUMBER
    test = field.value() + Sql(f" {operator} ?", (value,))
    if field.column is not None and isinstance(value, str):
        return bracketed(test)
    return Sql("CASE WHEN ") + field.type() + f" IN {types} THEN " + test + " END"


def _alike(left: Field, operator: str, right: Field) -> Sql:
    """Two fields, where both are primitive and of the same type."""
    return (
        Sql("CASE WHEN ")
        + _primitive_class(left)
        + " = "
        + _primitive_class(right)
        + " THEN "
        + left.value()
        + f" {operator} "
        + right.value()
        + " END"
    )


def _primitive_class(field: Field) -> Sql:
    kind = field.type()
    return Sql(_PRIMITIVE_CLASS.format(kind.text), kind.parameters * 2)


def _array_contains(field: Field, value: tree.Scalar) -> Sql:
    match value:
        case bool():
            member = Sql("e.type = ?", ("true" if value else "false",))
        case None:
            member = Sql("e.type = 'null'")
        case str():
            member = Sql("e.type = 'text' AND e.value = ?", (value,))
        case int() | float():
            member = Sql(f"e.type IN {NUMBER} AND e.value = ?", (value,))
    table = field.collection.table
    return (
        Sql("CASE WHEN ")
        + field.type()
        + Sql(
            f" = 'array' THEN EXISTS (SELECT 1 FROM json_each({table}.document, ?) AS e WHERE ", (field.path,)
        )
        + member
        + ") END"
    )


def _check_equality(operator: str, what: str, place: tree.Place) -> None:
    if operator not in ("=", "!="):
        raise refused(f"'{operator}' does not compare {what}.", place)


def _expect(call: tree.Call, count: int) -> None:
    if len(call.arguments) != count:
        raise refused(f"{call.function} takes {count} argument{'s' * (count > 1)}.", call.place)
