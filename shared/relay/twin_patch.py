"""What a document says about a digital twin, and the JSON Patch that makes the twin say the same.

Properties are named by JSON pointer: `/state`, `/temperatureC`, `/oee/availability`. Names are
the documents' own or, for signals, their camel case, the rule that dtdl/README.md states.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel

from shared.ports import Document

type Properties = dict[str, Any]

LAST_READING_AT = "/lastReadingAt"
"""Told together with something else; alone it is worth no write."""

_PLAIN = {"state": "state", "stateSince": "stateSince", "order": "orderId", "product": "product"}
"""Document -> twin."""
_RATIOS = ("availability", "effectiveness", "quality", "oee", "upperBound", "coverage", "band")
_OEE = (*_RATIOS, "shiftId", "final")
_HEALTH = ("score", "probability", "model", "modelVersion", "abstained", "reason", "assessedAt")
_ALARMS = ("activeCount", "unacknowledgedCount", "highestPriority")
_COUNTS = ("machineCount", "silentCount", "blockedCount", "warningCount", "states")
"""How the machines below a scope are: properties of its twin."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What one document says about one twin."""

    twin_id: str
    part: str
    """Documents about the same part of a twin replace each other, the higher version wins."""
    version: tuple[Any, ...]
    wanted: Properties
    """What the part should be; a property that is unknown is absent, as the service wants it."""
    optional: frozenset[str]
    """Pointers that are removed when they are not wanted."""
    measured_at: Mapping[str, str] = field(default_factory=dict[str, str])
    """Pointer -> when its value was measured; without it the service dates it with the write."""
    place: tuple[str, str, str] | None = None
    """Container, partition and id of the document: where to look when another writer was faster."""


def projection(document: Document) -> Projection | None:
    """Of a machine its `twin` document, of a scope its `oee` and `status`; None for all others.

    A scope's twin shows the shift that began last.
    """
    match document:
        case {"type": "twin"}:
            return _machine(document)
        case {"type": "oee", "level": _}:
            version = (document["start"], document["version"])
            return _scope_oee(document, version)
        case {"type": "status", "level": _}:
            return _status(document)
        case _:
            return None


def owned(twin: Document, pointers: Iterable[str]) -> Properties:
    """Of what a twin has now, the properties at these pointers."""
    found: Properties = {}
    for pointer in pointers:
        component, _, name = pointer[1:].rpartition("/")
        holder: Document = twin.get(component, {}) if component else twin
        if holder.get(name) is not None:
            found[pointer] = holder[name]
    return found


def changes(known: Properties, projected: Projection) -> list[list[Document]]:
    """The patch from `known` to what is projected, in groups that stand for one property each.

    Empty when nothing but the time of the last reading changed.
    """
    wanted = projected.wanted
    groups: list[list[Document]] = [
        [{"op": "remove", "path": pointer}] for pointer in known if pointer not in wanted
    ]
    for pointer, value in wanted.items():
        if known.get(pointer) == value:
            continue
        group: list[Document] = [{"op": "add", "path": pointer, "value": value}]
        if pointer in projected.measured_at:
            path = f"/$metadata{pointer}/sourceTime"
            group.append({"op": "add", "path": path, "value": projected.measured_at[pointer]})
        groups.append(group)
    return [] if [group[0]["path"] for group in groups] == [LAST_READING_AT] else groups


def _machine(document: Document) -> Projection:
    signals: dict[str, Document] = {
        f"/{to_camel(name)}": signal for name, signal in document["signals"].items()
    }
    found: Properties = {f"/{name}": document.get(source) for source, name in _PLAIN.items()}
    found |= {
        LAST_READING_AT: document["lastReadingAt"],
        "/silent": document["silent"],
        "/blocked": document["blocked"] is not None,
    }
    found |= _pointers("oee", document["oee"] or {}, _OEE)
    found |= _pointers("health", document["health"] or {}, _HEALTH)
    found |= _pointers("alarmSummary", document["alarms"], _ALARMS)
    optional = frozenset(found)
    found |= {pointer: signal["value"] for pointer, signal in signals.items()}
    measured_at = {pointer: signal["at"] for pointer, signal in signals.items()}
    version = (document["version"],)
    machine_id = document["machineId"]
    place = ("machines", machine_id, "twin")
    return Projection(machine_id, "machine", version, _known(found), optional, measured_at, place)


def _scope_oee(document: Document, version: tuple[Any, ...]) -> Projection:
    found = _pointers("oee", document, _OEE)
    limiting: Document | None = document.get("bottleneck")
    found["/bottleneck"] = None if limiting is None else limiting["machineId"]
    scope_id = document["scopeId"]
    place = ("scopes", scope_id, document.get("id", ""))
    return Projection(scope_id, "oee", version, _known(found), frozenset(found), place=place)


def _status(document: Document) -> Projection:
    found = _pointers("alarmSummary", document["alarms"], _ALARMS)
    found |= {f"/{name}": document[name] for name in _COUNTS}
    version = (document["version"],)
    scope_id = document["scopeId"]
    place = ("scopes", scope_id, document.get("id", ""))
    return Projection(scope_id, "status", version, _known(found), frozenset(found), place=place)


def _pointers(component: str, part: Document, names: Iterable[str]) -> Properties:
    return {f"/{component}/{name}": part.get(name) for name in names}


def _known(found: Properties) -> Properties:
    return {pointer: value for pointer, value in found.items() if value is not None}
