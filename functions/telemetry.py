"""Device messages, in batches of one partition, to machines. Everything else starts here."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import logging
import time
from typing import List  # noqa: UP035

import azure.functions as func

from functions.messages import unpack
from shared.bootstrap import app
from shared.observability import invocation, metrics

bp = func.Blueprint()
log = logging.getLogger(__name__)


@bp.function_name("telemetry")
@bp.event_hub_message_trigger(
    arg_name="events",
    event_hub_name="%MILLWRIGHT_TELEMETRY_HUB%",
    connection="EventHubs",
    consumer_group="ingest",
    cardinality="many",
    data_type="binary",
)
@bp.retry(
    strategy="exponential_backoff",
    max_retry_count="-1",
    minimum_interval="00:00:01",
    maximum_interval="00:01:00",
)
async def telemetry(
    events: List[func.EventHubEvent],  # noqa: UP006 - the worker takes no list[...]
    context: func.Context,
) -> None:
    """Fold a batch. An error means a store is away: the partition waits and the batch comes again."""
    backend = await app()
    messages = await unpack(events, backend.generation)
    if not messages:
        return
    oldest = messages[0]
    await backend.backlog.note(oldest.source, oldest.arrived_at, now=time.time_ns() // 1_000_000)
    try:
        with invocation(context.trace_context.trace_parent):
            report = await backend.ingest(messages)
    finally:  # while a store is away the lag grows, and an alert should see it
        lag_s = time.time() - oldest.arrived_at / 1000
        metrics().lag.record(lag_s)
    metrics().readings.add(report.reading_count)
    log.info(
        "telemetry: %d readings, %d machines, %d rejected, %.1f s behind",
        report.reading_count,
        report.machine_count,
        report.quarantined_count,
        lag_s,
    )
