"""The whole local cloud as child processes: started in order, watched, restarted when one dies, stopped."""

import asyncio
import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from local import wiring
from local.home import Home
from local.process import DidNotStart, ServiceProcess

FIRST = ("event-hubs", "event-grid", "cosmos", "digital-twins")
"""In the order of their ports. digital-twins and iot-hub send to the first two, so they start after the
others, which need nobody. Function hosts need them all."""
SENDERS = ("digital-twins", "iot-hub")
HOST = "functions"

_PORTS_PER_SERVICE = 10
_DEATHS_ALLOWED = 5
_DEATHS_WITHIN_S = 60.0


class AlreadyRunning(Exception):
    """Another launcher holds this home."""


class LocalCloud:
    """`async with LocalCloud(home) as cloud:` runs every service until the block ends.

    `endpoints` is what endpoints.json says. `kill`, `restart` and `start` act on instances
    by name: the services' names, and functions, functions-2 ... for the hosts.
    """

    def __init__(
        self,
        home: Home,
        *,
        ports_from: int | None = None,
        app: Path | None = None,
        workers: int = 1,
        services: tuple[str, ...] = (*FIRST, "iot-hub"),
        environment: Mapping[str, str] | None = None,
        tell: Callable[[str], None] = lambda line: None,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        """`ports_from` 0 takes free ports; `environment` goes to every process and wins over what is
        worked out here. `tell` gets what a person should know, `echo` the hosts' logs."""
        self.home = home
        self.endpoints: dict[str, str] = {}
        self.processes: dict[str, ServiceProcess] = {}
        self.failed = asyncio.Event()
        """Set when a service keeps dying and is given up."""
        self._ports_from = ports_from
        self._app = app
        self._workers = workers
        self._services = services
        self._given = dict(environment or {})
        self._tell = tell
        self._echo = echo
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._lock: Any = None

    async def __aenter__(self) -> Self:
        self._take_lock()
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop everything in reverse order; `meters` stays readable."""
        for watch in self._watches.values():
            watch.cancel()
        self._watches.clear()
        for hosts in (True, False):
            names = [name for name in reversed(self.processes) if name.startswith(HOST) == hosts]
            if hosts:
                await asyncio.gather(*(self.processes[name].stop() for name in names))
                continue
            for name in names:
                await self.processes[name].stop()
        self.home.endpoints.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def meters(self) -> dict[str, dict[str, float]]:
        """What Azure would have billed, per instance that has stopped."""
        return {name: process.meter for name, process in self.processes.items() if process.meter}

    async def kill(self, name: str) -> None:
        """kill -9; it stays down until `start`."""
        self._unwatch(name)
        await self.processes[name].kill()

    async def start(self, name: str) -> None:
        """Start an instance that is down, on its former ports."""
        await self.processes[name].start()
        self._watches[name] = asyncio.create_task(self._watch(self.processes[name]))

    async def restart(self, name: str) -> None:
        """kill -9, then start."""
        await self.kill(name)
        await self.start(name)

    async def add_host(self, **environment: str) -> str:
        """Start one more Functions host on the same app; its name."""
        assert self._app is not None, "give the folder of the function app as app="
        count = sum(name.startswith(HOST) for name in self.processes) + 1
        name = HOST if count == 1 else f"{HOST}-{count}"
        settings = wiring.app_settings(self.home, self.endpoints) | {
            "MILLWRIGHT_FUNCTIONS_APP": str(self._app)
        }
        # Only the first host has the port that people know.
        await self._launch(name, HOST, {**settings, **environment}, None if count == 1 else 0)
        self._write_endpoints()
        return name

    def _take_lock(self) -> None:
        self._lock = (self.home.path / "up.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            self._lock = None
            raise AlreadyRunning(
                f"the local cloud in {self.home.path} is already up (process {holder}). "
                "Stop it, or give another folder with --dir."
            ) from exc
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    async def _start_all(self) -> None:
        self.home.endpoints.unlink(missing_ok=True)
        # Made here, because services that start side by side could each make their own.
        self.home.make_certificates()
        await self._launch_together(
            {name: {} for name in FIRST if name in self._services and name not in SENDERS}
        )
        await self._make_hubs_and_topics()
        environments = {
            "digital-twins": wiring.digital_twins_environment,
            "iot-hub": wiring.iot_hub_environment,
        }
        await self._launch_together(
            {name: environments[name](self.endpoints) for name in SENDERS if name in self._services}
        )
        self._write_endpoints()
        if self._app is not None:
            for _ in range(self._workers):
                await self.add_host()

    async def _launch(
        self, name: str, service: str, environment: Mapping[str, str], ports_from: int | None = None
    ) -> None:
        if self._ports_from is not None and ports_from is None:
            order = (*FIRST, "iot-hub", HOST)
            ports_from = self._ports_from and self._ports_from + order.index(service) * _PORTS_PER_SERVICE
        process = ServiceProcess(
            name,
            service,
            self.home,
            {**os.environ, **environment, **self._given},
            ports_from=ports_from,
            echo=self._echo if service == HOST else None,
        )
        self.processes[name] = process
        await self.start(name)
        self.endpoints.update(
            (key, value) for key, value in process.endpoints.items() if key not in self.endpoints
        )
        ports = ", ".join(f"{port} {number}" for port, number in process.ports.items())
        self._tell(f"{name:<14} {ports}")

    async def _launch_together(self, environments: Mapping[str, Mapping[str, str]]) -> None:
        started = await asyncio.gather(
            *(self._launch(name, name, environment) for name, environment in environments.items()),
            return_exceptions=True,
        )
        for outcome in started:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _make_hubs_and_topics(self) -> None:
        """What the senders send to."""
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            if "event-hubs" in self._services:
                for hub in wiring.HUBS:
                    async with http.post(self.endpoints["eventHubsCreate"], json=hub):
                        pass
            if "event-grid" in self._services:
                topic = {"properties": {"inputSchema": "CloudEventSchemaV1_0"}}
                async with http.put(wiring.twin_topic(self.endpoints), json=topic):
                    pass

    def _write_endpoints(self) -> None:
        """The file appears whole or not at all."""
        self.endpoints["ca"] = str(self.home.ca)
        draft = self.home.path / f"endpoints.json.{os.getpid()}"
        draft.write_text(json.dumps(self.endpoints, indent=2) + "\n")
        draft.chmod(0o600)
        draft.rename(self.home.endpoints)

    def _unwatch(self, name: str) -> None:
        if watch := self._watches.pop(name, None):
            watch.cancel()

    async def _watch(self, process: ServiceProcess) -> None:
        """Report a death and start again; a service that keeps dying is given up."""
        deaths: list[float] = []
        while True:
            code = await process.wait()
            now = time.monotonic()
            deaths = [*(at for at in deaths if now - at < _DEATHS_WITHIN_S), now]
            self._tell(f"{process.name} ended with exit code {code}. Its last lines:\n{process.last_lines}")
            if len(deaths) >= _DEATHS_ALLOWED:
                self._tell(
                    f"{process.name} keeps dying: given up. Its log: {self.home.path}/logs/{process.name}.log"
                )
                self.failed.set()
                return
            with contextlib.suppress(DidNotStart):
                await process.start()
                self._tell(f"{process.name} restarted")
