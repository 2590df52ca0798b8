"""From the graph that is to the one that a description asks for: all of it, and nothing that is not ours."""

import string

from hypothesis import given
from hypothesis import strategies as st

from millwright.graph import Graph, GraphChange, difference
from millwright.source import Source
from millwright.yaml_text import yaml_text
from shared.described import CONTAINS, FEEDS, PRODUCES, Relationship, Twin

LINE, MACHINE, CAMERA = "dtmi:millwright:ProductionLine;1", "dtmi:millwright:Machine;1", "dtmi:other:Camera;1"
MODELS = {LINE: {"@id": LINE}, MACHINE: {"@id": MACHINE}}


def graph(twins: dict[str, str], links: set[tuple[str, str, str]], *, by_hand: bool = False) -> Graph:
    """Twins by id and model, relationships as triples."""
    made = [
        Relationship(source, name, target, given_id=f"{name}-{target}-by-hand" if by_hand else None)
        for source, name, target in links
        if source in twins and target in twins
    ]
    return Graph(
        dict(MODELS),
        {name: Twin(name, model, {"name": name}) for name, model in twins.items()},
        {(one.source, one.id): one for one in made},
    )


def carried_out(actual: Graph, change: GraphChange, *, prune: bool) -> Graph:
    """What the service would hold; a twin that still has relationships cannot be deleted."""
    twins = {**actual.twins, **{twin.id: twin for twin in change.twins}}
    twins |= {after.id: after for _, after in change.changed_twins}
    links = {**actual.relationships}
    links |= {(one.source, one.id): one for one in (*change.relationships, *change.changed_relationships)}
    if prune:
        for one in change.surplus_relationships:
            links.pop((one.source, one.id), None)
        for generation in change.surplus_generations():
            for name in generation:
                for one in change.surplus_ends[name]:
                    links.pop((one.source, one.id), None)
                assert not [one for one in links.values() if name in (one.source, one.target)]
                del twins[name]
    return Graph(actual.models, twins, links)


_NAMES = st.sampled_from("ABCDEFGH")
_TWINS = st.dictionaries(_NAMES, st.sampled_from([LINE, MACHINE, CAMERA]), max_size=8)
_LINKS = st.sets(st.tuples(_NAMES, st.sampled_from([CONTAINS, FEEDS, "watches"]), _NAMES), max_size=14)


@given(st.dictionaries(_NAMES, st.sampled_from([LINE, MACHINE])), _LINKS, _TWINS, _LINKS, st.booleans())
def test_carrying_a_difference_out_leaves_none(
    wanted_twins: dict[str, str],
    wanted_links: set[tuple[str, str, str]],
    twins: dict[str, str],
    links: set[tuple[str, str, str]],
    by_hand: bool,
) -> None:
    described = {link for link in wanted_links if link[1] != "watches"}
    wanted = graph(wanted_twins, described)
    actual = graph(twins, links, by_hand=by_hand)
    after = carried_out(actual, difference(actual, wanted, former=twins.keys()), prune=True)
    left = difference(after, wanted)
    assert (left.count, left.surplus_count) == (0, 0)


@given(_TWINS, _LINKS, _TWINS, _LINKS)
def test_without_pruning_nothing_goes(
    wanted_twins: dict[str, str],
    wanted_links: set[tuple[str, str, str]],
    twins: dict[str, str],
    links: set[tuple[str, str, str]],
) -> None:
    actual = graph(twins, links)
    after = carried_out(actual, difference(actual, graph(wanted_twins, wanted_links)), prune=False)
    assert actual.twins.keys() <= after.twins.keys()
    assert actual.relationships.keys() <= after.relationships.keys()


def test_what_somebody_else_made_is_left_alone() -> None:
    """A camera of another model, another enterprise's line, a machine that it took over."""
    wanted = graph({"L": LINE}, set())
    actual = graph(
        {"L": LINE, "M": MACHINE, "CAM": CAMERA, "THEIRS": LINE, "TAKEN": MACHINE, "ITS": MACHINE},
        {
            ("L", CONTAINS, "M"),
            ("L", CONTAINS, "CAM"),
            ("CAM", "watches", "L"),
            ("L", CONTAINS, "TAKEN"),
            ("THEIRS", CONTAINS, "TAKEN"),
            ("TAKEN", CONTAINS, "ITS"),
        },
    )
    change = difference(actual, wanted, former=["M", "TAKEN"])
    assert change.surplus_twins == ["M"]
    after = carried_out(actual, change, prune=True)
    assert set(after.twins) == {"L", "CAM", "THEIRS", "TAKEN", "ITS"}
    assert ("THEIRS", f"{CONTAINS}.TAKEN") in after.relationships
    assert ("CAM", "watches.L") in after.relationships


_TEXTS = st.one_of(
    st.text(string.printable.strip() + " äé°\n", max_size=20),
    st.sampled_from(
        ["14:00", "no", "1e3", "0x1f", "~", "null", "-", "1_000", "2026-12-25", ".5", "85 °C", "= 1"]
    ),
)
_VALUES = st.recursive(
    st.one_of(_TEXTS, st.booleans(), st.none(), st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXTS, inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(_TEXTS, _VALUES, min_size=1, max_size=5))
def test_what_is_written_as_yaml_is_read_back_the_same(value: dict[str, object]) -> None:
    assert Source(yaml_text(value)).value == value


def test_a_product_that_is_no_longer_made_here_stays_while_another_enterprise_makes_it() -> None:
    product = "dtmi:millwright:Product;1"
    twins = {"MINE": MACHINE, "P-1": product, "P-2": product, "THEIRS": MACHINE}
    links = {("MINE", PRODUCES, "P-1"), ("MINE", PRODUCES, "P-2"), ("THEIRS", PRODUCES, "P-1")}
    change = difference(graph(twins, links), graph({"MINE": MACHINE}, set()), former={"P-1", "P-2"})
    assert change.surplus_twins == ["P-2"]
    assert [one.triple for one in change.surplus_relationships] == [("MINE", PRODUCES, "P-1")]
