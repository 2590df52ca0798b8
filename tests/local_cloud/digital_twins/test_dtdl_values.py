"""Which values a schema takes, and where in a value a fault is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.digital_twins.catalog import Catalog
from local.digital_twins.documents import new_twin
from local.digital_twins.errors import ServiceError
from local.digital_twins.interfaces import parse_interface, parse_interfaces
from local.digital_twins.schemas import fault


def schema_of(schema, version=3):
    document = {
        "@context": f"dtmi:dtdl:context;{version}",
        "@id": "dtmi:ex:Thing;1",
        "@type": "Interface",
        "contents": [{"@type": "Property", "name": "a", "schema": schema}],
    }
    return parse_interface(document).properties["a"]


def array(of):
    return {"@type": "Array", "elementSchema": of}


def obj(**fields):
    return {"@type": "Object", "fields": [{"name": name, "schema": of} for name, of in fields.items()]}


def map_of(of):
    return {
        "@type": "Map",
        "mapKey": {"name": "key", "schema": "string"},
        "mapValue": {"name": "value", "schema": of},
    }


def enum(of, *values):
    members = [{"name": f"n{n}", "enumValue": value} for n, value in enumerate(values)]
    return {"@type": "Enum", "valueSchema": of, "enumValues": members}


def geometry(kind, coordinates):
    return {"type": kind, "coordinates": coordinates}


RING = [[0, 0], [1, 0], [1, 1], [0, 0]]

VALUES = [
    ("boolean", [True, False], [0, "true", None]),
    ("integer", [0, -(2**31), 2**31 - 1], [2**31, 1.0, True, "1"]),
    ("long", [2**63 - 1, -(2**63)], [2**63, 0.5, "1"]),
    ("float", [1, 3.4e38, -0.5], [3.5e38, "1", True]),
    ("double", [1, 1.7e308], [float("inf"), "1", False]),
    ("string", ["", "x" * 4096], ["é" * 2049, 1, None]),
    ("date", ["2024-02-29"], ["2023-02-29", "20240229", "2024-02"]),
    ("time", ["23:59:59Z", "06:00:00.5+11:45"], ["24:00:00Z", "06:00:00", "06:00Z", "06:00:60Z"]),
    (
        "dateTime",
        ["2026-03-02T06:00:00Z", "2026-03-02T06:00:00.123-01:15"],
        ["2026-03-02T06:00:00", "2026-03-02 06:00:00Z", "2026-02-30T06:00:00Z", "2026-03-02T24:00:00Z"],
    ),
    ("duration", ["PT5S", "P3Y6M4DT8H9M5.5S", "P2W"], ["P", "PT", "P1Y2W", "P1.5DT2H", "5 s", "-PT5S"]),
    (enum("string", "on", "off"), ["on"], ["On", 1, None]),
    (enum("integer", 1, 2), [1, 2], [3, "1", True, 1.0]),
    (obj(x="double", y="double"), [{}, {"x": 1}, {"x": 1, "y": 2}], [{"z": 1}, {"x": "1"}, [], None]),
    (map_of("integer"), [{}, {"any key": 1}], [{"a": 1.5}, [1]]),
    (array("integer"), [[], [1, 2]], [[1, "2"], {}, 1]),
    (array(array("string")), [[["a"], []]], [["a"]]),
    ("point", [geometry("Point", [16.4, 48.2]), geometry("Point", [1, 2, 3])], [geometry("Point", [1])]),
    ("multiPoint", [geometry("MultiPoint", [[1, 2]])], [geometry("MultiPoint", [1, 2])]),
    ("lineString", [geometry("LineString", RING)], [geometry("Point", RING)]),
    ("multiLineString", [geometry("MultiLineString", [RING])], [geometry("MultiLineString", RING)]),
    ("polygon", [geometry("Polygon", [RING])], [geometry("Polygon", [[["0", "0"]]])]),
    ("multiPolygon", [geometry("MultiPolygon", [[RING]])], [{"type": "MultiPolygon"}]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), VALUES, ids=[str(n) for n in range(len(VALUES))])
def test_a_schema_takes_its_values_and_no_others(schema, good, bad):
    parsed = schema_of(schema)
    assert [value for value in good if fault(parsed, value, "a") is not None] == []
    assert [value for value in bad if fault(parsed, value, "a") is None] == []


def test_a_fault_names_its_place_however_deep():
    schema = schema_of(obj(shelf=array(map_of(obj(size="integer")))))
    assert fault(schema, {"shelf": [{}, {"top": {"size": 1.5}}]}, "store") == (
        "store/shelf/1/top/size does not conform to the DTDL schema integer."
    )
    assert fault(schema, {"shelf": [{"top": {"colour": 1}}]}, "store") == (
        "colour does not appear on the DTDL for store/shelf/0/top."
    )


def test_a_fault_in_a_component_names_it_too():
    part = {
        "@context": "dtmi:dtdl:context;3",
        "@id": "dtmi:ex:Part;1",
        "@type": "Interface",
        "contents": [{"@type": "Property", "name": "size", "schema": "integer"}],
    }
    inner = {"@type": "Component", "name": "inner", "schema": "dtmi:ex:Part;1"}
    whole = {**part, "@id": "dtmi:ex:Whole;1", "contents": [*part["contents"], inner]}
    catalog = Catalog()
    catalog.put(parse_interfaces([part, whole], lambda ids: []))
    metadata = {"$model": "dtmi:ex:Whole;1"}
    body = {"$metadata": metadata, "size": "1", "inner": {"$metadata": {}, "size": 0.5}}
    with pytest.raises(ServiceError) as info:
        new_twin(catalog, "t", body, "2026-03-02T06:00:00.0000000Z")
    assert (info.value.code, info.value.details) == (
        "ValidationFailed",
        [
            "size does not conform to the DTDL schema integer.",
            "inner/size does not conform to the DTDL schema integer.",
        ],
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from([schema for schema, _, _ in VALUES]),
)
def test_any_value_gets_a_verdict(value, schema):
    found = fault(schema_of(schema), value, "place")
    assert found is None or "place" in found
