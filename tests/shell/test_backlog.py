"""The timer's clock stands where the telemetry hub is read: waiting messages are no silence."""

from shared.backlog import LEASES, SETTLING_MS, VALID_MS, Backlog
from shared.due import tick_due
from tests.backend import MACHINES, Plant, body, message
from tests.memory import MemoryDocuments
from tests.plants import MINUTE, MONDAY, SECOND

PARTITION = "telemetry/1/0"
LONG_AGO = MONDAY - 60 * MINUTE


def backlog(documents: MemoryDocuments, *, started_at: int = LONG_AGO) -> Backlog:
    return Backlog(documents, started_at=started_at)


async def test_without_a_backlog_everything_up_to_now_is_read_and_nothing_is_written() -> None:
    documents = MemoryDocuments()
    reader = backlog(documents)
    await reader.note(PARTITION, MONDAY - SECOND, now=MONDAY)
    assert await reader.read_until(MONDAY) == MONDAY
    assert documents.all(LEASES) == []


async def test_a_lagging_partition_holds_the_clock_of_every_worker() -> None:
    documents = MemoryDocuments()
    await backlog(documents).note(PARTITION, MONDAY - 10 * MINUTE, now=MONDAY)
    await backlog(documents).note("telemetry/1/1", MONDAY - SECOND, now=MONDAY)
    assert await backlog(documents).read_until(MONDAY + SECOND) == MONDAY - 10 * MINUTE


async def test_the_clock_goes_on_once_the_partition_has_caught_up() -> None:
    documents = MemoryDocuments()
    reader = backlog(documents)
    await reader.note(PARTITION, MONDAY - 10 * MINUTE, now=MONDAY)
    await reader.note(PARTITION, MONDAY, now=MONDAY + SECOND)
    assert await backlog(documents).read_until(MONDAY + SECOND) == MONDAY + SECOND


async def test_a_note_whose_reader_is_gone_expires() -> None:
    documents = MemoryDocuments()
    await backlog(documents).note(PARTITION, MONDAY - 10 * MINUTE, now=MONDAY)
    assert await backlog(documents).read_until(MONDAY + VALID_MS) == MONDAY + VALID_MS


async def test_a_worker_that_just_started_does_not_judge() -> None:
    reader = backlog(MemoryDocuments(), started_at=MONDAY)
    assert await reader.read_until(MONDAY + SETTLING_MS - 1) is None
    assert await reader.read_until(MONDAY + SETTLING_MS) == MONDAY + SETTLING_MS


async def test_machines_whose_messages_wait_in_the_hub_do_not_go_silent() -> None:
    plant = await Plant().describe()
    reader = backlog(plant.documents)
    await plant.ingest([message(1, body(MACHINES[0], MONDAY)), message(2, body(MACHINES[1], MONDAY))])
    now = MONDAY + 5 * MINUTE
    await reader.note(PARTITION, MONDAY + 30 * SECOND, now=now)
    until = await reader.read_until(now)
    assert until == MONDAY + 30 * SECOND
    await tick_due(plant.machines, plant.documents, now=until)
    assert not any(twin["silent"] for twin in plant.of("twin"))
    await reader.note(PARTITION, now, now=now)
    until = await reader.read_until(now)
    assert until == now
    await tick_due(plant.machines, plant.documents, now=until)
    assert [twin["machineId"] for twin in plant.of("twin") if twin["silent"]] == sorted(MACHINES[:2])
