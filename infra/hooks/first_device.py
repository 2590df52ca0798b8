"""A device for the smoke test: a certificate that lives as long as the test, and its registration."""

import datetime
import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Any

from azure.iot.hub import IoTHubRegistryManager
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msrest.exceptions import HttpOperationError

MARK = "made by the smoke test; its key is gone"
"""Stands in the registration: such a device may be given a new certificate, any other is somebody's."""

DAY = datetime.timedelta(days=1)


class NotOurs(Exception):
    """The device exists and is somebody's, or the hub refuses; says what to do."""


def make_certificate(device_id: str, folder: Path) -> tuple[Path, Path, str]:
    """A self-signed certificate for a day: its file, the key's file, the thumbprint IoT Hub knows it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "device.pem", folder / "device.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    # A name for the certificate, no signature.
    encoded = certificate.public_bytes(serialization.Encoding.DER)
    return certificate_file, key_file, hashlib.sha1(encoded, usedforsecurity=False).hexdigest().upper()


def registered(manager: IoTHubRegistryManager, device_id: str) -> bool:
    """Whether the hub knows a device of that name that no smoke test registered. Raises NotOurs."""
    try:
        found: Any = manager.get_device(device_id)
    except HttpOperationError as exc:
        if exc.response.status_code == HTTPStatus.NOT_FOUND:
            return False
        raise NotOurs(f"whether there is a device {device_id} could not be asked: {exc}") from exc
    return found.status_reason != MARK


def register(manager: IoTHubRegistryManager, device_id: str, thumbprint: str) -> None:
    """Make the device, or give one that an earlier test made the new certificate. Raises NotOurs."""
    certificate = (thumbprint, thumbprint, "enabled")
    try:
        try:
            manager.create_device_with_x509(device_id, *certificate, status_reason=MARK)
        except HttpOperationError as exc:
            if exc.response.status_code != HTTPStatus.CONFLICT:
                raise
            found: Any = manager.get_device(device_id)
            if found.status_reason != MARK:
                raise NotOurs(
                    f"{device_id} is registered already, its certificate is not ours to replace. Name "
                    "another: azd env set MILLWRIGHT_SMOKE_DEVICE ... and MILLWRIGHT_SMOKE_MACHINE ..."
                ) from exc
            manager.update_device_with_x509(device_id, found.etag, *certificate, status_reason=MARK)
    except HttpOperationError as exc:
        raise NotOurs(f"{device_id} could not be registered: {exc}") from exc
