"""What IoT Hub passes on: nothing acknowledged is lost, whatever is killed, and each device's order holds."""

import asyncio
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_cloud.event_grid_webhook import Webhook, call, subscription
from tests.local_cloud.iot_hub_clients import (
    EVENTS,
    Plant,
    RawClient,
    connect_packet,
    key_of,
    make_hub,
    publish_packet,
    sas,
)

# The client leaves sockets open when the hub it talks to is killed.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


class Machine:
    """Sends numbers at QoS 1 until told to stop; connects again and repeats what was not acknowledged."""

    def __init__(self, plant: Plant, device_id: str) -> None:
        self.plant, self.device_id = plant, device_id
        self.key = key_of(plant.create(device_id)[device_id])
        self.acknowledged = 0
        """Numbers below this one are acknowledged."""
        self._goal, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Machine":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def wait_for(self, number: int) -> None:
        """Send on until this many are acknowledged, and 200 more that nobody waits for."""
        self._goal = number + 200
        deadline = time.monotonic() + 60
        while self.acknowledged < number:
            assert time.monotonic() < deadline, f"{self.acknowledged} of {number} acknowledged"
            time.sleep(0.005)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._session()
            except OSError:
                self._stop.wait(0.05)

    def _session(self) -> None:
        token = sas(f"localhost/devices/{self.device_id}", self.key)
        with RawClient(self.plant) as client:
            client.send(connect_packet(self.device_id, token))
            if (answer := client.read(4)) != b"\x20\x02\x00\x00":
                raise ConnectionError(f"{answer!r} instead of being let in")
            while not self._stop.is_set():
                if self.acknowledged >= self._goal:
                    self._stop.wait(0.005)
                    continue
                first = self.acknowledged
                client.send(b"".join(self._publish(number) for number in range(first, first + 20)))
                for number in range(first, first + 20):
                    answer = client.read(4)
                    while 0 < len(answer) < 4:
                        answer += client.read(4 - len(answer))
                    if answer != struct.pack(">BBH", 0x40, 2, number % 65535 + 1):
                        raise ConnectionError(f"{answer!r} instead of the acknowledgement of {number}")
                    self.acknowledged = number + 1

    def _publish(self, number: int) -> bytes:
        topic = f"devices/{self.device_id}/messages/events/"
        return publish_packet(topic, str(number).encode(), packet_id=number % 65535 + 1)


def check(plant: Plant, *machines: Machine) -> None:
    """Every acknowledged number is there, and first arrivals are in order."""

    def arrived(events: list[Any], machine: Machine) -> list[int]:
        key = machine.device_id.encode()
        numbers = [int(event.body_as_str()) for event in events if event.partition_key == key]
        return list(dict.fromkeys(numbers))

    def all_arrived(events: list[Any]) -> bool:
        return len(events) >= sum(machine.acknowledged for machine in machines) and all(
            len(arrived(events, machine)) >= machine.acknowledged for machine in machines
        )

    with plant:
        events = plant.received(all_arrived)
    for machine in machines:
        numbers = arrived(events, machine)
        assert numbers[: machine.acknowledged] == list(range(machine.acknowledged))


def test_nothing_acknowledged_is_lost_when_the_hub_is_killed(launch: Callable[..., Any]) -> None:
    event_hubs = launch("event-hubs")
    hub = launch("iot-hub", environment={EVENTS: make_hub(event_hubs, "telemetry", 2)})
    plant = Plant(hub, event_hubs)
    with Machine(plant, "kill-1") as first, Machine(plant, "kill-2") as second:
        for number in (200, 400):
            first.wait_for(number)
            second.wait_for(number)
            hub.kill()
            hub.start()
        first.wait_for(600)
    check(plant, first, second)


def test_messages_wait_in_order_while_the_event_hub_is_away(launch: Callable[..., Any]) -> None:
    event_hubs = launch("event-hubs")
    hub = launch("iot-hub", environment={EVENTS: make_hub(event_hubs, "telemetry", 2)})
    plant = Plant(hub, event_hubs)
    with Machine(plant, "wait-1") as machine:
        machine.wait_for(100)
        event_hubs.kill()
        machine.wait_for(machine.acknowledged + 300)
        hub.kill()
        hub.start()
        machine.wait_for(machine.acknowledged + 300)
        event_hubs.start()
        machine.wait_for(machine.acknowledged + 300)
    check(plant, machine)


async def test_event_grid_hears_of_devices_even_after_an_outage_and_a_kill(
    launch: Callable[..., Any],
) -> None:
    grid = launch("event-grid", environment={"MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.002"})
    topic = f"http://127.0.0.1:{grid.ports['http']}/topics/iot-hub"
    hub = launch(
        "iot-hub",
        environment={
            "MILLWRIGHT_IOT_HUB_EVENT_GRID": f"{topic}/api/events",
            "MILLWRIGHT_IOT_HUB_EVENT_GRID_KEY": grid.endpoints["eventGridKey"],
        },
    )
    plant = Plant(hub, None)
    async with Webhook() as webhook:
        await call("PUT", f"{topic}/eventSubscriptions/devices", subscription(webhook.url))
        key = key_of((await asyncio.to_thread(plant.create, "grid-1"))["grid-1"])
        await webhook.until(lambda hook: len(hook.bodies) == 1)
        grid.kill()
        await asyncio.to_thread(connect_briefly, plant, key)
        hub.kill()
        grid.start()
        hub.start()
        await asyncio.to_thread(connect_briefly, plant, key)
        await webhook.until(lambda hook: len(told(hook)) == 5)
        plant.registry().delete_device("grid-1")
        await webhook.until(lambda hook: len(told(hook)) == 6)
        events = sorted(told(webhook), key=lambda event: event["eventTime"])

    assert [event["eventType"].removeprefix("Microsoft.Devices.Device") for event in events] == [
        "Created", "Connected", "Disconnected", "Connected", "Disconnected", "Deleted",
    ]  # fmt: skip
    assert {event["subject"] for event in events} == {"devices/grid-1"}
    assert {event["data"]["deviceId"] for event in events} == {"grid-1"}
    assert events[0]["data"]["twin"]["deviceId"] == "grid-1"
    numbers = [event["data"]["deviceConnectionStateEventInfo"]["sequenceNumber"] for event in events[1:5]]
    assert numbers == sorted(set(numbers))
    assert {len(number) for number in numbers} == {64}


def told(webhook: Webhook) -> list[Any]:
    """The events that arrived, each once: a kill may repeat a delivery."""
    return list({event["id"]: event for (event,) in webhook.bodies}.values())


def connect_briefly(plant: Plant, key: str) -> None:
    """Connect, and leave with a DISCONNECT: then the hub has written both down."""
    with RawClient(plant) as client:
        client.send(connect_packet("grid-1", sas("localhost/devices/grid-1", key)))
        assert client.read() == b"\x20\x02\x00\x00"
        client.send(b"\xe0\x00")
        assert client.read() == b""
