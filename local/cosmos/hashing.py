"""Effective partition keys: where in the key space a partition key value lies.

Version 2 spreads values over 00..3F..FF; `hashing_v1.py` has the one before it.

The algorithm is public (MurmurHash3 x64 128 by Austin Appleby, public domain); how Cosmos DB
feeds values to it is what its SDKs do on the client to find a partition. A test holds ours equal
to the one inside azure-cosmos 4.17.1, which sends ranges of these strings.
"""

import struct
from functools import lru_cache
from typing import Final

from local.cosmos.json_types import Undefined

type Component = bool | int | float | str | Undefined | None

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F


def _rotate(value: int, shift: int) -> int:
    return ((value << shift) | (value >> (64 - shift))) & _MASK


def _finish(value: int) -> int:
    value ^= value >> 33
    value = (value * 0xFF51AFD7ED558CCD) & _MASK
    value ^= value >> 33
    value = (value * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


def murmur3_128(data: bytes) -> bytes:
    """MurmurHash3 x64 128 with seed 0: 16 bytes, low half first, each half little-endian."""
    h1 = h2 = 0
    whole = len(data) & ~15
    for k1, k2 in struct.iter_unpack("<QQ", data[:whole]):
        h1 ^= (_rotate((k1 * _C1) & _MASK, 31) * _C2) & _MASK
        h1 = ((_rotate(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= (_rotate((k2 * _C2) & _MASK, 33) * _C1) & _MASK
        h2 = ((_rotate(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    tail = data[whole:].ljust(16, b"\0")
    k1, k2 = struct.unpack("<QQ", tail)
    h2 ^= (_rotate((k2 * _C2) & _MASK, 33) * _C1) & _MASK
    h1 ^= (_rotate((k1 * _C1) & _MASK, 31) * _C2) & _MASK
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1, h2 = _finish(h1), _finish(h2)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    return struct.pack("<QQ", h1, h2)


def encode(component: Component, *, end_of_text: bytes = b"\xff") -> bytes:
    """Type marker and value, as the service hashes them; every number is a double."""
    match component:
        case Undefined():
            return b"\x00"
        case None:
            return b"\x01"
        case bool():
            return b"\x03" if component else b"\x02"
        case int() | float():
            return b"\x05" + struct.pack("<d", component)
        case str():
            return b"\x08" + component.encode() + end_of_text


def _position(data: bytes) -> str:
    """The hash as 32 hexadecimal digits; the two highest bits are cleared, for FF ends the space."""
    hashed = bytearray(reversed(murmur3_128(data)))
    hashed[0] &= 0x3F
    return hashed.hex().upper()


@lru_cache(maxsize=65536)
def _cached(encoded: tuple[bytes, ...], multi: bool) -> str:
    if multi:
        return "".join(_position(one) for one in encoded)
    return _position(b"".join(encoded))


def effective_partition_key(components: tuple[Component, ...], *, multi_hash: bool) -> str:
    """Upper-case hexadecimal: 32 digits, or 32 for each component of a hierarchical key.

    A prefix of a hierarchical key gives a prefix of the string.

    >>> effective_partition_key(("machine-1",), multi_hash=False)
    '3F40E7A89CA5077C535BD8E978012392'
    """
    return _cached(tuple(encode(one) for one in components), multi_hash)
