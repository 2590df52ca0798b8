"""Problems with names that several checks share."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from millwright.source import Path, Problem


def unknown(kind: str, name: str, known: Collection[str], path: Path) -> Problem:
    """A name that leads nowhere, with the likeliest meant or what there is."""
    close = get_close_matches(name, known, 1)
    if close:
        remedy = f"did you mean {close[0]}?"
    elif known:
        remedy = f"there is {', '.join(sorted(known)[:8])}" + (" ..." if len(known) > 8 else "")
    else:
        remedy = "none is described"
    return Problem(path, f"unknown {kind} {name}", remedy, about=name)


def repeated(kind: str, named: Iterable[tuple[str, Path]]) -> Iterator[Problem]:
    """Every id that was taken before."""
    taken: set[str] = set()
    for name, path in named:
        if name in taken:
            yield Problem(path, f"{kind} id {name} is taken", "ids must differ: give it another")
        taken.add(name)
