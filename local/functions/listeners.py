"""From a trigger to the listener that serves it, and how long a dead host keeps what it held."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from azure.eventhub import parse_connection_string

from local.functions.cosmos import Connections, CosmosListener
from local.functions.event_hubs import EventHubListener
from local.functions.host_json import HostJson
from local.functions.invoke import Invoker
from local.functions.schedule import parse_schedule
from local.functions.settings import AppSettings
from local.functions.store import Store
from local.functions.timers import TimerListener
from local.functions.triggers import CosmosTrigger, EventHubTrigger, TimerTrigger, Trigger
from local.functions.worker import AppBroken, Function
from local.service import Clock

LEASE_SETTING = "MILLWRIGHT_FUNCTIONS_LEASE_S"


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds until another host may take over from one that died.

    Far shorter than Azure's (30 s for partitions, 60 s for feed ranges), so that a crash can
    be watched. Renewing a feed range's lease costs request units, hence the longer default.
    """

    partition_s: float = 4.0
    timer_s: float = 4.0
    feed_range_s: float = 12.0

    @classmethod
    def from_environment(cls) -> LeaseTimes:
        text = os.environ.get(LEASE_SETTING)
        if text is None:
            return cls()
        try:
            lease_s = float(text)
        except ValueError:
            lease_s = -1.0
        if not 0.2 <= lease_s <= 3600:
            raise ValueError(f"{LEASE_SETTING}={text!r}: give a number of seconds from 0.2 to 3600")
        return cls(lease_s, lease_s, lease_s)


class Listener(Protocol):
    """Turns something outside into invocations of one function, until stopped."""

    function: Function

    def start(self) -> None: ...

    async def stop(self, patience_s: float) -> None:
        """Begin nothing new; let what runs finish for `patience_s`; give back what is held."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every listener of one host shares."""

    host_json: HostJson
    settings: AppSettings
    invoker: Invoker
    store: Store
    owner_id: str
    clock: Clock
    leases: LeaseTimes


def listener_for(function: Function, trigger: Trigger, host: Surroundings) -> Listener | None:
    """None for the triggers that HTTP requests reach. AppBroken names the function and what is missing."""
    try:
        match trigger:
            case EventHubTrigger():
                connection = host.settings.connection(trigger.connection, "fullyQualifiedNamespace")
                parse_connection_string(connection)
                return EventHubListener(
                    function,
                    trigger,
                    connection,
                    options=host.host_json.extensions.event_hubs,
                    invoker=host.invoker,
                    store=host.store,
                    lease_s=host.leases.partition_s,
                    clock=host.clock,
                )
            case CosmosTrigger():
                monitored = host.settings.cosmos_connection(trigger.connection)
                leases = (
                    host.settings.cosmos_connection(trigger.lease_connection)
                    if trigger.lease_connection
                    else monitored
                )
                return CosmosListener(
                    function,
                    trigger,
                    Connections(monitored, leases),
                    invoker=host.invoker,
                    owner_id=host.owner_id,
                    lease_s=host.leases.feed_range_s,
                    clock=host.clock,
                )
            case TimerTrigger():
                return TimerListener(
                    function,
                    trigger,
                    parse_schedule(trigger.schedule),
                    invoker=host.invoker,
                    store=host.store,
                    owner_id=host.owner_id,
                    lease_s=host.leases.timer_s,
                    clock=host.clock,
                )
            case _:
                return None
    except (AppBroken, ValueError) as exc:
        raise AppBroken(f"The '{function.name}' function is in error: {exc}") from exc


def shared_positions(triggers: Mapping[Function, Trigger]) -> Iterator[str]:
    """Warnings for functions that read the same stream from one position: each would get a part of it."""
    readers: dict[tuple[str, ...], list[str]] = {}
    for function, trigger in triggers.items():
        match trigger:
            case EventHubTrigger():
                key = ("consumer group", trigger.connection, trigger.event_hub_name, trigger.consumer_group)
            case CosmosTrigger():
                key = (
                    "lease container prefix",
                    trigger.connection,
                    trigger.database_name,
                    trigger.container_name,
                    trigger.lease_container_name,
                    trigger.lease_container_prefix,
                )
            case _:
                continue
        readers.setdefault(key, []).append(function.name)
    for key, names in readers.items():
        if len(names) > 1:
            yield (
                f"{' and '.join(names)} share one {key[0]}: as in Azure, each gets only a part of what "
                f"{key[2]} holds. Give each its own."
            )
