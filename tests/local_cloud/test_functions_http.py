"""HTTP and Event Grid triggers, keys, the administrator's endpoints, and an app that cannot start."""

import asyncio
import base64
import gzip
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.local_cloud.functions_record import Record, host_environment, until

REPOSITORY = Path(__file__).parents[2]
WEBHOOK = "/runtime/webhooks/EventGrid"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return Record(tmp_path_factory.mktemp("http") / "record.jsonl")


@pytest.fixture(scope="module")
def host(launch: Callable, record: Record):
    return launch("functions", environment=host_environment(record.path, ("grid", "cloud", "yearly")))


@pytest.fixture
async def http(host) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.endpoints["api"], auto_decompress=False) as session:
        yield session


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
async def test_method_body_query_and_route_reach_the_function(
    http: aiohttp.ClientSession, method: str
) -> None:
    body = bytes(range(256))
    async with http.request(method, "/api/echo/a/b%20c?x=1&x=2&y=%C3%BC", data=body) as answer:
        assert answer.status == 201
        assert await answer.read() == body
        assert answer.headers["x-method"] == method
        assert answer.headers["x-rest"] == "a/b c"
        assert json.loads(answer.headers["x-query"]) == {"x": "1,2", "y": "ü"}
        assert answer.headers["content-type"] == "application/octet-stream"


async def test_a_compressed_body_reaches_the_function_as_sent(http: aiohttp.ClientSession) -> None:
    body = gzip.compress(b"telemetry")
    async with http.post("/api/echo", data=body, headers={"content-encoding": "gzip"}) as answer:
        assert await answer.read() == body


async def test_head_answers_without_a_body(http: aiohttp.ClientSession) -> None:
    async with http.head("/api/echo/x") as answer:
        assert (answer.status, await answer.read()) == (201, b"")
        assert answer.headers["x-method"] == "HEAD"


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/api/machines/7", 200, "machine 7 from local.settings.json"),
        ("GET", "/API/MACHINES/7", 200, "machine 7 from local.settings.json"),
        ("GET", "/api/machines/status", 200, "all machines"),
        ("GET", "/api/machines/seven", 404, ""),
        ("GET", "/api/machines/99999999999", 404, ""),
        ("POST", "/api/machines/7", 404, ""),
        ("GET", "/api/machines/7/parts", 404, ""),
        ("GET", "/machines/7", 404, ""),
        ("GET", "/api/broken", 500, ""),
        ("DELETE", "/api/broken", 500, ""),
    ],
)
async def test_routes_answer_as_the_real_host_does(
    http: aiohttp.ClientSession, method: str, path: str, status: int, text: str
) -> None:
    """A method that no function takes is 404 there too: routes are matched by method."""
    async with http.request(method, path) as answer:
        assert (answer.status, await answer.text()) == (status, text)


async def test_the_caller_is_who_the_host_says_not_what_the_request_says(
    http: aiohttp.ClientSession,
) -> None:
    forged = {"X-MS-CLIENT-PRINCIPAL-NAME": "root", "x-ms-client-principal": "e30="}
    async with http.get("/api/echo", headers=forged) as answer:
        assert answer.headers["x-user"] == "local-operator"
        principal = json.loads(base64.b64decode(answer.headers["x-principal"]))
    roles = [claim["val"] for claim in principal["claims"] if claim["typ"] == "roles"]
    assert roles == ["viewer", "operator", "engineer"]


EVENT = {
    "id": "1",
    "topic": "/hub",
    "subject": "devices/m1",
    "eventType": "Microsoft.Devices.DeviceCreated",
    "eventTime": "2026-01-01T00:00:00Z",
    "data": {"deviceId": "m1"},
    "dataVersion": "1",
}
CLOUD_EVENT = {"specversion": "1.0", "id": "c1", "source": "/plant", "type": "t.v1", "data": {"n": 1}}


async def test_event_grid_events_become_one_invocation_each(
    http: aiohttp.ClientSession, record: Record
) -> None:
    path = f"{WEBHOOK}?functionName=grid"
    events = [EVENT, {**EVENT, "id": "2"}]
    async with http.post(path, json=events, headers={"aeg-event-type": "Notification"}) as answer:
        assert answer.status == 202
    seen = {line["id"]: line for line in record.lines("grid")}
    assert seen["1"]["subject"] == "devices/m1"
    assert seen["2"]["data"] == {"deviceId": "m1"}
    async with http.post(path, json=[EVENT, {**EVENT, "subject": "poison"}]) as answer:
        assert answer.status == 500


async def test_cloud_events_arrive_alone_and_in_arrays(http: aiohttp.ClientSession, record: Record) -> None:
    path = f"{WEBHOOK}?functionName=cloud"
    for body in (CLOUD_EVENT, [{**CLOUD_EVENT, "id": "c2"}]):
        async with http.post(path, json=body) as answer:
            assert answer.status == 202
    assert {line["id"] for line in record.lines("cloud")} == {"c1", "c2"}
    assert record.lines("cloud")[0]["data"] == {"n": 1}


async def test_both_validation_handshakes_are_answered(http: aiohttp.ClientSession) -> None:
    path = f"{WEBHOOK}?functionName=grid"
    validation = [
        {
            **EVENT,
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "data": {"validationCode": "c-1"},
        }
    ]
    async with http.post(
        path, json=validation, headers={"aeg-event-type": "SubscriptionValidation"}
    ) as answer:
        assert await answer.json() == {"validationResponse": "c-1"}
    async with http.options(path, headers={"WebHook-Request-Origin": "eventgrid.azure.net"}) as answer:
        assert answer.status == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("", b"[]", 400),
        ("?functionName=nobody", b"[]", 404),
        ("?functionName=grid", b"{", 400),
        ("?functionName=grid", b"[1]", 400),
        ("?functionName=grid", b"[" * 100_000, 400),
        ("?functionName=grid", b"\xff", 400),
    ],
)
async def test_what_is_no_event_is_refused(
    http: aiohttp.ClientSession, query: str, body: bytes, status: int
) -> None:
    async with http.post(WEBHOOK + query, data=body) as answer:
        assert answer.status == status


async def test_the_administrator_sees_functions_and_runs_a_timer(
    http: aiohttp.ClientSession, record: Record
) -> None:
    async with http.get("/admin/host/status") as answer:
        assert (await answer.json())["state"] == "Running"
    async with http.get("/admin/functions") as answer:
        functions = {function["name"]: function for function in await answer.json()}
    assert functions["tick"]["isDisabled"]
    assert not functions["echo"]["isDisabled"]
    assert functions["grid"]["config"]["bindings"][0]["type"] == "eventGridTrigger"
    before = len(record.lines("yearly"))
    async with http.post("/admin/functions/yearly", json={}) as answer:
        assert answer.status == 202
    await until(lambda: len(record.lines("yearly")) == before + 1, "the timer's run")
    async with http.post("/admin/functions/nobody", json={}) as answer:
        assert answer.status == 404
    async with http.post("/admin/functions/echo", json={}) as answer:
        assert answer.status == 501


async def test_the_meter_counts_executions_at_no_less_than_a_second_each(http: aiohttp.ClientSession) -> None:
    async def meter() -> dict[str, float]:
        async with http.get("/_local/meter") as answer:
            return await answer.json()

    before = await meter()
    async with http.get("/api/echo"):
        pass
    after = await meter()
    assert after["echo.executions"] == before["echo.executions"] + 1
    assert after["echo.gb_seconds"] == pytest.approx(before["echo.gb_seconds"] + 2.0)
    assert after["executions"] >= before["executions"] + 1


async def test_keys_are_asked_for_when_told_to(launch: Callable, tmp_path: Path) -> None:
    environment = host_environment(tmp_path / "record", (), MILLWRIGHT_FUNCTIONS_CHECK_KEYS="1")
    Record(tmp_path / "record")
    host = launch("functions", folder=tmp_path, environment=environment)
    keys = json.loads((tmp_path / "functions-keys.json").read_text())
    async with aiohttp.ClientSession(host.endpoints["api"]) as http:

        async def status(path: str, key: str | None = None) -> int:
            headers = {"x-functions-key": key} if key else {}
            async with http.get(path, headers=headers) as answer:
                return answer.status

        assert await status("/api/echo") == 201
        assert await status("/api/machines/7") == 401
        assert await status("/api/machines/7", "wrong") == 401
        assert await status("/api/machines/7", keys["default"]) == 200
        assert await status(f"/api/machines/7?code={keys['master']}") == 200
        assert await status("/api/machines/status", keys["default"]) == 401
        assert await status("/api/machines/status", keys["master"]) == 200
        assert await status("/admin/host/status", keys["default"]) == 401
        assert await status("/admin/host/status", keys["master"]) == 200
        webhook = f"{WEBHOOK}?functionName=nobody"
        assert await status(webhook) == 401
        assert await status(f"{webhook}&code={keys['eventgrid_extension']}") == 404


async def serve(app: Path) -> tuple[int | None, str]:
    """Exit code and log of a host that does not come up."""
    environment = {**os.environ, "MILLWRIGHT_FUNCTIONS_APP": str(app)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "serve", "functions", f"--dir={app / 'home'}", "--ports-from=0"),
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, log = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, log.decode()


HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_like_this\n", ["function_app.py", "line 1", "nothing_like_this"]),
        (
            HEAD
            + "@app.timer_trigger(arg_name='t', schedule='0 * * * * *')\n"
            + "@app.queue_output(arg_name='o', queue_name='q', connection='C')\n"
            + "def f(t: func.TimerRequest, o: func.Out[str]) -> None: ...\n",
            ["'f' function", "'o'", "queue"],
        ),
    ],
    ids=["import", "binding"],
)
async def test_an_app_that_cannot_run_says_why_and_ends(tmp_path: Path, code: str, said: list[str]) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(code)
    status, log = await serve(tmp_path)
    assert status == 1
    for words in said:
        assert words in log
    assert "azure_functions_runtime" not in log
