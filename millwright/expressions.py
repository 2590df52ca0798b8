"""Expressions of alarm rules: text -> a checked program in the signals' units.

The steps of a program are in shared/domain/alarms/expressions.py.

temperature_c > 85 °C deadband 3 K and (pressure_bar < 4 bar or state == Held)
torque_nm / 2 > 40 and not alarm(coolant-low) and score(cnc-failure) > 0.6
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from shared.contracts.units import UNITS, UnitClash, conversion
from shared.domain.alarms.rules import Step
from shared.domain.packml import STATES_BY_WORD

_GRAMMAR = r"""
?start: either
?either: both ("or" both)*
?both: denied ("and" denied)*
?denied: "not" denied -> negation
       | comparison
?comparison: sum
           | sum COMPARE sum ["deadband" QUANTITY]
?sum: product (SIGN product)*
?product: factor (POINT factor)*
?factor: QUANTITY -> quantity
       | SIGN factor -> signed
       | "(" either ")"
       | "score" "(" WORD ")" -> score
       | "alarm" "(" WORD ")" -> alarm
       | PLACE EQUAL WORD -> is_in
       | PLACE "in" "(" WORD ("," WORD)* ")" -> is_among
       | SIGNAL -> signal

COMPARE: ">=" | "<=" | ">" | "<"
EQUAL: "==" | "!="
SIGN: "+" | "-"
POINT: "*" | "/"
PLACE.3: /(state|reason|product)\b(?=\s*(==|!=|in\b))/
SIGNAL: /[a-z][a-z0-9]*(_[a-z0-9]+)*/
WORD.-1: /[A-Za-z0-9][A-Za-z0-9_.-]*/
QUANTITY.2: /\d+(\.\d+)?([eE][+-]?\d+)?( ?(UNITS)(?![\w·²\/]))?/
%ignore /\s+/
"""


class BadExpression(ValueError):
    """What is wrong with an expression, in its own words."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An expression that makes sense."""

    program: tuple[Step, ...]
    signals: frozenset[str]
    alarms: frozenset[str]
    """Rules whose alarms it asks about."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the program. `unit` None: true or false; "": a number that takes any unit."""

    program: tuple[Step, ...]
    unit: str | None
    is_difference: bool = False
    """A distance on its scale, not a point: the zero of °C or °F does not matter."""
    literal: bool = False


def check(
    text: str,
    units: Mapping[str, str],
    *,
    reasons: frozenset[str],
    products: frozenset[str],
    models: frozenset[str],
) -> Checked:
    """Parse and type-check. `units`: signal -> unit. Raises BadExpression."""
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as exc:
        at = text[exc.pos_in_stream :].split()[:1] if exc.pos_in_stream is not None else []
        found = f"{at[0]!r}" if at else "the end"
        raise BadExpression(f"{found} was not expected at character {(exc.pos_in_stream or 0) + 1}") from exc
    typing = _Typing(units, reasons, products, models)
    try:
        part = cast(_Part, typing.transform(tree))
    except VisitError as exc:
        if isinstance(exc.orig_exc, BadExpression):
            raise exc.orig_exc from exc
        raise
    if part.unit is not None:
        raise BadExpression("it is a number, not a condition: compare it with something")
    return Checked(
        part.program,
        frozenset(str(operand) for step, operand in part.program if step == "signal"),
        frozenset(str(operand) for step, operand in part.program if step == "alarm"),
    )


@cache
def _parser() -> Lark:
    known = sorted((unit for unit in UNITS if unit != "1"), key=len, reverse=True)
    words = "|".join(unit.replace("/", r"\/").replace("²", "²") for unit in known)
    return Lark(_GRAMMAR.replace("UNITS", words), parser="earley", lexer="dynamic")


@v_args(inline=True)
class _Typing(Transformer[Token, _Part]):
    """From the leaves up: programs with their units."""

    def __init__(
        self,
        units: Mapping[str, str],
        reasons: frozenset[str],
        products: frozenset[str],
        models: frozenset[str],
    ) -> None:
        super().__init__()
        self._units = units
        self._words = {"reason": reasons, "product": products}
        self._models = models

    def signal(self, name: Token) -> _Part:
        if name not in self._units:
            raise BadExpression(f"there is no signal {name}")
        return _Part((("signal", str(name)),), self._units[name])

    def quantity(self, token: Token) -> _Part:
        number, unit = _split(token)
        return _Part((("number", number),), unit, literal=True)

    def signed(self, sign: Token, part: _Part) -> _Part:
        if sign == "+":
            return part
        _needs_number(part)
        if part.literal:
            ((_, number),) = part.program
            return _Part((("number", -float(number)),), part.unit, part.is_difference, literal=True)
        return _Part((("number", 0.0), *part.program, ("-", 0.0)), part.unit, part.is_difference)

    def score(self, model: Token) -> _Part:
        if model not in self._models:
            raise BadExpression(f"the class has no model {model}")
        return _Part((("score", str(model)),), "1")

    def alarm(self, rule: Token) -> _Part:
        return _Part((("alarm", str(rule)),), None)

    def is_in(self, place: Token, equal: Token, word: Token) -> _Part:
        step = self._place(place, word)
        return _Part((step, ("not", 0.0)) if equal == "!=" else (step,), None)

    def is_among(self, place: Token, *words: Token) -> _Part:
        program: list[Step] = []
        for number, word in enumerate(words):
            program.append(self._place(place, word))
            if number:
                program.append(("or", 0.0))
        return _Part(tuple(program), None)

    def _place(self, place: Token, word: Token) -> Step:
        if place == "state":
            state = STATES_BY_WORD.get(word.lower())
            if state is None:
                raise BadExpression(f"PackML has no state {word}")
            return "state", state.word
        if word not in self._words[place]:
            raise BadExpression(f"the description has no {place} {word}")
        return str(place), str(word)

    def negation(self, part: _Part) -> _Part:
        _needs_condition(part, "not")
        return _Part((*part.program, ("not", 0.0)), None)

    def either(self, *parts: _Part) -> _Part:
        return _joined("or", parts)

    def both(self, *parts: _Part) -> _Part:
        return _joined("and", parts)

    def sum(self, first: _Part, *rest: Any) -> _Part:
        for sign, part in zip(rest[::2], rest[1::2], strict=True):
            first = _added(first, str(sign), part)
        return first

    def product(self, first: _Part, *rest: Any) -> _Part:
        for sign, part in zip(rest[::2], rest[1::2], strict=True):
            first = _multiplied(first, str(sign), part)
        return first

    def comparison(self, left: _Part, sign: Token, right: _Part, deadband: Token | None = None) -> _Part:
        _needs_number(left)
        _needs_number(right)
        if left.literal and not right.literal:
            flipped = {">": "<", "<": ">", ">=": "<=", "<=": ">="}[str(sign)]
            left, right, sign = right, left, Token("COMPARE", flipped)
        right = _in_unit(right, left)
        distance = 0.0
        if deadband is not None:
            number, unit = _split(deadband)
            _, distance = _in_unit(
                _Part((("number", number),), unit, literal=True), _Part((), left.unit, is_difference=True)
            ).program[0]
        return _Part((*left.program, *right.program, (str(sign), float(distance))), None)


def _split(token: str) -> tuple[float, str]:
    """The number and the unit of a quantity; "" for none."""
    number = token.rstrip()
    for unit in sorted(UNITS, key=len, reverse=True):
        head = number.removesuffix(unit)
        if unit != "1" and head != number:
            return float(head), unit
    return float(number), ""


def _needs_number(part: _Part) -> None:
    if part.unit is None:
        raise BadExpression("a condition cannot be compared or reckoned with")


def _needs_condition(part: _Part, word: str) -> None:
    if part.unit is not None:
        raise BadExpression(f"`{word}` joins conditions, not numbers: compare the number with something")


def _joined(word: str, parts: tuple[_Part, ...]) -> _Part:
    for part in parts:
        _needs_condition(part, word)
    program = parts[0].program
    for part in parts[1:]:
        program = (*program, *part.program, (word, 0.0))
    return _Part(program, None)


def _added(left: _Part, sign: str, right: _Part) -> _Part:
    """A literal that is added is a distance; the difference of two points is one, too."""
    _needs_number(left)
    _needs_number(right)
    between_points = sign == "-" and not left.literal and not right.literal and not right.is_difference
    if between_points:
        right = _in_unit(right, left)
    else:
        right = _in_unit(right, _Part((), left.unit, is_difference=True))
    return _Part(
        (*left.program, *right.program, (sign, 0.0)), left.unit, left.is_difference or between_points
    )


def _multiplied(left: _Part, sign: str, right: _Part) -> _Part:
    _needs_number(left)
    _needs_number(right)
    program = (*left.program, *right.program, (sign, 0.0))
    if right.unit in ("", "1"):
        return _Part(program, left.unit, left.is_difference)
    if sign == "*" and left.unit in ("", "1"):
        return _Part(program, right.unit, right.is_difference)
    if sign == "/" and left.unit and right.unit:
        converted = _in_unit(right, left)
        return _Part((*left.program, *converted.program, (sign, 0.0)), "1")
    raise BadExpression(f"{left.unit or 'a number'} {sign} {right.unit} is no unit known here")


def _in_unit(part: _Part, other: _Part) -> _Part:
    """The part on the scale of the other: a bare number is in its unit already."""
    if part.unit == other.unit or (part.literal and part.unit == ""):
        return part
    if other.unit == "" or part.unit == "":
        raise BadExpression(f"{part.unit or other.unit} cannot be compared with a number without a unit")
    try:
        scale, offset = conversion(str(part.unit), str(other.unit))
    except UnitClash as exc:
        raise BadExpression(f"{part.unit} cannot be compared with {other.unit}: {exc}") from exc
    if part.is_difference or other.is_difference:
        offset = 0.0
    if part.literal:
        ((_, number),) = part.program
        return _Part((("number", round(float(number) * scale + offset, 9)),), other.unit, literal=True)
    program: tuple[Step, ...] = (*part.program, ("number", scale), ("*", 0.0))
    if offset:
        program = (*program, ("number", offset), ("+", 0.0))
    return _Part(program, other.unit, part.is_difference)
