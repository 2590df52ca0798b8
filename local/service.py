"""What every local service has in common: a name, ports, start and stop; how one runs as a process."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

from local.home import Home

type Clock = Callable[[], float]
"""Seconds since the epoch. Injected, so that tests decide what time it is."""


class PortBusy(Exception):
    """Somebody else listens there."""


class CannotStart(Exception):
    """The service refuses to start; the message says why, for the person who started it."""


class Service(Protocol):
    """One stand-in. Made with (home, ports, clock); holds its state in home.database(name)."""

    name: ClassVar[str]
    """As on the command line, e.g. `event-hubs`."""

    default_ports: ClassVar[Mapping[str, int]]
    """Port name -> default, e.g. {"amqp": 5672}. 0 takes any free port."""

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None: ...

    async def start(self) -> dict[str, str]:
        """Listen; returns this service's keys for endpoints.json."""
        ...

    async def stop(self) -> None:
        """Stop listening, finish what was begun, close the database."""
        ...

    def actual_ports(self) -> dict[str, int]:
        """The ports after start, as `ports` but without zeros."""
        ...

    def meter(self) -> dict[str, float]:
        """What Azure would have billed so far."""
        ...


def port_setting(service: str, port: str) -> str:
    """The environment variable that sets a port.

    >>> port_setting("event-hubs", "amqp")
    'MILLWRIGHT_EVENT_HUBS_AMQP_PORT'
    """
    return f"MILLWRIGHT_{service}_{port}_PORT".upper().replace("-", "_")


def ports_from_environment(service: type[Service]) -> dict[str, int]:
    """The default ports, overridden by the environment. A value that is no port raises ValueError."""
    ports = dict(service.default_ports)
    for name in ports:
        setting = port_setting(service.name, name)
        if (text := os.environ.get(setting)) is not None:
            if not text.isdigit() or int(text) > 65535:
                raise ValueError(f"{setting}={text!r} is no port: give a number from 0 to 65535")
            ports[name] = int(text)
    return ports


def bind(service: str, port_name: str, port: int) -> socket.socket:
    """A socket bound to loopback, not yet listening. PortBusy names the port and its setting."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as exc:
        sock.close()
        raise PortBusy(
            f"{service}: port {port} ({port_name}) is in use. Stop what listens there, or set "
            f"{port_setting(service, port_name)} to another port (0 takes any free one)."
        ) from exc
    sock.setblocking(False)
    return sock


async def run(service: Service, *, with_parent: bool = False) -> None:
    """Run one service until SIGINT or SIGTERM, or until stdin ends if `with_parent`.

    A launcher holds the other end of stdin: it ends with the launcher, however that ends.
    Prints one JSON line when it listens, {"service", "ports", "endpoints"}, and one when it
    has stopped, {"service", "meter"}: the launcher and the tests read them.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        loop.add_reader(
            sys.stdin.fileno(), lambda: stop.set() if not os.read(sys.stdin.fileno(), 1) else None
        )
    endpoints = await service.start()
    _say({"service": service.name, "ports": service.actual_ports(), "endpoints": endpoints})
    await stop.wait()
    if with_parent:
        loop.remove_reader(sys.stdin.fileno())
    await service.stop()
    _say({"service": service.name, "meter": service.meter()})


def _say(line: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(line), file=sys.__stdout__, flush=True)
