"""Mathematical functions."""

import math
import random

from local.cosmos.json_types import UNDEFINED
from local.cosmos.query.signature import Arguments, Function, as_number, finite, of_number, of_two_numbers
from local.cosmos.query.values import Value


def _round(value: float) -> float:
    """Halves go away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def _absolute(value: float) -> float:
    return abs(value)


def _square(value: float) -> float:
    return value * value


def _cotangent(value: float) -> float:
    return 1 / math.tan(value)


def _sign(value: float) -> float:
    return (value > 0) - (value < 0)


def _truncate(value: float) -> float:
    return math.trunc(value)


def _log(args: Arguments) -> Value:
    """LOG(x) or LOG(x, base)."""
    return (of_number(math.log) if len(args) == 1 else of_two_numbers(math.log)).call(args)


def _bin(args: Arguments) -> Value:
    """NumberBin(x[, size]): the largest multiple of the size that is not above x."""
    value, size = as_number(args[0]), as_number(args[1]) if len(args) > 1 else 1
    if value is None or size is None or size <= 0:
        return UNDEFINED
    return finite(math.floor(value / size) * size)


NUMBER_FUNCTIONS: dict[str, Function] = {
    "ABS": of_number(_absolute),
    "CEILING": of_number(math.ceil),
    "FLOOR": of_number(math.floor),
    "ROUND": of_number(_round),
    "TRUNC": of_number(_truncate),
    "SQRT": of_number(math.sqrt),
    "SQUARE": of_number(_square),
    "POWER": of_two_numbers(math.pow),
    "EXP": of_number(math.exp),
    "LOG": Function(_log, 1, 2),
    "LOG10": of_number(math.log10),
    "SIN": of_number(math.sin),
    "COS": of_number(math.cos),
    "TAN": of_number(math.tan),
    "COT": of_number(_cotangent),
    "ASIN": of_number(math.asin),
    "ACOS": of_number(math.acos),
    "ATAN": of_number(math.atan),
    "ATN2": of_two_numbers(math.atan2),
    "DEGREES": of_number(math.degrees),
    "RADIANS": of_number(math.radians),
    "SIGN": of_number(_sign),
    "PI": Function(lambda args: math.pi, 0, 0),
    "NUMBERBIN": Function(_bin, 1, 2),
    "RAND": Function(lambda args: random.random(), 0, 0),
}
