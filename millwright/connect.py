"""Where descriptions are applied to: the local cloud of a folder, or Azure as the environment says."""

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from azure.core.credentials_async import AsyncTokenCredential
from azure.digitaltwins.core.aio import DigitalTwinsClient

from millwright.bulk import AzureBlobs, Blobs, BulkImport, LocalBlobs
from millwright.twin_service import TwinService
from shared.adapters.containers import DATABASE
from shared.adapters.cosmos import CosmosDocuments, cosmos_client
from shared.adapters.credentials import credential
from shared.adapters.transport import transport

COSMOS_SETTING = "MILLWRIGHT_COSMOS_ENDPOINT"
DATABASE_SETTING = "MILLWRIGHT_COSMOS_DATABASE"
TWINS_SETTING = "MILLWRIGHT_DIGITAL_TWINS_URL"
"""As the function app has them (shared/settings.py)."""

CONTAINER_SETTING = "MILLWRIGHT_IMPORT_CONTAINER"
"""`https://ACCOUNT.blob.core.windows.net/CONTAINER`: large graphs are imported through it."""


class NotConfigured(Exception):
    """No place to apply to; says what to set or start."""


@dataclass(frozen=True, slots=True)
class Target:
    """Addresses of one Millwright. `cosmos_key` None: sign in as whoever runs this."""

    name: str
    cosmos: str
    digital_twins: str
    database: str = DATABASE
    cosmos_key: str | None = None
    token: str | None = None
    ca: str | None = None
    import_container: str | None = None
    """URL of a blob container for import jobs' files; without one there are none."""
    local_blobs: str | None = None
    """The folder that stands for blob storage."""


@dataclass(frozen=True, slots=True)
class Connected:
    documents: CosmosDocuments
    twins: TwinService


def local_target(folder: Path) -> Target:
    """The local cloud whose state is in `folder`. NotConfigured when none was started there."""
    path = folder / "endpoints.json"
    try:
        found: Mapping[str, str] = json.loads(path.read_bytes())
        return Target(
            f"local cloud in {folder}",
            found["cosmos"],
            found["digitalTwins"],
            cosmos_key=found["cosmosKey"],
            token="local",
            ca=found["ca"],
            local_blobs=found.get("digitalTwinsBlobs"),
        )
    except FileNotFoundError as exc:
        raise NotConfigured(f"{path} does not exist: start the local cloud with `make run`") from exc
    except (ValueError, KeyError) as exc:
        raise NotConfigured(f"{path} is not what the local cloud writes ({exc}): start it again") from exc


def azure_target() -> Target:
    """Azure, as the environment says. NotConfigured names the settings that are missing."""
    missing = [name for name in (COSMOS_SETTING, TWINS_SETTING) if not os.environ.get(name)]
    if missing:
        raise NotConfigured(
            f"{' and '.join(missing)} not set: set them (azd env get-values shows them), "
            "or give --local DIR for a local cloud"
        )
    database = os.environ.get(DATABASE_SETTING) or DATABASE
    return Target(
        "Azure",
        os.environ[COSMOS_SETTING],
        os.environ[TWINS_SETTING],
        database,
        import_container=os.environ.get(CONTAINER_SETTING) or None,
    )


@asynccontextmanager
async def connected(target: Target) -> AsyncGenerator[Connected]:
    """Clients of the target. Raises Unavailable when it does not answer."""
    async with AsyncExitStack() as stack:
        identity = await stack.enter_async_context(credential(target.token))
        documents = await stack.enter_async_context(
            CosmosDocuments(cosmos_client(target.cosmos, target.cosmos_key or identity), target.database)
        )
        trusted = True if target.ca is None else target.ca
        client = await stack.enter_async_context(
            DigitalTwinsClient(target.digital_twins, identity, transport=transport(connection_verify=trusted))
        )
        blobs = await _blobs(target, identity, stack)
        bulk = None
        if blobs is not None:
            sending = await stack.enter_async_context(transport(connection_verify=trusted))
            bulk = BulkImport(target.digital_twins, identity, blobs, sending)
        yield Connected(documents, TwinService(client, bulk))


async def _blobs(target: Target, identity: AsyncTokenCredential, stack: AsyncExitStack) -> Blobs | None:
    if target.local_blobs is not None:
        return LocalBlobs(Path(target.local_blobs))
    if target.import_container is not None:
        return AzureBlobs(target.import_container, identity, await stack.enter_async_context(transport()))
    return None
