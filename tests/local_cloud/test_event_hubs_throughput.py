"""Throughput units: what is too much is refused as Azure refuses it, and nothing of it is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
from azure.eventhub import EventData, EventHubProducerClient
from azure.eventhub.exceptions import EventHubError

from local.event_hubs.app import EventHubs
from local.event_hubs.throughput import Throughput
from local.home import Home
from tests.local_cloud.event_hubs_driver import QUICK, Namespace


def test_a_sender_beyond_the_throughput_units_hears_that_the_server_is_busy(launch: Callable[..., object]):
    """A millionth of a unit takes in one batch and needs 1,000 s for the next."""
    environment = {"MILLWRIGHT_EVENT_HUBS_THROUGHPUT_UNITS": "0.000001"}
    namespace = Namespace(launch("event-hubs", environment=environment))
    hub = namespace.make()
    with EventHubProducerClient.from_connection_string(
        namespace.connection, eventhub_name=hub, **QUICK
    ) as client:
        client.send_batch([EventData("taken")])
        with pytest.raises(EventHubError, match="is being throttled"):
            client.send_batch([EventData("refused")] * 3)
        assert client.get_partition_properties("0")["last_enqueued_sequence_number"] == 0


@pytest.mark.parametrize(("events", "size"), [(1_000, 0), (1, 1 << 20)])
def test_a_unit_is_a_thousand_events_or_a_megabyte_a_second(events: int, size: int):
    now = 0.0
    throughput = Throughput(2, lambda: now)
    assert [throughput.takes(events, size) for _ in range(3)] == [True, True, False]
    now = 0.5
    assert [throughput.takes(events, size) for _ in range(2)] == [True, False]
    now = 100.0
    assert [throughput.takes(events, size) for _ in range(3)] == [True, True, False]


def test_without_units_everything_is_taken():
    throughput = Throughput(None, lambda: 0.0)
    assert all(throughput.takes(1_000_000, 1 << 30) for _ in range(3))


def test_units_that_are_no_number_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MILLWRIGHT_EVENT_HUBS_THROUGHPUT_UNITS", "many")
    with pytest.raises(
        ValueError, match="THROUGHPUT_UNITS='many': give a number of throughput units above 0"
    ):
        EventHubs(Home.at(tmp_path), {})
