"""The AsyncAPI 3.0 document of the events on the Event Grid topic."""

from typing import Any

from pydantic.json_schema import models_json_schema

from shared.contracts.events import EVENTS, envelope, name_of

type Json = dict[str, Any]

_DESCRIPTION = (
    "CloudEvents 1.0 (structured JSON), delivered at least once and in no promised order. The same event "
    "always has the same `id`: keep the ids of what you have handled. New properties and new types may "
    "come at any time; a breaking change is a new version in the type."
)


def asyncapi() -> Json:
    """One channel, the topic, and one message for each type of event."""
    models = {name_of(kind): envelope(kind) for kind in EVENTS}
    refs, definitions = models_json_schema(
        [(model, "validation") for model in models.values()], ref_template="#/components/schemas/{model}"
    )
    messages: Json = {
        name: {
            "name": f"millwright.{name}",
            "title": EVENTS[f"millwright.{name}"][1],
            "contentType": "application/cloudevents+json",
            "payload": refs[model, "validation"],
        }
        for name, model in models.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Millwright events", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "events": {
                "address": "millwright",
                "description": "The Event Grid topic. Subscribe to it, filtered by type or subject.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            "publish": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "messages": [{"$ref": f"#/channels/events/messages/{name}"} for name in messages],
            }
        },
        "components": {"messages": messages, "schemas": definitions["$defs"]},
    }
