"""Functions that do next to nothing: what is left is what the host itself costs."""

from typing import List  # noqa: UP035 - the worker refuses list[...] in annotations of bindings

import azure.functions as func

seen: list[str] = []
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.function_name("events")
@app.event_hub_message_trigger(
    arg_name="events",
    event_hub_name="telemetry",
    connection="EventHubs",
    consumer_group="ingest",
    cardinality=func.Cardinality.MANY,
    data_type=func.DataType.BINARY,
)
async def events(events: List[func.EventHubEvent]) -> None: ...  # noqa: UP006 - see above


@app.function_name("changes")
@app.cosmos_db_trigger(
    arg_name="documents",
    connection="Cosmos",
    database_name="bench",
    container_name="documents",
    lease_container_name="leases",
    create_lease_container_if_not_exists=True,
    start_from_beginning=True,  # pyright: ignore[reportArgumentType]  # declared a time, is a bool
    feed_poll_delay=100,
)
async def changes(documents: func.DocumentList) -> None:
    seen.extend(document["id"] for document in documents)


@app.function_name("changes_seen")
@app.route(route="changes-seen", methods=["GET"])
async def changes_seen(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(len(seen)))


@app.function_name("ping")
@app.route(route="ping", methods=["GET"])
async def ping(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("pong")
