"""Work orders as twins: there while the work is open, whatever is delivered how often by whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ports import Document, Unavailable
from shared.relay.twins import TwinRelay
from tests.memory import MemoryDocuments
from tests.sinks import MemoryTwins, Time

ORDER, TWIN = "M-1:7", "M-1#7"


def order(state: str = "open", version: int = 1, **fields: object) -> Document:
    return {
        "id": f"workorder:{ORDER}",
        "type": "workorder",
        "machineId": "M-1",
        "workOrderId": ORDER,
        "version": version,
        "component": "spindle",
        "work": "Change the bearings",
        "state": state,
        "cause": "prediction",
        "openedAt": "2026-03-09T06:00:00.000Z",
        "dueAt": "2026-03-11T06:00:00.000Z",
        "active": state in ("open", "inProgress"),
        **fields,
    }


class Plant:
    def __init__(self) -> None:
        self.twins = MemoryTwins("M-1")
        self.documents = MemoryDocuments()
        self.time = Time()
        self.worker()

    def worker(self) -> None:
        self.relay = TwinRelay(self.twins, self.documents, clock=self.time, sleep=self.time.sleep)

    async def commit(self, document: Document) -> None:
        await self.documents.upsert("machines", "M-1", document)

    async def follow(self, document: Document) -> None:
        """The document is committed, and the feed brings it."""
        await self.commit(document)
        await self.relay([document])

    @property
    def shown(self) -> Document | None:
        return self.twins.twins.get(TWIN)


async def test_an_open_work_order_is_a_twin_that_is_assigned_to_its_machine() -> None:
    plant = Plant()
    await plant.follow(order())
    assert plant.shown is not None
    assert plant.shown["$metadata"] == {"$model": "dtmi:millwright:WorkOrder;1"}
    assert (plant.shown["state"], plant.shown["component"]) == ("open", "spindle")
    assert plant.twins.relationships == {(TWIN, "assignedTo", "M-1")}
    await plant.follow(order("inProgress", 2))
    assert plant.shown["state"] == "inProgress"


@pytest.mark.parametrize("state", ["done", "cancelled"])
async def test_it_is_retired_once_nobody_has_to_do_it_any_more(state: str) -> None:
    plant = Plant()
    await plant.follow(order())
    await plant.follow(order(state, 2))
    assert plant.shown is None
    assert plant.twins.relationships == set()


async def test_an_old_worker_s_twin_does_not_outlive_what_a_newer_one_retired() -> None:
    plant = Plant()
    await plant.commit(order("done", 2))
    await plant.relay([order()])
    assert plant.shown is None


async def test_an_order_for_a_machine_without_a_twin_is_recorded_and_holds_nothing_back() -> None:
    plant = Plant()
    del plant.twins.twins["M-1"]
    await plant.follow(order())
    [kept] = [one async for one in plant.documents.query("deliveries", "SELECT * FROM c", {})]
    assert (kept["alarmId"], kept["outcome"]) == (ORDER, "refused")


async def test_what_a_crash_left_half_made_is_completed() -> None:
    plant = Plant()
    await plant.follow(order())
    plant.twins.relationships.clear()
    plant.worker()
    await plant.relay([order()])
    assert plant.twins.relationships == {(TWIN, "assignedTo", "M-1")}


@given(data=st.data(), ends=st.sampled_from(["open", "inProgress", "done"]))
async def test_however_it_is_delivered_the_twin_is_what_the_document_says(
    data: st.DataObject, ends: str
) -> None:
    """Old batches come again from other workers, in between the service is away."""
    plant = Plant()
    states = ["open", "inProgress", "done"]
    history = [order(state, n) for n, state in enumerate(states[: states.index(ends) + 1], 1)]
    for document in history:
        await plant.commit(document)
        for late in data.draw(st.lists(st.sampled_from(history[: document["version"]]), max_size=3)):
            plant.worker()
            plant.twins.broken = data.draw(st.booleans())
            if plant.twins.broken:
                with pytest.raises(Unavailable):
                    await plant.relay([late])
                plant.twins.broken = False
            await plant.relay([late])
        await plant.relay([document])
    assert (plant.shown is not None) == (ends != "done")
    if plant.shown is not None:
        assert plant.shown["state"] == ends
