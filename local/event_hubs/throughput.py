"""What a namespace with throughput units takes in: beyond it, senders are told that the server is busy.

Source: "Scaling with Event Hubs": a unit is 1,000 events or 1 MB a second of ingress, whichever comes first.
Senders hear `com.microsoft:server-busy` and try again; nothing of a refused batch is kept.
"""

from local.service import Clock

EVENTS_A_UNIT = 1_000
BYTES_A_UNIT = 1 << 20


class Throughput:
    """Allowances for one second each, filled up as time passes; a batch may overdraw them once."""

    def __init__(self, units: float | None, clock: Clock) -> None:
        """`units` None is without limit."""
        self._units = units
        self._clock = clock
        self._filled_at = clock()
        self._seconds_of_events = self._seconds_of_bytes = 1.0

    def takes(self, events: int, size: int) -> bool:
        """Whether a batch of so many events and bytes comes in; if so, it is counted."""
        if self._units is None:
            return True
        now = self._clock()
        passed, self._filled_at = max(0.0, now - self._filled_at), now
        self._seconds_of_events = min(1.0, self._seconds_of_events + passed)
        self._seconds_of_bytes = min(1.0, self._seconds_of_bytes + passed)
        if self._seconds_of_events <= 0 or self._seconds_of_bytes <= 0:
            return False
        self._seconds_of_events -= events / (EVENTS_A_UNIT * self._units)
        self._seconds_of_bytes -= size / (BYTES_A_UNIT * self._units)
        return True
