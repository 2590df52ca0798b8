"""AMQP's types that Python lacks.

Each is a subclass of its nearest Python type: values read naturally and still encode as what they were.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


class UByte(int): ...


class UShort(int): ...


class UInt(int): ...


class ULong(int): ...


class Byte(int): ...


class Short(int): ...


class Int(int): ...


class Long(int): ...


class Timestamp(int):
    """Milliseconds since the epoch."""


class Float(float):
    """32 bits; a plain float encodes as AMQP's double."""


class Char(str): ...


class Symbol(str): ...


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal32/64/128, kept as its bytes: nothing here calculates with it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Described:
    """A value with a descriptor, e.g. a performative, a message section or a filter."""

    descriptor: "Value"
    value: "Value"


@dataclass(frozen=True, slots=True)
class Array:
    """Values of one type; `code` is their format code on the wire (symbols: 0xb3)."""

    code: int
    values: list["Value"]


type Simple = bool | int | float | str | bytes | UUID | Decimal | None
type Value = Simple | Described | Array | list[Value] | dict[Value, Value]

SYMBOLS: Literal[0xB3] = 0xB3


def symbols(*names: str) -> Array:
    """An array of symbols, AMQP's usual list of names."""
    return Array(SYMBOLS, [Symbol(name) for name in names])
