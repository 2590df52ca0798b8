"""What the twin should show: at once when somebody may have to act, what drifts every half minute.

State, alarms, order, silence and the band are told at once, and take the newest values along. What
only drifts (measurements beyond their deadband, OEE, health) waits: a value that matters by itself
has an alarm rule. Telling drift every 10 s instead costs a fleet twice the patches.
"""

from shared.domain.alarms.occurrences import summary
from shared.domain.effects import Health, Measurement, TwinChanged
from shared.domain.ledger import so_far
from shared.domain.oee import shown_band
from shared.domain.turn import Turn

SHOW_EVERY_MS = 30_000
"""What drifts is told this long after the twin was told anything."""
SHOW_AGAIN_MS = 60_000
"""A machine that keeps reporting is shown again after this, however steady its values are."""


def may_show(turn: Turn) -> bool:
    """Whether `show` has anything to decide; cheap, for every reading."""
    shown = turn.state.shown
    return turn.urgent or shown.pending or turn.state.arrived_at - shown.at >= SHOW_AGAIN_MS


def show(turn: Turn, *, now: int) -> None:
    """Decide a twin update: urgent changes now, a measurement beyond its deadband when its time came.

    `now` is arrival time: the limit protects the twin service from traffic, whatever its event
    time. A pending measurement is shown by the next input or tick after the interval, so the
    trailing value always arrives.
    """
    shown = turn.state.shown
    waited = now - shown.at
    if (
        turn.urgent
        or (shown.pending and waited >= SHOW_EVERY_MS)
        or (waited >= SHOW_AGAIN_MS and turn.state.arrived_at > shown.at)
    ):
        _write(turn, now)


def _write(turn: Turn, now: int) -> None:
    state = turn.state
    fold = state.fold
    shown = state.shown
    oee = None
    if fold.bucket is not None:
        measured = so_far(turn.spec, fold)
        if measured.times_ms:
            oee = measured
            shown.band = shown_band(turn.spec, oee)
    shown.version += 1
    shown.at = now
    shown.pending = False
    _tell_values(turn)
    turn.urgent = False
    turn.bundle = 0
    turn.taken_back.clear()
    active, unacknowledged, highest = summary(state.alarms)
    turn.effects.append(
        TwinChanged(
            version=shown.version,
            at=now,
            state=state.state,
            state_since=state.state_since,
            reason=state.reason,
            last_reading_at=state.reading_at,
            order=state.order,
            product=state.product,
            silent=state.silent,
            blocked=state.blocked,
            measurements={
                name: Measurement(value, at, bad)
                for name, value, at, bad in zip(
                    state.names, shown.values, shown.value_at, state.bad, strict=True
                )
                if value is not None
            },
            oee=oee,
            health=_gravest(state.health),
            active_alarm_count=active,
            unacknowledged_alarm_count=unacknowledged,
            highest_priority=highest,
        )
    )


def _tell_values(turn: Turn) -> None:
    """Take over the values that moved beyond their deadband, and all that were told a minute ago.

    The others stay as told, with the time that they were measured: what a reader sees is never
    further from the machine than the deadband or a minute, and a patch carries what matters.
    """
    state = turn.state
    values, value_at = state.shown.values[:], state.shown.value_at[:]
    for column, value in enumerate(state.values):
        if value is None:
            continue
        told = values[column]
        if (
            told is None
            or abs(value - told) > turn.spec.signals[column].deadband
            or state.value_at[column] - value_at[column] >= SHOW_AGAIN_MS
        ):
            values[column] = value
            value_at[column] = state.value_at[column]
    state.shown.values, state.shown.value_at = values, value_at


def _gravest(verdicts: dict[str, Health]) -> Health | None:
    """Of several models' verdicts the one to show: a warning first, then the highest probability."""
    return max(
        verdicts.values(), key=lambda health: (health.warning, health.probability or 0.0), default=None
    )
