"""Azure's rates, as token buckets on the injected clock."""

from collections import OrderedDict

from local.digital_twins.errors import quota_reached
from local.service import Clock

TWIN_WRITES_PER_S = 10
"""Writes to one twin, its relationships included. Azure does not raise it on request."""

INSTANCE_RATES = {
    "twin reads": 1000.0,
    "twin patches": 1000.0,
    "twin creations and deletions": 500.0,
    "model requests": 100.0,
    "event route requests": 100.0,
    "job requests": 1.0,
    "queries": 500.0,
    "query units": 4000.0,
}
"""Per second and instance: what Azure gives unasked. Support raises them, a setting does here."""

_REMEMBERED = 100_000


class Bucket:
    """Holds one second's worth; a take that finds it empty is refused. Query units may overdraw."""

    __slots__ = ("_filled_at", "_level", "per_s")

    def __init__(self, per_s: float, now: float) -> None:
        self.per_s = per_s
        self._level = per_s
        self._filled_at = now

    def take(self, amount: float, now: float) -> bool:
        elapsed_s = max(0.0, now - self._filled_at)
        self._level = min(self.per_s, self._level + elapsed_s * self.per_s)
        self._filled_at = now
        if self._level < min(amount, 1.0):
            return False
        self._level -= amount
        return True


class Throttle:
    """Refuses with 429 what goes beyond the instance's or a twin's rate."""

    def __init__(self, clock: Clock, factor: float = 1.0) -> None:
        self._clock = clock
        now = clock()
        self._instance = {what: Bucket(rate * factor, now) for what, rate in INSTANCE_RATES.items()}
        self._twins: OrderedDict[str, Bucket] = OrderedDict()

    def instance(self, what: str, amount: float = 1.0) -> None:
        bucket = self._instance[what]
        if not bucket.take(amount, self._clock()):
            raise quota_reached(what, bucket.per_s)

    def write(self, twin_id: str) -> None:
        """One write to a twin. The twins written longest ago are forgotten: their buckets are full."""
        now = self._clock()
        bucket = self._twins.get(twin_id)
        if bucket is None:
            bucket = self._twins[twin_id] = Bucket(TWIN_WRITES_PER_S, now)
            if len(self._twins) > _REMEMBERED:
                self._twins.popitem(last=False)
        self._twins.move_to_end(twin_id)
        if not bucket.take(1.0, now):
            raise quota_reached(f"writes to twin {twin_id}", TWIN_WRITES_PER_S)
