"""Devices that are created, deleted, connected or disconnected at IoT Hub."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import azure.functions as func

from shared.bootstrap import app
from shared.devices import mark, tell
from shared.observability import invocation, span

bp = func.Blueprint()


@bp.function_name("devices")
@bp.event_grid_trigger(arg_name="event")
async def devices(event: func.EventGridEvent, context: func.Context) -> None:
    """Tell the world in our own words, and the device's twin; an unknown device is only reported."""
    backend = await app()
    assert event.event_time is not None
    time = event.event_time.isoformat()
    data = event.get_json()
    kind = event.event_type
    with invocation(context.trace_context.trace_parent), span("device"):
        await tell(backend.specs, backend.events, event_id=event.id, kind=kind, time=time, data=data)
        await mark(backend.specs, backend.twins, kind=kind, time=time, data=data)
