"""Pieces of SQL that carry their own parameters."""

from collections.abc import Iterable
from typing import NamedTuple

type Parameter = str | int | float | bytes


class Sql(NamedTuple):
    text: str
    parameters: tuple[Parameter, ...] = ()

    def __add__(self, other: object) -> "Sql":
        """Joined as they stand."""
        if isinstance(other, Sql):
            return Sql(self.text + other.text, self.parameters + other.parameters)
        return Sql(self.text + str(other), self.parameters)


def joined(between: str, parts: Iterable[Sql]) -> Sql:
    found = list(parts)
    return Sql(
        between.join(part.text for part in found),
        tuple(parameter for part in found for parameter in part.parameters),
    )


def listed(values: Iterable[Parameter]) -> Sql:
    """`(?, ?, ?)`"""
    found = tuple(values)
    return Sql(f"({', '.join('?' * len(found))})", found)


def bracketed(part: Sql) -> Sql:
    return Sql(f"({part.text})", part.parameters)
