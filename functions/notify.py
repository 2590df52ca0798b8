"""Events that people should hear of."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import azure.functions as func

from shared.bootstrap import app

bp = func.Blueprint()


@bp.function_name("notify")
@bp.event_grid_trigger(arg_name="event")
async def notify(event: func.CloudEvent) -> None:
    """Tell everybody whom a policy names; an error makes Event Grid bring the event again."""
    backend = await app()
    await backend.notify(event.to_dict())
