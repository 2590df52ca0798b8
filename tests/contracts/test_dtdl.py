"""The ontology: sound DTDL, one writer per property, and the same signals as machine classes have.

Microsoft's own parser judges it too where it is installed: MILLWRIGHT_DTDL_ORACLE names a folder
with `oracle.mjs`, which prints one JSON verdict for the models it is given.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic.alias_generators import to_camel

from local.digital_twins.catalog import Catalog
from local.digital_twins.interfaces import parse_interfaces
from shared.contracts.units import unit_of_name
from shared.domain.packml import PackMLState

ROOT = Path(__file__).parents[2]
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "dtdl").glob("*.json"))}

SIGNALS = {
    "CncMachine": "temperature_c vibration_mm_s power_kw spindle_speed_rpm torque_nm tool_wear_min "
    "air_temperature_k process_temperature_k",
    "Robot": "temperature_c vibration_mm_s power_kw cycle_time_s",
    "Conveyor": "temperature_c vibration_mm_s power_kw belt_speed_m_s",
    "Mixer": "temperature_c vibration_mm_s power_kw mixer_speed_rpm torque_nm",
    "Divider": "pressure_bar power_kw piece_rate_per_min",
    "Oven": "temperature_c humidity_percent power_kw belt_speed_m_s",
    "Fryer": "oil_temperature_c oil_level_percent voltage_v power_kw",
    "PackagingMachine": "vibration_mm_s power_kw pack_rate_per_min",
}
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

WRITERS = (
    "Written by the twin relay",
    "Written by the scope relay",
    "Written by the relay of whatever the component belongs to",
    "Written by millwright factory apply",
)


def contents(name, kind):
    return [
        part
        for part in DOCUMENTS[name]["contents"]
        if kind in (part["@type"] if isinstance(part["@type"], list) else [part["@type"]])
    ]


def properties_everywhere():
    for name, document in DOCUMENTS.items():
        for part in document["contents"]:
            owned = part.get("properties", []) if part["@type"] == "Relationship" else [part]
            yield from ((name, p) for p in owned if "Property" in p["@type"])


def test_each_file_holds_the_v3_interface_that_it_is_named_after():
    for name, document in DOCUMENTS.items():
        context = document["@context"]
        assert (context if isinstance(context, str) else context[0]) == "dtmi:dtdl:context;3"
        assert document["@id"] == f"dtmi:millwright:{name};1"
        assert document["description"]


def test_the_models_are_sound_together_and_resolve():
    catalog = Catalog()
    interfaces = parse_interfaces(DOCUMENTS.values(), lambda ids: [])
    catalog.put(interfaces)
    for interface in interfaces:
        assert catalog.resolve(interface.id) is not None
        for relationship in interface.relationships.values():
            assert relationship.target is None or relationship.target in catalog


@pytest.mark.parametrize("name", SIGNALS)
def test_a_machine_kind_has_one_property_for_each_signal_with_its_unit(name):
    assert DOCUMENTS[name]["extends"] == "dtmi:millwright:Machine;1"
    found = {part["name"]: part for part in contents(name, "Property")}
    assert list(found) == [to_camel(signal) for signal in SIGNALS[name].split()]
    for signal in SIGNALS[name].split():
        part = found[to_camel(signal)]
        assert part["schema"] == "double"
        expected = DTDL_UNITS.get(unit_of_name(signal) or "")
        if signal == "humidity_percent":
            expected = "percent"
        assert part.get("unit") == expected, signal


@pytest.mark.parametrize("factory_file", ["smart-factory.yaml", "contoso-bakery.yaml"])
def test_the_machine_classes_of_simulated_factories_are_these_kinds(factory_file):
    text = (ROOT / "factories" / factory_file).read_text()
    for name, machine_class in yaml.safe_load(text)["classes"].items():
        assert list(machine_class["signals"]) == SIGNALS[name].split(), name


def test_every_property_says_what_writes_it():
    for name, part in properties_everywhere():
        assert part["description"].rstrip(".").count("Written by ") == 1, (name, part["name"])
        assert any(writer in part["description"] for writer in WRITERS), (name, part["name"])


def test_states_are_packmls():
    (state,) = (part for part in contents("Machine", "Property") if part["name"] == "state")
    values = {value["enumValue"] for value in state["schema"]["enumValues"]}
    assert values == {state.word for state in PackMLState}


def test_machines_and_scopes_carry_oee_and_alarms():
    for name in ("Machine", "ProductionLine", "Area", "Site", "Enterprise"):
        parts = {part["name"]: part["schema"] for part in contents(name, "Component")}
        assert parts["oee"] == "dtmi:millwright:Oee;1"
        assert parts["alarmSummary"] == "dtmi:millwright:AlarmSummary;1"
        assert ("health" in parts) == (name == "Machine")


def test_the_hierarchy_is_isa_95s():
    targets = {
        name: part.get("target")
        for name in ("Enterprise", "Site", "Area", "ProductionLine", "Machine")
        for part in contents(name, "Relationship")
        if part["name"] == "contains"
    }
    assert targets == {
        "Enterprise": "dtmi:millwright:Site;1",
        "Site": None,
        "Area": "dtmi:millwright:ProductionLine;1",
        "ProductionLine": "dtmi:millwright:Machine;1",
        "Machine": "dtmi:millwright:Sensor;1",
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
