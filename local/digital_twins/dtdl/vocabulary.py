"""The words of DTDL: which DTMI a term stands for under a context, and the contexts there are."""

from collections.abc import Mapping
from functools import cache

from local.digital_twins.dtdl.metamodel import ABSTRACT, PRIMITIVES, Link, kinds
from local.digital_twins.dtdl.units import (
    BINARY_PREFIXES,
    DECIMAL_PREFIXES,
    QUANTITIES,
    QUANTITIES_OF_THE_EXTENSION,
    UNITS,
    UNITS_OF_THE_EXTENSION,
)

LANGUAGE = "dtmi:dtdl:context"
VERSIONS = (2, 3)
QUANTITATIVE = "dtmi:dtdl:extension:quantitativeTypes:v1"
GEOMETRIES = ("point", "multiPoint", "lineString", "multiLineString", "polygon", "multiPolygon")
UNIT_KINDS = ("BinaryUnit", "DecimalUnit", "RatioUnit")
UNIT_PROPERTIES = ("baseUnit", "bottomUnit", "exponent", "prefix", "topUnit")

_ADJUNCTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "annotation;1": {"ValueAnnotation": ("annotates",)},
    "annotation;2": {"ValueAnnotation": ("annotates",)},
    "historization;1": {"Historized": ()},
    "historization;2": {"Historized": ()},
    "overriding;1": {"Override": ("overrides",)},
    "overriding;2": {"Override": ("overrides",)},
    "requirement;1": {"Required": ()},
    "requirement;2": {"Required": ()},
    "mqtt;1": {
        "Cacheable": ("ttl",),
        "Idempotent": (),
        "Indexed": ("index",),
        "Mqtt": ("payloadFormat", "telemetryTopic", "commandTopic"),
    },
    "mqtt;2": {
        "Cacheable": ("ttl",),
        "Idempotent": (),
        "Indexed": ("index",),
        "Mqtt": (
            "payloadFormat",
            "telemetryTopic",
            "commandTopic",
            "telemServiceGroupId",
            "cmdServiceGroupId",
        ),
        "Transparent": (),
    },
    "mqtt;3": {
        "Cacheable": ("ttl",),
        "Error": (),
        "ErrorMessage": (),
        "ErrorResult": (),
        "Idempotent": (),
        "Indexed": ("index",),
        "Mqtt": (
            "payloadFormat",
            "telemetryTopic",
            "commandTopic",
            "telemServiceGroupId",
            "cmdServiceGroupId",
        ),
        "NormalResult": (),
        "Result": (),
        "Transparent": (),
    },
}
"""Extension and version -> its adjunct types -> the properties each adds."""
CENTRAL = "dtmi:iotcentral:context;2"
_CENTRAL_TYPES = ("AccelerationVector", "Event", "Location", "State", "VelocityVector")


def language_context(version: int) -> str:
    return f"{LANGUAGE};{version}"


def unit_types(version: int) -> dict[str, list[str]]:
    """Unit type -> its units, of the vocabulary for models of this DTDL version."""
    more = UNITS_OF_THE_EXTENSION if version > 2 else {}
    return {kind: [*UNITS.get(kind, "").split(), *more.get(kind, "").split()] for kind in {**UNITS, **more}}


def quantities(version: int) -> dict[str, str]:
    """Semantic type -> the unit type that measures it."""
    tables = [QUANTITIES] if version == 2 else [QUANTITIES, QUANTITIES_OF_THE_EXTENSION]
    return {name: kind for table in tables for kind, names in table.items() for name in names.split()}


@cache
def terms(context: str) -> Mapping[str, str]:
    """Term -> DTMI under one context; KeyError when there is no such context."""
    return _all_terms()[context]


@cache
def _all_terms() -> dict[str, dict[str, str]]:
    found = {language_context(version): _language_terms(version) for version in VERSIONS}
    found[language_context(2)] |= _v2_vocabulary()
    found["dtmi:dtdl:extension:quantitativeTypes;1"] = _quantitative_terms()
    for extension, types in _ADJUNCTS.items():
        name, _, version = extension.partition(";")
        prefix = f"dtmi:dtdl:extension:{name}:v{version}"
        found[f"dtmi:dtdl:extension:{extension}"] = {
            term: dtmi
            for kind, properties in types.items()
            for term, dtmi in (
                (kind, f"{prefix}:{kind}"),
                *((own, f"{prefix}:{kind}:{own}") for own in properties),
            )
        }
    found[CENTRAL] = {name: f"dtmi:iotcentral:class:{name};2" for name in _CENTRAL_TYPES} | {
        name: f"dtmi:iotcentral:schema:{name};2" for name in ("geopoint", "vector")
    }
    return found


def known_contexts() -> frozenset[str]:
    return frozenset(_all_terms()) | {
        f"dtmi:dtdl:extension:quantitativeTypes;{version}" for version in (2, 3)
    }


def extension_terms(context: str) -> Mapping[str, str]:
    """The terms of an extension; none for one that only serves later versions of DTDL."""
    return _all_terms().get(context, {})


def _language_terms(version: int) -> dict[str, str]:
    classes = {*kinds(version), *ABSTRACT, "SemanticType", "SemanticUnit"}
    properties = {name for declared in kinds(version).values() for name in declared}
    if version == 2:
        classes -= {"LatentType", "NamedLatentType"}
    else:
        classes |= {"AdjunctType", "Alias", "CommandPayload"}
        properties |= {"aliasFor", "exponent"}
    properties |= {"languageMajorVersion", "symbol"}
    found = {name: f"dtmi:dtdl:class:{name};{version}" for name in classes}
    found |= {name: f"dtmi:dtdl:property:{name};{version}" for name in properties}
    found |= {term: f"dtmi:dtdl:instance:Schema:{term};{version}" for term in PRIMITIVES}
    command_type = kinds(version)["Command"]["commandType"]
    assert isinstance(command_type, Link)
    found |= {term: f"dtmi:dtdl:instance:CommandType:{term};{version}" for term in command_type.terms or ()}
    found |= {term: f"dtmi:standard:schema:geospatial:{term};{version}" for term in GEOMETRIES}
    if version == 3:
        found |= {term: f"dtmi:dtdl:meta:{term};3" for term in ("DtdlExtension", "metamodel", "model")}
    return found


def _v2_vocabulary() -> dict[str, str]:
    """Units and quantities as v2 has them built in."""
    types = [*unit_types(2), *quantities(2), *UNIT_KINDS, "BinaryPrefix", "DecimalPrefix", "QuantitativeType"]
    return (
        {name: f"dtmi:standard:class:{name};2" for name in types}
        | {unit: f"dtmi:standard:unit:{unit};2" for units in unit_types(2).values() for unit in units}
        | {
            name: f"dtmi:standard:unitprefix:{name};2"
            for name in (*BINARY_PREFIXES.split(), *DECIMAL_PREFIXES.split(), "deka")
        }
        | {name: f"dtmi:dtdl:property:{name};2" for name in ("unit", *UNIT_PROPERTIES)}
    )


def _quantitative_terms() -> dict[str, str]:
    prefixes = [*BINARY_PREFIXES.split(), *DECIMAL_PREFIXES.split(), "deca"]
    classes = [*quantities(3), *UNIT_KINDS, "QuantitativeType", "SymbolicUnit", "UnitPrefix"]
    enums = [*unit_types(3), "BinaryPrefix", "DecimalPrefix"]
    return (
        {name: f"{QUANTITATIVE}:class:{name}" for name in classes}
        | {name: f"{QUANTITATIVE}:enum:{name}" for name in enums}
        | {"EnergyRateUnit": f"{QUANTITATIVE}:enum:PowerUnit"}
        | {unit: f"{QUANTITATIVE}:unit:{unit}" for units in unit_types(3).values() for unit in units}
        | {name: f"{QUANTITATIVE}:unitprefix:{name}" for name in prefixes}
        | {
            name: f"{QUANTITATIVE}:property:{name}"
            for name in ("unit", "baseUnit", "bottomUnit", "prefix", "topUnit")
        }
    )
