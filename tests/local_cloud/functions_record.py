"""What the functions of functions_app saw, and how a test waits for it."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

APP = Path(__file__).parent / "functions_app"
NOWHERE = {
    "EventHubs": "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=n;SharedAccessKey=n;UseDevelopmentEmulator=true;",
    "Cosmos": "AccountEndpoint=http://127.0.0.1:1;AccountKey=bm9uZQ==;",
}
"""Connections of services that a test does not need: nothing listens there."""
ALL = ("many", "one", "feed", "other_feed", "grid", "cloud", "tick", "yearly")


def host_environment(record: Path, only: tuple[str, ...] = (), **settings: str) -> dict[str, str]:
    """A host of the test app; `only` names the functions that are enabled besides HTTP."""
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in ALL if name not in only}
    return {
        "MILLWRIGHT_FUNCTIONS_APP": str(APP),
        "MILLWRIGHT_FUNCTIONS_LEASE_S": "2",
        "RECORD": str(record),
        **NOWHERE,
        **disabled,
        **settings,
    }


class Record:
    """The lines that functions have written so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self, kind: str) -> list[dict[str, Any]]:
        text = self.path.read_text()
        whole = text[: text.rfind("\n") + 1]
        return [line for line in map(json.loads, whole.splitlines()) if line["kind"] == kind]


async def until[T](seen: Callable[[], T], what: str, timeout_s: float = 60) -> T:
    """Wait until `seen` returns something true, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (found := seen()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        await asyncio.sleep(0.02)
    return found
