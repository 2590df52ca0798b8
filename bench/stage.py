"""The local services with a factory applied, and what they have metered so far."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from local.backend import Backend
from local.home import Home

type Meters = dict[str, float]
"""`service.figure` -> total."""

NEVER = "0 0 0 1 1 *"
"""A timer's schedule that does not come due in a benchmark."""


@dataclass(slots=True)
class Stage:
    """A running backend and a client for its meters."""

    backend: Backend
    http: aiohttp.ClientSession

    @property
    def endpoints(self) -> Mapping[str, str]:
        return self.backend.cloud.endpoints

    @property
    def processes(self) -> dict[str, int]:
        """Name -> process id."""
        return {name: process.pid for name, process in self.backend.cloud.processes.items()}

    async def meters(self) -> Meters:
        """What Azure would have billed since the services were started."""
        endpoints = self.endpoints
        urls = {
            "cosmos": f"{endpoints['cosmos']}/_local/meter",
            "digital_twins": f"{endpoints['digitalTwins'].rstrip('/')}/_local/meter",
            "event_grid": f"{endpoints['eventGrid'].partition('/topics/')[0]}/_local/meter",
            "event_hubs": f"{endpoints['eventHubsCreate'].rpartition('/')[0]}/meter",
        }
        if "api" in endpoints:
            urls["functions"] = f"{endpoints['api'].rstrip('/')}/_local/meter"
        found: Meters = {}
        for service, url in urls.items():
            async with self.http.get(url) as answer:
                answer.raise_for_status()
                for name, amount in (await answer.json(content_type=None)).items():
                    found[f"{service}.{name}"] = float(amount)
        return found


def since(before: Meters, after: Meters) -> Meters:
    """What was metered between two readings."""
    return {name: round(amount - before.get(name, 0.0), 3) for name, amount in after.items()}


@asynccontextmanager
async def staged(
    folder: Path,
    factory: Path,
    *,
    applied_at: int,
    workers: int = 0,
    environment: Mapping[str, str] | None = None,
) -> AsyncGenerator[Stage]:
    """Everything on free ports in `folder`; hosts as `workers` says, more can be added later."""
    home = Home.at(folder)
    home.make_certificates()
    async with (
        Backend(
            home,
            factory=factory,
            workers=workers,
            ports_from=0,
            applied_at=applied_at,
            environment={"MILLWRIGHT_DUE_SCHEDULE": NEVER, **(environment or {})},
        ) as backend,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=home.ca))
        ) as http,
    ):
        yield Stage(backend, http)
