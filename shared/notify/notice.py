"""What is told: an event that people should hear of, at a step of its escalation."""

from dataclasses import dataclass

from shared.contracts.reactions import Told
from shared.ports import Document

UNDELIVERED = "millwright.notification.deadlettered.v1"
UNACTED = "millwright.action.failed.v1"

_TOLD: dict[str, Told] = {
    "millwright.alarm.raised.v1": "raised",
    "millwright.alarm.reannunciated.v1": "reannunciated",
    "millwright.alarm.cleared.v1": "cleared",
    "millwright.machine.blocked.v1": "blocked",
    "millwright.prediction.thresholdcrossed.v1": "predicted",
    UNDELIVERED: "failed",
    UNACTED: "failed",
}
EVENT_TYPES = tuple(_TOLD)
"""What Event Grid brings."""

_PRIORITY: dict[Told, str] = {"blocked": "critical", "predicted": "high", "failed": "high"}


@dataclass(frozen=True, slots=True)
class Notice:
    """`id` is the same however often the event is brought: repetitions are recognised by it."""

    event: Document
    step: int = 0
    """0: at once; n: step n of the escalation."""
    reminder: int = 0
    minutes: int = 0
    """Since the first message."""

    @property
    def id(self) -> str:
        suffix = f":s{self.step}" if self.step else ""
        return f"{self.event['id']}{suffix}" + (f":r{self.reminder}" if self.reminder else "")

    @property
    def about(self) -> str:
        """The partition of `deliveries`: an alarm's id where there is one."""
        return self.event["data"].get("alarmId") or self.event["id"]

    @property
    def priority(self) -> str:
        told = told_of(self.event)
        return _PRIORITY.get(told, "") if told in _PRIORITY else self.event["data"]["priority"]


def told_of(event: Document) -> Told | None:
    """What an event is to people; None: nothing. A model that is calm again is no news."""
    told = _TOLD.get(event["type"])
    return None if told == "predicted" and not event["data"]["warning"] else told
