"""A machine's `twin` document as properties of its digital twin, and the JSON Patch between the two.

Properties are named by JSON pointer: `/state`, `/temperatureC`, `/oee/availability`. Names are
the documents' own or, for signals, their camel case, the rule that dtdl/README.md states.
"""

from collections.abc import Iterable
from typing import Any

from pydantic.alias_generators import to_camel

from shared.ports import Document

type Properties = dict[str, Any]

LAST_READING_AT = "/lastReadingAt"
"""Told together with something else; alone it is worth no write."""

_PLAIN = {"state": "state", "stateSince": "stateSince", "order": "orderId", "product": "product"}
"""Document -> twin."""

_COMPONENTS = {
    "oee": (
        "availability",
        "effectiveness",
        "quality",
        "oee",
        "upperBound",
        "coverage",
        "band",
        "shiftId",
        "final",
    ),
    "health": ("score", "probability", "model", "modelVersion", "abstained", "reason", "assessedAt"),
    "alarmSummary": ("activeCount", "unacknowledgedCount", "highestPriority"),
}


def properties(document: Document) -> Properties:
    """What the twin should have, by pointer; what is unknown is absent, as the service wants it."""
    found: Properties = {f"/{name}": document.get(source) for source, name in _PLAIN.items()}
    found |= {
        LAST_READING_AT: document["lastReadingAt"],
        "/silent": document["silent"],
        "/blocked": document["blocked"] is not None,
    }
    found |= {f"/{to_camel(name)}": signal["value"] for name, signal in document["signals"].items()}
    for component, names in _COMPONENTS.items():
        part: Document = document["alarms" if component == "alarmSummary" else component] or {}
        found |= {f"/{component}/{name}": part.get(name) for name in names}
    return {pointer: value for pointer, value in found.items() if value is not None}


def owned(twin: Document, wanted: Iterable[str]) -> Properties:
    """Of what a twin has now, the properties that are the relay's to write, by pointer."""
    found: Properties = {}
    for pointer in {*_fixed(), *wanted}:
        component, _, name = pointer[1:].rpartition("/")
        holder: Document = twin.get(component, {}) if component else twin
        if holder.get(name) is not None:
            found[pointer] = holder[name]
    return found


def changes(known: Properties, wanted: Properties, document: Document) -> list[list[Document]]:
    """The patch that makes `known` into `wanted`, in groups that stand for one property each.

    A measurement's group carries when it was measured, else the service would date it with the
    write. Empty when nothing but the time of the last reading changed.
    """
    measured_at = {f"/{to_camel(name)}": signal["at"] for name, signal in document["signals"].items()}
    groups: list[list[Document]] = [
        [{"op": "remove", "path": pointer}] for pointer in known if pointer not in wanted
    ]
    for pointer, value in wanted.items():
        if known.get(pointer) == value:
            continue
        group: list[Document] = [{"op": "add", "path": pointer, "value": value}]
        if pointer in measured_at:
            path = f"/$metadata{pointer}/sourceTime"
            group.append({"op": "add", "path": path, "value": measured_at[pointer]})
        groups.append(group)
    return [] if [group[0]["path"] for group in groups] == [LAST_READING_AT] else groups


def _fixed() -> Iterable[str]:
    yield from (f"/{name}" for name in _PLAIN.values())
    yield from (LAST_READING_AT, "/silent", "/blocked")
    for component, names in _COMPONENTS.items():
        yield from (f"/{component}/{name}" for name in names)
