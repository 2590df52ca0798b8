"""From raw bytes to commits, against the document store in memory."""

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.blocked import resume
from shared.commit import Machines
from shared.domain.alarms.inputs import Acknowledge
from shared.domain.effects import ScoreRequested
from shared.domain.inputs import Scored
from shared.due import tick_due
from shared.ingest import Ingest
from shared.ports import AlreadyDone, Document, Unavailable
from tests.backend import MACHINES, Plant, body, message, stream
from tests.plants import DAY, HOUR, MONDAY, SECOND, ArithmeticScorer


async def test_a_reading_becomes_state_twin_and_events() -> None:
    plant = await Plant().describe()
    await plant.ingest([message(1, body(MACHINES[0], MONDAY, signals={"temperature_c": 61.5}))])
    twin = plant.of("twin", MACHINES[0])[0]
    assert twin["state"] == "Execute"
    assert twin["signals"]["temperature_c"]["value"] == 61.5
    [events] = [d["events"] for d in plant.of("outbox") if d["machineId"] == MACHINES[0]]
    assert [event["type"] for event in events] == ["millwright.machine.statechanged.v1"]
    assert events[0]["subject"] == f"SITE-1/LINE-1/{MACHINES[0]}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "notUtf8"),
        (b"{", "notJson"),
        (b"[" * 10_000, "notJson"),
        (body("GHOST", MONDAY), "missingMachine"),
        (body("ELSEWHERE", MONDAY), "notItsDevice"),
        (b'{"machineId": "LINE-1-CNC-1", "timestamp": "2026-03-09T00:00:00"}', "naiveTimestamp"),
        (body(MACHINES[0], MONDAY, signals={"temperature_c": float("nan")}), "notFinite"),
        (body(MACHINES[0], MONDAY + DAY), "far-future"),
    ],
)
async def test_what_cannot_be_believed_is_quarantined_and_its_neighbours_are_folded(
    content: bytes, reason: str
) -> None:
    plant = await Plant().describe()
    good = body(MACHINES[1], MONDAY, signals={"temperature_c": 61.5})
    await plant.ingest([message(1, content), message(2, good)])
    await plant.ingest([message(1, content), message(2, good)])
    [quarantined] = plant.documents.all("quarantine")
    assert quarantined["reason"] in (reason, "tooDeep")
    assert quarantined["deviceDay"] == "GATEWAY-1/20260309"
    assert plant.of("twin", MACHINES[1])[0]["signals"]["temperature_c"]["value"] == 61.5


async def test_a_device_may_report_only_the_machines_whose_spec_lists_it() -> None:
    plant = Plant()
    plant.specs[MACHINES[0]] = replace(plant.specs[MACHINES[0]], devices=("GATEWAY-2",))
    await plant.describe()
    await plant.ingest([message(1, body(MACHINES[0], MONDAY))])
    [quarantined] = plant.documents.all("quarantine")
    assert quarantined["reason"] == "notItsDevice"


async def test_a_machine_that_is_new_at_a_known_gateway_is_folded_from_its_first_reading() -> None:
    """The directory of this worker is older than the description that has the machine."""
    plant = await Plant().describe()
    plant.new = {MACHINES[2]}
    readings = [body(MACHINES[2], MONDAY), body(MACHINES[0], MONDAY), body(MACHINES[2], MONDAY + 1)]
    await plant.ingest([message(number, content) for number, content in enumerate(readings, start=1)])
    assert plant.documents.all("quarantine") == []
    assert plant.of("twin", MACHINES[2])[0]["state"] == "Execute"


async def test_a_device_that_another_process_allowed_is_believed_at_once() -> None:
    """This worker keeps the machine in memory, with the spec from before."""
    plant = Plant()
    plant.specs[MACHINES[0]] = replace(plant.specs[MACHINES[0]], devices=("GATEWAY-1",))
    await plant.describe()
    await plant.ingest([message(1, body(MACHINES[0], MONDAY))])
    plant.specs[MACHINES[0]] = replace(
        plant.specs[MACHINES[0]], devices=("GATEWAY-1", "GATEWAY-2"), version=2
    )
    elsewhere = Machines(plant.documents, plant, ArithmeticScorer())
    await elsewhere.describe(plant.specs[MACHINES[0]], now=MONDAY)
    held = body(MACHINES[0], MONDAY + 1000).replace(b"Execute", b"Held")
    await plant.ingest([message(2, held, device="GATEWAY-2")])
    assert plant.documents.all("quarantine") == []
    assert plant.of("twin", MACHINES[0])[0]["state"] == "Held"


@given(st.integers(0, 2**32))
@settings(max_examples=settings().max_examples // 4)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(seed: int) -> None:
    """Batches of any size, redelivered after lost answers and worker deaths, give the same documents."""
    messages = stream(60)
    fate = random.Random(seed)

    async def run(*, interrupted: bool) -> dict[str, Any]:
        plant = await Plant().describe()
        if interrupted:
            plant.documents.fail_after_commits = {fate.randint(4, 120) for _ in range(12)}
        start = 0
        while start < len(messages):
            end = start + (fate.randint(1, 20) if interrupted else 7)
            batch = messages[start:end]
            try:
                await plant.ingest(batch)
            except Unavailable:
                plant.worker()
                continue
            if interrupted and fate.random() < 0.2:
                plant.worker()
            else:
                start = end
        return plant.figures()

    assert asyncio.run(run(interrupted=True)) == asyncio.run(run(interrupted=False))


async def test_two_workers_that_fold_the_same_machine_at_once_lose_and_double_nothing() -> None:
    plant = await Plant().describe()
    alone = await Plant().describe()
    first, second = plant.ingest, plant.worker().ingest
    messages = stream(40)
    other = [replace(m, device_id="GATEWAY-2", source="telemetry/1/1") for m in stream(40)]
    for start in range(0, 40, 5):
        await asyncio.gather(first(messages[start : start + 5]), second(other[start : start + 5]))
    await alone.ingest(messages)
    await alone.ingest(other)

    def counted(of: Plant) -> list[int]:
        states = sorted(of.of("state"), key=lambda d: d["machineId"])
        return [d["counts"]["folded"] + d["counts"]["late"] for d in states]

    assert counted(plant) == counted(alone)


async def test_a_machine_that_cannot_be_folded_is_blocked_alone_and_resumed_in_order() -> None:
    plant = await Plant().describe()
    calm = await Plant().describe()
    healthy = plant.specs[MACHINES[0]]
    broken = replace(healthy, ideal_cycle_ms={"gear": "ten seconds"})  # type: ignore[dict-item]
    messages = stream(60)
    plant.specs[MACHINES[0]] = broken
    plant.worker()
    for start in range(0, 60, 6):
        await plant.ingest(messages[start : start + 6])
    await calm.ingest(messages)

    [twin] = plant.of("twin", MACHINES[0])
    assert "TypeError" in twin["blocked"]
    for neighbour in MACHINES[1:]:
        assert plant.of("oee", neighbour) == [
            {**d, "_etag": mine["_etag"]}
            for d, mine in zip(calm.of("oee", neighbour), plant.of("oee", neighbour), strict=True)
        ]

    plant.specs[MACHINES[0]] = healthy
    plant.worker()
    queued = len(plant.of("queued", MACHINES[0]))
    assert queued > 40 - 20
    assert await resume(plant.machines, plant.documents, MACHINES[0], now=MONDAY) == queued
    assert plant.of("queued") == []
    assert plant.of("twin", MACHINES[0])[0]["blocked"] is None

    def oee(of: Plant) -> list[Document]:
        return [{k: v for k, v in d.items() if k != "_etag"} for d in of.of("oee", MACHINES[0])]

    assert oee(plant) == oee(calm)


async def test_a_state_that_cannot_be_read_harms_no_other_machine() -> None:
    plant = await Plant().describe()
    state = plant.documents.partition("machines", MACHINES[0])["state"]
    state["data"] = "nonsense"
    plant.worker()
    await plant.ingest([message(1, body(MACHINES[0], MONDAY)), message(2, body(MACHINES[1], MONDAY))])
    assert [d["reason"] for d in plant.documents.all("quarantine")] == ["unreadableState"]
    assert plant.of("twin", MACHINES[1])[0]["state"] == "Execute"


async def test_a_store_that_is_down_parks_nothing_and_loses_nothing() -> None:
    plant = await Plant().describe()
    before = plant.figures()
    plant.documents.broken = True
    plant.worker()
    with pytest.raises(Unavailable):
        await plant.ingest(stream(10))
    plant.documents.broken = False
    assert plant.figures() == before
    await plant.ingest(stream(10))
    assert len(plant.of("twin")) == len(MACHINES)


async def test_a_large_backlog_is_committed_in_steps_within_the_batch_limit() -> None:
    plant = await Plant().describe()
    backlog = [
        json.loads(
            body(MACHINES[0], MONDAY + n * 20 * SECOND, signals={"temperature_c": 20.0 + 75 * (n % 2)})
        )
        for n in range(400)
    ]
    at = MONDAY + 400 * 20 * SECOND
    await plant.ingest([message(1, json.dumps(backlog).encode(), at=at)])
    assert plant.of("state", MACHINES[0])[0]["counts"]["folded"] == 400
    assert plant.documents.commit_count > 3


class CountingScorer(ArithmeticScorer):
    count = 0

    def score(self, requests: list[ScoreRequested]) -> list[Scored]:
        self.count += len(requests)
        return super().score(requests)


async def test_a_backlog_of_many_documents_is_decided_again_once_and_not_for_every_halving() -> None:
    plant = await Plant().describe()
    scorer = CountingScorer()
    plant.machines = Machines(plant.documents, plant, scorer)
    plant.ingest = Ingest(plant.machines, plant, plant.documents, scorer)
    hours = 1_000
    backlog = [
        json.loads(body(MACHINES[0], MONDAY + n * HOUR, signals={"torque_nm": 40.0})) for n in range(hours)
    ]
    at = MONDAY + hours * HOUR
    await plant.ingest([message(1, json.dumps(backlog).encode(), at=at)])
    assert len(plant.of("prediction", MACHINES[0])) == hours - 1
    assert hours <= scorer.count <= 2.5 * hours


async def test_an_alarm_is_acknowledged_once_by_who_and_when() -> None:
    plant = await Plant().describe()
    for second in (0, 6):
        content = body(MACHINES[0], MONDAY + second * SECOND, signals={"temperature_c": 120.0})
        await plant.ingest([message(second + 1, content)])
    [alarm] = plant.of("alarm")
    assert (alarm["state"], alarm["priority"]) == ("unacknowledged", "high")
    command = Acknowledge("key-1", alarm["alarmId"], "Ada", MONDAY + 60 * SECOND)
    await plant.machines.change(MACHINES[0], [command])
    with pytest.raises(AlreadyDone):
        await plant.machines.change(MACHINES[0], [command])
    [alarm] = plant.of("alarm")
    assert (alarm["state"], alarm["acknowledgedBy"]) == ("acknowledged", "Ada")


async def test_the_timer_finds_silent_machines_and_no_others() -> None:
    plant = await Plant().describe()
    await plant.ingest([message(1, body(MACHINES[0], MONDAY)), message(2, body(MACHINES[1], MONDAY))])
    await plant.ingest([message(3, body(MACHINES[1], MONDAY + 50 * SECOND), at=MONDAY + 50 * SECOND)])
    ticked, more = await tick_due(plant.machines, plant.documents, now=MONDAY + 61 * SECOND)
    assert (ticked, more) == (1, False)
    assert [twin["machineId"] for twin in plant.of("twin") if twin["silent"]] == [MACHINES[0]]
    assert (await tick_due(plant.machines, plant.documents, now=MONDAY + 62 * SECOND))[0] == 0


async def test_a_tick_closes_a_shift_that_nothing_can_change_any_more() -> None:
    plant = await Plant().describe()
    await plant.ingest(
        [message(1, body(MACHINES[0], MONDAY + 8 * 3600 * SECOND), at=MONDAY + 8 * 3600 * SECOND)]
    )
    for hours in range(9, 60):
        await tick_due(plant.machines, plant.documents, now=MONDAY + hours * 3600 * SECOND)
    early = next(d for d in plant.of("oee", MACHINES[0]) if d["id"] == "oee:2026-03-09.early")
    assert early["final"] is True
    assert early["coverage"] < 0.01
    assert sum(early["elements"]["timesMs"].values()) == 5 * 3600 * SECOND
