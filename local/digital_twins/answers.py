"""What operations answer, and the condition that many of them take."""

from collections.abc import Callable
from typing import NamedTuple

from local.digital_twins.errors import etag_mismatch
from local.digital_twins.jsontypes import JsonObject

PAGE = 100
"""Relationships in one page of a list."""


class Answer(NamedTuple):
    body: bytes
    etag: str


class Page(NamedTuple):
    items: list[JsonObject]
    next: str | None
    """What continues behind the last item; None on the last page."""


def page(found: list[JsonObject], key: Callable[[JsonObject], str]) -> Page:
    """The first page of `found`, which has one more where the list goes on, behind the `key` of its last."""
    items = found[:PAGE]
    return Page(items, key(items[-1]) if len(found) > PAGE else None)


def check_match(document: JsonObject, if_match: str | None) -> None:
    """If-Match: absent and `*` match anything that exists, else the weak tag must be the same."""
    if if_match is not None and if_match != "*" and if_match != document["$etag"]:
        raise etag_mismatch(if_match)
