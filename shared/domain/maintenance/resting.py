"""Models that rest: a model that was refused, failed or was too slow is asked again once an hour."""

from shared.domain.maintenance.records import Care

REST_MS = 3_600_000
"""Event time. A worker that cannot run a model answers a question in no time, so asking is cheap."""


def may_ask(care: Care, model: str, at: int) -> bool:
    """Whether a model is to be asked about event time `at`, and so whether an answer about it counts."""
    suspension = care.suspended.get(model)
    return suspension is None or at >= suspension.at + REST_MS
