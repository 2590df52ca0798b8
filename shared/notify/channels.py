"""A message on its way to one address: an Adaptive Card, a signed CloudEvent, an e-mail."""

from collections.abc import Callable
from typing import Protocol

import orjson

from shared.notify import signing
from shared.notify.message import Message
from shared.notify.policies import Address
from shared.ports import Document, Refused

_COLOURS = {"critical": "attention", "high": "attention", "medium": "warning", "low": "accent"}
CARD_LINES_MAX = 40
"""Teams takes 28 KB."""


class Webhook(Protocol):
    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Unavailable when it may work later, Refused when the receiver will never take it."""
        ...


class Mail(Protocol):
    async def send(
        self, server: str, *, sender: str, to: str, subject: str, text: str, message_id: str
    ) -> None:
        """Unavailable when it may work later, Refused when the server will never take it."""
        ...


class Channels:
    """Sends to any address. `setting` looks up what the factory file only names; `clock` gives ms."""

    def __init__(
        self, webhook: Webhook, mail: Mail, *, setting: Callable[[str], str | None], clock: Callable[[], int]
    ) -> None:
        self._webhook = webhook
        self._mail = mail
        self._setting = setting
        self._clock = clock

    async def send(self, address: Address, message: Message, event: Document, *, message_id: str) -> None:
        """Send once. `message_id` is the same at every attempt. Unavailable or Refused as the ports say."""
        url = self._value(address.url_setting)
        match address.kind:
            case "email":
                await self._mail.send(
                    url,
                    sender=address.sender,
                    to=address.to,
                    subject=message.headline,
                    text=message.text,
                    message_id=message_id,
                )
            case "teams":
                await self._webhook.post(
                    url, orjson.dumps(card(message)), {"Content-Type": "application/json"}
                )
            case "webhook":
                body = orjson.dumps({**event, "text": message.headline})
                headers = {"Content-Type": "application/cloudevents+json"}
                if address.secret_setting is not None:
                    secret, at_s = self._value(address.secret_setting), self._clock() // 1000
                    headers |= signing.headers(secret, message_id=message_id, at_s=at_s, body=body)
                await self._webhook.post(url, body, headers)

    def _value(self, setting: str) -> str:
        value = self._setting(setting)
        if not value:
            raise Refused(f"setting {setting} is not set")
        return value


def card(message: Message) -> Document:
    """The Adaptive Card in the envelope that a Workflows webhook of Teams takes."""
    body: list[Document] = [
        {
            "type": "TextBlock",
            "text": message.headline,
            "weight": "bolder",
            "size": "medium",
            "color": _COLOURS[message.priority],
            "wrap": True,
        }
    ]
    if message.facts:
        facts = [{"title": name, "value": value} for name, value in message.facts]
        body.append({"type": "FactSet", "facts": facts})
    shown = message.lines[:CARD_LINES_MAX]
    body += [{"type": "TextBlock", "text": line, "wrap": True, "spacing": "small"} for line in shown]
    if len(message.lines) > len(shown):
        body.append({"type": "TextBlock", "text": f"+ {len(message.lines) - len(shown)}"})
    content: Document = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "msteams": {"width": "Full"},
    }
    if message.link is not None:
        content["actions"] = [{"type": "Action.OpenUrl", "title": message.link_text, "url": message.link}]
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": content,
            }
        ],
    }
