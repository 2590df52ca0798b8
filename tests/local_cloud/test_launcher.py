"""The whole local cloud as a person and as a test starts it."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from azure.eventhub.aio import EventHubProducerClient

from local.home import Home
from local.launcher import LocalCloud
from tests.local_cloud.functions_record import ALL, APP, until

REPOSITORY = Path(__file__).parents[2]
KEYS = {
    "digitalTwins",
    "digitalTwinsRouteEndpoint",
    "cosmos",
    "cosmosKey",
    "eventHubs",
    "eventHubsTls",
    "eventHubsCreate",
    "eventGrid",
    "eventGridKey",
    "iotHub",
    "iotHubDevicePort",
    "iotHubEvents",
    "ca",
}


@asynccontextmanager
async def command(*options: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "up", *options),
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def lines_until(process: asyncio.subprocess.Process, last: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(60):
        async for raw in process.stdout:
            lines.append(raw.decode().rstrip())
            if lines[-1].startswith(last):
                return lines
    raise AssertionError(f"ended without {last!r}: {lines}")


async def test_up_prints_a_line_per_service_then_ready_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    async with command(f"--dir={tmp_path}", "--ports-from=0") as process:
        lines = await lines_until(process, "ready")
        assert {line.split()[0] for line in lines} == {
            "event-hubs",
            "event-grid",
            "cosmos",
            "digital-twins",
            "iot-hub",
            "ready",
        }
        endpoints = json.loads((tmp_path / "endpoints.json").read_text())
        assert endpoints.keys() >= KEYS
        assert endpoints["iotHubEvents"].endswith(";EntityPath=telemetry")

        async with command(f"--dir={tmp_path}", "--ports-from=0") as again:
            _, error = await again.communicate()
            assert again.returncode == 2
            assert f"already up (process {process.pid})" in error.decode()

        process.send_signal(signal.SIGINT)
        out, error = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, error.decode()
        assert "Azure would have metered" in out.decode()
    assert not (tmp_path / "endpoints.json").exists()
    for port in re.findall(r"\d{4,5}", " ".join(lines)):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0


async def test_a_busy_port_is_named_with_its_setting_and_everything_is_stopped(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {
            "MILLWRIGHT_COSMOS_HTTP_PORT": str(port),
            **dict.fromkeys(
                (
                    "MILLWRIGHT_EVENT_HUBS_AMQP_PORT",
                    "MILLWRIGHT_EVENT_HUBS_AMQPS_PORT",
                    "MILLWRIGHT_EVENT_HUBS_HTTP_PORT",
                    "MILLWRIGHT_EVENT_GRID_HTTP_PORT",
                    "MILLWRIGHT_DIGITAL_TWINS_HTTPS_PORT",
                ),
                "0",
            ),
        }
        async with command(f"--dir={tmp_path}", **ports) as process:
            out, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert f"port {port} (http) is in use" in error.decode()
    assert "MILLWRIGHT_COSMOS_HTTP_PORT" in error.decode()
    for line in out.decode().splitlines():
        for busy in re.findall(r"\d{4,5}", line):
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", int(busy))) != 0


async def test_as_a_class_it_kills_restarts_and_wires_hosts(tmp_path: Path) -> None:
    told: list[str] = []
    off = {f"AzureWebJobs.{name}.Disabled": "true" for name in ALL if name != "many"}
    environment = {"RECORD": str(tmp_path / "record.jsonl"), **off}
    async with LocalCloud(
        Home.at(tmp_path),
        ports_from=0,
        app=APP,
        services=("event-hubs",),
        environment={"Cosmos": "AccountEndpoint=http://127.0.0.1:1;AccountKey=bm9uZQ==;", **environment},
        tell=told.append,
    ) as cloud:
        assert await cloud.add_host() == "functions-2"
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{cloud.endpoints['api']}/api/machines/1") as answer,
        ):
            assert answer.status == 200

        await cloud.kill("event-hubs")
        async with EventHubProducerClient.from_connection_string(
            cloud.endpoints["eventHubs"], eventhub_name="telemetry", retry_total=0
        ) as client:
            port = cloud.processes["event-hubs"].ports["amqp"]
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0
            await cloud.start("event-hubs")
            properties = await client.get_eventhub_properties()
            assert properties["partition_ids"] == ["0", "1", "2", "3"]

        os.kill(cloud.processes["functions-2"].pid, signal.SIGKILL)
        await until(lambda: "functions-2 restarted" in told, "the restart of a host that died")
        assert any(line.startswith("functions-2 ended with exit code -9") for line in told)
    assert cloud.meters["functions"]["executions"] == 1
