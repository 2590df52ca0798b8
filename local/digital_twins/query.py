"""The query language, as far as covered: parsed by a grammar, compiled to SQLite.

Anything else is answered 400 SqlQueryError, never silently answered otherwise.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lark import Lark, Token, Tree, UnexpectedInput

from local.digital_twins.errors import ServiceError, invalid_argument, query_error
from local.digital_twins.jsontypes import Json, NotJson, dump, parse

LENGTH_LIMIT = 8000
PAGE_LIMIT = 1000
_OPERATORS_LIMIT = 50
_COVERED = "only SELECT * or COUNT() FROM DIGITALTWINS or RELATIONSHIPS with comparisons, IS_OF_MODEL and AND"

_PARSER = Lark(Path(__file__).with_name("query.lark").read_text(), parser="lalr", maybe_placeholders=True)

type Kinds = Callable[[str], list[str]]
"""Model id -> ids of all models whose twins are of it."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL over one table. `counts`: one row with the number; otherwise documents after a key."""

    table: str
    where: str
    parameters: tuple[str | int | float, ...]
    counts: bool

    def sql(self) -> str:
        if self.counts:
            return f"SELECT count(*) FROM {self.table} WHERE {self.where}"
        key = "id" if self.table == "twins" else "source || char(1) || id"
        return f"SELECT document, {key} FROM {self.table} WHERE {self.where} AND {key} > ? ORDER BY 2 LIMIT ?"


def compile_query(text: str, kinds: Kinds) -> Compiled:
    """The SQL for a query. 400 SqlQueryError with the place when it cannot be answered."""
    if len(text) > LENGTH_LIMIT:
        raise query_error(f"the query is longer than {LENGTH_LIMIT} characters.")
    try:
        # lark's text parameter is typed with an unbound TextSlice
        tree = _PARSER.parse(text)  # pyright: ignore[reportUnknownMemberType]
    except UnexpectedInput as exc:
        raise _syntax_error(text, exc) from exc
    return _Compiler(kinds).compile(tree)


def _syntax_error(text: str, exc: UnexpectedInput) -> ServiceError:
    words = text.split(None, 1)
    if not words or words[0].lower() != "select":
        return query_error(f"missing SELECT at '{words[0] if words else '<EOF>'}'")
    at = exc.pos_in_stream
    if at is None or at < 0 or exc.column < 1:
        return query_error("the query ends too early.", position=len(text))
    return query_error(
        f"'{text[at:].split(None, 1)[0][:60]}' is not covered by this local service: it answers {_COVERED}.",
        line=exc.line,
        position=exc.column - 1,
    )


class _Compiler:
    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._alias: str | None = None
        self._parameters: list[str | int | float] = []

    def compile(self, tree: "Tree[Token]") -> Compiled:
        parts = {part.data: part for part in tree.children if isinstance(part, Tree)}
        table = "twins" if "twins" in parts else "relationships"
        self._alias = next((t for t in _tokens(parts[table]) if t.type == "NAME"), None)
        tests: list[str] = []
        if "condition" in parts:
            found = [part for part in parts["condition"].children if isinstance(part, Tree)]
            if len(found) > _OPERATORS_LIMIT + 1:
                raise query_error(f"the query has more than {_OPERATORS_LIMIT} AND or OR operators.")
            tests = [self._test(part, table) for part in found]
        return Compiled(table, " AND ".join(tests) or "1", tuple(self._parameters), "count" in parts)

    def _test(self, tree: "Tree[Token]", table: str) -> str:
        if tree.data == "of_model":
            return self._of_model(tree, table)
        path, operator, literal = tree.children
        assert isinstance(path, Tree)
        assert isinstance(operator, Token)
        assert isinstance(literal, Tree)
        names = [str(token) for token in _tokens(path)]
        if len(names) > 1 and names[0] == self._alias:
            names = names[1:]
        place = "$" + "".join(f'."{name}"' for name in names)
        value = _tokens(literal)[0]
        match literal.data:
            case "string":
                return self._compare(place, "('text')", operator, _unquote(value))
            case "number":
                return self._compare(place, "('integer', 'real')", operator, float(value))
            case _:
                return self._boolean(place, operator, value.lower() == "true")

    def _compare(self, place: str, types: str, operator: Token, value: str | float) -> str:
        self._parameters += [place, place, value]
        return f"(json_type(document, ?) IN {types} AND json_extract(document, ?) {operator} ?)"

    def _boolean(self, place: str, operator: Token, value: bool) -> str:
        if operator not in ("=", "!="):
            raise query_error(f"'{operator}' does not compare booleans.", position=operator.start_pos or 0)
        wanted = "true" if value is (operator == "=") else "false"
        self._parameters += [place]
        return f"json_type(document, ?) = '{wanted}'"

    def _of_model(self, tree: "Tree[Token]", table: str) -> str:
        tokens = _tokens(tree)
        alias = next((token for token in tokens if token.type == "NAME"), None)
        if table != "twins" or (alias is not None and alias != self._alias):
            raise query_error("IS_OF_MODEL takes the alias of the DIGITALTWINS collection.")
        model = _unquote(next(token for token in tokens if token.type == "STRING"))
        exact = any(token.type == "EXACT" for token in tokens)
        models = [model] if exact else self._kinds(model)
        self._parameters += models
        return f"model IN ({', '.join('?' * len(models))})"


def _tokens(tree: "Tree[Token]") -> list[Token]:
    return [part for part in tree.children if isinstance(part, Token)]


def _unquote(token: Token) -> str:
    return token[1:-1].replace("\\'", "'").replace("\\\\", "\\")


def continuation(text: str, after: str) -> str:
    """The token that goes on with `text` behind the row with the key `after`."""
    return base64.urlsafe_b64encode(dump({"q": text, "a": after})).decode()


def from_continuation(token: str) -> tuple[str, str]:
    """(query, last key) of a token that `continuation` made; 400 for any other."""
    try:
        found: Json = parse(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, NotJson) as exc:
        raise invalid_argument("The continuation token is invalid.") from exc
    match found:
        case {"q": str(text), "a": str(after)}:
            return text, after
        case _:
            raise invalid_argument("The continuation token is invalid.")


def charge(rows: int, answer_bytes: int) -> float:
    """Query units of an answer. Azure's own figure depends on its engine; this has its magnitude."""
    return round(2.5 + 0.05 * rows + answer_bytes / 10_240, 2)
