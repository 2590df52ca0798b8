"""The ontology: sound DTDL, one writer per property, one truth with descriptions, relays and signal tables.

Microsoft's own parser judges it too where it is installed: MILLWRIGHT_DTDL_ORACLE names a folder
with `oracle.mjs`, which prints one JSON verdict for the models it is given.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel

from local.digital_twins.catalog import Catalog
from local.digital_twins.documents import new_relationship, new_twin
from local.digital_twins.dtdl.units import UNITS
from local.digital_twins.interfaces import parse_interfaces
from millwright.described import described
from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.ontology import Ontology
from shared.contracts.units import unit_of_name
from shared.domain.packml import PackMLState
from shared.relay import work_orders
from shared.relay.twin_patch import projection

ROOT = Path(__file__).parents[2]
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "dtdl").glob("*.json"))}
CATALOG = Catalog()
CATALOG.put(parse_interfaces(DOCUMENTS.values(), lambda ids: []))
FACTORIES = {
    name: load(ROOT / "factories" / f"{name}.yaml", None).factory
    for name in ("smart-factory", "contoso-bakery")
}
GRAPHS = {
    name: described(site_versions(factory, {}), Ontology.shipped(ROOT / "dtdl"))[0]
    for name, factory in FACTORIES.items()
}
KINDS = [
    name for name, document in DOCUMENTS.items() if document.get("extends") == "dtmi:millwright:Machine;1"
]
SCOPES = ("Enterprise", "Site", "Area", "ProductionLine")
NOW = "2026-03-09T06:00:00.0000000Z"

DTDL_UNITS = {
    "°C": "degreeCelsius",
    "K": "kelvin",
    "kW": "kilowatt",
    "rpm": "revolutionPerMinute",
    "N·m": "newtonMetre",
    "min": "minute",
    "s": "second",
    "m/s": "metrePerSecond",
    "bar": "bar",
    "V": "volt",
}
"""Unit of a signal -> its name in the quantitativeTypes extension, where that has one."""

APPLY = "Written by millwright factory apply"
TWIN_RELAY = "Written by the twin relay"
SCOPE_RELAY = "Written by the scope relay"
EITHER_RELAY = "Written by the relay of whatever the component belongs to"
PEOPLE = "Written by people who know the plant"
DEVICES = "Written by the device function"
WRITERS = (APPLY, TWIN_RELAY, SCOPE_RELAY, EITHER_RELAY, PEOPLE, DEVICES)


def contents(name, kind):
    return {part["name"]: part for part in DOCUMENTS[name]["contents"] if kind in types(part)}


def types(part):
    return part["@type"] if isinstance(part["@type"], list) else [part["@type"]]


def relationships(name):
    """Relationship -> its properties, inherited ones included."""
    found = {key: part.get("properties", []) for key, part in contents(name, "Relationship").items()}
    return found | relationships("Machine") if name in KINDS else found


def written_by(name, writer):
    return {key for key, part in contents(name, "Property").items() if writer in part["description"]}


def properties_everywhere():
    for name, document in DOCUMENTS.items():
        for part in document["contents"]:
            owned = part.get("properties", []) if part["@type"] == "Relationship" else [part]
            yield from ((name, p) for p in owned if "Property" in types(p))


def kind_of(model):
    return model.removeprefix("dtmi:millwright:").removesuffix(";1")


def test_each_file_holds_the_v3_interface_that_it_is_named_after():
    for name, document in DOCUMENTS.items():
        context = document["@context"]
        assert (context if isinstance(context, str) else context[0]) == "dtmi:dtdl:context;3"
        assert document["@id"] == f"dtmi:millwright:{name};1"
        assert document["description"]


def test_the_models_resolve_and_relationships_lead_to_models():
    for document in DOCUMENTS.values():
        interface = CATALOG.resolve(document["@id"])
        assert interface is not None
        for relationship in interface.relationships.values():
            assert relationship.target is None or relationship.target in CATALOG


@pytest.mark.parametrize("name", KINDS)
def test_a_machine_kind_has_one_property_for_each_signal_with_its_unit(name):
    """The shipped factories' signal tables and the kinds are the same, in the same order."""
    classes = [factory.classes[name] for factory in FACTORIES.values() if name in factory.classes]
    assert classes, f"no shipped factory has a {name}"
    for machine_class in classes:
        signals = machine_class.signals
        found = contents(name, "Property")
        assert list(found) == [to_camel(signal) for signal in signals]
        for signal, part in zip(signals, found.values(), strict=True):
            assert signals[signal].unit == unit_of_name(signal)
            assert part["schema"] == "double"
            expected = "percent" if signal == "humidity_percent" else DTDL_UNITS.get(signals[signal].unit)
            assert part.get("unit") == expected, signal


def test_every_machine_class_of_a_shipped_factory_is_a_kind():
    for factory in FACTORIES.values():
        assert set(factory.classes) <= set(KINDS)


def test_a_quantity_without_a_unit_is_one_that_the_extension_cannot_express():
    """Numbers that carry no unit say theirs in the description, or have none."""
    known = {unit for units in UNITS.values() for unit in units.split()}
    assert set(DTDL_UNITS.values()) <= known
    bare = {
        part["name"]
        for name in KINDS
        for part in contents(name, "Property").values()
        if part["schema"] == "double" and "unit" not in part
    }
    assert bare == {"vibrationMmS", "pieceRatePerMin", "packRatePerMin", "oilLevelPercent"}


@pytest.mark.parametrize("factory", GRAPHS)
def test_the_service_takes_every_twin_and_relationship_that_a_shipped_factory_asks_for(factory):
    graph = GRAPHS[factory]
    ontology = Ontology(DOCUMENTS.values())
    for twin in graph.twins.values():
        components = {name: {"$metadata": {}} for name in ontology.components(twin.model)}
        body = {"$metadata": {"$model": twin.model}, **twin.properties, **components}
        new_twin(CATALOG, twin.id, body, NOW)
    for one in graph.relationships.values():
        interface = CATALOG.resolve(graph.twins[one.source].model)
        assert interface is not None
        body = {"$relationshipName": one.name, "$targetId": one.target, **one.properties}
        _, target = new_relationship(interface, one.source, one.id, body)
        assert target is None or CATALOG.is_a(graph.twins[one.target].model, target), one


@pytest.mark.parametrize("factory", GRAPHS)
def test_apply_writes_exactly_what_descriptions_say_it_writes(factory):
    graph = GRAPHS[factory]
    for twin in graph.twins.values():
        kind = kind_of(twin.model)
        assert set(twin.properties) == written_by("Machine" if kind in KINDS else kind, APPLY), twin.id
    for one in graph.relationships.values():
        declared = relationships(kind_of(graph.twins[one.source].model))[one.name]
        assert set(one.properties) == {part["name"] for part in declared if APPLY in part["description"]}


def shown(document):
    """Pointers of the properties that the relay writes for such a document."""
    projected = projection(document)
    assert projected is not None
    return {pointer[1:] for pointer in projected.optional}


def of_components(**parts):
    return {f"{name}/{key}" for name, model in parts.items() for key in contents(model, "Property")}


def test_the_twin_relay_writes_exactly_what_descriptions_say_it_writes():
    document = {
        "type": "twin",
        "machineId": "M",
        "version": 1,
        "lastReadingAt": NOW,
        "silent": False,
        "blocked": None,
        "oee": {},
        "health": {},
        "alarms": {},
        "signals": {},
    }
    components = of_components(oee="Oee", health="Health", alarmSummary="AlarmSummary")
    assert shown(document) == written_by("Machine", TWIN_RELAY) | components


def test_a_work_order_s_twin_shows_exactly_what_its_description_says():
    assert set(work_orders.SHOWN) == written_by("WorkOrder", TWIN_RELAY)
    assert work_orders.ASSIGNED_TO in relationships("WorkOrder")
    assert work_orders.MODEL in CATALOG


@pytest.mark.parametrize("scope", SCOPES)
def test_the_scope_relay_writes_exactly_what_descriptions_say_it_writes(scope):
    common = {"level": "line", "scopeId": "L", "version": 1}
    counts = dict.fromkeys(("machineCount", "silentCount", "blockedCount", "warningCount"), 0)
    status = shown({"type": "status", **common, **counts, "states": {}, "alarms": {}})
    oee = shown({"type": "oee", **common, "start": NOW})
    components = of_components(oee="Oee", alarmSummary="AlarmSummary")
    assert status | oee == written_by(scope, SCOPE_RELAY) | components


def test_every_property_says_what_writes_it():
    for name, part in properties_everywhere():
        said = re.findall(r"Written by ", part["description"])
        assert len(said) == 1, (name, part["name"])
        assert any(writer in part["description"] for writer in WRITERS), (name, part["name"])


def test_states_are_packmls():
    values = {
        value["enumValue"] for value in contents("Machine", "Property")["state"]["schema"]["enumValues"]
    }
    assert values == {state.word for state in PackMLState}


def test_machines_and_scopes_carry_oee_and_alarms_and_machines_health():
    for name in ("Machine", *SCOPES):
        parts = {key: part["schema"] for key, part in contents(name, "Component").items()}
        assert parts["oee"] == "dtmi:millwright:Oee;1"
        assert parts["alarmSummary"] == "dtmi:millwright:AlarmSummary;1"
        assert parts.get("health") == ("dtmi:millwright:Health;1" if name == "Machine" else None)


def test_sensors_hold_metadata_only():
    assert all(APPLY in part["description"] for part in contents("Sensor", "Property").values())


def test_the_hierarchy_is_isa_95s_and_products_work_and_sensors_hang_on_it():
    targets = {
        (name, key): kind_of(part["target"]) if "target" in part else None
        for name in DOCUMENTS
        for key, part in contents(name, "Relationship").items()
    }
    assert targets == {
        ("Enterprise", "contains"): "Site",
        ("Site", "contains"): None,
        ("Area", "contains"): "ProductionLine",
        ("ProductionLine", "contains"): "Machine",
        ("Machine", "contains"): "Sensor",
        ("Machine", "feeds"): "Machine",
        ("Machine", "produces"): "Product",
        ("Sensor", "monitors"): "Machine",
        ("Device", "reports"): "Machine",
        ("WorkOrder", "assignedTo"): "Machine",
    }


def test_microsofts_parser_takes_the_models():
    oracle = os.environ.get("MILLWRIGHT_DTDL_ORACLE")
    if not oracle:
        pytest.skip("MILLWRIGHT_DTDL_ORACLE is not set: Microsoft's DTDL parser is not installed here")
    command = ["node", "oracle.mjs", str(ROOT / "dtdl")]
    done = subprocess.run(command, cwd=oracle, capture_output=True, text=True, timeout=60, check=True)
    verdict = json.loads(done.stdout)
    assert verdict["ok"], verdict
    assert verdict["interfaces"] == len(DOCUMENTS)
