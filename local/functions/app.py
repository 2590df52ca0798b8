"""The Functions host as a service: loads one app, starts a listener per trigger, serves HTTP."""

import asyncio
import logging
import os
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from aiohttp import web

from local.functions import event_grid
from local.functions.admin import Admin
from local.functions.event_grid import EventGridWebhook
from local.functions.host_json import HostJson
from local.functions.http_trigger import Endpoint, HttpFront, User
from local.functions.invoke import Invoker
from local.functions.keys import Keys
from local.functions.listeners import LeaseTimes, Listener, Surroundings, listener_for, shared_positions
from local.functions.logs import log_to_stderr
from local.functions.settings import AppSettings, load_local_settings
from local.functions.store import Store
from local.functions.timers import TimerListener
from local.functions.triggers import EventGridTrigger, HttpTrigger, Trigger, trigger_of
from local.functions.worker import AppBroken, Function, Worker
from local.home import Home
from local.service import CannotStart, Clock, bind

log = logging.getLogger("host")

APP_SETTING = "MILLWRIGHT_FUNCTIONS_APP"
VERBOSE_SETTING = "MILLWRIGHT_FUNCTIONS_VERBOSE"
CHECK_KEYS_SETTING = "MILLWRIGHT_FUNCTIONS_CHECK_KEYS"
INSTANCE_SETTING = "MILLWRIGHT_FUNCTIONS_INSTANCE_MB"
USER_SETTING = "MILLWRIGHT_LOCAL_USER"
ROLES_SETTING = "MILLWRIGHT_LOCAL_ROLES"

_PATIENCE_S = 10.0
# Of the real host: larger requests are refused with 413.
_REQUEST_LIMIT = 100 * 1024 * 1024


class FunctionsHost:
    """One function app in this process; any number of processes may serve one home."""

    name: ClassVar[str] = "functions"
    default_ports: ClassVar[Mapping[str, int]] = {"http": 7071}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._home = home
        self._ports = dict(ports)
        self._clock = clock
        self._folder = Path(os.environ.get(APP_SETTING) or ".").absolute()
        self._id = uuid.uuid4().hex
        self._instance_mb = _instance_mb()
        self._listeners: list[Listener] = []
        self._runner: web.AppRunner | None = None
        self._store: Store | None = None
        self._invoker: Invoker | None = None

    async def start(self) -> dict[str, str]:
        """Load the app and listen. CannotStart carries the user's traceback, or names what is wrong."""
        sock = bind(self.name, "http", self._ports["http"])
        self._ports["http"] = sock.getsockname()[1]
        # What functions print belongs with the log: stdout speaks JSON lines to the launcher.
        sys.stdout = sys.stderr
        try:
            surroundings, triggers = await self._load()
        except AppBroken as broken:
            raise CannotStart(f"the function app in {self._folder} cannot be started:\n{broken}") from broken
        disabled = [f for f in triggers if surroundings.settings.disabled(f.name)]
        enabled = {f: trigger for f, trigger in triggers.items() if f not in disabled}
        try:
            made = [listener_for(function, trigger, surroundings) for function, trigger in enabled.items()]
            prefix = surroundings.host_json.extensions.http.route_prefix
            endpoints = [
                Endpoint.of(function, trigger, prefix)
                for function, trigger in enabled.items()
                if isinstance(trigger, HttpTrigger)
            ]
        except AppBroken as broken:
            raise CannotStart(f"the function app in {self._folder} cannot be started:\n{broken}") from broken
        self._listeners = [listener for listener in made if listener is not None]
        self._runner = web.AppRunner(
            self._application(surroundings.invoker, triggers, disabled, endpoints),
            access_log=None,
            # Bodies reach the function as they came.
            auto_decompress=False,
            shutdown_timeout=_PATIENCE_S,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()
        for warning in shared_positions(enabled):
            log.warning(warning)
        for listener in self._listeners:
            listener.start()
        self._list_functions(enabled, endpoints, disabled)
        return {"api": self._origin}

    async def stop(self) -> None:
        """Stop listening; invocations under way may finish, for at most ten seconds."""
        stopping = [listener.stop(_PATIENCE_S) for listener in self._listeners]
        if self._runner is not None:
            stopping.append(self._runner.cleanup())
        await asyncio.gather(*stopping)
        if self._invoker is not None:
            self._invoker.worker.stop()
        if self._store is not None:
            self._store.close()

    def actual_ports(self) -> dict[str, int]:
        return dict(self._ports)

    def meter(self) -> dict[str, float]:
        return self._invoker.meter(instance_mb=self._instance_mb) if self._invoker else {}

    async def _load(self) -> tuple[Surroundings, dict[Function, Trigger]]:
        if not self._folder.is_dir():
            raise AppBroken(f"there is no such folder; set {APP_SETTING} to the folder of function_app.py")
        host_json = HostJson.read(self._folder)
        load_local_settings(self._folder)
        log_to_stderr(host_json.logging.log_level, verbose=_on(VERBOSE_SETTING))
        # As in Azure, relative paths in the app mean its own folder.
        os.chdir(self._folder)
        worker = await Worker.load(self._folder)
        settings = AppSettings(os.environ)
        triggers = {function: trigger_of(function, settings.expand) for function in worker.functions}
        self._invoker = Invoker(worker, host_json.function_timeout)
        self._store = Store(self._home.database(self.name))
        surroundings = Surroundings(
            host_json=host_json,
            settings=settings,
            invoker=self._invoker,
            store=self._store,
            owner_id=self._id,
            clock=self._clock,
            leases=LeaseTimes.from_environment(),
        )
        return surroundings, triggers

    def _application(
        self,
        invoker: Invoker,
        triggers: Mapping[Function, Trigger],
        disabled: Sequence[Function],
        endpoints: Sequence[Endpoint],
    ) -> web.Application:
        keys = Keys.of(self._home)
        user = User(
            os.environ.get(USER_SETTING) or "local-operator",
            tuple((os.environ.get(ROLES_SETTING) or "viewer,operator,engineer").split(",")),
        )
        front = HttpFront(endpoints, invoker, keys if _on(CHECK_KEYS_SETTING) else None, user)
        webhook = EventGridWebhook(
            {
                function.name: function
                for function, trigger in triggers.items()
                if isinstance(trigger, EventGridTrigger) and function not in disabled
            },
            invoker,
        )
        admin = Admin(
            {function.name: function for function in triggers},
            frozenset(function.name for function in disabled),
            {one.function.name: one for one in self._listeners if isinstance(one, TimerListener)},
            host_id=self._id,
            invoker=invoker,
            instance_mb=self._instance_mb,
        )
        app = web.Application(client_max_size=_REQUEST_LIMIT)
        app.add_routes(
            [
                web.get("/", admin.root),
                web.get("/_local/meter", admin.meter),
                web.get("/admin/host/status", front.guarded("ADMIN", admin.status)),
                web.get("/admin/functions", front.guarded("ADMIN", admin.functions)),
                web.get("/admin/functions/{name}", front.guarded("ADMIN", admin.function)),
                web.post("/admin/functions/{name}", front.guarded("ADMIN", admin.run)),
                web.route("*", event_grid.PATH, front.guarded("SYSTEM", webhook.handle)),
                web.route("*", event_grid.PATH.lower(), front.guarded("SYSTEM", webhook.handle)),
                web.route("*", "/{path:.*}", front.handle),
            ]
        )
        return app

    @property
    def _origin(self) -> str:
        return f"http://127.0.0.1:{self._ports['http']}"

    def _list_functions(
        self,
        enabled: Mapping[Function, Trigger],
        endpoints: Sequence[Endpoint],
        disabled: Sequence[Function],
    ) -> None:
        """As `func start` lists them."""
        log.info("Functions:")
        for endpoint in endpoints:
            log.info(
                "\t%s: [%s] %s/%s",
                endpoint.function.name,
                endpoint.methods,
                self._origin,
                endpoint.route.template,
            )
        for function, trigger in enabled.items():
            if not isinstance(trigger, HttpTrigger):
                log.info("\t%s: %s", function.name, trigger.type)
        for function in disabled:
            log.info("\t%s: disabled", function.name)


def _on(setting: str) -> bool:
    return (os.environ.get(setting) or "").lower() in ("1", "true")


def _instance_mb() -> int:
    """Memory of one Flex Consumption instance, for GB-seconds."""
    text = os.environ.get(INSTANCE_SETTING, "2048")
    if text not in ("512", "2048", "4096"):
        raise ValueError(
            f"{INSTANCE_SETTING}={text!r}: Flex Consumption has instances of 512, 2048 and 4096 MB"
        )
    return int(text)
