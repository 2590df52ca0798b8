"""The contract with Microsoft's worker library: what worker.py relies on, for the pinned version.

Runs in a process of its own, because the library's state is the process's.
"""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.local_cloud.functions_record import APP

CONTRACT = """
import asyncio, json, sys
from pathlib import Path
from local.functions.invoke import Call, Invoker
from local.functions.worker import Datum, Worker, as_json, http_request, text

async def main():
    worker = await Worker.load(Path(sys.argv[1]))
    functions = {function.name: function for function in worker.functions}
    found = {"triggers": {name: f.trigger["type"] for name, f in functions.items()}}
    found["retries"] = {name: (f.retry.max_retry_count, f.retry.minimum_s, f.retry.maximum_s)
                        for name, f in functions.items() if f.retry}
    request = http_request(
        method="POST", url="http://h/r?a=1", headers={"x": "y"}, route={"rest": "r"}, query={"a": "1"},
        body=bytes([0, 255]),
    )
    outcome = await worker.invoke(functions["echo"], "i-1", request, {})
    found["reply"] = (outcome.reply.status, dict(outcome.reply.headers), list(outcome.reply.body))
    outcome = await worker.invoke(functions["broken"], "i-2", request, {})
    found["error"] = (outcome.ok, outcome.error, outcome.traceback)
    system = [{"SequenceNumber": 5, "Offset": "80", "PartitionKey": "k", "iothub-connection-device-id": "d",
               "EnqueuedTimeUtc": "2026-01-02T03:04:05.678Z"}]
    metadata = metadata_of_many = {
        "SystemPropertiesArray": as_json(json.dumps(system)),
        "PartitionContext": as_json('{"PartitionId": "3"}'),
    }
    batch = Datum([bytes([255])], "collection_bytes")
    outcome = await worker.invoke(
        functions["many"], "i-3", batch, metadata, retry_count=1, max_retry_count=2
    )
    assert outcome.ok, outcome
    metadata = {
        "SystemProperties": as_json(json.dumps(system[0])),
        "SequenceNumber": as_json("5"),
        "Offset": text("80"),
        "EnqueuedTimeUtc": text("2026-01-02T03:04:05.678Z"),
        "PartitionKey": text("k"),
    }
    outcome = await worker.invoke(functions["one"], "i-4", text("body"), metadata)
    assert outcome.ok, outcome
    outcome = await worker.invoke(functions["tick"], "i-5", as_json('{"IsPastDue": true}'), {})
    assert outcome.ok, outcome
    outcome = await worker.invoke(functions["feed"], "i-6", as_json('[{"id": "a"}]'), {})
    assert outcome.ok, outcome
    slow = Call(functions["many"], Datum([b"slow"], "collection_bytes"), metadata_of_many, "test")
    found["late"] = (await Invoker(worker, timeout_s=0.1).once(slow)).error
    worker.stop()
    print(json.dumps(found))

asyncio.run(main())
"""


def test_the_worker_indexes_converts_and_runs_as_the_host_relies_on(tmp_path: Path) -> None:
    assert version("azure-functions-runtime") == "1.3.0"
    record = tmp_path / "record.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", CONTRACT, str(APP)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"RECORD": str(record), "PYTHONPATH": "."},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["triggers"]["many"] == "eventHubTrigger"
    assert found["triggers"]["feed"] == "cosmosDBTrigger"
    assert found["triggers"]["grid"] == found["triggers"]["cloud"] == "eventGridTrigger"
    assert found["triggers"]["tick"] == "timerTrigger"
    assert found["triggers"]["echo"] == "httpTrigger"
    assert found["retries"] == {"many": [2, 1.0, 1.0], "feed": [1, 0.0, 1.0]}
    status, headers, body = found["reply"]
    assert (status, body) == (201, [0, 255])
    assert headers["x-rest"] == "r"
    assert headers["content-type"] == "application/octet-stream"
    assert found["late"] == "Timeout value of 0.1 s was exceeded by function: Functions.many"
    ok, error, traceback = found["error"]
    assert (ok, error) == (False, "RuntimeError('this function always fails')")
    assert "function_app.py" in traceback
    assert "azure_functions_runtime" not in traceback
    lines: dict[str, dict] = {}
    for line in map(json.loads, record.read_text().splitlines()):
        lines.setdefault(line["kind"], line)
    assert lines["many"]["bodies"] == ["\\xff"]
    assert lines["many"]["sequences"] == [5]
    assert (lines["many"]["retry_count"], lines["many"]["max_retry_count"]) == (1, 2)
    assert lines["many"]["partition"] == "3"
    assert lines["one"]["body"] == "body"
    assert lines["one"]["sequence"] == 5
    assert lines["one"]["key"] == "k"
    assert lines["one"]["iothub"] == {"connection-device-id": "d"}
    assert lines["one"]["enqueued"] == "2026-01-02T03:04:05.678000+00:00"
    assert lines["tick"]["past_due"] is True
    assert lines["feed"]["ids"] == ["a"]
