"""Microsoft's worker library behind one seam: index a function app, run one function once.

`azure-functions-runtime` is what runs user code in Azure: it imports `function_app.py`, checks
bindings against signatures, converts binding data and calls the function. Its
`native_invocation` module is not documented, so version 1.3.0 is pinned, everything that knows
it is in this file, and tests/local_cloud/test_functions_worker.py is its contract.

The library keeps its state in module globals: one app per process.
"""

import json
import logging
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from local.functions.retry import RetryPolicy

# The library carries no types; looked up this way its members are Any, and nothing of it leaves this file.
_runtime: Any = import_module("azure_functions_runtime")
_native: Any = import_module("azure_functions_runtime.native_invocation")
_datum: Any = import_module("azure_functions_runtime.bindings.datumdef").Datum


@dataclass(frozen=True, slots=True)
class Datum:
    """A value on its way into or out of a function, in the worker protocol's kinds.

    kind: string, json (text), bytes, http, collection_bytes, collection_string.
    """

    value: object
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One indexed function. `bindings` are as in function.json; the trigger is among them."""

    name: str
    id: str
    bindings: tuple[Mapping[str, object], ...]
    retry: RetryPolicy | None

    @property
    def trigger(self) -> Mapping[str, object]:
        """The trigger binding; azure-functions allows exactly one."""
        return next(b for b in self.bindings if str(b["type"]).lower().endswith("trigger"))


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What an HTTP function answered. `headers` may repeat a name (Set-Cookie)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one invocation ended: `error` is None on success, else the exception's repr."""

    reply: HttpReply | None = None
    error: str | None = None
    traceback: str = ""

    @property
    def ok(self) -> bool:
        return self.error is None


class AppBroken(Exception):
    """The function app cannot be loaded. The message holds the user's traceback."""


def text(value: str) -> Datum:
    return Datum(value, "string")


def as_json(document: str | bytes) -> Datum:
    """A JSON text. The worker parses it where the function asks for it."""
    return Datum(document, "json")


def http_request(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    route: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
) -> Datum:
    """An HTTP request as the worker protocol carries it; the body stays bytes."""

    def texts(values: Mapping[str, str]) -> dict[str, object]:
        return {name: _datum(value, "string") for name, value in values.items()}

    return Datum(
        {
            "method": _datum(method, "string"),
            "url": _datum(url, "string"),
            "headers": texts(headers),
            "params": texts(route),
            "query": texts(query),
            "body": _datum(body, "bytes"),
        },
        "http",
    )


def _message(name: str, **constants: int) -> type:
    """A stand-in for a protobuf class: keyword arguments become attributes."""
    return type(name, (SimpleNamespace,), dict(constants))


_PROTOS = SimpleNamespace(
    BindingInfo=_message(
        "BindingInfo",
        **{"in": 0, "out": 1, "inout": 2, "undefined": 0, "string": 1, "binary": 2, "stream": 3},
    ),
    StatusResult=_message("StatusResult", Failure=0, Success=1, Cancelled=2),
    **{
        name: _message(name)
        for name in (
            "RpcFunctionMetadata",
            "RpcRetryOptions",
            "RpcException",
            "WorkerMetadata",
            "WorkerInitResponse",
            "FunctionMetadataResponse",
        )
    },
)


class Worker:
    """The function app of one folder, loaded into this process."""

    def __init__(self, functions: Sequence[Function]) -> None:
        self.functions = tuple(functions)

    @classmethod
    async def load(cls, folder: Path) -> "Worker":
        """Import the folder's function_app.py and index it. AppBroken says why not."""
        if not (folder / "function_app.py").exists():
            raise AppBroken(f"there is no function_app.py in {folder}")
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        # The host logs failed invocations itself, with the function's name.
        logging.getLogger("azure.functions").setLevel(logging.CRITICAL)
        _runtime.start_threadpool_executor()
        _read_instants_quickly()
        request = SimpleNamespace(
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(folder))
            ),
            properties={"host": "127.0.0.1", "protos": _PROTOS},
        )
        answer = await _runtime.worker_init_request(request)
        if answer.result.status != _PROTOS.StatusResult.Success:
            raise AppBroken(_own_frames(answer.result.exception.stack_trace))
        indexed = await _runtime.functions_metadata_request(request)
        return cls([_function(entry) for entry in indexed.function_metadata_results])

    async def invoke(
        self,
        function: Function,
        invocation_id: str,
        datum: Datum,
        metadata: Mapping[str, Datum],
        *,
        retry_count: int = 0,
        max_retry_count: int = 0,
    ) -> Outcome:
        """Run the function once. What it raises comes back in the outcome, never as an exception."""
        ok, result, _, error, traceback = await _native.invocation_request_native(
            invocation_id,
            function.id,
            [(function.trigger["name"], _outgoing(datum))],
            {name: _outgoing(value) for name, value in metadata.items()},
            trace_parent=_own_trace(),
            retry_count=retry_count,
            max_retry_count=max_retry_count,
        )
        if not ok:
            return Outcome(error=str(error), traceback=_own_frames(str(traceback)))
        return Outcome(reply=_reply(result))

    def stop(self) -> None:
        """End the thread pool; a synchronous function under way still ends by itself."""
        _runtime.get_threadpool_executor().shutdown(wait=False, cancel_futures=True)


def _own_trace() -> str:
    """A trace of the invocation's own, in W3C's form: not sampled, as Azure's host marks it."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def _read_instants_quickly() -> None:
    """Spare azure-functions its six strptime attempts per event, half the cost of a batch.

    Instants as the host itself writes them (ISO 8601 with Z) are read directly, to the same
    value; everything else goes the library's own way.
    """
    converter: Any = import_module("azure.functions.eventhub").EventHubTriggerConverter
    thorough = converter._parse_datetime

    def parse(instant: str | None) -> datetime | None:
        if instant is not None and _INSTANT.fullmatch(instant):
            return datetime.fromisoformat(instant)
        return thorough(instant)

    converter._parse_datetime = staticmethod(parse)


_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _own_frames(traceback: str) -> str:
    """The traceback without the frames of the worker library, the import system and the thread pool."""
    foreign = re.compile(
        r'  File "[^"]*(?:azure_functions_runtime|importlib|concurrent/futures)[^"]*".*\n(?:    .*\n)*'
    )
    return foreign.sub("", traceback).rstrip()


def _function(entry: Any) -> Function:
    options = entry.retry_options
    retry = None
    if options is not None:
        fixed = options.retry_strategy == "fixed_delay"
        retry = RetryPolicy(
            max_retry_count=options.max_retry_count,
            minimum_s=(options.delay_interval if fixed else options.minimum_interval).total_seconds(),
            maximum_s=(options.delay_interval if fixed else options.maximum_interval).total_seconds(),
        )
    bindings = tuple(cast(Mapping[str, object], json.loads(raw)) for raw in entry.raw_bindings)
    return Function(name=entry.name, id=entry.function_id, bindings=bindings, retry=retry)


def _outgoing(datum: Datum) -> Any:
    """The library's own Datum. Collections arrive as protobuf messages with one repeated field."""
    if datum.kind == "collection_bytes":
        return _datum(SimpleNamespace(bytes=datum.value), datum.kind)
    if datum.kind == "collection_string":
        return _datum(SimpleNamespace(string=datum.value), datum.kind)
    return _datum(datum.value, datum.kind)


def _reply(result: Any) -> HttpReply | None:
    if result is None or result.type is None:
        return None
    if result.type == "string":
        return HttpReply(200, (("content-type", "text/plain; charset=utf-8"),), result.value.encode())
    if result.type != "http":
        return None
    headers = [(name, value.value) for name, value in result.value["headers"].items()]
    for cookies in result.value["cookies"] or ():
        headers += [("set-cookie", morsel.OutputString()) for morsel in cookies.values()]
    return HttpReply(int(result.value["status_code"].value), tuple(headers), result.value["body"].value)
