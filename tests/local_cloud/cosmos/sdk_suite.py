"""azure-cosmos's own live tests against the local Cosmos DB: how many pass, file by file.

    pip download --no-deps --no-binary azure-cosmos azure-cosmos==4.17.1 && tar xzf azure_cosmos-4.17.1.tar.gz
    python -m tests.local_cloud.cosmos.sdk_suite azure_cosmos-4.17.1 [FILE ...] [--json]

The tests ship in the package's source. They take the account from the environment; Microsoft's test tools,
which they import for nothing but a credential, are stood in for by the two modules below. Each file runs in a
process of its own. Outside the project's test suite: it takes minutes, and some tests wait for a minute.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

from bench.cosmos import server

CATEGORIES = {
    "CRUD": ("test_crud*", "test_none_options*", "test_partition_key*", "test_encoding*", "test_headers*"),
    "items": ("test_read_items.py", "test_read_items_async.py", "test_cosmos_responses*"),
    "query": ("test_query.py", "test_query_async.py", "test_query_execution_context.py", "test_query_feed*",
              "test_query_response_headers*", "test_computed_properties*", "test_feed_range*"),
    "cross-partition": ("test_query_cross_partition*",),
    "order-by": ("test_orderby.py", "test_multi_orderby.py"),
    "aggregate": ("test_aggregate.py",),
    "change feed": ("test_change_feed*", "test_changefeed*"),
    "batch": ("test_transactional_batch*",),
    "TTL": ("test_ttl.py", "test_analytical_ttl*"),
    "session": ("test_session*", "test_latest_session_token*"),
}  # fmt: skip
"""The tests that count, by their files' names."""
SECONDS_A_TEST = 240
STAND_IN = {
    "devtools_testutils/__init__.py": "",
    "devtools_testutils/azure_recorded_testcase.py": "def get_credential(**options):\n    return None\n",
    "devtools_testutils/helpers.py": "def is_live():\n    return True\n",
}
SETTINGS = "[pytest]\nasyncio_mode = strict\nfilterwarnings =\n    ignore\n"


@dataclass(slots=True)
class Tally:
    """What came of one file's tests."""

    passed: int = 0
    skipped: int = 0
    failures: dict[str, str] = field(default_factory=dict[str, str])
    """Reason by test."""

    def add(self, other: "Tally") -> None:
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures.update(other.failures)

    @property
    def share(self) -> float:
        """Passed of those that ran, a ratio."""
        return self.passed / max(1, self.passed + len(self.failures))


def run(tests: Path, name: str, folder: Path, endpoint: str, key: str) -> Tally:
    """One file in a process of its own, with the account in its environment."""
    report = folder / f"{name}.xml"
    environment = {
        **os.environ,
        "ACCOUNT_HOST": f"{endpoint.rstrip('/')}/",
        "ACCOUNT_KEY": key,
        "PYTHONPATH": f"{folder}{os.pathsep}{tests}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [
        sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist",
        "-c", str(folder / "pytest.ini"), f"--rootdir={tests}", f"--timeout={SECONDS_A_TEST}",
        f"--junitxml={report}", str(tests / name),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not report.exists():
        return Tally(failures={name: f"no report: {done.stdout[-300:]}{done.stderr[-300:]}"})
    return tallies(report).get(Path(name).stem, Tally())


def tallies(report: Path) -> dict[str, Tally]:
    """Outcomes by test module, from a JUnit report."""
    found: dict[str, Tally] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        parts = case.get("classname", "").split(".")
        module = next((part for part in parts if part.startswith("test_")), parts[-1])
        tally = found.setdefault(module, Tally())
        trouble = next((one for one in case if one.tag in ("failure", "error")), None)
        if trouble is not None:
            place = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
            tally.failures[place] = (trouble.get("message") or "").strip().split("\n")[0][:200]
        elif case.find("skipped") is not None:
            tally.skipped += 1
        else:
            tally.passed += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.local_cloud.cosmos.sdk_suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="folder of the unpacked source package of azure-cosmos")
    parser.add_argument(
        "files", nargs="*", help="names or patterns of files below tests/; default: all that count"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    options = parser.parse_args()
    tests = options.source.resolve() / "tests"
    if not (tests / "test_config.py").exists():
        parser.error(f"{tests} holds no test_config.py: give the unpacked source package of azure-cosmos")
    chosen = {"chosen": tuple(options.files)} if options.files else CATEGORIES
    totals: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for place, text in {**STAND_IN, "pytest.ini": SETTINGS}.items():
            (folder / place).parent.mkdir(exist_ok=True)
            (folder / place).write_text(text)
        with server(str(folder / "state")) as (endpoint, key):
            for category, patterns in chosen.items():
                total = totals[category] = Tally()
                for name in sorted({path.name for one in patterns for path in tests.glob(one)}):
                    tally = run(tests, name, folder, endpoint, key)
                    total.add(tally)
                    if not options.json:
                        show(name, tally)
    if options.json:
        print(
            json.dumps({name: [one.passed, len(one.failures), one.skipped] for name, one in totals.items()})
        )
    else:
        for category, tally in totals.items():
            print(f"{category:20} {tally.share:7.1%}  {tally.passed} of {tally.passed + len(tally.failures)}")
    return 0


def show(name: str, tally: Tally) -> None:
    print(
        f"{name:55} {tally.passed:4} passed {len(tally.failures):4} failed {tally.skipped:4} skipped",
        flush=True,
    )
    for test, reason in tally.failures.items():
        print(f"    {test}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
