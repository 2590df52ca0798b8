"""The Device Provisioning Service: devices register on the hub's MQTT port, back ends enrol on its HTTPS.

In Azure it is a service of its own; but its devices connect to the same port (8883) as the hub's, which
the SDK has built in, and on one machine there is one such port.
"""

from aiohttp import web

from local.dps.registration import Hub, Registrant, Registrar
from local.dps.service_api import POLICY, ServiceApi
from local.dps.store import Enrollments
from local.iot_hub import sas
from local.iot_hub.packets import Connect
from local.iot_hub.session import Session

ID_SCOPE = "0ne0000LOCAL"


class Provisioning:
    def __init__(self, hub: Hub) -> None:
        self._key = hub.store.setting("dps_key", sas.new_key())
        enrollments = Enrollments(hub.store.db)
        self._registrar = Registrar(hub, enrollments, ID_SCOPE)
        self._api = ServiceApi(hub, enrollments, self._key)

    @staticmethod
    def is_meant(connect: Connect) -> bool:
        """Whether a CONNECT is for this service: `{idScope}/registrations/{id}/api-version=...`."""
        parts = (connect.username or "").split("/", 3)
        return len(parts) == 4 and parts[1] == "registrations" and not sas.is_local(parts[0])

    def admit(self, session: Session, connect: Connect) -> Registrant:
        return self._registrar.admit(session, connect)

    def routes(self) -> list[web.RouteDef]:
        return self._api.routes()

    def endpoints(self, https_port: int) -> dict[str, str]:
        connection = (
            f"HostName=localhost:{https_port};SharedAccessKeyName={POLICY};SharedAccessKey={self._key}"
        )
        return {"dps": connection, "dpsIdScope": ID_SCOPE}
