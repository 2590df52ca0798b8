"""kill -9 in the middle of a stream, restarts, several instances: nothing acknowledged is lost."""

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from azure.eventhub import EventData, EventHubProducerClient
from azure.eventhub.exceptions import EventHubError

from tests.local_cloud.event_hubs_driver import BRISK, Namespace, closing, receive, until

# The SDK drops the sockets of connections that died without closing them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def consumers_close_at_the_end() -> AsyncIterator[None]:
    yield
    await closing.wait()


class Stream:
    """A producer that goes on until told to stop, and remembers what was acknowledged."""

    def __init__(self, namespace: Namespace, hub: str) -> None:
        self.acknowledged: list[str] = []
        self.attempted: list[str] = []
        self._namespace, self._hub = namespace, hub
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        client = EventHubProducerClient.from_connection_string(
            self._namespace.connection, eventhub_name=self._hub, retry_backoff_factor=0.1, **BRISK
        )
        with client:
            while not self._stop.is_set():
                bodies = [f"{number}-{n}" for n in range(20)]
                self.attempted += bodies
                number += 1
                try:
                    client.send_batch([EventData(body) for body in bodies])
                except EventHubError:
                    continue
                self.acknowledged += bodies

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)


def test_what_was_acknowledged_survives_kills_in_the_middle_of_a_stream(launch: Callable[..., object]):
    namespace = Namespace(launch("event-hubs"))
    hub = namespace.make()
    stream = Stream(namespace, hub)
    for _ in range(2):
        seen = len(stream.acknowledged)
        until(lambda seen=seen: len(stream.acknowledged) >= seen + 100, "acknowledged batches", 20)
        namespace.process.kill()
        namespace.process.start()
    seen = len(stream.acknowledged)
    until(lambda: len(stream.acknowledged) >= seen + 40, "life after the last kill", 20)
    stream.stop()
    with EventHubProducerClient.from_connection_string(
        namespace.connection, eventhub_name=hub, **BRISK
    ) as client:
        last = client.get_partition_properties("0")["last_enqueued_sequence_number"]
    events = receive(namespace.connection, hub, last + 1)
    assert [event.sequence_number for event in events] == list(range(last + 1))
    counts = Counter(event.body_as_str() for event in events)
    assert set(stream.acknowledged) <= set(counts) <= set(stream.attempted)
    # The SDK sends a batch again when it heard nothing: at most the batch under way at each kill comes twice.
    assert sum(count - 1 for count in counts.values()) <= 2 * 20


def test_hubs_key_and_positions_survive_a_clean_stop_and_a_kill(
    launch: Callable[..., object], tmp_path: Path
):
    namespace = Namespace(launch("event-hubs", folder=tmp_path))
    hub = namespace.make(groups=["audit"])
    connection = namespace.connection

    def send(body: str) -> dict[str, object]:
        with EventHubProducerClient.from_connection_string(connection, eventhub_name=hub, **BRISK) as client:
            client.send_event(EventData(body))
            return client.get_eventhub_properties()

    first = send("one")
    namespace.process.stop()
    assert namespace.process.meter["ingress_events_64kb"] == 1
    namespace.process.start()
    assert namespace.connection == connection
    second = send("two")
    namespace.process.kill()
    namespace.process.start()
    third = send("three")
    assert first["created_at"] == second["created_at"] == third["created_at"]
    events = receive(connection, hub, 3, group="audit")
    assert [(e.sequence_number, e.body_as_str()) for e in events] == [(0, "one"), (1, "two"), (2, "three")]
    assert receive(connection, hub, 2, starting_position=events[0].offset)[0].body_as_str() == "two"


def test_instances_side_by_side_do_not_know_each_other(launch: Callable[..., object]):
    one, two = Namespace(launch("event-hubs")), Namespace(launch("event-hubs"))
    hub = one.make(name="same")
    two.make(name="same")
    for namespace, body in ((one, "first"), (two, "second")):
        with EventHubProducerClient.from_connection_string(
            namespace.connection, eventhub_name=hub, **BRISK
        ) as client:
            client.send_event(EventData(body))
    assert [e.body_as_str() for e in receive(one.connection, hub, 1)] == ["first"]
    assert [e.body_as_str() for e in receive(two.connection, hub, 1)] == ["second"]
    assert one.connection.split("SharedAccessKey=")[1] != two.connection.split("SharedAccessKey=")[1]


def test_events_past_retention_are_gone_and_positions_go_on(launch: Callable[..., object]):
    namespace = Namespace(launch("event-hubs", environment={"MILLWRIGHT_EVENT_HUBS_RETENTION_S": "1"}))
    hub = namespace.make()
    with EventHubProducerClient.from_connection_string(
        namespace.connection, eventhub_name=hub, **BRISK
    ) as client:
        client.send_batch([EventData("old")] * 5)
        until(lambda: bool(client.get_partition_properties("0")["is_empty"]), "the events to expire")
        about = client.get_partition_properties("0")
        assert (about["beginning_sequence_number"], about["last_enqueued_sequence_number"]) == (5, 4)
        client.send_event(EventData("new"))
    (event,) = receive(namespace.connection, hub, 1)
    assert (event.sequence_number, event.body_as_str()) == (5, "new")
