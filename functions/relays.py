"""Committed documents to the outside: one function a sink, each with leases and retries of its own."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import azure.functions as func

from shared.bootstrap import app
from shared.observability import invocation, metrics
from shared.ports import Document

bp = func.Blueprint()


def _relay(prefix: str, *, poll_ms: int, at_most: int, container: str = "machines") -> Callable[[Any], Any]:
    """The change feed of a container from its beginning, under the leases `prefix`.

    A batch that fails comes again until it succeeds: a sink that is away holds back its own
    function and no other.
    """

    def decorate(function: Any) -> Any:
        triggered = bp.cosmos_db_trigger(
            arg_name="documents",
            connection="Cosmos",
            database_name="%MILLWRIGHT_COSMOS_DATABASE%",
            container_name=container,
            lease_container_name="leases",
            lease_container_prefix=prefix,
            create_lease_container_if_not_exists=False,
            start_from_beginning=True,  # pyright: ignore[reportArgumentType]  # declared a time, is a bool
            feed_poll_delay=poll_ms,
            max_items_per_invocation=at_most,
        )(function)
        return bp.retry(
            strategy="exponential_backoff",
            max_retry_count="-1",
            minimum_interval="00:00:01",
            maximum_interval="00:01:00",
        )(triggered)

    return decorate


@bp.function_name("relay_twins")
@_relay("twins-", poll_ms=1_000, at_most=1_000)
async def relay_twins(documents: func.DocumentList, context: func.Context) -> None:
    """Digital Twins shows what was committed."""
    await _deliver("twins", (await app()).relay_twins, documents, context)


@bp.function_name("relay_events")
@_relay("events-", poll_ms=1_000, at_most=1_000)
async def relay_events(documents: func.DocumentList, context: func.Context) -> None:
    """Event Grid tells what happened."""
    await _deliver("events", (await app()).relay_events, documents, context)


@bp.function_name("relay_quarantine")
@_relay("quarantine-", poll_ms=5_000, at_most=300, container="quarantine")
async def relay_quarantine(documents: func.DocumentList, context: func.Context) -> None:
    """Event Grid tells what could not be believed."""
    await _deliver("quarantine", (await app()).relay_events, documents, context)


@bp.function_name("relay_scopes")
@_relay("scopes-", poll_ms=5_000, at_most=1_000)
async def relay_scopes(documents: func.DocumentList, context: func.Context) -> None:
    """Lines, sites and the enterprise sum up their machines."""
    await _deliver("scopes", (await app()).relay_scopes, documents, context)


@bp.function_name("relay_scope_twins")
@_relay("scope-twins-", poll_ms=5_000, at_most=300, container="scopes")
async def relay_scope_twins(documents: func.DocumentList, context: func.Context) -> None:
    """Digital Twins shows the sums as well."""
    await _deliver("scope_twins", (await app()).relay_twins, documents, context)


async def _deliver(
    relay: str,
    sink: Callable[[Sequence[Document]], Awaitable[object]],
    documents: func.DocumentList,
    context: func.Context,
) -> None:
    """Hand a batch over. Its lag is measured at failures too, in whole seconds as the store keeps time."""
    changed: list[Document] = [document.data for document in documents]
    try:
        with invocation(context.trace_context.trace_parent):
            await sink(changed)
    finally:
        committed_at = min(document["_ts"] for document in changed)
        metrics().relay_lag.record(time.time() - committed_at, {"relay": relay})
