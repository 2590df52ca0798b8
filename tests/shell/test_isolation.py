"""One machine, device or document that fails harms nobody else, and nothing of it is lost."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.blocked import resume
from shared.decode import Reason, Rejected
from shared.domain.alarms.inputs import Acknowledge
from shared.domain.inputs import Position
from shared.due import tick_due
from shared.ports import AlreadyDone, Document, Operation, Refused, Unavailable
from shared.quarantine import APART_MAX, few
from shared.state_document import from_document, size, to_document
from tests.backend import MACHINES, Plant, body, message
from tests.memory import MemoryDocuments
from tests.plants import DAY, HOUR, MINUTE, MONDAY, SECOND

FIRST, SECOND_ONE, THIRD = MACHINES
START = MONDAY + 8 * HOUR


def sent(number: int, at: int, machine_id: str = FIRST, **fields: Any) -> bytes:
    return body(machine_id, at, sequence=number, **fields)


def events(plant: Plant, machine_id: str, kind: str) -> list[Document]:
    found = [event for d in plant.of("outbox", machine_id) for event in d["events"]]
    return [event for event in found if event["type"] == f"millwright.{kind}.v1"]


async def filled(plant: Plant, count: int, *, first: int = 0, each_s: int = 5, **fields: Any) -> None:
    """One message with readings of the first machine."""
    readings = [
        json.loads(sent(n, START + n * each_s * SECOND, **{name: value(n) for name, value in fields.items()}))
        for n in range(first, first + count)
    ]
    at = START + (first + count) * each_s * SECOND
    await plant.ingest([message(first + 1, json.dumps(readings).encode(), at=at)])


def break_spec(plant: Plant, machine_id: str) -> Any:
    """Put a mistake of ours into a machine's spec; returns the healthy one."""
    healthy = plant.specs[machine_id]
    plant.specs[machine_id] = replace(healthy, ideal_cycle_ms={"gear": "ten seconds"})  # type: ignore[dict-item]
    plant.worker()
    return healthy


def mend_spec(plant: Plant, machine_id: str, healthy: Any) -> None:
    plant.specs[machine_id] = healthy
    plant.worker()


def gears(n: int) -> dict[str, str]:
    return {"id": "O-1", "product": "gear"}


def good(n: int) -> dict[str, int]:
    return {"good": n}


# The timer


async def test_a_machine_whose_tick_fails_is_blocked_and_the_others_are_ticked() -> None:
    plant = await Plant().describe()
    for number, machine_id in enumerate(MACHINES):
        await plant.ingest([message(number + 1, sent(1, MONDAY, machine_id), at=MONDAY)])
    plant.specs[FIRST] = replace(plant.specs[FIRST], silence_ms="a minute")  # type: ignore[arg-type]
    plant.documents.partition("machines", SECOND_ONE)["state"]["data"] = "nonsense"
    plant.worker()
    await tick_due(plant.machines, plant.documents, now=MONDAY + 2 * MINUTE)
    assert plant.of("twin", THIRD)[0]["silent"]


async def test_the_timer_leaves_what_is_too_much_for_the_next_call() -> None:
    plant = await Plant().describe()
    for number, machine_id in enumerate(MACHINES):
        await plant.ingest([message(number + 1, sent(1, MONDAY, machine_id), at=MONDAY)])
    now = MONDAY + 2 * MINUTE
    assert await tick_due(plant.machines, plant.documents, now=now, at_most=2) == (2, True)
    assert await tick_due(plant.machines, plant.documents, now=now, at_most=2) == (1, False)


async def test_a_store_that_is_down_makes_the_timer_try_again() -> None:
    plant = await Plant().describe()
    plant.documents.broken = True
    with pytest.raises(Unavailable):
        await tick_due(plant.machines, plant.documents, now=MONDAY)


# Blocking and resuming


async def test_a_long_queue_is_resumed_with_one_event_of_each_kind() -> None:
    plant = await Plant().describe()
    healthy = break_spec(plant, FIRST)
    await filled(plant, 150, order=gears, counts=good)
    assert len(plant.of("queued")) == 150
    mend_spec(plant, FIRST, healthy)
    assert await resume(plant.machines, plant.documents, FIRST, now=START + DAY) == 150
    assert len(events(plant, FIRST, "machine.blocked")) == 1
    assert len(events(plant, FIRST, "machine.resumed")) == 1
    assert plant.of("state", FIRST)[0]["counts"]["folded"] == 150


async def test_a_queue_that_writes_much_is_resumed_in_smaller_steps() -> None:
    plant = await Plant().describe()
    healthy = break_spec(plant, FIRST)
    await filled(
        plant,
        80,
        each_s=60,
        order=gears,
        counts=good,
        state=lambda n: ("Execute", "Held")[n % 2],
        signals=lambda n: {"torque_nm": 40.0},
    )
    mend_spec(plant, FIRST, healthy)
    assert await resume(plant.machines, plant.documents, FIRST, now=START + DAY) == 80
    assert plant.of("queued") == []
    assert plant.of("twin", FIRST)[0]["blocked"] is None


async def test_a_worker_that_last_saw_the_machine_well_resumes_it() -> None:
    plant = await Plant().describe()
    await filled(plant, 1)
    other = plant.machines
    healthy = break_spec(plant, FIRST)
    await filled(plant, 10, first=1, order=gears, counts=good)
    mend_spec(plant, FIRST, healthy)
    assert await resume(other, plant.documents, FIRST, now=START + DAY) == 10


async def test_a_resume_that_fails_again_leaves_the_queue() -> None:
    plant = await Plant().describe()
    break_spec(plant, FIRST)
    await filled(plant, 10, order=gears, counts=good)
    with pytest.raises(TypeError):
        await resume(plant.machines, plant.documents, FIRST, now=START + DAY)
    assert len(plant.of("queued")) == 10
    assert plant.of("twin", FIRST)[0]["blocked"]


async def test_a_machine_that_cannot_even_be_blocked_has_its_readings_kept() -> None:
    plant = await Plant().describe()
    for second in (0, 6):
        await filled(plant, 1, first=second, signals=lambda n: {"temperature_c": 120.0})
    stored = plant.documents.partition("machines", FIRST)["state"]
    state = from_document(stored)
    state.alarms["hot"] = replace(state.alarms["hot"], priority="never heard of")
    stored["data"] = to_document(plant.specs[FIRST], state)["data"]
    plant.worker()
    changed = sent(9, START + MINUTE, state="Held")
    neighbour = sent(9, START + MINUTE, THIRD)
    await plant.ingest([message(9, changed, at=START + MINUTE), message(10, neighbour, at=START + MINUTE)])
    [kept] = plant.documents.all("quarantine")
    assert (kept["machineId"], kept["reason"]) == (FIRST, "unreadableState")
    assert json.loads(base64.b64decode(kept["body"]))["state"] == "Held"
    assert plant.of("twin", THIRD)[0]["state"] == "Execute"


async def test_a_state_that_outgrows_its_document_blocks_its_machine_alone() -> None:
    plant = await Plant().describe()
    rejects = {f"{'x' * 120}{n}": 1 for n in range(64)}
    for number in range(12):
        at = START + number * 500
        await plant.ingest(
            [
                message(2 * number, sent(number, at, counts={"reject": number, "rejects": rejects}), at=at),
                message(2 * number + 1, sent(number, at, THIRD), at=at),
            ]
        )
    assert plant.of("twin", FIRST)[0]["blocked"].startswith("Refused: LINE-1-CNC-1: a state of ")
    state = from_document(plant.of("state", FIRST)[0])
    assert state.reading_count + len(plant.of("queued", FIRST)) == 12
    assert size(state) < 80_000
    assert plant.of("state", THIRD)[0]["counts"]["folded"] == 12


# Documents that are gone, or refused


async def test_minutes_whose_document_expired_within_their_hour_are_written_anew() -> None:
    plant = await Plant().describe()
    await filled(plant, 60)
    [minutes] = plant.of("minutes", FIRST)
    del plant.documents.partition("machines", FIRST)[minutes["id"]]
    await filled(plant, 60, first=60)
    [again] = plant.of("minutes", FIRST)
    assert again["id"] == minutes["id"]
    assert again["hour"] == minutes["hour"]
    assert set(again["rows"]).isdisjoint(minutes["rows"])
    assert plant.of("twin", FIRST)[0]["blocked"] is None


class NoQuarantine(MemoryDocuments):
    """A store that takes no document of the quarantine container."""

    async def commit(self, container: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        if container == "quarantine":
            raise Refused("too large")
        return await super().commit(container, partition, operations)


async def test_a_message_that_not_even_quarantine_takes_holds_back_no_other() -> None:
    plant = Plant()
    plant.documents = NoQuarantine()
    plant.worker()
    await plant.describe()
    await plant.ingest([message(1, b"{"), message(2, sent(1, MONDAY))])
    assert plant.of("twin", FIRST)[0]["state"] == "Execute"


async def test_a_message_of_a_hundred_thousand_broken_parts_is_a_few_documents() -> None:
    plant = await Plant().describe()
    flood = b"[" + b",".join([b"1"] * 100_000) + b"]"
    await plant.ingest([message(1, flood), message(2, sent(1, MONDAY))])
    assert len(plant.documents.all("quarantine")) == APART_MAX + 1
    assert plant.of("twin", FIRST)[0]["state"] == "Execute"


def test_broken_parts_that_are_kept_together_are_all_there_by_reason() -> None:
    reasons = (Reason.WRONG_SHAPE, Reason.BAD_TIMESTAMP)
    rejected = [
        Rejected(Position("telemetry/1/0", 7, n), "D", 0, reasons[n % 2], "why", b'{"n": %d}' % n)
        for n in range(100)
    ]
    kept = few(rejected)
    assert kept[:APART_MAX] == rejected[:APART_MAX]
    assert [one.reason for one in kept[APART_MAX:]] == list(reasons)
    lines = [line for one in kept for line in one.raw.split(b"\n")]
    assert sorted(lines) == sorted(one.raw for one in rejected)
    assert len({one.position for one in kept}) == len(kept)


# Commands


async def test_a_command_whose_answer_was_lost_was_carried_out_once() -> None:
    plant = await Plant().describe()
    for second in (0, 6):
        await filled(plant, 1, first=second, signals=lambda n: {"temperature_c": 120.0})
    [alarm] = plant.of("alarm")
    command = Acknowledge("key", alarm["alarmId"], "Ada", START + HOUR)
    plant.documents.fail_after_commits = {plant.documents.commit_count + 1}
    with pytest.raises(Unavailable):
        await plant.machines.change(FIRST, [command])
    with pytest.raises(AlreadyDone):
        await plant.machines.change(FIRST, [command])
    assert len(events(plant, FIRST, "alarm.acknowledged")) == 1
    assert plant.of("command")[0]["outcome"] == "done"


async def test_a_long_backlog_with_much_to_write_is_committed_whole() -> None:
    plant = await Plant().describe()
    await filled(plant, 600, state=lambda n: ("Execute", "Held")[n % 2], counts=good)
    assert plant.of("state", FIRST)[0]["counts"]["folded"] == 600
    assert plant.of("twin", FIRST)[0]["blocked"] is None
