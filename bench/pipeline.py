"""End to end through every service: device, IoT Hub, Event Hubs, host, Cosmos DB, relays, all at once.

- `sustained`: devices send at a fixed rate over MQTT and TLS. Some messages carry a violation; its
  latency is from just before the message is written to the device's socket to the moment when a
  reader of the database that looks every 20 ms first finds the committed alarm.
- `drain`: a backlog is put straight into the telemetry hub, then a host is started. The rate counts
  from its first checkpoint, so that its start is left out.

Readings count when the checkpoint has passed their message, which is behind their commit; in the
end the machines' own counters must agree. Everything runs on this machine: the services, the host,
the devices, and whatever else is on it, which `others` shows.
"""

import asyncio
import os
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import orjson

from bench import child, load
from bench.factory import write_factory
from bench.readings import Slot, append, plan, slots, violate
from bench.stage import Stage, staged
from bench.surroundings import Cpu, load_average, percentile, resident_mb
from bench.twin_lag import TwinLag
from local.plant.send import Hub, register

OFTEN_S = 0.95
"""Between two messages of a machine: 5 % more than one a second, so that 1,500 readings/s can be reached."""
PREPARE_S = 4.0
WATCH_S = 0.02
PATIENCE_S = 60.0
_MACHINES_TABLE = "SELECT number FROM containers WHERE id = 'machines'"
_CHECKPOINTS = "SELECT COALESCE(SUM(sequence_number + 1), 0) FROM checkpoint WHERE consumer_group = 'ingest'"


@dataclass(frozen=True, slots=True)
class Flow:
    """One run. Processor times are cores kept busy, by process."""

    name: str
    machine_count: int
    readings_per_message: int
    host_count: int
    offered_per_s: float
    """Readings a second that the devices sent; 0 for a backlog."""
    committed_per_s: float
    reading_count: int
    lost_count: int
    """Readings that the machines' own counters do not show in the end. Must be 0."""
    behind_s: float
    """How long after the last acknowledged send the last reading was committed."""
    latency_p50_s: float | None
    latency_p99_s: float | None
    alarm_count: int
    missed_alarm_count: int
    messages_per_execution: float
    host_ms_per_reading: float
    """Processor time of the hosts."""
    twin_patches: float | None
    """Of machines' twins, for each machine and 10 s of the run; None for a backlog."""
    other_patches: float | None
    """Of lines', areas', sites' and devices' twins, in the same unit."""
    twin_lag_p50_s: float | None
    """From the moment when a reader first finds a `twin` document to the equal twin."""
    twin_lag_p99_s: float | None
    twin_lag_max_s: float | None
    twins_behind_count: int
    """Twins that differed from their documents in the end. Must be 0."""
    host_mb: float
    """Memory of the first host at the end."""
    cores: dict[str, float]
    load_average: float


class Watch:
    """Reads the services' files: messages behind a checkpoint, alarms when they first appear."""

    def __init__(self, home: Path, twins: TwinLag | None = None) -> None:
        self._home = home
        self._twins = twins
        self.alarms: dict[str, float] = {}
        """`machine/raised at` -> when it was first seen, s since the epoch."""
        self._last = 0

    def messages_done(self) -> int:
        with closing(sqlite3.connect(self._home / "functions.sqlite")) as database:
            return database.execute(_CHECKPOINTS).fetchone()[0]

    async def look(self) -> None:
        """Until cancelled, every 20 ms."""
        with closing(sqlite3.connect(f"file:{self._home / 'cosmos.sqlite'}?mode=ro", uri=True)) as database:
            table = f"documents_{database.execute(_MACHINES_TABLE).fetchone()[0]}"
            query = f"SELECT change, body FROM {table} WHERE change > ? ORDER BY change"
            self._last = database.execute(f"SELECT COALESCE(MAX(change), 0) FROM {table}").fetchone()[0]
            while True:
                rows = database.execute(query, (self._last,)).fetchall()
                now = time.time()
                for change, body in rows:
                    self._last = change
                    if '"type":"alarm"' in body:
                        alarm = orjson.loads(body)
                        self.alarms.setdefault(f"{alarm['machineId']}/{alarm['raisedAt']}", now)
                    elif self._twins is not None and '"type":"twin"' in body:
                        self._twins.committed(orjson.loads(body), now)
                await asyncio.sleep(WATCH_S)


def sustained(
    *, machines: int = 300, seconds: int = 60, readings: int = 5, every_s: float = OFTEN_S, hosts: int = 1
) -> Flow:
    """`machines` messages of `readings` readings every `every_s` seconds."""
    with child.temporary_folder() as name:
        folder = Path(name)
        return child.run(_sustained, folder / "home", folder, machines, seconds, readings, every_s, hosts)


def drain(*, machines: int = 300, seconds: int = 60, readings: int = 5, hosts: int = 1) -> Flow:
    """A backlog of `seconds` seconds, a message a machine and second."""
    with child.temporary_folder() as name:
        folder = Path(name)
        return child.run(_drain, folder / "home", folder, machines, seconds, readings, hosts)


async def _sustained(
    folder: Path, machines: int, seconds: int, readings: int, every_s: float, hosts: int
) -> Flow:
    factory = write_factory(folder / "factory.yaml", machines=machines)
    planned = slots(factory, seconds=seconds, every_s=every_s, readings=readings)
    violating = violate(planned, per_s=machines / 60)
    applied_at = round(time.time() * 1000)
    async with staged(folder / "home", factory, applied_at=applied_at, workers=hosts) as stage:
        hub = Hub.of(dict(stage.endpoints))
        devices = sorted({slot.device_id for slot in planned})
        strings = await asyncio.to_thread(register, hub, devices)
        twins = TwinLag(folder / "home", {slot.machine_id for slot in planned})
        watch = Watch(folder / "home", twins)
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            devices_pid = await loop.run_in_executor(pool, os.getpid)
            begin_at = time.time() + PREPARE_S + len(planned) * readings / 30_000
            due = plan(planned, violating, begin_at)
            playing = loop.run_in_executor(
                pool, _play, due, hub.mqtt_port, hub.ca, strings, begin_at, PATIENCE_S
            )
            await asyncio.sleep(begin_at - time.time())
            cpu = Cpu({**stage.processes, "devices": devices_pid, "measuring": os.getpid()})
            patches = (await stage.meters())["digital_twins.patches"]
            looking = asyncio.create_task(watch.look())
            comparing = asyncio.create_task(twins.look())
            played = await playing
            at_end = watch.messages_done()
            ended = time.time()
            used, busy_s = cpu.used_s(), ended - begin_at
            patched = twins.patch_count
            patches = (await stage.meters())["digital_twins.patches"] - patches
            finished = await _finished(watch, len(planned))
            await asyncio.sleep(1.0)
            looking.cancel()
            await _equal(twins)
            comparing.cancel()
        latencies = [
            watch.alarms[mark] - sent_at for mark, sent_at in played.sent_at.items() if mark in watch.alarms
        ]
        return await _flow(
            stage,
            f"{readings} a message, {machines / every_s * readings:,.0f} readings/s offered",
            planned,
            machines=machines,
            readings=readings,
            hosts=hosts,
            offered_per_s=played.sent * readings / played.seconds,
            committed_per_s=at_end * readings / busy_s,
            behind_s=max(0.0, finished - ended),
            latencies=latencies,
            missed=len(played.sent_at) - len(latencies),
            used=used,
            busy_s=busy_s,
            counted=at_end,
            twins=twins,
            patches=(patched, patches - patched),
        )


def _play(
    due: list[load.Due], port: int, ca: str, strings: dict[str, str], begin_at: float, patience_s: float
) -> load.Played:
    return load.run(due, port=port, ca=ca, strings=strings, begin_at=begin_at, patience_s=patience_s)


async def _drain(folder: Path, machines: int, seconds: int, readings: int, hosts: int) -> Flow:
    factory = write_factory(folder / "factory.yaml", machines=machines)
    planned = slots(factory, seconds=seconds, every_s=1.0, readings=readings)
    begin_at = time.time() - seconds - 30
    async with staged(folder / "home", factory, applied_at=round(begin_at * 1000)) as stage:
        await append(stage.http, stage.endpoints["eventHubsCreate"], planned, begin_at)
        for _ in range(hosts):
            await stage.backend.cloud.add_host()
        watch = Watch(folder / "home")
        while not (first := watch.messages_done()):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.005)
        cpu, began = Cpu({**stage.processes, "measuring": os.getpid()}), time.time()
        finished = await _finished(watch, len(planned))
        used, busy_s = cpu.used_s(), finished - began
        counted = len(planned) - first
        return await _flow(
            stage,
            f"backlog, {readings} a message",
            planned,
            machines=machines,
            readings=readings,
            hosts=hosts,
            offered_per_s=0.0,
            committed_per_s=counted * readings / busy_s,
            behind_s=0.0,
            latencies=[],
            missed=0,
            used=used,
            busy_s=busy_s,
            counted=counted,
        )


async def _finished(watch: Watch, messages: int) -> float:
    """When every message was behind a checkpoint, s since the epoch."""
    deadline = time.time() + PATIENCE_S
    while watch.messages_done() < messages and time.time() < deadline:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    return time.time()


async def _equal(twins: TwinLag) -> None:
    """Until no twin differs from its document any more."""
    deadline = time.time() + PATIENCE_S
    while twins.behind_count and time.time() < deadline:  # noqa: ASYNC110 - seen by reading files
        await asyncio.sleep(0.1)


async def _flow(
    stage: Stage,
    name: str,
    planned: list[Slot],
    *,
    machines: int,
    readings: int,
    hosts: int,
    offered_per_s: float,
    committed_per_s: float,
    behind_s: float,
    latencies: list[float],
    missed: int,
    used: dict[str, float],
    busy_s: float,
    counted: int,
    twins: TwinLag | None = None,
    patches: tuple[float, float] | None = None,
) -> Flow:
    states = stage.backend.store.documents.query(
        "machines", "SELECT c.counts.folded AS n FROM c WHERE c.type = 'state'", {}
    )
    taken = sum([document["n"] async for document in states])
    meters = await stage.meters()
    executions = meters.get("functions.telemetry.executions", 0.0) * hosts
    lags = [] if twins is None else twins.lags_s
    host_s = sum(spent for process, spent in used.items() if process.startswith("functions"))
    return Flow(
        name=name,
        machine_count=machines,
        readings_per_message=readings,
        host_count=hosts,
        offered_per_s=offered_per_s,
        committed_per_s=committed_per_s,
        reading_count=len(planned) * readings,
        lost_count=len(planned) * readings - taken,
        behind_s=behind_s,
        latency_p50_s=percentile(latencies, 0.5) if latencies else None,
        latency_p99_s=percentile(latencies, 0.99) if latencies else None,
        alarm_count=len(latencies),
        missed_alarm_count=missed,
        messages_per_execution=len(planned) / executions if executions else 0.0,
        host_ms_per_reading=1000 * host_s / (counted * readings) if counted else 0.0,
        twin_patches=None if patches is None else 10 * patches[0] / (machines * busy_s),
        other_patches=None if patches is None else 10 * patches[1] / (machines * busy_s),
        twin_lag_p50_s=percentile(lags, 0.5) if lags else None,
        twin_lag_p99_s=percentile(lags, 0.99) if lags else None,
        twin_lag_max_s=max(lags, default=None),
        twins_behind_count=0 if twins is None else twins.behind_count,
        host_mb=resident_mb(stage.processes["functions"]),
        cores={process: round(spent / busy_s, 3) for process, spent in used.items()},
        load_average=load_average(),
    )
