"""Notifications over Cosmos DB: what is due is found, a flood is one batch, ETags make workers take turns."""

import asyncio
from collections.abc import Callable

from local.inbox import Inbox
from shared.adapters.containers import ensure
from shared.adapters.cosmos import CosmosDocuments, cosmos_client
from shared.adapters.smtp import SmtpMail
from shared.adapters.webhook import HttpWebhook
from shared.contracts.reactions import Pace, Step
from shared.notify import Notifier
from tests.contracts.conftest import ServiceProcess
from tests.shell.test_notifications import World, policy, raised


async def test_floods_escalations_and_retries_are_found_when_due(
    launch: Callable[..., ServiceProcess],
) -> None:
    service = launch("cosmos")
    client = cosmos_client(service.endpoints["cosmos"], service.endpoints["cosmosKey"])
    async with cosmos_client(service.endpoints["cosmos"], service.endpoints["cosmosKey"]) as maker:
        await ensure(maker)
    async with CosmosDocuments(client) as documents, Inbox() as inbox, HttpWebhook() as web:
        world = World(inbox, web)
        world.settings["DEAD_URL"] = "http://127.0.0.1:9/"
        world.policies = (
            policy(notify=["screen", "dead"], flood=Pace(at_most=2, within_s=60)),
            policy(id="q", escalate=[Step(after_min=5, notify=["room"])], flood=Pace(at_most=9, within_s=60)),
        )

        def worker() -> Notifier:
            return Notifier(
                documents,
                world,
                web,
                SmtpMail(),
                world.topic,
                setting=lambda name: world.settings.get(name),
                clock=lambda: world.now,
            )

        first, second = worker(), worker()
        for n in range(1, 5):
            event = raised(n)
            alarm = {"id": f"alarm:{event['id']}", "type": "alarm", **event["data"]}
            await documents.upsert("machines", "LINE-1-CNC-1", alarm)
            await asyncio.gather(first(event), second(event))
        assert [kind for kind, _ in world.told()] == ["webhook"] * 6
        world.now += 60_000
        world.settings["DEAD_URL"] = inbox.url
        await asyncio.gather(first.on_time(), second.on_time())
        told = [text for _, text in world.told()]
        assert sorted("2 alarms and notices" in text for text in told) == [False, False, True, True]
        world.now += 5 * 60_000
        await asyncio.gather(first.on_time(), second.on_time())
        assert [kind for kind, _ in world.told()] == ["teams"] * 4
        await asyncio.gather(first.on_time(), second.on_time())
        assert world.told() == []
