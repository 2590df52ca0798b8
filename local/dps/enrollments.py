"""Enrollments, of one device or of a group: what a request may ask for, and whom an enrollment lets in."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from local.dps import errors
from local.iot_hub import sas
from local.iot_hub.devices import new_etag

type Json = dict[str, Any]

INDIVIDUAL, GROUP = "enrollments", "enrollmentGroups"
ID_OF = {INDIVIDUAL: "registrationId", GROUP: "enrollmentGroupId"}
_REGISTRATION_ID = re.compile(r"[A-Za-z0-9\-.:_]{0,127}[A-Za-z0-9]")
_CHAIN_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Enrollment:
    kind: str
    """INDIVIDUAL or GROUP."""

    document: Json
    """As the service shows it to its owner, keys included."""

    @property
    def name(self) -> str:
        return self.document[ID_OF[self.kind]]

    @property
    def etag(self) -> str:
        return self.document["etag"]

    @property
    def enabled(self) -> bool:
        return self.document["provisioningStatus"] == "enabled"

    @property
    def attestation(self) -> Json:
        return self.document["attestation"]

    def shown(self) -> Json:
        """Without the keys: those are asked for apart."""
        if self.attestation["type"] != "symmetricKey":
            return self.document
        return self.document | {"attestation": {"type": "symmetricKey"}}

    def keys_for(self, registration_id: str) -> tuple[str, str] | None:
        """The keys of a device: the enrollment's own, or derived from the group's. None with certificates."""
        if self.attestation["type"] != "symmetricKey":
            return None
        keys = self.attestation["symmetricKey"]
        both: tuple[str, str] = keys["primaryKey"], keys["secondaryKey"]
        if self.kind == INDIVIDUAL:
            return both
        return derived(both[0], registration_id), derived(both[1], registration_id)

    def accepts(self, chain: list[bytes], registration_id: str, now: datetime) -> bool:
        """Whether certificates in DER, the device's own first, prove this registration id."""
        if self.attestation["type"] != "x509" or not chain:
            return False
        try:
            shown = [x509.load_der_x509_certificate(certificate) for certificate in chain[:_CHAIN_LIMIT]]
        except ValueError:
            return False
        own = shown[0]
        if not own.not_valid_before_utc <= now <= own.not_valid_after_utc:
            return False
        member = "clientCertificates" if self.kind == INDIVIDUAL else "signingCertificates"
        enrolled = [_certificate(entry["certificate"]) for entry in self.attestation["x509"][member].values()]
        if self.kind == INDIVIDUAL:
            return own in enrolled
        return _common_name(own) == registration_id and any(_issued(shown, signer) for signer in enrolled)


def derived(group_key: str, registration_id: str) -> str:
    """A device's key within a group: HMAC-SHA256 of its registration id, base64.

    >>> derived("AAAAAAAAAAAAAAAAAAAAAA==", "press-1")
    'nnBg6vEufWM1xagGZ9INwcdKmpJjyr8oD3JmUR6h3IA='
    """
    digest = hmac.digest(base64.b64decode(group_key), registration_id.encode(), "sha256")
    return base64.b64encode(digest).decode()


def requested(kind: str, name: str, body: Json, *, now: str, before: Enrollment | None) -> Enrollment:
    """The enrollment that a PUT asks for. DpsError 400 for what is refused, 501 for what is not done."""
    if not _REGISTRATION_ID.fullmatch(name):
        raise errors.invalid(f"Invalid {ID_OF[kind]}: {name}")
    if body.get(ID_OF[kind], name) != name:
        raise errors.invalid(f"The {ID_OF[kind]} of the body differs from the one in the path.")
    status = body.get("provisioningStatus") or "enabled"
    if status not in ("enabled", "disabled"):
        raise errors.invalid(f"Invalid provisioningStatus: {status}")
    if body.get("allocationPolicy") == "custom":
        raise errors.not_implemented("custom allocation")
    if _member(body, "capabilities").get("iotEdge"):
        raise errors.not_implemented("IoT Edge devices")
    twin = _member(body, "initialTwin")
    _member(twin, "tags")
    _member(_member(twin, "properties"), "desired")
    policy = _member(body, "reprovisionPolicy")
    device_id: object = body.get("deviceId")
    if device_id is not None and (kind == GROUP or not isinstance(device_id, str)):
        raise errors.invalid("deviceId must be a string, and stands with one device only.")
    document: Json = {
        ID_OF[kind]: name,
        "attestation": _attestation(kind, _member(body, "attestation"), before),
        "capabilities": {"iotEdge": False},
        "etag": f'"{new_etag()}"',
        "provisioningStatus": status,
        "reprovisionPolicy": {
            "updateHubAssignment": policy.get("updateHubAssignment") is not False,
            "migrateDeviceData": policy.get("migrateDeviceData") is not False,
        },
        "initialTwin": twin,
        "createdDateTimeUtc": before.document["createdDateTimeUtc"] if before else now,
        "lastUpdatedDateTimeUtc": now,
        "allocationPolicy": body.get("allocationPolicy") or "hashed",
    }
    if device_id:
        document["deviceId"] = device_id
    return Enrollment(kind, document)


def _attestation(kind: str, body: Json, before: Enrollment | None) -> Json:
    match body.get("type"):
        case "symmetricKey":
            keys = _member(body, "symmetricKey")
            primary, secondary = keys.get("primaryKey"), keys.get("secondaryKey")
            if (
                primary is None
                and secondary is None
                and before
                and before.attestation["type"] == "symmetricKey"
            ):
                return before.attestation
            primary, secondary = primary or sas.new_key(), secondary or sas.new_key()
            if not all(isinstance(key, str) and sas.is_key(key) for key in (primary, secondary)):
                raise errors.invalid("A symmetric key must be base64 of 16 to 64 bytes.")
            return {
                "type": "symmetricKey",
                "symmetricKey": {"primaryKey": primary, "secondaryKey": secondary},
            }
        case "x509":
            member = "clientCertificates" if kind == INDIVIDUAL else "signingCertificates"
            given = _member(_member(body, "x509"), member)
            if not given.get("primary"):
                raise errors.not_implemented(
                    f"X.509 attestation without {member}: give the certificates themselves"
                )
            certificates = {place: _described(_member(given, place)) for place in given if given[place]}
            return {"type": "x509", "x509": {member: certificates}}
        case other:
            raise errors.not_implemented(f"attestation of type {other}")


def _described(entry: Json) -> Json:
    """A certificate with what the service tells about it."""
    text: object = entry.get("certificate")
    if not isinstance(text, str):
        raise errors.invalid("A certificate must be PEM, or base64 of DER.")
    certificate = _certificate(text)
    der = certificate.public_bytes(Encoding.DER)
    return {
        "certificate": text,
        "info": {
            "subjectName": certificate.subject.rfc4514_string(),
            "sha1Thumbprint": hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(),
            "sha256Thumbprint": hashlib.sha256(der).hexdigest().upper(),
            "issuerName": certificate.issuer.rfc4514_string(),
            "notBeforeUtc": certificate.not_valid_before_utc.isoformat(),
            "notAfterUtc": certificate.not_valid_after_utc.isoformat(),
            "serialNumber": f"{certificate.serial_number:X}",
            "version": 3,
        },
    }


def _certificate(text: str) -> x509.Certificate:
    try:
        if "BEGIN CERTIFICATE" in text:
            return x509.load_pem_x509_certificate(text.encode())
        raw = base64.b64decode(text, validate=False)
        if b"BEGIN CERTIFICATE" in raw:
            return x509.load_pem_x509_certificate(raw)
        return x509.load_der_x509_certificate(raw)
    except (ValueError, binascii.Error) as exc:
        raise errors.invalid(f"A certificate must be PEM, or base64 of DER: {exc}") from exc


def _common_name(certificate: x509.Certificate) -> str | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else None


def _issued(shown: list[x509.Certificate], signer: x509.Certificate) -> bool:
    """Whether a path leads from the first certificate to the signer, through those shown with it."""
    at = shown[0]
    for _ in shown:
        if _signed(at, signer):
            return True
        issuer = next((other for other in shown if other != at and _signed(at, other)), None)
        if issuer is None:
            return False
        at = issuer
    return False


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _member(body: Json, name: str) -> Json:
    value: object = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid(f"{name} must be an object.")
    return cast(Json, value)
