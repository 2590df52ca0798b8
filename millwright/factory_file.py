"""A factory file -> a checked description, or every problem in it at once, each with its line."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from millwright.checks import problems
from millwright.model_cards import Cards
from millwright.shape import repaired, shape_problems
from millwright.source import Located, Problem, Source, Unreadable
from shared.contracts.factory import Factory


class Broken(Exception):
    """The file cannot be used. Holds every problem, in the order of the file."""

    def __init__(self, problems: list[Located]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Loaded:
    """A description without mistakes, and the file it came from."""

    file: str
    factory: Factory


def load(path: Path, cards: Cards | None) -> Loaded:
    """Read and check a factory file. Raises Broken with all problems, or OSError."""
    return Loaded(str(path), parse(path.read_bytes(), cards, file=str(path)))


def parse(text: bytes, cards: Cards | None, *, file: str) -> Factory:
    """The description in `text`; `file` is what problems call it. Raises Broken."""
    try:
        source = Source(text)
    except Unreadable as exc:
        raise Broken([Located(file, exc.line, str(exc))]) from exc
    try:
        factory = Factory.model_validate(source.value)
    except ValidationError as exc:
        found = [*source.duplicates, *shape_problems(source, exc)]
        rest, lost = repaired(source.value)
        if rest is not None:
            found += [problem for problem in problems(rest, cards) if problem.about not in lost]
        raise Broken(_located(file, source, found)) from exc
    found = [*source.duplicates, *problems(factory, cards)]
    if found:
        raise Broken(_located(file, source, found))
    return factory


def _located(file: str, source: Source, problems: list[Problem]) -> list[Located]:
    located = {
        Located(file, source.line(problem.path), problem.message, problem.remedy) for problem in problems
    }
    return sorted(located, key=lambda problem: (problem.line, problem.message))
