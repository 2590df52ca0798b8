"""Asks a webhook whether it wants events, before any is sent.

Source: "Endpoint validation with Event Grid event schema"; CloudEvents "HTTP 1.1 Web Hooks for Event
Delivery", section 4 (abuse protection).
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import orjson

from local.event_grid import errors
from local.event_grid.answer import beginning
from local.event_grid.schema import Schema
from local.event_grid.subscriptions import Subscription, topic_id

ORIGIN = "eventgrid.azure.net"
ANSWER_S = 30


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a webhook may answer later, by a GET on the URL it was sent."""

    code: str
    url: str


async def invite(subscription: Subscription, invitation: Invitation, now: float) -> bool:
    """True when the webhook agreed at once, False when it took note and may still visit the URL.

    GridError when it did neither.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            if subscription.schema is Schema.CLOUD_EVENTS:
                return await _ask_options(http, subscription.url, invitation)
            return await _send_validation_event(http, subscription, invitation, now)
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        why = "Destination endpoint not found or did not respond within expected timeout."
        raise errors.handshake_failed(subscription.url, why) from exc


async def _ask_options(http: aiohttp.ClientSession, url: str, invitation: Invitation) -> bool:
    headers = {
        "WebHook-Request-Origin": ORIGIN,
        "WebHook-Request-Callback": invitation.url,
        "WebHook-Request-Rate": "120",
    }
    async with http.options(url, headers=headers, allow_redirects=False) as answer:
        if not 200 <= answer.status < 300:
            why = f"Http OPTIONS request failed with response code {answer.status}."
            raise errors.handshake_failed(url, why)
        allowed = answer.headers.get("WebHook-Allowed-Origin", "")
        return allowed.strip().lower() in ("*", ORIGIN)


async def _send_validation_event(
    http: aiohttp.ClientSession, subscription: Subscription, invitation: Invitation, now: float
) -> bool:
    event = {
        "id": str(uuid.uuid4()),
        "topic": topic_id(subscription.topic),
        "subject": "",
        "data": {"validationCode": invitation.code, "validationUrl": invitation.url},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "aeg-event-type": "SubscriptionValidation",
        "aeg-subscription-name": subscription.name.upper(),
        "aeg-delivery-count": "0",
        "aeg-metadata-version": "1",
        "aeg-data-version": "2",
    }
    async with http.post(
        subscription.url, data=orjson.dumps([event]), headers=headers, allow_redirects=False
    ) as answer:
        if not 200 <= answer.status < 300:
            why = f"Http POST request failed with response code {answer.status}."
            raise errors.handshake_failed(subscription.url, why)
        text = await beginning(answer)
    try:
        reply: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(reply, dict) and invitation.code in reply.values()
