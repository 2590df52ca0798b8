"""`millwright oee explain` against the local cloud's Cosmos DB: tables, JSON, pictures, plain words."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from millwright.connect import connected, local_target
from shared import queries
from shared.adapters.containers import ensure
from shared.adapters.cosmos import cosmos_client
from shared.contracts.http import StopsAsked
from shared.domain.stop_commands import Classify, StopCommand
from shared.ports import Document, Upsert
from shared.queries import Paging
from tests.backend import MACHINES, Plant
from tests.journeys.test_millwright_cli import launch, millwright, process
from tests.local_cloud.conftest import ServiceProcess
from tests.plants import HOUR, another
from tests.shell.test_api import CNC, sent
from tests.shell.test_api_oee import EARLY, TWO_DAYS

__all__ = ["launch"]
OTHER = MACHINES[1]


@pytest.fixture(scope="module")
def shop(launch: Callable[..., ServiceProcess], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the local cloud, whose Cosmos DB holds a machine's two days."""
    folder = tmp_path_factory.mktemp("shop")
    endpoints = launch("cosmos", folder).endpoints
    told = {**endpoints, "digitalTwins": "https://localhost:1", "ca": True}
    (folder / "endpoints.json").write_text(json.dumps(told))

    async def fill() -> None:
        plant = await Plant().describe()
        rows = [dict(row) for row in TWO_DAYS]
        await plant.ingest([sent(n, row.pop("after_s"), **row) for n, row in enumerate(rows)])
        async with cosmos_client(endpoints["cosmos"], endpoints["cosmosKey"]) as client:
            await ensure(client)
        async with connected(local_target(folder)) as there:
            for document in plant.documents.partition("machines", CNC).values():
                kept = {name: value for name, value in document.items() if name != "_etag"}
                await there.documents.commit("machines", CNC, [Upsert(kept)])

    asyncio.run(fill())
    return folder


def test_a_shift_is_explained_in_tables_and_pictures(shop: Path, tmp_path: Path) -> None:
    running = process("oee", "explain", CNC, EARLY, "--local", shop, "--pictures", tmp_path, COLUMNS="200")
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    for words in ("2000 + 40 + 0", "E-STOP", "CHANGEOVER", "530 gear x 10000 ms", "equal"):
        assert words in out
    pictures = sorted(tmp_path.iterdir())
    assert [one.name.split(".")[-2] for one in pictures] == ["losses", "pareto", "timeline"]
    for one in pictures:
        with Image.open(one) as image:
            assert (image.format, image.width) == ("PNG", 1_100)


def test_the_explanation_as_json_says_what_the_tables_say(shop: Path) -> None:
    ran = millwright("oee", "explain", CNC, EARLY, "--local", shop, "--json")
    assert ran.json["proof"]["equal"]
    assert ran.json["bucket"]["elements"]["goodCount"] == 2_000


def test_a_shift_that_is_not_there_is_told_with_a_way_on(shop: Path) -> None:
    ran = millwright("oee", "explain", CNC, "1999-01-01.early", "--local", shop)
    assert (ran.code, "has no shift" in ran.err) == (2, True)


def test_stops_are_listed_of_a_machine_and_of_a_line(shop: Path) -> None:
    mine = millwright("oee", "stops", "--machine", CNC, "--local", shop, "--json").json
    assert [one["reason"] for one in mine] == [None, "CHANGEOVER", "E-STOP"]
    unclassified = millwright("oee", "stops", "--line", "LINE-1", "--unclassified", "--local", shop, "--json")
    assert [one for one in unclassified.json if one["machineId"] == CNC] == mine[:1]
    shown = millwright("oee", "stops", "--line", "LINE-1", "--local", shop, COLUMNS="200")
    assert (shown.code, "0:30:00" in shown.out, "E-STOP" in shown.out) == (0, True, True)


def test_a_stop_is_classified_in_the_real_store(shop: Path) -> None:
    """Reading what a command has to know, and writing pages, shift and record in one batch."""

    async def classify() -> tuple[Document, Document, list[Document]]:
        async with connected(local_target(shop)) as there:
            plant = Plant()
            plant.documents = there.documents  # type: ignore[assignment]  # the same port
            plant.specs = {OTHER: replace(another(OTHER), silence_ms=12 * HOUR)}
            plant.worker()
            await plant.describe()
            rows = [dict(row) for row in TWO_DAYS]
            await plant.ingest(
                [sent(n, row.pop("after_s"), machine_id=OTHER, **row) for n, row in enumerate(rows)]
            )
            asked = StopsAsked.model_validate({"machine": OTHER})
            first = (await queries.all_stops(there.documents, Paging(50), asked)).items[-1]
            command = StopCommand("key-1", first["stopId"], Classify("LUNCH"), "ann", 0, "they ate")
            await plant.machines.change(OTHER, [command])
            stop = await queries.stop(there.documents, first["stopId"])
            bucket = await there.documents.get("machines", OTHER, f"oee:{EARLY}")
            assert stop is not None
            assert bucket is not None
            return stop, bucket, await queries.stop_history(there.documents, stop)

    stop, bucket, history = asyncio.run(classify())
    assert [part["reason"] for part in stop["parts"]] == ["LUNCH"]
    assert bucket["elements"]["lossesMs"] == {"plannedStop/LUNCH": HOUR // 2, "setup/CHANGEOVER": HOUR // 2}
    assert (bucket["version"], bucket["final"]) == (2, True)
    assert [(one["who"], one["why"]) for one in history] == [("ann", "they ate")]
