"""Sends one reading as a device does and waits for it on the twin and at the API.

The device is enrolled at the provisioning service first, or registered at the hub where there is
none, with a certificate that is thrown away afterwards. In Azure the API must refuse who is not
signed in; --local DIR does the same against a local cloud, whose API has no sign-in.
"""

import argparse
import asyncio
import datetime
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.digitaltwins.core.aio import DigitalTwinsClient
from azure.identity.aio import DefaultAzureCredential
from azure.iot.device import X509, Message
from azure.iot.device.aio import IoTHubDeviceClient

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from enrolment import SCOPE as ENROLMENTS  # noqa: E402
from enrolment import Service, provisioned  # noqa: E402
from first_device import NotOurs, make_certificate, register, registered  # noqa: E402

from shared.adapters.credentials import LocalToken  # noqa: E402  a script: the project is found first

EACH_S = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to send to and where to look."""

    connect: Callable[[str], Awaitable[Any]]
    """Device id -> its client."""
    twins: DigitalTwinsClient
    api: str
    token: str | None
    """For the API; None: nobody could be signed in to it."""
    guarded: bool
    """Whether the API asks who calls, as it must in Azure."""


class NotSeen(Exception):
    """The reading did not come out where it should; says where to look."""


async def smoke(place: Place, device_id: str, machine_id: str, *, within_s: float) -> float:
    """Seconds from sending until twin and API show the reading. Raises NotSeen."""
    sent_at = datetime.datetime.now(datetime.UTC)
    device = await place.connect(device_id)
    reading = {
        "machineId": machine_id,
        "timestamp": sent_at.isoformat(),
        "signals": {"temperature_c": 20 + sent_at.second / 10},
    }
    try:
        message = Message(json.dumps(reading), content_encoding="utf-8", content_type="application/json")
        await device.send_message(message)
    finally:
        await device.shutdown()
    started = time.monotonic()
    await _wait("the twin", lambda: _twin(place, machine_id), sent_at, started, within_s)
    await _api_stands(place)
    if place.token is not None:
        await _wait("the API", lambda: _machine(place, machine_id), sent_at, started, within_s)
    return time.monotonic() - started


async def _wait(
    where: str,
    look: Callable[[], Awaitable[dict[str, Any]]],
    sent_at: datetime.datetime,
    started: float,
    within_s: float,
) -> None:
    while True:
        shown = (await look()).get("lastReadingAt")
        # Milliseconds are all that is kept of a time stamp.
        if shown and datetime.datetime.fromisoformat(shown) >= sent_at - datetime.timedelta(milliseconds=1):
            return
        if time.monotonic() - started > within_s:
            raise NotSeen(
                f"{where} did not show the reading within {within_s:.0f} s (it shows {shown}). "
                "docs/operations.md, 'A reading does not arrive', goes through the way step by step."
            )
        await asyncio.sleep(EACH_S)


async def _api_stands(place: Place) -> None:
    """The API reaches its store, and tells nothing to who is not signed in."""
    expected = [("health", 200)] + ([("machines", 401)] if place.guarded else [])
    async with aiohttp.ClientSession() as http:
        for path, status in expected:
            async with http.get(f"{place.api}/api/{path}") as answer:
                if answer.status != status:
                    raise NotSeen(f"GET {place.api}/api/{path} answers {answer.status}, not {status}")


async def _twin(place: Place, machine_id: str) -> dict[str, Any]:
    try:
        return dict(await place.twins.get_digital_twin(machine_id))
    except HttpResponseError as exc:
        raise NotSeen(f"the twin {machine_id} cannot be read: {exc.message}") from exc


async def _machine(place: Place, machine_id: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {place.token}"}
    url = f"{place.api}/api/machines/{machine_id}"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        if answer.status in (401, 403):
            raise NotSeen(f"{url}: {answer.status}. Give yourself the app role viewer (docs/deploy.md).")
        return await answer.json() if answer.status == 200 else {}


async def azure(opened: AsyncExitStack) -> Place:
    """The environment that azd has set up. To register the device is the deployer's right."""
    from azure.identity import DefaultAzureCredential as Identity  # noqa: PLC0415  the registry's SDK is synchronous
    from azure.iot.hub import IoTHubRegistryManager  # noqa: PLC0415

    identity = await opened.enter_async_context(DefaultAzureCredential())
    host = os.environ["MILLWRIGHT_IOT_HUB_HOST"]
    folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))

    manager = IoTHubRegistryManager.from_token_credential(host, Identity())
    service = _provisioning(identity)

    async def connect(device_id: str) -> Any:
        if service is not None:
            return await provisioned(service, device_id, folder, taken=lambda: registered(manager, device_id))
        certificate, key, thumbprint = make_certificate(device_id, folder)
        await asyncio.to_thread(register, manager, device_id, thumbprint)
        return IoTHubDeviceClient.create_from_x509_certificate(
            X509(str(certificate), str(key)), hostname=host, device_id=device_id
        )

    twins = DigitalTwinsClient(os.environ["MILLWRIGHT_DIGITAL_TWINS_URL"], identity)
    scope = f"api://{os.environ['MILLWRIGHT_API_CLIENT_ID']}/.default"
    try:
        token = (await identity.get_token(scope)).token
    except ClientAuthenticationError:
        token = None
    return Place(connect, twins, os.environ["MILLWRIGHT_API_URL"].rstrip("/"), token, guarded=True)


def _provisioning(identity: DefaultAzureCredential) -> Service | None:
    """The environment's provisioning service, if it has one (prod.json)."""
    name, scope = os.environ.get("MILLWRIGHT_DPS"), os.environ.get("MILLWRIGHT_DPS_ID_SCOPE")
    if not name or not scope:
        return None

    async def authorization() -> str:
        return f"Bearer {(await identity.get_token(ENROLMENTS)).token}"

    return Service(f"https://{name}.azure-devices-provisioning.net", authorization, scope)


def local(folder: Path, opened: AsyncExitStack) -> Place:
    """A local cloud that is running, by its folder: the device comes by its provisioning service."""
    from azure.iot.hub import IoTHubRegistryManager  # noqa: PLC0415
    from azure.iot.hub.sastoken import SasToken  # noqa: PLC0415

    from local.iot_hub.device_port import device_port  # noqa: PLC0415  not there in Azure's hooks

    endpoints: dict[str, str] = json.loads((folder / "endpoints.json").read_text())
    own = Path(opened.enter_context(tempfile.TemporaryDirectory()))
    os.environ["REQUESTS_CA_BUNDLE"] = endpoints["ca"]  # the registry's SDK takes no certificate
    manager = IoTHubRegistryManager.from_connection_string(endpoints["iotHub"])
    parts = dict(part.split("=", 1) for part in endpoints["dps"].split(";"))

    async def authorization() -> str:
        return str(SasToken("localhost", parts["SharedAccessKey"], parts["SharedAccessKeyName"]))

    service = Service(
        f"https://{parts['HostName']}",
        authorization,
        endpoints["dpsIdScope"],
        "localhost",
        ssl.create_default_context(cafile=endpoints["ca"]),
        Path(endpoints["ca"]).read_text(),
    )

    async def connect(device_id: str) -> Any:
        with device_port(int(endpoints["iotHubDevicePort"])):
            device = await provisioned(service, device_id, own, taken=lambda: registered(manager, device_id))
            await device.connect()
        return device

    trust = AioHttpTransport(connection_verify=endpoints["ca"])
    twins = DigitalTwinsClient(endpoints["digitalTwins"], LocalToken("local"), transport=trust)
    return Place(connect, twins, endpoints["api"].rstrip("/"), "local", guarded=False)


async def run(arguments: argparse.Namespace) -> int:
    async with AsyncExitStack() as opened:
        try:
            place = local(arguments.local, opened) if arguments.local else await azure(opened)
            await opened.enter_async_context(place.twins)
            seconds = await smoke(place, arguments.device, arguments.machine, within_s=arguments.within)
        except (NotSeen, NotOurs) as exc:
            print(f"Smoke test: {exc}", file=sys.stderr)
            return 1
    shown = "twin and API" if place.token else "the twin (nobody is signed in to the API: docs/deploy.md)"
    print(f"Smoke test: a reading of {arguments.machine} was on {shown} after {seconds:.1f} s.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", type=Path, metavar="DIR", help="folder of a local cloud that is running")
    parser.add_argument("--device", default=os.environ.get("MILLWRIGHT_SMOKE_DEVICE") or "LINE-1-GATEWAY")
    parser.add_argument("--machine", default=os.environ.get("MILLWRIGHT_SMOKE_MACHINE") or "LINE-1-CNC-1")
    parser.add_argument("--within", type=float, default=300.0, metavar="SECONDS")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
