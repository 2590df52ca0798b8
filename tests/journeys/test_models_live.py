"""`millwright models live` over calls and findings that lie in the local cloud's Cosmos DB."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from millwright.__main__ import app
from millwright.connect import connected, local_target
from shared.commit import Machines
from shared.domain.maintenance.inputs import Maintained
from shared.domain.maintenance.records import Finding
from shared.ingest import Ingest
from tests.backend import MACHINES, Plant, body, message
from tests.journeys.test_millwright_cli import cloud, process
from tests.local_cloud.conftest import launch
from tests.plants import HOUR, MINUTE, MONDAY
from tests.shell.test_api_maintenance import TOOL, Warner

__all__ = ["cloud", "launch"]

# The plant's time lies in the past, and calls of the latest days are asked for.
LONG_AGO = ["--days", "36500"]


async def warn_and_find(cloud: Path) -> None:
    """Two calls and three findings: one confirmed, one false, one missed."""
    plant = Plant()
    plant.specs = {name: replace(spec, tasks=(TOOL,)) for name, spec in plant.specs.items()}
    async with connected(local_target(cloud)) as there:
        machines = Machines(there.documents, plant, Warner())
        ingest = Ingest(machines, plant, there.documents, Warner())
        for spec in plant.specs.values():
            await machines.describe(spec, now=MONDAY)
        sequence = 0
        for minute in range(8):
            at = MONDAY + minute * MINUTE
            # The first two are warned of, the third is not.
            torque = (75.0, 75.0, 40.0) if minute >= 4 else (40.0,) * 3
            for name, value in zip(MACHINES, torque, strict=True):
                content = body(name, at, signals={"torque_nm": value})
                await ingest([message(sequence, content, at=at)])
                sequence += 1
        findings: tuple[Finding, ...] = ("fault", "nothing", "failed")
        for name, finding in zip(MACHINES, findings, strict=True):
            done = Maintained(f"done-{name}", "tool", MONDAY + HOUR, "ann@acme.example", finding)
            await machines.change(name, [done])


def test_findings_become_precision_recall_and_lead_time(cloud: Path) -> None:
    asyncio.run(warn_and_find(cloud))

    found = CliRunner().invoke(app, ["models", "live", "--local", str(cloud), *LONG_AGO, "--json"])
    assert found.exit_code == 0, found.output
    (item,) = json.loads(found.stdout)
    assert (item["confirmedCount"], item["falseCallCount"], item["missedCount"]) == (1, 1, 1)
    assert item["precision"]["value"] == item["recall"]["value"] == 0.5
    assert 50 * 60 < item["leadTimeS"]["median"] <= 60 * 60

    asked = process("models", "live", "--local", cloud, *LONG_AGO, COLUMNS="200")
    shown, _ = asked.communicate(timeout=60)
    assert "wear" in shown
    assert "50% (9% to 91%)" in shown


def test_no_calls_are_an_empty_table(cloud: Path) -> None:
    found = CliRunner().invoke(app, ["models", "live", "--local", str(cloud), "--days", "1", "--json"])
    assert (found.exit_code, json.loads(found.stdout)) == (0, [])
