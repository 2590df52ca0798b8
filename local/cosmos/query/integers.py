"""Functions of 64-bit integers: they wrap around as the service's do; any other number gives undefined."""

from collections.abc import Callable

from local.cosmos.json_types import UNDEFINED
from local.cosmos.query.signature import Arguments, Function, as_number
from local.cosmos.query.values import Value

BITS = 64


def _wrapped(value: int) -> int:
    """The value as a signed 64-bit integer has it.

    >>> _wrapped(2**63)
    -9223372036854775808
    """
    return (value + (1 << BITS - 1)) % (1 << BITS) - (1 << BITS - 1)


def _integer(value: Value) -> int | None:
    found = as_number(value)
    if found is None or not float(found).is_integer() or not -(2**63) <= found < 2**63:
        return None
    return int(found)


def _of_two(compute: Callable[[int, int], int]) -> Function:
    def call(args: Arguments) -> Value:
        left, right = _integer(args[0]), _integer(args[1])
        if left is None or right is None:
            return UNDEFINED
        try:
            return _wrapped(compute(left, right))
        except ZeroDivisionError:
            return UNDEFINED

    return Function(call, 2, 2)


def _divided(left: int, right: int) -> int:
    """Towards zero."""
    return abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)


def _bit_not(args: Arguments) -> Value:
    value = _integer(args[0])
    return UNDEFINED if value is None else ~value


INTEGER_FUNCTIONS: dict[str, Function] = {
    "INTADD": _of_two(lambda left, right: left + right),
    "INTSUB": _of_two(lambda left, right: left - right),
    "INTMUL": _of_two(lambda left, right: left * right),
    "INTDIV": _of_two(_divided),
    "INTMOD": _of_two(lambda left, right: left - _divided(left, right) * right),
    "INTBITAND": _of_two(lambda left, right: left & right),
    "INTBITOR": _of_two(lambda left, right: left | right),
    "INTBITXOR": _of_two(lambda left, right: left ^ right),
    "INTBITNOT": Function(_bit_not, 1, 1),
    "INTBITLEFTSHIFT": _of_two(lambda left, right: left << right % BITS),
    "INTBITRIGHTSHIFT": _of_two(lambda left, right: left >> right % BITS),
}
