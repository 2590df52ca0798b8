"""From reports to the messages of a device, and what goes wrong on the way."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import orjson

from local.plant.faults import Fault, Schedule
from local.plant.model import Report
from local.plant.truth import Entry, Json, Truth, iso


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as it leaves a device."""

    device_id: str
    at: int
    """When it is sent, milliseconds since the epoch, in simulated time."""
    message_id: str
    body: bytes
    readings: tuple[tuple[str, str, int], ...]
    """(machine, timestamp as sent, sequence) of each reading in it."""
    faults: tuple[str, ...] = ()
    """What was done to it on purpose."""


@dataclass(frozen=True, slots=True)
class Link:
    """A device goes offline, or comes back."""

    device_id: str
    at: int
    online: bool


type Event = Outgoing | Link


@dataclass(order=True, slots=True)
class _Delayed:
    at_s: float
    number: int
    message: Outgoing = field(compare=False)


class Gateway:
    """One device. Collects the reports of its machines into messages of `readings_per_message`."""

    def __init__(
        self,
        device_id: str,
        *,
        seed: int,
        start: int,
        faults: Sequence[Fault],
        readings_per_message: int,
        truth: Truth,
    ) -> None:
        self._device_id = device_id
        self._rng = Random(f"{seed}:{device_id}")
        self._start = start
        self._faults = Schedule(faults, device_id)
        self._size = readings_per_message
        self._truth = truth
        self._sequence = 0
        self._messages = 0
        self._pending: list[Entry] = []
        self._delayed: list[_Delayed] = []
        self._held: Outgoing | None = None
        self._backlog: list[Outgoing] = []
        self._online = True
        self._now = start

    def step(self, reports: Sequence[Report], at_s: int) -> list[Event]:
        """The second `at_s`: what leaves the device, in order. Reports are those of its machines."""
        self._now = self._start + at_s * 1000
        events = self._link(at_s)
        while self._delayed and self._delayed[0].at_s <= at_s:
            events += self._leave(heapq.heappop(self._delayed).message)
        for report in reports:
            self._now = report.at
            self._pending.append(self._reading(report, at_s))
            if len(self._pending) >= self._size:
                events += self._dispatch(at_s)
        return events

    def finish(self, at_s: int) -> list[Event]:
        """Send what is still held back, at the end of a simulation."""
        self._now = self._start + at_s * 1000
        events: list[Event] = [] if self._online else [Link(self._device_id, self._now, online=True)]
        self._online = True
        events += [event for message in self._backlog for event in self._leave(message)]
        self._backlog = []
        if self._pending:
            events += self._leave(self._message())
        if self._held is not None:
            events += self._leave(self._held)
        while self._delayed:
            events += self._leave(heapq.heappop(self._delayed).message)
        return events

    def _link(self, at_s: int) -> list[Event]:
        online = self._faults.of("gateway_offline", at_s) is None
        if online == self._online:
            return []
        self._online = online
        events: list[Event] = [Link(self._device_id, self._now, online)]
        if online:
            backlog, self._backlog = self._backlog, []
            events += [event for message in backlog for event in self._leave(message)]
        return events

    def _reading(self, report: Report, at_s: int) -> Entry:
        """A v1 telemetry message. A skewed clock shows in the time stamp only."""
        skew = self._faults.of("clock_skew", at_s) if self._faults else None
        self._sequence += 1
        rejects: dict[str, Json] = {**report.rejects}
        signals: dict[str, Json] = {**report.signals}
        reading: Entry = {
            "machineId": report.machine_id,
            "timestamp": iso(report.at + (round(skew.strength * 1000) if skew else 0)),
            "sequence": self._sequence,
            "state": report.state.word,
        }
        if report.reason is not None:
            reading["reason"] = report.reason
        reading["order"] = (
            {"id": report.order_id, "product": report.product} if report.product else {"id": report.order_id}
        )
        reading["counts"] = {"good": report.good, "reject": report.reject, "rejects": rejects}
        reading["signals"] = signals
        return reading

    def _message(self) -> Outgoing:
        readings, self._pending = self._pending, []
        self._messages += 1
        body = orjson.dumps(readings[0] if len(readings) == 1 else readings)
        return Outgoing(
            self._device_id,
            self._now,
            f"{self._device_id}-{self._messages}",
            body,
            tuple(_key(reading) for reading in readings),
        )

    def _dispatch(self, at_s: int) -> list[Event]:
        """Send the pending readings, or do to them what a fault says."""
        message = self._message()
        held, self._held = self._held, None
        after = [] if held is None else self._leave(_marked(held, "reordered"))
        if not self._faults:
            return [*self._leave(message), *after]
        if self._strikes("malformed", at_s) is not None:
            return [*self._leave(self._broken(message)), *after]
        if (fault := self._strikes("late", at_s)) is not None:
            self._delay(_marked(message, "late"), at_s + fault.strength)
            return after
        if held is None and self._strikes("reordered", at_s) is not None:
            self._held = message
            return after
        if self._strikes("duplicate", at_s) is not None:
            self._delay(_marked(message, "duplicate"), at_s + self._rng.uniform(1, 5))
        return [*self._leave(message), *after]

    def _strikes(self, kind: str, at_s: int) -> Fault | None:
        fault = self._faults.of(kind, at_s)
        return fault if fault is not None and self._rng.random() < fault.share else None

    def _delay(self, message: Outgoing, at_s: float) -> None:
        heapq.heappush(self._delayed, _Delayed(at_s, self._messages, message))

    def _leave(self, message: Outgoing) -> list[Event]:
        if not self._online:
            self._backlog.append(_marked(message, "backlog"))
            return []
        sent = replace(message, at=self._now)
        readings: list[Json] = [[*reading] for reading in sent.readings]
        self._truth.message(
            {
                "deviceId": sent.device_id,
                "messageId": sent.message_id,
                "sentAt": iso(sent.at),
                "bytes": len(sent.body),
                "readings": readings,
                "faults": [*sent.faults],
            }
        )
        return [sent]

    def _broken(self, message: Outgoing) -> Outgoing:
        """The message, unusable: none of its readings can be had from it."""
        kind = self._rng.choice(list(_BREAKAGES))
        broken = replace(message, body=_BREAKAGES[kind](message.body))
        return _marked(_marked(broken, "malformed"), kind)


_BREAKAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda body: body[: len(body) // 2],
    "not UTF-8": lambda body: b"\xff\xfe" + body,
    "not a number": lambda body: body.replace(b'"sequence":', b'"sequence":NaN,"n":'),
    "naive time stamps": lambda body: body.replace(b'Z","sequence"', b'","sequence"'),
    "a stranger's machine": lambda body: body.replace(b'"machineId":"', b'"machineId":"NOT-'),
}
"""Ways to spoil a message; each spoils all of its readings."""


def _marked(message: Outgoing, fault: str) -> Outgoing:
    return replace(message, faults=(*message.faults, fault))


def _key(reading: Entry) -> tuple[str, str, int]:
    machine, timestamp, sequence = reading["machineId"], reading["timestamp"], reading["sequence"]
    assert isinstance(sequence, int)
    return str(machine), str(timestamp), sequence
