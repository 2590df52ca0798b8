"""Patterns of texts: LIKE, matched in bounded time, and which regular expressions are not."""

import re
from collections.abc import Callable
from functools import lru_cache

type Test = Callable[[str], bool]
"""Whether a character fits."""
ANY = None
"""Stands for `%`: any characters, or none."""


@lru_cache(maxsize=512)
def compile_like(pattern: str, escape: str | None) -> tuple[Test | None, ...]:
    """One test a character: `_` any one, `[abc]` `[^abc]` `[a-z]` one of a set, else itself; ANY for `%`.

    Raises re.error for a set that is none.
    """
    found: list[Test | None] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        closing = pattern.find("]", at + 1)
        if escape and character == escape and at + 1 < len(pattern):
            at += 1
            found.append(pattern[at].__eq__)
        elif character == "%":
            if not found or found[-1] is not ANY:
                found.append(ANY)
        elif character == "_":
            found.append(lambda one: True)
        elif character == "[" and closing > at + 1:
            inner = pattern[at + 1 : closing].replace("\\", "\\\\").replace("[", "\\[")
            found.append(_one_of(re.compile(f"[{inner}]", re.S)))
            at = closing
        else:
            found.append(character.__eq__)
        at += 1
    return tuple(found)


def _one_of(members: re.Pattern[str]) -> Test:
    return lambda one: members.fullmatch(one) is not None


def like(text: str, tests: tuple[Test | None, ...]) -> bool:
    """Whether the whole text fits; at most length times length steps, for only the last `%` is tried again.

    >>> like("abcbd", compile_like("a%b_", None)), like("abc", compile_like("a%b", None))
    (True, False)
    """
    at = place = 0
    again: tuple[int, int] | None = None
    while at < len(text):
        test = tests[place] if place < len(tests) else None
        if place < len(tests) and test is ANY:
            again = at, place
            place += 1
        elif test is not None and test(text[at]):
            at, place = at + 1, place + 1
        elif again is not None:
            again = again[0] + 1, again[1]
            at, place = again[0], again[1] + 1
        else:
            return False
    return all(one is ANY for one in tests[place:])


_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]|[*+]|\{\d*,?\d*\}|.", re.S)


@lru_cache(maxsize=512)
def repeats_repeats(pattern: str) -> bool:
    """Whether a repeated group holds a repetition or a choice: Python's engine may then take for ever.

    >>> repeats_repeats("^(a+)+$"), repeats_repeats("^[ab]+c*(de)+$")
    (True, False)
    """
    inside = [False]
    closed = False
    for piece in _PIECE.findall(pattern):
        repeat = piece in ("*", "+") or (piece[0] == "{" and len(piece) > 1)
        if repeat and closed:
            return True
        closed = False
        if repeat or piece == "|":
            inside[-1] = True
        elif piece == "(":
            inside.append(False)
        elif piece == ")" and len(inside) > 1:
            closed = inside.pop()
            inside[-1] = inside[-1] or closed
    return False
