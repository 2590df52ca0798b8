"""Alarms that machines should react to; off unless a factory description turns it on."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import azure.functions as func

from functions.events import cloud_event
from shared.bootstrap import app
from shared.observability import invocation

bp = func.Blueprint()


@bp.function_name("automate")
@bp.event_grid_trigger(arg_name="event")
async def automate(event: func.CloudEvent, context: func.Context) -> None:
    """Call the machine's device, at most once for one occurrence of an alarm."""
    backend = await app()
    with invocation(context.trace_context.trace_parent):
        await backend.automate(cloud_event(event))
