"""Events that people should hear of."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import azure.functions as func

from functions.events import cloud_event
from shared.bootstrap import app
from shared.observability import invocation

bp = func.Blueprint()


@bp.function_name("notify")
@bp.event_grid_trigger(arg_name="event")
async def notify(event: func.CloudEvent, context: func.Context) -> None:
    """Tell everybody whom a policy names; an error makes Event Grid bring the event again."""
    backend = await app()
    with invocation(context.trace_context.trace_parent):
        await backend.notify(cloud_event(event))
