"""One well-formed telemetry message -> one reading, if its machine, time and state hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import orjson

from shared.contracts.telemetry import MESSAGE, TelemetryMessage
from shared.decode.outcome import Decoded, DeviceEntry, Reason, Rejected
from shared.domain.inputs import Position, Reading
from shared.domain.packml import STATES_BY_WORD, PackMLState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_LATEST = (datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) // _MS
_STATES_BY_NUMBER = {int(state): state for state in PackMLState}
_STATES_AS_WRITTEN = {state.word: state for state in PackMLState}


@dataclass(slots=True)
class Origin:
    """Where a message came from and when. Not frozen: one is made for every message."""

    device_id: str
    source: str
    sequence: int
    arrived_at: int

    def reject(
        self, reason: Reason, detail: str, raw: bytes, index: int = 0, machine_id: str | None = None
    ) -> Rejected:
        position = Position(self.source, self.sequence, index)
        return Rejected(position, self.device_id, self.arrived_at, reason, detail[:500], raw, machine_id)

    def reading(self, index: int, message: TelemetryMessage, device: DeviceEntry) -> Decoded | Rejected:
        """The reading that a well-formed message is, if its machine, time and state hold."""
        machine_id = message.machine_id or device.default_machine
        if machine_id not in device.machines:
            return self._not_its_machine(index, message, device)
        try:
            at = (datetime.fromisoformat(message.timestamp.upper()) - _EPOCH) // _MS
        except ValueError as exc:
            return self._refuse(index, message, Reason.BAD_TIMESTAMP, f"{message.timestamp}: {exc}")
        if not 0 <= at < _LATEST:
            return self._refuse(
                index, message, Reason.BAD_TIMESTAMP, f"{message.timestamp} is not from 1970 to 8999"
            )
        state = word = None
        if isinstance(message.state, str):
            state = _STATES_AS_WRITTEN.get(message.state) or STATES_BY_WORD.get(message.state.lower())
            word = message.state if state is None else None
        elif message.state is not None:
            state = _STATES_BY_NUMBER.get(message.state)
            if state is None:
                return self._refuse(
                    index, message, Reason.UNKNOWN_STATE, f"PackML has no state {message.state}: 0 to 17"
                )
        order, counts = message.order, message.counts
        product = None if order is None else order.product
        good, reject, rejects = (
            (None, None, {}) if counts is None else (counts.good, counts.reject, counts.rejects)
        )
        more = (
            () if counts is None or counts.rework is counts.total is None else (counts.rework, counts.total)
        )
        content = (
            *more,
            self.device_id,
            machine_id,
            at,
            message.sequence,
            state if word is None else word,
            message.reason,
            None if order is None else order.id,
            product,
            good,
            reject,
            rejects,
            message.signals,
        )
        return Decoded(
            machine_id,
            Reading(
                Position(self.source, self.sequence, index),
                self.device_id,
                blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest(),
                at,
                self.arrived_at,
                message.sequence,
                state,
                message.reason,
                None if order is None else order.id,
                product,
                good,
                reject,
                rejects,
                message.signals,
                *more,
            ),
            word,
        )

    def _not_its_machine(self, index: int, message: TelemetryMessage, device: DeviceEntry) -> Rejected:
        if message.machine_id is None:
            detail = (
                f"no machineId, and {self.device_id} is no machine's id: it reports {_some(device.machines)}"
            )
            return self._refuse(index, message, Reason.MISSING_MACHINE, detail)
        detail = f"{self.device_id} may not report {message.machine_id}: it reports {_some(device.machines)}"
        return self._refuse(index, message, Reason.NOT_ITS_DEVICE, detail)

    def _refuse(self, index: int, message: TelemetryMessage, reason: Reason, detail: str) -> Rejected:
        raw = MESSAGE.dump_json(message, by_alias=True, exclude_unset=True)
        return self.reject(reason, detail, raw, index, message.machine_id)


def as_message(decoded: Decoded) -> bytes:
    """The v1 message that a reading amounts to, to be sent again as it is."""
    reading = decoded.reading
    state = decoded.word if reading.state is None else reading.state.word
    counts = {
        "good": reading.good,
        "reject": reading.reject,
        "rework": reading.rework,
        "total": reading.total,
        "rejects": reading.rejects or None,
    }
    message = {
        "machineId": decoded.machine_id,
        "timestamp": (_EPOCH + reading.at * _MS).isoformat(timespec="milliseconds"),
        "sequence": reading.sequence,
        "state": state,
        "reason": reading.reason,
        "order": None if reading.order is None else {"id": reading.order, "product": reading.product},
        "counts": {name: value for name, value in counts.items() if value is not None} or None,
        "signals": reading.signals,
    }
    return orjson.dumps({name: value for name, value in message.items() if value is not None})


def _some(names: Iterable[str]) -> str:
    """The first few of many names, for a sentence."""
    sort = sorted(names)
    return ", ".join(sort[:6]) + (" ..." if len(sort) > 6 else "")
