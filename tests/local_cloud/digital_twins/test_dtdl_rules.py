"""Rules of DTDL v2 and v3, one broken at a time, and the same model sound beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.digital_twins.dtdl import InvalidDtdl, UnresolvedReferences, parse

QUANTITATIVE = "dtmi:dtdl:extension:quantitativeTypes;1"
ANNOTATION = "dtmi:dtdl:extension:annotation;1"
OVERRIDING = "dtmi:dtdl:extension:overriding;1"


def model(*contents, id="dtmi:ex:Thing;1", v=3, extensions=(), **more):
    return {
        "@context": [f"dtmi:dtdl:context;{v}", *extensions],
        "@id": id,
        "@type": "Interface",
        "contents": list(contents),
        **more,
    }


def part(kind="Property", name="a", **more):
    """A property of schema double unless it says otherwise."""
    has_schema = any(data in kind for data in ("Property", "Telemetry"))
    return {"@type": kind, "name": name, **({"schema": "double"} if has_schema else {}), **more}


def temperature(**more):
    return part(["Property", "Temperature"], schema="double", **more)


def nested(depth, schema="double"):
    for _ in range(depth):
        schema = {"@type": "Array", "elementSchema": schema}
    return schema


def obj(*fields):
    return {"@type": "Object", "fields": [{"name": name, "schema": schema} for name, schema in fields]}


def enum(*values, of="string"):
    members = [{"name": f"n{n}", "enumValue": value} for n, value in enumerate(values)]
    return {"@type": "Enum", "valueSchema": of, "enumValues": members}


def chain(length, v=3):
    """Interfaces of which each extends the next, `length` of them above the first."""
    return [
        model(
            part(name=f"p{n}"),
            id=f"dtmi:ex:Level{n};1",
            v=v,
            **({"extends": f"dtmi:ex:Level{n + 1};1"} if n < length else {}),
        )
        for n in range(length + 1)
    ]


def rules(*models, **options):
    """The rules that models break; empty when they are sound."""
    try:
        parse(models, **options)
    except InvalidDtdl as exc:
        return {fault.rule for fault in exc.faults}
    return set()


V2 = {
    "an array in a property": ([model(part(schema=nested(1)), v=2)], "excludedType"),
    "an array in an object in a property": ([model(part(schema=obj(("x", nested(1)))), v=2)], "excludedType"),
    "a geometry in a property": ([model(part(schema="point"), v=2)], "excludedType"),
    "three bases": (
        [
            model(v=2, extends=[f"dtmi:ex:B{n};1" for n in range(3)]),
            *(model(id=f"dtmi:ex:B{n};1", v=2) for n in range(3)),
        ],
        "objectCountAboveMax",
    ),
    "301 contents": ([model(*(part(name=f"p{n}") for n in range(301)), v=2)], "objectCountAboveMax"),
    "101 enum values": ([model(part(schema=enum(*map(str, range(101)))), v=2)], "objectCountAboveMax"),
    "31 fields": (
        [model(part(schema=obj(*((f"f{n}", "double") for n in range(31)))), v=2)],
        "objectCountAboveMax",
    ),
    "a name of 65": ([model(part(name="a" * 65), v=2)], "stringTooLong"),
    "an identifier without version": ([model(id="dtmi:ex:Thing", v=2)], "invalidId"),
    "an identifier with a minor version": ([model(id="dtmi:ex:Thing;1.2", v=2)], "invalidId"),
    "more than 500 targets": (
        [model(part("Relationship", maxMultiplicity=501), v=2)],
        "valueAboveRange",
    ),
    "a unit of another quantity": ([model(temperature(unit="metre"), v=2)], "notRequiredType"),
    "an unknown property": ([model(part(colour="red"), v=2)], "noTypeThatAllows"),
    "an enum without values": ([model(part(schema=enum()), v=2)], "objectCountBelowMin"),
}
V3 = {
    "six arrays": ([model(part(schema=nested(6)))], "excessiveDepthWide"),
    "a name of 513": ([model(part(name="a" * 513))], "stringTooLong"),
    "a unit without its extension": ([model(temperature(unit="degreeCelsius"))], "typeUndefinedTerm"),
    "a quantity without unit": (
        [model(temperature(), extensions=[QUANTITATIVE])],
        "missingSupplementalObjectProperty",
    ),
    "a unit of another quantity": (
        [model(temperature(unit="metre"), extensions=[QUANTITATIVE])],
        "wrongParent",
    ),
    "a quantity that is a text": (
        [model({**temperature(unit="kelvin"), "schema": "string"}, extensions=[QUANTITATIVE])],
        "notRequiredType",
    ),
    "an unknown extension": ([model(extensions=["dtmi:acme:context;1"])], "unresolvableContextSpecifier"),
    "a version of an extension that there is not": (
        [model(extensions=["dtmi:dtdl:extension:historization;99"])],
        "unresolvableContextVersion",
    ),
    "an unknown property": ([model(part(colour="red"))], "propertyUndefinedTerm"),
    "a keyword": ([model(part(**{"@value": 1}))], "keywordDisallowed"),
    "an annotation of a command": (
        [
            model(
                part("Command", "go"),
                part(["Telemetry", "ValueAnnotation"], "note", schema="string", annotates="go"),
                extensions=[ANNOTATION],
            )
        ],
        "notSiblingRequiredType",
    ),
    "an override of what cannot be overridden": (
        [
            model(
                part(name="speed"),
                part(
                    ["Property", "ValueAnnotation", "Override"],
                    "own",
                    schema="string",
                    annotates="speed",
                    overrides="schema",
                ),
                extensions=[ANNOTATION, OVERRIDING],
            )
        ],
        "matchingPropertyNotSupplemental",
    ),
}


def both(v):
    return {
        "no object": ([5], "notJsonObject"),
        "no context": ([{"@id": "dtmi:ex:Thing;1", "@type": "Interface"}], "missingContext"),
        "no DTDL context": ([{**model(), "@context": QUANTITATIVE}], "missingDtdlContext"),
        "another version of DTDL": ([model(v=4)], "unrecognizedContextVersion"),
        "terms of its own": ([model(v=v, extensions=[{"x": "dtmi:ex:x;1"}])], "disallowedLocalContext"),
        "no identifier": ([{k: m for k, m in model(v=v).items() if k != "@id"}], "missingTopLevelId"),
        "an identifier that is none": ([model(id="dtmi:1st;1", v=v)], "invalidId"),
        "a version with a leading zero": ([model(id="dtmi:ex:Thing;01", v=v)], "invalidId"),
        "a version of ten digits": ([model(id="dtmi:ex:Thing;1234567890", v=v)], "invalidId"),
        "a reserved identifier": ([model(id="dtmi:dtdl:Thing;1", v=v)], "reservedId"),
        "an identifier of 129": ([model(id=f"dtmi:{'a' * 122};1", v=v)], "idTooLongForType"),
        "no interface at the top": ([{**part(), **model(v=v), "@type": "Property"}], "typeNotRootable"),
        "no type": ([model({"name": "a", "schema": "double"}, v=v)], "badType"),
        "two kinds": (
            [model(part(["Property", "Telemetry"], schema="double"), v=v)],
            "multipleMaterialTypes",
        ),
        "no name": ([model({"@type": "Property", "schema": "double"}, v=v)], "missingDtmiSegPropertyValue"),
        "a name with a dash": ([model(part(name="a-b"), v=v)], "stringInvalid"),
        "a name twice": ([model(part(), part("Telemetry"), v=v)], "nonUniquePropertyValue"),
        "no schema": ([model({"@type": "Property", "name": "a"}, v=v)], "missingObjectProperty"),
        "a word that is no schema": ([model(part(schema="decimal"), v=v)], "badDtmiOrTerm"),
        "a schema that is an interface": ([model(part(schema="dtmi:ex:Thing;1"), v=v)], "badType"),
        "two schemas": ([model(part(schema=["double", "float"]), v=v)], "objectMultipleValues"),
        "a text as truth value": ([model(part(writable="true"), v=v)], "booleanNotBoolean"),
        "a null": ([model(part(writable=None), v=v)], "propertyValueNull"),
        "a language that is none": ([model(part(displayName={"FOO": "x"}), v=v)], "langStringInvalidCode"),
        "a description of 513": ([model(part(description="x" * 513), v=v)], "langStringValueTooLong"),
        "an enum of doubles": ([model(part(schema=enum(1, of="double")), v=v)], "incorrectPropertyValue"),
        "an enum value of another type": ([model(part(schema=enum("a", 2)), v=v)], "nonConformantDatatype"),
        "an enum value twice": ([model(part(schema=enum("a", "a")), v=v)], "nonUniquePropertyValue"),
        "at least one target": ([model(part("Relationship", minMultiplicity=1), v=v)], "valueNotExact"),
        "a target that is no DTMI": ([model(part("Relationship", target="x"), v=v)], "identifierNotDtmi"),
        "a component without interface": (
            [model(part("Component", schema="double"), v=v)],
            "badType",
        ),
        "a component of a component": (
            [
                model(part("Component", schema="dtmi:ex:In;1"), v=v),
                model(part("Component", schema="dtmi:ex:Leaf;1"), id="dtmi:ex:In;1", v=v),
                model(id="dtmi:ex:Leaf;1", v=v),
            ],
            "excludedType",
        ),
        "eleven levels of bases": (chain(11, v), "excessiveDepthNarrow"),
        "a base that extends back": (
            [
                model(id="dtmi:ex:A;1", v=v, extends="dtmi:ex:B;1"),
                model(id="dtmi:ex:B;1", v=v, extends="dtmi:ex:A;1"),
            ],
            "recursiveStructureNarrow",
        ),
        "a name that a base has": (
            [model(part(), v=v, extends="dtmi:ex:B;1"), model(part(), id="dtmi:ex:B;1", v=v)],
            "nonUniqueImportedPropertyValue",
        ),
        "a schema of another interface": (
            [
                model(part("Telemetry", schema="dtmi:ex:S;1"), v=v),
                model(id="dtmi:ex:B;1", v=v, schemas=[{**enum("a"), "@id": "dtmi:ex:S;1"}]),
            ],
            "crossPartitionReference",
        ),
        "a schema in itself": (
            [model(v=v, schemas=[{**obj(("x", "dtmi:ex:S;1")), "@id": "dtmi:ex:S;1"}])],
            "recursiveStructureWide",
        ),
        "an interface twice": ([model(v=v), model(v=v)], "duplicateDefinition"),
    }


BROKEN = {
    f"v{version}: {name}": case
    for version, cases in ((2, {**both(2), **V2}), (3, {**both(3), **V3}))
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name):
    models, rule = BROKEN[name]
    assert rule in rules(*models)


SOUND = {
    "v2: everything that it has": [
        model(
            part(schema=enum("a", "b")),
            part("Telemetry", "list", schema=nested(5)),
            temperature(name="t", unit="degreeFahrenheit"),
            part("Command", "go", request={"name": "how", "schema": "duration"}, commandType="synchronous"),
            part(
                "Relationship", "to", target="dtmi:ex:Elsewhere;1", maxMultiplicity=500, properties=[part()]
            ),
            part("Component", "inner", schema="dtmi:ex:Inner;1"),
            v=2,
        ),
        model(id="dtmi:ex:Inner;1", v=2),
    ],
    "v2: a type and a property that nobody knows": [model(part(["Property", "Acme"], colour="red"), v=2)],
    "v3: everything that it has": [
        model(
            part(schema=nested(5)),
            part(name="place", schema="multiPolygon"),
            part(name="none", schema=enum()),
            temperature(name="t", unit="kelvin"),
            part("Component", "inner", schema="dtmi:ex:Inner"),
            id="dtmi:ex:Thing;1.2",
            extensions=[QUANTITATIVE],
            displayName=["Thing", {"@language": "de", "@value": "Ding"}],
        ),
        model(id="dtmi:ex:Inner"),
    ],
    "v3: a base in v2": [model(extends="dtmi:ex:Old;1"), model(part(), id="dtmi:ex:Old;1", v=2)],
    "v3: ten levels of bases": chain(10),
    "v3: one base on two ways": [
        model(extends=["dtmi:ex:L;1", "dtmi:ex:R;1"]),
        model(id="dtmi:ex:L;1", extends="dtmi:ex:B;1"),
        model(id="dtmi:ex:R;1", extends="dtmi:ex:B;1"),
        model(part(), id="dtmi:ex:B;1"),
    ],
    "v3: an overridden unit": [
        model(
            temperature(name="t", unit="kelvin"),
            part(
                ["Property", "ValueAnnotation", "Override"],
                "tUnit",
                schema="TemperatureUnit",
                annotates="t",
                overrides="unit",
            ),
            extensions=[QUANTITATIVE, ANNOTATION, OVERRIDING],
        )
    ],
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_model_is_taken(name):
    assert rules(*SOUND[name]) == set()


def test_every_fault_is_reported_at_once_with_its_place():
    with pytest.raises(InvalidDtdl) as info:
        parse([model(part(schema="decimal"), part(name="b", writable=1)), 7])
    assert [(fault.rule, fault.element, fault.property) for fault in info.value.faults] == [
        ("badDtmiOrTerm", "dtmi:ex:Thing:_contents:__a;1", "schema"),
        ("objectCountBelowMin", "dtmi:ex:Thing:_contents:__a;1", "schema"),
        ("booleanNotBoolean", "dtmi:ex:Thing:_contents:__b;1", "writable"),
        ("notJsonObject", "", ""),
    ]


def test_what_is_undefined_is_asked_for_and_named_when_nobody_has_it():
    asked = []

    def resolve(ids):
        asked.append(sorted(ids))
        found = {"dtmi:ex:B;1": model(id="dtmi:ex:B;1", extends="dtmi:ex:C;1"), "dtmi:ex:C;1": base}
        return [found[dtmi] for dtmi in ids if dtmi in found]

    base = model(part(), id="dtmi:ex:C;1")
    assert "dtmi:ex:C;1" in parse([model(extends="dtmi:ex:B;1")], resolve=resolve)
    assert asked == [["dtmi:ex:B;1"], ["dtmi:ex:C;1"]]
    with pytest.raises(UnresolvedReferences) as info:
        parse([model(extends="dtmi:ex:Gone;1")], resolve=resolve)
    assert info.value.missing == {"dtmi:ex:Gone;1": "dtmi:ex:Thing;1"}


def test_unknown_extensions_are_taken_on_request():
    unknown = model(part(["Property", "Acme"], colour="red"), extensions=["dtmi:acme:context;1"])
    assert rules(unknown) == {"unresolvableContextSpecifier"}
    assert rules(unknown, undefined_extensions=True) == set()


VOCABULARY = """
    @context @id @type @graph @value @language name schema contents extends unit target properties
    fields enumValues valueSchema enumValue mapKey mapValue elementSchema request schemas comment
    displayName writable minMultiplicity Property Telemetry Component Relationship Command Interface
    Object Enum Array Map Velocity double string integer point metre en annotates overrides
    ValueAnnotation Override dtmi:ex:Thing;1 dtmi:ex:In;1 dtmi:dtdl:context;2 dtmi:dtdl:context;3
    dtmi:dtdl:instance:Schema:double;2 http://x dtmi:a/b
"""
WORDS = st.sampled_from([*VOCABULARY.split(), QUANTITATIVE, ANNOTATION, ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=20,
)
ELEMENT = st.dictionaries(WORDS, JSON, max_size=5).map(lambda d: {**part(), **d})
MODEL = st.builds(
    lambda contents, more, v, extensions: {**model(*contents, v=v, extensions=extensions), **more},
    st.lists(ELEMENT, max_size=4),
    st.dictionaries(WORDS, JSON, max_size=3),
    st.sampled_from([2, 3]),
    st.lists(st.sampled_from([QUANTITATIVE, ANNOTATION, OVERRIDING, "dtmi:x:context;1"]), max_size=3),
)


@given(st.lists(JSON | MODEL, max_size=3), st.sampled_from([None, True, False]))
def test_any_json_gets_a_verdict(documents, undefined_extensions):
    try:
        elements = parse(documents, undefined_extensions=undefined_extensions)
    except (InvalidDtdl, UnresolvedReferences) as refused:
        elements = {}
        reasons = refused.faults if isinstance(refused, InvalidDtdl) else refused.missing
    else:
        reasons = ["sound"]
    assert reasons
    for element in elements.values():
        assert all(target in elements for targets in element.links.values() for target in targets)
