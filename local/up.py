"""`python -m local up`: the local cloud until Ctrl-C, for a person at a terminal."""

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.home import Home
from local.launcher import HOST, AlreadyRunning, LocalCloud
from local.process import DidNotStart

_INTERRUPTED = 130  # as shells report a program that Ctrl-C ended


@dataclass(frozen=True, slots=True)
class UpOptions:
    folder: str | None
    ports_from: int | None
    app: Path | None
    workers: int


def up(options: UpOptions) -> int:
    """The exit code: 0 after Ctrl-C, 2 if a port is in use or the home is taken, 1 for anything else."""
    try:
        return asyncio.run(_up(options))
    except AlreadyRunning as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    except DidNotStart as exc:
        # The log of a host has been on the screen all along.
        said = exc.summary if exc.service.startswith(HOST) else str(exc)
        print(f"{said}\neverything is stopped", file=sys.stderr)
        return 2 if exc.exit_code == 2 else 1


async def _up(options: UpOptions) -> int:
    stopping = asyncio.Event()
    cloud = LocalCloud(
        Home.at(options.folder),
        ports_from=options.ports_from,
        app=options.app,
        workers=options.workers,
        tell=_tell,
        echo=lambda line: print(line, file=sys.stderr, flush=True),
    )
    starting = asyncio.create_task(cloud.__aenter__())

    def interrupt() -> None:
        stopping.set()
        starting.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        await starting
    except asyncio.CancelledError:
        return _INTERRUPTED
    try:
        _tell("ready")
        ends = [asyncio.create_task(event.wait()) for event in (stopping, cloud.failed)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
    finally:
        await cloud.stop()
    _print_meters(cloud)
    return 1 if cloud.failed.is_set() else 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _print_meters(cloud: LocalCloud) -> None:
    """What Azure would have billed since start, one row per figure."""
    table = Table("service", "metered", "amount", title="Since start, Azure would have metered")
    for name, meter in cloud.meters.items():
        for figure, amount in meter.items():
            table.add_row(name, figure, f"{amount:,.10g}")
    if table.row_count:
        Console().print(table)
    else:
        _tell("Since start, Azure would have metered nothing")
