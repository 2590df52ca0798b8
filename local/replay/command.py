"""`python -m local replay DIR`: from a folder of recorded data to a report."""

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local.backend import ROOT, Backend
from local.home import Home
from local.launcher import AlreadyRunning
from local.plant.send import Hub
from local.process import DidNotStart
from local.replay import found, play, report
from local.replay.datasets import recognise
from local.replay.recording import NotARecording, Recording
from millwright.factory_file import Broken
from millwright.model_cards import read_cards
from shared.commit import MACHINES, Machines
from shared.ports import Documents
from shared.scoring import Scorer
from shared.specs import SpecStore
from shared.state_document import from_document, size

INTERRUPTED = 130
"""As shells report a program that Ctrl-C ended."""

LINE_EVERY_S = 10.0
RELAY_S = 120.0
"""Longest wait for the last events; then the report says what was published so far."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    data: Path
    folder: str | None
    """Where the local cloud keeps its state; None: a temporary folder."""
    limit: int | None
    json: bool
    ports_from: int | None
    workers: int = 1


def replay(options: ReplayOptions) -> int:
    """The exit code: 0 when every reading is accounted for, 1 when not, 2 when it cannot run, 130 stopped."""
    console = Console(stderr=True)
    try:
        made = asyncio.run(_interruptible(options, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("stopped; everything is shut down")
        return INTERRUPTED
    except (NotARecording, Broken, AlreadyRunning, DidNotStart) as exc:
        console.print(f"error: {exc}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except ExceptionGroup as group:
        stalled, rest = group.split(play.Stalled)
        if stalled is None or rest is not None:
            raise
        console.print(
            f"error: {stalled.exceptions[0]}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        return 1
    if options.json:
        print(json.dumps(report.as_json(made), indent=2))
    else:
        report.show(made, Console())
    return 0 if made.balanced else 1


async def _interruptible(options: ReplayOptions, console: Console) -> report.Report:
    """Ctrl-C and SIGTERM stop it cleanly, also where a shell in the background had SIGINT ignored."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await run(options, console)


async def run(options: ReplayOptions, console: Console) -> report.Report:
    """Start everything, play the recording, take the figures, stop everything."""
    tell = _teller(console)
    found_there = recognise(options.data)
    with _home(options.folder) as home:
        tell(f"{found_there.data_set.factory}; starting the local cloud; logs in {home.path}/logs")
        # The services start while the data are read.
        reading = asyncio.create_task(asyncio.to_thread(found_there.read, limit=options.limit))
        async with Backend(
            home, factory=found_there.factory, workers=options.workers, ports_from=options.ports_from
        ) as backend:
            recording = await reading
            tell(
                f"{recording.title}: {recording.reading_count:,} readings, {len(recording.lanes)} machine(s)"
            )
            try:
                made = await _play(recording, backend, console)
            except asyncio.CancelledError:
                tell("stopping: the functions finish what they have begun")
                raise
        return made(backend.cloud.meters)


async def _play(
    recording: Recording, backend: Backend, console: Console
) -> Callable[[dict[str, dict[str, float]]], report.Report]:
    """Everything but the meters, which the services tell when they stop."""
    documents = backend.store.documents
    machines = Machines(
        documents, SpecStore(documents, clock=time.monotonic), Scorer(ROOT / "models"), cached_count=100
    )
    progress = play.Progress()
    started = time.monotonic()
    with _shown(recording, progress, console) as tell:
        await play.play(
            recording,
            Hub.of(backend.cloud.endpoints),
            documents,
            machines,
            progress=progress,
            tell=tell,
        )
    fold_s = time.monotonic() - started
    event_count = await _count_events(documents)
    relay_s = await _published(backend, event_count)
    judged = None
    if recording.failed_at is not None:
        machine_ids = [lane.machine_id for lane in recording.lanes]
        judged = found.judge(await found.predictions(documents, machine_ids), recording.failed_at)
    alarms = await found.alarms(
        documents,
        recording.anomalies,
        max((lane.readings[-1][0] for lane in recording.lanes if lane.readings), default=0),
    )
    oee = [
        document.get("coverage")
        async for document in documents.query(MACHINES, "SELECT c.coverage FROM c WHERE c.type = 'oee'", {})
    ]
    covered = [coverage for coverage in oee if coverage is not None]
    sizes = [
        size(from_document(document))
        async for document in documents.query(MACHINES, "SELECT * FROM c WHERE c.type = 'state'", {})
    ]
    cards = [
        card
        for card in read_cards(ROOT / "models").get(judged.model if judged else "", [])
        if judged and card.version == judged.version
    ]
    return lambda meters: report.Report(
        recording=recording.name,
        title=recording.title,
        remarks=recording.remarks,
        machines=len(recording.lanes),
        messages=progress.sent.messages,
        sent=progress.sent.readings,
        repeated=progress.repeated,
        counts=progress.account.counts,
        quarantined=progress.account.quarantined,
        services=progress.services,
        alarms=alarms,
        judged=judged,
        oee_buckets=len(oee),
        oee_coverage=sum(covered) / len(covered) if covered else None,
        state_bytes_max=max(sizes, default=0),
        events=event_count,
        fold_s=fold_s,
        relay_s=relay_s,
        meters=meters,
        card=cards[0] if cards else None,
    )


async def _count_events(documents: Documents) -> int:
    sql = "SELECT VALUE ARRAY_LENGTH(c.events) FROM c WHERE c.type = 'outbox'"
    return sum([int(count) async for count in documents.query(MACHINES, sql, {})])  # pyright: ignore[reportArgumentType]  # VALUE gives a number


async def _published(backend: Backend, events: int) -> float:
    """Seconds until Event Grid has taken as many events as were committed."""
    url = backend.cloud.endpoints["eventGrid"].partition("/topics/")[0] + "/_local/meter"
    started = time.monotonic()
    async with aiohttp.ClientSession() as http:
        while time.monotonic() - started < RELAY_S:
            async with http.get(url) as response:
                meter: dict[str, float] = await response.json()
            if meter.get("published", 0) >= events:
                break
            await asyncio.sleep(play.POLL_S)
    return time.monotonic() - started


@contextmanager
def _home(folder: str | None) -> Generator[Home]:
    """The given folder, kept; else one of its own below `.local`, removed at the end.

    A replay into a folder that has the same recording already is legal: its readings are then
    late or duplicates, and counted so.
    """
    if folder is not None:
        yield Home.at(folder)
        return
    parent = Path(".local").absolute()
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="replay-", dir=parent, ignore_cleanup_errors=True) as path:
        yield Home.at(path)


@contextmanager
def _shown(recording: Recording, progress: play.Progress, console: Console) -> Generator[Callable[[], None]]:
    """Bars on a terminal, a line now and then elsewhere."""
    total = recording.reading_count
    if console.is_terminal:
        columns = (
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as bars:
            sent, committed = bars.add_task("sent", total=total), bars.add_task("committed", total=total)

            def move() -> None:
                bars.update(sent, completed=progress.sent.readings)
                bars.update(committed, completed=progress.account.total)

            yield move
            move()
        return
    said = time.monotonic()

    def say() -> None:
        nonlocal said
        if time.monotonic() - said >= LINE_EVERY_S:
            said = time.monotonic()
            print(
                f"sent {progress.sent.readings:,}, committed {progress.account.total:,} of {total:,}",
                file=sys.stderr,
                flush=True,
            )

    yield say


def _teller(console: Console) -> Callable[[str], None]:
    def tell(line: str) -> None:
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)

    return tell
