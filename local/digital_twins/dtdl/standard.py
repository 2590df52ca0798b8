"""The elements that DTDL itself defines: primitive schemas, geometries, command types, units."""

from functools import cache

from local.digital_twins.dtdl.metamodel import PRIMITIVES
from local.digital_twins.dtdl.model import Element, Elements
from local.digital_twins.dtdl.units import BINARY_PREFIXES, DECIMAL_PREFIXES
from local.digital_twins.dtdl.vocabulary import GEOMETRIES, QUANTITATIVE, VERSIONS, unit_types

GEOMETRY = "dtmi:standard:schema:geospatial:"
_NESTING = {
    "point": 0,
    "multiPoint": 1,
    "lineString": 1,
    "multiLineString": 2,
    "polygon": 2,
    "multiPolygon": 3,
}
"""Geometry -> levels of lists around its positions."""


@cache
def standard_elements() -> Elements:
    """All of them by DTMI. They are shared: nobody may change them."""
    found = [element for version in VERSIONS for element in _of_version(version)]
    found += [*_v2_units(), *_v3_units()]
    return {element.id: element for element in found}


def geometry_of(dtmi: str) -> tuple[str, int] | None:
    """The GeoJSON geometry that a schema stands for, with the lists around its positions; None if it is none.

    >>> geometry_of("dtmi:standard:schema:geospatial:polygon;3")
    ('Polygon', 2)
    """
    name = dtmi.removeprefix(GEOMETRY).partition(";")[0]
    if not dtmi.startswith(GEOMETRY) or name not in _NESTING:
        return None
    return name[0].upper() + name[1:], _NESTING[name]


def _of_version(version: int) -> list[Element]:
    double = f"dtmi:dtdl:instance:Schema:double;{version}"
    string = f"dtmi:dtdl:instance:Schema:string;{version}"
    found = [
        Element(f"dtmi:dtdl:instance:Schema:{term};{version}", kind, version)
        for term, kind in PRIMITIVES.items()
    ]
    found += [
        Element(f"dtmi:dtdl:instance:CommandType:{term};{version}", "CommandType", version)
        for term in ("asynchronous", "synchronous")
    ]
    lists = [f"{GEOMETRY}position;{version}"]
    for name in ("lineStringCoordinateArray", "polygonCoordinateArray", "multiPolygonCoordinateArray"):
        lists.append(f"{GEOMETRY}{name};{version}")
    for dtmi, inner in zip(lists, [double, *lists], strict=False):
        found.append(Element(dtmi, "Array", version, links={"elementSchema": [inner]}))
    for name in GEOMETRIES:
        found += _object(
            f"{GEOMETRY}{name};{version}", version, type=string, coordinates=lists[_NESTING[name]]
        )
    if version == 2:
        found += _object("dtmi:iotcentral:schema:vector;2", 2, x=double, y=double, z=double)
        found += _object("dtmi:iotcentral:schema:geopoint;2", 2, lat=double, lon=double, alt=double)
    return found


def _object(dtmi: str, version: int, **fields: str) -> list[Element]:
    stem, _, number = dtmi.partition(";")
    ids = {name: f"{stem}:{name};{number}" for name in fields}
    return [
        Element(dtmi, "Object", version, links={"fields": list(ids.values())}),
        *(
            Element(ids[name], "Field", version, values={"name": name}, links={"schema": [schema]})
            for name, schema in fields.items()
        ),
    ]


def _v2_units() -> list[Element]:
    """Units know their type as a supplement."""
    units = [
        Element(f"dtmi:standard:unit:{unit};2", "Unit", 2, supplements=[f"dtmi:standard:class:{kind};2"])
        for kind, names in unit_types(2).items()
        for unit in names
    ]
    prefixes = (*BINARY_PREFIXES.split(), *DECIMAL_PREFIXES.split(), "deka")
    return units + [Element(f"dtmi:standard:unitprefix:{name};2", "UnitAttribute", 2) for name in prefixes]


def _v3_units() -> list[Element]:
    """Unit types are enums, and units their values."""
    found: list[Element] = []
    families = {
        **unit_types(3),
        "BinaryPrefix": BINARY_PREFIXES,
        "DecimalPrefix": [*DECIMAL_PREFIXES, "deca"],
    }
    for kind, names in families.items():
        place = "unitprefix" if kind.endswith("Prefix") else "unit"
        enum = f"{QUANTITATIVE}:enum:{kind}"
        ids = [f"{QUANTITATIVE}:{place}:{name}" for name in names]
        string = "dtmi:dtdl:instance:Schema:string;3"
        found.append(Element(enum, "Enum", 3, links={"enumValues": ids, "valueSchema": [string]}))
        found += [
            Element(dtmi, "EnumValue", 3, parent=enum, values={"name": name, "enumValue": name})
            for dtmi, name in zip(ids, names, strict=True)
        ]
    return found
