"""The hub's query language over twins: parse once, then ask each twin.

Source: "IoT Hub query language for device and module twins, jobs, and message routing".
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from local.iot_hub import errors
from local.iot_hub.devices import Json

TEXT_LIMIT = 8_000
UNDEFINED: Any = object()
"""What a path leads to that the document has not; every comparison with it is false."""

type Node = Tree[Token]
type Steps = tuple[str, ...]
type Predicate = Callable[[Json], bool]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    path: Steps
    fold: str | None = None
    """None for a plain property, else count, avg, sum, min or max over the group."""


@dataclass(frozen=True, slots=True)
class Query:
    modules: bool
    top: int | None
    columns: tuple[Column, ...]
    """None of them: the whole twin."""

    where: Predicate
    groups: tuple[Steps, ...]

    @property
    def kind(self) -> str:
        """What the rows are, as the header x-ms-item-type says it."""
        return "raw" if self.columns else "twin"

    def rows(self, documents: Iterable[Json]) -> list[Json]:
        found = [document for document in documents if self.where(document)]
        if not self.columns:
            return found[: self.top]
        if not self.groups and not any(column.fold for column in self.columns):
            return [_row(self.columns, document) for document in found][: self.top]
        grouped: dict[str, list[Json]] = {} if self.groups else {"": []}
        for document in found:
            key = repr([lookup(document, path) for path in self.groups]) if self.groups else ""
            grouped.setdefault(key, []).append(document)
        return [_folded(self.columns, members) for members in grouped.values()][: self.top]


def parse(text: object) -> Query:
    """HubError 400 names the place of a mistake; 501 for what only Azure answers."""
    if not isinstance(text, str) or not 0 < len(text) <= TEXT_LIMIT:
        raise errors.invalid(f"query must be a string of 1 to {TEXT_LIMIT} characters.")
    try:
        tree = cast("Node", parser().parse(text))
    except UnexpectedInput as exc:
        found: Any = exc
        at: int | None = found.pos_in_stream if isinstance(exc, UnexpectedCharacters) else None
        place = "it ends too early" if at is None else f"column {at + 1}, near {text[at : at + 30]!r}"
        raise errors.invalid(f"The query has a mistake: {place}.") from exc
    except RecursionError as exc:
        raise errors.invalid("The query is nested too deeply.") from exc
    parts: dict[str, Node] = {cast("Node", child).data: cast("Node", child) for child in tree.children}
    if "jobs" in parts:
        raise errors.not_implemented("queries of devices.jobs")
    where = parts.get("where")
    group = parts.get("group")
    query = Query(
        modules="modules" in parts,
        top=int(cast(Token, parts["top"].children[0])) if "top" in parts else None,
        columns=tuple(map(_column, _nodes(parts["items"]))) if "items" in parts else (),
        where=_predicate(_nodes(where)[0]) if where else lambda _: True,
        groups=tuple(map(_path, _nodes(group))) if group else (),
    )
    for column in query.columns if query.groups or any(c.fold for c in query.columns) else ():
        if column.fold is None and column.path not in query.groups:
            raise errors.invalid(f"{column.name} is neither aggregated nor in GROUP BY.")
    if query.groups and not query.columns:
        raise errors.invalid("SELECT * cannot be grouped.")
    return query


@lru_cache(maxsize=1)
def parser() -> Any:  # Lark's own types are incomplete
    return Lark(Path(__file__).with_name("query.lark").read_text(), parser="earley", lexer="dynamic")


def lookup(document: Json, path: Steps) -> object:
    """What a path leads to, UNDEFINED if nowhere."""
    value: object = document
    for name in path:
        value = _member(value, name)
    return value


def _member(value: object, name: str) -> object:
    return cast("Json", value).get(name, UNDEFINED) if isinstance(value, dict) else UNDEFINED


def _row(columns: tuple[Column, ...], document: Json) -> Json:
    found = {column.name: lookup(document, column.path) for column in columns}
    return {name: value for name, value in found.items() if value is not UNDEFINED}


def _folded(columns: tuple[Column, ...], members: list[Json]) -> Json:
    row = _row(tuple(column for column in columns if column.fold is None), members[0]) if members else {}
    for column in columns:
        if column.fold == "count":
            row[column.name] = len(members)
        elif column.fold:
            values = [v for v in (lookup(m, column.path) for m in members) if _is_number(v)]
            numbers = cast("list[float]", values)
            if column.fold == "avg":
                row[column.name] = sum(numbers) / len(numbers) if numbers else None
            else:
                fold = {"sum": sum, "min": min, "max": max}[column.fold]
                row[column.name] = fold(numbers) if numbers else None
    return row


def _nodes(tree: Node) -> list[Node]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _path(tree: Node) -> Steps:
    return tuple(str(cast(Token, part.children[0])) for part in _nodes(tree))


def _column(tree: Node) -> Column:
    inner = _nodes(tree)[0]
    alias = next((str(child) for child in tree.children if isinstance(child, Token)), None)
    if inner.data == "count":
        return Column(alias or "count", (), "count")
    if inner.data == "fold":
        path = _path(_nodes(inner)[0])
        return Column(alias or path[-1], path, str(cast(Token, inner.children[0])).lower())
    path = _path(inner)
    return Column(alias or path[-1], path)


def _predicate(tree: Node) -> Predicate:
    children = _nodes(tree)
    match tree.data:
        case "any_of":
            options = [_predicate(child) for child in children]
            return lambda document: any(option(document) for option in options)
        case "all_of":
            needed = [_predicate(child) for child in children]
            return lambda document: all(condition(document) for condition in needed)
        case "negated":
            inner = _predicate(children[0])
            return lambda document: not inner(document)
        case "compared":
            left, right = _value(children[0]), _value(children[1])
            operator = str(next(child for child in tree.children if isinstance(child, Token)))
            return lambda document: _compare(operator, left(document), right(document))
        case "member" | "no_member":
            needle, options_ = _value(children[0]), [_value(child) for child in _nodes(children[1])]
            wanted = tree.data == "member"

            def member(document: Json) -> bool:
                value = needle(document)
                found = any(_compare("=", value, option(document)) for option in options_)
                return value is not UNDEFINED and found == wanted

            return member
        case "call":
            return _call(str(cast(Token, tree.children[0])).lower(), children)
        case _:
            raise errors.invalid(f"{tree.data} is no condition.")


def _call(name: str, arguments: list[Node]) -> Predicate:
    values = [_value(argument) for argument in arguments]
    if name == "is_defined" and len(values) == 1:
        return lambda document: values[0](document) is not UNDEFINED
    if name == "startswith" and len(values) == 2:

        def starts(document: Json) -> bool:
            text, prefix = values[0](document), values[1](document)
            return isinstance(text, str) and isinstance(prefix, str) and text.startswith(prefix)

        return starts
    raise errors.invalid(f"{name} does not take {len(values)} arguments.")


def _value(tree: Node) -> Callable[[Json], object]:
    token = str(tree.children[0]) if tree.children else ""
    match tree.data:
        case "path":
            path = _path(tree)
            return lambda document: lookup(document, path)
        case "string":
            quote = token[0]
            text = token[1:-1].replace("''", "'") if quote == "'" else token[1:-1]
            text = text.replace(f"\\{quote}", quote).replace("\\\\", "\\")
            return lambda _: text
        case "number":
            number = float(token)
            return lambda _: number
        case constant:
            fixed = {"true": True, "false": False, "null": None}[constant]
            return lambda _: fixed


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare(operator: str, left: object, right: object) -> bool:
    if left is UNDEFINED or right is UNDEFINED:
        return False
    if operator == "=":
        return _same_kind(left, right) and left == right
    if operator in ("!=", "<>"):
        return not (_same_kind(left, right) and left == right)
    if not _same_kind(left, right) or not (_is_number(left) or isinstance(left, str)):
        return False
    a, b = cast("float", left), cast("float", right)
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def _same_kind(left: object, right: object) -> bool:
    return (_is_number(left) and _is_number(right)) or type(left) is type(right)
