"""Direct methods: a back end calls, the connected device answers, or the time is over."""

import asyncio
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

import orjson

from local.iot_hub import errors, rules
from local.iot_hub.devices import Device, Json
from local.iot_hub.session import Session
from local.iot_hub.twinning import Sessions
from local.service import Clock

PAYLOAD_LIMIT = 128 * 1024
RESPONSE_S = (5, 300)
CONNECT_S = (0, 300)
DEFAULT_RESPONSE_S, DEFAULT_CONNECT_S = 30, 0
_NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    payload: bytes
    response_s: float
    connect_s: float

    @classmethod
    def of(cls, body: Json) -> "Call":
        """From the body of a request. HubError 400 for what the service refuses."""
        name: object = body.get("methodName")
        if not isinstance(name, str) or not 1 <= len(name) <= _NAME_LIMIT:
            raise errors.invalid(f"methodName must be a string of 1 to {_NAME_LIMIT} characters.")
        payload = orjson.dumps(body.get("payload"))
        if len(payload) > PAYLOAD_LIMIT:
            raise errors.too_large(PAYLOAD_LIMIT)
        return cls(
            name,
            payload,
            _seconds(body, "responseTimeoutInSeconds", RESPONSE_S, DEFAULT_RESPONSE_S),
            _seconds(body, "connectTimeoutInSeconds", CONNECT_S, DEFAULT_CONNECT_S),
        )


def _seconds(body: Json, name: str, span: tuple[int, int], default: int) -> int:
    value: object = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not span[0] <= value <= span[1]:
        raise errors.invalid(f"{name} must be from {span[0]} to {span[1]}.")
    return value


class Methods:
    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions, self._clock = sessions, clock
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._calls: dict[tuple[str, str], asyncio.Future[Json]] = {}
        self._number = 0

    async def invoke(self, device: Device, call: Call) -> Json:
        """`{status, payload}` as the device answered. HubError 404 or 504 when it did not."""
        session = await self._listening(device, call.connect_s)
        self._number += 1
        request_id = f"{self._number:x}"
        answer = asyncio.get_running_loop().create_future()
        self._calls[device.key, request_id] = answer
        session.publish(f"$iothub/methods/POST/{quote(call.name, safe='')}/?$rid={request_id}", call.payload)
        try:
            async with asyncio.timeout(call.response_s):
                return await answer
        except TimeoutError as exc:
            raise errors.no_answer(call.response_s, self._clock()) from exc
        finally:
            del self._calls[device.key, request_id]

    async def _listening(self, device: Device, patience_s: float) -> Session:
        """The device's connection, once it listens to methods."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            session = self._sessions(device.key)
            if session is not None and session.listens(rules.METHOD_CALLS):
                return session
            arrival = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault(device.key, set())
            waiting.add(arrival)
            try:
                async with asyncio.timeout_at(deadline):
                    await arrival
            except TimeoutError as exc:
                raise errors.not_online(patience_s, self._clock()) from exc
            finally:
                waiting.discard(arrival)
                if not waiting:
                    self._waiting.pop(device.key, None)

    def listens(self, key: str) -> None:
        """The identity has just subscribed to method calls."""
        for arrival in self._waiting.get(key, set()):
            if not arrival.done():
                arrival.set_result(None)

    def answered(self, key: str, request_id: str, status: int, payload: bytes) -> None:
        """A device's answer. One that nobody waits for any more is dropped, as in Azure."""
        call = self._calls.get((key, request_id))
        if call is None or call.done():
            return
        try:
            content = cast("object", orjson.loads(payload)) if payload else None
        except orjson.JSONDecodeError as exc:
            call.set_exception(errors.bad_answer(f"The device's answer is not JSON: {exc}"))
            return
        if len(payload) > PAYLOAD_LIMIT:
            call.set_exception(errors.bad_answer(f"The device's answer has more than {PAYLOAD_LIMIT} bytes."))
        else:
            call.set_result({"status": status, "payload": content})
