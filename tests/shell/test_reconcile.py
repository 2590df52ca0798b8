"""Twins that somebody else changed: noticed, repaired, reported; those that are only behind are not."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.documents.scopes import ReconcileDocument
from shared.ports import Document, Unavailable
from shared.relay.reconcile import RECONCILE, reconcile
from shared.relay.twins import TwinRelay
from tests.memory import MemoryDocuments
from tests.plants import MONDAY
from tests.projected import alarms, signal, twin
from tests.sinks import MemoryTwins, Time


class Plant:
    """Twins, their documents, and a relay that has shown them."""

    def __init__(self, *machine_ids: str) -> None:
        self.twins = MemoryTwins(*machine_ids)
        self.documents = MemoryDocuments()
        self.time = Time()
        self.relay = TwinRelay(self.twins, self.documents, clock=self.time, sleep=self.time.sleep)
        self.gone: set[str] = set()
        self.rolled_up: list[Document] = []

    async def devices_of(self, site_id: str, line_id: str, machine_id: str) -> tuple[str, ...]:
        return () if machine_id in self.gone else ("GATEWAY",)

    async def roll_up(self, documents: Sequence[Document]) -> None:
        self.rolled_up += documents

    async def show(self, *documents: Document) -> "Plant":
        for document in documents:
            container = "machines" if "machineId" in document else "scopes"
            partition = document.get("machineId") or document["scopeId"]
            await self.documents.upsert(container, partition, document)
        await self.relay(documents)
        return self

    async def reconcile(self, at_most: int = 200) -> Document:
        return await reconcile(
            self.relay,
            self,
            self.documents,
            self.roll_up,
            now=MONDAY,
            at_most=at_most,
            sleep=self.time.sleep,
        )

    def has(self, twin_id: str, name: str) -> Any:
        return self.twins.twins[twin_id].get(name)


async def test_what_somebody_changed_is_repaired_and_reported() -> None:
    plant = await Plant("M-1", "M-2").show(twin("M-1"), twin("M-2"))
    plant.twins.twins["M-1"]["state"] = "Held"
    del plant.twins.twins["M-1"]["temperatureC"]
    report = await plant.reconcile()
    assert (plant.has("M-1", "state"), plant.has("M-1", "temperatureC")) == ("Execute", 20.0)
    assert (report["checkedCount"], report["driftedCount"]) == (2, 1)
    assert sorted(report["drifted"]["M-1"]) == ["/state", "/temperatureC"]
    kept = await plant.documents.get("deliveries", RECONCILE, RECONCILE)
    assert kept is not None
    assert kept["driftedCount"] == 1
    ReconcileDocument.model_validate({name: value for name, value in kept.items() if name[0] != "_"})


async def test_twins_that_say_what_they_should_are_left_alone_without_waiting() -> None:
    plant = await Plant("M-1").show(twin("M-1"))
    sent, slept = len(plant.twins.patches), len(plant.time.slept)
    report = await plant.reconcile()
    assert (report["driftedCount"], len(plant.twins.patches), len(plant.time.slept)) == (0, sent, slept)


async def test_a_twin_that_is_only_behind_has_not_drifted() -> None:
    """The relay shows it while the call waits."""
    plant = await Plant("M-1").show(twin("M-1"))
    newer = twin("M-1", 2, state="Held")
    await plant.documents.upsert("machines", "M-1", newer)

    async def meanwhile(seconds: float) -> None:
        await plant.relay([newer])

    report = await reconcile(plant.relay, plant, plant.documents, plant.roll_up, now=MONDAY, sleep=meanwhile)
    assert report["driftedCount"] == 0
    assert plant.has("M-1", "state") == "Held"


async def test_a_missing_twin_is_reported_unless_its_machine_is_not_described_any_more() -> None:
    plant = await Plant("M-1").show(twin("M-1"), twin("M-2"), twin("M-3"))
    plant.gone = {"M-3"}
    report = await plant.reconcile()
    assert report["missing"] == ["M-2"]


async def test_machines_are_rolled_up_once_more_though_nothing_about_them_changed() -> None:
    plant = await Plant("M-1", "M-2").show(twin("M-1"), twin("M-2"))
    await plant.reconcile()
    assert sorted(document["machineId"] for document in plant.rolled_up) == ["M-1", "M-2"]


async def test_scopes_are_compared_by_the_shift_that_began_last() -> None:
    plant = Plant("LINE-1")
    status = {"id": "status", "type": "status", "level": "line", "scopeId": "LINE-1", "version": 3}
    status |= {
        "machineCount": 1,
        "silentCount": 0,
        "blockedCount": 0,
        "warningCount": 0,
        "states": {"Held": 1},
    }
    shift = {"type": "oee", "level": "line", "scopeId": "LINE-1", "version": 1, "final": False}
    early = {**shift, "id": "oee:1", "shiftId": "1", "start": "2026-03-09T05:00:00.000Z", "oee": 0.5}
    late = {**shift, "id": "oee:2", "shiftId": "2", "start": "2026-03-09T13:00:00.000Z", "oee": 0.75}
    await plant.show({**status, "alarms": alarms(1, 1, "high")}, early, late)
    await plant.reconcile()
    plant.twins.twins["LINE-1"]["oee"]["oee"] = 0.1
    report = await plant.reconcile()
    assert report["drifted"] == {"LINE-1": ["/oee/oee"]}
    assert plant.twins.twins["LINE-1"]["oee"]["oee"] == 0.75


@given(st.integers(1, 9), st.integers(1, 4), st.sets(st.integers(0, 8)))
async def test_a_pass_in_steps_finds_all_and_an_outage_between_them_loses_none(
    machines: int, at_most: int, broken: set[int]
) -> None:
    names = [f"M-{n}" for n in range(machines)]
    plant = await Plant(*names).show(*(twin(name) for name in names))
    for name in names:
        plant.twins.twins[name]["state"] = "Held"
    calls = 0
    report: Document = {"passCount": 0}
    while report["passCount"] == 0:
        plant.twins.broken = calls in broken
        calls += 1
        try:
            report = await plant.reconcile(at_most)
        except Unavailable:
            assert plant.twins.broken
        assert calls < 60
    assert {plant.has(name, "state") for name in names} == {"Execute"}


async def test_a_worker_that_is_behind_cannot_put_an_old_value_over_a_newer_one() -> None:
    """Two workers share a machine while a lease moves; the stale one is told and looks again."""
    plant = await Plant("M-1").show(twin("M-1", 1))
    other = TwinRelay(plant.twins, plant.documents, clock=plant.time, sleep=plant.time.sleep)
    newest = twin("M-1", 3, state="Aborted", signals={"temperature_c": signal(30.0)})
    await plant.documents.upsert("machines", "M-1", newest)
    await other([newest])
    await plant.relay([twin("M-1", 2, state="Held", signals={"temperature_c": signal(25.0)})])
    assert (plant.has("M-1", "state"), plant.has("M-1", "temperatureC")) == ("Aborted", 30.0)


async def test_a_value_that_somebody_changed_is_repaired_with_the_next_patch() -> None:
    plant = await Plant("M-1").show(twin("M-1"))
    await plant.twins.patch("M-1", [{"op": "add", "path": "/state", "value": "Held"}])
    await plant.show(twin("M-1", 2, signals={"temperature_c": signal(21.0)}))
    assert (plant.has("M-1", "state"), plant.has("M-1", "temperatureC")) == ("Execute", 21.0)
