"""Where descriptions are applied to: the local cloud of a folder, or Azure as the environment says."""

import json
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.digitaltwins.core.aio import DigitalTwinsClient
from azure.identity.aio import DefaultAzureCredential

from millwright.twin_service import TwinService
from shared.adapters.cosmos import CosmosDocuments, cosmos_client

COSMOS_SETTING = "COSMOS__accountEndpoint"
"""As the Functions runtime names it; the same application setting serves both."""
TWINS_SETTING = "DIGITAL_TWINS_URL"


class NotConfigured(Exception):
    """No place to apply to; says what to set or start."""


@dataclass(frozen=True, slots=True)
class Target:
    """Addresses of one Millwright. `cosmos_key` None: sign in as whoever runs this."""

    name: str
    cosmos: str
    digital_twins: str
    cosmos_key: str | None = None
    ca: str | None = None


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
            ca=found["ca"],
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
    return Target("Azure", os.environ[COSMOS_SETTING], os.environ[TWINS_SETTING])


@asynccontextmanager
async def connected(target: Target) -> AsyncGenerator[Connected]:
    """Clients of the target. Raises Unavailable when it does not answer."""
    async with AsyncExitStack() as stack:
        if target.cosmos_key is None:
            credential = await stack.enter_async_context(DefaultAzureCredential())
            cosmos = cosmos_client(target.cosmos, credential)
            client = DigitalTwinsClient(target.digital_twins, credential)
        else:
            cosmos = cosmos_client(target.cosmos, target.cosmos_key)
            client = DigitalTwinsClient(target.digital_twins, _AnyToken(), connection_verify=target.ca)
        documents = await stack.enter_async_context(CosmosDocuments(cosmos))
        yield Connected(documents, TwinService(await stack.enter_async_context(client)))


class _AnyToken:
    """The local Digital Twins asks for a bearer token, as Azure does, and believes any."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("local", int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
