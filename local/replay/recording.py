"""What a replay sends: recorded readings by machine, and what is known about them beside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


class NotARecording(Exception):
    """The folder does not hold what its data set should; says what was looked for."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Readings that leave as one message: a JSON array."""

    body: bytes
    reading_count: int


@dataclass(frozen=True, slots=True)
class Service:
    """Maintenance records of one instant, to be folded once everything before them is."""

    at: int
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One machine's recording: what its device sends, in order."""

    machine_id: str
    device_id: str
    readings: Sequence[tuple[int, bytes]]
    """(event time in ms, JSON), ascending."""
    maintained: Sequence[tuple[int, str]] = ()
    """(instant in ms, component), ascending."""

    def cut(self, limit: int | None) -> "Lane":
        """The first `limit` readings only."""
        return Lane(self.machine_id, self.device_id, self.readings[:limit], self.maintained)

    def steps(self, per_message: int) -> Iterator[Chunk | Service]:
        """Chunks and services in event-time order.

        A record of the instant t stands behind the readings up to t and before the first one after
        it, as whoever writes the record sees it. Records behind the last reading have not happened.
        """
        sent, last = 0, self.readings[-1][0] if self.readings else -1
        for service in self._services():
            if service.at > last:
                break
            behind = sent
            while behind < len(self.readings) and self.readings[behind][0] <= service.at:
                behind += 1
            yield from self._chunks(sent, behind, per_message)
            yield service
            sent = behind
        yield from self._chunks(sent, len(self.readings), per_message)

    def _services(self) -> Iterator[Service]:
        components: dict[int, list[str]] = {}
        for at, component in self.maintained:
            components.setdefault(at, []).append(component)
        for at in sorted(components):
            yield Service(at, tuple(components[at]))

    def _chunks(self, start: int, end: int, per_message: int) -> Iterator[Chunk]:
        for first in range(start, end, per_message):
            bodies = [body for _, body in self.readings[first : min(first + per_message, end)]]
            yield Chunk(b"[" + b",".join(bodies) + b"]", len(bodies))


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled anomaly, from the first to the last instant in ms."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A data set, read and made into messages."""

    name: str
    title: str
    factory: Path
    lanes: tuple[Lane, ...]
    per_message: int
    """Readings in one message: a device that collects them for a while."""
    remarks: tuple[str, ...]
    """What a reader of the report should know about the data."""
    failed_at: Mapping[str, Sequence[int]] | None = None
    """Recorded failures by machine, ms; None: the set records none."""
    anomalies: tuple[Span, ...] | None = None
    """Labelled by the set's authors; None: it has no labels."""

    @property
    def reading_count(self) -> int:
        return sum(len(lane.readings) for lane in self.lanes)


def utc(text: str) -> int:
    """A recording's naive time stamp, taken as UTC, in ms. ValueError when it is none.

    >>> utc("2020-03-09 10:14:33")
    1583748873000
    """
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
