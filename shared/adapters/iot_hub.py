"""Direct methods of devices through azure-iot-hub, which is synchronous: one thread a call.

The SDK carries no types and takes half a second to import, which most workers never need.
"""

import asyncio
from importlib import import_module
from typing import Any

from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential
from msrest.exceptions import ClientException, HttpOperationError

from shared.ports import Document, Refused, Unavailable

_TIMEOUT_S = 15


class IoTHubMethods:
    """Calls methods with a connection string (local cloud) or by identity (a host name)."""

    def __init__(self, hub: str | None) -> None:
        self._hub = hub
        self._manager: Any = None

    async def call(self, device_id: str, method: str, payload: Document) -> Document:
        """The device's status and payload. Refused for what IoT Hub or the device will not do."""
        return await asyncio.to_thread(self._call, device_id, method, payload)

    def _call(self, device_id: str, method: str, payload: Document) -> Document:
        if self._hub is None:
            raise Refused("MILLWRIGHT_IOT_HUB is not set")
        request = import_module("azure.iot.hub.models").CloudToDeviceMethod(
            method_name=method,
            payload=payload,
            response_timeout_in_seconds=_TIMEOUT_S,
            connect_timeout_in_seconds=_TIMEOUT_S,
        )
        try:
            if self._manager is None:
                self._manager = _manager(self._hub)
            answer: Any = self._manager.invoke_device_method(device_id, request)
        except HttpOperationError as exc:
            status: int = exc.response.status_code
            error = Unavailable if status in (408, 429) or status >= 502 else Refused
            raise error(f"{method} on {device_id}: {status} {exc}") from exc
        except (ClientException, AzureError) as exc:
            raise Unavailable(f"{method} on {device_id}: {exc}") from exc
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} on {device_id}: the device answered {answer.status}")
        return {"status": answer.status, "payload": answer.payload}


def _manager(hub: str) -> Any:
    manager = import_module("azure.iot.hub").IoTHubRegistryManager
    if hub.startswith("HostName="):
        return manager.from_connection_string(hub)
    return manager.from_token_credential(hub, DefaultAzureCredential())
