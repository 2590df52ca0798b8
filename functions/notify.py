"""Events that people should hear of."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false

import azure.functions as func

from shared.bootstrap import app

bp = func.Blueprint()


@bp.function_name("notify")
@bp.event_grid_trigger(arg_name="event")
async def notify(event: func.CloudEvent) -> None:
    """Deliver to every channel that asks for it; an error makes Event Grid deliver again."""
    backend = await app()
    await backend.notify(event.to_dict())
