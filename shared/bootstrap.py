"""The object graph of one worker, built on the first invocation and kept for all that follow."""

import asyncio
import logging
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential

from shared.adapters import event_hub
from shared.adapters.cosmos import CosmosDocuments, cosmos_client
from shared.adapters.credentials import credential
from shared.adapters.digital_twins import AzureTwins
from shared.adapters.event_grid import EventGridEvents
from shared.adapters.iot_hub import IoTHubDevices
from shared.adapters.smtp import SmtpMail
from shared.adapters.webhook import HttpWebhook
from shared.automate import Automator
from shared.backlog import Backlog
from shared.collector import collect_seldom
from shared.commit import Machines
from shared.generation import Generation
from shared.ingest import Ingest
from shared.notify import Notifier
from shared.notify.unset import UnsetChannels
from shared.ports import Documents, Events, Twins
from shared.relay.events import EventRelay
from shared.relay.scopes import ScopeRelay
from shared.relay.twins import TwinRelay
from shared.replay import Replay
from shared.scoring import Scorer
from shared.settings import Settings
from shared.specs import SpecStore
from shared.twin_changes import TwinChanges

APP_FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class App:
    """What the functions call."""

    settings: Settings
    documents: Documents
    specs: SpecStore
    machines: Machines
    generation: Generation
    ingest: Ingest
    backlog: Backlog
    replay: Replay
    twins: Twins
    events: Events
    relay_twins: TwinRelay
    relay_events: EventRelay
    relay_scopes: ScopeRelay
    twin_changes: TwinChanges
    notify: Notifier
    unset_channels: UnsetChannels
    automate: Automator


_app: App | None = None
_open = AsyncExitStack()
_building = asyncio.Lock()


async def app() -> App:
    """This worker's App. All functions of a worker share one event loop and so one set of clients.

    Raises SettingsWrong, and Unavailable while the store cannot be reached: nothing is kept then,
    the next invocation tries again.
    """
    global _app
    if _app is None:
        async with _building:
            if _app is None:
                _app = await _keep_open(Settings.from_environment(os.environ))
    return _app


async def close() -> None:
    """Close what `app` opened, for tests and tools that run in a process of their own."""
    global _app
    _app = None
    await _open.aclose()


async def _keep_open(settings: Settings) -> App:
    collect_seldom()
    async with AsyncExitStack() as opened:
        built = await build(settings, opened)
        _open.push_async_exit(opened.pop_all())
    return built


async def build(settings: Settings, opened: AsyncExitStack) -> App:
    """A new App; `opened` closes its clients."""
    logging.getLogger("azure").setLevel(logging.WARNING)  # at INFO, several lines per request
    if settings.application_insights is not None:
        # Half a second of imports, which only those pay who are told something for it.
        from shared.adapters.application_insights import ApplicationInsights  # noqa: PLC0415

        opened.enter_context(ApplicationInsights(settings.application_insights))
    identity = await opened.enter_async_context(credential(settings.local_token))
    documents = await opened.enter_async_context(
        CosmosDocuments(
            cosmos_client(settings.cosmos_endpoint, settings.cosmos_key or identity),
            settings.cosmos_database,
        )
    )
    twins = await opened.enter_async_context(AzureTwins(settings.digital_twins_url, identity))
    key = settings.event_grid_key
    events = await opened.enter_async_context(
        EventGridEvents(settings.event_grid_endpoint, AzureKeyCredential(key) if key else identity)
    )
    webhook = await opened.enter_async_context(HttpWebhook())
    specs = SpecStore(documents, clock=time.monotonic)
    scorer = Scorer(APP_FOLDER / settings.models_folder)
    machines = Machines(documents, specs, scorer, cached_count=settings.cached_machine_count)
    return App(
        settings=settings,
        documents=documents,
        specs=specs,
        machines=machines,
        generation=Generation(lambda: _created_at(settings, identity)),
        ingest=Ingest(machines, specs, documents, scorer),
        backlog=Backlog(documents, started_at=_now()),
        replay=Replay(machines, specs, documents, scorer),
        twins=twins,
        events=events,
        relay_twins=TwinRelay(twins, documents),
        relay_events=EventRelay(events, documents),
        relay_scopes=ScopeRelay(documents, specs),
        twin_changes=TwinChanges(twins, specs, documents, events),
        notify=Notifier(documents, specs, webhook, SmtpMail(), events, setting=os.environ.get, clock=_now),
        unset_channels=UnsetChannels(specs, setting=os.environ.get, clock=_now),
        automate=Automator(documents, specs, IoTHubDevices(settings.iot_hub), events, clock=_now),
    )


def _now() -> int:
    return time.time_ns() // 1_000_000


async def _created_at(settings: Settings, identity: AsyncTokenCredential) -> int:
    """When the telemetry hub was created, ms since the epoch."""
    hub = settings.telemetry_hub
    if settings.event_hubs is not None:
        return await event_hub.created_at(event_hub.by_connection_string(settings.event_hubs, hub))
    return await event_hub.created_at(
        event_hub.by_identity(settings.event_hubs_namespace or "", hub, identity)
    )
