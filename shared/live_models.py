"""How the models do in the field: precision, recall and lead time from judged calls.

Only as true as what people record: a failure that nobody recorded is missing from recall, and a
fault that nobody looked for makes a call look false.
"""

from collections.abc import Iterable
from math import sqrt
from statistics import median

from shared.ports import Document

_Z = 1.959964
"""Of the standard normal distribution, for 95 %."""

OUTCOMES = ("open", "confirmed", "falseCall", "missed", "unknown")


def figures(calls: Iterable[Document]) -> list[Document]:
    """One item for each model and version, by name. Calls that are open or unknown count for no ratio."""
    by_model: dict[tuple[str, str], list[Document]] = {}
    for call in calls:
        by_model.setdefault((call["model"], call["modelVersion"]), []).append(call)
    return [_figures(model, version, mine) for (model, version), mine in sorted(by_model.items())]


def share(count: int, total: int) -> Document | None:
    """A ratio with its 95 % interval (Wilson 1927); None of nothing.

    >>> share(3, 4)
    {'value': 0.75, 'low': 0.300642, 'high': 0.954413}
    """
    if total == 0:
        return None
    p, z2 = count / total, _Z * _Z
    middle = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z / (1 + z2 / total) * sqrt(p * (1 - p) / total + z2 / (4 * total * total))
    return {
        "value": round(p, 6),
        "low": round(max(0.0, middle - half), 6),
        "high": round(min(1.0, middle + half), 6),
    }


def _figures(model: str, version: str, calls: list[Document]) -> Document:
    count = {outcome: sum(call["outcome"] == outcome for call in calls) for outcome in OUTCOMES}
    leads = [call["leadTimeS"] for call in calls if call["leadTimeS"] is not None]
    confirmed = count["confirmed"]
    return {
        "model": model,
        "modelVersion": version,
        "openCount": count["open"],
        "confirmedCount": confirmed,
        "falseCallCount": count["falseCall"],
        "missedCount": count["missed"],
        "unknownCount": count["unknown"],
        "precision": share(confirmed, confirmed + count["falseCall"]),
        "recall": share(confirmed, confirmed + count["missed"]),
        "leadTimeS": {"median": median(leads), "shortest": min(leads)} if leads else None,
    }
