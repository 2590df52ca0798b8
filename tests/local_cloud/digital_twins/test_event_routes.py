"""Event routes with Event Hubs and Event Grid beside the service: what happens to twins is told there."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import Request, urlopen

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.digitaltwins.core import DigitalTwinsEventRoute
from azure.eventhub import EventHubConsumerClient

from local.digital_twins.egress.filter import compiled

THING = "dtmi:tests:routes:Thing;1"
PART = "dtmi:tests:routes:Part;1"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def put(url, body):
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="PUT")
    with urlopen(request) as answer:
        return json.load(answer)


class Inbox(BaseHTTPRequestHandler):
    """A webhook: agrees to be one, and keeps what is delivered."""

    def do_OPTIONS(self):
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", "*")
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.events.append(body)
        self.server.arrived.set()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments): ...


@pytest.fixture(scope="module")
def inbox():
    server = HTTPServer(("127.0.0.1", 0), Inbox)
    server.events, server.arrived = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def cloud(launch, inbox):
    """Event Hubs, Event Grid, and Digital Twins with an endpoint for each."""
    hubs, grid = launch("event-hubs"), launch("event-grid")
    request = Request(
        hubs.endpoints["eventHubsCreate"], json.dumps({"name": "changes", "partitionCount": 2}).encode()
    )
    with urlopen(request):
        pass
    topic = grid.endpoints["eventGrid"].partition("/topics/")[0] + "/topics/changes"
    put(topic, {"properties": {"inputSchema": "CloudEventSchemaV1_0"}})
    webhook = {"endpointUrl": f"http://127.0.0.1:{inbox.server_port}/"}
    destination = {"endpointType": "WebHook", "properties": webhook}
    put(f"{topic}/eventSubscriptions/inbox", {"properties": {"destination": destination}})
    endpoints = {
        "hub": {"eventHub": f"{hubs.endpoints['eventHubsCreate']}/changes/messages"},
        "grid": {
            "eventGrid": f"{topic}/api/events",
            "key": grid.endpoints["eventGridKey"],
            "schema": "CloudEventSchemaV1_0",
        },
    }
    environment = {"MILLWRIGHT_DIGITAL_TWINS_ENDPOINTS": json.dumps(endpoints)}
    twins = launch("digital-twins", environment=environment)
    twins.hubs = hubs
    return twins


@pytest.fixture(scope="module")
def client(cloud, connect, interface):
    with connect(cloud) as connected:
        name = {"@type": "Property", "name": "name", "schema": "string"}
        contents = [
            name,
            {"@type": "Component", "name": "part", "schema": PART},
            {"@type": "Relationship", "name": "next", "properties": [name]},
        ]
        connected.create_models([interface(PART, [name]), interface(THING, contents)])
        yield connected


def received(cloud, subjects, count=1):
    """The hub's events, as (application properties, body), once there are `count` and all the subjects."""
    found, enough = [], threading.Event()

    def take(partition, event):
        if event is not None:
            properties = {key.decode(): value.decode() for key, value in event.properties.items()}
            found.append((properties, event.body_as_json()))
        here = {properties.get("cloudEvents:subject") for properties, _ in found}
        if len(found) >= count and here >= subjects:
            enough.set()

    consumer = EventHubConsumerClient.from_connection_string(
        cloud.hubs.endpoints["eventHubs"], "$Default", eventhub_name="changes"
    )
    thread = threading.Thread(target=consumer.receive, args=(take,), kwargs={"starting_position": "-1"})
    thread.start()
    assert enough.wait(60)
    consumer.close()
    thread.join(60)
    return found


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_what_happens_is_told_to_the_hub_in_order_and_to_the_topic_as_filtered(cloud, client, inbox):
    client.upsert_event_route("all", DigitalTwinsEventRoute(endpoint_name="hub", filter="true"))
    deletions = "type = 'Microsoft.DigitalTwins.Twin.Delete' AND $body.$metadata.$model = '" + THING + "'"
    client.upsert_event_route("deletions", DigitalTwinsEventRoute(endpoint_name="grid", filter=deletions))
    twin = {"$metadata": {"$model": THING}, "name": "a", "part": {"$metadata": {}}}
    trace = {"headers": {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}}
    created = client.upsert_digital_twin("t", twin, **trace)
    client.update_digital_twin("t", [{"op": "replace", "path": "/name", "value": "b"}])
    client.update_component("t", "part", [{"op": "add", "path": "/name", "value": "p"}])
    client.upsert_digital_twin("t", twin | {"name": "c"})
    client.upsert_relationship("t", "r", {"$relationshipName": "next", "$targetId": "t", "name": "x"})
    client.update_relationship("t", "r", [{"op": "remove", "path": "/name"}])
    client.publish_telemetry("t", {"speed": 3}, message_id="m-1")
    client.publish_component_telemetry("t", "part", {"heat": 4}, message_id="m-2")
    client.delete_relationship("t", "r")
    client.delete_digital_twin("t")

    events = received(cloud, {"t"}, 10)
    short = "Microsoft.DigitalTwins."
    assert [properties["cloudEvents:type"].removeprefix(short) for properties, _ in events] == [
        "Twin.Create",
        "Twin.Update",
        "Twin.Update",
        "Twin.Update",
        "Relationship.Create",
        "Relationship.Update",
        "microsoft.iot.telemetry",
        "microsoft.iot.telemetry",
        "Relationship.Delete",
        "Twin.Delete",
    ]
    host = f"localhost:{cloud.ports['https']}"
    first, body = events[0]
    assert body == created
    assert first.keys() == {
        f"cloudEvents:{name}"
        for name in ("specversion", "id", "type", "source", "subject", "time", "traceparent")
    }
    assert (first["cloudEvents:source"], first["cloudEvents:subject"]) == (host, "t")
    assert first["cloudEvents:traceparent"].split("-")[1] == TRACE
    assert events[1][1] == {
        "modelId": THING,
        "patch": [{"value": "b", "path": "/name", "op": "replace"}],
    }
    assert events[2][1]["patch"] == [{"value": "p", "path": "/part/name", "op": "add"}]
    assert {"value": "c", "path": "/name", "op": "replace"} in events[3][1]["patch"]
    assert events[4][0]["cloudEvents:subject"] == "t/relationships/r"
    assert events[4][1]["$targetId"] == "t"
    assert events[5][1] == {"modelId": THING, "patch": [{"path": "/name", "op": "remove"}]}
    telemetry, body = events[6]
    assert (body, telemetry["cloudEvents:id"]) == ({"speed": 3}, "m-1")
    assert telemetry["cloudEvents:source"] == f"{host}/digitaltwins/t"
    assert telemetry["cloudEvents:dataschema"] == THING
    assert "cloudEvents:subject" not in telemetry
    assert events[7][0]["cloudEvents:subject"] == "part"
    assert events[7][0]["cloudEvents:dataschema"] == PART
    assert events[9][1]["$dtId"] == "t"

    assert inbox.arrived.wait(60)
    (event,) = inbox.events
    assert (event["type"], event["subject"]) == (f"{short}Twin.Delete", "t")
    assert event["data"]["$dtId"] == "t"
    assert event["specversion"] == "1.0"


def test_events_survive_kill_9_while_their_endpoint_is_away(cloud, client):
    client.upsert_event_route("all", DigitalTwinsEventRoute(endpoint_name="hub", filter="true"))
    cloud.hubs.kill()
    for number in range(3):
        client.upsert_digital_twin(
            f"away-{number}", {"$metadata": {"$model": THING}, "part": {"$metadata": {}}}
        )
    cloud.kill()
    cloud.hubs.start()
    cloud.start()
    events = received(cloud, {"away-0", "away-1", "away-2"})
    assert {"away-0", "away-1", "away-2"} <= {body.get("$dtId") for _, body in events}


def test_routes_are_made_read_listed_and_removed(client):
    legacy = "$eventType = 'DigitalTwinTelemetryMessages' or $eventType = 'DigitalTwinLifecycleNotification'"
    client.upsert_event_route("legacy", DigitalTwinsEventRoute(endpoint_name="hub", filter=legacy))
    found = client.get_event_route("legacy")
    assert (found.id, found.endpoint_name, found.filter) == ("legacy", "hub", legacy)
    assert "legacy" in [route.id for route in client.list_event_routes()]
    client.delete_event_route("legacy")
    for attempt in (client.get_event_route, client.delete_event_route):
        with pytest.raises(ResourceNotFoundError) as info:
            attempt("legacy")
        assert info.value.error.code == "EventRouteNotFound"


@pytest.mark.parametrize(
    ("route", "endpoint", "text", "code"),
    [
        ("r", "nowhere", "true", "EventRouteEndpointInvalid"),
        ("r", "hub", "tru", "EventRouteFilterInvalid"),
        ("r", "hub", "", "EventRouteFilterInvalid"),
        ("r", "hub", "type = 'x' NOT", "EventRouteFilterInvalid"),
        ("r", "hub", "colour = 'x'", "EventRouteFilterInvalid"),
        ("r r", "hub", "true", "EventRouteIdInvalid"),
    ],
)
def test_a_bad_route_is_refused(client, route, endpoint, text, code):
    with pytest.raises(HttpResponseError) as info:
        client.upsert_event_route(route, DigitalTwinsEventRoute(endpoint_name=endpoint, filter=text))
    assert (info.value.status_code, info.value.error.code) == (400, code)


def test_a_seventh_route_is_refused(client):
    route = DigitalTwinsEventRoute(endpoint_name="hub", filter="false")
    others = [found.id for found in client.list_event_routes()]
    made = [f"many-{number}" for number in range(6 - len(others))]
    for name in made:
        client.upsert_event_route(name, route)
    with pytest.raises(HttpResponseError) as info:
        client.upsert_event_route("one-more", route)
    assert info.value.error.code == "LimitExceeded"
    for name in made:
        client.delete_event_route(name)


EVENT = {
    "type": "Microsoft.DigitalTwins.Twin.Update",
    "source": "localhost:8444",
    "subject": "LINE-1-CNC-1",
    "specversion": "1.0",
    "datacontenttype": "application/json",
    "data": {"modelId": "dtmi:a:floor;1", "temperature": 5.5, "on": True, "count": 201},
}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("true", True),
        ("false", False),
        ("type = 'Microsoft.DigitalTwins.Twin.Update'", True),
        ("type != 'microsoft.iot.telemetry' AND $body.temperature <= 5.5", True),
        ("$body.temperature > 5.5 OR $body.count > 200", True),
        ("($body.temperature > 5.5 OR $body.count > 200) AND $body.on = false", False),
        ("$body.on = true", True),
        ("$body.on = 1", False),
        ("$body.missing != null", False),
        ("$body.missing = null", True),
        ("$body.missing > 1", False),
        ("STARTS_WITH($body.modelId, 'dtmi:a:')", True),
        ("ENDS_WITH($body.modelId, 'floor;2')", False),
        ("CONTAINS(subject, 'CNC')", True),
        ("contains(source, 'localhost') and dataschema = null", True),
        ("$eventType = 'DigitalTwinChangeNotification'", True),
        ("subject = 'line-1-cnc-1'", False),
    ],
)
def test_filters_let_through_what_they_say(text, passes):
    assert compiled(text)(EVENT) is passes
