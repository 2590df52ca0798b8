"""An event subscription: read from and shown as Azure Resource Manager's document."""

from dataclasses import asdict, dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from local.event_grid import errors
from local.event_grid.filters import AdvancedFilter
from local.event_grid.filters import requested as advanced
from local.event_grid.schema import Event, Json, Schema

ATTEMPTS = 30
TIME_TO_LIVE_MIN = 1440
CUSTOM_INPUT = "CustomInputSchema"
"""What a subscription calls the schema that a topic calls CustomEventSchema."""

SUCCEEDED, AWAITING = "Succeeded", "AwaitingManualAction"


@dataclass(frozen=True, slots=True)
class Subscription:
    topic: str
    name: str
    url: str
    schema: Schema
    event_types: tuple[str, ...] | None
    """None: all of them."""

    begins_with: str
    ends_with: str
    case_sensitive: bool
    attempts: int
    time_to_live_min: int
    dead_letters: str | None
    """The container (here a folder) for events that cannot be delivered; None drops them."""

    labels: tuple[str, ...] = ()
    state: str = SUCCEEDED
    advanced: tuple[AdvancedFilter, ...] = ()
    on_arrays: bool = False
    """Whether advanced filters look at the members of arrays."""

    batch_count: int = 1
    batch_kb: int = 64
    """Events in one request: at most so many, and about so much."""

    @classmethod
    def from_record(cls, record: Json) -> "Subscription":
        types = record["event_types"]
        typed: Json = {
            "schema": Schema(record["schema"]),
            "event_types": None if types is None else tuple(types),
            "labels": tuple(record["labels"]),
            "advanced": tuple(map(AdvancedFilter.from_record, record.get("advanced", []))),
        }
        return cls(**(record | typed))

    def record(self) -> Json:
        return asdict(self)

    def wants(self, event: Event) -> bool:
        """Whether the filter lets this event pass. Subjects compare without case unless asked otherwise."""
        if self.event_types is not None and event.type not in self.event_types:
            return False
        subject, begin, end = event.subject, self.begins_with, self.ends_with
        if not self.case_sensitive:
            subject, begin, end = subject.lower(), begin.lower(), end.lower()
        if not (subject.startswith(begin) and subject.endswith(end)):
            return False
        return all(condition.holds(event.document, arrays=self.on_arrays) for condition in self.advanced)

    def document(self) -> Json:
        """The full URL is left out, since it may hold a key: `getFullUrl` tells it."""
        base = urlsplit(self.url)._replace(query="").geturl()
        dead_letters = self.dead_letters and {
            "endpointType": "StorageBlob",
            "properties": {"blobContainerName": self.dead_letters},
        }
        return {
            "id": f"{topic_id(self.topic)}/providers/Microsoft.EventGrid/eventSubscriptions/{self.name}",
            "name": self.name,
            "type": "Microsoft.EventGrid/eventSubscriptions",
            "properties": {
                "topic": topic_id(self.topic),
                "provisioningState": self.state,
                "destination": {
                    "endpointType": "WebHook",
                    "properties": {
                        "endpointBaseUrl": base,
                        "maxEventsPerBatch": self.batch_count,
                        "preferredBatchSizeInKilobytes": self.batch_kb,
                    },
                },
                "filter": {
                    "includedEventTypes": self.event_types and list(self.event_types),
                    "subjectBeginsWith": self.begins_with,
                    "subjectEndsWith": self.ends_with,
                    "isSubjectCaseSensitive": self.case_sensitive,
                    "enableAdvancedFilteringOnArrays": self.on_arrays,
                    "advancedFilters": [condition.document() for condition in self.advanced],
                },
                "labels": list(self.labels),
                "eventDeliverySchema": CUSTOM_INPUT if self.schema is Schema.CUSTOM else self.schema,
                "retryPolicy": {
                    "maxDeliveryAttempts": self.attempts,
                    "eventTimeToLiveInMinutes": self.time_to_live_min,
                },
                "deadLetterDestination": dead_letters,
            },
        }


def topic_id(topic: str) -> str:
    """The resource id that events of a topic carry."""
    scope = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers"
    return f"{scope}/Microsoft.EventGrid/topics/{topic}"


def requested(topic: str, name: str, topic_schema: Schema, body: Json) -> Subscription:
    """The subscription that a PUT asks for.

    GridError 400 for what Azure refuses, 501 for what it would take and this stand-in does not.
    """
    properties = member(body, "properties")
    destination = member(properties, "destination")
    if (kind := destination.get("endpointType")) != "WebHook":
        raise errors.not_implemented(f"endpoints of type {kind}: give a WebHook")
    webhook = member(destination, "properties")
    if webhook.get("deliveryAttributeMappings"):
        raise errors.not_implemented("deliveryAttributeMappings")
    filters = member(properties, "filter")
    retry = member(properties, "retryPolicy")
    types = filters.get("includedEventTypes")
    return Subscription(
        topic=topic,
        name=name,
        url=_url(webhook.get("endpointUrl")),
        schema=_schema(properties.get("eventDeliverySchema"), topic_schema),
        event_types=None if types in (None, [], ["All"]) else _texts(types, "includedEventTypes"),
        begins_with=filters.get("subjectBeginsWith") or "",
        ends_with=filters.get("subjectEndsWith") or "",
        case_sensitive=bool(filters.get("isSubjectCaseSensitive")),
        attempts=_between(retry, "maxDeliveryAttempts", ATTEMPTS, 30),
        time_to_live_min=_between(retry, "eventTimeToLiveInMinutes", TIME_TO_LIVE_MIN, 1440),
        dead_letters=_container(properties),
        labels=_texts(properties.get("labels") or [], "labels"),
        advanced=advanced(filters.get("advancedFilters")),
        on_arrays=bool(filters.get("enableAdvancedFilteringOnArrays")),
        batch_count=_between(webhook, "maxEventsPerBatch", 1, 5000),
        batch_kb=_between(webhook, "preferredBatchSizeInKilobytes", 64, 1024),
    )


def _url(url: object) -> str:
    refusal = errors.invalid(f"The destination endpoint URL '{url}' is invalid.")
    if not isinstance(url, str):
        raise refusal
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as exc:
        raise refusal from exc
    if not good:
        raise refusal
    return url


def _schema(wanted: object, topic_schema: Schema) -> Schema:
    if wanted is None:
        return topic_schema
    named = {str(one): one for one in (Schema.EVENT_GRID, Schema.CLOUD_EVENTS)}
    named[CUSTOM_INPUT] = Schema.CUSTOM
    schema = named.get(wanted) if isinstance(wanted, str) else None
    if schema is None:
        raise errors.invalid(f"The eventDeliverySchema '{wanted}' is not known.")
    if schema is not topic_schema and (schema is Schema.CUSTOM or topic_schema is Schema.CLOUD_EVENTS):
        raise errors.invalid(
            f"The event delivery schema {wanted} is not supported for a topic "
            f"with input schema {topic_schema}."
        )
    return schema


def _container(properties: Json) -> str | None:
    destination = member(properties, "deadLetterDestination")
    if not destination:
        return None
    name: object = member(destination, "properties").get("blobContainerName")
    if not isinstance(name, str) or not name.replace("-", "").isalnum():
        raise errors.invalid("The blobContainerName of the deadLetterDestination is invalid.")
    return name


def _between(policy: Json, name: str, default: int, most: int) -> int:
    value: object = policy.get(name, default)
    if not isinstance(value, int) or not 1 <= value <= most:
        raise errors.invalid(f"{name} must be an integer between 1 and {most}.")
    return value


def _texts(value: object, name: str) -> tuple[str, ...]:
    members = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(member, str) for member in members):
        raise errors.invalid(f"{name} must be an array of strings.")
    return tuple(cast("list[str]", members))


def member(body: Json, name: str) -> Json:
    """An object inside an object, {} when it is absent or null. GridError 400 when it is something else."""
    value: Any = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid(f"{name} must be an object.")
    return cast(Json, value)
