"""host.json: the part of it that this host obeys. Unknown sections are Azure's business."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from local.functions.worker import AppBroken


def time_span_s(value: object) -> float:
    """Seconds of a .NET TimeSpan `[d.]hh:mm:ss[.fff]`.

    >>> time_span_s("00:01:30"), time_span_s("1.00:00:00")
    (90.0, 86400.0)
    """
    text = str(value)
    match = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    if match is None:
        raise ValueError(f"{text!r} is no TimeSpan like 00:05:00")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


type Seconds = Annotated[float, BeforeValidator(time_span_s)]


class _Section(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class InitialOffset(_Section):
    type: Literal["fromStart", "fromEnd", "fromEnqueuedTime"] = "fromStart"
    enqueued_time_utc: datetime | None = None


class EventHubs(_Section):
    """Defaults of extension 6.x."""

    max_event_batch_size: Annotated[int, Field(ge=1)] = 100
    min_event_batch_size: Annotated[int, Field(ge=1)] = 1
    max_wait_time: Annotated[float, BeforeValidator(time_span_s), Field(gt=0, le=600)] = 60.0
    prefetch_count: Annotated[int, Field(ge=1)] = 300
    batch_checkpoint_frequency: Annotated[int, Field(ge=1)] = 1
    initial_offset_options: InitialOffset = InitialOffset()


class Http(_Section):
    route_prefix: str = "api"


class Extensions(_Section):
    event_hubs: EventHubs = EventHubs()
    http: Http = Http()


class LogLevels(_Section):
    """`default` and `Function` rule here; per-function categories are Azure's."""

    default: str = "Information"
    function: Annotated[str | None, Field(alias="Function")] = None


class Logging(_Section):
    log_level: LogLevels = LogLevels()


class HostJson(_Section):
    """`function_timeout` in seconds: 30 minutes unless set; -1 (text "-1") means none."""

    version: Literal["2.0"] = "2.0"
    extensions: Extensions = Extensions()
    logging: Logging = Logging()
    function_timeout: Annotated[
        float, BeforeValidator(lambda v: -1.0 if str(v) == "-1" else time_span_s(v))
    ] = 1800.0

    @classmethod
    def read(cls, folder: Path) -> "HostJson":
        """The folder's host.json. AppBroken names every wrong value."""
        path = folder / "host.json"
        if not path.exists():
            raise AppBroken(
                f'there is no host.json in {folder}: a function app needs one, at least {{"version": "2.0"}}'
            )
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8-sig")))
        except ValidationError as exc:
            details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
            raise AppBroken(f"{path}: {details}") from exc
        except ValueError as exc:
            raise AppBroken(f"{path} is not valid JSON: {exc}") from exc
