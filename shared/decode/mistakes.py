"""Pydantic's errors -> the reason and the words of a rejection."""

import re

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.decode.outcome import Reason

_NAIVE = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)?")


def why(error: ValidationError) -> tuple[Reason, str]:
    """The reason of the first mistake, and up to five of them in words."""
    mistakes = error.errors(include_url=False, include_context=False)
    return _reason(mistakes[0]), "; ".join(map(_in_words, mistakes[:5]))


def _reason(mistake: ErrorDetails) -> Reason:
    at_timestamp = mistake["loc"] == ("timestamp",)
    match mistake["type"]:
        case "finite_number":
            return Reason.NOT_FINITE
        case "extra_forbidden":
            return Reason.UNKNOWN_FIELD
        case "missing" if at_timestamp:
            return Reason.MISSING_TIMESTAMP
        case "string_pattern_mismatch" if at_timestamp and _NAIVE.fullmatch(mistake["input"]):
            return Reason.NAIVE_TIMESTAMP
        case _:
            return Reason.BAD_TIMESTAMP if at_timestamp else Reason.WRONG_SHAPE


def _in_words(mistake: ErrorDetails) -> str:
    place = ".".join(str(part)[:40] for part in mistake["loc"]) or "message"
    if _reason(mistake) is Reason.NAIVE_TIMESTAMP:
        return f"{place}: {mistake['input']} has no offset: add Z or +hh:mm"
    if mistake["type"] == "string_pattern_mismatch":
        return f"{place}: {mistake['input'][:40]!r} is not RFC 3339 with offset, such as 2026-11-21T09:30:00Z"
    return f"{place}: {mistake['msg']}"
