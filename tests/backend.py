"""A whole backend without the cloud: machines, specs and devices over one store in memory."""

import json
from typing import Any

from shared.commit import Machines, Scorer
from shared.decode import DeviceEntry
from shared.domain.spec import MachineSpec
from shared.ingest import Ingest, Message
from shared.instants import iso
from shared.ports import Document
from tests.memory import MemoryDocuments
from tests.plants import MONDAY, SECOND, ArithmeticScorer, another

MACHINES = ("LINE-1-CNC-1", "LINE-1-CNC-2", "LINE-1-CNC-3")


class Plant:
    """A backend over one store in memory; `worker` starts a fresh process's worth of caches."""

    def __init__(self) -> None:
        self.documents = MemoryDocuments()
        self.specs = {name: another(name) for name in MACHINES}
        self.new: set[str] = set()
        self.worker()

    def worker(self, scorer: Scorer | None = None) -> "Plant":
        scorer = scorer or ArithmeticScorer()
        self.machines = Machines(self.documents, self, scorer)
        self.ingest = Ingest(self.machines, self, self.documents, scorer)
        return self

    async def machine_spec(self, site_id: str, line_id: str, machine_id: str, version: int) -> MachineSpec:
        return self.specs[machine_id]

    async def device(self, device_id: str, *, doubted: bool = False) -> DeviceEntry | None:
        """Machines in `new` are known only to a directory that looked again."""
        if device_id not in ("GATEWAY-1", "GATEWAY-2"):
            return None
        known = [name for name in (*MACHINES, "GHOST") if doubted or name not in self.new]
        return DeviceEntry(device_id, "SITE-1", 1, dict.fromkeys(known, "LINE-1"))

    async def describe(self) -> "Plant":
        for spec in self.specs.values():
            await self.machines.describe(spec, now=MONDAY)
        return self

    def of(self, kind: str, machine_id: str | None = None) -> list[Document]:
        return [
            d
            for d in self.documents.all("machines")
            if d["type"] == kind and machine_id in (None, d["machineId"])
        ]

    def figures(self) -> dict[str, Any]:
        """Every document but the outbox grouping, and every event, without what the service makes."""
        found = {
            f"{container}/{d.get('machineId')}/{d['id']}": {k: v for k, v in d.items() if k != "_etag"}
            for container in ("machines", "late", "quarantine")
            for d in self.documents.all(container)
            if d.get("type") != "outbox"
        }
        found["events"] = sorted(
            (event for d in self.of("outbox") for event in d["events"]), key=lambda e: e["id"]
        )
        return found


def body(machine_id: str, at: int, **fields: Any) -> bytes:
    return json.dumps({"machineId": machine_id, "timestamp": iso(at), "state": "Execute", **fields}).encode()


def message(sequence: int, content: bytes, *, device: str = "GATEWAY-1", at: int = MONDAY) -> Message:
    return Message(device, "telemetry/1/0", sequence, at + 300, content)


def stream(count: int, *, each_s: int = 7) -> list[Message]:
    """Readings of all machines in turn, with alarms, counters and a message of three now and then."""
    messages: list[Message] = []
    for number in range(count):
        machine_id = MACHINES[number % len(MACHINES)]
        at = MONDAY + number * each_s * SECOND
        fields = {
            "sequence": number,
            "counts": {"good": number // 2, "reject": number // 11},
            "order": {"id": "O-1", "product": "gear"},
            "signals": {"temperature_c": 95.0 if number % 17 == 5 else 60.0 + number % 7, "torque_nm": 40.0},
        }
        content = body(machine_id, at, **fields)
        if number % 5 == 0:
            more = [json.loads(body(machine_id, at + extra * SECOND, **fields)) for extra in (0, 1, 2)]
            content = json.dumps(more).encode()
        messages.append(message(number, content, at=at))
    return messages
