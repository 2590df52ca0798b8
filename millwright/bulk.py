"""Large graphs through an import job: one file in a blob container instead of a request a twin.

The service reads the file by itself (an instance creates 500 twins and relationships a second one
by one), logs what it refuses beside it, and runs one job at a time. Its identity needs to read and
write the container: Storage Blob Data Contributor.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest

from millwright.graph import GraphChange
from millwright.ontology import Ontology
from millwright.wire import relationship_body, twin_body
from shared.adapters.answers import error, translated

BULK_FROM = 2_000
"""Twins and relationships from which on a job is worth its start, seconds to minutes in Azure."""

_TWINS_SCOPE = "https://digitaltwins.azure.net/.default"
_STORAGE_SCOPE = "https://storage.azure.com/.default"
_API = "2023-10-31"
_STORAGE_API = "2023-11-03"
_RUNNING = ("notstarted", "running", "cancelling")
_LOOK_EVERY_S = 1.0

type Sleep = Callable[[float], Awaitable[object]]


class Blobs(Protocol):
    """Where the file is put. `url` is the container's."""

    @property
    def url(self) -> str: ...

    async def put(self, name: str, content: bytes) -> None: ...


class BulkImport:
    """Import jobs of one instance, with one container for their files."""

    def __init__(
        self,
        url: str,
        identity: AsyncTokenCredential,
        blobs: Blobs,
        transport: AioHttpTransport,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._http = _client(url, identity, _TWINS_SCOPE, transport)
        self._blobs = blobs
        self._sleep = sleep

    async def settled(self) -> bool:
        """Wait for a job that an interrupted run left running; whether there was one."""
        jobs: list[dict[str, Any]] = (await self._call("GET", "/jobs/imports"))["value"]
        running = [job["id"] for job in jobs if job["status"] in _RUNNING]
        for job_id in running:
            await self._end(job_id)
        return bool(running)

    async def __call__(self, change: GraphChange, ontology: Ontology) -> bool:
        """Create the change's models, twins and relationships; whether all of them were taken."""
        job_id = f"millwright-{uuid4()}"
        file, log = f"{job_id}.ndjson", f"{job_id}.log.ndjson"
        await self._blobs.put(file, b"\n".join(_lines(change, ontology)))
        body = {
            "inputBlobUri": f"{self._blobs.url}/{file}",
            "outputBlobUri": f"{self._blobs.url}/{log}",
        }
        await self._call("PUT", f"/jobs/imports/{job_id}", body)
        return await self._end(job_id) == "succeeded"

    async def _end(self, job_id: str) -> str:
        while True:
            status: str = (await self._call("GET", f"/jobs/imports/{job_id}"))["status"]
            if status not in _RUNNING:
                return status
            await self._sleep(_LOOK_EVERY_S)

    async def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        request = HttpRequest(method, self._url + path, params={"api-version": _API}, json=body)
        with translated("import job"):
            response = await self._http.send_request(request)
            await response.read()
        if response.status_code >= 300:
            raise error(response.status_code, f"import job: {response.text()[:500]}")
        return response.json()


class AzureBlobs:
    """A container of Azure Storage; `url` is `https://ACCOUNT.blob.core.windows.net/CONTAINER`."""

    def __init__(self, url: str, identity: AsyncTokenCredential, transport: AioHttpTransport) -> None:
        self.url = url.rstrip("/")
        self._http = _client(self.url, identity, _STORAGE_SCOPE, transport)

    async def put(self, name: str, content: bytes) -> None:
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": _STORAGE_API}
        request = HttpRequest("PUT", f"{self.url}/{name}", content=content, headers=headers)
        with translated(f"blob {name}"):
            response = await self._http.send_request(request)
            await response.read()
        if response.status_code >= 300:
            raise error(response.status_code, f"blob {name}: {response.text()[:500]}")


class LocalBlobs:
    """The folder that stands for blob storage in the local cloud."""

    url = "https://local.blob.core.windows.net/imports"

    def __init__(self, folder: Path) -> None:
        parts = urlsplit(self.url)
        self._folder = folder / (parts.hostname or "") / parts.path.strip("/")

    async def put(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread((self._folder / name).write_bytes, content)


def _client(
    url: str, identity: AsyncTokenCredential, scope: str, transport: AioHttpTransport
) -> AsyncPipelineClient[HttpRequest, Any]:
    policies = [AsyncRetryPolicy(), AsyncBearerTokenCredentialPolicy(identity, scope)]
    return AsyncPipelineClient(url, policies=policies, transport=transport)


def _lines(change: GraphChange, ontology: Ontology) -> Iterator[bytes]:
    yield orjson.dumps({"Section": "Header"})
    yield orjson.dumps({"fileVersion": "1.0.0", "author": "millwright", "organization": "millwright"})
    if change.models:
        yield orjson.dumps({"Section": "Models"})
        yield from map(orjson.dumps, change.models)
    yield orjson.dumps({"Section": "Twins"})
    for twin in change.twins:
        yield orjson.dumps({"$dtId": twin.id, **twin_body(twin, ontology)})
    yield orjson.dumps({"Section": "Relationships"})
    for one in change.relationships:
        yield orjson.dumps({"$dtId": one.source, **relationship_body(one)})
