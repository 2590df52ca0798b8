"""Devices that are created, deleted, connected or disconnected at IoT Hub."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import azure.functions as func

from shared.bootstrap import app
from shared.devices import tell

bp = func.Blueprint()


@bp.function_name("devices")
@bp.event_grid_trigger(arg_name="event")
async def devices(event: func.EventGridEvent) -> None:
    """Tell the world in our own words; an unknown device is reported as such."""
    backend = await app()
    assert event.event_time is not None
    await tell(
        backend.specs,
        backend.events,
        event_id=event.id,
        kind=event.event_type,
        time=event.event_time.isoformat(),
        data=event.get_json(),
    )
