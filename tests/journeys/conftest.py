"""A whole running Millwright, shared by the journeys that leave each other's machines alone."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from local.backend import ROOT, Backend
from local.home import Home


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def backend(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Backend]:
    """The smart factory on ephemeral ports, started once for the test run.

    Tests that await its clients run in its loop: mark them `asyncio(loop_scope="session")`.
    """
    home = Home.at(tmp_path_factory.mktemp("backend"))
    async with Backend(home, factory=ROOT / "factories" / "smart-factory.yaml", ports_from=0) as running:
        yield running
