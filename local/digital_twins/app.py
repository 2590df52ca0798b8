"""The service as a process: a port with TLS, a database, a meter."""

import os
import time
from collections.abc import Mapping
from typing import ClassVar

from aiohttp import web

from local.digital_twins.egress.delivery import Delivery
from local.digital_twins.egress.endpoints import SETTING, endpoints
from local.digital_twins.egress.routes import EventRoutes
from local.digital_twins.jobs.jobs import Jobs
from local.digital_twins.routes import Routes
from local.digital_twins.service import TwinService
from local.digital_twins.store import Store
from local.digital_twins.throttle import Throttle
from local.home import Home
from local.meter import Meter
from local.service import Clock, bind

RATE_FACTOR = "MILLWRIGHT_DIGITAL_TWINS_RATE_FACTOR"
"""Raises the instance's rates as Azure support does; the rate per twin stays."""


class DigitalTwins:
    """One instance of the service. Any bearer token is taken for the data owner's."""

    name: ClassVar[str] = "digital-twins"
    default_ports: ClassVar[Mapping[str, int]] = {"https": 8444}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._home = home
        self._ports = dict(ports)
        self._clock = clock
        self._meter = Meter()
        self._runner: web.AppRunner | None = None
        self._store: Store | None = None
        self._delivery: Delivery | None = None
        self._jobs: Jobs | None = None

    async def start(self) -> dict[str, str]:
        listening = bind(self.name, "https", self._ports["https"])
        self._ports["https"] = listening.getsockname()[1]
        self._store = Store(self._home.database(self.name))
        throttle = Throttle(self._clock, float(os.environ.get(RATE_FACTOR, "1")))
        targets = endpoints(os.environ.get(SETTING, ""))
        database = self._store.database
        events = EventRoutes(database, targets, self._clock, f"localhost:{self._ports['https']}")
        self._delivery = Delivery(database, targets.values(), self._meter)
        self._delivery.start()
        events.wake = self._delivery.wake
        service = TwinService(self._store, throttle, self._clock, events)
        blobs = self._home.path / "blobs"
        self._jobs = Jobs(service, self._store, throttle, self._clock, blobs)
        self._jobs.start()
        routes = Routes(service, self._jobs, self._meter)
        self._runner = web.AppRunner(
            routes.application(), access_log=None, shutdown_timeout=2, keepalive_timeout=75
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listening, ssl_context=self._home.server_tls()).start()
        found = {
            "digitalTwins": f"https://localhost:{self._ports['https']}",
            "digitalTwinsBlobs": str(blobs),
        }
        if targets:
            found["digitalTwinsRouteEndpoint"] = next(iter(targets))
        return found

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._jobs is not None:
            await self._jobs.stop()
        if self._delivery is not None:
            await self._delivery.stop()
        if self._store is not None:
            self._store.close()

    def actual_ports(self) -> dict[str, int]:
        return dict(self._ports)

    def meter(self) -> dict[str, float]:
        return self._meter.snapshot()
