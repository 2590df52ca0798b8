"""Event routes, and the outbox: an event is stored in the transaction that makes it true."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import uuid4

from local.digital_twins.database import Database
from local.digital_twins.documents import instant
from local.digital_twins.egress.endpoints import Endpoint
from local.digital_twins.egress.events import Event, Kind
from local.digital_twins.egress.filter import Test, compiled
from local.digital_twins.errors import ServiceError, invalid_argument, limit_exceeded
from local.digital_twins.jsontypes import Json, JsonObject, dump
from local.digital_twins.trace import child_of_current
from local.service import Clock

ROUTES_LIMIT = 6
_ID = re.compile(r"[A-Za-z0-9_\-.]{1,128}", re.ASCII)


class Route(NamedTuple):
    endpoint: str
    filter: str
    test: Test


class EventRoutes:
    """`host` is the instance's name in events; `wake` is called when the outbox has something."""

    def __init__(
        self, database: Database, endpoints: Mapping[str, Endpoint], clock: Clock, host: str
    ) -> None:
        self._database, self._endpoints, self._clock, self._host = database, endpoints, clock, host
        self.wake: Callable[[], None] = lambda: None
        self._routes = {
            str(route): Route(str(endpoint), str(text), compiled(str(text)))
            for route, endpoint, text in database.rows("SELECT id, endpoint, filter FROM routes")
        }

    def put(self, route_id: str, body: Json) -> None:
        if not _ID.fullmatch(route_id):
            raise ServiceError(
                400, "EventRouteIdInvalid", f"The event route id '{route_id[:128]}' is invalid."
            )
        if not isinstance(body, dict):
            raise invalid_argument("The body of an event route is a JSON object.")
        endpoint, text = body.get("endpointName"), body.get("filter")
        if not isinstance(endpoint, str) or not isinstance(text, str):
            raise invalid_argument("An event route needs endpointName and filter.")
        if endpoint not in self._endpoints:
            raise ServiceError(
                400,
                "EventRouteEndpointInvalid",
                "The endpoint provided does not exist or is not active. Check that your endpoint is "
                "provisioned correctly. See event route documentation (http://aka.ms/ADTv2Routes).",
            )
        test = compiled(text)
        if route_id not in self._routes and len(self._routes) >= ROUTES_LIMIT:
            raise limit_exceeded(f"An instance has at most {ROUTES_LIMIT} event routes.")
        self._database.write(
            "INSERT OR REPLACE INTO routes (id, endpoint, filter) VALUES (?, ?, ?)",
            (route_id, endpoint, text),
        )
        self._routes[route_id] = Route(endpoint, text, test)

    def get(self, route_id: str) -> JsonObject:
        route = self._route(route_id)
        return {"id": route_id, "endpointName": route.endpoint, "filter": route.filter}

    def list_all(self) -> list[JsonObject]:
        return [self.get(route_id) for route_id in sorted(self._routes)]

    def delete(self, route_id: str) -> None:
        self._route(route_id)
        self._database.write("DELETE FROM routes WHERE id = ?", (route_id,))
        del self._routes[route_id]

    def tell(self, kind: Kind, twin: str, data: Callable[[], Json], relationship: str | None = None) -> None:
        """A change of a twin or one of its relationships. Without routes nothing is made or stored."""
        if not self._routes:
            return
        subject = twin if relationship is None else f"{twin}/relationships/{relationship}"
        now = instant(self._clock())
        self._store(Event(str(uuid4()), kind, self._host, subject, now, data(), child_of_current(), twin))

    def tell_update(
        self, twin: str, model: str, patch: Callable[[], Json], relationship: str | None = None
    ) -> None:
        """A twin or one of its relationships is not what it was; `patch` says how."""
        kind: Kind = "Microsoft.DigitalTwins.Twin.Update"
        if relationship is not None:
            kind = "Microsoft.DigitalTwins.Relationship.Update"
        self.tell(kind, twin, lambda: {"modelId": model, "patch": patch()}, relationship)

    def tell_telemetry(
        self, twin: str, component: str | None, data: Json, *, model: str, message_id: str, time: str | None
    ) -> None:
        if not self._routes:
            return
        event = Event(
            message_id,
            "microsoft.iot.telemetry",
            f"{self._host}/digitaltwins/{twin}",
            component or "",
            time or instant(self._clock()),
            data,
            child_of_current(),
            twin,
            dataschema=model,
        )
        self._store(event)

    def _store(self, event: Event) -> None:
        """Once for each endpoint that a route leads to, however many routes do."""
        told = event.cloud_event()
        wanted = {route.endpoint for route in self._routes.values() if route.test(told)}
        for endpoint in wanted & self._endpoints.keys():
            self._database.write(
                "INSERT INTO notifications (endpoint, twin, event) VALUES (?, ?, ?)",
                (endpoint, event.twin, dump(told)),
            )
        if wanted:
            self.wake()

    def _route(self, route_id: str) -> Route:
        route = self._routes.get(route_id)
        if route is None:
            raise ServiceError(
                404,
                "EventRouteNotFound",
                "There is no route available that matches the provided input. Check for all valid event "
                "routes by calling EventRoute_List. See Swagger example (https://aka.ms/RouteSwSmpl).",
            )
        return route
