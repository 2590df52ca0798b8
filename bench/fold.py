"""The pipeline without I/O, on one core: what a reading costs to parse, to decode, to fold.

The reading is one JSON object of about 280 B with six signals, state and counters, of one of 1,000
machine tools (eight signals, five alarm rules, one model) that report once a second of event time. Signals
carry noise; what happens once a minute (aggregates, OEE, model rows) is in the figures in proportion.
Times are processor seconds of this process, the best of several passes: what disturbs a pass only
makes it slower. Python collects garbage as seldom as in a worker.
"""

import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import orjson

from bench.factory import machine_specs, write_factory
from bench.surroundings import percentile
from shared.collector import collect_seldom
from shared.contracts.telemetry import MESSAGE, MESSAGES
from shared.decode import Decoded, DeviceEntry, decode, resolve
from shared.domain.advance import advance, initial
from shared.domain.inputs import Reading
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.instants import iso
from shared.state_document import from_document, size, to_document

START = 1_773_036_000_000
"""A Monday, 07:00 in Graz: inside a shift."""
MACHINES = 1_000
SOURCE = "telemetry/1/0"
_NORMAL = {
    "temperature_c": (61.0, 0.3),
    "vibration_mm_s": (1.8, 0.1),
    "power_kw": (7.4, 0.4),
    "spindle_speed_rpm": (1500.0, 12.0),
    "torque_nm": (41.0, 1.5),
    "tool_wear_min": (12.5, 0.0),
}
"""Signal -> mean and standard deviation of its noise."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Readings a second on one core, and memory."""

    message_bytes: int
    reading_count: int
    parse_per_s: float
    parse_five_per_s: float
    decode_advance_per_s: float
    """Decode, resolve and advance, one reading a message and a slice."""
    decode_advance_five_per_s: float
    advance_per_s: float
    advance_five_per_s: float
    multiple_of_parsing: float
    """Time to decode and advance over time to parse, one reading a message."""
    multiple_of_parsing_five: float
    memory_per_machine_bytes: float
    """A loaded machine in a worker's cache, an hour of event time into its life: state and spec."""
    state_p50_bytes: int
    state_p99_bytes: int
    aged_machine_count: int


type Round = list[bytes]
"""A message of every machine."""


def measure(*, machines: int = MACHINES, seconds: float = 60.0, passes: int = 3, aged: int = 60) -> Fold:
    """`seconds` of event time a pass; `aged` machines live through an hour for the figures of size."""
    collect_seldom()
    specs = machine_tools(machines)
    ones = messages(specs, rounds=max(5, round(seconds)), readings=1)
    fives = messages(specs, rounds=max(1, round(seconds / 5)), readings=5)
    count = len(ones) * len(specs)
    parse = best(passes, lambda: _parse(ones)) / count
    parse_five = best(passes, lambda: _parse_arrays(fives)) / (len(fives) * len(specs) * 5)
    whole = best(passes, lambda: _decode_and_advance(specs, ones)) / count
    whole_five = best(passes, lambda: _decode_and_advance(specs, fives, 5)) / (len(fives) * len(specs) * 5)
    single, batched = read(specs, ones, 1), read(specs, fives, 5)
    alone = best(passes, lambda: _advance(specs, single)) / count
    alone_five = best(passes, lambda: _advance(specs, batched)) / (len(fives) * len(specs) * 5)
    states = _aged(specs[:aged], hours=1.0)
    sizes = [float(size(state)) for state in states]
    return Fold(
        message_bytes=len(ones[-1][0]),
        reading_count=count,
        parse_per_s=1 / parse,
        parse_five_per_s=1 / parse_five,
        decode_advance_per_s=1 / whole,
        decode_advance_five_per_s=1 / whole_five,
        advance_per_s=1 / alone,
        advance_five_per_s=1 / alone_five,
        multiple_of_parsing=whole / parse,
        multiple_of_parsing_five=whole_five / parse_five,
        memory_per_machine_bytes=_memory(specs, states),
        state_p50_bytes=round(percentile(sizes, 0.5)),
        state_p99_bytes=round(percentile(sizes, 0.99)),
        aged_machine_count=len(states),
    )


def machine_tools(count: int) -> list[MachineSpec]:
    """So many machine tools, as their factory describes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_factory(Path(folder) / "factory.yaml", machines=2 * count)
        return [spec for spec in machine_specs(path) if spec.machine_class == "CncMachine"][:count]


def messages(specs: Sequence[MachineSpec], *, rounds: int, readings: int) -> list[Round]:
    """`rounds` messages of every machine, of `readings` readings one second apart."""
    fate = Random(7)
    made: list[Round] = []
    for number in range(rounds):
        this: Round = []
        for spec in specs:
            body = [_reading(spec, number * readings + i, fate) for i in range(readings)]
            this.append(orjson.dumps(body[0] if readings == 1 else body))
        made.append(this)
    return made


def _reading(spec: MachineSpec, second: int, fate: Random) -> dict[str, object]:
    return {
        "machineId": spec.machine_id,
        "timestamp": iso(START + second * 1000 + fate.randrange(900)),
        "sequence": second,
        "state": "Execute",
        "counts": {"good": 100 + second // 30, "reject": 1},
        "signals": {
            name: round(mean + fate.gauss(0.0, noise), 3) if noise else mean
            for name, (mean, noise) in _NORMAL.items()
        },
    }


def best(passes: int, work: Callable[[], object]) -> float:
    """Processor seconds of the quickest pass."""
    best = float("inf")
    for _ in range(passes):
        gc.collect()
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def _parse(rounds: list[Round]) -> None:
    for this in rounds:
        for body in this:
            MESSAGE.validate_json(body)


def _parse_arrays(rounds: list[Round]) -> None:
    for this in rounds:
        for body in this:
            MESSAGES.validate_json(body)


def _device(spec: MachineSpec) -> DeviceEntry:
    return DeviceEntry(spec.devices[0], spec.site_id, 1, {spec.machine_id: spec.line_id})


def _readings(
    body: bytes, spec: MachineSpec, device: DeviceEntry, sequence: int, arrived_at: int
) -> list[Reading]:
    found: list[Reading] = []
    for outcome in decode(
        body,
        device=device,
        device_id=device.device_id,
        source=SOURCE,
        sequence=sequence,
        arrived_at=arrived_at,
    ):
        assert isinstance(outcome, Decoded), outcome
        reading = resolve(outcome, spec)
        assert isinstance(reading, Reading), reading
        found.append(reading)
    return found


def _arrived_at(number: int, readings: int) -> int:
    """A message arrives half a second after the second of its last reading."""
    return START + (number + 1) * readings * 1000 + 500


def _decode_and_advance(specs: Sequence[MachineSpec], rounds: list[Round], readings: int = 1) -> None:
    states = [initial(spec) for spec in specs]
    devices = [_device(spec) for spec in specs]
    for number, this in enumerate(rounds):
        for index, body in enumerate(this):
            spec = specs[index]
            inputs = _readings(body, spec, devices[index], number, _arrived_at(number, readings))
            states[index] = advance(spec, states[index], inputs).state


def read(specs: Sequence[MachineSpec], rounds: list[Round], readings: int) -> list[list[list[Reading]]]:
    """The messages, decoded: round, machine, readings."""
    devices = [_device(spec) for spec in specs]
    return [
        [
            _readings(body, specs[i], devices[i], number, _arrived_at(number, readings))
            for i, body in enumerate(this)
        ]
        for number, this in enumerate(rounds)
    ]


def _advance(specs: Sequence[MachineSpec], rounds: list[list[list[Reading]]]) -> None:
    states = [initial(spec) for spec in specs]
    for this in rounds:
        for index, readings in enumerate(this):
            states[index] = advance(specs[index], states[index], readings).state


def _aged(specs: Sequence[MachineSpec], *, hours: float) -> list[MachineState]:
    """Machines that reported every second for so long, in messages of ten."""
    states = [initial(spec) for spec in specs]
    devices = [_device(spec) for spec in specs]
    for number, this in enumerate(messages(specs, rounds=round(hours * 360), readings=10)):
        for index, body in enumerate(this):
            spec = specs[index]
            inputs = _readings(body, spec, devices[index], number, _arrived_at(number, 10))
            states[index] = advance(spec, states[index], inputs).state
    return states


def _memory(specs: Sequence[MachineSpec], states: Sequence[MachineState]) -> float:
    """Bytes a machine: its state as read from the store, its compiled spec, its place in the cache."""
    documents = [
        orjson.dumps(to_document(specs[index % len(states)], states[index % len(states)]))
        for index in range(len(specs))
    ]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    cache = {
        spec.machine_id: (replace(spec), from_document(orjson.loads(document)), "etag")
        for spec, document in zip(specs, documents, strict=True)
    }
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / len(cache)
