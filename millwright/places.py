"""Walks over a description that know where in the file they are."""

from collections.abc import Iterator

from millwright.source import Path
from shared.contracts.factory import Line, Machine, Site


def lines_at(index: int, site: Site) -> Iterator[tuple[Path, Line]]:
    """The lines of the site with that index, in areas first, each with its path."""
    for number, area in enumerate(site.areas):
        for place, line in enumerate(area.lines):
            yield ("sites", index, "areas", number, "lines", place), line
    for place, line in enumerate(site.lines):
        yield ("sites", index, "lines", place), line


def machines_at(index: int, site: Site) -> Iterator[tuple[Path, Line, Machine]]:
    """The machines of the site with that index, each with its path and line."""
    for at, line in lines_at(index, site):
        for place, machine in enumerate(line.machines):
            yield (*at, "machines", place), line, machine
