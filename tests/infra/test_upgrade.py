"""Versions of the code come and go over the same states: what the runbook says of it holds."""

import base64
import zlib

import orjson
import pytest

from shared.ports import Document
from shared.replay import Replay
from shared.state_document import unpack
from tests.backend import MACHINES, Plant, stream
from tests.plants import ArithmeticScorer

FIRST = MACHINES[0]


def packed(document: Document, fold: Document) -> Document:
    """The state's document with another fold in it."""
    data = base64.b64encode(zlib.compress(orjson.dumps(fold))).decode()
    return {name: value for name, value in document.items() if name != "_etag"} | {"data": data}


@pytest.fixture
async def plant() -> Plant:
    plant = await Plant().describe()
    await plant.ingest(stream(30))
    return plant


async def test_what_a_newer_version_added_to_a_state_does_not_stop_an_older_one(plant: Plant) -> None:
    [state] = plant.of("state", FIRST)
    newer = packed(state, unpack(state) | {"of_a_later_version": {"a": 1}})
    await plant.documents.upsert("machines", FIRST, newer)
    await plant.worker().ingest(stream(60)[30:])
    whole = await Plant().describe()
    await whole.ingest(stream(30))
    await whole.worker().ingest(stream(60)[30:])
    assert plant.figures() == whole.figures()


async def test_a_state_that_cannot_be_read_harms_nobody_else_and_loses_nothing(
    plant: Plant,
) -> None:
    """As after going back too far: its messages wait in quarantine and are folded once they can be."""
    [state] = plant.of("state", FIRST)
    fold = unpack(state)
    readable = packed(state, fold)
    await plant.documents.upsert("machines", FIRST, packed(state, {"machine_id": fold["machine_id"]}))
    report = await plant.worker().ingest(stream(60)[30:])
    assert report.machine_count == len(MACHINES) - 1
    kept = plant.documents.all("quarantine")
    assert {document["reason"] for document in kept} == {"unreadableState"}
    assert {document["machineId"] for document in kept} == {FIRST}

    await plant.documents.upsert("machines", FIRST, readable)
    plant.worker()
    replay = Replay(plant.machines, plant, plant.documents, ArithmeticScorer())
    outcomes = [await replay(document["deviceDay"], document["id"]) for document in kept]
    assert sum(outcome.reading_count for outcome in outcomes if outcome is not None) > 0
    assert plant.documents.all("quarantine") == []
