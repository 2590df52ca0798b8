"""What a built-in function is, and helpers to make one from a plain Python function."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from local.cosmos.json_types import UNDEFINED
from local.cosmos.query.values import Value

type Arguments = list[Value]


@dataclass(frozen=True, slots=True)
class Function:
    """Implementation and how many arguments it takes; `most` None for any number."""

    call: Callable[[Arguments], Value]
    least: int
    most: int | None


MOST_CHARACTERS = 4 * 1024 * 1024
"""Of a text that a function makes; a longer one is undefined."""
MOST_ELEMENTS = 1_000_000
"""Of an array that a function makes."""


def as_number(value: Value) -> int | float | None:
    """The value if it is a number; true and false are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def is_number(value: Value) -> bool:
    return as_number(value) is not None


def finite(value: int | float) -> Value:
    """A number as JSON can carry it; what JSON can not carry is undefined."""
    if isinstance(value, int):
        if abs(value) <= 2**53:
            return value
        value = float(value) if abs(value) < 10**300 else math.inf
    return value if math.isfinite(value) else UNDEFINED


def of_number(compute: Callable[[float], float]) -> Function:
    """A function of one number; outside its domain it is undefined."""

    def call(args: Arguments) -> Value:
        value = as_number(args[0])
        if value is None:
            return UNDEFINED
        try:
            return finite(compute(value))
        except (ValueError, ZeroDivisionError, OverflowError):
            return UNDEFINED

    return Function(call, 1, 1)


def of_two_numbers(compute: Callable[[float, float], float]) -> Function:
    def call(args: Arguments) -> Value:
        left, right = as_number(args[0]), as_number(args[1])
        if left is None or right is None:
            return UNDEFINED
        try:
            return finite(compute(left, right))
        except (ValueError, ZeroDivisionError, OverflowError):
            return UNDEFINED

    return Function(call, 2, 2)


def of_string(compute: Callable[[str], Value]) -> Function:
    def call(args: Arguments) -> Value:
        return compute(args[0]) if isinstance(args[0], str) else UNDEFINED

    return Function(call, 1, 1)
