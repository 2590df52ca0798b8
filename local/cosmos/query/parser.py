"""From text to syntax tree, with the engine's words for what it does not understand."""

# lark's classes are generic over types that it leaves unknown:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from functools import lru_cache

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from local.cosmos.errors import CosmosError, not_implemented
from local.cosmos.query.build import Build
from local.cosmos.query.failures import SEMANTIC, query_error, syntax_error
from local.cosmos.query.grammar import GRAMMAR, KEYWORDS
from local.cosmos.query.tree import Query, Span

MAX_QUERY_CHARACTERS = 512 * 1024
_RANKED = re.compile(r"\bORDER\s+BY\s+RANK\s*$", re.IGNORECASE)


def _keyword(token: Token) -> Token:
    upper = token.value.upper()
    if upper in KEYWORDS:
        return Token.new_borrow_pos(upper, token.value, token)
    return token


_PARSER = Lark(
    GRAMMAR,
    parser="lalr",
    lexer="basic",
    lexer_callbacks={"WORD": _keyword},
    propagate_positions=True,
    maybe_placeholders=False,
)


@lru_cache(maxsize=1024)
def parse(text: str) -> Query:
    """The query's syntax tree. Raises 400 with the place of the error for anything else."""
    if len(text) > MAX_QUERY_CHARACTERS:
        raise query_error(SEMANTIC, "The query text exceeds the maximum of 512 KB.")
    try:
        return Build().transform(_PARSER.parse(text))
    except UnexpectedToken as exc:
        token = exc.token
        if _RANKED.search(text[: token.start_pos or 0]):
            raise not_implemented("ORDER BY RANK (full-text and hybrid search)") from exc
        end = len(text)
        at = Span(end, end) if token.type == "$END" else Span(token.start_pos or 0, token.end_pos or 0)
        raise syntax_error(str(token.value), at) from exc
    except UnexpectedCharacters as exc:
        at = Span(exc.pos_in_stream, exc.pos_in_stream + 1)
        raise syntax_error(text[at.start : at.end], at) from exc
    except UnexpectedInput as exc:
        raise syntax_error("", Span(0, 0)) from exc
    except VisitError as exc:
        if isinstance(exc.orig_exc, CosmosError):
            raise exc.orig_exc from exc
        raise
    except RecursionError as exc:
        raise query_error(SEMANTIC, "The query is nested too deeply.") from exc
