"""One Digital Twins service for all tests here; each test works on models and twins of its own."""

import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.digitaltwins.core import DigitalTwinsClient
from azure.digitaltwins.core.aio import DigitalTwinsClient as AsyncDigitalTwinsClient

from shared.adapters.credentials import credential


class Process(Protocol):
    folder: Path
    endpoints: dict[str, str]
    ports: dict[str, int]

    def start(self) -> "Process": ...
    def kill(self) -> None: ...


class AnyToken:
    """Gives the same token to everybody: the local service asks for one and believes any."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("local", int(time.time()) + 3600)


@contextmanager
def open_client(process: Process) -> Iterator[DigitalTwinsClient]:
    """The synchronous client has no close of its own: the transport is ours, to be closed."""
    transport = RequestsTransport(connection_verify=str(process.folder / "ca.pem"))
    try:
        yield DigitalTwinsClient(
            process.endpoints["digitalTwins"], AnyToken(), transport=transport, retry_total=0
        )
    finally:
        transport.close()


@pytest.fixture(scope="session")
def connect() -> Callable[[Process], AbstractContextManager[DigitalTwinsClient]]:
    """connect(process) gives a client that does not retry, so that errors show as they are."""
    return open_client


@pytest.fixture(scope="session")
def service(launch: Callable[..., Process]) -> Process:
    return launch("digital-twins")


@pytest.fixture(scope="session")
def client(service: Process) -> Iterator[DigitalTwinsClient]:
    with open_client(service) as connected:
        connected.create_models(ontology())
        yield connected


@pytest.fixture
async def aio_client(service: Process, client: DigitalTwinsClient) -> AsyncIterator[AsyncDigitalTwinsClient]:
    async with AsyncDigitalTwinsClient(
        service.endpoints["digitalTwins"],
        credential("local"),
        connection_verify=str(service.folder / "ca.pem"),
        retry_total=0,
    ) as connected:
        yield connected


def ontology() -> list[dict[str, Any]]:
    """The project's own models, in no useful order."""
    folder = Path(__file__).parents[3] / "dtdl"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    """A name no other test uses."""
    return f"t{next(_numbers)}"


@pytest.fixture
def upload(client: DigitalTwinsClient, name: str) -> Callable[..., str]:
    """upload(contents, kind="Thing", **more) uploads one v3 interface and returns its id."""

    def send(contents: list[dict[str, Any]], kind: str = "Thing", **more: Any) -> str:
        model_id = f"dtmi:tests:{name}:{kind};1"
        client.create_models([_interface(model_id, contents, **more)])
        return model_id

    return send


@pytest.fixture(scope="session")
def interface() -> Callable[..., dict[str, Any]]:
    """interface(id, contents, **more) is a v3 model document."""
    return _interface


def _interface(model_id: str, contents: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "@context": "dtmi:dtdl:context;3",
        "@id": model_id,
        "@type": "Interface",
        "contents": contents,
        **more,
    }
