"""Twins equal their documents behind a whole running backend, also after somebody changed one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from local.backend import Backend
from local.iot_hub.device_port import device_port
from local.plant.send import Hub, device_client, register
from shared.adapters.credentials import credential
from shared.adapters.digital_twins import AzureTwins
from shared.instants import iso
from shared.ports import Document
from shared.relay.twins import TwinRelay

pytestmark = [
    # The device SDK asks for TLS 1.2 in the old way.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2 is deprecated:DeprecationWarning"),
    # It leaves the sockets that woke its threads to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(150),
]

MACHINE, GATEWAY = "LINE-1-CONVEYOR-1", "LINE-1-GATEWAY"


@pytest_asyncio.fixture(loop_scope="session")
async def twins(backend: Backend) -> AsyncIterator[AzureTwins]:
    url, ca = backend.cloud.endpoints["digitalTwins"], backend.cloud.endpoints["ca"]
    async with AzureTwins(url, credential("local"), connection_verify=ca) as found:
        yield found


async def send(backend: Backend, *states: str) -> None:
    """A reading for each state, as the gateway would."""
    hub = Hub.of(backend.cloud.endpoints)
    strings = await asyncio.to_thread(register, hub, [GATEWAY])
    with device_port(hub.mqtt_port):
        ca = await asyncio.to_thread(Path(hub.ca).read_text)
        device = device_client(strings[GATEWAY], ca)
        await device.connect()
        for state in states:
            now = iso(time.time_ns() // 1_000_000)
            reading = {"machineId": MACHINE, "timestamp": now, "state": state, "signals": {"power_kw": 2.0}}
            await device.send_message(orjson.dumps(reading))
        await device.shutdown()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 60
    while not await condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.2)


async def test_twins_equal_their_documents_and_a_change_by_hand_does_not_last(
    backend: Backend, twins: AzureTwins
) -> None:
    documents = backend.store.documents
    relay = TwinRelay(twins, documents)

    async def shown(container: str, partition: str, id: str, holds: Callable[[Document], bool]) -> bool:
        document = await documents.get(container, partition, id)
        return document is not None and holds(document) and await relay.differences(document) == []

    async def the_machine_is(state: str) -> bool:
        return await shown("machines", MACHINE, "twin", lambda document: document["state"] == state)

    await send(backend, "Execute", "Held")
    await until(lambda: the_machine_is("Held"))
    await until(lambda: shown("scopes", "LINE-1", "status", lambda status: "Held" in status["states"]))

    await twins.patch(MACHINE, [{"op": "add", "path": "/powerKw", "value": 3.75}])
    await send(backend, "Execute")
    await until(lambda: the_machine_is("Execute"))
    twin = await twins.get(MACHINE)
    assert twin is not None
    assert twin["powerKw"] == 2.0


async def test_a_twin_renamed_by_hand_is_reported_until_it_is_called_as_the_file_says(
    backend: Backend, twins: AzureTwins
) -> None:
    documents = backend.store.documents

    async def the_conflict_is(open: bool) -> bool:
        found = documents.query(
            "deliveries", "SELECT * FROM c WHERE c.twinId = @id", {"@id": MACHINE}, partition="conflicts"
        )
        return [one["open"] async for one in found] == [open]

    before = await twins.get(MACHINE)
    assert before is not None
    await twins.patch(MACHINE, [{"op": "replace", "path": "/name", "value": "Mine"}])
    await until(lambda: the_conflict_is(open=True))
    await twins.patch(MACHINE, [{"op": "replace", "path": "/name", "value": before["name"]}])
    await until(lambda: the_conflict_is(open=False))
