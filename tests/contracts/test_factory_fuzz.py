"""However a description is broken, the check answers with problems that have lines, never with a crash."""

import copy
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from millwright.documents import site_versions
from millwright.factory_file import Broken, parse
from millwright.source import Located
from millwright.versions import specs_of
from tests.contracts.test_factory import SOUND

WHOLE: dict[str, Any] = yaml.load(SOUND, Loader=yaml.BaseLoader)
WORDS = ["", "x", "A", "temperature_c", "-1", "1e400", "85 bar", "06:00", "00:00", "Execute"]
JUNK = st.sampled_from([None, *WORDS, [], {}, ["A", "A"], {"id": "A"}])


def told(text: bytes) -> None:
    """What is sound compiles; what is not is told with lines of the file."""
    problems: list[Located] = []
    try:
        for version in site_versions(parse(text, None, file="f.yaml"), {}):
            assert list(specs_of(version))
    except Broken as broken:
        problems = broken.problems
    else:
        return
    assert problems
    assert all(problem.message and 1 <= problem.line <= text.count(b"\n") + 2 for problem in problems)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a description."""
    if isinstance(value, dict):
        inner = [place for key, member in value.items() for place in places(member, (*at, key))]
    elif isinstance(value, list):
        inner = [place for index, item in enumerate(value) for place in places(item, (*at, index))]
    else:
        inner = []
    return [at, *inner] if at else inner


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    told(text.encode())


@given(st.binary(max_size=100))
def test_any_bytes(text: bytes) -> None:
    told(text)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(places(WHOLE)), JUNK | st.just("REMOVE")), min_size=1, max_size=5))
def test_a_sound_description_with_parts_replaced_or_missing(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    value = copy.deepcopy(WHOLE)
    for place, junk in changes:
        parent = value
        try:
            for part in place[:-1]:
                parent = parent[part]
            if junk == "REMOVE":
                del parent[place[-1]]
            else:
                parent[place[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue
    told(yaml.safe_dump(value, sort_keys=False).replace("'", "").encode())


@given(st.integers(0, len(SOUND)), st.integers(0, 60), st.text(max_size=3))
def test_a_sound_description_with_a_stretch_of_text_replaced(start: int, length: int, text: str) -> None:
    told((SOUND[:start] + text + SOUND[start + length :]).encode())
