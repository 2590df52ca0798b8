"""Sends the outbox, one endpoint independent of the others: in order, at least once.

An event leaves the outbox when its endpoint has taken it, or never will: what is refused for good
is logged and passed. An endpoint that is away is asked again; its events wait, up to a limit.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Iterable

import aiohttp

from local.digital_twins.database import Database
from local.digital_twins.egress.endpoints import Endpoint, EventHub
from local.digital_twins.egress.events import amqp_record, grid_event
from local.digital_twins.jsontypes import JsonObject, dump, parse
from local.event_hubs.messages import frame_records
from local.meter import Meter

LOG = logging.getLogger(__name__)
BATCH = 200
WAITING_LIMIT = 100_000
"""Events kept for an endpoint that is away; the oldest go first."""
RETRY_S = 0.5
TIMEOUT_S = 10
_REFUSED_FOR_GOOD = (400, 413)

type Waiting = list[tuple[int, str, JsonObject]]
"""(number, twin, event)"""


class Delivery:
    def __init__(self, database: Database, endpoints: Iterable[Endpoint], meter: Meter) -> None:
        self._database, self._meter = database, meter
        self._wakes = {endpoint.name: asyncio.Event() for endpoint in endpoints}
        self._endpoints = list(endpoints)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._deliver(endpoint)) for endpoint in self._endpoints]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def wake(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    async def _deliver(self, endpoint: Endpoint) -> None:
        wake = self._wakes[endpoint.name]
        away = False
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:
            while True:
                wake.clear()
                waiting = await self._database.read(lambda connection: _oldest(connection, endpoint.name))
                if not waiting:
                    await wake.wait()
                    continue
                status, problem = await _send(http, endpoint, waiting)
                if problem is not None and not away:
                    LOG.warning("endpoint %s did not take events: %s", endpoint.name, problem)
                away = problem is not None
                if problem is None or status in _REFUSED_FOR_GOOD:
                    self._forget(endpoint.name, waiting[-1][0])
                    self._meter.add(
                        "routed_messages" if problem is None else "refused_messages", len(waiting)
                    )
                else:
                    self._forget(endpoint.name, waiting[0][0] - 1, keep=WAITING_LIMIT)
                    await asyncio.sleep(RETRY_S)

    def _forget(self, endpoint: str, number: int, keep: int | None = None) -> None:
        """What is delivered; with `keep`, what is too much."""
        if keep is not None:
            last = self._database.rows(
                "SELECT number FROM notifications WHERE endpoint = ? ORDER BY number DESC LIMIT 1 OFFSET ?",
                (endpoint, keep),
            )
            if not last:
                return
            number = int(last[0][0])
        self._database.write(
            "DELETE FROM notifications WHERE endpoint = ? AND number <= ?", (endpoint, number)
        )


def _oldest(connection: sqlite3.Connection, endpoint: str) -> Waiting:
    rows = connection.execute(
        "SELECT number, twin, event FROM notifications WHERE endpoint = ? ORDER BY number LIMIT ?",
        (endpoint, BATCH),
    )
    waiting: Waiting = []
    for number, twin, text in rows.fetchall():
        event = parse(text)
        assert isinstance(event, dict)
        waiting.append((number, twin, event))
    return waiting


async def _send(http: aiohttp.ClientSession, endpoint: Endpoint, waiting: Waiting) -> tuple[int, str | None]:
    """(status, what went wrong); None when everything was taken, status 0 without an answer."""
    if isinstance(endpoint, EventHub):
        body = frame_records(amqp_record(twin, event) for _, twin, event in waiting)
        headers = {"Content-Type": "application/octet-stream"}
    else:
        events = [event if endpoint.cloud_events else grid_event(event) for _, _, event in waiting]
        body = dump([*events])
        kind = "application/cloudevents-batch+json" if endpoint.cloud_events else "application/json"
        headers = {"Content-Type": f"{kind}; charset=utf-8", "aeg-sas-key": endpoint.key}
    try:
        async with http.post(endpoint.url, data=body, headers=headers) as answer:
            if answer.status < 300:
                return answer.status, None
            return answer.status, f"{answer.status} {(await answer.text())[:200]}"
    except (aiohttp.ClientError, TimeoutError) as exc:
        return 0, repr(exc)
