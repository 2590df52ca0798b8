"""`Events` on an Event Grid topic that takes CloudEvents 1.0."""

import json
from collections.abc import Awaitable, Iterator, Sequence
from typing import Protocol

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.eventgrid.aio import EventGridPublisherClient

from shared.adapters.answers import translated
from shared.adapters.closing import RETRIES, Closing
from shared.adapters.transport import transport
from shared.ports import Document

MAX_REQUEST_BYTES = 1_000_000
"""The service takes 1 MB a request; a single event beyond that is its to refuse."""


class _Client(Protocol):
    """The part of EventGridPublisherClient used here, with types."""

    def send(self, events: list[Document]) -> Awaitable[None]: ...
    def close(self) -> Awaitable[None]: ...


class EventGridEvents(Closing):
    """One topic. Events keep their ids, by which consumers recognise what came twice."""

    def __init__(self, endpoint: str, credential: AzureKeyCredential | AsyncTokenCredential) -> None:
        self._client: _Client = EventGridPublisherClient(
            endpoint, credential, transport=transport(), **RETRIES
        )
        super().__init__(self._client)

    async def publish(self, events: Sequence[Document]) -> None:
        """Publish in order, in as few requests as the service's limit allows."""
        with translated(f"{len(events)} events"):
            for request in requests(events):
                await self._client.send(request)


def requests(events: Sequence[Document], max_bytes: int = MAX_REQUEST_BYTES) -> Iterator[list[Document]]:
    """Cut events into requests of at most `max_bytes` as the SDK writes them.

    >>> [len(request) for request in requests([{"id": "a" * 40}] * 5, 120)]
    [2, 2, 1]
    """
    request: list[Document] = []
    size = 2
    for event in events:
        event_bytes = len(json.dumps(event)) + 2
        if request and size + event_bytes > max_bytes:
            yield request
            request, size = [], 2
        request.append(event)
        size += event_bytes
    if request:
        yield request
