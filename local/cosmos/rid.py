"""Resource ids: bytes that begin with the owner's, in base64 with '-' for '/', for they stand in URLs."""

import base64
import binascii
from dataclasses import dataclass

DATABASE_BYTES = 4
CONTAINER_BYTES = 8
DOCUMENT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Owner:
    """What a resource belongs to: its resource id (empty for the account) and its self link."""

    rid: bytes
    link: str

    @property
    def name(self) -> str:
        return self.rid.hex()


ACCOUNT = Owner(b"", "")


def encode_rid(raw: bytes) -> str:
    return base64.b64encode(raw).decode().replace("/", "-")


def decode_rid(text: str) -> bytes | None:
    """The bytes of a resource id; None for text that is none.

    >>> decode_rid(encode_rid(b"abcd")), decode_rid("a name")
    (b'abcd', None)
    """
    try:
        return base64.b64decode(text.replace("-", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None


def database_rid(number: int) -> str:
    return encode_rid(number.to_bytes(DATABASE_BYTES))
