"""What the host can trigger on: bindings as azure-functions declares them, parsed and checked once.

Field names are those of function.json. `%NAME%` in any text is replaced by that app setting.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from local.functions.worker import AppBroken, Function


def _list_of_methods(value: object) -> object:
    return [str(method).upper() for method in value] if isinstance(value, list | tuple) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # raw JSON, checked by the model next


class _Binding(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(to_camel), frozen=True, extra="ignore")


class EventHubTrigger(_Binding):
    """Without `cardinality` a function gets one event at a time, as in Azure."""

    type: Literal["eventHubTrigger"]
    event_hub_name: str
    connection: str
    consumer_group: str = "$Default"
    cardinality: Literal["ONE", "MANY"] = "ONE"
    data_type: Literal["UNDEFINED", "STRING", "BINARY", "STREAM"] = "UNDEFINED"


class CosmosTrigger(_Binding):
    """Durations in milliseconds, defaults as documented for extension 4.x."""

    type: Literal["cosmosDBTrigger"]
    connection: str
    database_name: str
    container_name: str
    lease_connection: str | None = None
    lease_database_name: str | None = None
    lease_container_name: str = "leases"
    lease_container_prefix: str = ""
    create_lease_container_if_not_exists: bool = False
    feed_poll_delay: int = 5000
    max_items_per_invocation: int | None = None
    start_from_beginning: bool = False
    start_from_time: str | None = None
    change_feed_mode: str = "LatestVersion"


class EventGridTrigger(_Binding):
    type: Literal["eventGridTrigger"]


class TimerTrigger(_Binding):
    """`schedule`: NCRONTAB with six fields, or a TimeSpan. use_monitor None: by the schedule's length."""

    type: Literal["timerTrigger"]
    schedule: str
    run_on_startup: bool = False
    use_monitor: bool | None = None


class HttpTrigger(_Binding):
    """`route` None means the function's name; `methods` None means every method."""

    type: Literal["httpTrigger"]
    route: str | None = None
    methods: Annotated[tuple[str, ...] | None, BeforeValidator(_list_of_methods)] = None
    auth_level: Literal["ANONYMOUS", "FUNCTION", "ADMIN"] = "FUNCTION"


type Trigger = EventHubTrigger | CosmosTrigger | EventGridTrigger | TimerTrigger | HttpTrigger

_ADAPTERS: Mapping[str, type[_Binding]] = {
    "eventHubTrigger": EventHubTrigger,
    "cosmosDBTrigger": CosmosTrigger,
    "eventGridTrigger": EventGridTrigger,
    "timerTrigger": TimerTrigger,
    "httpTrigger": HttpTrigger,
}
_TRIGGERS: TypeAdapter[Trigger] = TypeAdapter(Trigger)


def trigger_of(function: Function, expand: Callable[[str], str]) -> Trigger:
    """The function's trigger. AppBroken names function and binding if this host cannot serve one of them."""
    for binding in function.bindings:
        kind = str(binding["type"])
        is_reply = kind == "http" and function.trigger["type"] == "httpTrigger"
        if kind not in _ADAPTERS and not is_reply:
            raise AppBroken(
                f"The '{function.name}' function is in error: its binding {binding.get('name')!r} of type "
                f"{kind!r} is not supported by the local Functions host. Supported: "
                f"{', '.join(_ADAPTERS)} and the http output."
            )
    raw = {
        name: expand(value) if isinstance(value, str) else value for name, value in function.trigger.items()
    }
    try:
        trigger = _TRIGGERS.validate_python(raw)
    except ValidationError as exc:
        details = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in exc.errors())
        raise AppBroken(f"The '{function.name}' function is in error: {details}") from exc
    if isinstance(trigger, CosmosTrigger) and trigger.change_feed_mode != "LatestVersion":
        raise AppBroken(
            f"The '{function.name}' function is in error: change_feed_mode {trigger.change_feed_mode!r} "
            "is not supported by the local Functions host, only LatestVersion."
        )
    return trigger
