"""Direct methods and twins of devices through azure-iot-hub, which is synchronous: one thread a call.

The SDK carries no types and takes half a second to import, which most workers never need.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential
from msrest.exceptions import ClientException, HttpOperationError

from shared.ports import Document, Refused, Unavailable

_TIMEOUT_S = 15


class IoTHubDevices:
    """Signs in with a connection string (local cloud) or by identity (a host name)."""

    def __init__(self, hub: str | None) -> None:
        self._hub = hub
        self._manager: Any = None

    async def call(self, device_id: str, method: str, payload: Document) -> Document:
        """The device's status and payload. Refused for what IoT Hub or the device will not do."""
        return await asyncio.to_thread(self._call, device_id, method, payload)

    async def set_desired(self, device_id: str, desired: Document) -> None:
        """Merge into the device's desired properties."""
        await asyncio.to_thread(self._set_desired, device_id, desired)

    async def reported(self, device_id: str) -> Document:
        """The device's reported properties."""
        return await asyncio.to_thread(self._reported, device_id)

    def _call(self, device_id: str, method: str, payload: Document) -> Document:
        request = _models().CloudToDeviceMethod(
            method_name=method,
            payload=payload,
            response_timeout_in_seconds=_TIMEOUT_S,
            connect_timeout_in_seconds=_TIMEOUT_S,
        )
        with _translated(f"{method} on {device_id}"):
            answer: Any = self._registry().invoke_device_method(device_id, request)
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} on {device_id}: the device answered {answer.status}")
        return {"status": answer.status, "payload": answer.payload}

    def _set_desired(self, device_id: str, desired: Document) -> None:
        twin = _models().Twin(properties=_models().TwinProperties(desired=desired))
        with _translated(f"desired properties of {device_id}"):
            self._registry().update_twin(device_id, twin)

    def _reported(self, device_id: str) -> Document:
        with _translated(f"reported properties of {device_id}"):
            twin: Any = self._registry().get_twin(device_id)
        return dict(twin.properties.reported or {})

    def _registry(self) -> Any:
        if self._hub is None:
            raise Refused("MILLWRIGHT_IOT_HUB is not set")
        if self._manager is None:
            self._manager = _manager(self._hub)
        return self._manager


@contextmanager
def _translated(what: str) -> Generator[None]:
    try:
        yield
    except HttpOperationError as exc:
        status: int = exc.response.status_code
        error = Unavailable if status in (408, 429) or status >= 502 else Refused
        raise error(f"{what}: {status} {exc}") from exc
    except (ClientException, AzureError) as exc:
        raise Unavailable(f"{what}: {exc}") from exc


def _models() -> Any:
    return import_module("azure.iot.hub.models")


def _manager(hub: str) -> Any:
    manager = import_module("azure.iot.hub").IoTHubRegistryManager
    if hub.startswith("HostName="):
        return manager.from_connection_string(hub)
    return manager.from_token_credential(hub, DefaultAzureCredential())
