"""What the telemetry hub says about itself."""

from datetime import UTC, datetime

from azure.core.credentials_async import AsyncTokenCredential
from azure.eventhub.aio import EventHubProducerClient
from azure.eventhub.exceptions import EventHubError

from shared.ports import Unavailable

_TIMEOUT_S = 15


def by_connection_string(connection: str, hub: str) -> EventHubProducerClient:
    return EventHubProducerClient.from_connection_string(
        connection, eventhub_name=hub, auth_timeout=_TIMEOUT_S, retry_total=1
    )


def by_identity(namespace: str, hub: str, credential: AsyncTokenCredential) -> EventHubProducerClient:
    """`namespace` is fully qualified, as in `NAME.servicebus.windows.net`."""
    return EventHubProducerClient(namespace, hub, credential, auth_timeout=_TIMEOUT_S, retry_total=1)


async def created_at(client: EventHubProducerClient) -> int:
    """When the hub was created, ms since the epoch. Closes the client: it is asked seldom."""
    try:
        async with client:
            properties = await client.get_eventhub_properties()
    except (EventHubError, OSError) as exc:
        raise Unavailable(f"event hub {client.eventhub_name}: {exc}") from exc
    moment: datetime = properties["created_at"]
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
