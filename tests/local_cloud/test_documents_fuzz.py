"""Whatever comes as a request's body: it is what the service takes, or refused in the service's words."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.dps import enrollments
from local.dps.errors import DpsError
from local.event_grid import mapping, subscriptions
from local.event_grid.errors import GridError
from local.event_grid.schema import Schema, delivered, published
from local.event_hubs.http_api import BadRequest, hub_request

# A busy machine is no fault of a document's.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.sampled_from(
    [
        "", "a", "1.0", "2026-01-01T00:00:00Z", "not a time", "http://[", "https://localhost/hook",
        "EventGridSchema", "CloudEventSchemaV1_0", "Default", "WebHook", "StorageBlob", "symmetricKey",
        "x509", "c2VjcmV0", "%%%", "-----BEGIN CERTIFICATE-----", "enabled", "\ud800", "\0",
    ]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts


def documents(names: list[str]) -> st.SearchStrategy[Any]:
    """JSON in which these names occur, at any place."""
    keys = st.sampled_from([*names, "x"])
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6)
    )


def objects(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), documents(names), max_size=8)


EVENT = [
    "id", "source", "type", "specversion", "subject", "time", "data", "data_base64", "datacontenttype",
    "dataschema", "eventType", "eventTime", "dataVersion", "metadataVersion", "topic", "Extension",
]  # fmt: skip
CONTENT = [
    "application/json", "application/cloudevents+json", "",
    "application/cloudevents-batch+json; charset=utf-8",
]  # fmt: skip
HEADERS = ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-x!"]


@calm
@given(
    schema=st.sampled_from([Schema.EVENT_GRID, Schema.CLOUD_EVENTS]),
    kind=st.sampled_from(CONTENT),
    headers=st.dictionaries(
        st.sampled_from(HEADERS), st.sampled_from(["1", "1.0", "%zz", "\udcff"]), max_size=6
    ),
    body=st.binary(max_size=30) | documents(EVENT).map(lambda body: json.dumps(body).encode()),
)
def test_any_published_body_is_events_or_refused(
    schema: Schema, kind: str, headers: dict[str, str], body: bytes
) -> None:
    with suppress(GridError):
        for event in published(schema, "topic", {"content-type": kind, **headers}, body):
            for wanted in (Schema.EVENT_GRID, Schema.CLOUD_EVENTS):
                delivered(event.document, schema, wanted)


@calm
@given(objects(EVENT))
def test_an_event_with_what_it_needs_is_taken_and_turned_into_either_schema(more: dict[str, Any]) -> None:
    least = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0"}
    body = json.dumps([{**more, **least}]).encode()
    headers = {"content-type": "application/cloudevents-batch+json"}
    with suppress(GridError):
        (event,) = published(Schema.CLOUD_EVENTS, "topic", headers, body)
        assert event.type == "t"
        assert delivered(event.document, Schema.CLOUD_EVENTS, Schema.CLOUD_EVENTS)["id"] == "1"
        assert delivered(event.document, Schema.CLOUD_EVENTS, Schema.EVENT_GRID)["eventType"] == "t"


SUBSCRIPTION = [
    "properties", "destination", "endpointType", "endpointUrl", "filter", "includedEventTypes",
    "subjectBeginsWith", "isSubjectCaseSensitive", "advancedFilters", "operatorType", "key", "values",
    "retryPolicy", "maxEventsPerBatch", "maxDeliveryAttempts",
    "eventTimeToLiveInMinutes", "deadLetterDestination", "eventDeliverySchema",
    "inputSchemaMapping", "sourceField", "defaultValue", "eventType", "dataVersion", "inputSchema",
]  # fmt: skip


@calm
@given(objects(SUBSCRIPTION), documents(SUBSCRIPTION))
def test_any_subscription_is_one_or_refused(body: dict[str, Any], destination: Any) -> None:
    with suppress(GridError):
        subscriptions.requested("topic", "name", Schema.CLOUD_EVENTS, body)
    webhook = {"endpointType": "WebHook", "properties": {"endpointUrl": "https://localhost/"}}
    properties = {"destination": webhook, "filter": destination, **body}
    with suppress(GridError):
        subscriptions.requested("topic", "name", Schema.EVENT_GRID, {"properties": properties})


@calm
@given(objects(SUBSCRIPTION))
def test_any_mapping_is_one_or_refused(properties: dict[str, Any]) -> None:
    with suppress(GridError):
        mapping.requested(properties)


ENROLLMENT = [
    "registrationId", "enrollmentGroupId", "attestation", "type", "symmetricKey", "primaryKey",
    "secondaryKey", "x509", "clientCertificates", "signingCertificates", "primary", "certificate",
    "deviceId", "initialTwin",
    "tags", "properties", "desired", "provisioningStatus", "reprovisionPolicy", "updateHubAssignment",
    "migrateDeviceData", "allocationPolicy", "capabilities", "iotEdge", "etag",
]  # fmt: skip


@pytest.mark.parametrize("kind", [enrollments.INDIVIDUAL, enrollments.GROUP])
@calm
@given(body=objects(ENROLLMENT), attestation=documents(ENROLLMENT))
def test_any_enrollment_is_one_or_refused(kind: str, body: dict[str, Any], attestation: Any) -> None:
    for asked in (
        body,
        {**body, "registrationId": "a", "enrollmentGroupId": "a", "attestation": attestation},
    ):
        with suppress(DpsError):
            enrollments.requested(kind, "a", asked, now="2026-01-01T00:00:00Z", before=None)


@calm
@given(st.binary(max_size=30) | documents(["name", "partitionCount", "consumerGroups"]).map(json.dumps))
def test_any_request_for_a_hub_is_one_or_refused(body: bytes | str) -> None:
    with suppress(BadRequest):
        hub_request(body if isinstance(body, bytes) else body.encode())
