"""Problems with names that several checks share."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from itertools import islice

from millwright.source import Path, Problem

_COMPARED = 500
_BEGINNING = 4


def unknown(kind: str, name: str, known: Collection[str], path: Path) -> Problem:
    """A name that leads nowhere, with the likeliest meant or what there is."""
    close = get_close_matches(name, _likely(name, known), 1)
    if close:
        remedy = f"did you mean {close[0]}?"
    elif known:
        remedy = f"there is {', '.join(sorted(known)[:8])}" + (" ..." if len(known) > 8 else "")
    else:
        remedy = "none is described"
    return Problem(path, f"unknown {kind} {name}", remedy, about=name)


def _likely(name: str, known: Collection[str]) -> Collection[str]:
    """Where to look for what was meant: comparing with ten thousand names takes as many milliseconds."""
    if len(known) <= _COMPARED:
        return known
    alike = (other for other in known if other[:_BEGINNING] == name[:_BEGINNING])
    return list(islice(alike, _COMPARED))


def repeated(kind: str, named: Iterable[tuple[str, Path]]) -> Iterator[Problem]:
    """Every id that was taken before."""
    taken: set[str] = set()
    for name, path in named:
        if name in taken:
            yield Problem(path, f"{kind} id {name} is taken", "ids must differ: give it another")
        taken.add(name)
