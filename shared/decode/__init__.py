"""Bytes of one device message -> readings. The first step of the pipeline, and the only parser in it."""

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import to_json

from shared.contracts.telemetry import MESSAGE, MESSAGES
from shared.decode.mistakes import why
from shared.decode.outcome import Decoded, DeviceEntry, ProfileFailed, Reason, Rejected
from shared.decode.pieces import Parsed, pieces
from shared.decode.reading import Origin
from shared.decode.resolve import resolve

__all__ = ["MAX_MESSAGE_BYTES", "Decoded", "DeviceEntry", "Reason", "Rejected", "decode", "resolve"]

MAX_MESSAGE_BYTES = 262_144
"""IoT Hub's limit for a device-to-cloud message; nothing larger can be a device's."""


def decode(
    message: bytes, *, device: DeviceEntry | None, device_id: str, source: str, sequence: int, arrived_at: int
) -> list[Decoded | Rejected]:
    """The readings of a message in their order, and what of it is none, each with its position.

    `source` and `sequence` place the message (see Position); `arrived_at` is when IoT Hub
    received it, in ms since 1970. `device` is the directory's entry, None when it knows none.

    Never raises for what a device may send, and never returns nothing, except for a message
    that the device's profile knowingly passes over: a keep-alive, or tags that it does not list.
    A bad element of an array or a bad line rejects itself only.
    """
    origin = Origin(device_id, source, sequence, arrived_at)
    if len(message) > MAX_MESSAGE_BYTES:
        return [origin.reject(Reason.TOO_LARGE, f"{len(message)} B: at most {MAX_MESSAGE_BYTES}", message)]
    if device is None:
        detail = f"no factory description lists device {device_id}: add it to a machine and apply"
        return [origin.reject(Reason.UNKNOWN_DEVICE, detail, message)]
    if device.profile is not None:
        return list(_by_profile(message, device, origin))
    try:
        is_array = message[:1] == b"["
        parsed = MESSAGES.validate_json(message) if is_array else (MESSAGE.validate_json(message),)
    except ValidationError:
        return list(_piece_by_piece(message, device, origin))
    if not parsed:
        return [origin.reject(Reason.EMPTY, "an array without elements", message)]
    return [origin.reading(index, element, device) for index, element in enumerate(parsed)]


def _piece_by_piece(message: bytes, device: DeviceEntry, origin: Origin) -> Iterator[Decoded | Rejected]:
    """The careful way, once the fast one has failed: each element or line stands for itself."""
    for index, piece in enumerate(pieces(message)):
        yield (
            _one(piece.value, index, device, origin)
            if isinstance(piece, Parsed)
            else origin.reject(piece.reason, piece.detail, piece.raw, index)
        )


def _by_profile(message: bytes, device: DeviceEntry, origin: Origin) -> Iterator[Decoded | Rejected]:
    assert device.profile is not None
    index = 0
    for piece in pieces(message):
        if not isinstance(piece, Parsed):
            yield origin.reject(piece.reason, piece.detail, piece.raw, index)
            index += 1
            continue
        try:
            found = device.profile.messages(piece.value, origin.arrived_at)
        except ProfileFailed as exc:
            raw = to_json(piece.value, inf_nan_mode="constants")
            yield origin.reject(Reason.PROFILE_FAILED, str(exc), raw, index)
            index += 1
            continue
        for value in found:
            yield _one(value, index, device, origin)
            index += 1


def _one(value: object, index: int, device: DeviceEntry, origin: Origin) -> Decoded | Rejected:
    try:
        message = MESSAGE.validate_python(value)
    except ValidationError as exc:
        reason, detail = why(exc)
        return origin.reject(reason, detail, to_json(value, inf_nan_mode="constants"), index)
    return origin.reading(index, message, device)
