"""What happens because time passes."""

import time

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false
import azure.functions as func

from shared.bootstrap import app
from shared.due import tick_due
from shared.observability import invocation, span
from shared.relay.reconcile import reconcile

bp = func.Blueprint()


@bp.function_name("due")
@bp.timer_trigger(schedule="%MILLWRIGHT_DUE_SCHEDULE%", arg_name="timer")
async def due(timer: func.TimerRequest, context: func.Context) -> None:
    """Tick the machines that are due: silence, trailing values, shifts that nothing will change."""
    backend = await app()
    until = await backend.backlog.read_until(time.time_ns() // 1_000_000)
    if until is not None:
        with invocation(context.trace_context.trace_parent), span("tick"):
            await tick_due(backend.machines, backend.documents, now=until)


@bp.function_name("reconcile")
@bp.timer_trigger(schedule="30 * * * * *", arg_name="timer")
async def reconcile_twins(timer: func.TimerRequest, context: func.Context) -> None:
    """Compare twins with their documents, a few hundred a minute, and repair what drifted.

    Conflicts with the applied description are looked at again: a new version may have ended them.
    """
    backend = await app()
    now = time.time_ns() // 1_000_000
    with invocation(context.trace_context.trace_parent), span("reconcile"):
        twins, scopes = backend.relay_twins, backend.relay_scopes
        await reconcile(twins, backend.specs, backend.documents, scopes, now=now)
        await backend.twin_changes.recheck(now=now)


@bp.function_name("escalate")
@bp.timer_trigger(schedule="*/15 * * * * *", arg_name="timer")
async def escalate(timer: func.TimerRequest, context: func.Context) -> None:
    """Tell more people of what nobody acknowledges; try again what did not get through; settle actions."""
    backend = await app()
    with invocation(context.trace_context.trace_parent), span("escalate"):
        await backend.automate.on_time()
        await backend.notify.on_time()
        await backend.unset_channels.warn()
