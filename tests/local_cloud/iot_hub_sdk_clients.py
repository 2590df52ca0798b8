"""The device SDK's clients: synchronous and asynchronous, MQTT and web sockets, key and certificate."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from azure.iot.device import IoTHubDeviceClient as SyncClient
from azure.iot.device.aio import IoTHubDeviceClient as AioClient

from tests.local_cloud.iot_hub_certificates import self_signed
from tests.local_cloud.iot_hub_clients import Plant

VARIANTS = ["aio-mqtt", "aio-websockets", "aio-certificate", "sync-mqtt", "sync-websockets"]
numbers = count()


@dataclass
class Client:
    """One of the SDK's clients: the synchronous one is asked from a thread, so that tests read alike."""

    plant: Plant
    name: str
    sdk: Any

    async def do(self, method: str, *arguments: Any) -> Any:
        call = getattr(self.sdk, method)
        if inspect.iscoroutinefunction(call):
            return await call(*arguments)
        return await asyncio.to_thread(call, *arguments)

    def on(self, event: str) -> "asyncio.Queue[Any]":
        """What the client's handler of that event is called with, one by one."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Any]()
        setattr(self.sdk, event, lambda *arguments: loop.call_soon_threadsafe(queue.put_nowait, arguments))
        return queue

    def twin(self) -> Any:
        return self.plant.registry().get_twin(self.name)

    def arrived(self, wanted: int = 1) -> list[Any]:
        """This device's messages, as soon as there are that many."""
        own = self.name.encode()
        events = self.plant.received(
            lambda events: sum(event.partition_key == own for event in events) >= wanted
        )
        return [event for event in events if event.partition_key == own]


@contextlib.asynccontextmanager
async def connected(plant: Plant, variant: str, folder: Path, **options: Any) -> AsyncIterator[Client]:
    """A new device, connected by that client."""
    name = f"{variant}-{next(numbers)}"
    made: Any = AioClient if variant.startswith("aio") else SyncClient
    options["server_verification_cert"] = plant.ca.read_text()
    options["websockets"] = variant.endswith("websockets")
    if variant.endswith("certificate"):
        shown, thumbprint = self_signed(folder, name)
        plant.registry().create_device_with_x509(name, thumbprint, None, "enabled")
        sdk = made.create_from_x509_certificate(shown, "localhost", name, **options)
    else:
        sdk = made.create_from_connection_string(plant.create(name)[name], **options)
    client = Client(plant, name, sdk)
    await client.do("connect")
    try:
        yield client
    finally:
        await client.do("shutdown")
