"""One MQTT connection: packets in, answers out, at a pace that bounds memory. Who the client is and what
it may do is decided by the `Client` that its CONNECT leads to: a device of the hub, or one that registers.

Reading pauses while too much of this client's is not yet persisted, while the outlet is full, and
while the client does not read its own acknowledgements.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Protocol

from local.iot_hub import errors, packets
from local.iot_hub.errors import Forbidden, Refused
from local.iot_hub.packets import Malformed, Will

LOG = logging.getLogger(__name__)
CONNECT_WITHIN_S = 15
KEEP_ALIVE_LIMIT_S = 1767
IN_FLIGHT_COUNT = 500
IN_FLIGHT_BYTES = 1 << 20
BODY_LIMIT = 256 * 1024
PACKET_LIMIT = BODY_LIMIT + (1 << 16)
"""The longest packet that is read: the longest body plus the longest topic MQTT allows."""


class Client(Protocol):
    """Who is at the other end, after an accepted CONNECT."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    @property
    def expires_at(self) -> float:
        """When its credentials end, and the connection with them; seconds since the epoch."""
        ...

    def published(self, session: "Session", packet: packets.Publish) -> None:
        """Act on a message and see to its acknowledgement. Raises Forbidden to close the connection."""
        ...

    def left(self, session: "Session", will: Will) -> None:
        """It is gone without a DISCONNECT and leaves this message. Raises Forbidden to drop it."""
        ...

    def resumed(self, *, clean: bool) -> dict[str, int] | None:
        """The subscriptions of its last session, to go on with; None if none was kept, or if they are to be
        forgotten."""
        ...

    def keep(self, topics: Mapping[str, int]) -> None:
        """Keep these subscriptions (QoS by topic filter) for its next session."""
        ...

    def granted(self, topic: str, qos: int, have: Collection[str]) -> int:
        """The QoS granted to a topic filter, or packets.SUBSCRIPTION_FAILURE."""
        ...

    def subscribed(self, session: "Session", topic: str) -> None:
        """A topic filter has been granted and acknowledged, or was so in the session that goes on."""
        ...

    def acknowledged(self, packet_id: int) -> None:
        """The client has got a message that was sent with QoS 1."""
        ...

    def gone(self, session: "Session") -> None:
        """The connection has ended."""
        ...


class Hub(Protocol):
    """What a session asks of the hub."""

    def clock(self) -> float: ...

    def connect(self, session: "Session", connect: packets.Connect) -> Client:
        """Admit a client and end its older session. Raises Refused."""
        ...

    def crowded(self) -> bool:
        """Whether senders should wait."""
        ...

    def opened(self, session: "Session") -> None:
        """A client has finished its TLS handshake."""
        ...

    def closed(self, session: "Session") -> None:
        """The connection of such a client has ended, admitted or not."""
        ...


class Session(asyncio.Protocol):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._client: Client | None = None
        self._will: Will | None = None
        self._topics: dict[str, int] = {}
        self._clean = True
        self._in_flight_count = self._in_flight_bytes = 0
        self._peer_slow = self._paused = False
        self._heard_at = self._loop.time()
        self._patience_s: float = CONNECT_WITHIN_S
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._next_packet_id = 0

    def certificate(self) -> bytes | None:
        """The client's certificate in DER, if it has shown one."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport else None
        return tls.getpeercert(binary_form=True) if tls else None

    def certificate_chain(self) -> list[bytes]:
        """The certificates in DER that the client has shown, its own first."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport else None
        return tls.get_unverified_chain() if tls else []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._hub.opened(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._expiry):
            if timer:
                timer.cancel()
        self._transport = None
        self._buffer.clear()
        if self._client:
            if self._will:
                self._leave(self._client, self._will)
            self._client.gone(self)
        self._hub.closed(self)

    def close(self, why: str) -> None:
        """Drop the connection without a word, as the service does."""
        if self._transport:
            LOG.info(
                "closed the connection of %s: %s", self._client.name if self._client else "a client", why
            )
            self._transport.abort()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._buffer += data
        self._read()

    def pause_writing(self) -> None:
        self._peer_slow = True
        self._pace()

    def resume_writing(self) -> None:
        self._peer_slow = False
        self._pace()

    def listens(self, topic: str) -> bool:
        """Whether the client has subscribed to this topic filter."""
        return self.granted_qos(topic) is not None

    def granted_qos(self, topic: str) -> int | None:
        """The QoS of the client's subscription to this topic filter; None without one."""
        return self._topics.get(topic) if self._transport is not None else None

    def publish(self, topic: str, payload: bytes) -> None:
        """A message to the client at QoS 0."""
        self._write(packets.publish(topic, payload))

    def publish_acknowledged(self, topic: str, payload: bytes) -> int:
        """A message to the client at QoS 1; returns the packet id that its acknowledgement will bear."""
        self._next_packet_id = self._next_packet_id % 0xFFFF + 1
        self._write(packets.publish(topic, payload, self._next_packet_id))
        return self._next_packet_id

    def acknowledge(self, packet: packets.Publish) -> None:
        """Answer a message of QoS 1 that needs no persisting."""
        if packet.qos:
            self._write(packets.puback(packet.packet_id))

    def taken(self, size: int) -> None:
        """A message of the client's is on its way to a disk; `persisted` follows."""
        self._in_flight_bytes += size
        self._in_flight_count += 1

    def persisted(self, packet_ids: list[int], size: int) -> None:
        """Messages of this client will survive a crash: acknowledge those of QoS 1."""
        self._in_flight_count -= len(packet_ids)
        self._in_flight_bytes -= size
        self._write(b"".join(map(packets.puback, filter(None, packet_ids))))
        self._pace()

    def _read(self) -> None:
        """Act on every whole packet, unless paused: then the rest waits where it is."""
        at = 0
        try:
            while self._transport and not self._paused and at < len(self._buffer):
                if self._client is None and self._buffer[at] != packets.CONNECT << 4:
                    raise Malformed("the first packet is no CONNECT")
                found = packets.frame(self._buffer, at, PACKET_LIMIT)
                if found is None:
                    break
                start, end = found
                with memoryview(self._buffer) as whole, whole[start:end] as body:
                    packet = packets.read(self._buffer[at], body)
                at = end
                self._act(packet)
                self._pace(resume=False)
        except (Malformed, Forbidden) as exc:
            self.close(str(exc))
        del self._buffer[:at]

    def _act(self, packet: packets.Packet) -> None:
        if self._client is None:
            assert isinstance(packet, packets.Connect)
            self._connect(packet)
            return
        match packet:
            case packets.Publish():
                if packet.qos == 2:
                    raise Forbidden("QoS 2 is not supported")
                self._client.published(self, packet)
            case packets.PingReq():
                self._write(packets.PING_RESPONSE)
            case packets.Subscribe():
                self._subscribe(packet, self._client)
            case packets.Unsubscribe():
                for topic in packet.filters:
                    self._topics.pop(topic, None)
                self._keep_topics(self._client)
                self._write(packets.unsuback(packet.packet_id))
            case packets.Disconnect():
                self._will = None
                if self._transport:
                    self._transport.close()
            case packets.PubAck():
                self._client.acknowledged(packet.packet_id)
            case packets.Connect():
                raise Malformed("a second CONNECT")

    def _connect(self, packet: packets.Connect) -> None:
        try:
            client = self._hub.connect(self, packet)
        except Refused as exc:
            LOG.info("refused %r: %s", packet.client_id[:128], exc)
            self._write(packets.connack(exc.code))
            if self._transport:
                self._transport.close()
                self._transport = None
            return
        self._client, self._will = client, packet.will
        keep_alive_s = min(packet.keep_alive_s or KEEP_ALIVE_LIMIT_S, KEEP_ALIVE_LIMIT_S)
        self._patience_s = 1.5 * keep_alive_s
        self._clean = packet.clean_session
        resumed = client.resumed(clean=packet.clean_session)
        self._topics = resumed or {}
        self._keep_topics(client)
        self._write(packets.connack(errors.ACCEPTED, session_present=resumed is not None))
        self._watch()
        self._await_expiry(client)
        for topic in list(self._topics):
            client.subscribed(self, topic)

    def _subscribe(self, packet: packets.Subscribe, client: Client) -> None:
        answers: list[int] = []
        granted: list[str] = []
        for topic, qos in packet.filters:
            answer = client.granted(topic, qos, self._topics)
            if answer != packets.SUBSCRIPTION_FAILURE:
                self._topics[topic] = answer
                granted.append(topic)
            answers.append(answer)
        self._keep_topics(client)
        self._write(packets.suback(packet.packet_id, answers))
        for topic in granted:
            client.subscribed(self, topic)

    def _keep_topics(self, client: Client) -> None:
        """Unless the session ends with the connection."""
        if not self._clean:
            client.keep(self._topics)

    def _leave(self, client: Client, will: Will) -> None:
        """The connection ended without a DISCONNECT: the will becomes a message."""
        try:
            client.left(self, will)
        except Forbidden as exc:
            LOG.info("the will of %s is dropped: %s", client.name, exc)

    def _write(self, data: bytes) -> None:
        if self._transport and data:
            self._transport.write(data)

    def _pace(self, *, resume: bool = True) -> None:
        """Pause or resume reading, whichever the bounds ask for."""
        if self._transport is None:
            return
        much = self._in_flight_count >= IN_FLIGHT_COUNT or self._in_flight_bytes >= IN_FLIGHT_BYTES
        crowded = self._in_flight_count > 0 and self._hub.crowded()
        wait = self._peer_slow or much or crowded
        if wait and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        elif resume and self._paused and not wait and self._in_flight_count <= IN_FLIGHT_COUNT // 2:
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()
            self._read()

    def _watch(self) -> None:
        """Close a connection that has been silent for longer than its keep-alive allows."""
        if self._timer:
            self._timer.cancel()
        if self._transport is None:
            return
        if self._paused and not self._peer_slow:
            self._heard_at = self._loop.time()
        due_at = self._heard_at + self._patience_s
        if due_at <= self._loop.time():
            self.close(f"nothing heard for {self._patience_s:g} s")
            return
        self._timer = self._loop.call_at(due_at, self._watch)

    def _await_expiry(self, client: Client) -> None:
        """Close the connection when its credentials end."""
        left_s = client.expires_at - self._hub.clock()
        if left_s <= 0:
            self.close("the token has expired")
        else:
            self._expiry = self._loop.call_later(min(left_s, 86_400), self._await_expiry, client)
