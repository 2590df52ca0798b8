"""`python -m local.plant`: run a simulated plant against the local cloud, or print its messages."""

import argparse
import asyncio
import base64
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from local.home import Home
from local.plant import faults
from local.plant.description import PlantDescription, read
from local.plant.gateway import Event, Outgoing
from local.plant.physics import UnknownClass
from local.plant.send import Hub, Sent, send
from local.plant.stream import Settings, Stream
from local.plant.truth import Entry, Json, Truth, iso, line
from millwright.factory_file import Broken

FACTORY = Path("factories/smart-factory.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        plant = read(options.factory)
        if options.line:
            plant = plant.only(*options.line)
        settings = _settings(options, plant)
        if options.out is not None:
            _print(plant, settings, options)
        else:
            asyncio.run(_run(plant, settings, options))
    except (Broken, faults.BadScenario, UnknownClass, ValueError, OSError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.plant", description=__doc__)
    parser.add_argument("--factory", type=Path, default=FACTORY, help=f"default: {FACTORY}")
    parser.add_argument("--line", action="append", help="only this line; may be given more than once")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same history")
    parser.add_argument("--seconds", type=int, help="simulated seconds; until Ctrl-C when left out")
    parser.add_argument(
        "--start", type=datetime.fromisoformat, help="first instant, with offset; default: now"
    )
    parser.add_argument("--history-s", type=int, default=0, help="start this long before now, and catch up")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds in a real one")
    parser.add_argument("--report-s", type=int, default=1, help="seconds between a machine's reports")
    parser.add_argument("--readings-per-message", type=int, default=1, help="of one device, as an array")
    parser.add_argument(
        "--scenario", help="a file of faults, `scattered` for some of every kind, `none` (the default)"
    )
    parser.add_argument("--truth", type=Path, help="what really happened; default: truth.jsonl in the folder")
    parser.add_argument("--dir", help="the local cloud's folder (default: .local)")
    parser.add_argument(
        "--out", help="print the messages as NDJSON instead of sending them: a file, or - for standard output"
    )
    return parser


def _settings(options: argparse.Namespace, plant: PlantDescription) -> Settings:
    start: datetime | None = options.start
    if start is not None and start.tzinfo is None:
        raise ValueError(f"--start {start.isoformat()} has no offset: add Z or +01:00")
    if options.readings_per_message < 1 or options.report_s < 1 or options.speed <= 0:
        raise ValueError("--readings-per-message, --report-s and --speed must be positive")
    first = start.timestamp() if start is not None else time.time() - options.history_s
    found: list[faults.Fault] = []
    if options.scenario == "scattered":
        found = faults.scattered(plant, seed=options.seed, seconds=options.seconds or 3600)
    elif options.scenario not in (None, "none"):
        found = faults.load(Path(options.scenario), plant)
    return Settings(options.seed, round(first) * 1000, found, options.report_s, options.readings_per_message)


def _writer(file: BinaryIO) -> Callable[[Entry], None]:
    def write(entry: Entry) -> None:
        file.write(line(entry))

    return write


def _print(plant: PlantDescription, settings: Settings, options: argparse.Namespace) -> None:
    """Messages as lines `{deviceId, at, messageId, body}`; `raw` (base64) where the body is no JSON."""
    if options.seconds is None:
        raise ValueError("--out needs --seconds")
    with ExitStack() as stack:
        out = sys.stdout.buffer if options.out == "-" else stack.enter_context(open(options.out, "wb"))
        truth = None
        if options.truth is not None:
            truth = Truth(plant.reasons, _writer(stack.enter_context(options.truth.open("wb"))))
        for event in Stream(plant, settings, truth).run(options.seconds):
            out.write(_line(event))


def _line(event: Event) -> bytes:
    if not isinstance(event, Outgoing):
        return (
            orjson.dumps({"deviceId": event.device_id, "at": iso(event.at), "online": event.online}) + b"\n"
        )
    entry: Entry = {"deviceId": event.device_id, "at": iso(event.at), "messageId": event.message_id}
    try:
        body: Json = orjson.loads(event.body)
        entry["body"] = body
    except orjson.JSONDecodeError:
        entry["raw"] = base64.b64encode(event.body).decode()
    return orjson.dumps(entry) + b"\n"


async def _run(plant: PlantDescription, settings: Settings, options: argparse.Namespace) -> None:
    """Send until Ctrl-C, the truth beside; a line when it runs and one at the end."""
    home = Home.at(options.dir)
    if not home.endpoints.exists():
        raise ValueError(f"there is no {home.endpoints}: start the local cloud first (python -m local up)")
    endpoints = json.loads(await asyncio.to_thread(home.endpoints.read_text))
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, until.set)
    sent = Sent()
    path: Path = options.truth or home.path / "truth.jsonl"
    with ExitStack() as stack:
        file = stack.enter_context(await asyncio.to_thread(path.open, "ab"))
        stream = Stream(plant, settings, Truth(plant.reasons, _writer(file)))
        print(f"{len(plant.machines)} machines on {len(stream.devices)} devices, truth in {path}", flush=True)
        await send(
            stream,
            Hub.of(endpoints),
            speed=options.speed,
            until=until,
            seconds=options.seconds,
            sent=sent,
        )
    print(
        f"sent {sent.readings} readings in {sent.messages} messages, {sent.bytes} bytes, "
        f"{sent.retries} attempts failed",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
