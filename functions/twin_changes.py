"""What changed in the twin graph, as Digital Twins routes it to its event hub."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import time
from typing import Any, List  # noqa: UP035

import azure.functions as func
import orjson

from functions.messages import json_of
from shared.bootstrap import app
from shared.observability import invocation, span
from shared.twin_changes import Change

bp = func.Blueprint()


@bp.function_name("twin_changes")
@bp.event_hub_message_trigger(
    arg_name="events",
    event_hub_name="twin-changes",
    connection="EventHubs",
    consumer_group="conflicts",
    cardinality="many",
    data_type="binary",
)
@bp.retry(
    strategy="exponential_backoff",
    max_retry_count="-1",
    minimum_interval="00:00:01",
    maximum_interval="00:01:00",
)
async def twin_changes(
    events: List[func.EventHubEvent],  # noqa: UP006 - the worker takes no list[...]
    context: func.Context,
) -> None:
    """Report what contradicts the applied description. The properties of a batch hang on every event."""
    backend = await app()
    metadata: dict[str, Any] = dict(events[0].metadata or {})
    told: list[dict[str, str]] = json_of(metadata["PropertiesArray"])
    changes = [
        Change(mine["cloudEvents:type"], mine["cloudEvents:subject"], orjson.loads(event.get_body()))
        for event, mine in zip(events, told, strict=True)
    ]
    with invocation(context.trace_context.trace_parent), span("twin changes"):
        await backend.twin_changes(changes, now=time.time_ns() // 1_000_000)
