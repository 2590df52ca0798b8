"""Turns at a bounded rate, for services that refuse to be written faster."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from cachetools import LRUCache

type Sleep = Callable[[float], Awaitable[object]]

_KEPT = 50_000


class Pace:
    """At most `per_s` turns a second for each key, after a burst of `burst`.

    The generic cell rate algorithm (ITU-T I.371): one number a key, the instant at which its
    turns so far would have been over had they come evenly. Keys unused for longest are forgotten:
    their burst is whole again anyway. `clock` gives seconds.
    """

    def __init__(
        self,
        per_s: float,
        *,
        burst: int = 1,
        clock: Callable[[], float] = monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._interval_s = 1 / per_s
        self._tolerance_s = (burst - 1) / per_s
        self._clock = clock
        self._sleep = sleep
        self._even_at = LRUCache[str, float](_KEPT)

    async def turn(self, key: str = "") -> None:
        """Take the next turn and wait until it has come."""
        now = self._clock()
        even_at = max(self._even_at.get(key, now), now)
        self._even_at[key] = even_at + self._interval_s
        wait_s = even_at - self._tolerance_s - now
        if wait_s > 0:
            await self._sleep(wait_s)
