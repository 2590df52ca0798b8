"""Half an hour of ordinary work through the whole local cloud: do memory and files stay flat?

    python -m bench.soak [--minutes 30] [--devices 10] [--json]

Devices connect, send, report properties and leave again; each message goes on to the Event Hub and is read
from there; identities and twins come and go; documents are rewritten, expire and are queried; events go to a
webhook that fails now and then (`soak_work.py`). The data is bounded, so growth is a leak. Resident memory of
each service's process and the size of its files are read every few seconds; the first third is warming up. A
leak is a last third whose median lies more than 5 % + 2 MB above the second's: exit code 1.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import soak_work
from local.home import Home
from local.iot_hub.device_port import device_port
from local.launcher import LocalCloud

SERVICES = ("event-hubs", "event-grid", "cosmos", "digital-twins", "iot-hub")
SAMPLE_S = 5.0
ENVIRONMENT = {"MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.01", "MILLWRIGHT_EVENT_HUBS_RETENTION_S": "60"}


@dataclass(frozen=True)
class Course:
    """How one quantity of one service went: medians of the tenths of the run, MB."""

    service: str
    what: str
    tenths_mb: list[float]
    second_third_mb: float
    last_third_mb: float

    @classmethod
    def of(cls, service: str, what: str, values: list[float]) -> "Course":
        def median(low: float, high: float) -> float:
            part = values[int(low * len(values)) : max(int(low * len(values)) + 1, int(high * len(values)))]
            return round(statistics.median(part), 1)

        tenths = [median(number / 10, (number + 1) / 10) for number in range(10)]
        return cls(service, what, tenths, median(1 / 3, 2 / 3), median(2 / 3, 1))

    @property
    def flat(self) -> bool:
        return self.last_third_mb <= 1.05 * self.second_third_mb + 2


def resident_mb(pid: int) -> float:
    """Of a process, from /proc."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


def files_mb(home: Home, service: str) -> float:
    """The service's database with its log."""
    path = home.database(service)
    files = [path, *path.parent.glob(f"{path.name}-*")]
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6


async def soak(minutes: float, devices: int) -> tuple[list[Course], Counter[str]]:
    counts: Counter[str] = Counter()
    memory: dict[str, list[float]] = {name: [] for name in SERVICES}
    disk: dict[str, list[float]] = {name: [] for name in SERVICES}
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(folder)
        async with LocalCloud(home, ports_from=0, services=SERVICES, environment=ENVIRONMENT) as cloud:
            with device_port(int(cloud.endpoints["iotHubDevicePort"])):
                strings = await soak_work.device_strings(cloud, [f"soak-{n}" for n in range(devices)])
                hook = await soak_work.webhook(cloud, counts)
                lives = [soak_work.device(cloud, string, counts) for string in strings]
                lives += [
                    life(cloud, counts)
                    for life in (
                        soak_work.registry, soak_work.reader, soak_work.documents,
                        soak_work.twins, soak_work.publisher,
                    )
                ]  # fmt: skip
                work = [asyncio.create_task(life) for life in lives]
                until = time.monotonic() + 60 * minutes
                while time.monotonic() < until and not any(task.done() for task in work):
                    for name in SERVICES:
                        memory[name].append(resident_mb(cloud.processes[name].pid))
                        disk[name].append(files_mb(home, name))
                    await asyncio.sleep(SAMPLE_S)
                ended = [task for task in work if task.done()]
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                await hook.cleanup()
                for task in ended:
                    task.result()
    courses = [Course.of(name, "memory", values) for name, values in memory.items()]
    return courses + [Course.of(name, "files", values) for name, values in disk.items()], counts


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    courses, counts = asyncio.run(soak(options.minutes, options.devices))
    if options.json:
        print(json.dumps({"courses": [asdict(course) for course in courses], "counts": counts}))
    else:
        print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
        for course in courses:
            tenths = " ".join(f"{value:6.1f}" for value in course.tenths_mb)
            verdict = "flat" if course.flat else "GROWS"
            print(f"{course.service:<14}{course.what:<8}{tenths}  MB  {verdict}")
    return 0 if all(course.flat for course in courses) else 1


if __name__ == "__main__":
    sys.exit(main())
