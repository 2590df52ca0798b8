"""One device's connection: packets in, acknowledgements out, at a pace that bounds memory.

Reading pauses while too much of this device's is not yet persisted, while the outlet is full, and
while the device does not read its own acknowledgements.
"""

import asyncio
import logging
from typing import Protocol

from local.iot_hub import errors, packets, rules
from local.iot_hub.errors import Forbidden, Refused
from local.iot_hub.packets import Malformed, Will
from local.iot_hub.rules import Admitted

LOG = logging.getLogger(__name__)
CONNECT_WITHIN_S = 15
IN_FLIGHT_COUNT = 500
IN_FLIGHT_BYTES = 1 << 20
TWIN_AWAY = b'{"errorCode":501001,"message":"The local IoT Hub does not do device twins."}'


class Hub(Protocol):
    """What a session asks of the hub."""

    def clock(self) -> float: ...

    def connect(self, session: "Session", connect: packets.Connect) -> Admitted:
        """Admit the device and end its older session. Raises Refused."""
        ...

    def telemetry(self, session: "Session", packet: packets.Publish | Will, packet_id: int) -> int:
        """Take a device message; returns its size in bytes. Raises Forbidden."""
        ...

    def crowded(self) -> bool:
        """Whether senders should wait."""
        ...

    def gone(self, session: "Session", device: Admitted) -> None:
        """The connection of an admitted device has ended."""
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
        self._device: Admitted | None = None
        self._will: Will | None = None
        self._subscribed: set[str] = set()
        self._in_flight_count = self._in_flight_bytes = 0
        self._peer_slow = self._paused = False
        self._heard_at = self._loop.time()
        self._patience_s: float = CONNECT_WITHIN_S
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def device(self) -> Admitted:
        """Who this is. Only asked of connected sessions."""
        assert self._device is not None
        return self._device

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
        if self._device:
            if self._will:
                self._leave(self._will)
            self._hub.gone(self, self._device)
        self._hub.closed(self)

    def close(self, why: str) -> None:
        """Drop the connection without a word, as the service does."""
        if self._transport:
            who = self._device.device_id if self._device else "a client"
            LOG.info("closed the connection of %s: %s", who, why)
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

    def persisted(self, packet_ids: list[int], size: int) -> None:
        """Messages of this device will survive a crash: acknowledge those of QoS 1."""
        self._in_flight_count -= len(packet_ids)
        self._in_flight_bytes -= size
        self._write(b"".join(map(packets.puback, filter(None, packet_ids))))
        self._pace()

    def _read(self) -> None:
        """Act on every whole packet, unless paused: then the rest waits where it is."""
        at = 0
        try:
            while self._transport and not self._paused and at < len(self._buffer):
                if self._device is None and self._buffer[at] != packets.CONNECT << 4:
                    raise Malformed("the first packet is no CONNECT")
                found = packets.frame(self._buffer, at, rules.PACKET_LIMIT)
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
        if self._device is None:
            assert isinstance(packet, packets.Connect)
            self._connect(packet)
            return
        match packet:
            case packets.Publish():
                self._publish(packet, self._device)
            case packets.PingReq():
                self._write(packets.PING_RESPONSE)
            case packets.Subscribe():
                self._subscribe(packet, self._device)
            case packets.Unsubscribe():
                self._subscribed.difference_update(packet.filters)
                self._write(packets.unsuback(packet.packet_id))
            case packets.Disconnect():
                self._will = None
                if self._transport:
                    self._transport.close()
            case packets.PubAck():
                return
            case packets.Connect():
                raise Malformed("a second CONNECT")

    def _connect(self, packet: packets.Connect) -> None:
        try:
            device = self._hub.connect(self, packet)
        except Refused as exc:
            LOG.info("refused %r: %s", packet.client_id[:128], exc)
            self._write(packets.connack(exc.code))
            if self._transport:
                self._transport.close()
                self._transport = None
            return
        self._device, self._will = device, packet.will
        keep_alive_s = min(packet.keep_alive_s or rules.KEEP_ALIVE_LIMIT_S, rules.KEEP_ALIVE_LIMIT_S)
        self._patience_s = 1.5 * keep_alive_s
        self._write(packets.connack(errors.ACCEPTED))
        self._watch()
        self._await_expiry()

    def _publish(self, packet: packets.Publish, device: Admitted) -> None:
        rules.check_publish(packet, device.device_id)
        if rules.is_telemetry(packet.topic, device.device_id):
            self._in_flight_bytes += self._hub.telemetry(self, packet, packet.packet_id)
            self._in_flight_count += 1
            return
        if packet.qos:
            self._write(packets.puback(packet.packet_id))
        request = rules.twin_request(packet.topic)
        if request is not None and "$iothub/twin/res/#" in self._subscribed:
            self._write(packets.publish(f"$iothub/twin/res/501/?$rid={request}", TWIN_AWAY))

    def _subscribe(self, packet: packets.Subscribe, device: Admitted) -> None:
        answers: list[int] = []
        for topic, qos in packet.filters:
            answer = rules.granted(topic, qos, device.device_id, self._subscribed)
            if answer != packets.SUBSCRIPTION_FAILURE:
                self._subscribed.add(topic)
            answers.append(answer)
        self._write(packets.suback(packet.packet_id, answers))

    def _leave(self, will: Will) -> None:
        """The connection ended without a DISCONNECT: the will becomes a message."""
        try:
            self._in_flight_bytes += self._hub.telemetry(self, will, 0)
            self._in_flight_count += 1
        except Forbidden as exc:
            LOG.info("the will of %s is dropped: %s", self.device.device_id, exc)

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

    def _await_expiry(self) -> None:
        """Close the connection when its token ends."""
        left_s = self.device.expires_at - self._hub.clock()
        if left_s <= 0:
            self.close("the token has expired")
        else:
            self._expiry = self._loop.call_later(min(left_s, 86_400), self._await_expiry)
