"""Instants between the domain (integer milliseconds) and the wire (RFC 3339 in UTC)."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(at: int) -> str:
    """RFC 3339 with milliseconds; strings compare as the instants do.

    >>> iso(1_763_762_400_000)
    '2025-11-21T22:00:00.000Z'
    """
    text = (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds")
    return text[:-6] + "Z"


def iso_or_none(at: int | None) -> str | None:
    """As `iso`; None stays None and -1 (the domain's "never") becomes it."""
    return None if at is None or at < 0 else iso(at)


def instant(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 instant with offset; ValueError when it has none.

    >>> instant("2025-11-21T22:00:00Z")
    1763762400000
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no offset: add Z or +hh:mm")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
