"""MQTT 3.1.1 on the wire: bytes to packets and back, nothing else.

Only the packets that a client may send are read. Source: OASIS MQTT Version 3.1.1, chapters 2 and 3.
"""

import struct
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14

PING_RESPONSE = bytes((PINGRESP << 4, 0))
SUBSCRIPTION_FAILURE = 0x80


class Malformed(Exception):
    """These bytes are no MQTT 3.1.1 packet: the connection is closed (MQTT-4.8.0-1)."""


@dataclass(frozen=True, slots=True)
class Will:
    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Connect:
    protocol: str
    level: int
    clean_session: bool
    keep_alive_s: int
    client_id: str
    username: str | None
    password: str | None
    will: Will | None


@dataclass(frozen=True, slots=True)
class Publish:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int
    """0 at QoS 0, where there is none."""


@dataclass(frozen=True, slots=True)
class PubAck:
    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    packet_id: int
    filters: tuple[tuple[str, int], ...]
    """Topic filter and requested QoS."""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PingReq:
    pass


@dataclass(frozen=True, slots=True)
class Disconnect:
    pass


type Packet = Connect | Publish | PubAck | Subscribe | Unsubscribe | PingReq | Disconnect


def frame(buffer: bytearray, start: int, largest: int) -> tuple[int, int] | None:
    """Where the packet at `start` has its body: (first byte, end). None while bytes are missing.

    A packet longer than `largest` bytes is Malformed as soon as its length is known, so a
    sender cannot make the buffer grow.
    """
    length = 0
    for place in range(4):
        at = start + 1 + place
        if at >= len(buffer):
            return None
        digit = buffer[at]
        length |= (digit & 0x7F) << (7 * place)
        if not digit & 0x80:
            break
    else:
        raise Malformed("the remaining length has more than four digits")
    if length > largest:
        raise Malformed(f"a packet of {length} bytes: at most {largest} are taken")
    body = at + 1
    return (body, body + length) if body + length <= len(buffer) else None


def read(first: int, body: memoryview) -> Packet:
    """One packet from its first byte and its body."""
    kind, flags = first >> 4, first & 0x0F
    try:
        if kind == PUBLISH:
            return _publish(flags, body)
        if flags != (2 if kind in (SUBSCRIBE, UNSUBSCRIBE) else 0):
            raise Malformed(f"reserved flags {flags:04b} in a packet of type {kind}")
        match kind:
            case 1:
                return _connect(body)
            case 4:
                return PubAck(_only_packet_id(body))
            case 8:
                return _subscribe(body)
            case 10:
                return _unsubscribe(body)
            case 12 | 14 if not body:
                return PingReq() if kind == PINGREQ else Disconnect()
            case _:
                raise Malformed(f"a client may not send a packet of type {kind} and {len(body)} bytes")
    except (struct.error, IndexError) as exc:
        raise Malformed("the packet ends too early") from exc
    except UnicodeDecodeError as exc:
        raise Malformed("a string is not UTF-8") from exc


def _publish(flags: int, body: memoryview) -> Publish:
    qos = flags >> 1 & 3
    if qos == 3:
        raise Malformed("QoS 3")
    topic, at = _string(body, 0)
    packet_id = 0
    if qos:
        packet_id = _nonzero(struct.unpack_from(">H", body, at)[0])
        at += 2
    return Publish(topic, bytes(body[at:]), qos, bool(flags & 1), packet_id)


def _connect(body: memoryview) -> Connect:
    protocol, at = _string(body, 0)
    level, flags, keep_alive_s = struct.unpack_from(">BBH", body, at)
    at += 4
    if flags & 1:
        raise Malformed("the reserved connect flag is set")
    client_id, at = _string(body, at)
    will = None
    if flags & 0x04:
        topic, at = _string(body, at)
        payload, at = _binary(body, at)
        will = Will(topic, payload, flags >> 3 & 3, bool(flags & 0x20))
    username = password = None
    if flags & 0x80:
        username, at = _string(body, at)
    if flags & 0x40:
        secret, at = _binary(body, at)
        password = secret.decode("utf-8")
    return Connect(protocol, level, bool(flags & 2), keep_alive_s, client_id, username, password, will)


def _subscribe(body: memoryview) -> Subscribe:
    packet_id, at = _packet_id(body), 2
    filters: list[tuple[str, int]] = []
    while at < len(body):
        topic, at = _string(body, at)
        qos = body[at]
        at += 1
        if qos > 2:
            raise Malformed(f"QoS {qos} requested")
        filters.append((topic, qos))
    if not filters:
        raise Malformed("a SUBSCRIBE without topic filters")
    return Subscribe(packet_id, tuple(filters))


def _unsubscribe(body: memoryview) -> Unsubscribe:
    packet_id, at = _packet_id(body), 2
    filters: list[str] = []
    while at < len(body):
        topic, at = _string(body, at)
        filters.append(topic)
    if not filters:
        raise Malformed("an UNSUBSCRIBE without topic filters")
    return Unsubscribe(packet_id, tuple(filters))


def _packet_id(body: memoryview) -> int:
    return _nonzero(struct.unpack_from(">H", body, 0)[0])


def _only_packet_id(body: memoryview) -> int:
    if len(body) != 2:
        raise Malformed(f"a PUBACK of {len(body)} bytes")
    return _packet_id(body)


def _nonzero(packet_id: int) -> int:
    if packet_id == 0:
        raise Malformed("packet identifier 0")
    return packet_id


def _binary(body: memoryview, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from(">H", body, at)
    end = at + 2 + length
    if end > len(body):
        raise Malformed("a string runs past the end of its packet")
    return bytes(body[at + 2 : end]), end


def _string(body: memoryview, at: int) -> tuple[str, int]:
    data, end = _binary(body, at)
    if b"\0" in data:
        raise Malformed("a string holds a null character")
    return data.decode("utf-8"), end


def connack(code: int, *, session_present: bool = False) -> bytes:
    return bytes((CONNACK << 4, 2, session_present, code))


def puback(packet_id: int) -> bytes:
    return struct.pack(">BBH", PUBACK << 4, 2, packet_id)


def suback(packet_id: int, granted: list[int]) -> bytes:
    return _with_length(SUBACK << 4, packet_id.to_bytes(2) + bytes(granted))


def unsuback(packet_id: int) -> bytes:
    return struct.pack(">BBH", UNSUBACK << 4, 2, packet_id)


def publish(topic: str, payload: bytes, packet_id: int = 0) -> bytes:
    """A message to the client: QoS 1 with a packet id, else QoS 0."""
    name = topic.encode("utf-8")
    number = packet_id.to_bytes(2) if packet_id else b""
    return _with_length(
        PUBLISH << 4 | (2 if packet_id else 0), len(name).to_bytes(2) + name + number + payload
    )


def _with_length(first: int, body: bytes) -> bytes:
    digits = bytearray()
    length = len(body)
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes((first, *digits)) + body
