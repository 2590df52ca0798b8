"""Plays a recording: devices send, maintenance is committed in its place, everything is waited for."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.iot.device import Message

from local.iot_hub.device_port import device_port
from local.plant.send import Hub, Sent, device_client, insist, register
from local.replay.account import Account, take_account
from local.replay.recording import Chunk, Lane, Recording, Service
from shared.commit import Machines
from shared.domain.maintenance.inputs import Maintained
from shared.ports import AlreadyDone, Conflict, Documents, Unavailable

LOG = logging.getLogger(__name__)
POLL_S = 0.2
STALLED_S = 60.0
"""Nothing was committed for so long although readings are on their way: the replay gives up."""
_QUEUED_MESSAGES = 16
WHO = "replay"


class Stalled(Exception):
    """The pipeline stopped taking readings."""


@dataclass(slots=True)
class Progress:
    """How far a replay is. `account` counts from the replay's start."""

    sent: Sent = field(default_factory=Sent)
    repeated: int = 0
    """Readings in messages that were sent again because no acknowledgement came: they may arrive twice."""
    services: int = 0
    account: Account = field(default_factory=Account)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


async def play(
    recording: Recording,
    hub: Hub,
    documents: Documents,
    machines: Machines,
    *,
    progress: Progress,
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Send everything and wait until every reading is committed. Raises Stalled.

    Each machine's readings and maintenance records keep their order; machines do not wait for
    each other. Each device sends one message at a time.
    """
    before = await take_account(documents)
    device_ids = sorted({lane.device_id for lane in recording.lanes})
    strings = await asyncio.to_thread(register, hub, device_ids)
    ca = await asyncio.to_thread(Path(hub.ca).read_text)
    with device_port(hub.mqtt_port):
        clients = {device: device_client(strings[device], ca) for device in device_ids}
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(_watch(documents, before, progress, tell))
                queues = {device: asyncio.Queue[Chunk](_QUEUED_MESSAGES) for device in device_ids}
                serving = [
                    group.create_task(_serve(clients[device], queue, progress))
                    for device, queue in queues.items()
                ]
                await asyncio.gather(
                    *(
                        _drive(lane, recording.per_message, queues[lane.device_id], machines, progress)
                        for lane in recording.lanes
                    )
                )
                await asyncio.gather(*(queue.join() for queue in queues.values()))
                await _until(progress, lambda: progress.account.total >= recording.reading_count)
                for task in (watching, *serving):
                    task.cancel()
        finally:
            await asyncio.gather(*(client.shutdown() for client in clients.values()))


async def _drive(
    lane: Lane, per_message: int, queue: asyncio.Queue[Chunk], machines: Machines, progress: Progress
) -> None:
    """One machine: hand its messages to its device; fold a record once all readings before it are."""
    handed = 0
    for step in lane.steps(per_message):
        match step:
            case Chunk():
                handed += step.reading_count
                await queue.put(step)
            case Service():
                await _until(progress, lambda count=handed: progress.account.of(lane.machine_id) >= count)
                await _service(lane.machine_id, step, machines)
                progress.services += len(step.components)


async def _service(machine_id: str, service: Service, machines: Machines) -> None:
    """Through the one door, as a maintenance system would report it."""
    for component in service.components:
        record = Maintained(f"{WHO}:{component}:{service.at}", component, service.at, WHO)
        while True:
            # The functions have committed since: what was read of the machine before is stale.
            machines.forget(machine_id)
            try:
                await machines.change(machine_id, [record])
            except AlreadyDone:
                # By an earlier replay into the same folder, or by an attempt whose answer was lost.
                break
            except (Conflict, Unavailable) as exc:
                LOG.warning("%s: maintenance record not taken, trying again: %s", machine_id, exc)
                await asyncio.sleep(POLL_S)
            else:
                break


async def _until(progress: Progress, reached: Callable[[], bool]) -> None:
    async with progress.changed:
        await progress.changed.wait_for(reached)


async def _watch(documents: Documents, before: Account, progress: Progress, tell: Callable[[], None]) -> None:
    """Take account again and again, and wake whoever waits for it."""
    moved_at = time.monotonic()
    while True:
        try:
            account = (await take_account(documents)).since(before)
        except Unavailable as exc:
            LOG.warning("cannot count the readings, trying again: %s", exc)
            account = progress.account
        now = time.monotonic()
        if account.total != progress.account.total or progress.sent.readings == account.total:
            moved_at = now
        elif now - moved_at > STALLED_S:
            raise Stalled(
                f"no reading was committed for {STALLED_S:g} s, {account.total:,} of "
                f"{progress.sent.readings:,} sent ones are: see the logs"
            )
        async with progress.changed:
            progress.account = account
            progress.changed.notify_all()
        tell()
        await asyncio.sleep(POLL_S)


async def _serve(client: Any, queue: asyncio.Queue[Chunk], progress: Progress) -> None:
    """One device: its messages in order, each acknowledged before the next."""
    sent = progress.sent
    await insist(client.connect, sent)
    while True:
        chunk = await queue.get()
        retries = sent.retries
        message = Message(chunk.body, None, "utf-8", "application/json")
        attempt: Callable[[], Awaitable[None]] = lambda message=message: client.send_message(message)  # noqa: E731
        await insist(attempt, sent)
        if sent.retries > retries:
            progress.repeated += chunk.reading_count
        sent.messages += 1
        sent.readings += chunk.reading_count
        sent.bytes += len(chunk.body)
        queue.task_done()
