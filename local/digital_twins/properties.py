"""The index of property values: what a document has at which path, in an order that SQLite can search.

One row for each value at any depth: numbers and strings as they are, everything else as one of the
marks below. SQLite sorts numbers before strings before marks, so a range of one kind is a range of
the index. What is inside arrays and $metadata is not indexed.
"""

from collections.abc import Iterator

from local.digital_twins.jsontypes import Json, JsonObject

FALSE, TRUE, OBJECT, ARRAY, NULL = b"\x00", b"\x01", b"\x02", b"\x03", b"\x04"

type Indexed = str | int | float | bytes
type Entry = tuple[str, Indexed]
"""(path, value)"""

_INT64 = 2**63


def json_path(names: tuple[str, ...]) -> str:
    """As SQLite's JSON functions write it.

    >>> json_path(("oee", "oee"))
    '$."oee"."oee"'
    """
    return "$" + "".join(f'."{name}"' for name in names)


def changes(before: JsonObject | None, after: JsonObject | None) -> tuple[list[Entry], list[Entry]]:
    """Entries that go and entries that come when a document becomes another; None is no document."""
    gone: list[Entry] = []
    come: list[Entry] = []
    _compare("$", before or {}, after or {}, gone, come)
    return gone, come


def _compare(path: str, before: JsonObject, after: JsonObject, gone: list[Entry], come: list[Entry]) -> None:
    for name, value in before.items():
        if not name.startswith("$") and name not in after:
            gone += _entries(f'{path}."{name}"', value)
    for name, value in after.items():
        if name.startswith("$"):
            continue
        place = f'{path}."{name}"'
        if name not in before:
            come += _entries(place, value)
            continue
        old = before[name]
        if isinstance(old, dict) and isinstance(value, dict):
            _compare(place, old, value, gone, come)
        elif old != value or type(old) is not type(value):
            gone += _entries(place, old)
            come += _entries(place, value)


def _entries(path: str, value: Json) -> Iterator[Entry]:
    if isinstance(value, dict):
        yield path, OBJECT
        for name, part in value.items():
            if not name.startswith("$"):
                yield from _entries(f'{path}."{name}"', part)
    else:
        yield path, indexed(value)


def indexed(value: Json) -> Indexed:
    """The value as the index holds it."""
    match value:
        case bool():
            return TRUE if value else FALSE
        case int():
            return value if -_INT64 <= value < _INT64 else float(value)
        case float() | str():
            return value
        case None:
            return NULL
        case list():
            return ARRAY
        case dict():
            return OBJECT
