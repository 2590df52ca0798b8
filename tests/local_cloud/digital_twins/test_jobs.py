"""Import and deletion jobs, by the operations that azure-digitaltwins-core generates for them."""

import asyncio
import json
import time

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.digitaltwins.core._generated.models import ImportJob

from local.digital_twins.database import Database
from local.digital_twins.errors import ServiceError
from local.digital_twins.jobs.register import Register

MODEL = "dtmi:tests:jobs:Thing;1"
NAME = {"@type": "Property", "name": "name", "schema": "string"}


@pytest.fixture(scope="module")
def instance(launch):
    """An instance of its own, since a deletion takes everything; more than one request on jobs a second."""
    return launch("digital-twins", environment={"MILLWRIGHT_DIGITAL_TWINS_RATE_FACTOR": "100"})


@pytest.fixture(scope="module")
def client(instance, connect):
    with connect(instance) as connected:
        yield connected


@pytest.fixture
def jobs(client):
    return client._client.import_jobs


def job(instance, name, *lines):
    """A job whose input holds these lines."""
    container = instance.folder / "blobs" / "local.blob.core.windows.net" / "graphs"
    container.mkdir(parents=True, exist_ok=True)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (container / f"{name}.ndjson").write_text(text)
    base = f"https://local.blob.core.windows.net/graphs/{name}"
    return ImportJob(input_blob_uri=f"{base}.ndjson", output_blob_uri=f"{base}-log.ndjson")


def log(instance, name):
    path = instance.folder / "blobs" / "local.blob.core.windows.net" / "graphs" / f"{name}-log.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()]


def finished(get, identifier):
    deadline = time.monotonic() + 60
    while (found := get(identifier)).status in ("notstarted", "running", "cancelling"):
        assert time.monotonic() < deadline
    return found


HEADER = ({"Section": "Header"}, {"fileVersion": "1.0.0", "author": "tests", "organization": "millwright"})


def graph(interface, count):
    """A model, `count` twins in a row, and the relationships between them."""
    model = interface(MODEL, [NAME, {"@type": "Relationship", "name": "next"}])
    twins = [{"$dtId": f"j{n}", "$metadata": {"$model": MODEL}, "name": f"n{n}"} for n in range(count)]
    relationships = [
        {"$dtId": f"j{n}", "$relationshipId": "r", "$targetId": f"j{n + 1}", "$relationshipName": "next"}
        for n in range(count - 1)
    ]
    return [
        *HEADER,
        *({"Section": "Models"}, model),
        *({"Section": "Twins"}, *twins),
        *({"Section": "Relationships"}, *relationships),
    ]


def test_a_graph_is_imported_found_and_deleted_again(instance, client, jobs, interface):
    created = jobs.add("whole", job(instance, "whole", *graph(interface, 120)))
    assert (created.id, created.status, created.finished_date_time) == ("whole", "notstarted", None)
    done = finished(jobs.get_by_id, "whole")
    assert (done.status, done.error) == ("succeeded", None)
    assert done.finished_date_time >= done.created_date_time
    details = [line["details"] for line in log(instance, "whole")]
    assert details == [
        {"status": "Started"},
        {"section": "Models", "status": "Started"},
        {"section": "Models", "status": "Succeeded"},
        {"section": "Twins", "status": "Started"},
        {"section": "Twins", "status": "Succeeded"},
        {"section": "Relationships", "status": "Started"},
        {"section": "Relationships", "status": "Succeeded"},
        {"status": "Succeeded"},
    ]
    assert [row["COUNT"] for row in client.query_twins("SELECT COUNT() FROM RELATIONSHIPS")] == [119]
    query = "SELECT b FROM DIGITALTWINS MATCH (a)-[:next*9]->(b) WHERE a.$dtId = 'j7' AND b.name = 'n16'"
    assert [row["b"]["$dtId"] for row in client.query_twins(query)] == ["j16"]
    assert "whole" in [found.id for found in jobs.list()]

    base = f"{instance.endpoints['digitalTwins']}/jobs/deletions"
    options = {
        "headers": {"Authorization": "Bearer x"},
        "verify": str(instance.folder / "ca.pem"),
        "timeout": 60,
    }
    answer = requests.post(f"{base}?api-version=2023-10-31", **options)
    assert (answer.status_code, answer.json()["status"]) == (202, "notstarted")
    assert answer.headers["Operation-Location"].startswith(f"{base}/{answer.json()['id']}?")
    deletion = finished(client._client.delete_jobs.get_by_id, answer.json()["id"])
    assert deletion.status == "succeeded"
    for query in ("SELECT * FROM DIGITALTWINS", "SELECT * FROM RELATIONSHIPS"):
        assert list(client.query_twins(query)) == []
    assert list(client.list_models()) == []


def test_lines_that_are_refused_are_logged_and_the_others_taken(instance, client, jobs, interface):
    lines = graph(interface, 2)
    lines.insert(6, {"$dtId": "wrong", "$metadata": {"$model": MODEL}, "colour": "red"})
    lines.append({"$dtId": "j0", "$relationshipId": "x", "$targetId": "none", "$relationshipName": "next"})
    jobs.add("partly", job(instance, "partly", *lines))
    done = finished(jobs.get_by_id, "partly")
    assert (done.status, done.error.code) == ("failed", "ImportJobFailed")
    errors = [line["details"] for line in log(instance, "partly") if line["logType"] == "Error"]
    assert [(error["line"], error["error"]["code"]) for error in errors] == [
        (7, "ValidationFailed"),
        (11, "TargetTwinNotFound"),
    ]
    assert client.get_relationship("j0", "r")["$targetId"] == "j1"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("nojson", ["{"]),
        ("noobject", ["[]"]),
        ("nosection", [{"$dtId": "a"}]),
        ("noheader", [{"Section": "Twins"}]),
        ("noversion", [{"Section": "Header"}, {"fileVersion": "2"}]),
        ("unordered", [*HEADER, {"Section": "Twins"}, {"Section": "Models"}]),
        ("badmodel", [*HEADER, {"Section": "Models"}, {"@id": "dtmi:x;1"}, {"Section": "Twins"}]),
    ],
)
def test_a_file_that_is_none_fails_and_says_where(instance, jobs, name, lines):
    jobs.add(name, job(instance, name, *lines))
    done = finished(jobs.get_by_id, name)
    assert done.status == "failed"
    assert done.error.message
    assert log(instance, name)[-1]["details"]["status"] == "Failed"


def test_jobs_follow_the_services_rules(instance, jobs):
    jobs.add("once", job(instance, "once", *HEADER))
    finished(jobs.get_by_id, "once")
    with pytest.raises(ResourceExistsError) as taken:
        jobs.add("once", job(instance, "once", *HEADER))
    assert taken.value.error.code == "JobIdAlreadyExists"
    jobs.delete("once")
    with pytest.raises(ResourceNotFoundError) as gone:
        jobs.get_by_id("once")
    assert gone.value.error.code == "JobNotFound"
    with pytest.raises(HttpResponseError) as uri:
        jobs.add("uri", ImportJob(input_blob_uri="invalidUri", output_blob_uri="invalidOutputUri"))
    assert uri.value.error.message.startswith("Azure Storage Blob URI 'invalidUri' failed validation.")
    outside = "https://h/../../x"
    with pytest.raises(HttpResponseError):
        jobs.add("uri", ImportJob(input_blob_uri=outside, output_blob_uri=outside))
    missing = job(instance, "missing")
    missing.input_blob_uri = "https://local.blob.core.windows.net/graphs/not-there"
    jobs.add("missing", missing)
    assert finished(jobs.get_by_id, "missing").error.code == "UnableToReadInputBlob"


def test_a_running_import_is_taken_up_after_kill_9(instance, client, jobs, interface):
    jobs.add("long", job(instance, "long", *graph(interface, 1000)))
    instance.kill()
    instance.start()
    assert finished(jobs.get_by_id, "long").status == "succeeded"
    assert client.get_relationship("j998", "r")["$targetId"] == "j999"


async def test_one_job_runs_at_a_time_and_ends_when_it_is_cancelled(tmp_path):
    database = Database(tmp_path / "jobs.sqlite")
    register = Register(database, lambda: 0.0)

    ended = asyncio.Event()

    async def work(running):
        try:
            while True:
                await running.breathe()
        finally:
            ended.set()

    register.start({"imports": work})
    register.create("imports", "a", {})
    with pytest.raises(ServiceError) as second:
        register.create("imports", "b", {})
    assert second.value.code == "JobLimitReached"
    with pytest.raises(ServiceError) as running:
        register.delete("a")
    assert running.value.code == "OperationNotAllowed"
    assert register.cancel("a")["status"] == "cancelling"
    await ended.wait()
    assert register.cancel("a")["status"] == "cancelled"
    await register.stop()
    database.close()
