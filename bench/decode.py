"""How fast a device message becomes readings, beside what parsing alone takes.

`python -m bench.decode [--json]`: one core, no I/O; the best of several runs of each, in
microseconds a reading. Messages of six signals, with and without counters, one and five to a message.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from shared.contracts.profile import Profile
from shared.contracts.telemetry import MESSAGE, MESSAGES
from shared.decode import DeviceEntry, decode
from shared.decode.profile import CompiledProfile

RUNS, TIMES = 100, 300

DEVICE = DeviceEntry("LINE-1-GATEWAY", "GRAZ", 1, {"LINE-1-CNC-1": "LINE-1", "LINE-1-CNC-2": "LINE-1"})
SIGNALS = {
    "temperature_c": 61.25,
    "vibration_mm_s": 1.82,
    "power_kw": 7.4,
    "spindle_speed_rpm": 1500.0,
    "torque_nm": 41.3,
    "tool_wear_min": 12.5,
}
PLAIN = {"machineId": "LINE-1-CNC-1", "timestamp": "2026-11-21T22:40:00.123Z", "signals": SIGNALS}
FULL = {**PLAIN, "sequence": 12345, "state": "Execute", "counts": {"good": 1234, "reject": 5}}
OPC = {
    "MessageType": "ua-data",
    "Messages": [
        {
            "DataSetWriterName": "LINE-1-CNC-1",
            "Timestamp": "2026-11-21T22:40:00.123Z",
            "Payload": {name: {"Value": value} for name, value in SIGNALS.items()},
        }
    ],
}
OPC_PROFILE = Profile.model_validate(
    {
        "each": "Messages[]",
        "fields": {"machineId": "DataSetWriterName", "timestamp": "Timestamp"},
        "samples": {"list": "items(Payload)", "tag": "[0]", "value": "[1].Value"},
    }
)


@dataclass(frozen=True)
class Figure:
    message: str
    byte_count: int
    parse_us: float | None
    decode_us: float


def best_us(call: Callable[[], object], readings: int = 1) -> float:
    """The best run's microseconds a reading: what disturbs a run only ever makes it slower."""
    best = float("inf")
    for _ in range(RUNS):
        started = time.process_time()
        for _ in range(TIMES // readings):
            call()
        best = min(best, (time.process_time() - started) / (TIMES // readings))
    return best * 1e6 / readings


def decoding(raw: bytes, device: DeviceEntry = DEVICE) -> Callable[[], object]:
    return lambda: decode(
        raw, device=device, device_id=device.device_id, source="telemetry/1/0", sequence=1, arrived_at=2
    )


def measure() -> list[Figure]:
    figures: list[Figure] = []
    for name, message in (("six signals", PLAIN), ("six signals, state, counters", FULL)):
        one, five = orjson.dumps(message), orjson.dumps([message] * 5)
        parse_one = best_us(lambda one=one: MESSAGE.validate_json(one))
        parse_five = best_us(lambda five=five: MESSAGES.validate_json(five), 5)
        figures.append(Figure(name, len(one), parse_one, best_us(decoding(one))))
        figures.append(Figure(f"{name}, 5 to a message", len(five), parse_five, best_us(decoding(five), 5)))
    opc = orjson.dumps(OPC)
    profiled = DeviceEntry("D", "S", 1, DEVICE.machines, CompiledProfile(OPC_PROFILE, {}))
    figures.append(Figure("OPC UA through a profile", len(opc), None, best_us(decoding(opc, profiled))))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.decode", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures = measure()
    if options.json:
        print(json.dumps([vars(figure) for figure in figures], indent=2))
        return
    print(f"{'message':40} {'bytes':>6} {'parse us':>9} {'decode us':>10}")
    for figure in figures:
        parsed = "" if figure.parse_us is None else f"{figure.parse_us:.1f}"
        print(f"{figure.message:40} {figure.byte_count:6} {parsed:>9} {figure.decode_us:10.1f}")


if __name__ == "__main__":
    main()
