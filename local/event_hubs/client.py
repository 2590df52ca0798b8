"""One client's connection: what its links may address, and what its tokens allow."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from local.event_hubs import errors
from local.event_hubs.amqp import performatives as p
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.addresses import path_of
from local.event_hubs.amqp.connection import Connection
from local.event_hubs.amqp.errors import INVALID_FIELD, NOT_IMPLEMENTED, AmqpError
from local.event_hubs.amqp.link import IncomingHandler, IncomingLink, Link, OutgoingHandler, OutgoingLink
from local.event_hubs.authorization import Authority, Grant, TokenRefused
from local.event_hubs.receiver import Claim, EventSource, epoch_of, start_sequence
from local.event_hubs.request_reply import Reply, ReplyLink, RequestNode, read_entity
from local.event_hubs.sender import EventSink
from local.event_hubs.store import Hub, Store
from local.event_hubs.throughput import Throughput
from local.meter import Meter

MECHANISMS = ("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL")
CBS, MANAGEMENT = "$cbs", "$management"
MAX_GRANTS = 200
"""Tokens that one connection may hold; a renewal replaces the one before it."""

_SENDS = re.compile(r"(?P<hub>[^/]+)(?:/Partitions/(?P<partition>[^/]+))?", re.IGNORECASE)
_RECEIVES = re.compile(
    r"(?P<hub>[^/]+)/ConsumerGroups/(?P<group>[^/]+)/Partitions/(?P<partition>[^/]+)", re.IGNORECASE
)
_METRICS = "com.microsoft:enable-receiver-runtime-metric"
_SELECTOR_FILTER = "apache.org:selector-filter:string"


class Client:
    """The service's side of one connection (a `Peer` of the AMQP engine)."""

    def __init__(
        self,
        connection: Connection,
        store: Store,
        authority: Authority,
        *,
        throughput: Throughput,
        meter: Meter,
    ) -> None:
        self._connection = connection
        self._store = store
        self._authority = authority
        self._throughput = throughput
        self._meter = meter
        self._grants: dict[str, Grant] = {}
        self._guarded: dict[Link, tuple[str, str]] = {}
        self._replies: dict[tuple[object, str], list[ReplyLink]] = {}

    def authenticate(self, mechanism: str, response: bytes) -> bool:
        """PLAIN must bring the key; everyone else proves themselves with tokens, on $cbs."""
        if mechanism != "PLAIN":
            return True
        parts = response.split(b"\0")
        if len(parts) != 3:
            return False
        name, key = parts[1].decode("utf-8", "replace"), parts[2].decode("utf-8", "replace")
        if not self._authority.accepts_key(name, key):
            return False
        self._grants[""] = Grant("", float("inf"))
        return True

    def open_incoming(self, link: IncomingLink) -> IncomingHandler:
        """A client that wants to send: events, tokens, or questions."""
        path = _address(link.attach.target)
        node = path.rsplit("/", 1)[-1].lower()
        if node in (CBS, MANAGEMENT):
            answer = self._put_token if node == CBS else self._read
            return RequestNode(answer, lambda properties: self._reply_link(link, node, properties))
        match = _SENDS.fullmatch(path)
        if match is None:
            raise AmqpError(NOT_IMPLEMENTED, f"Sending to '{path}' is not supported.")
        self._guard(link, "Send", path)
        hub = self._store.hub(match["hub"])
        partition = None
        if match["partition"] is not None:
            partition = hub.partition(match["partition"])
            if partition is None:
                raise errors.partition_out_of_range(match["partition"], len(hub.partitions))
        sink = EventSink(self._store, link, hub, partition, self._throughput)
        sink.join()
        return sink

    def open_outgoing(self, link: OutgoingLink) -> OutgoingHandler:
        """A client that wants to receive: events, or replies."""
        path = _address(link.attach.source)
        node = path.rsplit("/", 1)[-1].lower()
        if node in (CBS, MANAGEMENT):
            replies = ReplyLink(link)
            self._replies.setdefault((link.session, node), []).append(replies)
            return replies
        match = _RECEIVES.fullmatch(path)
        if match is None:
            raise AmqpError(NOT_IMPLEMENTED, f"Receiving from '{path}' is not supported.")
        self._guard(link, "Listen", path)
        hub = self._store.hub(match["hub"])
        return self._event_source(link, hub, match["group"], match["partition"])

    def _event_source(self, link: OutgoingLink, hub: Hub, group: str, number: str) -> EventSource:
        if group.lower() not in hub.groups:
            raise errors.entity_not_found(f"{hub.name}/ConsumerGroups/{group}")
        partition = hub.partition(number)
        if partition is None:
            raise errors.partition_out_of_range(number, len(hub.partitions))
        attach = link.attach
        selector = attach.source.filters.get(_SELECTOR_FILTER) if attach.source is not None else None
        if isinstance(selector, bytes):
            selector = selector.decode("utf-8", "replace")
        if selector is not None and not isinstance(selector, str):
            raise errors.bad_filter(repr(selector))
        name = attach.properties.get("com.microsoft:receiver-name")
        source = EventSource(
            store=self._store,
            meter=self._meter,
            partition=partition,
            link=link,
            claim=Claim(
                group.lower(),
                epoch_of(attach.properties.get("com.microsoft:epoch")),
                name if isinstance(name, str) else "nil",
            ),
            sequence=start_sequence(self._store, partition, selector),
            wants_metrics=_METRICS in attach.desired_capabilities,
        )
        source.join()
        return source

    # tokens

    def _put_token(self, asked: Mapping[str, t.Value], body: t.Value) -> t.Value:
        if asked.get("operation") != "put-token":
            raise Reply(400, f"The operation '{asked.get('operation')}' is not supported.")
        kind, audience = asked.get("type"), asked.get("name")
        if isinstance(body, bytes):
            body = body.decode("utf-8", "replace")
        if not (isinstance(kind, str) and isinstance(audience, str) and isinstance(body, str)):
            raise Reply(400, "A put-token request needs type, name and a token.")
        grant = self._authority.check(kind, body, audience)
        self._check_entity(grant.path, audience)
        if len(self._grants) >= MAX_GRANTS and grant.path not in self._grants:
            raise Reply(403, "Too many tokens on one connection.")
        self._grants[grant.path] = grant
        return None

    def _check_entity(self, path: str, audience: str) -> None:
        """A token for a hub that is not there is refused as such; one for the namespace names no hub."""
        name = path.partition("/")[0]
        if not name or name.startswith("$"):
            return
        try:
            self._store.hub(name)
        except AmqpError as exc:
            raise Reply(404, errors.entity_not_found(audience).description) from exc

    def _allows(self, path: str) -> bool:
        now = self._authority.now()
        return any(grant.covers(path.lower(), now) for grant in self._grants.values())

    def _guard(self, link: Link, right: str, path: str) -> None:
        """Refuse a link without a grant; remember it so that an expired grant ends it."""
        if not self._allows(path):
            raise errors.unauthorized(right, f"sb://{self._connection.hostname}/{path.lower()}")
        self._guarded = {known: rest for known, rest in self._guarded.items() if known.handler is not None}
        self._guarded[link] = right, path

    def expire(self) -> None:
        """Detach links whose token has run out. Called about once a second."""
        for link, (_, path) in list(self._guarded.items()):
            if link.handler is None:
                del self._guarded[link]
            elif not self._allows(path):
                link.detach(errors.token_expired())

    # questions

    def _read(self, asked: Mapping[str, t.Value], body: t.Value) -> t.Value:
        name, token = asked.get("name"), asked.get("security_token")
        if isinstance(name, str) and not self._allows(name) and not self._token_covers(token, name):
            resource = f"sb://{self._connection.hostname}/{name.lower()}"
            raise Reply(401, errors.unauthorized("Listen", resource).description)
        return read_entity(self._store, asked)

    def _token_covers(self, token: t.Value, name: str) -> bool:
        if isinstance(token, bytes):
            token = token.decode("utf-8", "replace")
        if not isinstance(token, str) or not token.startswith("SharedAccessSignature "):
            return False
        try:
            self._authority.check("servicebus.windows.net:sastoken", token, name)
        except TokenRefused:
            return False
        return True

    def _reply_link(self, link: Link, node: str, properties: t.Value) -> ReplyLink | None:
        """The client's newest reply link of the same node and session."""
        alive = [r for r in self._replies.get((link.session, node), []) if r.alive]
        self._replies[link.session, node] = alive
        return alive[-1] if alive else None

    def closed(self) -> None:
        """Forget everything: the connection is gone."""
        self._grants.clear()
        self._guarded.clear()
        self._replies.clear()


def _address(terminus: p.Terminus | None) -> str:
    """A terminus' path without scheme and host. AmqpError when there is none."""
    address = None if terminus is None else terminus.address
    if not address:
        raise AmqpError(INVALID_FIELD, "The link has no address.")
    return unquote(path_of(address)).strip("/")
