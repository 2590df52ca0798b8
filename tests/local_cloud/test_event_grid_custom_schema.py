"""Topics that take events of the publisher's own shape, and tokens of a managed identity, through the SDK."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient

from tests.local_cloud.event_grid_webhook import Webhook, call, subscription

MAPPING = {
    "inputSchemaMappingType": "Json",
    "properties": {
        "id": {"sourceField": "customId"},
        "eventType": {"sourceField": "kind", "defaultValue": "Unknown"},
        "subject": {"sourceField": None, "defaultValue": "DefaultSubject"},
        "dataVersion": {"sourceField": "version"},
    },
}
PUBLISHED = {"customId": "7", "kind": "Created", "version": "2.0", "press": {"line": 3}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grid")


@pytest.fixture(scope="module")
def grid(launch: Callable[..., Any], folder: Path) -> Any:
    return launch("event-grid", folder, environment={"MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.002"})


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with Webhook() as running:
        yield running


async def topic(grid: Any, name: str, mapping: Any = MAPPING) -> tuple[int, Any]:
    properties = {"inputSchema": "CustomEventSchema", "inputSchemaMapping": mapping}
    return await call("PUT", f"{base(grid)}/topics/{name}", {"properties": properties})


def base(grid: Any) -> str:
    return f"http://127.0.0.1:{grid.ports['http']}"


def publish(grid: Any, name: str, *events: Any) -> None:
    credential = AzureKeyCredential(grid.endpoints["eventGridKey"])
    with EventGridPublisherClient(f"{base(grid)}/topics/{name}/api/events", credential) as client:
        client.send(list(events))


async def delivered(grid: Any, webhook: Webhook, name: str, schema: str | None) -> Any:
    """What a subscription to a topic of its own gets of PUBLISHED."""
    status, document = await topic(grid, name)
    assert (status, document["properties"]["inputSchema"]) == (201, "CustomEventSchema")
    filters = {
        "includedEventTypes": ["Created"],
        "advancedFilters": [{"operatorType": "NumberIn", "key": "data.press.line", "values": [3]}],
    }
    asked = subscription(webhook.url, filter=filters, eventDeliverySchema=schema)
    status, answer = await call("PUT", f"{base(grid)}/topics/{name}/eventSubscriptions/taker", asked)
    assert (status, answer["properties"]["eventDeliverySchema"]) == (201, schema or "CustomInputSchema")
    publish(grid, name, PUBLISHED | {"kind": "Other"}, PUBLISHED | {"press": {"line": 4}}, PUBLISHED)
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    return webhook.bodies[0]


async def test_a_custom_event_is_delivered_as_it_was_published(grid: Any, webhook: Webhook) -> None:
    assert await delivered(grid, webhook, "as-published", None) == [PUBLISHED]


async def test_a_custom_event_is_delivered_as_an_event_grid_event(grid: Any, webhook: Webhook) -> None:
    (event,) = await delivered(grid, webhook, "as-grid-event", "EventGridSchema")
    assert event.pop("eventTime")
    assert event == {
        "id": "7",
        "topic": event["topic"],
        "eventType": "Created",
        "subject": "DefaultSubject",
        "dataVersion": "2.0",
        "metadataVersion": "1",
        "data": PUBLISHED,
    }
    assert event["topic"].endswith("/topics/as-grid-event")
    assert webhook.headers[0]["aeg-data-version"] == "2.0"


async def test_a_custom_event_is_delivered_as_a_cloud_event(grid: Any, webhook: Webhook) -> None:
    event = await delivered(grid, webhook, "as-cloud-event", "CloudEventSchemaV1_0")
    assert (event["id"], event["type"], event["subject"]) == ("7", "Created", "DefaultSubject")
    assert (event["specversion"], event["data"]) == ("1.0", PUBLISHED)


async def test_a_mapping_outlives_a_crash(launch: Callable[..., Any], tmp_path: Path) -> None:
    first = launch("event-grid", tmp_path)
    _, made = await topic(first, "kept")
    first.kill()
    first.start()
    status, found = await call("GET", f"{base(first)}/topics/kept")
    assert (status, found) == (200, made)
    assert found["properties"]["inputSchemaMapping"]["properties"]["eventType"] == {
        "sourceField": "kind",
        "defaultValue": "Unknown",
    }


async def test_a_custom_event_without_a_mapped_field_is_refused(grid: Any) -> None:
    await topic(grid, "refusing")
    for problem, name in ((PUBLISHED | {"version": 2}, "version"), ({"kind": "Created"}, "version")):
        with pytest.raises(HttpResponseError) as caught:
            publish(grid, "refusing", problem)
        assert caught.value.status_code == 400
        assert f"The field '{name}', mapped to 'dataVersion'" in caught.value.message


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (None, "inputSchemaMappingType"),
        ({"inputSchemaMappingType": "Json", "properties": {}}, "eventType needs a sourceField"),
        ({"inputSchemaMappingType": "Json", "properties": {"colour": {}}}, "no attribute 'colour'"),
        (
            {"inputSchemaMappingType": "Json", "properties": {"id": {"sourceField": 5}}},
            "id has a sourceField",
        ),
    ],
)
async def test_a_mapping_that_cannot_be_is_refused(grid: Any, mapping: Any, words: str) -> None:
    status, answer = await topic(grid, "impossible", mapping)
    assert status == 400
    assert words in answer["error"]["message"]


async def test_only_a_custom_topic_is_delivered_in_a_custom_schema(grid: Any, webhook: Webhook) -> None:
    asked = subscription(webhook.url, eventDeliverySchema="CustomInputSchema")
    status, answer = await call("PUT", f"{base(grid)}/topics/iot-hub/eventSubscriptions/custom", asked)
    assert status == 400
    assert "CustomInputSchema is not supported" in answer["error"]["message"]


async def test_a_version_that_is_no_text_does_not_stop_delivery(grid: Any, webhook: Webhook) -> None:
    asked = subscription(webhook.url, filter={"includedEventTypes": ["t.version"]})
    assert (await call("PUT", f"{base(grid)}/topics/millwright/eventSubscriptions/odd", asked))[0] == 201
    odd = [CloudEvent("/s", "t.version", extensions={"dataversion": one}) for one in (5, "a\r\nX: b")]
    publish(grid, "millwright", *odd)
    await webhook.until(lambda hook: len(hook.bodies) == 2)
    assert {headers["aeg-data-version"] for headers in webhook.headers} == {"5", "a%0D%0AX: b"}


class Identity:
    """A managed identity whose tokens say so."""

    def __init__(self, **said: object) -> None:
        self._said = said

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        assert scopes == ("https://eventgrid.azure.net/.default",)
        payload = base64.urlsafe_b64encode(json.dumps(self._said).encode()).decode().rstrip("=")
        return AccessToken(f"e30.{payload}.", int(time.time()) + 3600)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"aud": "https://eventgrid.azure.net", "exp": 4_000_000_000}, None),
        ({}, None),
        ({"exp": 1}, "has expired"),
        ({"exp": "soon"}, "malformed"),
        ({"aud": "https://storage.azure.com"}, "is for https://storage.azure.com"),
    ],
)
def test_a_managed_identity_publishes_over_tls(
    grid: Any, folder: Path, said: dict[str, object], problem: str | None
) -> None:
    ca = str(folder / "ca.pem")
    with EventGridPublisherClient(grid.endpoints["eventGridTls"], Identity(**said)) as client:
        if problem is None:
            client.send(CloudEvent("/s", "t.identity"), connection_verify=ca)
            return
        with pytest.raises(ClientAuthenticationError) as caught:
            client.send(CloudEvent("/s", "t.identity"), connection_verify=ca)
        assert problem in caught.value.message


def test_the_service_names_what_it_reads_at_most(grid: Any) -> None:
    with pytest.raises(HttpResponseError) as caught:
        publish(grid, "millwright", CloudEvent("/s", "t", data="x" * 1_600_000))
    assert caught.value.status_code == 413
    assert "The maximum size (1536000) has been exceeded." in caught.value.message
