"""A notice -> a message in the reader's language: a headline, facts, a link."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from shared.contracts.reactions import Language
from shared.instants import instant
from shared.notify.notice import Notice, told_of
from shared.notify.texts import TEXTS, Texts
from shared.ports import Document

LISTED_MAX = 100
"""So many lines has a message about a flood; the others are counted."""


@dataclass(frozen=True, slots=True)
class Message:
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    link: str | None = None
    link_text: str = ""
    priority: str = "high"

    @property
    def text(self) -> str:
        """All of it as plain text."""
        facts = [f"{name}: {value}" for name, value in self.facts]
        link = [] if self.link is None else [self.link]
        return "\n".join([self.headline, "", *facts, *self.lines, *link]).strip()


def message(notice: Notice, language: Language, *, zone: str, link: str | None) -> Message:
    """One notice. Instants are shown on the site's clock, `zone`; `link` has places for ids."""
    texts, data = TEXTS[language], notice.event["data"]
    facts = [(texts.machine, notice.event["subject"])]
    if "alarmId" in data and "ruleId" in data:
        unit = data.get("unit", "")
        facts += [
            (texts.value, _number(data.get("value"), unit)),
            (texts.limit, _number(data.get("limit"), unit)),
            (texts.since, _clock(data.get("violatedAt") or data.get("raisedAt"), zone)),
            (texts.consequence, data.get("consequence") or ""),
            (texts.response, data.get("response") or ""),
        ]
        if data.get("respondWithinS"):
            facts.append((texts.respond_within, f"{data['respondWithinS'] / 60:g} min"))
    return Message(
        headline=_prefix(notice, texts) + _headline(notice.event, notice.priority, texts),
        facts=tuple((name, value) for name, value in facts if value),
        link=_filled(link, data),
        link_text=texts.open,
        priority=notice.priority,
    )


def grouped(
    lines: Sequence[Document], more_count: int, language: Language, *, place: str, priority: str
) -> Message:
    """A flood as one message: `lines` hold a headline in every language."""
    texts = TEXTS[language]
    rest = [texts.more.format(count=more_count)] if more_count else []
    count = texts.grouped.format(count=len(lines) + more_count)
    return Message(
        headline=f"{texts.priorities[priority]} {place}: {count}",
        lines=(*(line["text"][language] for line in lines), *rest),
        priority=priority,
    )


def line(notice: Notice) -> Document:
    """What a message about a flood keeps of a notice."""
    text = {
        language: (_prefix(notice, texts) + _headline(notice.event, notice.priority, texts))[:300]
        for language, texts in TEXTS.items()
    }
    return {"notice": notice.id, "priority": notice.priority, "text": text}


def _prefix(notice: Notice, texts: Texts) -> str:
    if notice.step == 0 and notice.reminder == 0:
        return ""
    words = texts.reminded if notice.reminder else texts.escalated
    return words.format(minutes=notice.minutes)


def _headline(event: Document, priority: str, texts: Texts) -> str:
    told = told_of(event)
    text = f"{texts.happened.get(told or '', '')}{_matter(event, texts)}"
    return " ".join(f"{texts.priorities[priority]} {event['subject']}: {text}".split())


def _matter(event: Document, texts: Texts) -> str:
    data = event["data"]
    match told_of(event):
        case "predicted" if data["probability"] is None:
            return texts.answered.format(
                model=data["model"],
                answer=_number(data["amount"], data["unit"]),
                threshold=_number(data["threshold"], data["unit"]),
            )
        case "predicted":
            return texts.predicted.format(
                model=data["model"],
                probability=f"{data['probability']:.0%}",
                threshold=f"{data['threshold']:.0%}",
            )
        case "blocked":
            return texts.blocked.format(reason=data["reason"])
        case "failed" if "channel" in data:
            return texts.undelivered.format(**{n: data[n] for n in ("policy", "channel", "detail")})
        case "failed":
            return texts.unacted.format(**{n: data[n] for n in ("action", "outcome", "detail")})
        case _:
            unit = data.get("unit", "")
            return texts.alarms[data["kind"]].format(
                signal=data.get("signal") or data["ruleId"],
                value=_number(data.get("value"), unit) or "?",
                limit=_number(data.get("limit"), unit) or "?",
                rule=data["ruleId"],
            )


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if unit in ("", "1") else f"{value:.6g} {unit}"


def _clock(at: str | None, zone: str) -> str:
    if at is None:
        return ""
    moment = datetime.fromtimestamp(instant(at) / 1000, tz=UTC).astimezone(ZoneInfo(zone))
    return f"{moment:%Y-%m-%d %H:%M:%S} {zone}"


def _filled(link: str | None, data: Document) -> str | None:
    if link is None:
        return None
    return link.replace("{machine}", str(data.get("machineId", ""))).replace(
        "{alarm}", str(data.get("alarmId", ""))
    )
