"""Devices with certificates, modules, and many identities at once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.iot.device import X509
from azure.iot.device.aio import IoTHubDeviceClient, IoTHubModuleClient
from azure.iot.device.exceptions import ConnectionFailedError, CredentialError
from azure.iot.hub.models import ExportImportDevice, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from local.iot_hub.device_port import device_port
from tests.local_cloud.iot_hub_certificates import self_signed
from tests.local_cloud.iot_hub_clients import EVENTS, Plant, make_hub

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    event_hubs = launch("event-hubs")
    hub = launch("iot-hub", environment={EVENTS: make_hub(event_hubs, "telemetry", 1)})
    with device_port(hub.ports["mqtt"]), Plant(hub, event_hubs) as plant:
        yield plant


def with_certificate(plant: Plant, device_id: str, shown: X509) -> IoTHubDeviceClient:
    return IoTHubDeviceClient.create_from_x509_certificate(
        shown, "localhost", device_id, server_verification_cert=plant.ca.read_text(), connection_retry=False
    )


async def test_a_device_is_known_by_the_thumbprint_of_its_certificate(plant: Plant, tmp_path: Path) -> None:
    own, thumbprint = self_signed(tmp_path, "cert-1")
    other, _ = self_signed(tmp_path, "other")
    plant.registry().create_device_with_x509("cert-1", thumbprint, None, "enabled")
    client = with_certificate(plant, "cert-1", own)
    await client.connect()
    await client.send_message("certified")
    await client.shutdown()
    wrong = with_certificate(plant, "cert-1", other)
    with pytest.raises((CredentialError, ConnectionFailedError)):
        await wrong.connect()
    await wrong.shutdown()
    (event,) = plant.received(lambda events: len(events) == 1)
    method = json.loads(event.system_properties[b"iothub-connection-auth-method"])
    assert (method["scope"], method["type"]) == ("device", "x509Certificate")
    device = plant.registry().get_device("cert-1")
    assert device.authentication.type == "selfSigned"
    assert device.authentication.x509_thumbprint.primary_thumbprint == thumbprint.upper()


def test_a_thumbprint_must_be_one(plant: Plant) -> None:
    for thumbprint in ("", "abc", "z" * 40):
        with pytest.raises(HttpOperationError) as caught:
            plant.registry().create_device_with_x509("cert-2", thumbprint, None, "enabled")
        assert caught.value.response.status_code == 400


async def test_a_module_has_its_own_twin_messages_and_end(plant: Plant) -> None:
    plant.create("owner-1")
    manager = plant.registry()
    created = manager.create_module_with_sas("owner-1", "camera", "me", None, None)
    key = created.authentication.symmetric_key.primary_key
    string = f"HostName=localhost;DeviceId=owner-1;ModuleId=camera;SharedAccessKey={key}"
    client = IoTHubModuleClient.create_from_connection_string(
        string, server_verification_cert=plant.ca.read_text()
    )
    await client.connect()
    await client.send_message("seen")
    manager.update_module_twin("owner-1", "camera", Twin(properties=TwinProperties(desired={"fps": 5})))
    assert (await client.get_twin())["desired"]["fps"] == 5
    assert "fps" not in manager.get_twin("owner-1").properties.desired
    assert [module.module_id for module in manager.get_modules("owner-1")] == ["camera"]
    await client.shutdown()

    def ours(events: list[Any]) -> list[Any]:
        return [e for e in events if e.system_properties.get(b"iothub-connection-module-id") == b"camera"]

    assert ours(plant.received(lambda events: bool(ours(events))))[0].body_as_str() == "seen"
    manager.delete_device("owner-1")
    with pytest.raises(HttpOperationError) as caught:
        manager.get_module("owner-1", "camera")
    assert caught.value.response.json()["Message"] == "ErrorCode:ModuleNotFound;owner-1/camera"


def test_many_identities_are_changed_at_once(plant: Plant) -> None:
    manager = plant.registry()

    def bulk(mode: str, *names: str, **more: Any) -> Any:
        return manager.bulk_create_or_update_devices(
            [ExportImportDevice(id=name, import_mode=mode, **more) for name in names]
        )

    assert bulk("create", "bulk-1", "bulk-2", tags={"hall": "A"}).is_successful
    assert manager.get_twin("bulk-2").tags == {"hall": "A"}
    partly = bulk("create", "bulk-2", "bulk-3")
    assert not partly.is_successful
    assert [(error.device_id, error.error_code) for error in partly.errors] == [
        ("bulk-2", "DeviceAlreadyExists")
    ]
    assert manager.get_device("bulk-3").status == "enabled"
    stale = bulk("updateIfMatchETag", "bulk-1", e_tag="old", status="disabled")
    assert [error.error_code for error in stale.errors] == ["PreconditionFailed"]
    assert bulk("update", "bulk-1", status="disabled").is_successful
    assert bulk("updateTwin", "bulk-1", tags={"hall": "B"}).is_successful
    assert (manager.get_device("bulk-1").status, manager.get_twin("bulk-1").tags) == (
        "disabled",
        {"hall": "B"},
    )
    assert bulk("delete", "bulk-1", "bulk-2", "bulk-3").is_successful
    with pytest.raises(HttpOperationError):
        manager.get_device("bulk-3")
