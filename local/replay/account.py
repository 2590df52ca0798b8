"""What became of every reading: counted from the committed documents, never from what was sent."""

import base64
from dataclasses import dataclass, field, fields

import orjson

from shared.commit import MACHINES, QUARANTINE
from shared.ports import Documents

_COUNTS = "SELECT c.machineId, c.counts FROM c WHERE c.type = 'state'"


@dataclass(frozen=True, slots=True)
class Counts:
    """Readings of one machine, or of all."""

    folded: int = 0
    late: int = 0
    duplicate: int = 0
    queued: int = 0
    """Behind a block: neither folded nor lost."""

    @property
    def total(self) -> int:
        return self.folded + self.late + self.duplicate + self.queued

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.folded + other.folded,
            self.late + other.late,
            self.duplicate + other.duplicate,
            self.queued + other.queued,
        )

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(
            self.folded - other.folded,
            self.late - other.late,
            self.duplicate - other.duplicate,
            self.queued - other.queued,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """All machines at one moment."""

    machines: dict[str, Counts] = field(default_factory=dict[str, Counts])
    rejected: dict[str, int] = field(default_factory=dict[str, int])
    """Readings in quarantine by machine; "" for those that no machine could be read from."""

    @property
    def counts(self) -> Counts:
        return sum(self.machines.values(), Counts())

    @property
    def quarantined(self) -> int:
        return sum(self.rejected.values())

    @property
    def total(self) -> int:
        return self.counts.total + self.quarantined

    def of(self, machine_id: str) -> int:
        """Readings of a machine that the pipeline is through with."""
        counts = self.machines.get(machine_id, Counts())
        return counts.total + self.rejected.get(machine_id, 0) + self.rejected.get("", 0)

    def since(self, before: "Account") -> "Account":
        """What came on top of an earlier account."""
        return Account(
            {
                machine: counts - before.machines.get(machine, Counts())
                for machine, counts in self.machines.items()
            },
            {machine: count - before.rejected.get(machine, 0) for machine, count in self.rejected.items()},
        )


async def take_account(documents: Documents) -> Account:
    """Count the readings of all machines, and those in quarantine."""
    machines = {
        state["machineId"]: Counts(**{one.name: state["counts"][one.name] for one in fields(Counts)})
        async for state in documents.query(MACHINES, _COUNTS, {})
    }
    rejected: dict[str, int] = {}
    async for document in documents.query(QUARANTINE, "SELECT c.machineId, c.body FROM c", {}):
        machine_id = document.get("machineId") or ""
        rejected[machine_id] = rejected.get(machine_id, 0) + _readings(document["body"])
    return Account(machines, rejected)


def _readings(body: str) -> int:
    """How many readings a quarantined body holds: one, or a whole array that was rejected as such."""
    try:
        parsed = orjson.loads(base64.b64decode(body))
    except orjson.JSONDecodeError:
        return 1
    return len(parsed) if isinstance(parsed, list) else 1  # pyright: ignore[reportUnknownArgumentType]  # JSON
