"""Whatever is sent, the service has an answer of its own: no other exception leaves its rules."""

import contextlib
import copy

from hypothesis import given
from hypothesis import strategies as st

from local.digital_twins.catalog import Catalog
from local.digital_twins.documents import new_twin
from local.digital_twins.errors import ServiceError
from local.digital_twins.interfaces import DtdlFault, parse_interface, parse_interfaces
from local.digital_twins.jsontypes import NotJson, dump, parse
from local.digital_twins.patch import operations, patched_twin
from local.digital_twins.query.answer import from_continuation

NOW = "2026-03-02T06:00:00.0000000Z"


def model(kind, contents, **more):
    return {
        "@context": "dtmi:dtdl:context;3",
        "@id": f"dtmi:tests:{kind};1",
        "@type": "Interface",
        "contents": contents,
        **more,
    }


def prop(name, schema):
    return {"@type": "Property", "name": name, "schema": schema}


PART = model("Part", [prop("a", "double"), prop("b", {"@type": "Array", "elementSchema": "integer"})])
WHOLE = model(
    "Whole",
    [
        prop("a", "double"),
        prop("box", {"@type": "Object", "fields": [{"name": "x", "schema": "string"}]}),
        prop("list", {"@type": "Array", "elementSchema": "integer"}),
        prop("place", "polygon"),
        {"@type": "Component", "name": "part", "schema": "dtmi:tests:Part;1"},
        {"@type": "Relationship", "name": "to"},
    ],
)
CATALOG = Catalog()
CATALOG.put(map(parse_interface, (PART, WHOLE)))
TWIN = {
    "$metadata": {"$model": "dtmi:tests:Whole;1"},
    "a": 1.0,
    "box": {"x": "y"},
    "list": [1, 2],
    "part": {"$metadata": {}, "a": 2.0},
}

WORDS = st.sampled_from(
    [
        "a",
        "box",
        "x",
        "list",
        "0",
        "1",
        "-",
        "part",
        "place",
        "to",
        "$metadata",
        "$model",
        "$dtId",
        "sourceTime",
        "$lastUpdateTime",
        "lastUpdateTime",
        "",
        "~",
        "dtmi:tests:Part;1",
        "2026-03-02T06:00:00Z",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)
OPERATION = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "replace", "remove", "move", "test"]),
        "path": st.lists(WORDS, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    },
    optional={"value": VALUES},
)
refused = contextlib.suppress(ServiceError)


@given(st.lists(OPERATION, max_size=5) | VALUES)
def test_a_patch_gives_a_sound_twin_or_an_error_and_leaves_the_old_one_alone(body):
    before = new_twin(CATALOG, "t", TWIN, NOW)
    kept = copy.deepcopy(before)
    with refused:
        after = patched_twin(CATALOG, before, operations(body), NOW)
        again = new_twin(CATALOG, "t", after, NOW)
        assert {k: v for k, v in again.items() if k != "$etag"}.keys() == after.keys() - {"$etag"}
    assert before == kept


@given(st.dictionaries(WORDS, VALUES, max_size=5))
def test_a_twin_is_taken_or_refused(body):
    with refused:
        new_twin(CATALOG, "t", TWIN | body, NOW)


@given(VALUES | st.dictionaries(st.sampled_from(list(WHOLE)), VALUES, max_size=4).map(lambda d: WHOLE | d))
def test_a_model_parses_or_is_refused(document):
    with contextlib.suppress(DtdlFault):
        parse_interfaces([PART, document], lambda ids: [])


@given(st.text(max_size=40))
def test_a_continuation_token_is_ours_or_refused(token):
    with refused:
        from_continuation(token)


@given(st.binary(max_size=60))
def test_bytes_are_json_or_refused(body):
    with contextlib.suppress(NotJson):
        dump(parse(body))


def test_nesting_is_bounded():
    assert parse(b"[" * 90 + b"]" * 90)
    for depth in (150, 900):
        with contextlib.suppress(NotJson):
            parse(b"[" * depth + b"]" * depth)
            raise AssertionError(depth)
