"""What peers say to each other (part 2, section 2.7): parsed once into typed values, and encoded."""

from dataclasses import dataclass
from typing import cast

from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.decoding import decode
from local.event_hubs.amqp.encoding import performative
from local.event_hubs.amqp.errors import INVALID_FIELD, AmqpError, decode_error

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
ERROR = t.ULong(0x1D)
ACCEPTED = t.Described(t.ULong(0x24), [])
SOURCE, TARGET = t.ULong(0x28), t.ULong(0x29)
SASL_MECHANISMS, SASL_INIT, SASL_CHALLENGE, SASL_RESPONSE, SASL_OUTCOME = range(0x40, 0x45)

type SymbolMap = dict[str, t.Value]


class Fields:
    """A performative's fields, read by position with their types checked; missing ones are None."""

    def __init__(self, name: str, values: list[t.Value]) -> None:
        self._name = name
        self._values = values

    def __getitem__(self, index: int) -> t.Value:
        return self._values[index] if index < len(self._values) else None

    def number(self, index: int) -> int | None:
        value = self[index]
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        raise self._wrong(index, "a number")

    def required_number(self, index: int) -> int:
        value = self.number(index)
        if value is None:
            raise self._wrong(index, "there")
        return value

    def flag(self, index: int) -> bool:
        value = self[index]
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self._wrong(index, "a boolean")

    def text(self, index: int) -> str | None:
        value = self[index]
        if value is None or isinstance(value, str):
            return value
        raise self._wrong(index, "a string")

    def binary(self, index: int) -> bytes | None:
        value = self[index]
        if value is None or isinstance(value, bytes):
            return value
        raise self._wrong(index, "binary")

    def symbols(self, index: int) -> list[str]:
        """One symbol or an array of them."""
        value = self[index]
        values = value.values if isinstance(value, t.Array) else [] if value is None else [value]
        return [item for item in values if isinstance(item, str)]

    def symbol_map(self, index: int) -> SymbolMap:
        value = self[index]
        if value is None:
            return {}
        if isinstance(value, dict):
            return {key: item for key, item in value.items() if isinstance(key, str)}
        raise self._wrong(index, "a map")

    def _wrong(self, index: int, expected: str) -> AmqpError:
        return AmqpError(INVALID_FIELD, f"Field {index} of {self._name} is not {expected}.")


def parse(data: bytes, start: int, end: int) -> tuple[int, Fields, int]:
    """A performative's code, its fields, and where the payload begins."""
    value, stop = decode(data, start, end)
    if not isinstance(value, t.Described) or not isinstance(value.descriptor, int):
        raise decode_error("a frame does not begin with a performative")
    if not isinstance(value.value, list):
        raise decode_error("a performative is a list")
    return value.descriptor, Fields(f"performative {value.descriptor:#x}", value.value), stop


@dataclass(frozen=True, slots=True)
class Terminus:
    """A source or target: the address, and all fields as they came so that they can be echoed."""

    code: t.ULong
    fields: list[t.Value]

    @property
    def address(self) -> str | None:
        first = self.fields[0] if self.fields else None
        return first if isinstance(first, str) else None

    @property
    def filters(self) -> dict[str, t.Value]:
        """A source's filters by name, without their descriptors."""
        found = self.fields[7] if self.code == SOURCE and len(self.fields) > 7 else None
        if not isinstance(found, dict):
            return {}
        return {
            key: item.value if isinstance(item, t.Described) else item
            for key, item in found.items()
            if isinstance(key, str)
        }

    def echo(self) -> t.Described:
        """As it came, at full length."""
        length = 11 if self.code == SOURCE else 7
        return t.Described(self.code, (self.fields + [None] * length)[:length])


def _terminus(value: t.Value) -> Terminus | None:
    if not isinstance(value, t.Described) or not isinstance(value.value, list):
        return None
    if value.descriptor not in (SOURCE, TARGET):
        return None
    return Terminus(t.ULong(cast(int, value.descriptor)), value.value)


@dataclass(frozen=True, slots=True)
class Attach:
    """A peer's wish for a link. `receiver` says that the peer wants to receive."""

    name: str
    handle: int
    receiver: bool
    snd_settle_mode: int | None
    rcv_settle_mode: int | None
    source: Terminus | None
    target: Terminus | None
    initial_delivery_count: int
    max_message_size: int | None
    desired_capabilities: list[str]
    properties: SymbolMap

    @classmethod
    def of(cls, fields: Fields) -> "Attach":
        name = fields.text(0)
        if name is None:
            raise AmqpError(INVALID_FIELD, "A link needs a name.")
        return cls(
            name=name,
            handle=fields.required_number(1),
            receiver=fields.flag(2),
            snd_settle_mode=fields.number(3),
            rcv_settle_mode=fields.number(4),
            source=_terminus(fields[5]),
            target=_terminus(fields[6]),
            initial_delivery_count=fields.number(9) or 0,
            max_message_size=fields.number(10),
            desired_capabilities=fields.symbols(12),
            properties=fields.symbol_map(13),
        )


def ubyte(value: int | None) -> t.Value:
    return None if value is None else t.UByte(value)


def error(cause: AmqpError | None) -> t.Value:
    """The error composite, null for no error."""
    if cause is None:
        return None
    return t.Described(ERROR, [t.Symbol(cause.condition), cause.description, None])


def rejected(cause: AmqpError) -> t.Described:
    """The outcome of a message that was refused."""
    return t.Described(t.ULong(0x25), [error(cause)])


def flow(
    *,
    next_incoming_id: int,
    incoming_window: int,
    next_outgoing_id: int,
    outgoing_window: int,
    handle: int | None = None,
    delivery_count: int | None = None,
    credit: int | None = None,
    available: int | None = None,
    drain: bool = False,
) -> bytes:
    """A flow frame's body: the session's windows and, with a handle, one link's credit."""
    return performative(
        FLOW,
        [
            t.UInt(next_incoming_id),
            t.UInt(incoming_window),
            t.UInt(next_outgoing_id),
            t.UInt(outgoing_window),
            None if handle is None else t.UInt(handle),
            None if delivery_count is None else t.UInt(delivery_count),
            None if credit is None else t.UInt(credit),
            None if available is None else t.UInt(available),
            drain,
            False,
            None,
        ],
    )


def disposition(first: int, last: int, state: t.Value) -> bytes:
    """A receiver's settled verdict over deliveries first..last."""
    return performative(DISPOSITION, [True, t.UInt(first), t.UInt(last), True, state, None])
