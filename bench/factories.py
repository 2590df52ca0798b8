"""How long a description of ten thousand machines takes to check, to apply and to compare.

The program runs as people run it, in a process of its own, against Cosmos DB and Digital Twins of
the local cloud with Azure's rates; client and services share this machine.
"""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import child
from bench.factory import ROOT, write_factory
from bench.surroundings import Cpu, load_average
from shared.adapters.containers import ensure
from shared.adapters.cosmos import cosmos_client

SERVICES = {"cosmos": "http", "digital-twins": "https"}


@dataclass(frozen=True, slots=True)
class Factories:
    """Seconds on the wall, each of one run."""

    machine_count: int
    twin_count: int
    relationship_count: int
    check_s: float
    apply_s: float
    again_s: float
    """Applying the same file again, which changes nothing."""
    apply_cpu_s: dict[str, float]
    """Processor time of the first apply, by process: what it would take on a machine of its own, at most."""
    load_average: float


def measure(*, machines: int = 10_000) -> Factories:
    with child.temporary_folder() as name:
        return _measure(Path(name), machines)


def _measure(folder: Path, machines: int) -> Factories:
    factory = write_factory(folder / "factory.yaml", machines=machines)
    check_s, _ = _millwright("check", factory)
    with _services(folder) as processes:
        cpu, before = Cpu(processes), _children_s()
        apply_s, applied = _millwright("apply", factory, "--local", folder)
        used = {**cpu.used_s(), "millwright": _children_s() - before}
        again_s, again = _millwright("apply", factory, "--local", folder)
    if again["changed"]:
        raise RuntimeError("applying the same file twice changed something")
    return Factories(
        machines,
        len(applied["twinsCreated"]),
        len(applied["relationshipsCreated"]),
        check_s,
        apply_s,
        again_s,
        {process: round(seconds, 1) for process, seconds in used.items()},
        load_average(),
    )


def _millwright(command: str, *arguments: str | Path) -> tuple[float, dict[str, Any]]:
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "millwright", "factory", command, *map(str, arguments), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(
            f"factory {command} ended with {ran.returncode}: {ran.stdout[:500]}{ran.stderr[:500]}"
        )
    return time.monotonic() - began, json.loads(ran.stdout)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _services(folder: Path) -> Iterator[dict[str, int]]:
    """Cosmos DB and Digital Twins on free ports, with their endpoints where the program looks for them."""
    running: list[subprocess.Popen[str]] = []
    endpoints: dict[str, str] = {}
    try:
        for name, port in SERVICES.items():
            process = subprocess.Popen(
                [sys.executable, "-m", "local", "serve", name, f"--dir={folder}", f"--port={port}=0"],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=os.environ,
            )
            running.append(process)
            assert process.stdout is not None
            endpoints |= json.loads(process.stdout.readline())["endpoints"]
        endpoints["ca"] = str(folder / "ca.pem")
        (folder / "endpoints.json").write_text(json.dumps(endpoints))
        asyncio.run(_containers(endpoints))
        yield {name: process.pid for name, process in zip(SERVICES, running, strict=True)}
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait(timeout=60)
            assert process.stdout is not None
            process.stdout.close()


async def _containers(endpoints: dict[str, str]) -> None:
    async with cosmos_client(endpoints["cosmos"], endpoints["cosmosKey"]) as client:
        await ensure(client)
