"""Topics that take events of the publisher's own shape: which of its fields stand for which attribute.

Source: "Map custom fields to Event Grid schema": `id`, `topic` and `eventTime` may name a field; `eventType`,
`subject` and `dataVersion` name a field, or a default, or both. The event as it was published becomes the
data of the Event Grid event that filters and subscriptions see.
"""

import uuid
from collections.abc import Mapping as Fields
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from local.event_grid import errors
from local.event_grid.schema import WIRE_NAME, Json, Schema
from local.event_grid.subscriptions import member

DEFAULTED = ("eventType", "subject", "dataVersion")
OPTIONAL = ("id", "topic", "eventTime")


@dataclass(frozen=True, slots=True)
class Field:
    source: str | None
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """By the names of Event Grid's attributes."""

    fields: Fields[str, Field]

    @classmethod
    def from_record(cls, record: Fields[str, Json]) -> "Mapping":
        return cls({name: Field(**field) for name, field in record.items()})

    def record(self) -> dict[str, Json]:
        return {name: asdict(field) for name, field in self.fields.items()}

    def document(self) -> Json:
        """As Azure Resource Manager shows it."""
        fields: Json = {}
        for name, field in self.fields.items():
            fields[name] = {"sourceField": field.source}
            if name in DEFAULTED:
                fields[name]["defaultValue"] = field.default
        return {"inputSchemaMappingType": "Json", "properties": fields}

    def event(self, published: Json, topic: str, now: float) -> Json:
        """The Event Grid event that a published one stands for. GridError 400 when a field is missing."""
        mapped: Json = {name: self._value(name, published) for name in (*OPTIONAL, *DEFAULTED)}
        stamp = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        mapped["id"] = mapped["id"] or str(uuid.uuid4())
        mapped["topic"] = mapped["topic"] or topic
        mapped["eventTime"] = mapped["eventTime"] or stamp
        return mapped | {"metadataVersion": "1", "data": published}

    def _value(self, name: str, published: Json) -> str | None:
        field = self.fields.get(name)
        if field is None:
            return None
        found: object = published.get(field.source) if field.source else None
        if found is None and (field.default is not None or name in OPTIONAL):
            return field.default
        if not isinstance(found, str):
            problem = f"The field '{field.source}', mapped to '{name}', is missing or is no string."
            raise errors.bad_events(WIRE_NAME[Schema.CUSTOM], problem)
        return found


def requested(properties: Json) -> Mapping:
    """The mapping that a topic's PUT asks for. GridError 400 says which attribute lacks what."""
    mapping = member(properties, "inputSchemaMapping")
    if (kind := mapping.get("inputSchemaMappingType")) != "Json":
        raise errors.invalid(f"The inputSchemaMappingType '{kind}' is not supported: give Json.")
    given = member(mapping, "properties")
    if unknown := set(given) - {*OPTIONAL, *DEFAULTED}:
        raise errors.invalid(f"inputSchemaMapping: there is no attribute '{min(unknown)}'.")
    found = {name: _field(name, member(given, name)) for name in (*OPTIONAL, *DEFAULTED)}
    for name in DEFAULTED:
        if found[name] == Field(None):
            raise errors.invalid(f"inputSchemaMapping: {name} needs a sourceField or a defaultValue.")
    return Mapping({name: field for name, field in found.items() if field != Field(None)})


def _field(name: str, entry: Json) -> Field:
    source: object = entry.get("sourceField")
    default: object = entry.get("defaultValue") if name in DEFAULTED else None
    if not isinstance(source, str | None) or not isinstance(default, str | None):
        raise errors.invalid(f"inputSchemaMapping: {name} has a sourceField or defaultValue that is no text.")
    return Field(source or None, default)
