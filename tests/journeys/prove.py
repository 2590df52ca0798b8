"""What is too long for the suite: `make prove` runs it and writes docs/proof.md with what came out.

Many kills over several recordings (law 4), the laws over thousands of random histories
(`--hypothesis-profile=thorough`), OEE of simulated
plants against what happened in them, and sinks that are away (law 6). Ends with 1 if anything differs.
"""

import argparse
import asyncio
import logging
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.journeys.crash import FACTORY, run
from tests.journeys.proof import Law, Proof, Storm, page
from tests.journeys.recording import record
from tests.plant_reference import Compared, compare

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "proof.md"
LAWS = (
    "tests/domain",
    "tests/shell/test_ingest.py",
    "tests/shell/test_relay_events.py",
    "tests/shell/test_relay_scopes.py",
    "tests/shell/test_relay_twins.py",
    "tests/shell/test_stop_laws.py",
    # Each parser of the local cloud, under whatever may come.
    "tests/local_cloud/test_documents_fuzz.py",
    "tests/local_cloud/test_event_hubs_codec.py",
    "tests/local_cloud/test_event_hubs_fuzz.py",
    "tests/local_cloud/test_iot_hub_fuzz.py",
    "tests/local_cloud/cosmos/test_cosmos_fuzz.py",
)


PLANTS = 20


async def storm(seed: int, kills: int) -> Storm:
    # Enough recorded time for each kill that there is always something to interrupt.
    recording = record(FACTORY, seconds=60 + 14 * kills, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        calm = await run(Path(folder) / "calm", recording)
        stormy = await run(Path(folder) / "stormy", recording, kills=kills, seed=seed)
    return Storm(seed, len(recording), calm, stormy)


def pytest(*arguments: str) -> tuple[bool, str]:
    """Whether all passed, and what pytest printed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--timeout=7200", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:], file=sys.stderr)
    return done.returncode == 0, done.stdout


def laws() -> list[Law]:
    """Each property test with what Hypothesis counted."""
    holds, printed = pytest("--hypothesis-profile=thorough", "--hypothesis-show-statistics", *LAWS)
    found: list[Law] = []
    for section in re.split(r"^(?=tests/\S+::\w+:$)", printed, flags=re.MULTILINE):
        named = re.match(r"tests/\S+::(\w+)", section)
        counted = re.findall(r"(\d+) passing, (\d+) failing", section)
        if named and counted:
            passing, failing = (sum(map(int, counts)) for counts in zip(*counted, strict=True))
            found.append(Law(named[1], passing, failing == 0))
    if not found or holds != all(law.holds for law in found):
        raise SystemExit("the laws did not run as tests do: see above")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="make prove")
    parser.add_argument("--kills", type=int, default=200, help="in all, over the recordings")
    parser.add_argument("--recordings", type=int, default=4)
    asked = parser.parse_args()
    logging.getLogger("azure").setLevel(logging.ERROR)
    began_at = datetime.now(UTC)
    storms: list[Storm] = []
    for seed in range(1, asked.recordings + 1):
        one = asyncio.run(storm(seed, -(-asked.kills // asked.recordings)))
        print(f"recording {seed}: {one.stormy.kills}, differences {one.differences}", flush=True)
        storms.append(one)
    found = laws()
    print(f"{len(found)} laws, {sum(law.case_count for law in found):,} random cases", flush=True)
    plants: list[Compared] = []
    for seed in range(1, PLANTS + 1):
        plants.append(compare(seed))
        print(f"plant {seed}: OEE differs in {plants[-1].differences or 'nothing'}", flush=True)
    outage_began = time.monotonic()
    outage_holds, _ = pytest("tests/journeys/test_outage.py")
    outage_s = time.monotonic() - outage_began if outage_holds else None
    proof = Proof(began_at, storms, found, outage_s, plants)
    REPORT.write_text(page(proof))
    print(f"written: {REPORT.relative_to(ROOT)}")
    return 0 if proof.holds else 1


if __name__ == "__main__":
    sys.exit(main())
