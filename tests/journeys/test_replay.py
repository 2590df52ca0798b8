"""Recorded machines through devices, hub, functions and store: every reading has one fate."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.replay.pdm import body as pdm_body
from training.pdm_records import HOUR_MS

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("MILLWRIGHT_DATA", ROOT.parent / "shared" / "data"))


def data(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no data set {name} in {DATA}: set MILLWRIGHT_DATA (docs/replay.md)")
    return folder


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "local", "replay", *map(str, arguments)]


async def replayed(folder: Path, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """(exit code, report) of a replay in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *command(folder, "--json", *arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert out, err.decode()
    return process.returncode or 0, json.loads(out)


def balance(readings: dict[str, Any]) -> int:
    return sum(readings[fate] for fate in ("folded", "late", "duplicates", "quarantined"))


async def test_the_maintenance_set_is_folded_whole_and_judged_against_its_failures() -> None:
    code, report = await replayed(data("azure_pdm"), "--limit", "120")
    readings = report["readings"]
    assert (code, readings["balanced"]) == (0, True)
    assert readings["sent"] == readings["folded"] == balance(readings) == 20 * 120
    # Each machine's last hour is still open, and averages warm up for eleven.
    predictions = report["predictions"]
    assert (predictions["predictions"], predictions["abstained"]) == (20 * 119, 20 * 11)
    # 80 records from before the first reading, and those of the first five days.
    assert report["maintenanceRecords"] > 80
    assert report["oee"]["meanCoverage"] == 0
    assert report["metered"]["functions"]["telemetry.failures"] == 0


@pytest.mark.parametrize(("name", "limit"), [("skab", 1_500), ("nab", 2_000)])
async def test_real_recordings_are_read_by_their_profiles_and_accounted_for(name: str, limit: int) -> None:
    code, report = await replayed(data(name), "--limit", str(limit))
    readings = report["readings"]
    assert (code, readings["balanced"]) == (0, True)
    assert readings["sent"] == balance(readings) == limit
    assert readings["quarantined"] == 0
    assert report["predictions"] is None


async def test_a_recording_of_ones_own_is_replayed_and_what_is_wrong_in_it_is_quarantined(
    tmp_path: Path,
) -> None:
    factory = (ROOT / "factories" / "benchmark-pdm.yaml").read_text()
    (tmp_path / "factory.yaml").write_text(factory)
    rows = [pdm_body(1, hour * HOUR_MS, (170.0, 440.0, 100.0, 40.0)) for hour in range(30)]
    rows[7] = rows[7].replace(b"Z", b"")
    rows[9] = rows[9].replace(b"PDM-1", b"PDM-20")
    rows.append(rows[-1])
    rows.append(rows[2])
    (tmp_path / "PDM-GATEWAY-1.jsonl").write_bytes(b"\n".join(rows))
    code, report = await replayed(tmp_path)
    readings = report["readings"]
    assert (code, readings["balanced"]) == (0, True)
    assert (readings["sent"], readings["folded"]) == (32, 28)
    assert (readings["late"], readings["duplicates"], readings["quarantined"]) == (1, 1, 2)


async def test_interrupted_it_shuts_everything_down_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    (folder / "factory.yaml").write_text((ROOT / "factories" / "benchmark-pdm.yaml").read_text())
    row = pdm_body(1, HOUR_MS, (170.0, 440.0, 100.0, 40.0))
    (folder / "PDM-GATEWAY-1.jsonl").write_bytes(row)
    process = await asyncio.create_subprocess_exec(
        *command(folder, "--dir", tmp_path / "home"), cwd=ROOT, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert b"starting" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    rest = await process.stderr.read()
    assert await process.wait() == 130
    assert rest.decode().splitlines()[-1] == "stopped; everything is shut down"
    assert not (tmp_path / "home" / "endpoints.json").exists()
