"""Bytes -> JSON values, one by one: an array's elements, NDJSON's lines, or the one value there is.

The careful way, taken when a message does not parse at one stroke: what is broken is told apart
from what is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pydantic_core import from_json

from shared.decode.outcome import Reason

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Parsed:
    value: object


@dataclass(frozen=True, slots=True)
class Unreadable:
    reason: Reason
    detail: str
    raw: bytes


def pieces(message: bytes) -> Iterator[Parsed | Unreadable]:
    """The elements of an array, the lines of NDJSON, or the one value there is."""
    text = message.removeprefix(_BOM).strip()
    if not text:
        yield Unreadable(Reason.EMPTY, "no content", message)
        return
    whole = _parse(text)
    if isinstance(whole, Unreadable):
        lines = [stripped for line in text.split(b"\n") if (stripped := line.strip())]
        if len(lines) > 1 and any(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
            yield from map(_parse, lines)
        else:
            yield whole
        return
    value = whole.value
    if not isinstance(value, list):
        yield whole
    elif not value:
        yield Unreadable(Reason.EMPTY, "an array without elements", message)
    else:
        yield from map(Parsed, cast(list[object], value))


def _parse(text: bytes) -> Parsed | Unreadable:
    try:
        return Parsed(from_json(text))
    except ValueError as exc:
        try:
            text.decode()
        except UnicodeDecodeError as wrong:
            return Unreadable(Reason.NOT_UTF8, f"byte {wrong.start}: {wrong.reason}", text)
        reason = Reason.TOO_DEEP if "recursion limit" in str(exc) else Reason.NOT_JSON
        return Unreadable(reason, str(exc), text)
