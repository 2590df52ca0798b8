"""Devices' twins follow IoT Hub's life-cycle events, however these are delivered."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.decode import DeviceEntry
from shared.devices import device_twin_id, mark
from shared.ports import Document
from tests.sinks import MemoryTwins

GATEWAY = device_twin_id("GATEWAY-1")


class Hub:
    """A directory that knows GATEWAY-1, and the twins of its machines."""

    def __init__(self) -> None:
        self.twins = MemoryTwins("M-1", "M-2")

    async def device(self, device_id: str) -> DeviceEntry | None:
        if device_id != "GATEWAY-1":
            return None
        return DeviceEntry(device_id, "SITE-1", 1, {"M-1": "LINE-1", "M-2": "LINE-1"})

    async def says(self, kind: str, at: int, device_id: str = "GATEWAY-1") -> Document | None:
        """The event of second `at`; a later one has a higher number."""
        data: dict[str, Any] = {"deviceId": device_id, "hubName": "hub"}
        if kind in ("Connected", "Disconnected"):
            data["deviceConnectionStateEventInfo"] = {"sequenceNumber": f"{at:032X}"}
        time = f"2026-03-09T06:00:{at:02}+00:00"
        return await mark(self, self.twins, kind=f"Microsoft.Devices.Device{kind}", time=time, data=data)

    @property
    def shown(self) -> Document:
        return self.twins.twins[GATEWAY]


async def test_a_device_that_is_described_gets_its_twin_when_it_appears() -> None:
    hub = Hub()
    await hub.says("Created", 1)
    assert hub.shown["registered"] is True
    assert hub.shown["$metadata"]["$model"] == "dtmi:millwright:Device;1"
    assert hub.twins.relationships == {(GATEWAY, "reports", "M-1"), (GATEWAY, "reports", "M-2")}


async def test_a_device_that_nobody_describes_is_never_twinned() -> None:
    hub = Hub()
    for kind in ("Created", "Connected", "Deleted"):
        assert await hub.says(kind, 1, "STRANGER") is None
    assert set(hub.twins.twins) == {"M-1", "M-2"}


async def test_a_device_that_was_deleted_is_retired_not_removed() -> None:
    hub = Hub()
    for at, kind in enumerate(("Created", "Connected", "Deleted"), start=1):
        await hub.says(kind, at)
    assert (hub.shown["registered"], hub.shown["connected"]) == (False, False)


@given(st.lists(st.sampled_from(["Connected", "Disconnected"]), min_size=1, max_size=8), st.integers(0, 999))
async def test_in_any_order_and_however_often_the_last_connection_counts(kinds: list[str], seed: int) -> None:
    hub = Hub()
    happened = list(enumerate(kinds, start=1))
    delivered = [*happened, *happened]
    random.Random(seed).shuffle(delivered)
    for at, kind in delivered:
        await hub.says(kind, at)
    assert hub.shown["connected"] is (kinds[-1] == "Connected")
    assert hub.shown["connectionChangedAt"] == f"2026-03-09T06:00:{len(kinds):02}+00:00"


class Hurried(MemoryTwins):
    """Somebody else writes just before the first patch."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def patch(self, twin_id: str, patch: Sequence[Document], *, etag: str | None = None) -> str | None:
        if self.meanwhile is not None:
            first, self.meanwhile = self.meanwhile, None
            await first()
        return await super().patch(twin_id, patch, etag=etag)


async def test_an_older_event_that_is_written_at_the_same_time_does_not_win() -> None:
    hub = Hub()
    hub.twins = twins = Hurried("M-1", "M-2")
    await hub.says("Connected", 1)
    twins.meanwhile = lambda: hub.says("Connected", 3)
    await hub.says("Disconnected", 2)
    assert (hub.shown["connected"], hub.shown["connectionSequence"]) == (True, f"{3:032X}")
