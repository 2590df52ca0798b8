"""Route filters: text to a test of events. What is missing compares to nothing, as null or as a value."""

import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from lark import Lark, LarkError, Token, Transformer

from local.digital_twins.errors import ServiceError
from local.digital_twins.jsontypes import Json, JsonObject

type Test = Callable[[JsonObject], bool]
type _Operand = Callable[[JsonObject], Json]

LENGTH_LIMIT = 4096
_ATTRIBUTES = ("type", "source", "subject", "dataschema", "datacontenttype", "specversion", "id", "time")
_ESCAPES = re.compile(r"\\(['\\])")
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORMER_NAMES = {
    "microsoft.iot.telemetry": "DigitalTwinTelemetryMessages",
    "Microsoft.DigitalTwins.Twin.Update": "DigitalTwinChangeNotification",
    "Microsoft.DigitalTwins.Twin.Create": "DigitalTwinLifecycleNotification",
    "Microsoft.DigitalTwins.Twin.Delete": "DigitalTwinLifecycleNotification",
    "Microsoft.DigitalTwins.Relationship.Create": "DigitalTwinRelationshipChangeNotification",
    "Microsoft.DigitalTwins.Relationship.Update": "DigitalTwinRelationshipChangeNotification",
    "Microsoft.DigitalTwins.Relationship.Delete": "DigitalTwinRelationshipChangeNotification",
}
"""What `$eventType` is compared with: the names of the preview, which Azure still takes."""


class _ToTest(Transformer[Token, Test]):
    def start(self, parts: list[Test]) -> Test:
        return parts[0]

    def any_of(self, parts: list[Test]) -> Test:
        return parts[0] if len(parts) == 1 else lambda event: any(part(event) for part in parts)

    def all_of(self, parts: list[Test]) -> Test:
        return parts[0] if len(parts) == 1 else lambda event: all(part(event) for part in parts)

    def always(self, parts: object) -> Test:
        return lambda event: True

    def never(self, parts: object) -> Test:
        return lambda event: False

    def comparison(self, parts: list[Any]) -> Test:
        left, sign, right = cast(tuple[_Operand, Token, _Operand], tuple(parts))
        return lambda event: _holds(left(event), str(sign), right(event))

    def call(self, parts: list[Any]) -> Test:
        name, value, wanted = cast(tuple[Token, _Operand, _Operand], tuple(parts))
        return lambda event: _text_holds(name.upper(), value(event), wanted(event))

    def field(self, parts: list[Token]) -> _Operand:
        first, *rest = map(str, parts)
        if first == "$body" and rest:
            return lambda event: _inside(event["data"], rest)
        if first == "$eventType" and not rest:
            return lambda event: _FORMER_NAMES[str(event["type"])]
        if first not in _ATTRIBUTES or rest:
            raise _invalid(f"'{'.'.join((first, *rest))}' is neither an attribute of events nor in $body")
        return lambda event: event.get(first)

    def string(self, parts: list[Token]) -> _Operand:
        value = _ESCAPES.sub(r"\1", parts[0][1:-1])
        return lambda event: value

    def number(self, parts: list[Token]) -> _Operand:
        value = float(parts[0])
        return lambda event: value

    def true(self, parts: object) -> _Operand:
        return lambda event: True

    def false(self, parts: object) -> _Operand:
        return lambda event: False

    def null(self, parts: object) -> _Operand:
        return lambda event: None


_PARSER = Lark(Path(__file__).with_name("filter.lark").read_text(), parser="lalr", transformer=_ToTest())


def compiled(text: str) -> Test:
    """The test that a filter stands for; 400 EventRouteFilterInvalid when it stands for none."""
    if len(text) > LENGTH_LIMIT or text.count("(") > 100:
        raise _invalid("it is too long, or nested too deeply")
    try:
        # lark's parse is typed as giving a parse tree; with a transformer it gives what that makes
        return cast(Test, _PARSER.parse(text))  # pyright: ignore[reportUnknownMemberType]
    except LarkError as exc:
        raise _invalid(str(exc).splitlines()[0]) from exc


def _invalid(why: str) -> ServiceError:
    return ServiceError(
        400,
        "EventRouteFilterInvalid",
        f"The event route filter is invalid: {why}. See event route documentation (http://aka.ms/ADTv2Routes).",
    )


def _inside(value: Json, names: list[str]) -> Json:
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _holds(left: Json, sign: str, right: Json) -> bool:
    if sign in ("=", "!="):
        alike = isinstance(left, bool) == isinstance(right, bool) and left == right
        return alike is (sign == "=")
    for kinds in (str, int | float):
        if isinstance(left, kinds) and isinstance(right, kinds) and not isinstance(left, bool):
            return _ORDERED[sign](left, right)
    return False


def _text_holds(function: str, value: Json, wanted: Json) -> bool:
    if not isinstance(value, str) or not isinstance(wanted, str):
        return False
    match function:
        case "STARTS_WITH":
            return value.startswith(wanted)
        case "ENDS_WITH":
            return value.endswith(wanted)
        case _:
            return wanted in value
