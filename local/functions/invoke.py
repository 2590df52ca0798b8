"""One invocation as the host sees it: log lines, time limit, retries, and what it would cost."""

import asyncio
import json
import logging
import math
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.functions.listening import wait
from local.functions.worker import Datum, Function, Outcome, Worker

log = logging.getLogger("host")

# Flex Consumption bills at least 1,000 ms per execution, then in steps of 100 ms.
_BILLED_MINIMUM_MS = 1000
_BILLED_STEP_MS = 100


@dataclass(slots=True)
class Usage:
    """What one function has used since start."""

    executions: int = 0
    failures: int = 0
    duration_ms: float = 0.0
    longest_ms: float = 0.0
    billed_ms: int = 0

    def add(self, duration_ms: float, *, failed: bool) -> None:
        self.executions += 1
        self.failures += failed
        self.duration_ms += duration_ms
        self.longest_ms = max(self.longest_ms, duration_ms)
        self.billed_ms += max(_BILLED_MINIMUM_MS, math.ceil(duration_ms / _BILLED_STEP_MS) * _BILLED_STEP_MS)


@dataclass(frozen=True, slots=True)
class Call:
    """One piece of work for a function, in the worker's terms."""

    function: Function
    datum: Datum
    metadata: Mapping[str, Datum]
    reason: str
    """As in the log line `Executing 'Functions.NAME' (Reason='...', Id=...)`."""
    routine: bool = False
    """High-rate triggers: a success is logged at debug level only."""


@dataclass(slots=True)
class Invoker:
    worker: Worker
    timeout_s: float
    """An invocation that runs longer fails. 0 or less: no limit."""
    usage: dict[str, Usage] = field(default_factory=dict[str, Usage])

    async def once(self, call: Call, *, retry_count: int = 0) -> Outcome:
        """Run the function once; a failure is logged here and returned."""
        name = call.function.name
        usage = self.usage.setdefault(name, Usage())
        invocation_id = str(uuid.uuid4())
        level = logging.DEBUG if call.routine else logging.INFO
        log.log(level, "Executing 'Functions.%s' (Reason='%s', Id=%s)", name, call.reason, invocation_id)
        retry = call.function.retry
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_s if self.timeout_s > 0 else None):
                outcome = await self.worker.invoke(
                    call.function,
                    invocation_id,
                    call.datum,
                    call.metadata,
                    retry_count=retry_count,
                    max_retry_count=retry.max_retry_count if retry else 0,
                )
        except TimeoutError:
            outcome = Outcome(
                error=f"Timeout value of {self.timeout_s:g} s was exceeded by function: Functions.{name}"
            )
        except asyncio.CancelledError:
            # Nobody cancels this task: something inside the function was cancelled and let it escape.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            outcome = Outcome(error="CancelledError()", traceback=traceback.format_exc())
        finally:
            duration_ms = (time.perf_counter() - began) * 1000
        usage.add(duration_ms, failed=not outcome.ok)
        if outcome.ok:
            log.log(
                level,
                "Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%.0fms)",
                name,
                invocation_id,
                duration_ms,
            )
        else:
            log.error(
                "Executed 'Functions.%s' (Failed, Id=%s, Duration=%.0fms)\n%s",
                name,
                invocation_id,
                duration_ms,
                outcome.traceback.rstrip() or outcome.error,
            )
        return outcome

    async def settle(self, call: Call, revoked: asyncio.Event) -> bool:
        """Run the function until it succeeds or its retries are spent: then the trigger may move on.

        False when `revoked` was set meanwhile (the host stops, the partition has another
        owner): the position must stay where it is. An invocation under way is never cut short.
        """
        retry_count = 0
        while not revoked.is_set():
            outcome = await self.once(call, retry_count=retry_count)
            if revoked.is_set():
                return False
            if outcome.ok:
                return True
            retry_count += 1
            retry = call.function.retry
            if retry is None or not retry.allows(retry_count):
                return True
            delay_s = retry.delay_s(retry_count)
            log.warning(
                "Function '%s' will be retried after %.1f s (retry %d)",
                call.function.name,
                delay_s,
                retry_count,
            )
            await wait(revoked, delay_s)
        return False

    def meter(self, *, instance_mb: int) -> dict[str, float]:
        """Executions and GB-seconds as Flex Consumption would bill them, were executions never to overlap."""
        gb = instance_mb / 1024
        totals: dict[str, float] = {"executions": 0, "gb_seconds": 0.0}
        for name, usage in sorted(self.usage.items()):
            gb_seconds = usage.billed_ms / 1000 * gb
            totals["executions"] += usage.executions
            totals["gb_seconds"] += gb_seconds
            totals[f"{name}.executions"] = usage.executions
            totals[f"{name}.failures"] = usage.failures
            totals[f"{name}.gb_seconds"] = round(gb_seconds, 3)
            totals[f"{name}.mean_ms"] = (
                round(usage.duration_ms / usage.executions, 3) if usage.executions else 0.0
            )
            totals[f"{name}.longest_ms"] = round(usage.longest_ms, 3)
        totals["gb_seconds"] = round(totals["gb_seconds"], 3)
        return totals


def compact(document: object) -> str:
    """JSON without spaces."""
    return json.dumps(document, separators=(",", ":"))
