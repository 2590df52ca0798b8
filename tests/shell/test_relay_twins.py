"""Twins follow their documents: whatever is delivered how often, in what order, through what outage."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ports import Document, Unavailable
from shared.relay.twin_patch import projection
from shared.relay.twins import TwinRelay
from tests.memory import MemoryDocuments
from tests.projected import alarms, signal, twin
from tests.sinks import MemoryTwins, Time


class Relay:
    """A twin relay over a graph in memory; `worker` starts one that remembers nothing."""

    def __init__(self, *twin_ids: str) -> None:
        self.twins = MemoryTwins(*(twin_ids or ("M-1",)))
        self.documents = MemoryDocuments()
        self.time = Time()
        self.worker()

    def worker(self) -> None:
        self.relay = TwinRelay(self.twins, self.documents, clock=self.time, sleep=self.time.sleep)

    async def __call__(self, *documents: Document) -> None:
        await self.relay(documents)

    def has(self, twin_id: str, pointer: str) -> Any:
        value: Any = self.twins.twins[twin_id]
        for part in pointer[1:].split("/"):
            value = value.get(part)
        return value

    def equals(self, document: Document) -> bool:
        projected = projection(document)
        assert projected is not None
        return all(
            self.has(projected.twin_id, pointer) == value for pointer, value in projected.wanted.items()
        )


async def test_a_twin_shows_all_that_its_document_says() -> None:
    relay = Relay()
    ratios = {
        "shiftId": "2026-03-09.early",
        "final": False,
        "availability": 0.9,
        "effectiveness": None,
        "quality": None,
        "oee": None,
        "upperBound": None,
        "coverage": 1.0,
        "band": "grey",
    }
    health = {
        "model": "wear",
        "modelVersion": "1",
        "probability": 0.25,
        "score": 0.75,
        "abstained": False,
        "reason": None,
        "warning": False,
        "assessedAt": "2026-03-09T06:00:00.000Z",
    }
    await relay(
        twin(
            order="O-7",
            product="P-100",
            blocked="a bug",
            signals={"vibration_mm_s": signal(1.5)},
            oee=ratios,
            health=health,
            alarms=alarms(2, 1, "high"),
        )
    )
    shown = relay.twins.twins["M-1"]
    assert shown["name"] == "M-1"
    assert (shown["state"], shown["orderId"], shown["product"]) == ("Execute", "O-7", "P-100")
    assert (shown["silent"], shown["blocked"]) == (False, True)
    assert shown["vibrationMmS"] == 1.5
    assert shown["$metadata"]["vibrationMmS"] == {"sourceTime": "2026-03-09T06:00:00.000Z"}
    assert shown["oee"] == {
        "$metadata": {},
        "availability": 0.9,
        "coverage": 1.0,
        "band": "grey",
        "shiftId": "2026-03-09.early",
        "final": False,
    }
    assert shown["health"]["score"] == 0.75
    assert shown["alarmSummary"]["highestPriority"] == "high"
    assert len(relay.twins.patches) == 1


async def test_only_what_differs_is_sent() -> None:
    relay = Relay()
    await relay(twin(signals={"temperature_c": signal(20.0), "power_kw": signal(3.0)}))
    await relay(twin(version=2, signals={"temperature_c": signal(21.0, "T2"), "power_kw": signal(3.0, "T2")}))
    assert relay.twins.patches[-1][1] == [
        {"op": "add", "path": "/temperatureC", "value": 21.0},
        {"op": "add", "path": "/$metadata/temperatureC/sourceTime", "value": "T2"},
    ]


async def test_a_newer_reading_alone_is_worth_no_write() -> None:
    relay = Relay()
    await relay(twin())
    await relay(twin(version=2, lastReadingAt="2026-03-09T06:00:10.000Z"))
    assert len(relay.twins.patches) == 1
    await relay(twin(version=3, lastReadingAt="2026-03-09T06:00:20.000Z", state="Held"))
    assert relay.has("M-1", "/lastReadingAt") == "2026-03-09T06:00:20.000Z"


async def test_what_is_no_longer_known_is_removed_even_by_a_worker_that_did_not_write_it() -> None:
    relay = Relay()
    await relay(twin(order="O-7", oee={"availability": 0.5, "oee": 0.4}))
    relay.worker()
    await relay(twin(version=2, oee={"availability": 0.5, "oee": None}))
    shown = relay.twins.twins["M-1"]
    assert "orderId" not in shown
    assert shown["oee"] == {"$metadata": {}, "availability": 0.5}
    assert shown["name"] == "M-1"


async def test_a_twin_is_asked_for_once_a_worker() -> None:
    relay = Relay()
    for version in range(1, 6):
        await relay(twin(version=version, state=random.choice(["Held", "Execute"])))
    assert relay.twins.get_count == 1


async def test_a_missing_twin_is_recorded_passed_and_shown_once_it_exists() -> None:
    relay = Relay("M-2")
    await relay(twin("M-1"), twin("M-2"))
    assert relay.equals(twin("M-2"))
    [kept] = relay.documents.all("deliveries")
    assert kept["alarmId"] == "M-1"
    assert "does not exist" in kept["detail"]
    relay.twins.twins |= MemoryTwins("M-1").twins
    await relay(twin("M-1", 2))
    assert relay.twins.get_count == 2, "a missing twin is not asked for at every document"
    relay.time.now += 60
    await relay(twin("M-1", 3))
    assert relay.equals(twin("M-1", 3))


async def test_a_property_that_the_model_lacks_is_recorded_and_holds_nothing_back() -> None:
    relay = Relay("M-1", "M-2")
    relay.twins.unknown = {"/powerKw"}
    signals = {"temperature_c": signal(20.0), "power_kw": signal(3.0), "torque_nm": signal(7.0)}
    await relay(twin("M-1", signals=signals), twin("M-2"))
    assert relay.has("M-1", "/temperatureC") == 20.0
    assert relay.has("M-1", "/torqueNm") == 7.0
    assert relay.has("M-1", "/state") == "Execute"
    assert "powerKw" not in relay.twins.twins["M-1"]
    assert relay.equals(twin("M-2"))
    [kept] = relay.documents.all("deliveries")
    assert "/powerKw" in kept["detail"]
    sent = len(relay.twins.patches)
    await relay(twin("M-1", 2, state="Held", signals=signals))
    assert len(relay.twins.patches) == sent + 1, "what was refused is left out from then on"


async def test_a_model_that_was_mended_gets_the_property_after_a_while() -> None:
    relay = Relay()
    relay.twins.unknown = {"/temperatureC"}
    await relay(twin())
    relay.twins.unknown.clear()
    relay.time.now += 601
    await relay(twin(version=2))
    assert relay.equals(twin(version=2))


async def test_an_outage_raises_and_the_next_delivery_makes_good() -> None:
    relay = Relay("M-1", "M-2")
    relay.twins.away = {"M-1"}
    with pytest.raises(Unavailable):
        await relay(twin("M-1"), twin("M-2"))
    relay.twins.away = set()
    await relay(twin("M-1"), twin("M-2"))
    assert relay.equals(twin("M-1"))
    assert relay.equals(twin("M-2"))
    assert len(relay.twins.patches) == 2, "what was written before the outage is not written again"


async def test_a_lost_answer_is_settled_by_asking() -> None:
    relay = Relay()
    relay.twins.answers_lost = 1
    with pytest.raises(Unavailable):
        await relay(twin())
    await relay(twin())
    assert len(relay.twins.patches) == 1
    assert relay.equals(twin())


async def test_no_twin_is_written_more_than_ten_times_a_second() -> None:
    relay = Relay()
    started = relay.time.now
    for version in range(1, 101):
        await relay(twin(version=version, signals={"temperature_c": signal(version)}))
    assert relay.time.now - started >= (100 - 5) / 10 - 0.2
    relay.time.now += 10
    before = len(relay.time.slept)
    await relay(twin(version=200, state="Held"))
    assert len(relay.time.slept) == before, "a rested twin is written at once"


async def test_documents_of_other_types_are_passed_over() -> None:
    relay = Relay()
    await relay({"id": "state", "type": "state", "machineId": "M-1"})
    assert relay.twins.get_count == 0


async def test_scopes_twins_show_the_shift_that_began_last_and_the_machines_and_alarms_below() -> None:
    relay = Relay("LINE-1")
    early = {
        "type": "oee",
        "level": "line",
        "scopeId": "LINE-1",
        "version": 9,
        "start": "2026-03-09T05:00:00.000Z",
        "shiftId": "2026-03-09.early",
        "final": False,
        "availability": 0.75,
        "oee": 0.5,
        "band": "red",
    }
    late = {**early, "version": 1, "start": "2026-03-09T13:00:00.000Z", "shiftId": "2026-03-09.late"}
    below = {
        "machineCount": 3,
        "silentCount": 1,
        "blockedCount": 0,
        "warningCount": 0,
        "states": {"Execute": 2, "Held": 1},
    }
    status = {"type": "status", "level": "line", "scopeId": "LINE-1", "version": 3, **below}
    await relay(early, {**status, "alarms": alarms(3, 1, "high")})
    assert len(relay.twins.patches) == 1, "what two documents say about one twin is one patch"
    await relay({**late, "oee": None})
    await relay({**early, "version": 10, "final": True})
    shown = relay.twins.twins["LINE-1"]
    assert shown["oee"] == {
        "$metadata": {},
        "availability": 0.75,
        "band": "red",
        "shiftId": "2026-03-09.late",
        "final": False,
    }
    assert shown["alarmSummary"] == {"$metadata": {}, **alarms(3, 1, "high")}
    assert {name: shown[name] for name in below} == below


SEEDS = st.integers(0, 2**32)
STATES = st.sampled_from(["Execute", "Held", "Aborted"])


@given(
    seed=SEEDS,
    states=st.lists(STATES, min_size=1, max_size=12),
    machines=st.integers(1, 3),
)
async def test_however_documents_are_delivered_the_newest_is_shown(
    seed: int, states: list[str], machines: int
) -> None:
    """Repetitions, any order within a worker, lost answers and outages; each failed batch comes again."""
    chance = random.Random(seed)
    names = [f"M-{n}" for n in range(machines)]
    history = [
        twin(name, version, state=state, order=state if state == "Held" else None)
        for name in names
        for version, state in enumerate(states, 1)
    ]
    relay = Relay(*names)
    deliveries = history + [chance.choice(history) for _ in history]
    chance.shuffle(deliveries)
    while deliveries:
        size = chance.randint(1, 5)
        batch, deliveries = deliveries[:size], deliveries[size:]
        relay.twins.away = {name for name in names if chance.random() < 0.2}
        relay.twins.answers_lost = chance.choice([0, 0, 0, 1])
        try:
            await relay(*batch)
        except Unavailable:
            deliveries = batch + deliveries
    for name in names:
        [newest] = [one for one in history if one["machineId"] == name and one["version"] == len(states)]
        assert relay.equals(newest)
        assert ("orderId" in relay.twins.twins[name]) == (newest["order"] is not None)
