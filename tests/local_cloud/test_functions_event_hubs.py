"""The Event Hubs trigger, driven by Microsoft's producer against the local Event Hubs."""

import asyncio
import itertools
import json
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubProducerClient

from tests.local_cloud.functions_record import APP, Record, host_environment, until

# When Event Hubs is killed, the SDK's synchronous producer leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

PARTITIONS = 4


class Plant:
    """One hub, the record of the functions that read it, and the hosts that run them."""

    def __init__(self, launch: Callable, hubs, folder: Path) -> None:
        self._launch = launch
        self._folder = folder
        self.hubs = hubs
        self.hub = folder.name
        self._hosts: list[Any] = []
        # One client for all sends: opening and closing one takes the SDK more than a second.
        self._producer = EventHubProducerClient.from_connection_string(
            hubs.endpoints["eventHubs"], eventhub_name=self.hub
        )
        self.record = Record(folder / "record.jsonl")
        hub = {"name": self.hub, "partitionCount": PARTITIONS, "consumerGroups": ["ingest", "single"]}
        request = urllib.request.Request(hubs.endpoints["eventHubsCreate"], json.dumps(hub).encode())
        urllib.request.urlopen(request).close()

    def host(self, *only: str, **settings: str):
        settings = {"EventHubs": self.hubs.endpoints["eventHubs"], "HUB": self.hub, **settings}
        environment = host_environment(self.record.path, only, **settings)
        host = self._launch("functions", folder=self._folder / "home", environment=environment)
        self._hosts.append(host)
        return host

    def end(self) -> None:
        """Kill the hosts: they would go on beside the next tests."""
        for host in self._hosts:
            host.kill()
        self._producer.close()

    async def send(self, *bodies: str | EventData, partition: int = 0) -> None:
        events = [EventData(body) if isinstance(body, str) else body for body in bodies]
        await asyncio.to_thread(self._producer.send_batch, events, partition_id=str(partition))

    def runs(self, partition: int | None = None) -> list[dict[str, Any]]:
        """What `many` saw, of one partition or of all."""
        lines = self.record.lines("many")
        return [line for line in lines if partition is None or line["partition"] == str(partition)]

    def bodies(self, partition: int | None = None) -> list[str]:
        return [body for line in self.runs(partition) for body in line["bodies"]]

    def done(self) -> int:
        return len(self.record.lines("many done"))


@pytest.fixture(scope="module")
def hubs(launch: Callable):
    return launch("event-hubs")


@pytest.fixture
def plant(launch: Callable, hubs, tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(launch, hubs, tmp_path)
    yield plant
    plant.end()


@pytest.fixture(scope="module")
def steady(launch: Callable, hubs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One host for all tests that need none of their own; each has a partition to itself."""
    plant = Plant(launch, hubs, tmp_path_factory.mktemp("steady"))
    plant.host("many", "one")
    yield plant
    plant.end()


async def test_a_batch_arrives_with_bodies_and_metadata_as_azure_sends_them(steady: Plant) -> None:
    event = EventData("metadata")
    event.properties = {"line": "LINE-1"}
    event.message_id = "m-1"
    event.content_type = "application/json"
    await steady.send(event, "second", partition=2)
    (line,) = await until(lambda: steady.runs(2), "one batch")
    assert line["bodies"] == ["metadata", "second"]
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
    assert metadata["PartitionContext"]["PartitionId"] == "2"
    assert metadata["PartitionContext"]["EventHubName"] == steady.hub
    assert metadata["PartitionContext"]["ConsumerGroup"] == "ingest"


async def test_with_cardinality_one_each_event_is_an_invocation(steady: Plant) -> None:
    await steady.send("a", "b", "c", partition=3)

    def seen() -> list[dict[str, Any]]:
        return [line for line in steady.record.lines("one") if line["body"] in "abc"]

    await until(lambda: len(seen()) == 3, "three invocations")
    assert [(line["body"], line["sequence"]) for line in seen()] == [("a", 0), ("b", 1), ("c", 2)]


async def test_retries_are_counted_and_a_spent_batch_does_not_hold_up_the_partition(steady: Plant) -> None:
    await steady.send("poison", partition=0)
    await until(lambda: len(steady.runs(0)) == 3, "the first run and two retries")
    await steady.send("after", partition=0)
    await until(lambda: "after" in steady.bodies(0), "the next batch")
    runs = steady.runs(0)
    assert [run["retry_count"] for run in runs] == [0, 1, 2, 0]
    assert {run["max_retry_count"] for run in runs} == {2}
    assert runs[1]["at"] - runs[0]["at"] >= 1.0


async def test_a_retry_that_succeeds_settles_the_batch(steady: Plant) -> None:
    await steady.send("shaky", partition=1)
    await until(lambda: steady.bodies(1) == ["shaky", "shaky"], "the run and its retry")
    await steady.send("after", partition=1)
    await until(lambda: "after" in steady.bodies(1), "the next batch")
    assert steady.bodies(1) == ["shaky", "shaky", "after"]


async def test_a_stop_lets_invocations_finish_and_moves_no_checkpoint(plant: Plant) -> None:
    """Neither of a batch under way nor of one that waits for its retry; what is settled stays settled."""
    host = plant.host("many")
    await plant.send("settled", partition=2)
    await until(lambda: plant.done() == 1, "one batch")
    await plant.send("poison", partition=0)
    await plant.send("slow", partition=1)
    await until(lambda: plant.bodies(0) and plant.bodies(1), "both begun")
    host.stop()
    assert plant.done() == 2
    seen = len(plant.bodies(0))
    assert seen < 3
    plant.host("many")
    await until(lambda: plant.bodies(1) == ["slow", "slow"], "the same event again")
    await until(lambda: len(plant.bodies(0)) == seen + 3, "all runs again")
    assert plant.runs(0)[seen]["retry_count"] == 0
    await plant.send("next", partition=2)
    await until(lambda: plant.bodies(2) == ["settled", "next"], "the next event")


async def test_small_batches_wait_for_company_but_not_for_ever(plant: Plant, tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(APP, app)
    options = {"minEventBatchSize": 4, "maxEventBatchSize": 10, "maxWaitTime": "00:00:02"}
    (app / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"eventHubs": options}}))
    plant.host("many", MILLWRIGHT_FUNCTIONS_APP=str(app))
    await plant.send("1", "2", partition=0)
    await plant.send("3", "4", partition=0)
    await until(lambda: plant.done(), "the batch of four")
    await plant.send("5", partition=0)
    sent_at = time.time()
    await until(lambda: plant.done() == 2, "the fifth alone")
    assert [run["bodies"] for run in plant.runs()] == [["1", "2", "3", "4"], ["5"]]
    assert plant.runs()[1]["at"] - sent_at > 1.0


async def test_two_hosts_share_the_partitions_and_one_takes_over_from_a_killed_one(plant: Plant) -> None:
    """At least once and in order within each partition, whatever happens to a host."""
    first, second = plant.host("many"), plant.host("many")
    sent: set[str] = set()
    stop = asyncio.Event()

    async def stream() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            names = [f"{number}:{i}" for i in range(5)]
            await plant.send(*names, partition=number % PARTITIONS)
            sent.update(names)
            await asyncio.sleep(0.005)

    def shared_evenly() -> bool:
        latest = {line["partition"]: line["pid"] for line in plant.runs()}
        return sorted(Counter(latest.values()).values()) == [2, 2]

    streaming = asyncio.create_task(stream())
    await until(shared_evenly, "two partitions each")
    first.kill()
    killed = len(plant.runs())

    def taken_over() -> bool:
        later = plant.runs()[killed:]
        return len({line["partition"] for line in later if line["pid"] == second.pid}) == PARTITIONS

    await until(taken_over, "all four partitions on the host that is left")
    stop.set()
    await streaming
    await until(lambda: set(plant.bodies()) >= sent, "every event")
    for partition in range(PARTITIONS):
        furthest = -1
        for line in plant.runs(partition):
            # A batch may come again, but leaves no gap and never runs backwards within itself.
            begin, end = line["sequences"][0], line["sequences"][-1]
            assert line["sequences"] == list(range(begin, end + 1))
            assert begin <= furthest + 1
            furthest = max(furthest, end)


async def test_the_host_goes_on_when_event_hubs_comes_back(steady: Plant) -> None:
    steady.hubs.kill()
    steady.hubs.start()
    await steady.send("after the restart", partition=3)
    await until(lambda: "after the restart" in steady.bodies(3), "the event after the restart")
    assert Counter(steady.bodies(3))["a"] <= 1
