"""`python -m local`: the local cloud (up), a service (serve), a factory (run), a recording (replay)."""

import argparse
import asyncio
import sys
from importlib import import_module
from pathlib import Path

from local.home import Home
from local.service import CannotStart, PortBusy, Service, ports_from_environment, run
from local.up import UpOptions, up

SERVICES = {
    "event-hubs": "local.event_hubs.app:EventHubs",
    "cosmos": "local.cosmos.app:Cosmos",
    "iot-hub": "local.iot_hub.app:IoTHub",
    "event-grid": "local.event_grid.app:EventGrid",
    "digital-twins": "local.digital_twins.app:DigitalTwins",
    "functions": "local.functions.app:FunctionsHost",
}


def load(name: str) -> type[Service]:
    """The class behind a service's name."""
    module, _, cls = SERVICES[name].partition(":")
    return getattr(import_module(module), cls)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run one service until Ctrl-C")
    serve.add_argument("service", choices=sorted(SERVICES))
    serve.add_argument("--dir", help="the folder that keeps its state (default: .local)")
    serve.add_argument(
        "--port",
        action="append",
        default=[],
        metavar="NAME=PORT",
        help="a port of this service, e.g. amqp=0; 0 takes any free one",
    )
    serve.add_argument(
        "--ports-from", type=int, help="number this service's ports from here; 0 takes any free ones"
    )
    serve.add_argument("--with-parent", action="store_true", help="stop when stdin ends")
    whole = commands.add_parser("up", help="run every service until Ctrl-C")
    whole.add_argument("--dir", help="the folder that keeps their state (default: .local)")
    whole.add_argument("--ports-from", type=int, help="number all ports from here; 0 takes any free ones")
    whole.add_argument("--functions", metavar="APPDIR", type=Path, help="also run this function app")
    whole.add_argument("--workers", type=int, default=1, help="how many hosts run it (default: 1)")
    show = commands.add_parser("run", help="a factory at work: everything, with a live table")
    show.add_argument("--dir", help="the folder that keeps its state (default: .local)")
    show.add_argument("--factory", type=Path, default=Path("factories/smart-factory.yaml"))
    show.add_argument("--seconds", type=float, help="stop by itself after this long (default: Ctrl-C)")
    show.add_argument("--seed", type=int, default=7, help="the same seed gives the same plant")
    show.add_argument("--history-s", type=int, default=600, help="the plant has been running this long")
    show.add_argument(
        "--speed", type=float, default=20.0, help="simulated seconds in a real one, until it is now"
    )
    show.add_argument("--scenario", default="scattered", help="faults: a file, `scattered` or `none`")
    show.add_argument("--ports-from", type=int, help="number all ports from here; 0 takes any free ones")
    again = commands.add_parser("replay", help="recorded machines through everything, at full speed")
    again.add_argument("data", type=Path, help="folder of a data set: azure_pdm, skab or nab")
    again.add_argument(
        "--dir", help="keep the local cloud's state here (default: a folder removed at the end)"
    )
    again.add_argument("--limit", type=int, help="only the first so many readings of each machine")
    again.add_argument("--json", action="store_true", help="the report as JSON")
    again.add_argument("--workers", type=int, default=1, help="how many hosts fold (default: 1)")
    again.add_argument(
        "--ports-from", type=int, default=0, help="number all ports from here (default: any free)"
    )
    options = parser.parse_args()
    if options.command == "run":
        return run_demo(options)
    if options.command == "replay":
        return run_replay(options)
    if options.command == "up":
        app = options.functions and options.functions.absolute()
        return up(UpOptions(options.dir, options.ports_from, app, options.workers))
    service = load(options.service)
    try:
        ports = ports_from_environment(service)
        if options.ports_from is not None:
            ports = {name: options.ports_from and options.ports_from + i for i, name in enumerate(ports)}
        for pair in options.port:
            name, _, port = pair.partition("=")
            if name not in ports:
                raise ValueError(f"{service.name} has no port {name!r}: it has {', '.join(ports)}")
            ports[name] = int(port)
        asyncio.run(run(service(Home.at(options.dir), ports), with_parent=options.with_parent))
    except (PortBusy, ValueError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    except CannotStart as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def run_replay(options: argparse.Namespace) -> int:
    command = import_module("local.replay.command")
    return command.replay(
        command.ReplayOptions(
            data=options.data,
            folder=options.dir,
            limit=options.limit,
            json=options.json,
            ports_from=options.ports_from,
            workers=options.workers,
        )
    )


def run_demo(options: argparse.Namespace) -> int:
    # Imported here: it brings the whole backend, which no single service needs.
    demo = import_module("local.demo")
    return demo.demo(
        demo.DemoOptions(
            folder=options.dir,
            factory=options.factory,
            seconds=options.seconds,
            seed=options.seed,
            history_s=options.history_s,
            speed=options.speed,
            scenario=options.scenario,
            ports_from=options.ports_from,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
