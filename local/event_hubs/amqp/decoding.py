"""AMQP 1.0 bytes to Python values. Every read is checked against its bounds; depth and counts are limited."""

import struct
from collections.abc import Callable
from uuid import UUID

from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.errors import decode_error

MAX_DEPTH = 32
"""Nesting that no client needs; beyond it a frame is an attack on the stack."""


def decode(data: bytes, start: int = 0, end: int | None = None) -> tuple[t.Value, int]:
    """The value that begins at `start`, and where it ends. AmqpError amqp:decode-error for anything else."""
    return _value(data, start, len(data) if end is None else end, 0)


def skip(data: bytes, start: int, end: int) -> int:
    """Where the value that begins at `start` ends, without decoding it. Its inside is not looked at."""
    depth = 0
    while start < end and data[start] == 0:
        start = skip_plain(data, start + 1, end)
        depth += 1
        if depth > MAX_DEPTH:
            raise decode_error("nested too deeply")
    return skip_plain(data, start, end)


def skip_plain(data: bytes, start: int, end: int) -> int:
    """As `skip`, for a value without a descriptor."""
    if start >= end:
        raise decode_error("a value is missing")
    code = data[start]
    width = _WIDTHS[code >> 4]
    if width is None:
        raise decode_error(f"{code:#04x} is no format code")
    if width >= 0:
        stop = start + 1 + width
    elif width == -1:
        if start + 2 > end:
            raise decode_error("a length is cut off")
        stop = start + 2 + data[start + 1]
    else:
        if start + 5 > end:
            raise decode_error("a length is cut off")
        stop = start + 5 + int.from_bytes(data[start + 1 : start + 5])
    if stop > end:
        raise decode_error("a value reaches beyond its end")
    return stop


_WIDTHS: list[int | None] = [None, None, None, None, 0, 1, 2, 4, 8, 16, -1, -4, -1, -4, -1, -4]
"""Bytes after the format code, by its upper half; -1 and -4 are the size of a length field."""


def _value(data: bytes, start: int, end: int, depth: int) -> tuple[t.Value, int]:
    if start >= end:
        raise decode_error("a value is missing")
    code = data[start]
    if code == 0:
        return _described(data, start + 1, end, depth)
    decoder = _DECODERS[code]
    if decoder is None:
        raise decode_error(f"{code:#04x} is no format code")
    stop = skip_plain(data, start, end)
    return decoder(data, start + 1, stop, depth), stop


def _described(data: bytes, start: int, end: int, depth: int) -> tuple[t.Value, int]:
    if depth >= MAX_DEPTH:
        raise decode_error("nested too deeply")
    descriptor, middle = _value(data, start, end, depth + 1)
    value, stop = _value(data, middle, end, depth + 1)
    return t.Described(descriptor, value), stop


type _Decoder = Callable[[bytes, int, int, int], t.Value]


def _number(layout: str, kind: Callable[..., t.Value]) -> _Decoder:
    unpack = struct.Struct(layout).unpack_from
    return lambda data, start, stop, depth: kind(unpack(data, start)[0])


def _constant(value: t.Value) -> _Decoder:
    return lambda data, start, stop, depth: value


def _text(prefix: int, kind: Callable[[str], str], charset: str) -> _Decoder:
    def decoder(data: bytes, start: int, stop: int, depth: int) -> t.Value:
        try:
            return kind(data[start + prefix : stop].decode(charset))
        except UnicodeDecodeError as exc:
            raise decode_error(f"text is not {charset}") from exc

    return decoder


def _boolean(data: bytes, start: int, stop: int, depth: int) -> t.Value:
    if data[start] > 1:
        raise decode_error("a boolean is 0 or 1")
    return data[start] == 1


def _char(data: bytes, start: int, stop: int, depth: int) -> t.Value:
    number = int.from_bytes(data[start:stop])
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise decode_error("a char is no Unicode scalar")
    return t.Char(chr(number))


def _compound(size: int, data: bytes, start: int, stop: int, depth: int) -> tuple[int, int]:
    """Element count and where the elements begin. A count that cannot fit builds nothing."""
    if depth >= MAX_DEPTH:
        raise decode_error("nested too deeply")
    if start + 2 * size > stop:
        raise decode_error("a count is cut off")
    first = start + 2 * size
    count = int.from_bytes(data[start + size : first])
    if count > stop - first:
        raise decode_error("more elements than bytes")
    return count, first


def _elements(size: int, data: bytes, start: int, stop: int, depth: int) -> list[t.Value]:
    count, position = _compound(size, data, start, stop, depth)
    values: list[t.Value] = []
    for _ in range(count):
        value, position = _value(data, position, stop, depth + 1)
        values.append(value)
    if position != stop:
        raise decode_error("bytes are left over after the last element")
    return values


def _map(size: int, data: bytes, start: int, stop: int, depth: int) -> dict[t.Value, t.Value]:
    flat = _elements(size, data, start, stop, depth)
    if len(flat) % 2:
        raise decode_error("a map has a key without a value")
    try:
        pairs = dict(zip(flat[::2], flat[1::2], strict=True))
    except TypeError as exc:
        raise decode_error("a map has a key that is a list or a map") from exc
    if 2 * len(pairs) != len(flat):
        raise decode_error("a map has a key twice")
    return pairs


def _array(size: int, data: bytes, start: int, stop: int, depth: int) -> t.Value:
    count, position = _compound(size, data, start, stop, depth)
    if position >= stop:
        raise decode_error("an array has no constructor")
    code = data[position]
    decoder, width = _DECODERS[code], _WIDTHS[code >> 4]
    if decoder is None or width is None:
        raise decode_error(f"{code:#04x} is no format code of an array")
    position += 1
    values: list[t.Value] = []
    for _ in range(count):
        after = _after_element(data, position, stop, width)
        values.append(decoder(data, position, after, depth + 1))
        position = after
    if position != stop:
        raise decode_error("bytes are left over after the last element")
    return t.Array(code, values)


def _after_element(data: bytes, start: int, end: int, width: int) -> int:
    """Where an array element of a type with this `_WIDTHS` entry ends."""
    if width >= 0:
        stop = start + width
    else:
        if start - width > end:
            raise decode_error("a length is cut off")
        stop = start - width + int.from_bytes(data[start : start - width])
    if stop > end:
        raise decode_error("a value reaches beyond its end")
    return stop


def _sized[T](
    function: Callable[[int, bytes, int, int, int], T], size: int
) -> Callable[[bytes, int, int, int], T]:
    def sized(data: bytes, start: int, stop: int, depth: int) -> T:
        return function(size, data, start, stop, depth)

    return sized


def _bytes(prefix: int) -> _Decoder:
    return lambda data, start, stop, depth: data[start + prefix : stop]


_DECODERS: list[_Decoder | None] = [None] * 256
_DECODERS[0x40] = _constant(None)
_DECODERS[0x41] = _constant(True)
_DECODERS[0x42] = _constant(False)
_DECODERS[0x43] = _constant(t.UInt(0))
_DECODERS[0x44] = _constant(t.ULong(0))
_DECODERS[0x45] = lambda data, start, stop, depth: []
_DECODERS[0x50] = _number(">B", t.UByte)
_DECODERS[0x51] = _number(">b", t.Byte)
_DECODERS[0x52] = _number(">B", t.UInt)
_DECODERS[0x53] = _number(">B", t.ULong)
_DECODERS[0x54] = _number(">b", t.Int)
_DECODERS[0x55] = _number(">b", t.Long)
_DECODERS[0x56] = _boolean
_DECODERS[0x60] = _number(">H", t.UShort)
_DECODERS[0x61] = _number(">h", t.Short)
_DECODERS[0x70] = _number(">I", t.UInt)
_DECODERS[0x71] = _number(">i", t.Int)
_DECODERS[0x72] = _number(">f", t.Float)
_DECODERS[0x73] = _char
_DECODERS[0x74] = lambda data, start, stop, depth: t.Decimal(data[start:stop])
_DECODERS[0x80] = _number(">Q", t.ULong)
_DECODERS[0x81] = _number(">q", t.Long)
_DECODERS[0x82] = _number(">d", float)
_DECODERS[0x83] = _number(">q", t.Timestamp)
_DECODERS[0x84] = lambda data, start, stop, depth: t.Decimal(data[start:stop])
_DECODERS[0x94] = lambda data, start, stop, depth: t.Decimal(data[start:stop])
_DECODERS[0x98] = lambda data, start, stop, depth: UUID(bytes=data[start:stop])
_DECODERS[0xA0] = _bytes(1)
_DECODERS[0xA1] = _text(1, str, "utf-8")
_DECODERS[0xA3] = _text(1, t.Symbol, "ascii")
_DECODERS[0xB0] = _bytes(4)
_DECODERS[0xB1] = _text(4, str, "utf-8")
_DECODERS[0xB3] = _text(4, t.Symbol, "ascii")
_DECODERS[0xC0] = _sized(_elements, 1)
_DECODERS[0xC1] = _sized(_map, 1)
_DECODERS[0xD0] = _sized(_elements, 4)
_DECODERS[0xD1] = _sized(_map, 4)
_DECODERS[0xE0] = _sized(_array, 1)
_DECODERS[0xF0] = _sized(_array, 4)
