"""What decoding leaves to a machine's pinned spec."""

from dataclasses import replace

from shared.decode.outcome import Decoded, Reason, Rejected
from shared.decode.reading import as_message
from shared.domain.inputs import Reading
from shared.domain.spec import MachineSpec


def resolve(decoded: Decoded, spec: MachineSpec) -> Reading | Rejected:
    """The reading as the machine's pinned spec understands it.

    Done against the pinned spec, not the newest, so that decoding the same message again gives
    the same reading. Rejects a device that may not report the machine, and a state word that
    the machine's state map does not hold.
    """
    reading = decoded.reading
    if reading.device not in spec.devices:
        return _refuse(
            decoded, Reason.NOT_ITS_DEVICE, f"{spec.machine_id} is reported by {', '.join(spec.devices)} only"
        )
    if decoded.word is None:
        return reading
    state = spec.state_map.get(decoded.word.lower())
    if state is None:
        detail = (
            f"state {decoded.word!r} is neither PackML's nor in the state map of {spec.machine_id}: "
            "add it to the factory description"
        )
        return _refuse(decoded, Reason.UNKNOWN_STATE, detail)
    return replace(reading, state=state)


def _refuse(decoded: Decoded, reason: Reason, detail: str) -> Rejected:
    reading, raw = decoded.reading, as_message(decoded)
    return Rejected(
        reading.position, reading.device, reading.arrived_at, reason, detail, raw, decoded.machine_id
    )
