"""Where events go that cannot be delivered: files as the service's blobs, below the home folder."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from local.event_grid.schema import Json, Schema
from local.event_grid.subscriptions import Subscription


@dataclass(frozen=True, slots=True)
class Failure:
    reason: str
    attempts: int
    outcome: str
    published_at: float
    tried_at: float


def bury(folder: Path, subscription: Subscription, event: Json, failure: Failure) -> Path:
    """Write CONTAINER/TOPIC/SUBSCRIPTION/year/month/day/hour/id.json, an array of one event.

    CloudEvents carry the reasons as extension attributes, which are lower case.
    """
    at = datetime.fromtimestamp(failure.tried_at, UTC)
    facts: Json = {
        "deadLetterReason": failure.reason,
        "deliveryAttempts": failure.attempts,
        "lastDeliveryOutcome": failure.outcome,
        "publishTime": _stamp(failure.published_at),
        "lastDeliveryAttemptTime": _stamp(failure.tried_at),
    }
    if subscription.schema is Schema.CLOUD_EVENTS:
        facts = {name.lower(): value for name, value in facts.items()}
    place = (
        folder / (subscription.dead_letters or "") / subscription.topic.upper() / subscription.name.upper()
    )
    path = place / at.strftime("%Y/%m/%d/%H") / f"{uuid.uuid4()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first: who watches the folder never reads half a letter.
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(orjson.dumps([event | facts], option=orjson.OPT_INDENT_2))
    unfinished.replace(path)
    return path


def _stamp(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}0Z"
