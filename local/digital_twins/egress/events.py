"""Notifications as CloudEvents 1.0, and their forms for Event Hubs and for Event Grid's own schema."""

from dataclasses import dataclass
from typing import Literal

from local.digital_twins.jsontypes import Json, JsonObject, dump
from local.event_hubs.messages import Record, encode_message

type Kind = Literal[
    "Microsoft.DigitalTwins.Twin.Create",
    "Microsoft.DigitalTwins.Twin.Update",
    "Microsoft.DigitalTwins.Twin.Delete",
    "Microsoft.DigitalTwins.Relationship.Create",
    "Microsoft.DigitalTwins.Relationship.Update",
    "Microsoft.DigitalTwins.Relationship.Delete",
    "microsoft.iot.telemetry",
]

TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.EventGrid/topics/local"
)
_IN_BODY = ("specversion", "id", "type", "source", "subject", "time", "datacontenttype", "data")


@dataclass(frozen=True, slots=True)
class Event:
    """`twin` is whom it concerns: events of one twin stay in order."""

    id: str
    type: Kind
    source: str
    subject: str
    time: str
    data: Json
    traceparent: str
    twin: str
    dataschema: str | None = None

    def cloud_event(self) -> JsonObject:
        event: JsonObject = {
            "specversion": "1.0",
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "data": self.data,
        }
        if self.subject:
            event["subject"] = self.subject
        if self.dataschema:
            event["dataschema"] = self.dataschema
        return event | {
            "time": self.time,
            "datacontenttype": "application/json",
            "traceparent": self.traceparent,
        }


def amqp_record(twin: str, event: JsonObject) -> Record:
    """For Event Hubs: the data is the body, the attributes are application properties."""
    attributes = {
        f"cloudEvents:{name}": value
        for name, value in event.items()
        if name not in ("data", "datacontenttype") and isinstance(value, str)
    }
    message = encode_message(
        dump(event["data"]),
        application_properties=attributes,
        properties={"content-type": "application/json"},
    )
    return Record(twin, message)


def grid_event(event: JsonObject) -> JsonObject:
    """For a topic with Event Grid's schema: the data is nested once more, beside what has no place there."""
    further: JsonObject = {name: value for name, value in event.items() if name not in _IN_BODY}
    nested: JsonObject = {"data": event["data"], "contenttype": "application/json"}
    return {
        "id": event["id"],
        "subject": event.get("subject", ""),
        "data": nested | further,
        "eventType": event["type"],
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "eventTime": event["time"],
        "topic": TOPIC,
    }


def stated_patch(body: Json, component: str | None) -> Json:
    """The operations of a request as an event tells them: paths from the twin, in the service's order."""
    assert isinstance(body, list)
    prefix = "" if component is None else f"/{component}"
    told: list[Json] = []
    for operation in body:
        assert isinstance(operation, dict)
        value: JsonObject = {"value": operation["value"]} if operation["op"] != "remove" else {}
        told.append(value | {"path": f"{prefix}{operation['path']}", "op": operation["op"]})
    return told


def difference(before: JsonObject, after: JsonObject) -> Json:
    """What a replacement changed, as a patch."""
    told: list[Json] = []
    for name in before.keys() | after.keys():
        if name.startswith("$") or before.get(name) == after.get(name):
            continue
        path = f"/{name}"
        if name not in after:
            told.append({"path": path, "op": "remove"})
        else:
            told.append({"value": after[name], "path": path, "op": "replace" if name in before else "add"})
    models = [_model(document) for document in (before, after)]
    if models[0] != models[1]:
        told.append({"value": models[1], "path": "/$metadata/$model", "op": "replace"})
    return sorted(told, key=lambda operation: str(operation))


def _model(document: JsonObject) -> Json:
    metadata = document.get("$metadata")
    return metadata.get("$model") if isinstance(metadata, dict) else None
