"""Device load at a given rate: bare MQTT clients that send prepared messages when their time has come.

azure-iot-device needs a thread and several locks a message and cannot reach such rates on the cores
that the services share; bench/iot_hub.py states its own figure. These clients speak the same
protocol with the same keys to the same port.
"""

import asyncio
import ssl
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.iot_hub import connect_packet, text

ACK_BYTES = 4
SLICE_S = 0.02
"""Messages that are due within one slice are sent together."""


@dataclass(frozen=True, slots=True)
class Due:
    """One message: who sends it, when (s since the load began), and what."""

    device_id: str
    at_s: float
    body: bytes
    mark: str = ""
    """Names the message in the record of send times; empty: not recorded."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a load."""

    sent: int
    acknowledged: int
    seconds: float
    """From the first send to the last acknowledgement."""
    late_p99_s: float
    """How far behind its own plan the load was."""
    sent_at: dict[str, float]
    """Mark -> the instant just before the message was written to the socket, s since the epoch."""


class _Client:
    def __init__(self, device_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        topic = text(f"devices/{device_id}/messages/events/$.ct=application%2Fjson&$.ce=utf-8")
        self._topic = topic
        self._number = 0
        self.sent = 0
        self.acknowledged = 0

    @classmethod
    async def connect(cls, port: int, ca: str, device_id: str, connection_string: str) -> "_Client":
        tls = ssl.create_default_context(cafile=ca)
        reader, writer = await asyncio.open_connection("localhost", port, ssl=tls)
        writer.write(connect_packet(device_id, connection_string))
        answer = await reader.readexactly(4)
        if answer[3] != 0:
            raise ConnectionError(f"{device_id}: IoT Hub refused the connection with code {answer[3]}")
        return cls(device_id, reader, writer)

    def publish(self, body: bytes) -> None:
        self._number = self._number % 65_535 + 1
        packet = self._topic + struct.pack(">H", self._number) + body
        self.writer.write(b"\x32" + _length(len(packet)) + packet)
        self.sent += 1

    async def read_acknowledgements(self) -> None:
        unread = 0
        while data := await self._reader.read(4096):
            answers, unread = divmod(unread + len(data), ACK_BYTES)
            self.acknowledged += answers


async def play(
    plan: Sequence[Due], *, port: int, ca: str, strings: dict[str, str], begin_at: float, patience_s: float
) -> Played:
    """Send everything at its time, counted from `begin_at` (s since the epoch); wait for the answers."""
    names = sorted({due.device_id for due in plan})
    clients = {name: await _Client.connect(port, ca, name, strings[name]) for name in names}
    readers = [asyncio.create_task(client.read_acknowledgements()) for client in clients.values()]
    sent_at: dict[str, float] = {}
    late: list[float] = []
    place = 0
    began = time.time()
    while place < len(plan):
        now = time.time() - begin_at
        while place < len(plan) and plan[place].at_s <= now:
            due = plan[place]
            moment = time.time()
            clients[due.device_id].publish(due.body)
            if due.mark:
                sent_at[due.mark] = moment
            late.append(moment - begin_at - due.at_s)
            place += 1
        await asyncio.gather(*(client.writer.drain() for client in clients.values()))
        await asyncio.sleep(SLICE_S)
    deadline = time.time() + patience_s
    while _acknowledged(clients) < len(plan) and time.time() < deadline:  # noqa: ASYNC110 - counted in many tasks
        await asyncio.sleep(SLICE_S)
    took = time.time() - max(began, begin_at)
    for reader in readers:
        reader.cancel()
    for client in clients.values():
        client.writer.transport.abort()
    late.sort()
    return Played(len(plan), _acknowledged(clients), took, late[int(len(late) * 0.99)], sent_at)


def _acknowledged(clients: dict[str, _Client]) -> int:
    return sum(client.acknowledged for client in clients.values())


def _length(size: int) -> bytes:
    """MQTT's variable length: seven bits a byte, lowest first."""
    encoded = bytearray()
    while True:
        size, low = divmod(size, 128)
        encoded.append(low | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


def run(
    plan: Sequence[Due], *, port: int, ca: str, strings: dict[str, str], begin_at: float, patience_s: float
) -> Played:
    """`play`, for a process of its own."""
    return asyncio.run(
        play(plan, port=port, ca=ca, strings=strings, begin_at=begin_at, patience_s=patience_s)
    )
