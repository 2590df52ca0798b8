"""Effective partition keys, hash version 1: what containers made by old SDKs have.

MurmurHash3 x86 32 (Austin Appleby, public domain) of the value, as a number, followed by the value itself,
both in an order-preserving binary form written in hexadecimal.
"""

import struct
from typing import Final

from local.cosmos.hashing import Component, encode
from local.cosmos.json_types import Undefined

MOST_CHARACTERS: Final = 100
"""Of a text only so many characters are hashed, and about as many bytes follow the hash."""
_MASK: Final = 0xFFFFFFFF


def murmur3_32(data: bytes) -> int:
    """MurmurHash3 x86 32 with seed 0.

    >>> hex(murmur3_32(b"hello"))
    '0x248bfa47'
    """
    hashed = 0
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        hashed ^= _scrambled(word)
        hashed = (hashed << 13 | hashed >> 19) & _MASK
        hashed = (hashed * 5 + 0xE6546B64) & _MASK
    if len(data) > whole:
        hashed ^= _scrambled(int.from_bytes(data[whole:], "little"))
    hashed ^= len(data)
    hashed = ((hashed ^ hashed >> 16) * 0x85EBCA6B) & _MASK
    hashed = ((hashed ^ hashed >> 13) * 0xC2B2AE35) & _MASK
    return hashed ^ hashed >> 16


def _scrambled(word: int) -> int:
    word = (word * 0xCC9E2D51) & _MASK
    return ((word << 15 | word >> 17) & _MASK) * 0x1B873593 & _MASK


def effective_partition_key_v1(component: Component) -> str:
    """Upper-case hexadecimal, of varying length.

    >>> effective_partition_key_v1(True)
    '05C1D7C5A903D803'
    """
    if isinstance(component, str):
        component = component[:MOST_CHARACTERS]
    hashed = murmur3_32(encode(component, end_of_text=b"\x00"))
    return (_binary(float(hashed)) + _binary(component)).hex().upper()


def hash_bound(hashed: int) -> str:
    """Where in the key space the values of that hash begin."""
    return _binary(float(hashed)).hex().upper()


def _binary(component: Component) -> bytes:
    """Type marker and value so that bytes sort as values do."""
    match component:
        case Undefined():
            return b"\x00"
        case None:
            return b"\x01"
        case bool():
            return b"\x03" if component else b"\x02"
        case int() | float():
            return b"\x05" + _number(component)
        case str():
            raw = component.encode()
            shown = bytes(min(byte + 1, 255) for byte in raw[: MOST_CHARACTERS + 1])
            return b"\x08" + shown + (b"\x00" if len(raw) <= MOST_CHARACTERS else b"")


def _number(value: float) -> bytes:
    """8 bits, then groups of 7 bits each followed by a 1, the last by a 0."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    payload = -bits & 0xFFFFFFFFFFFFFFFF if bits >> 63 else bits ^ 1 << 63
    written = [payload >> 56]
    payload = payload << 8 & 0xFFFFFFFFFFFFFFFF
    while payload:
        written.append(payload >> 56 | 1)
        payload = payload << 7 & 0xFFFFFFFFFFFFFFFF
    if len(written) == 1:
        return bytes([*written, 0])
    return bytes([*written[:-1], written[-1] & 0xFE])
