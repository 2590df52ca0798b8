"""Provisioning through azure-iot-device; enrolling over the service API, which no Python package speaks."""

import datetime
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.iot.device import X509
from azure.iot.device.aio import IoTHubDeviceClient, ProvisioningDeviceClient
from azure.iot.device.exceptions import ClientError, CredentialError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.dps.enrollments import derived
from local.iot_hub.device_port import device_port
from tests.local_cloud.iot_hub_clients import Plant, key_of, sas

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    hub = launch("iot-hub")
    with device_port(hub.ports["mqtt"]):
        yield Plant(hub, None)


def call(plant: Plant, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    token = sas("localhost", key_of(plant.hub.endpoints["dps"]), policy="provisioningserviceowner")
    request = urllib.request.Request(
        f"https://localhost:{plant.hub.ports['https']}{path}?api-version=2021-10-01",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": token, **{name.replace("_", "-"): value for name, value in headers.items()}},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, context=plant.client_tls()) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def by_key(plant: Plant, registration_id: str, key: str) -> ProvisioningDeviceClient:
    return ProvisioningDeviceClient.create_from_symmetric_key(
        "localhost",
        registration_id,
        plant.hub.endpoints["dpsIdScope"],
        key,
        server_verification_cert=plant.ca.read_text(),
    )


def symmetric(key: str) -> dict[str, Any]:
    return {"type": "symmetricKey", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}


async def test_an_enrolled_device_gets_its_place_its_twin_and_connects(plant: Plant) -> None:
    enrollment = {
        "registrationId": "alone-1",
        "deviceId": "press-7",
        "attestation": symmetric(KEY),
        "initialTwin": {"tags": {"hall": "A"}, "properties": {"desired": {"rpm": 900}}},
    }
    status, made = call(plant, "PUT", "/enrollments/alone-1", enrollment)
    assert (status, made["provisioningStatus"]) == (200, "enabled")
    result = await by_key(plant, "alone-1", KEY).register()
    assert (result.status, result.registration_state.sub_status) == ("assigned", "initialAssignment")
    assert (result.registration_state.assigned_hub, result.registration_state.device_id) == (
        "localhost",
        "press-7",
    )
    twin = plant.registry().get_twin("press-7")
    assert (twin.tags, twin.properties.desired["rpm"]) == ({"hall": "A"}, 900)
    client = IoTHubDeviceClient.create_from_symmetric_key(
        KEY, "localhost", "press-7", server_verification_cert=plant.ca.read_text()
    )
    await client.connect()
    assert (await client.get_twin())["desired"]["rpm"] == 900
    await client.shutdown()
    assert call(plant, "GET", "/registrations/alone-1")[1]["deviceId"] == "press-7"
    again = await by_key(plant, "alone-1", KEY).register()
    assert again.registration_state.device_id == "press-7"
    assert plant.registry().get_twin("press-7").tags == {"hall": "A"}


async def test_a_groups_devices_derive_their_keys(plant: Plant) -> None:
    call(plant, "PUT", "/enrollmentGroups/line-3", {"attestation": symmetric(KEY)})
    result = await by_key(plant, "robot-1", derived(KEY, "robot-1")).register()
    assert result.registration_state.device_id == "robot-1"
    states = call(plant, "POST", "/registrations/line-3/query", {})[1]
    assert [state["registrationId"] for state in states] == ["robot-1"]
    wrong = by_key(plant, "robot-2", derived(KEY, "robot-1"))
    with pytest.raises(CredentialError):
        await wrong.register()
    etag = call(plant, "GET", "/enrollmentGroups/line-3")[1]["etag"]
    disabled = {"attestation": {"type": "symmetricKey"}, "provisioningStatus": "disabled"}
    assert call(plant, "PUT", "/enrollmentGroups/line-3", disabled, If_Match=etag)[0] == 200
    assert call(plant, "PUT", "/enrollmentGroups/line-3", disabled, If_Match=etag)[0] == 412
    with pytest.raises((CredentialError, ClientError)):
        await by_key(plant, "robot-1", derived(KEY, "robot-1")).register()


def leaf(authority: trustme.CA, folder: Path, name: str) -> tuple[X509, str]:
    """A certificate of this authority for a registration id; and as PEM."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer: Any = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(signer, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(pem)
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return X509(str(folder / f"{name}.pem"), str(folder / f"{name}.key")), pem.decode()


def by_certificate(plant: Plant, registration_id: str, shown: X509) -> ProvisioningDeviceClient:
    return ProvisioningDeviceClient.create_from_x509_certificate(
        "localhost",
        registration_id,
        plant.hub.endpoints["dpsIdScope"],
        shown,
        server_verification_cert=plant.ca.read_text(),
    )


async def test_certificates_prove_a_device_and_a_groups_members(plant: Plant, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    own, pem = leaf(authority, tmp_path, "cert-alone")
    attestation = {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": pem}}}}
    assert call(plant, "PUT", "/enrollments/cert-alone", {"attestation": attestation})[0] == 200
    signing = {"signingCertificates": {"primary": {"certificate": authority.cert_pem.bytes().decode()}}}
    assert (
        call(plant, "PUT", "/enrollmentGroups/ca", {"attestation": {"type": "x509", "x509": signing}})[0]
        == 200
    )
    member, _ = leaf(authority, tmp_path, "cert-member")
    forged, _ = leaf(stranger, tmp_path, "cert-forged")
    for name, shown in (("cert-alone", own), ("cert-member", member)):
        result = await by_certificate(plant, name, shown).register()
        assert result.registration_state.device_id == name
    with pytest.raises((CredentialError, ClientError)):
        await by_certificate(plant, "cert-forged", forged).register()
    with pytest.raises((CredentialError, ClientError)):
        await by_certificate(plant, "cert-other", member).register()
    client = IoTHubDeviceClient.create_from_x509_certificate(
        member, "localhost", "cert-member", server_verification_cert=plant.ca.read_text()
    )
    await client.connect()
    assert client.connected
    await client.shutdown()


def test_the_service_api_refuses_clearly(plant: Plant) -> None:
    assert call(plant, "GET", "/enrollments/nobody")[0] == 404
    assert call(plant, "PUT", "/enrollments/bad%20id", {"attestation": symmetric(KEY)})[0] == 400
    assert call(plant, "PUT", "/enrollments/bad-1", {"attestation": symmetric("???")})[0] == 400
    assert call(plant, "PUT", "/enrollments/bad-1", {"attestation": {"type": "tpm"}})[0] == 501
    x509_body = {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": "no"}}}}
    assert call(plant, "PUT", "/enrollments/bad-1", {"attestation": x509_body})[0] == 400
    for _ in range(2):
        status, body = call(plant, "PUT", "/enrollments/twice-1", {"attestation": symmetric(KEY)})
    assert (status, body["errorCode"]) == (409, 409201)
    assert (
        call(plant, "POST", "/enrollments/twice-1/attestationmechanism")[1]["symmetricKey"]["primaryKey"]
        == KEY
    )
    assert "symmetricKey" not in call(plant, "GET", "/enrollments/twice-1")[1]["attestation"]
    page = call(plant, "POST", "/enrollments/query", {"query": "SELECT *"}, x_ms_max_item_count="1")[1]
    assert len(page) == 1
    assert call(plant, "DELETE", "/enrollments/twice-1")[0] == 204
    wrong = sas("localhost", KEY, policy="provisioningserviceowner")
    url = f"https://localhost:{plant.hub.ports['https']}/enrollments/x"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(
            urllib.request.Request(url, headers={"Authorization": wrong}), context=plant.client_tls()
        )
    with caught.value:
        assert caught.value.code == 401
