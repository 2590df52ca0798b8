"""What keeps a listener going: a failure is reported and tried again, until the host stops."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable

from azure.core.exceptions import AzureError
from azure.eventhub.exceptions import EventHubError

log = logging.getLogger("host")

_PAUSE_S = 1.0


async def keep_listening(
    function: str, listen: Callable[[], Awaitable[None]], stopping: asyncio.Event
) -> None:
    """Run `listen` until it returns; after a failure of a service or of the store, run it again.

    Any other failure is the host's own fault: it ends the listener, and the log says so.
    """
    reported = ""
    while not stopping.is_set():
        try:
            return await listen()
        except (AzureError, EventHubError, OSError, sqlite3.OperationalError) as exc:
            # A service that is down for a while is worth one line.
            fault = (str(exc).splitlines() or [type(exc).__name__])[0]
            level = logging.DEBUG if fault == reported else logging.ERROR
            reported = fault
            log.log(
                level, "The listener for function 'Functions.%s' was unable to start: %s", function, fault
            )
        except Exception:
            log.exception("The listener for function 'Functions.%s' ended by a fault of the host", function)
            raise
        await wait(stopping, _PAUSE_S)
    return None


async def wait(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until the event is set, at most `timeout_s`; whether it is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
