"""The simulated plant as devices on IoT Hub: what arrives is what the truth says was sent."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from local.plant.description import read
from local.plant.faults import Fault
from local.plant.send import Hub, register, send
from local.plant.stream import Settings, Stream
from local.plant.truth import Truth
from tests.local_cloud.iot_hub_clients import EVENTS, Plant, make_hub

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector when it connects again.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

ROOT = Path(__file__).parents[2]
FACTORY = ROOT / "factories/smart-factory.yaml"


@pytest.fixture(scope="module")
def local_plant(launch):
    event_hubs = launch("event-hubs")
    hub = launch("iot-hub", environment={EVENTS: make_hub(event_hubs, "telemetry", 4)})
    with Plant(hub, event_hubs) as plant:
        yield plant


@pytest.fixture
def hub(local_plant):
    hub = local_plant.hub
    return Hub.of({**hub.endpoints, "ca": str(local_plant.ca)})


def stream(seconds_ago, *lines, entries, **settings):
    plant = read(FACTORY).only(*lines)
    start = round(time.time() - seconds_ago) * 1000
    return Stream(plant, Settings(start=start, **settings), Truth(plant.reasons, entries.append))


def of_device(events, device):
    return [event for event in events if event.partition_key == device.encode()]


async def test_what_arrives_is_what_the_truth_says_was_sent(local_plant, hub):
    device = "LINE-1-GATEWAY"
    faults = [
        Fault(kind="duplicate", target=device, start_s=2, duration_s=8, share=0.3),
        Fault(kind="malformed", target=device, start_s=2, duration_s=8, share=0.2),
        Fault(kind="gateway_offline", target=device, start_s=12, duration_s=6),
    ]
    entries = []
    played = stream(60, "LINE-1", entries=entries, seed=7, faults=faults, readings_per_message=3)
    sent = await send(played, hub, speed=20, seconds=25)

    messages = [e for e in entries if e["type"] == "message"]
    assert sent.messages == len(messages)
    assert sent.retries == 0
    events = await asyncio.to_thread(
        local_plant.received, lambda found: len(of_device(found, device)) >= len(messages)
    )
    arrived = of_device(events, device)
    assert [event.message_id for event in arrived] == [e["messageId"] for e in messages]
    assert {event.content_type for event in arrived} == {"application/json"}
    assert Counter(f for e in messages for f in e["faults"])["backlog"] > 4
    for event, message in zip(arrived, messages, strict=True):
        if "malformed" in message["faults"]:
            continue
        readings = event.body_as_json()
        readings = readings if isinstance(readings, list) else [readings]
        assert [[r["machineId"], r["timestamp"], r["sequence"]] for r in readings] == message["readings"]


async def test_a_fast_simulation_stops_at_the_present(local_plant, hub):
    entries = []
    played = stream(8, "LINE-2", entries=entries, seed=3)
    begun = time.time()
    await send(played, hub, speed=1000, seconds=10)
    assert time.time() >= begun + 1
    messages = [e for e in entries if e["type"] == "message"]
    events = await asyncio.to_thread(
        local_plant.received, lambda found: len(of_device(found, "LINE-2-GATEWAY")) >= len(messages)
    )
    for event in of_device(events, "LINE-2-GATEWAY"):
        at = datetime.fromisoformat(event.body_as_json()["timestamp"])
        enqueued = event.system_properties[b"iothub-enqueuedtime"]
        assert at.timestamp() * 1000 <= enqueued + 1


async def test_devices_go_on_when_the_hub_was_away(local_plant, hub):
    device = "LINE-3-GATEWAY"
    entries = []
    played = stream(60, "LINE-3", entries=entries, seed=5)
    playing = asyncio.create_task(send(played, hub, speed=5, seconds=20))
    await asyncio.to_thread(local_plant.received, lambda found: len(of_device(found, device)) >= 5)
    local_plant.hub.kill()
    local_plant.hub.start()
    sent = await asyncio.wait_for(playing, 120)
    expected = [e["messageId"] for e in entries if e["type"] == "message"]
    assert sent.messages == len(expected)
    events = await asyncio.to_thread(
        local_plant.received,
        lambda found: len({e.message_id for e in of_device(found, device)}) >= len(expected),
    )
    assert list(dict.fromkeys(e.message_id for e in of_device(events, device))) == expected


def test_registering_again_gives_the_same_keys(local_plant, hub):
    assert register(hub, ["A", "B"]) == register(hub, ["A", "B"])


def test_the_command_runs_until_it_is_stopped(local_plant, tmp_path):
    endpoints = {**local_plant.hub.endpoints, "ca": str(local_plant.ca)}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    command = [sys.executable, "-m", "local.plant", f"--dir={tmp_path}", "--line=LINE-2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("4 machines on 1 devices")
        truth = tmp_path / "truth.jsonl"
        deadline = time.monotonic() + 60
        while truth.stat().st_size == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        last = process.stdout.read()
        assert process.wait(60) == 0
    assert last.startswith("sent ")
    assert truth.stat().st_size > 0
