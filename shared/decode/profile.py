"""A device profile at work: one parsed value in the sender's own shape -> v1 telemetry messages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import jmespath
from jmespath.functions import Functions, signature
from jmespath.visitor import Options

from shared.contracts.profile import Profile, Source
from shared.contracts.units import conversion
from shared.decode.outcome import ProfileFailed

type Json = dict[str, object]


class _WithItems(Functions):
    """JMESPath's functions and `items`."""

    @signature({"types": ["object", "null"]})
    def _func_items(self, value: Json | None) -> list[list[object]]:
        return [[key, member] for key, member in (value or {}).items()]


_OPTIONS = Options(custom_functions=_WithItems())


class _Lookup:
    """A compiled JMESPath expression."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._compiled = jmespath.compile(expression)

    def __call__(self, value: object) -> object:
        """What the expression finds, None for nothing. ProfileFailed when it cannot be applied.

        ValueError holds jmespath's own errors; the others come out of its arithmetic on values
        of the wrong kind.
        """
        try:
            return cast(object, self._compiled.search(value, options=_OPTIONS))
        except (ValueError, TypeError, ArithmeticError) as exc:
            raise ProfileFailed(f"{self._expression}: {str(exc)[:200]}") from exc


@dataclass(frozen=True, slots=True)
class _Meaning:
    """Where a value goes: into a signal, converted, or into another field."""

    signal: str | None
    field: str | None
    scale: float = 1.0
    offset: float = 0.0

    def put(self, message: Json, value: object) -> bool:
        """Write the value into a v1 message; False when that place is taken."""
        if self.signal is not None:
            signals = cast(Json, message.setdefault("signals", {}))
            if self.signal in signals:
                return False
            signals[self.signal] = self._converted(value)
            return True
        assert self.field is not None
        name, _, member = self.field.partition(".")
        target = cast(Json, message.setdefault(name, {})) if member else message
        if (member or name) in target:
            return False
        target[member or name] = value
        return True

    def _converted(self, value: object) -> object:
        """Numbers in the signal's unit, booleans as 1 and 0; anything else is left to the contract."""
        if isinstance(value, bool):
            return float(value)
        if isinstance(value, int | float) and (self.scale, self.offset) != (1.0, 0.0):
            return float(value) * self.scale + self.offset
        return value


class CompiledProfile:
    """A profile ready for use. Raises KeyError or UnitClash for units that do not fit."""

    def __init__(self, profile: Profile, units: Mapping[str, str]) -> None:
        """`units`: signal -> its unit in the machine classes."""

        def meaning(signal: str | None, field: str | None, unit: str | None) -> _Meaning:
            target = None if signal is None else units.get(signal)
            scale, offset = (1.0, 0.0) if unit is None or target is None else conversion(unit, target)
            return _Meaning(signal, field, scale, offset)

        self._profile = profile
        self._zone = None if profile.zone is None else ZoneInfo(profile.zone)
        self._each = _optional(profile.each)
        self._skip = _optional(profile.skip)
        self._fields = [(meaning(None, name, None), _Lookup(at)) for name, at in profile.fields.items()]
        for signal, source in profile.signals.items():
            at, unit = (source.at, source.unit) if isinstance(source, Source) else (source, None)
            self._fields.append((meaning(signal, None, unit), _Lookup(at)))
        self._tags = {name: meaning(tag.signal, tag.field, tag.unit) for name, tag in profile.tags.items()}
        samples = profile.samples
        self._samples = None if samples is None else _Lookup(samples.list)
        if samples is not None:
            self._tag, self._value = _Lookup(samples.tag), _Lookup(samples.value)
            self._own_time, self._bad = _optional(samples.timestamp), _optional(samples.bad)

    def messages(self, value: object, arrived_at: int) -> list[Json]:
        """The v1 messages in `value`, unchecked; the contract judges them.

        Samples with times of their own make one message for each time. Bad samples give no
        value, but their time still shows that the machine was heard from.
        """
        found: list[Json] = []
        for scope in self._scopes(value):
            if self._skip is not None and self._skip(scope):
                continue
            base: Json = {}
            for meaning, lookup in self._fields:
                if (at := lookup(scope)) is not None:
                    meaning.put(base, at)
            self._settle(base, arrived_at)
            found.extend([base] if self._samples is None else self._sampled(scope, base, arrived_at))
        return found

    def _scopes(self, value: object) -> list[object]:
        if self._each is None:
            return [value]
        scopes = self._each(value)
        if not isinstance(scopes, list) or not scopes:
            raise ProfileFailed(f"{self._profile.each}: finds no readings")
        return cast(list[object], scopes)

    def _sampled(self, scope: object, base: Json, arrived_at: int) -> Iterator[Json]:
        """One message per instant; a tag that comes twice at one instant opens another."""
        assert self._samples is not None
        samples = self._samples(scope)
        if not isinstance(samples, list) or not samples:
            raise ProfileFailed("samples.list finds no samples")
        messages: dict[object, list[Json]] = {}
        for sample in cast(list[object], samples):
            tag = self._tag(sample)
            meaning = self._tags.get(str(tag)) if self._tags else _Meaning(str(tag), None)
            if meaning is None:
                continue
            time = None if self._own_time is None else self._own_time(sample)
            stamped = base if time is None else self._settle({**base, "timestamp": time}, arrived_at)
            group = messages.setdefault(str(stamped.get("timestamp")), [])
            value = None if self._bad is not None and self._bad(sample) else self._value(sample)
            if value is None and group:
                continue
            if value is None or not (group and meaning.put(group[-1], value)):
                fresh = {
                    name: dict(cast(Json, at)) if isinstance(at, dict) else at for name, at in stamped.items()
                }
                group.append(fresh)
                if value is not None:
                    meaning.put(fresh, value)
        for group in messages.values():
            yield from group

    def _settle(self, message: Json, arrived_at: int) -> Json:
        """Names and instants as the contract wants them; what cannot be settled is left as it is."""
        machine = message.get("machineId")
        if isinstance(machine, str):
            message["machineId"] = self._profile.machines.get(machine, machine)
        time = message.get("timestamp")
        if time is None:
            if self._profile.missing_timestamp == "arrival":
                message["timestamp"] = _rfc_3339(arrived_at)
        elif isinstance(time, int | float) and not isinstance(time, bool):
            per_unit = {"epoch_ms": 1, "epoch_s": 1000}.get(self._profile.timestamp_format)
            if per_unit is not None and 0 <= time * per_unit < 2e14:
                message["timestamp"] = _rfc_3339(self._coarse(round(time * per_unit)))
        elif isinstance(time, str):
            message["timestamp"] = self._settled_text(time)
        return message

    def _settled_text(self, time: str) -> str:
        try:
            instant = datetime.fromisoformat(time)
            if instant.tzinfo is None:
                if self._zone is None:
                    return time
                instant = instant.replace(tzinfo=self._zone)
            return _rfc_3339(self._coarse((instant - _EPOCH) // timedelta(milliseconds=1)))
        except (ValueError, OverflowError):
            return time

    def _coarse(self, at: int) -> int:
        return at - at % self._profile.resolution_ms


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _rfc_3339(at: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds")


def _optional(expression: str | None) -> _Lookup | None:
    return None if expression is None else _Lookup(expression)
