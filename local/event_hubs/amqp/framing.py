"""Cutting a byte stream into protocol headers and frames (part 2, section 2.3)."""

import struct
from typing import NamedTuple

from local.event_hubs.amqp.errors import FRAMING_ERROR, AmqpError

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
EMPTY_FRAME = b"\x00\x00\x00\x08\x02\x00\x00\x00"
AMQP_FRAME = 0
SASL_FRAME = 1

_HEADER = struct.Struct(">IBBH")


class Frame(NamedTuple):
    """One frame; its body lies in data[start:end]. An empty body is a heartbeat."""

    kind: int
    channel: int
    data: bytes
    start: int
    end: int


def frame(channel: int, body: bytes, kind: int = AMQP_FRAME) -> bytes:
    """A whole frame around an encoded performative (and payload)."""
    return _HEADER.pack(len(body) + 8, 2, kind, channel) + body


class FrameReader:
    """Feed it what arrives, take out headers and frames. Never holds more than one incomplete frame."""

    def __init__(self, max_frame_size: int) -> None:
        self._max = max_frame_size
        self._data = b""
        self._at = 0
        self._rest = bytearray()
        self._wanted = 0

    def feed(self, data: bytes) -> None:
        """Add bytes. Call only after `frame` (or `header`) has said None."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data = bytes(self._rest)
            self._rest.clear()
        self._data, self._at = data, 0

    def header(self) -> bytes | None:
        """The next 8 bytes, None until they are there."""
        if len(self._data) - self._at < 8:
            return self._keep(8)
        self._at += 8
        return self._data[self._at - 8 : self._at]

    def frame(self) -> Frame | None:
        """The next frame, None until it is there. AmqpError for a size that no frame can have."""
        data, at = self._data, self._at
        if len(data) - at < 8:
            return self._keep(8)
        size, offset, kind, channel = _HEADER.unpack_from(data, at)
        if size > self._max:
            raise AmqpError(
                FRAMING_ERROR, f"The frame size {size} is larger than the maximum frame size {self._max}."
            )
        if offset < 2 or size < 4 * offset:
            raise AmqpError(FRAMING_ERROR, f"Invalid frame: size {size}, data offset {offset}.")
        if len(data) - at < size:
            return self._keep(size)
        self._at = at + size
        return Frame(kind, channel, data, at + 4 * offset, at + size)

    def _keep(self, wanted: int) -> None:
        if self._data:
            self._rest[:] = self._data[self._at :]
            self._data, self._at, self._wanted = b"", 0, wanted
