"""What becomes of a delivery after an attempt: over, tried again, or given up.

Source: "Event Grid message delivery and retry": the schedule, the statuses after which a webhook is not
tried again, and the least delay that some statuses ask for.
"""

import random
from dataclasses import dataclass
from http import HTTPStatus

SCHEDULE_S = (10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600)
THEN_S = 43_200
SUCCESS = frozenset(range(200, 205))
FINAL = frozenset((400, 401, 403, 413))
LEAST_DELAY_S = {408: 120, 503: 30}
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Done:
    """Delivered."""


@dataclass(frozen=True, slots=True)
class Again:
    at: float
    """The instant of the next attempt, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    reason: str
    """As a dead-lettered event states it."""


type Verdict = Done | Again | GivenUp


def verdict(
    status: int | None, *, attempts: int, most: int, expires_at: float, now: float, factor: float
) -> Verdict:
    """Judge attempt number `attempts` (the first is 1), which ended with an HTTP status or, None, without.

    `factor` scales the delays.

    >>> verdict(200, attempts=1, most=30, expires_at=9e9, now=0.0, factor=1.0)
    Done()
    >>> verdict(413, attempts=1, most=30, expires_at=9e9, now=0.0, factor=1.0)
    GivenUp(reason='UndeliverableDueToHttpRequestEntityTooLarge')
    >>> verdict(500, attempts=30, most=30, expires_at=9e9, now=0.0, factor=1.0)
    GivenUp(reason='MaxDeliveryAttemptsExceeded')
    >>> 10 <= verdict(500, attempts=1, most=30, expires_at=9e9, now=0.0, factor=1.0).at <= 11
    True
    """
    if status in SUCCESS:
        return Done()
    if status in FINAL:
        return GivenUp(f"UndeliverableDueToHttp{outcome(status)}")
    if attempts >= most:
        return GivenUp("MaxDeliveryAttemptsExceeded")
    delay_s = SCHEDULE_S[attempts - 1] if attempts <= len(SCHEDULE_S) else THEN_S
    delay_s = max(delay_s, LEAST_DELAY_S.get(status or 0, 0))
    at = now + factor * delay_s * (1 + random.random() * JITTER)
    return Again(at) if at < expires_at else GivenUp("TimeToLiveExceeded")


def outcome(status: int | None) -> str:
    """An attempt's end in the service's word.

    >>> outcome(404), outcome(413), outcome(None)
    ('NotFound', 'RequestEntityTooLarge', 'TimedOut')
    """
    if status is None:
        return "TimedOut"
    if status == 413:
        return "RequestEntityTooLarge"
    try:
        return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    except ValueError:
        return str(status)
