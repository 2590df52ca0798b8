"""Where events can go: named endpoints, given when the service starts."""

import json
from dataclasses import dataclass
from typing import Any, cast

from local.service import CannotStart

SETTING = "MILLWRIGHT_DIGITAL_TWINS_ENDPOINTS"
LIMIT = 6


@dataclass(frozen=True, slots=True)
class EventHub:
    name: str
    url: str
    """Where the hub takes routed messages: .../hubs/NAME/messages"""


@dataclass(frozen=True, slots=True)
class EventGrid:
    name: str
    url: str
    key: str
    cloud_events: bool
    """Whether the topic takes CloudEvents; its own schema otherwise."""


type Endpoint = EventHub | EventGrid


def endpoints(text: str) -> dict[str, Endpoint]:
    """From JSON: `{"NAME": {"eventHub": URL}, "NAME": {"eventGrid": URL, "key": KEY, "schema": SCHEMA}}`.

    SCHEMA is CloudEventSchemaV1_0 or EventGridSchema. CannotStart says what is wrong.
    """
    try:
        given: Any = json.loads(text or "{}")
        found = {name: _endpoint(name, entry) for name, entry in given.items()}
    except (ValueError, AttributeError, KeyError, TypeError) as exc:
        raise CannotStart(f"{SETTING} does not describe endpoints: {exc!r}") from exc
    if len(found) > LIMIT:
        raise CannotStart(f"{SETTING} has more than {LIMIT} endpoints")
    return found


def _endpoint(name: str, entry: dict[str, Any]) -> Endpoint:
    if "eventHub" in entry:
        return EventHub(name, cast(str, entry["eventHub"]))
    cloud_events = {"CloudEventSchemaV1_0": True, "EventGridSchema": False}[entry["schema"]]
    return EventGrid(name, cast(str, entry["eventGrid"]), cast(str, entry["key"]), cloud_events)
