"""What keeps a machine from being told anything, and what its readings must show afterwards. Pure."""

from shared.contracts.reactions import Confirmation
from shared.contracts.spec_documents import SiteDocument
from shared.domain.alarms.life_cycle import ACTIVE
from shared.domain.packml import TimeCategory
from shared.domain.state import MachineState


def interlock(state: MachineState | None, site: SiteDocument, *, rule_id: str, alarm_id: str) -> str | None:
    """Why this machine must not be told anything now, None if it may.

    Maintenance is what the plant says of it: the machine or the alarm is out of service, or the machine
    stands for a reason of the category `plannedStop`. Nor is a machine told anything whose state nobody
    knows, or for an alarm that is over by now.
    """
    if state is None:
        return "nothing is known of the machine"
    if state.outage is not None:
        return f"the machine is out of service: {state.outage.why}"
    reason = site.reasons.get(state.reason or "")
    if reason is not None and reason.category is TimeCategory.PLANNED_STOP:
        return f"the machine stands for {state.reason}: somebody may be at it"
    if state.blocked is not None:
        return "the machine's readings queue: its state is not known"
    if state.silent:
        return "nothing arrives from the machine"
    alarm = state.alarms.get(rule_id)
    if alarm is None or alarm.alarm_id != alarm_id or alarm.state not in ACTIVE:
        return "the alarm is over or hidden"
    return None


def shown(state: MachineState | None, confirm: Confirmation, *, since: int) -> bool:
    """Whether a reading of later than `since` shows what was to be reached."""
    if state is None:
        return False
    word = _word(confirm)
    if word is not None:
        return state.state_at > since and word == state.state.word
    if confirm.signal not in state.names:
        return False
    place = state.names.index(confirm.signal)
    value = state.values[place]
    if value is None or state.bad[place] or state.value_at[place] <= since:
        return False
    return (confirm.above is None or value > confirm.above) and (
        confirm.below is None or value < confirm.below
    )


def _word(confirm: Confirmation) -> str | None:
    return confirm.state  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # made from the enum
