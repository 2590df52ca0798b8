"""How the services are tied together: what each is told about the others, and an app's settings."""

import json
from collections.abc import Mapping

from local.home import Home

TELEMETRY_HUB = "telemetry"
TELEMETRY_PARTITIONS = 4
CONSUMER_GROUPS = ("ingest",)
"""Besides $Default."""
TWIN_HUB = "twin-changes"
TWIN_TOPIC = "digital-twins"
HUBS: tuple[Mapping[str, object], ...] = (
    {
        "name": TELEMETRY_HUB,
        "partitionCount": TELEMETRY_PARTITIONS,
        "consumerGroups": list(CONSUMER_GROUPS),
    },
    {"name": TWIN_HUB, "partitionCount": TELEMETRY_PARTITIONS, "consumerGroups": ["conflicts"]},
)

type Endpoints = Mapping[str, str]


def trust(home: Home) -> dict[str, str]:
    """Environment for a client of the HTTPS services: their certificate authority."""
    return {"REQUESTS_CA_BUNDLE": str(home.ca), "SSL_CERT_FILE": str(home.ca)}


def iot_hub_environment(endpoints: Endpoints) -> dict[str, str]:
    """Routes: device messages to the hub `telemetry`, device life-cycle events to the topic `iot-hub`."""
    hubs = endpoints["eventHubs"].rstrip(";")
    topics = endpoints["eventGrid"].partition("/topics/")[0]
    return {
        "MILLWRIGHT_IOT_HUB_EVENTS": f"{endpoints['eventHubsCreate']}/{TELEMETRY_HUB}/messages",
        "MILLWRIGHT_IOT_HUB_EVENTS_CONNECTION": f"{hubs};EntityPath={TELEMETRY_HUB}",
        "MILLWRIGHT_IOT_HUB_EVENT_GRID": f"{topics}/topics/iot-hub/api/events",
        "MILLWRIGHT_IOT_HUB_EVENT_GRID_KEY": endpoints["eventGridKey"],
    }


def twin_topic(endpoints: Endpoints) -> str:
    """The topic for twin events, to be managed; events go to its /api/events."""
    return f"{endpoints['eventGrid'].partition('/topics/')[0]}/topics/{TWIN_TOPIC}"


def digital_twins_environment(endpoints: Endpoints) -> dict[str, str]:
    """Route endpoints, those whose service runs: the hub `twin-changes` and the topic `digital-twins`."""
    found: dict[str, dict[str, str]] = {}
    if "eventHubsCreate" in endpoints:
        found["event-hub"] = {"eventHub": f"{endpoints['eventHubsCreate']}/{TWIN_HUB}/messages"}
    if "eventGrid" in endpoints:
        found["event-grid"] = {
            "eventGrid": f"{twin_topic(endpoints)}/api/events",
            "key": endpoints["eventGridKey"],
            "schema": "CloudEventSchemaV1_0",
        }
    return {"MILLWRIGHT_DIGITAL_TWINS_ENDPOINTS": json.dumps(found)}


def app_settings(home: Home, endpoints: Endpoints) -> dict[str, str]:
    """The app settings of the function app; each is left out if its service does not run."""
    found = {
        "EventHubs": endpoints.get("eventHubs"),
        "Cosmos": _cosmos_connection(endpoints),
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "MILLWRIGHT_COSMOS_ENDPOINT": endpoints.get("cosmos"),
        "MILLWRIGHT_COSMOS_KEY": endpoints.get("cosmosKey"),
        "MILLWRIGHT_DIGITAL_TWINS_URL": endpoints.get("digitalTwins"),
        "MILLWRIGHT_EVENT_GRID_ENDPOINT": endpoints.get("eventGrid"),
        "MILLWRIGHT_EVENT_GRID_KEY": endpoints.get("eventGridKey"),
        "MILLWRIGHT_IOT_HUB": endpoints.get("iotHub"),
        "MILLWRIGHT_LOCAL_TOKEN": "local",
        "MILLWRIGHT_TELEMETRY_HUB": TELEMETRY_HUB,
        "MILLWRIGHT_DUE_SCHEDULE": "*/2 * * * * *",
    }
    return {name: value for name, value in found.items() if value is not None} | trust(home)


def _cosmos_connection(endpoints: Endpoints) -> str | None:
    if "cosmos" not in endpoints:
        return None
    return f"AccountEndpoint={endpoints['cosmos']};AccountKey={endpoints['cosmosKey']};"
