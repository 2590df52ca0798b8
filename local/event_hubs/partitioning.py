"""Which partition a key belongs to: Bob Jenkins' lookup3 (hashlittle2), as Event Hubs and its SDKs use it.

Azure's buffered producers compute it too; the same key must land in the same partition either way.
"""

from functools import lru_cache

_MASK = 0xFFFFFFFF


@lru_cache(maxsize=65536)
def partition_of(key: str, partition_count: int) -> int:
    """The partition number of a key.

    >>> partition_of("press-1", 4) == partition_of("press-1", 4)
    True
    """
    c, b = lookup3(key.encode())
    folded = (c ^ b) & 0xFFFF
    signed = folded - 0x10000 if folded & 0x8000 else folded
    return signed % partition_count


def lookup3(data: bytes) -> tuple[int, int]:
    """Two 32-bit hashes (http://burtleburtle.net/bob/c/lookup3.c: hashlittle2 with seeds 0, 0)."""
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    if not data:
        return c, b
    last = (len(data) - 1) // 12 * 12
    for start in range(0, last, 12):
        a, b, c = _mix(*_add(a, b, c, data[start : start + 12]))
    return _final(*_add(a, b, c, data[last:].ljust(12, b"\0")))


def _add(a: int, b: int, c: int, block: bytes) -> tuple[int, int, int]:
    return (
        (a + int.from_bytes(block[:4], "little")) & _MASK,
        (b + int.from_bytes(block[4:8], "little")) & _MASK,
        (c + int.from_bytes(block[8:], "little")) & _MASK,
    )


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        # Each round is the same with the roles moved on by one; after six all are back at their names.
        a, b, c = _round(a, b, c, bits)
    return a, b, c


def _round(x: int, y: int, z: int, bits: int) -> tuple[int, int, int]:
    """x -= z; x ^= rotate(z); z += y. Returns (y, z, x)."""
    x = ((x - z) & _MASK) ^ _rotate(z, bits)
    return y, (z + y) & _MASK, x


def _final(a: int, b: int, c: int) -> tuple[int, int]:
    c = ((c ^ b) - _rotate(b, 14)) & _MASK
    a = ((a ^ c) - _rotate(c, 11)) & _MASK
    b = ((b ^ a) - _rotate(a, 25)) & _MASK
    c = ((c ^ b) - _rotate(b, 16)) & _MASK
    a = ((a ^ c) - _rotate(c, 4)) & _MASK
    b = ((b ^ a) - _rotate(a, 14)) & _MASK
    c = ((c ^ b) - _rotate(b, 24)) & _MASK
    return c, b
