"""What the soak keeps the local cloud busy with: each function is one client's life, until it is cancelled.

All data is bounded: documents are rewritten or expire, twins are patched or deleted, events outlive a minute
only where nobody asked for them. So whatever still grows after the warm-up grows by itself.
"""

import asyncio
import json
import ssl
from collections import Counter
from typing import Any

import aiohttp
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.digitaltwins.core.aio import DigitalTwinsClient
from azure.eventgrid.aio import EventGridPublisherClient
from azure.eventhub.aio import EventHubConsumerClient
from azure.iot.device.aio import IoTHubDeviceClient
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from local.launcher import LocalCloud
from shared.adapters.credentials import credential

ROUND = 50
"""Messages, documents or patches of a client before it leaves and comes back."""
POPULATION = 500
"""Documents and twins that are written again and again."""
SHORT_S = 20
"""Time to live of the documents that come and go."""
PAUSE_S = 0.02
"""Between two operations of a client: work, not load, is what shows a leak."""
MODEL = {
    "@id": "dtmi:soak:Machine;1",
    "@type": "Interface",
    "@context": "dtmi:dtdl:context;3",
    "contents": [{"@type": "Property", "name": "temperatureC", "schema": "double"}],
}


async def device(cloud: LocalCloud, string: str, counts: Counter[str]) -> None:
    """Connects, sends, reports a property, leaves."""
    while True:
        client: Any = IoTHubDeviceClient.create_from_connection_string(
            string, server_verification_cert=cloud.home.ca.read_text()
        )
        try:
            await client.connect()
            for number in range(ROUND):
                await client.send_message(json.dumps({"n": number, "pad": "x" * 200}))
                counts["messages"] += 1
                await asyncio.sleep(5 * PAUSE_S)
            await client.patch_twin_reported_properties({"round": counts["messages"]})
        finally:
            await client.shutdown()
        counts["device connections"] += 1


async def registry(cloud: LocalCloud, counts: Counter[str]) -> None:
    """Makes a device, sets its twin, finds it by a query, deletes it."""

    def once(number: int) -> None:
        manager: Any = IoTHubRegistryManager.from_connection_string(cloud.endpoints["iotHub"])
        manager.protocol.config.connection.verify = str(cloud.home.ca)
        name = f"passing-{number}"
        manager.create_device_with_sas(name, None, None, "enabled")
        manager.update_twin(name, Twin(properties=TwinProperties(desired={"n": number})), "*")
        manager.query_iot_hub({"query": f"SELECT * FROM devices WHERE deviceId = '{name}'"})
        manager.delete_device(name)

    while True:
        await asyncio.to_thread(once, counts["identities"])
        counts["identities"] += 1
        await asyncio.sleep(10 * PAUSE_S)


async def reader(cloud: LocalCloud, counts: Counter[str]) -> None:
    """Reads the device messages; leaves and comes back after a while."""

    async def take(_: Any, events: list[Any]) -> None:
        counts["messages read"] += len(events)

    string, _, hub = cloud.endpoints["iotHubEvents"].partition(";EntityPath=")
    while True:
        client = EventHubConsumerClient.from_connection_string(string, "$Default", eventhub_name=hub)
        async with client:
            receiving = asyncio.create_task(client.receive_batch(take, starting_position="@latest"))
            try:
                await asyncio.wait([receiving], timeout=20)
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
        counts["reader connections"] += 1


async def documents(cloud: LocalCloud, counts: Counter[str]) -> None:
    """Rewrites, reads and patches documents, makes some that expire, queries, follows both change feeds."""
    since: dict[str, Any] = {"start_time": "Now"}
    add = [{"op": "incr", "path": "/n", "value": 1}]
    while True:
        async with CosmosClient(cloud.endpoints["cosmos"], cloud.endpoints["cosmosKey"]) as client:
            database = await client.create_database_if_not_exists("soak")
            kept = await database.create_container_if_not_exists(
                "kept", PartitionKey(path="/machineId"), default_ttl=-1
            )
            versions = await database.create_container_if_not_exists(
                "versions", PartitionKey(path="/machineId"), change_feed_policy={"retentionDuration": 1}
            )
            for _ in range(ROUND):
                n = counts["documents"]
                item = {"id": f"d-{n % POPULATION}", "machineId": f"m-{n % 50}", "n": n, "pad": "x" * 500}
                await kept.upsert_item(item)
                await kept.create_item({**item, "id": f"short-{n}", "ttl": SHORT_S})
                await kept.patch_item(item["id"], item["machineId"], add)
                await versions.upsert_item(item)
                batch = [("upsert", ({**item, "id": f"b-{place}"},)) for place in range(5)]
                await kept.execute_item_batch(batch, item["machineId"])
                # Each query's text is its own: what is kept for texts must not pile up.
                text = f"SELECT TOP 10 c.id, c.n FROM c WHERE c.n > {n - 20} AND c.n < {n}"
                async for _ in kept.query_items(text):
                    counts["rows"] += 1
                counts["documents"] += 1
                await asyncio.sleep(PAUSE_S)
            async for _ in kept.query_items_change_feed(start_time="Beginning"):
                counts["changes"] += 1
            async for _ in versions.query_items_change_feed(mode="AllVersionsAndDeletes", **since):
                counts["versions"] += 1
            headers = versions.client_connection.last_response_headers
            since = {"continuation": headers["etag"]}
        counts["document clients"] += 1


async def twins(cloud: LocalCloud, counts: Counter[str]) -> None:
    """Patches twins, makes and deletes others, queries."""
    tls = ssl.create_default_context(cafile=str(cloud.home.ca))
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls))
    transport = AioHttpTransport(session=session)
    address = cloud.endpoints["digitalTwins"]
    async with DigitalTwinsClient(address, credential("local"), transport=transport) as client:
        await client.create_models([MODEL])
        twin = {"$metadata": {"$model": MODEL["@id"]}, "temperatureC": 1.0}
        for number in range(POPULATION):
            await client.upsert_digital_twin(f"t-{number}", twin)
        while True:
            n = counts["twin patches"]
            patch = [{"op": "replace", "path": "/temperatureC", "value": n % 100}]
            await client.update_digital_twin(f"t-{n % POPULATION}", patch)
            if n % 10 == 0:
                await client.upsert_digital_twin(f"passing-{n}", twin)
                await client.delete_digital_twin(f"passing-{n}")
                text = f"SELECT TOP(5) FROM DIGITALTWINS T WHERE T.temperatureC > {n % 97}.{n}"
                async for _ in client.query_twins(text):
                    counts["rows"] += 1
            counts["twin patches"] += 1
            await asyncio.sleep(PAUSE_S)


async def publisher(cloud: LocalCloud, counts: Counter[str]) -> None:
    """Events for the webhook."""
    key = AzureKeyCredential(cloud.endpoints["eventGridKey"])
    async with EventGridPublisherClient(cloud.endpoints["eventGrid"], key) as client:
        while True:
            await client.send([CloudEvent(source="/soak", type="t", data={"n": n}) for n in range(20)])
            counts["events"] += 20
            await asyncio.sleep(10 * PAUSE_S)


async def webhook(cloud: LocalCloud, counts: Counter[str]) -> web.AppRunner:
    """Takes the events and fails one time in fifty; the subscription is made."""

    async def notify(request: web.Request) -> web.Response:
        await request.read()
        counts["deliveries"] += 1
        return web.Response(status=500 if counts["deliveries"] % 50 == 0 else 200)

    async def agree(request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": request.headers["WebHook-Request-Origin"]})

    app = web.Application()
    app.add_routes([web.post("/", notify), web.options("/", agree)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    topic = cloud.endpoints["eventGrid"].removesuffix("/api/events")
    body = {"properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": url}}}}
    async with (
        aiohttp.ClientSession() as http,
        http.put(f"{topic}/eventSubscriptions/soak", json=body) as answered,
    ):
        answered.raise_for_status()
    return runner


async def device_strings(cloud: LocalCloud, names: list[str]) -> list[str]:
    """Connection strings of devices that are made if they are not there."""
    address = cloud.endpoints["iotHub"].partition("HostName=")[2].partition(";")[0]
    tls = ssl.create_default_context(cafile=str(cloud.home.ca))
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"https://{address}/_local/devices", json={"devices": names}, ssl=tls) as answer,
    ):
        return list((await answer.json()).values())
