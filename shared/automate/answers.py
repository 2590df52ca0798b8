"""What devices answer in their twins, and the event of a machine that did not do as it was told. Pure."""

from collections.abc import Mapping
from typing import Any

from shared.notify.notice import UNACTED
from shared.ports import Document


def twin_key(machine_id: str) -> str:
    """A machine's place in its device's twin: names there hold no dots.

    >>> twin_key("OVEN.1")
    'OVEN_1'
    """
    return machine_id.replace(".", "_")


def acknowledged(reported: Any) -> tuple[Any, int | None]:
    """(value, status) of a reported property: the value itself, or a Plug and Play acknowledgement.

    >>> acknowledged({"value": 0.5, "ac": 200, "av": 3})
    (0.5, 200)
    >>> acknowledged(0.5)
    (0.5, None)
    """
    if isinstance(reported, Mapping):
        return reported.get("value"), reported.get("ac")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  # JSON
    return reported, None


def failed(attempt: Document) -> Document:
    """The event of an attempt that came to a bad end; the same however often it is published."""
    return {
        "specversion": "1.0",
        "id": f"action:{attempt['id']}",
        "source": f"/millwright/{attempt['siteId']}",
        "type": UNACTED,
        "subject": attempt["subject"],
        "time": attempt["endedAt"],
        "datacontenttype": "application/json",
        "data": {
            **{name: attempt[name] for name in ("machineId", "lineId", "siteId", "alarmId")},
            "action": attempt["action"],
            "outcome": attempt["outcome"],
            "detail": str(attempt["detail"]),
        },
    }
