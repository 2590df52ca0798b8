"""Automation against a device: azure-iot-hub sets desired properties, azure-iot-device reports them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from local.iot_hub.device_port import device_port
from shared.adapters.iot_hub import IoTHubDevices
from shared.automate.answers import acknowledged
from shared.ports import Refused
from tests.local_cloud.iot_hub_clients import Plant

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


async def test_a_desired_property_reaches_the_device_and_its_acknowledgement_comes_back(
    launch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = launch("iot-hub")
    with Plant(hub, None) as plant, device_port(hub.ports["mqtt"]):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(plant.ca))
        devices = IoTHubDevices(hub.endpoints["iotHub"])
        client = plant.client(plant.create("gateway-1")["gateway-1"])

        async def take(patch: dict[str, Any]) -> None:
            ratio = {"value": patch["machines"]["M-1"]["feedRatio"], "ac": 200, "av": patch["$version"]}
            await client.patch_twin_reported_properties({"machines": {"M-1": {"feedRatio": ratio}}})

        client.on_twin_desired_properties_patch_received = take
        await client.connect()
        await devices.set_desired("gateway-1", {"machines": {"M-1": {"feedRatio": 0.5}}})
        async with asyncio.timeout(60):
            while "machines" not in (reported := await devices.reported("gateway-1")):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert acknowledged(reported["machines"]["M-1"]["feedRatio"]) == (0.5, 200)
        await client.shutdown()
        with pytest.raises(Refused, match="404"):
            await devices.set_desired("nobody", {"machines": {}})
