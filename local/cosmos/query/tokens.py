"""What the rules of the grammar have in common: literals from tokens, places in the text."""

import math
from typing import Any

import orjson
from lark import Token
from lark.tree import Meta

from local.cosmos.query.failures import syntax_error
from local.cosmos.query.tree import Expression, Span, Unary

type Children = list[Any]
"""What lark hands a rule: tokens and the values of inner rules, as the grammar has them."""


def span_of(meta: Meta) -> Span:
    return Span(meta.start_pos, meta.end_pos) if not meta.empty else Span(0, 0)


def unquoted(token: Token) -> str:
    """The text of a string literal; escapes as in JSON, plus the quotes themselves."""
    inner = token.value[1:-1]
    if "\\" not in inner and not any(ord(character) < 32 for character in inner):
        return inner
    json_text = inner.replace("\\'", "'")
    pieces: list[str] = []
    escaped = False
    for character in json_text:
        if character == '"' and not escaped:
            pieces.append("\\")
        pieces.append(f"\\u{ord(character):04x}" if ord(character) < 32 else character)
        escaped = character == "\\" and not escaped
    try:
        return str(orjson.loads('"' + "".join(pieces) + '"'))
    except orjson.JSONDecodeError as exc:
        raise syntax_error(token.value, Span(token.start_pos or 0, token.end_pos or 0)) from exc


def number_of(token: Token) -> int | float:
    value = token.value
    if value.isdecimal() and len(value) < 20 and int(value) < 2**63:
        return int(value)
    found = float(value)
    if not math.isfinite(found):
        raise syntax_error(value, Span(token.start_pos or 0, token.end_pos or 0))
    return found


def without_tokens(children: Children) -> Children:
    return [child for child in children if not isinstance(child, Token)]


def has(children: Children, kind: str) -> bool:
    return any(isinstance(child, Token) and child.type == kind for child in children)


def maybe_not(children: Children, expression: Expression) -> Expression:
    return Unary("NOT", expression) if has(children, "NOT") else expression
