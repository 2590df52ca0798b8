"""One function of each kind the host serves. Each writes what it saw as a line of JSON to the file RECORD."""

import asyncio
import json
import os
import time
from typing import Any, List  # noqa: UP035 - the worker refuses list[...] in annotations of bindings

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def record(kind: str, **seen: Any) -> None:
    """One write, in append mode: lines of several processes do not mix."""
    line = json.dumps({"kind": kind, "pid": os.getpid(), "at": time.time(), **seen}) + "\n"
    with open(os.environ["RECORD"], "a") as file:
        file.write(line)


@app.function_name("many")
@app.event_hub_message_trigger(
    arg_name="events",
    event_hub_name="%HUB%",
    connection="EventHubs",
    consumer_group="ingest",
    cardinality=func.Cardinality.MANY,
    data_type=func.DataType.BINARY,
)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:01")
async def many(events: List[func.EventHubEvent], context: func.Context) -> None:  # noqa: UP006 - see above
    metadata = events[0].metadata
    bodies = [event.get_body().decode(errors="backslashreplace") for event in events]
    retry_count = context.retry_context.retry_count
    record(
        "many",
        partition=metadata["PartitionContext"]["PartitionId"],
        sequences=[event.sequence_number for event in events],
        bodies=bodies,
        metadata=metadata if any("metadata" in body for body in bodies) else None,
        retry_count=retry_count,
        max_retry_count=context.retry_context.max_retry_count,
    )
    for body in bodies:
        if body == "poison" or (body == "shaky" and retry_count == 0):
            raise ValueError(f"cannot take {body}")
        if body.startswith("slow"):
            await asyncio.sleep(1.0)
    record("many done", sequences=[event.sequence_number for event in events])


@app.function_name("one")
@app.event_hub_message_trigger(
    arg_name="event", event_hub_name="%HUB%", connection="EventHubs", consumer_group="single"
)
async def one(event: func.EventHubEvent) -> None:
    record(
        "one",
        body=event.get_body().decode(),
        sequence=event.sequence_number,
        key=event.partition_key,
        iothub=event.iothub_metadata,
        enqueued=event.enqueued_time.isoformat(),
    )


@app.function_name("feed")
@app.cosmos_db_trigger(
    arg_name="documents",
    connection="Cosmos",
    database_name="factory",
    container_name="machines",
    lease_container_name="leases",
    lease_container_prefix="feed-",
    create_lease_container_if_not_exists=True,
    start_from_beginning=True,
    feed_poll_delay=100,
    max_items_per_invocation=10,
)
@app.retry(
    strategy="exponential_backoff",
    max_retry_count="1",
    minimum_interval="00:00:00",
    maximum_interval="00:00:01",
)
async def feed(documents: func.DocumentList, context: func.Context) -> None:
    ids = [document["id"] for document in documents]
    record("feed", ids=ids, retry_count=context.retry_context.retry_count)
    if "poison" in ids:
        raise ValueError("cannot take poison")


@app.function_name("other_feed")
@app.cosmos_db_trigger(
    arg_name="documents",
    connection="Cosmos",
    database_name="factory",
    container_name="machines",
    lease_container_name="leases",
    lease_container_prefix="other-",
    create_lease_container_if_not_exists=True,
    start_from_beginning=True,
    feed_poll_delay=100,
)
async def other_feed(documents: func.DocumentList) -> None:
    record("other_feed", ids=[document["id"] for document in documents])


@app.function_name("grid")
@app.event_grid_trigger(arg_name="event")
def grid(event: func.EventGridEvent) -> None:
    record("grid", id=event.id, subject=event.subject, type=event.event_type, data=event.get_json())
    if event.subject == "poison":
        raise ValueError("cannot take poison")


@app.function_name("cloud")
@app.event_grid_trigger(arg_name="event")
def cloud(event: func.CloudEvent) -> None:
    record("cloud", id=event.id, source=event.source, type=event.type, data=event.get_json())


@app.function_name("tick")
@app.timer_trigger(arg_name="timer", schedule="%TICK%", use_monitor=True)
async def tick(timer: func.TimerRequest) -> None:
    record("tick", past_due=timer.past_due, status=timer.schedule_status)


@app.function_name("yearly")
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def yearly(timer: func.TimerRequest) -> None:
    record("yearly")


@app.function_name("echo")
@app.route(
    route="echo/{*rest}",
    methods=["GET", "POST", "PUT", "HEAD", "OPTIONS"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(
        req.get_body(),
        status_code=201,
        headers={
            "x-method": req.method,
            "x-rest": req.route_params.get("rest", ""),
            "x-query": json.dumps(dict(req.params)),
            "x-user": req.headers.get("x-ms-client-principal-name", ""),
            "x-principal": req.headers.get("x-ms-client-principal", ""),
        },
        mimetype="application/octet-stream",
    )


@app.function_name("machine")
@app.route(route="machines/{id:int}", methods=["GET"])
def machine(req: func.HttpRequest) -> func.HttpResponse:
    print("a function may print")
    return func.HttpResponse(f"machine {req.route_params['id']} {os.environ['GREETING']}")


@app.function_name("status")
@app.route(route="machines/status", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
def status(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("all machines")


@app.function_name("broken")
@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("this function always fails")
