"""What really happened, beside what was sent: one JSON object a line.

| type | says |
|---|---|
| `state` | a machine was in a state from `start` to `end` (event time), with its time category |
| `counts` | a machine's true counters at a report |
| `fault` | what was broken on purpose, from when to when |
| `message` | what was sent, when, with which readings, and how it was corrupted |
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from local.plant.faults import Fault
from shared.domain.packml import PackMLState, TimeCategory, category

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
type Entry = dict[str, Json]


def iso(at: int) -> str:
    """Milliseconds since the epoch as RFC 3339.

    >>> iso(1_773_014_400_250)
    '2026-03-09T00:00:00.250Z'
    """
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


class Truth:
    """Hands entries to `write` as they become known; by default nobody wants them."""

    def __init__(
        self, reasons: Mapping[str, TimeCategory], write: Callable[[Entry], None] | None = None
    ) -> None:
        self._reasons = dict(reasons)
        self._write = write
        self._open: dict[str, tuple[int, PackMLState, str | None]] = {}

    def state(self, machine_id: str, at: int, state: PackMLState, reason: str | None) -> None:
        """A machine entered a state (or its order changed): the one before ends."""
        self.end(machine_id, at)
        self._open[machine_id] = at, state, reason

    def end(self, machine_id: str, at: int) -> None:
        if (before := self._open.pop(machine_id, None)) is None or self._write is None:
            return
        start, state, reason = before
        self._write(
            {
                "type": "state",
                "machineId": machine_id,
                "state": state.word,
                "reason": reason,
                "category": str(category(state, reason, self._reasons)),
                "start": iso(start),
                "end": iso(at),
            }
        )

    def counts(self, machine_id: str, at: int, good: int, reject: int) -> None:
        if self._write is not None:
            self._write(
                {"type": "counts", "machineId": machine_id, "at": iso(at), "good": good, "reject": reject}
            )

    def faults(self, faults: Sequence[Fault], start: int) -> None:
        for fault in faults if self._write is not None else ():
            assert self._write is not None
            self._write(
                {
                    "type": "fault",
                    "kind": fault.kind,
                    "target": fault.target,
                    "start": iso(start + round(fault.start_s * 1000)),
                    "end": iso(start + round(fault.end_s * 1000)),
                    "amount": fault.strength,
                    "share": fault.share,
                    "signal": fault.signal,
                }
            )

    def message(self, entry: Entry) -> None:
        if self._write is not None:
            self._write({"type": "message", **entry})


def line(entry: Entry) -> bytes:
    """One line of a truth file."""
    return orjson.dumps(entry) + b"\n"
