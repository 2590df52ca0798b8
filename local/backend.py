"""The whole of Millwright on this machine: the local cloud, a factory applied to it, hosts, subscriptions."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from local.home import Home
from local.launcher import LocalCloud
from millwright.apply import carry_out, compare
from millwright.connect import Connected, connected, local_target
from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.model_cards import Cards, read_cards
from millwright.ontology import Ontology
from shared.adapters.containers import ensure
from shared.adapters.cosmos import cosmos_client
from shared.commit import Machines
from shared.contracts.factory import Factory
from shared.domain.spec import MachineSpec
from shared.scoring import Scorer
from shared.specs import SpecStore
from shared.twin_changes import FILTER, ROUTE

ROOT = Path(__file__).parents[1]

SUBSCRIPTIONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "millwright",
        "notify",
        "CloudEventSchemaV1_0",
        (
            "millwright.alarm.raised.v1",
            "millwright.alarm.reannunciated.v1",
            "millwright.alarm.cleared.v1",
            "millwright.machine.blocked.v1",
            "millwright.prediction.thresholdcrossed.v1",
            "millwright.notification.deadlettered.v1",
            "millwright.action.failed.v1",
        ),
    ),
    ("millwright", "automate", "CloudEventSchemaV1_0", ("millwright.alarm.raised.v1",)),
    ("iot-hub", "devices", "EventGridSchema", ()),
)
"""(topic, function, schema, event types): which events come back to which function."""


class Backend:
    """`async with Backend(home, factory=...) as backend:` is a running Millwright.

    A factory file with mistakes is refused (Broken) before anything is started.
    The order matters: the services, then the containers and the factory's description, then the
    hosts that read them, then the event subscriptions that the hosts confirm.
    """

    def __init__(
        self,
        home: Home,
        *,
        factory: Path,
        workers: int = 1,
        ports_from: int | None = None,
        applied_at: int | None = None,
        environment: Mapping[str, str] | None = None,
        tell: Callable[[str], None] = lambda line: None,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        """`applied_at`, ms since the epoch: when machines are told of their description; left out: now."""
        self.home = home
        self._applied_at = applied_at
        self.factory: Factory
        self._file = factory
        self._workers = workers
        self._open = AsyncExitStack()
        self.cloud = LocalCloud(
            home, ports_from=ports_from, app=ROOT, workers=0, environment=environment, tell=tell, echo=echo
        )
        self.store: Connected

    async def __aenter__(self) -> Self:
        cards = read_cards(ROOT / "models")
        self.factory = load(self._file, cards).factory
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self.cloud)
            self.store = await opened.enter_async_context(await self._apply(cards))
            _heed_cancellation()
            for _ in range(self._workers):
                await self.cloud.add_host()
            if self._workers:
                await self._subscribe()
            self._open = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.__aexit__(kind, error, trace)

    async def _apply(self, cards: Cards) -> AbstractAsyncContextManager[Connected]:
        """Make the containers, then do what `millwright factory apply` does."""
        endpoints = self.cloud.endpoints
        async with cosmos_client(endpoints["cosmos"], endpoints["cosmosKey"]) as client:
            await ensure(client)
        target = local_target(self.home.path)
        async with connected(target) as there:
            documents, twins = there.documents, there.twins
            shipped = Ontology.shipped(ROOT / "dtdl")
            change = await compare(documents, twins, site_versions(self.factory, cards), shipped)
            specs = SpecStore(documents, clock=time.monotonic)
            machines = Machines(documents, specs, Scorer(ROOT / "models"))

            async def describe(spec: MachineSpec) -> None:
                await machines.describe(spec, now=self._applied_at or time.time_ns() // 1_000_000)

            await carry_out(change, documents, twins, describe, lambda what, done, of: None)
            await twins.route(ROUTE, endpoints["digitalTwinsRouteEndpoint"], FILTER)
        return connected(target)

    async def _subscribe(self) -> None:
        base = self.cloud.endpoints["eventGrid"].partition("/topics/")[0]
        api = self.cloud.endpoints["api"].rstrip("/")
        async with aiohttp.ClientSession() as http:
            for topic, function, schema, types in SUBSCRIPTIONS:
                webhook = f"{api}/runtime/webhooks/EventGrid?functionName={function}"
                body = {
                    "properties": {
                        "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": webhook}},
                        "eventDeliverySchema": schema,
                        "filter": {"includedEventTypes": list(types)} if types else {},
                    }
                }
                url = f"{base}/topics/{topic}/eventSubscriptions/{function}"
                async with http.put(url, json=body) as response:
                    if response.status >= 300:
                        raise RuntimeError(f"{url}: {response.status} {await response.text()}")


def _heed_cancellation() -> None:
    """Ctrl-C is a cancellation, and azure-cosmos swallows one that comes while it looks for its endpoints."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
