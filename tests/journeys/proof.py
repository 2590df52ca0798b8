"""What `make prove` found, and the page that says so."""

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.journeys.crash import Outcome
from tests.plant_reference import Compared


@dataclass(frozen=True, slots=True)
class Storm:
    """One recording, run undisturbed and run with kills."""

    seed: int
    message_count: int
    calm: Outcome
    stormy: Outcome

    @property
    def differences(self) -> dict[str, int]:
        calm, stormy = self.calm, self.stormy
        return {
            "documents": _different(calm.documents, stormy.documents),
            "events": _different(calm.outbox, stormy.outbox),
            "unpublished": len(stormy.outbox.keys() - stormy.events.keys()),
            "ambiguous": sum(len(contents) > 1 for contents in stormy.events.values()),
        }

    @property
    def holds(self) -> bool:
        return not any(self.differences.values())


@dataclass(frozen=True, slots=True)
class Law:
    """One property test: how many random cases it passed."""

    name: str
    case_count: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """All that was found. `outage_s`: how long the outage took, None when something was lost."""

    began_at: datetime
    storms: Sequence[Storm]
    laws: Sequence[Law]
    outage_s: float | None
    plants: Sequence[Compared]

    @property
    def holds(self) -> bool:
        parts = [*(storm.holds for storm in self.storms), *(law.holds for law in self.laws)]
        parts += [not plant.differences for plant in self.plants]
        return all(parts) and self.outage_s is not None


PAGE = """\
# Proof

What is too long for the test suite. Written by `make prove`, last on {began_at:%Y-%m-%d %H:%M} UTC
on {machine}.

## Kills change nothing (law 4)

The messages of a simulated plant, with faults of every kind, are fed to two hosts twice: undisturbed, and
while one process after the other is ended by `kill -9`. Then every document (without what the service itself
writes into it), every event, and what a subscriber received are compared.

**{kill_count} kills**: {kills}.
**{between} of them fell between the commit of a batch and its checkpoint**, so that the batch came again.

| recording | messages | kills | between commit and checkpoint | documents | different | events | different \
| never published | one id, two contents | undisturbed | with kills |
|---|---|---|---|---|---|---|---|---|---|---|---|
{storms}

## The laws over random histories

| law | random cases passed | |
|---|---|---|
{laws}

## OEE is what happened

{plant_count} simulated plants with all faults: {machine_count} machines, {late_count:,} late readings.
Units, stops and late counts are those that were delivered. Of {undistorted_count} machines everything was
delivered in time: their times and OEE are the true ones. Differences: **{plant_differences}**.

## Sinks that are away (law 6)

Digital Twins and Event Grid down in the middle of a recording, and back: {outage}.

Repeat it: `make prove`, or `make prove KILLS=60 EXAMPLES=500` for less.
"""


def page(proof: Proof) -> str:
    kills = sum((Counter(one.stormy.kills) for one in proof.storms), Counter[str]())
    return PAGE.format(
        began_at=proof.began_at,
        machine=machine(),
        kill_count=kills.total(),
        kills=", ".join(f"{name} {count}" for name, count in sorted(kills.items())),
        between=sum(one.stormy.between_commit_and_checkpoint for one in proof.storms),
        storms="\n".join(map(_row, proof.storms)),
        laws="\n".join(
            f"| {law.name.removeprefix('test_').replace('_', ' ')} | {law.case_count:,} "
            f"| {'holds' if law.holds else '**broken**'} |"
            for law in proof.laws
        ),
        plant_count=len(proof.plants),
        machine_count=sum(plant.machine_count for plant in proof.plants),
        late_count=sum(plant.late_count for plant in proof.plants),
        undistorted_count=sum(plant.undistorted_count for plant in proof.plants),
        plant_differences=sum(len(plant.differences) for plant in proof.plants),
        outage="**something was lost**"
        if proof.outage_s is None
        else f"nothing was lost, everything caught up ({proof.outage_s:.0f} s)",
    )


def machine() -> str:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()} (load average at the end {os.getloadavg()[2]:.1f})"
    )


def _row(storm: Storm) -> str:
    found, stormy = storm.differences, storm.stormy
    cells = (
        storm.seed,
        f"{storm.message_count:,}",
        sum(stormy.kills.values()),
        stormy.between_commit_and_checkpoint,
        f"{len(storm.calm.documents):,}",
        found["documents"],
        f"{len(storm.calm.outbox):,}",
        found["events"],
        found["unpublished"],
        found["ambiguous"],
        f"{storm.calm.seconds:.0f} s",
        f"{stormy.seconds:.0f} s",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    return sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())
