"""What the names in a query stand for: collections, their columns, and properties in their documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from local.digital_twins.errors import ServiceError, query_error
from local.digital_twins.properties import json_path
from local.digital_twins.query import tree
from local.digital_twins.query.sql import Sql

type Kind = Literal["twins", "relationships"]

_COLUMNS: Mapping[Kind, Mapping[tuple[str, ...], str]] = {
    "twins": {("$dtId",): "id", ("$metadata", "$model"): "model"},
    "relationships": {
        ("$relationshipId",): "id",
        ("$sourceId",): "source",
        ("$targetId",): "target",
        ("$relationshipName",): "name",
    },
}
"""What has a column of its own; all of them are texts and never missing."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Twins or relationships under the name `table` in SQL."""

    kind: Kind
    table: str


@dataclass(frozen=True, slots=True)
class Field:
    """A property of the documents of a collection; without names the document itself."""

    collection: Collection
    names: tuple[str, ...]

    @property
    def column(self) -> str | None:
        return _COLUMNS[self.collection.kind].get(self.names)

    @property
    def path(self) -> str:
        return json_path(self.names)

    def type(self) -> Sql:
        """SQLite's name of the JSON type; NULL where the property is missing."""
        if self.column is not None:
            return Sql("'text'")
        return Sql(f"json_type({self.collection.table}.document, ?)", (self.path,))

    def value(self) -> Sql:
        """The plus keeps SQLite from choosing an index here: `compile` decides on those."""
        if self.column is not None:
            return Sql(f"+{self.collection.table}.{self.column}")
        return Sql(f"json_extract({self.collection.table}.document, ?)", (self.path,))

    def json(self) -> Sql:
        """The value as JSON text, NULL where it is missing."""
        if not self.names:
            return Sql(f"{self.collection.table}.document")
        return Sql(f"{self.collection.table}.document -> ?", (self.path,))


@dataclass(frozen=True, slots=True)
class Scope:
    """Collections by alias. `sole` is what names without an alias belong to, if there is only one."""

    collections: Mapping[str, Collection]
    sole: Collection | None = None

    def field(self, path: tree.Path) -> Field:
        first, *rest = path.names
        if any('"' in name for name in path.names):
            raise refused(f"'{first}' cannot be the name of a property.", path.place)
        if first in self.collections:
            return Field(self.collections[first], tuple(rest))
        if self.sole is not None:
            return Field(self.sole, path.names)
        raise refused(f"'{first}' is not the name of a collection in this query.", path.place)


def refused(why: str, place: tree.Place) -> ServiceError:
    return query_error(why, line=place.line, position=place.column)
