"""How large a machine's state gets in a month: `python -m bench.state_size [--days 30] [--every 10]`.

One machine of the shipped factory with everything on: ten-second readings of every signal, shifts
and breaks, long and minor stops with and without reasons, products and orders that change, rejects
by reason, restarts of the counters, an hour a day without data that comes later in order, alarms,
and stops that an operator classifies. The state is measured after every hundredth reading.
"""

import argparse
import random
import statistics
from collections.abc import Iterator

from bench.factory import TEMPLATE, machine_specs
from shared.domain.advance import advance, initial
from shared.domain.effects import StopStarted
from shared.domain.inputs import Input, Position, Reading, Tick
from shared.domain.packml import PackMLState
from shared.domain.spec import MachineSpec
from shared.domain.stop_commands import Classify, Known, StopCommand
from shared.domain.stop_records import Stop
from shared.state_document import size, to_document

_START = 1_772_409_600_000
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000


def month(spec: MachineSpec, *, days: int, every_s: int) -> Iterator[Reading]:
    """A machine that does everything a machine may do, always the same."""
    chance = random.Random(7)
    at, good, reject, number = _START, 0, 0, 0
    products = [name for name in spec.ideal_cycle_ms if name]
    state, reason, until = PackMLState.EXECUTE, None, at
    order, product = 0, products[0]
    scrapped: dict[str, int] = {}
    silent_until = 0
    while at < _START + days * _DAY_MS:
        at += every_s * 1_000
        number += 1
        if at >= until:
            if state is PackMLState.EXECUTE:
                state = chance.choice([PackMLState.HELD, PackMLState.STOPPED, PackMLState.SUSPENDED])
                reason = chance.choice([None, *spec.reasons])
                until = at + chance.choice([20, 60, 120, 900, 7_200]) * 1_000
            else:
                state, reason = PackMLState.EXECUTE, None
                until = at + chance.choice([60, 300, 900, 3_600]) * 1_000
        if state is PackMLState.EXECUTE:
            good += chance.randrange(3)
            if chance.random() < 0.05:
                reject += 1
                why = f"reason-{chance.randrange(8)}"
                scrapped[why] = scrapped.get(why, 0) + 1
        if chance.random() < 0.0005:
            good = reject = 0
            scrapped = {}
        if chance.random() < 0.002:
            order, product = order + 1, chance.choice(products)
        if at % _DAY_MS < every_s * 1_000:
            silent_until = at + _HOUR_MS
        yield Reading(
            Position("telemetry/1/0", number),
            spec.devices[0],
            f"{number:016x}",
            at,
            max(at + 500, silent_until),
            number,
            state,
            reason,
            f"ORDER-{order}",
            product,
            good,
            reject,
            dict(scrapped),
            {s.name: chance.uniform(s.low, s.high) for s in spec.signals},
        )


def measure(spec: MachineSpec, *, days: int, every_s: int) -> tuple[int, list[int], int]:
    """(readings, bytes of the state after every hundredth, largest packed document in bytes)."""
    state = initial(spec)
    sizes: list[int] = []
    packed = 0
    batch: list[Input] = []
    running: Stop | None = None
    count = 0
    for reading in month(spec, days=days, every_s=every_s):
        count += 1
        batch.append(reading)
        if count % 100:
            continue
        if running is not None:
            known = Known(running, None, (), ())
            batch.append(
                StopCommand(
                    f"key-{count}",
                    running.stop_id,
                    Classify(next(iter(spec.reasons))),
                    "ann",
                    reading.arrived_at,
                    known=known,
                )
            )
        batch.append(Tick(Position("timer/due", reading.arrived_at), reading.arrived_at))
        advanced = advance(spec, state, batch)
        spec, state, batch, running = advanced.spec, advanced.state, [], None
        for effect in advanced.effects:
            if isinstance(effect, StopStarted):
                running = Stop(
                    effect.stop_id, effect.at, None, effect.category, effect.reason, version=effect.n
                )
        if running is not None and running.stop_id != state.fold.stop_id:
            running = None
        sizes.append(size(state))
        packed = max(packed, len(to_document(spec, state)["data"]))
    return count, sizes, packed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.state_size", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--every", type=int, default=10, help="seconds between readings")
    options = parser.parse_args()
    count, sizes, packed = measure(machine_specs(TEMPLATE)[0], days=options.days, every_s=options.every)
    week = len(sizes) * 7 // options.days or 1
    print(f"{count:,} readings of {options.days} days")
    for number in range(0, len(sizes), week):
        part = sizes[number : number + week]
        print(f"week {number // week + 1}: median {statistics.median(part):,.0f} B, largest {max(part):,} B")
    print(f"p99 {sorted(sizes)[len(sizes) * 99 // 100]:,} B, packed at most {packed:,} B")


if __name__ == "__main__":
    main()
