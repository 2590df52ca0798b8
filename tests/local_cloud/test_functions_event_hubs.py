"""The Event Hubs trigger, driven by Microsoft's producer against the local Event Hubs."""

import asyncio
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from tests.local_cloud.functions_record import Record, host_environment, until

PARTITIONS = 4


class Plant:
    """An Event Hubs service, the record of one app's functions, and the hosts that run it."""

    def __init__(self, launch: Callable, folder: Path) -> None:
        self._launch = launch
        self._folder = folder
        self.hubs = launch("event-hubs", folder=folder / "hubs")
        self.record = Record(folder / "record.jsonl")
        self.make_hub()

    def make_hub(self) -> None:
        body = b'{"name": "telemetry", "partitionCount": 4, "consumerGroups": ["ingest", "single"]}'
        request = urllib.request.Request(
            self.hubs.endpoints["eventHubsCreate"], body, {"content-type": "application/json"}
        )
        urllib.request.urlopen(request).close()

    def host(self, **environment: str):
        return self._launch(
            "functions",
            folder=self._folder / "home",
            environment=host_environment(
                self.record.path, EventHubs=self.hubs.endpoints["eventHubs"], **environment
            ),
        )

    async def send(self, *bodies: str | EventData, partition: int | None = 0) -> None:
        client = EventHubProducerClient.from_connection_string(
            self.hubs.endpoints["eventHubs"], eventhub_name="telemetry"
        )
        async with client:
            events = [EventData(body) if isinstance(body, str) else body for body in bodies]
            await client.send_batch(events, partition_id=None if partition is None else str(partition))


@pytest.fixture
def plant(launch: Callable, tmp_path: Path) -> Plant:
    return Plant(launch, tmp_path)


def bodies(plant: Plant, kind: str = "many") -> list[str]:
    return [body for line in plant.record.lines(kind) for body in line["bodies"]]


async def test_a_batch_arrives_with_bodies_and_metadata_as_azure_sends_them(plant: Plant) -> None:
    event = EventData("metadata")
    event.properties = {"line": "LINE-1"}
    event.message_id = "m-1"
    event.content_type = "application/json"
    await plant.send(event, "second", partition=2)
    plant.host(only=("many",))
    (line,) = await until(lambda: plant.record.lines("many"), "one batch")
    assert line["bodies"] == ["metadata", "second"]
    assert line["partition"] == "2"
    metadata = line["metadata"]
    first, second = metadata["SystemPropertiesArray"]
    assert first["SequenceNumber"] == 0
    assert first["message-id"] == "m-1"
    assert first["content-type"] == "application/json"
    assert first["EnqueuedTimeUtc"].endswith("Z")
    assert first["PartitionKey"] is None
    assert second["SequenceNumber"] == 1
    assert metadata["PropertiesArray"] == [{"line": "LINE-1"}, {}]
    assert metadata["SequenceNumberArray"] == [0, 1]
    assert metadata["OffsetArray"] == [first["Offset"], second["Offset"]]
    assert metadata["PartitionKeyArray"] == [None, None]
    assert metadata["EnqueuedTimeUtcArray"][0] == first["EnqueuedTimeUtc"]
    assert metadata["PartitionContext"]["EventHubName"] == "telemetry"
    assert metadata["PartitionContext"]["ConsumerGroup"] == "ingest"


async def test_with_cardinality_one_each_event_is_an_invocation(plant: Plant) -> None:
    await plant.send("a", "b", "c", partition=1)
    plant.host(only=("one",))
    await until(lambda: len(plant.record.lines("one")) == 3, "three invocations")
    assert [line["body"] for line in plant.record.lines("one")] == ["a", "b", "c"]
    assert [line["sequence"] for line in plant.record.lines("one")] == [0, 1, 2]


async def test_retries_are_counted_and_a_spent_batch_does_not_hold_up_the_partition(plant: Plant) -> None:
    await plant.send("poison")
    plant.host(only=("many",))
    await until(lambda: len(plant.record.lines("many")) == 3, "first run and two retries")
    await plant.send("after")
    await until(lambda: "after" in bodies(plant), "the next batch")
    runs = plant.record.lines("many")
    assert [run["retry_count"] for run in runs] == [0, 1, 2, 0]
    assert {run["max_retry_count"] for run in runs} == {2}
    assert runs[1]["at"] - runs[0]["at"] >= 1.0


async def test_a_retry_that_succeeds_settles_the_batch(plant: Plant) -> None:
    await plant.send("shaky")
    plant.host(only=("many",))
    await until(lambda: plant.record.lines("many done"), "success")
    await plant.send("after")
    await until(lambda: "after" in bodies(plant), "the next batch")
    assert bodies(plant) == ["shaky", "shaky", "after"]


async def test_a_stop_during_a_retry_delivers_the_batch_again(plant: Plant) -> None:
    host = plant.host(only=("many",))
    await plant.send("poison")
    await until(lambda: plant.record.lines("many"), "the first run")
    host.stop()
    seen = len(plant.record.lines("many"))
    assert seen < 3
    plant.host(only=("many",))
    await until(
        lambda: len(plant.record.lines("many")) == seen + 3, "the batch from its start, with a new count"
    )
    assert plant.record.lines("many")[seen]["retry_count"] == 0


async def test_a_clean_stop_waits_for_the_invocation_under_way_and_moves_no_checkpoint(plant: Plant) -> None:
    host = plant.host(only=("many",))
    await plant.send("slow")
    await until(lambda: plant.record.lines("many"), "the invocation's begin")
    host.stop()
    assert len(plant.record.lines("many done")) == 1
    plant.host(only=("many",))
    await until(lambda: bodies(plant) == ["slow", "slow"], "the same event again")


async def test_checkpoints_outlive_the_host(plant: Plant) -> None:
    host = plant.host(only=("many",))
    await plant.send("first")
    await until(lambda: plant.record.lines("many done"), "the first event")
    await plant.send("second")
    await until(
        lambda: "second" in bodies(plant), "the second event: the first one's checkpoint is behind us"
    )
    await until(lambda: len(plant.record.lines("many done")) == 2, "both done")
    host.kill()
    plant.host(only=("many",))
    await plant.send("third")
    await until(lambda: "third" in bodies(plant), "the third event")
    assert bodies(plant).count("first") == 1


async def test_two_hosts_share_the_partitions_and_one_takes_over_from_a_killed_one(plant: Plant) -> None:
    """At least once and in order within each partition, whatever happens to a host."""
    first, second = plant.host(only=("many",)), plant.host(only=("many",))
    sent: Counter[str] = Counter()
    stop = asyncio.Event()

    async def stream() -> None:
        number = 0
        client = EventHubProducerClient.from_connection_string(
            plant.hubs.endpoints["eventHubs"], eventhub_name="telemetry"
        )
        async with client:
            while not stop.is_set():
                partition = number % PARTITIONS
                names = [f"{partition}:{number}:{i}" for i in range(5)]
                await client.send_batch([EventData(name) for name in names], partition_id=str(partition))
                sent.update(names)
                number += 1
                await asyncio.sleep(0.005)

    def shared_evenly() -> bool:
        latest = {line["partition"]: line["pid"] for line in plant.record.lines("many")}
        return sorted(Counter(latest.values()).values()) == [2, 2]

    streaming = asyncio.create_task(stream())
    await until(shared_evenly, "two partitions each", 30)
    first.kill()
    killed = len(plant.record.lines("many"))
    await until(
        lambda: (
            len(
                {
                    line["partition"]
                    for line in plant.record.lines("many")[killed:]
                    if line["pid"] == second.pid
                }
            )
            == 4
        ),
        "all four partitions on the host that is left",
        30,
    )
    stop.set()
    await streaming
    await until(lambda: set(bodies(plant)) >= set(sent), "every event", 30)
    for partition in map(str, range(PARTITIONS)):
        furthest = -1
        for line in plant.record.lines("many"):
            if line["partition"] != partition:
                continue
            # A batch may come again, but never leaves a gap and never runs backwards within itself.
            assert line["sequences"] == list(range(line["sequences"][0], line["sequences"][-1] + 1))
            assert line["sequences"][0] <= furthest + 1
            furthest = max(furthest, line["sequences"][-1])


async def test_the_host_goes_on_when_event_hubs_comes_back(plant: Plant) -> None:
    plant.host(only=("many",))
    await plant.send("before")
    await until(lambda: plant.record.lines("many done"), "the first event")
    plant.hubs.kill()
    plant.hubs.start()
    await plant.send("after")
    await until(lambda: "after" in bodies(plant), "the event after the restart", 40)
    assert bodies(plant).count("after") == 1
