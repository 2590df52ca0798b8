"""The first device by way of the provisioning service: enrolled by certificate, as a plant's devices are.

Enrolling is the service's REST API, which no SDK in Python speaks; the device's side is Microsoft's
SDK. Azure and the local cloud differ in addresses and in how one signs in, which `Service` holds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from ssl import SSLContext
from typing import Any

import aiohttp
from azure.iot.device import X509
from azure.iot.device.aio import IoTHubDeviceClient, ProvisioningDeviceClient
from azure.iot.device.exceptions import ClientError, CredentialError
from first_device import MARK, NotOurs, make_certificate

API_VERSION = "2021-10-01"
SCOPE = "https://azure-devices-provisioning.net/.default"
DEVICES_HOST = "global.azure-devices-provisioning.net"
"""Where every device of Azure asks, whatever its service is called."""
TAG = "madeBy"


@dataclass(frozen=True, slots=True)
class Service:
    """A provisioning service, as operators and as devices reach it."""

    url: str
    authorization: Callable[[], Awaitable[str]]
    """The header of a request to it."""
    id_scope: str
    devices_host: str = DEVICES_HOST
    tls: SSLContext | bool = True
    ca: str | None = None
    """Certificate, as text, of a service that no public authority vouches for."""


async def enrol(service: Service, device_id: str, certificate: str, *, taken: bool) -> None:
    """Enrol the device, or give one that an earlier test enrolled the new certificate. Raises NotOurs.

    `taken`: the hub knows the device. Then, without an enrolment of ours, it is somebody's.
    """
    url = f"{service.url}/enrollments/{device_id}?api-version={API_VERSION}"
    headers = {"Authorization": await service.authorization()}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(url, ssl=service.tls) as answer:
            found: Any = await answer.json(content_type=None)
            missing = answer.status == HTTPStatus.NOT_FOUND
            if not missing and answer.status != HTTPStatus.OK:
                raise NotOurs(f"{device_id}: the provisioning service answers {answer.status}: {found}")
        if taken if missing else _tags(found).get(TAG) != MARK:
            raise NotOurs(
                f"{device_id} is registered or enrolled already, its certificate is not ours to replace. "
                "Name another: azd env set MILLWRIGHT_SMOKE_DEVICE ... and MILLWRIGHT_SMOKE_MACHINE ..."
            )
        body = {
            "registrationId": device_id,
            "deviceId": device_id,
            "attestation": {
                "type": "x509",
                "x509": {"clientCertificates": {"primary": {"certificate": certificate}}},
            },
            "initialTwin": {"tags": {TAG: MARK}},
            "provisioningStatus": "enabled",
        }
        etag = {} if missing else {"If-Match": found["etag"]}
        async with http.put(url, json=body, headers=etag, ssl=service.tls) as answer:
            if answer.status != HTTPStatus.OK:
                raise NotOurs(f"{device_id} could not be enrolled: {answer.status} {await answer.text()}")


def _tags(enrolment: dict[str, Any]) -> dict[str, Any]:
    return (enrolment.get("initialTwin") or {}).get("tags") or {}


async def provisioned(
    service: Service, device_id: str, folder: Path, *, taken: Callable[[], bool]
) -> IoTHubDeviceClient:
    """A client of the hub that the service sends the device to. Raises NotOurs."""
    certificate, key, _ = make_certificate(device_id, folder)
    await enrol(service, device_id, certificate.read_text(), taken=await asyncio.to_thread(taken))
    shown = X509(str(certificate), str(key))
    trust = {} if service.ca is None else {"server_verification_cert": service.ca}
    asking = ProvisioningDeviceClient.create_from_x509_certificate(
        service.devices_host, device_id, service.id_scope, shown, **trust
    )
    try:
        told = await asking.register()
    except (ClientError, CredentialError) as exc:
        raise NotOurs(f"{device_id} was enrolled and is not let in: {exc!r}") from exc
    state = told.registration_state
    if told.status != "assigned" or state is None:
        raise NotOurs(f"{device_id} was enrolled, and the provisioning service says {told.status}")
    return IoTHubDeviceClient.create_from_x509_certificate(
        shown, hostname=state.assigned_hub, device_id=state.device_id, **trust
    )
