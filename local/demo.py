"""`python -m local run`: a whole factory at work on this machine, in a live table."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.backend import ROOT, Backend
from local.board import board
from local.home import Home
from local.inbox import Inbox
from local.launcher import AlreadyRunning
from local.process import DidNotStart
from millwright.factory_file import Broken

type Json = dict[str, Any]

REFRESH_S = 0.5
REPORT_EVERY_S = 10.0
_WIDTH_OF_FILES = 150


@dataclass(frozen=True, slots=True)
class DemoOptions:
    folder: str | None
    factory: Path
    seconds: float | None
    seed: int
    history_s: int
    speed: float
    scenario: str
    ports_from: int | None


def demo(options: DemoOptions) -> int:
    """The exit code: 0 after Ctrl-C or the given time, 2 for a busy port, home or broken file, else 1."""
    console = Console(stderr=True)
    try:
        return asyncio.run(_demo(options, console))
    except (AlreadyRunning, Broken) as exc:
        console.print(f"error: {exc}", style="red", markup=False, soft_wrap=True)
        return 2
    except DidNotStart as exc:
        console.print(f"{exc}\neverything is stopped", style="red", markup=False)
        return 2 if exc.exit_code == 2 else 1


async def _demo(options: DemoOptions, errors: Console) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    started = time.monotonic()
    tell = _teller(errors)
    tell("starting the local cloud")
    home = Home.at(options.folder)
    async with (
        Inbox() as inbox,
        Backend(
            home,
            factory=options.factory,
            ports_from=options.ports_from,
            environment=inbox.environment,
            tell=tell,
        ) as backend,
        aiohttp.ClientSession() as http,
    ):
        api = f"{backend.cloud.endpoints['api'].rstrip('/')}/api"
        tell(f"ready after {time.monotonic() - started:.1f} s; API {api}; logs {home.path}/logs")
        tell(f"operators' inbox {inbox.url}")
        plant = await _start_plant(options, home)
        try:
            await _watch(options, backend, inbox, http, api, stopping, plant)
        finally:
            if plant.returncode is None:
                plant.terminate()
            await plant.wait()
        await _summary(backend, inbox)
    _meters(backend)
    return 1 if backend.cloud.failed.is_set() else 0


async def _start_plant(options: DemoOptions, home: Home) -> asyncio.subprocess.Process:
    arguments = {
        "factory": options.factory,
        "dir": home.path,
        "seed": options.seed,
        "history-s": options.history_s,
        "speed": options.speed,
        "scenario": options.scenario,
        "readings-per-message": 2,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "local.plant",
        *(f"--{name}={value}" for name, value in arguments.items()),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _watch(
    options: DemoOptions,
    backend: Backend,
    inbox: Inbox,
    http: aiohttp.ClientSession,
    api: str,
    stopping: asyncio.Event,
    plant: asyncio.subprocess.Process,
) -> None:
    """Show the machines until it is time to stop: a live table on a terminal, else a line now and then."""
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    ends = None if options.seconds is None else time.monotonic() + options.seconds
    live = Live(console=console, auto_refresh=False, screen=False) if console.is_terminal else None
    reported = 0.0
    if live is not None:
        live.start()
    try:
        while not (stopping.is_set() or backend.cloud.failed.is_set() or plant.returncode is not None):
            if ends is not None and time.monotonic() >= ends:
                return
            machines = await _get(http, f"{api}/machines?limit=200")
            footer = f"API {api}   Ctrl-C stops"
            if live is not None:
                live.update(board(machines, inbox.notifications, footer, width=console.width), refresh=True)
            elif time.monotonic() - reported >= REPORT_EVERY_S:
                reported = time.monotonic()
                console.print(board(machines, inbox.notifications, footer, width=console.width))
            try:
                await asyncio.wait_for(stopping.wait(), REFRESH_S)
            except TimeoutError:
                continue
    finally:
        if live is not None:
            live.stop()


async def _get(http: aiohttp.ClientSession, url: str) -> list[Json]:
    """All items, page by page; empty while the host restarts."""
    items: list[Json] = []
    cursor = ""
    try:
        while True:
            async with http.get(url + cursor) as response:
                if response.status != 200:
                    return items
                page: Json = await response.json()
            items += page["items"]
            if not page.get("nextCursor"):
                return items
            cursor = f"&cursor={page['nextCursor']}"
    except aiohttp.ClientError:
        return items


async def _summary(backend: Backend, inbox: Inbox) -> None:
    """What became of every reading, from the machines' own counts."""
    documents = backend.store.documents
    states = [d async for d in documents.query("machines", "SELECT * FROM c WHERE c.type = 'state'", {})]
    quarantined = [d async for d in documents.query("quarantine", "SELECT * FROM c", {})]
    alarms = [d async for d in documents.query("machines", "SELECT * FROM c WHERE c.type = 'alarm'", {})]
    table = Table(title="summary")
    table.add_column("what")
    table.add_column("count", justify="right")
    for what, name in (
        ("readings folded", "folded"),
        ("late, kept apart", "late"),
        ("duplicates, folded once", "duplicate"),
    ):
        table.add_row(what, f"{sum(state['counts'][name] for state in states):,}")
    table.add_row("messages and readings quarantined", f"{len(quarantined):,}")
    table.add_row("alarms raised", f"{len(alarms):,}")
    table.add_row("notifications delivered", f"{inbox.count:,}")
    Console().print(table)


def _meters(backend: Backend) -> None:
    table = Table(title="what Azure would have metered")
    for heading in ("service", "figure"):
        table.add_column(heading)
    table.add_column("amount", justify="right")
    for name, meter in backend.cloud.meters.items():
        for figure, amount in meter.items():
            table.add_row(name, figure, f"{amount:,.0f}")
    Console().print(table)


def _teller(console: Console) -> Callable[[str], None]:
    def tell(line: str) -> None:
        console.print(line, style="dim", markup=False, highlight=False)

    return tell
