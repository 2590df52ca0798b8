"""Every setting of the function app, declared once: its name, what it means, what it is when unset."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self


class SettingsWrong(Exception):
    """Settings are missing or no values of their kind; the message lists all of them."""


def _setting(name: str, meaning: str, default: str | None = None, *, optional: bool = False) -> Any:
    """A field read from the setting `name`. Without a default it must be set, unless optional."""
    metadata = {"name": name, "meaning": meaning}
    if default is None and not optional:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings as the environment has them. In Azure no secret is among them: identities do."""

    cosmos_endpoint: str = _setting("MILLWRIGHT_COSMOS_ENDPOINT", "URL of the Cosmos DB account.")
    cosmos_key: str | None = _setting(
        "MILLWRIGHT_COSMOS_KEY", "Key of the account; only the local cloud needs one.", optional=True
    )
    cosmos_database: str = _setting("MILLWRIGHT_COSMOS_DATABASE", "Name of the database.", "millwright")
    digital_twins_url: str = _setting(
        "MILLWRIGHT_DIGITAL_TWINS_URL", "URL of the Azure Digital Twins instance."
    )
    local_token: str | None = _setting(
        "MILLWRIGHT_LOCAL_TOKEN",
        "Bearer token for the local cloud, in place of an identity; never set in Azure.",
        optional=True,
    )
    event_grid_endpoint: str = _setting(
        "MILLWRIGHT_EVENT_GRID_ENDPOINT", "Endpoint of the topic that events go out on."
    )
    event_grid_key: str | None = _setting(
        "MILLWRIGHT_EVENT_GRID_KEY", "Key of the topic; only the local cloud needs one.", optional=True
    )
    iot_hub: str | None = _setting(
        "MILLWRIGHT_IOT_HUB", "Service connection string or host name of the IoT hub.", optional=True
    )
    telemetry_hub: str = _setting(
        "MILLWRIGHT_TELEMETRY_HUB", "Event hub that device messages are routed to.", "telemetry"
    )
    event_hubs: str | None = _setting(
        "EventHubs", "Connection string of the hub's namespace; only the local cloud has one.", optional=True
    )
    event_hubs_namespace: str | None = _setting(
        "EventHubs__fullyQualifiedNamespace", "The hub's namespace, reached by identity.", optional=True
    )
    models_folder: str = _setting(
        "MILLWRIGHT_MODELS", "Folder of the ONNX models, relative to the app.", "models"
    )
    cached_machine_count: int = _setting(
        "MILLWRIGHT_CACHED_MACHINES", "Machines that a worker keeps in memory, about 20 KB each.", "5000"
    )

    application_insights: str | None = _setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "Where traces and metrics go, the host's as well as ours; unset: nowhere.",
        optional=True,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read all settings; an empty one counts as unset. SettingsWrong names every mistake at once."""
        values: dict[str, Any] = {}
        mistakes: list[str] = []
        for one in fields(cls):
            text = environment.get(one.metadata["name"]) or one.default
            if text is MISSING:
                mistakes.append(f"{one.metadata['name']} is not set: {one.metadata['meaning']}")
            elif one.type is int:
                if not text.isdecimal() or int(text) == 0:
                    mistakes.append(f"{one.metadata['name']}={text!r} is no positive whole number.")
                else:
                    values[one.name] = int(text)
            else:
                values[one.name] = text
        if not (values.get("event_hubs") or values.get("event_hubs_namespace")):
            mistakes.append("Neither EventHubs nor EventHubs__fullyQualifiedNamespace is set.")
        if mistakes:
            raise SettingsWrong("\n".join(mistakes))
        return cls(**values)


READ_BY_OTHERS = {
    "AzureWebJobsStorage__blobServiceUri": "Where the host keeps checkpoints, timers' leases and its keys.",
    "AzureWebJobsStorage__credential": "How the host signs in there: managedidentity.",
    "AzureWebJobsStorage__clientId": "As which identity.",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "As which identity the host sends logs and requests there.",
    "OTEL_TRACES_SAMPLER": "traceidratio: a trace is kept by its id, alike in every function.",
    "OTEL_TRACES_SAMPLER_ARG": "The share of traces that is kept, 0 to 1.",
    "EventHubs__credential": "How the telemetry trigger signs in: managedidentity.",
    "EventHubs__clientId": "As which identity.",
    "Cosmos__accountEndpoint": "The account whose change feed the relays' triggers read.",
    "Cosmos__credential": "How these triggers sign in: managedidentity.",
    "Cosmos__clientId": "As which identity.",
    "MILLWRIGHT_DUE_SCHEDULE": "When machines that are due are ticked, as NCRONTAB.",
    "AZURE_CLIENT_ID": "Which identity Azure's SDKs act as; without it they find no user-assigned one.",
    "AZURE_TOKEN_CREDENTIALS": "prod: only identities of the platform are tried, no developer's.",
}
"""What the function app in Azure has besides `Settings`: the host and the SDKs read these, by name."""
