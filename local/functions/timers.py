"""The timer trigger: one host at a time runs it; its status outlives hosts, so a missed run is past due."""

import asyncio
import contextlib
from datetime import UTC, datetime

from local.functions.invoke import Call, Invoker, compact
from local.functions.listening import keep_listening, wait
from local.functions.schedule import Schedule, monitored_by_default
from local.functions.store import Store, TimerStatus
from local.functions.triggers import TimerTrigger
from local.functions.worker import Datum, Function, as_json
from local.service import Clock

# A host looks at the clock at least this often: it may be a test's clock, or the machine may have slept.
_LOOK_S = 1.0


class TimerListener:
    """Waits for one function's times while holding its lock; tries for the lock while it does not."""

    def __init__(
        self,
        function: Function,
        trigger: TimerTrigger,
        schedule: Schedule,
        *,
        invoker: Invoker,
        store: Store,
        owner_id: str,
        lease_s: float,
        clock: Clock,
    ) -> None:
        self.function = function
        self._schedule = schedule
        self._trigger = trigger
        monitored = trigger.use_monitor
        self._monitored = monitored_by_default(schedule, clock()) if monitored is None else monitored
        self._invoker = invoker
        self._store = store
        self._owner_id = owner_id
        self._lease_s = lease_s
        self._clock = clock
        self._stopping = asyncio.Event()
        self._by_hand: list[asyncio.Task[None]] = []
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._running = asyncio.create_task(keep_listening(self.function.name, self._run, self._stopping))

    async def stop(self, patience_s: float) -> None:
        """An invocation under way may finish within `patience_s`."""
        self._stopping.set()
        runs = [*self._by_hand, *([self._running] if self._running else [])]
        if runs:
            await asyncio.wait(runs, timeout=patience_s)
        for run in runs:
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run
        self._store.unlock_timer(self.function.name, self._owner_id)

    def fire_by_hand(self) -> None:
        """Run the function now, whatever its schedule and wherever its lock."""
        self._by_hand.append(asyncio.create_task(self.fire()))
        self._by_hand = [run for run in self._by_hand if not run.done()]

    async def fire(self, *, past_due: bool = False) -> None:
        """Run the function now, retries included."""
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        call = Call(self.function, _request(past_due, self._status()), {}, f"Timer fired at {moment}")
        await self._invoker.settle(call, self._stopping)

    def _status(self) -> TimerStatus | None:
        return self._store.timer_status(self.function.name) if self._monitored else None

    def _lock(self) -> bool:
        now = self._clock()
        return self._store.lock_timer(self.function.name, self._owner_id, now, now + self._lease_s)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._lock():
                await wait(self._stopping, self._lease_s / 4)
                continue
            keeping = asyncio.create_task(self._keep_lock())
            try:
                await self._run_locked()
            finally:
                keeping.cancel()

    async def _keep_lock(self) -> None:
        """Renew, also while an invocation runs long."""
        while not await wait(self._stopping, self._lease_s / 4):
            self._lock()

    async def _run_locked(self) -> None:
        """Fire at each occurrence until the host stops or the lock is another host's."""
        next_at = await self._begin()
        while not self._stopping.is_set():
            if self._clock() < next_at:
                await wait(self._stopping, min(_LOOK_S, next_at - self._clock()))
            elif self._lock():
                next_at = await self._occur(next_at)
            else:
                return

    async def _begin(self) -> float:
        """Make up for a run missed while no host ran, or run on start-up; when to fire next."""
        now = self._clock()
        status = self._status()
        if status is not None:
            same = status.schedule == self._trigger.schedule
            due_at = (
                status.next_at if same else self._schedule.next_after(status.last_at or status.updated_at)
            )
            if due_at <= now:
                return await self._occur(due_at, past_due=True)
        if self._trigger.run_on_startup:
            return await self._occur(now)
        next_at = self._schedule.next_after(now)
        self._save(status.last_at if status else None, next_at)
        return next_at

    async def _occur(self, scheduled_at: float, *, past_due: bool = False) -> float:
        """Fire once; when to fire next, from now: what passed meanwhile is one run, not many."""
        await self.fire(past_due=past_due)
        if self._stopping.is_set():
            return scheduled_at
        next_at = self._schedule.next_after(max(self._clock(), scheduled_at))
        self._save(scheduled_at, next_at)
        return next_at

    def _save(self, last_at: float | None, next_at: float) -> None:
        if self._monitored:
            status = TimerStatus(last_at, next_at, self._clock(), self._trigger.schedule)
            self._store.save_timer_status(self.function.name, status)


def _request(past_due: bool, status: TimerStatus | None) -> Datum:
    def instant(moment: float | None) -> str:
        return (
            datetime.fromtimestamp(moment, UTC).isoformat()
            if moment is not None
            else "0001-01-01T00:00:00+00:00"
        )

    document: dict[str, object] = {
        "Schedule": {"AdjustForDST": True},
        "IsPastDue": past_due,
        "ScheduleStatus": None,
    }
    if status is not None:
        document["ScheduleStatus"] = {
            "Last": instant(status.last_at),
            "Next": instant(status.next_at),
            "LastUpdated": instant(status.updated_at),
        }
    return as_json(compact(document))
