"""The device registry through azure-iot-hub."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from msrest.exceptions import HttpOperationError

from tests.local_cloud.iot_hub_clients import Plant, key_of, sas

KEY = base64.b64encode(b"0123456789abcdef").decode()


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Plant:
    return Plant(launch("iot-hub"), None)


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """The status and the message with which the service refuses."""
    with pytest.raises(HttpOperationError) as caught:
        call()
    response: Any = caught.value.response
    return response.status_code, response.json()["Message"]


def test_a_device_is_created_read_listed_and_deleted(plant: Plant) -> None:
    manager = plant.registry()
    created = manager.create_device_with_sas("press-1", KEY, KEY, "enabled")
    assert created.authentication.symmetric_key.primary_key == KEY
    read = manager.get_device("press-1")
    assert (read.device_id, read.etag, read.status) == ("press-1", created.etag, "enabled")
    assert "press-1" in [device.device_id for device in manager.get_devices()]
    manager.delete_device("press-1")
    assert refusal(lambda: manager.get_device("press-1")) == (404, "ErrorCode:DeviceNotFound;press-1")


def test_keys_that_are_not_given_are_made(plant: Plant) -> None:
    created = plant.registry().create_device_with_sas("made-1", None, None, "enabled")
    keys = created.authentication.symmetric_key
    assert len(base64.b64decode(keys.primary_key)) == 32
    assert keys.primary_key != keys.secondary_key


def test_a_device_is_created_once(plant: Plant) -> None:
    manager = plant.registry()
    manager.create_device_with_sas("once-1", KEY, KEY, "enabled")
    assert refusal(lambda: manager.create_device_with_sas("once-1", KEY, KEY, "enabled")) == (
        409,
        "ErrorCode:DeviceAlreadyExists;A device with ID 'once-1' is already registered.",
    )


def test_an_update_and_a_deletion_need_the_current_etag(plant: Plant) -> None:
    manager = plant.registry()
    created = manager.create_device_with_sas("etag-1", KEY, KEY, "enabled")
    updated = manager.update_device_with_sas("etag-1", created.etag, KEY, KEY, "disabled")
    assert (updated.status, updated.generation_id) == ("disabled", created.generation_id)
    status, words = refusal(
        lambda: manager.update_device_with_sas("etag-1", created.etag, KEY, KEY, "enabled")
    )
    assert status == 412
    assert words.startswith("ErrorCode:PreconditionFailed;")
    assert refusal(lambda: manager.delete_device("etag-1", created.etag))[0] == 412
    manager.delete_device("etag-1", updated.etag)


def test_a_device_created_again_is_another_generation(plant: Plant) -> None:
    manager = plant.registry()
    first = manager.create_device_with_sas("again-1", KEY, KEY, "enabled")
    manager.delete_device("again-1")
    second = manager.create_device_with_sas("again-1", KEY, KEY, "enabled")
    assert first.generation_id != second.generation_id


def test_devices_and_keys_outlive_a_kill(launch: Callable[..., Any]) -> None:
    process = launch("iot-hub")
    created = Plant(process, None).registry().create_device_with_sas("kept-1", None, None, "enabled")
    before = process.endpoints
    process.kill()
    process.start()
    assert process.endpoints == before
    read = Plant(process, None).registry().get_device("kept-1")
    assert read.etag == created.etag
    assert read.authentication.symmetric_key.primary_key == created.authentication.symmetric_key.primary_key


@pytest.mark.parametrize("device_id", ["with space", "x" * 129, "ümlaut"])
def test_a_device_id_that_the_service_does_not_take_is_refused(plant: Plant, device_id: str) -> None:
    manager = plant.registry()
    status, words = refusal(lambda: manager.create_device_with_sas(device_id, KEY, KEY, "enabled"))
    assert (status, words.split(";")[0]) == (400, "ErrorCode:ArgumentInvalid")


def test_a_key_that_is_no_base64_is_refused(plant: Plant) -> None:
    manager = plant.registry()
    assert refusal(lambda: manager.create_device_with_sas("bad-1", "???", "???", "enabled"))[0] == 400


def test_another_key_is_not_authorized(plant: Plant) -> None:
    string = plant.hub.endpoints["iotHub"]
    manager = plant.registry(string.replace(key_of(string), KEY))
    assert refusal(lambda: manager.get_devices()) == (401, "ErrorCode:IotHubUnauthorizedAccess;Unauthorized")


@pytest.mark.parametrize(
    ("resource", "expires_at", "policy"),
    [
        ("localhost", 1_700_000_000.0, "iothubowner"),
        ("localhost", None, "unknown"),
        ("localhost", None, None),
        ("contoso.azure-devices.net", None, "iothubowner"),
        ("localhost/devices/other", None, "iothubowner"),
    ],
)
def test_a_token_that_does_not_fit_is_not_authorized(
    plant: Plant, resource: str, expires_at: float | None, policy: str | None
) -> None:
    key = key_of(plant.hub.endpoints["iotHub"])
    token = sas(resource, key, expires_at=expires_at, policy=policy)
    assert get(plant, "/devices/press-9", token) == (401, "ErrorCode:IotHubUnauthorizedAccess;Unauthorized")


def test_no_token_is_not_authorized(plant: Plant) -> None:
    assert get(plant, "/devices/press-9", "")[0] == 401


def test_operations_that_are_not_done_say_so(plant: Plant) -> None:
    manager = plant.registry()
    assert refusal(lambda: manager.protocol.jobs.get_import_export_jobs()) == (
        501,
        "ErrorCode:NotImplemented;The local IoT Hub does not do GET /jobs.",
    )
    status, _ = refusal(lambda: manager.create_device_with_certificate_authority("ca-1", "enabled"))
    assert status == 501


def test_a_body_that_is_no_json_is_refused(plant: Plant) -> None:
    key = key_of(plant.hub.endpoints["iotHub"])
    token = sas("localhost", key, policy="iothubowner")
    for body in (b"{", b"[]", b'{"deviceId": "other"}', b'{"deviceId": "x-1", "authentication": 5}'):
        assert get(plant, "/devices/x-1", token, body)[0] == 400
    assert get(plant, "/devices/x-1", token, b" " * (1 << 21))[0] == 413


@pytest.mark.parametrize("top", ["0", "1001", "-1", "ten", "%C2%B2", "9" * 5000])
def test_a_page_has_1_to_1000_devices(plant: Plant, top: str) -> None:
    token = sas("localhost", key_of(plant.hub.endpoints["iotHub"]), policy="iothubowner")
    assert get(plant, f"/devices?top={top}", token)[0] == 400
    assert get(plant, "/devices?top=1000", token)[0] == 200


def get(plant: Plant, path: str, token: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and message of a request without an SDK; a body makes it a PUT."""
    url = f"https://localhost:{plant.hub.ports['https']}{path}"
    request = urllib.request.Request(url, body, method="PUT" if body else "GET")
    request.add_header("Authorization", token)
    try:
        with urllib.request.urlopen(request, context=plant.client_tls()) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["Message"]
