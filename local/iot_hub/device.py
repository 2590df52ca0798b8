"""A connected device or module: what it publishes, asks and answers over its MQTT session."""

from collections.abc import Collection, Mapping
from typing import Protocol
from urllib.parse import quote

import orjson

from local.iot_hub import rules
from local.iot_hub.commands import Commands
from local.iot_hub.devices import Device
from local.iot_hub.errors import HubError
from local.iot_hub.methods import Methods
from local.iot_hub.packets import Publish, Will
from local.iot_hub.rules import Admitted, MethodAnswer, TwinRequest
from local.iot_hub.session import Session
from local.iot_hub.store import Store
from local.iot_hub.twinning import Twins


class Hub(Protocol):
    store: Store
    twins: Twins
    methods: Methods
    commands: Commands

    def identity(self, admitted: Admitted) -> Device | None: ...

    def telemetry(self, session: Session, admitted: Admitted, packet: Publish | Will, packet_id: int) -> None:
        """Take a message to the cloud. Raises Forbidden."""
        ...

    def gone(self, session: Session, admitted: Admitted) -> None: ...


class DeviceClient:
    def __init__(self, hub: Hub, admitted: Admitted) -> None:
        self._hub, self.admitted = hub, admitted

    @property
    def name(self) -> str:
        return self.admitted.key

    @property
    def expires_at(self) -> float:
        return self.admitted.expires_at

    def published(self, session: Session, packet: Publish) -> None:
        if rules.is_telemetry(packet.topic, self.admitted.address):
            self._hub.telemetry(session, self.admitted, packet, packet.packet_id)
            return
        request = rules.request(packet)
        session.acknowledge(packet)
        if isinstance(request, MethodAnswer):
            self._hub.methods.answered(self.name, request.request_id, request.status, packet.payload)
        elif session.listens(rules.TWIN_ANSWERS):
            self._answer(session, request, packet.payload)

    def _answer(self, session: Session, request: TwinRequest, payload: bytes) -> None:
        def answer(status: int, body: bytes, more: str = "") -> None:
            rid = quote(request.request_id, safe="")
            session.publish(f"$iothub/twin/res/{status}/?$rid={rid}{more}", body)

        device = self._hub.identity(self.admitted)
        if device is None:
            return
        try:
            if request.reports:
                version = self._hub.twins.report(device, payload)
                answer(204, b"", f"&$version={version}")
            else:
                answer(200, self._hub.twins.shown_to_device(device))
        except HubError as exc:
            body = {"errorCode": exc.status * 1000 + 1, "message": exc.words}
            answer(exc.status, orjson.dumps(body))

    def left(self, session: Session, will: Will) -> None:
        self._hub.telemetry(session, self.admitted, will, 0)

    def resumed(self, *, clean: bool) -> dict[str, int] | None:
        if clean:
            self._hub.store.keep_subscriptions(self.name, None)
        return self._hub.store.subscriptions(self.name)

    def keep(self, topics: Mapping[str, int]) -> None:
        self._hub.store.keep_subscriptions(self.name, topics)

    def granted(self, topic: str, qos: int, have: Collection[str]) -> int:
        return rules.granted(topic, qos, self.admitted, have)

    def subscribed(self, session: Session, topic: str) -> None:
        if topic == rules.METHOD_CALLS:
            self._hub.methods.listens(self.name)
        elif topic == rules.commands_filter(self.admitted.device_id):
            self._hub.commands.deliver(self.admitted.device_id)

    def acknowledged(self, packet_id: int) -> None:
        self._hub.commands.acknowledged(self.admitted.device_id, packet_id)

    def gone(self, session: Session) -> None:
        self._hub.gone(session, self.admitted)
