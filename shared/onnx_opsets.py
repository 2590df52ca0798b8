"""Which operator sets an ONNX file says it is made of, without the training library that could parse it.

A model is a protobuf message (onnx.proto3): field 8 of ModelProto repeats OperatorSetIdProto, whose
field 1 is the domain, "" for ONNX itself, and field 2 the version. Everything else is passed over.
"""

from collections.abc import Iterator

_OPSET_IMPORT, _DOMAIN, _VERSION = 8, 1, 2


def opsets(content: bytes) -> dict[str, int]:
    """Domain -> version. Raises ValueError for bytes that are no such message."""
    found: dict[str, int] = {}
    for field, value in _fields(content):
        if field == _OPSET_IMPORT and isinstance(value, bytes):
            inner = dict(_fields(value))
            domain, version = inner.get(_DOMAIN, b""), inner.get(_VERSION, 0)
            if isinstance(domain, bytes) and isinstance(version, int):
                found[domain.decode()] = version
    return found


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        match key & 7:
            case 0:  # varint
                value, place = _varint(content, place)
            case 2:  # length and bytes
                length, place = _varint(content, place)
                value = content[place : place + length]
                if len(value) < length:
                    raise ValueError("the file is cut short")
                place += length
            case 1:  # 64 bits
                place += 8
                continue
            case 5:  # 32 bits
                place += 4
                continue
            case other:
                raise ValueError(f"no protobuf: wire type {other}")
        yield key >> 3, value


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(content) and shift < 70:
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("the file is cut short")
