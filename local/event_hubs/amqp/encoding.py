"""Python values to AMQP 1.0 bytes (part 1, section 1.6)."""

import struct
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from local.event_hubs.amqp import types as t


def encode(value: t.Value) -> bytes:
    """The encoding of one value. A plain int is a long, a plain float a double.

    OverflowError: a number out of its type's range. TypeError: no AMQP type.

    >>> encode({t.Symbol("a"): [True, None]}).hex()
    'd10000000e00000002a30161d000000006000000024140'
    """
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"{type(value).__name__} is no AMQP type")
    return encoder(value)


def performative(code: int, fields: Iterable[t.Value]) -> bytes:
    """A described list with a small descriptor. Trailing nulls are written: some clients need full length."""
    return b"\x00\x53" + bytes((code,)) + _list(list(fields))


def _list(values: list[t.Value]) -> bytes:
    return _compound(0xC0, len(values), b"".join(map(encode, values)))


def _map(values: dict[t.Value, t.Value]) -> bytes:
    body = b"".join([encode(key) + encode(value) for key, value in values.items()])
    return _compound(0xC1, 2 * len(values), body)


def _compound(small_code: int, count: int, body: bytes) -> bytes:
    if len(body) < 255 and count < 256:
        return bytes((small_code, len(body) + 1, count)) + body
    return struct.pack(">BII", small_code + 0x10, len(body) + 4, count) + body


def _variable(small_code: int, data: bytes) -> bytes:
    if len(data) < 256:
        return bytes((small_code, len(data))) + data
    return struct.pack(">BI", small_code + 0x10, len(data)) + data


def _array(array: t.Array) -> bytes:
    """Elements carry no constructor of their own; only the widest form of each type is used."""
    parts: list[bytes] = []
    for value in array.values:
        whole = encode(value)
        if whole[0] == array.code:
            parts.append(whole[1:])
        elif whole[0] + 0x10 == array.code:
            parts.append(struct.pack(">I", whole[1]) + whole[2:])
        else:
            parts.append(_widened(array.code, value))
    body = bytes((array.code,)) + b"".join(parts)
    return struct.pack(">BII", 0xF0, len(body) + 4, len(array.values)) + body


def _widened(code: int, value: t.Value) -> bytes:
    layout = _FIXED.get(code)
    if layout is None or not isinstance(value, int | float):
        raise TypeError(f"an array of {code:#x} cannot hold {value!r}")
    return _pack(layout, value)


def _pack(layout: str, value: float) -> bytes:
    try:
        return struct.pack(layout, value)
    except struct.error as exc:
        raise OverflowError(f"{value!r} is out of range") from exc


def _small(small_code: int, large_code: int, zero_code: int | None = None) -> Callable[[int], bytes]:
    """Encoder of a number type that has a one-byte form (signed when there is no form for zero)."""
    layout = _FIXED[large_code]
    low, high = (0, 256) if zero_code is not None else (-128, 128)

    def encoder(value: int) -> bytes:
        if value == 0 and zero_code is not None:
            return bytes((zero_code,))
        if low <= value < high:
            return bytes((small_code, value & 0xFF))
        return bytes((large_code,)) + _pack(layout, value)

    return encoder


def _fixed(code: int) -> Callable[[float], bytes]:
    layout, prefix = _FIXED[code], bytes((code,))
    return lambda value: prefix + _pack(layout, value)


_FIXED = {
    0x50: ">B", 0x51: ">b", 0x60: ">H", 0x61: ">h", 0x70: ">I", 0x71: ">i", 0x72: ">f",
    0x80: ">Q", 0x81: ">q", 0x82: ">d", 0x83: ">q",
}  # fmt: skip
_DECIMAL_CODES = {4: 0x74, 8: 0x84, 16: 0x94}
_long = _small(0x55, 0x81)

# Any: each encoder takes the type that it stands under.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    t.UByte: _fixed(0x50),
    t.UShort: _fixed(0x60),
    t.UInt: _small(0x52, 0x70, 0x43),
    t.ULong: _small(0x53, 0x80, 0x44),
    t.Byte: _fixed(0x51),
    t.Short: _fixed(0x61),
    t.Int: _small(0x54, 0x71),
    t.Long: _long,
    int: _long,
    float: _fixed(0x82),
    t.Float: _fixed(0x72),
    t.Decimal: lambda value: bytes((_DECIMAL_CODES[len(value.data)],)) + value.data,
    t.Char: lambda value: b"\x73" + struct.pack(">I", ord(value)),
    t.Timestamp: _fixed(0x83),
    UUID: lambda value: b"\x98" + value.bytes,
    bytes: lambda value: _variable(0xA0, value),
    str: lambda value: _variable(0xA1, value.encode()),
    t.Symbol: lambda value: _variable(0xA3, value.encode("ascii")),
    list: _list,
    dict: _map,
    t.Array: _array,
    t.Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
}
