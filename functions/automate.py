"""Alarms that machines should react to; off unless a factory description turns it on."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import azure.functions as func

from shared.bootstrap import app

bp = func.Blueprint()


@bp.function_name("automate")
@bp.event_grid_trigger(arg_name="event")
async def automate(event: func.CloudEvent) -> None:
    """Call the machine's device, at most once for one occurrence of an alarm."""
    backend = await app()
    await backend.automate(event.to_dict())
