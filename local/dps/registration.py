"""Devices that register: who is let in, and what a registration does in the hub."""

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Protocol, cast
from urllib.parse import quote

import orjson

from local.dps import errors
from local.dps.enrollments import GROUP, INDIVIDUAL, Enrollment, Json
from local.dps.errors import DpsError
from local.dps.store import Enrollments
from local.iot_hub import devices
from local.iot_hub.devices import Device, stamp
from local.iot_hub.errors import (
    BAD_USER_NAME,
    IDENTIFIER_REJECTED,
    NOT_AUTHORIZED,
    Forbidden,
    HubError,
    Refused,
)
from local.iot_hub.packets import SUBSCRIPTION_FAILURE, Connect, Publish, Will
from local.iot_hub.rules import thumbprints_of
from local.iot_hub.sas import BadToken, Token
from local.iot_hub.session import Session
from local.iot_hub.store import Store
from local.iot_hub.twinning import Twins

ANSWERS = "$dps/registrations/res/#"
REGISTER = "$dps/registrations/PUT/iotdps-register/"
ASK = "$dps/registrations/GET/iotdps-get-operationstatus/"
RETRY_AFTER_S = 1
HUB_HOST = "localhost"


class Hub(Protocol):
    store: Store
    twins: Twins

    def clock(self) -> float: ...

    def put(self, device: Device, *, before: Device | None) -> None: ...


class Registrar:
    def __init__(self, hub: Hub, enrollments: Enrollments, id_scope: str) -> None:
        self._hub, self._enrollments, self._id_scope = hub, enrollments, id_scope

    def now(self) -> float:
        return self._hub.clock()

    def admit(self, session: Session, connect: Connect) -> "Registrant":
        """Check a CONNECT. Raises Refused with the return code for the CONNACK."""
        scope, _, registration_id, query = (connect.username or "").split("/", 3)
        if scope != self._id_scope:
            raise Refused(NOT_AUTHORIZED, f"the id scope is {self._id_scope}, not {scope[:40]}")
        if connect.client_id != registration_id:
            raise Refused(IDENTIFIER_REJECTED, "the client id is not the registration id")
        if not query.startswith("api-version="):
            raise Refused(BAD_USER_NAME, "the user name names no api-version")
        enrollment = self._enrollments.get(INDIVIDUAL, registration_id)
        candidates = [enrollment] if enrollment else self._enrollments.all(GROUP)
        for candidate in candidates:
            expires_at = self._proof(candidate, session, connect, registration_id)
            if expires_at is not None:
                if not candidate.enabled:
                    raise Refused(NOT_AUTHORIZED, f"the enrollment {candidate.name} is disabled")
                return Registrant(self, candidate, registration_id, session.certificate(), expires_at)
        raise Refused(NOT_AUTHORIZED, f"no enrollment lets {registration_id} in with what it has shown")

    def _proof(
        self, enrollment: Enrollment, session: Session, connect: Connect, registration_id: str
    ) -> float | None:
        """When the proof ends (seconds since the epoch); None when it is none."""
        now = self._hub.clock()
        keys = enrollment.keys_for(registration_id)
        if keys is None:
            moment = datetime.fromtimestamp(now, UTC)
            return (
                float("inf")
                if enrollment.accepts(session.certificate_chain(), registration_id, moment)
                else None
            )
        try:
            token = Token.parse(connect.password)
        except BadToken:
            return None
        fits = token.resource == f"{self._id_scope}/registrations/{registration_id}"
        return token.expires_at if fits and token.signed_with(*keys) and token.expires_at > now else None

    def register(self, enrollment: Enrollment, registration_id: str, certificate: bytes | None) -> Json:
        """Give the device its place in the hub, and remember it. Raises DpsError."""
        hub = self._hub
        current = self._enrollments.get(enrollment.kind, enrollment.name)
        if current is None or not current.enabled:
            raise errors.unauthorized()
        device_id = current.document.get("deviceId") or registration_id
        try:
            with hub.store.transaction():
                state = self._assign(current, registration_id, device_id, certificate)
        except HubError as exc:
            raise errors.invalid(f"The hub refuses {device_id}: {exc.words}") from exc
        return state

    def _assign(
        self, enrollment: Enrollment, registration_id: str, device_id: str, certificate: bytes | None
    ) -> Json:
        hub, now = self._hub, stamp(self._hub.clock())
        before = hub.store.device(device_id)
        known = self._enrollments.registration(registration_id)
        policy = enrollment.document["reprovisionPolicy"]
        if known and before and not policy["updateHubAssignment"]:
            return known
        body = {
            "deviceId": device_id,
            "authentication": _authentication(enrollment, registration_id, certificate),
        }
        wanted = devices.requested(device_id, None, body, now=hub.clock(), before=before)
        if before is None or _proofs(before) != _proofs(wanted):
            hub.put(wanted, before=before)
        reset = before is not None and known is not None and not policy["migrateDeviceData"]
        if before is None or reset:
            twin = enrollment.document["initialTwin"]
            if twin or reset:
                empty: Json = {"tags": {}, "properties": {"desired": {}}}
                hub.twins.update(wanted, empty | twin, match=None, replace=True)
        substatus = (
            "initialAssignment" if known is None else "deviceDataReset" if reset else "deviceDataMigrated"
        )
        state: Json = {
            "registrationId": registration_id,
            "createdDateTimeUtc": known["createdDateTimeUtc"] if known else now,
            "assignedHub": HUB_HOST,
            "deviceId": device_id,
            "status": "assigned",
            "substatus": substatus,
            "lastUpdatedDateTimeUtc": now,
            "etag": f'"{devices.new_etag()}"',
        }
        group = enrollment.name if enrollment.kind == GROUP else None
        self._enrollments.put_registration(registration_id, group, state)
        return state


def _authentication(enrollment: Enrollment, registration_id: str, certificate: bytes | None) -> Json:
    if keys := enrollment.keys_for(registration_id):
        return {"type": "sas", "symmetricKey": {"primaryKey": keys[0], "secondaryKey": keys[1]}}
    assert certificate is not None, "a registrant without keys was let in by its certificate"
    thumbprint = next(text for text in thumbprints_of(certificate) if text and len(text) == 40)
    return {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint}}


def _proofs(device: Device) -> object:
    return device.authentication, device.keys(), device.thumbprints()


class Registrant:
    """A connected device that registers (a `Client` of the MQTT session)."""

    def __init__(
        self,
        registrar: Registrar,
        enrollment: Enrollment,
        registration_id: str,
        certificate: bytes | None,
        expires_at: float,
    ) -> None:
        self._registrar, self._enrollment = registrar, enrollment
        self._certificate = certificate
        self._operations: dict[str, Json] = {}
        self.name, self.expires_at = registration_id, expires_at

    def published(self, session: Session, packet: Publish) -> None:
        topic, _, query = packet.topic.partition("?")
        asked = dict(
            cast("tuple[str, str]", tuple(pair.split("=", 1))) for pair in query.split("&") if "=" in pair
        )
        request_id = asked.get("$rid")
        if topic not in (REGISTER, ASK) or request_id is None:
            raise Forbidden(f"a registering device may not publish on {packet.topic[:200]!r}")
        session.acknowledge(packet)
        if not session.listens(ANSWERS):
            return
        rid = quote(request_id, safe="")
        try:
            status, body, more = (
                self._register(packet.payload)
                if topic == REGISTER
                else self._status(asked.get("operationId"))
            )
        except DpsError as exc:
            status, body, more = exc.status, exc.body(self._registrar.now()), ""
        session.publish(f"$dps/registrations/res/{status}/?$rid={rid}{more}", body)

    def _register(self, payload: bytes) -> tuple[int, bytes, str]:
        try:
            body: object = orjson.loads(payload)
        except orjson.JSONDecodeError as exc:
            raise errors.invalid(f"The body is not JSON: {exc}") from exc
        if not isinstance(body, dict) or cast(Json, body).get("registrationId") != self.name:
            raise errors.invalid("The body must name the registrationId that has connected.")
        operation = f"5.{secrets.token_hex(8)}.{secrets.token_hex(16)}"
        state = self._registrar.register(self._enrollment, self.name, self._certificate)
        self._operations = {operation: state}
        answer = {"operationId": operation, "status": "assigning"}
        return 202, orjson.dumps(answer), f"&retry-after={RETRY_AFTER_S}"

    def _status(self, operation: str | None) -> tuple[int, bytes, str]:
        state = self._operations.get(operation or "")
        if state is None:
            raise errors.not_found("Operation")
        answer = {"operationId": operation, "status": state["status"], "registrationState": state}
        return 200, orjson.dumps(answer), ""

    def left(self, session: Session, will: Will) -> None:
        """Wills mean nothing here."""

    def resumed(self, *, clean: bool) -> dict[str, int] | None:
        """Each registration is a session of its own."""
        return None

    def keep(self, topics: Mapping[str, int]) -> None:
        """Nothing is kept."""

    def granted(self, topic: str, qos: int, have: Collection[str]) -> int:
        return min(qos, 1) if topic == ANSWERS else SUBSCRIPTION_FAILURE

    def subscribed(self, session: Session, topic: str) -> None:
        """Nothing waits for a registering device."""

    def acknowledged(self, packet_id: int) -> None:
        """Nothing is sent at QoS 1."""

    def gone(self, session: Session) -> None:
        """A registration is whole or it is not there."""
