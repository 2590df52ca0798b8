"""One machine: what it does second by second, and why it stops."""

from collections import deque
from dataclasses import dataclass, field
from random import Random

from local.plant.description import MachineDescription, PlantDescription
from local.plant.faults import Schedule
from local.plant.physics import ClassModel, Signals, model_of, strain
from shared.domain.packml import PackMLState, TimeCategory

MEAN_BETWEEN_FAILURES_S = 12 * 3600
MEAN_BETWEEN_SHORT_STOPS_S = 1500
BASE_SCRAP_RATIO = 0.008
PATIENCE_S = 5
"""A machine waits this long for material or room before it calls itself suspended."""
BUFFER_PIECES = 12
OIL_REFILL_PERCENT = 40.0
REJECT_REASONS = ("dimension", "surface", "incomplete")

EXECUTE = PackMLState.EXECUTE


@dataclass(slots=True)
class Buffer:
    """Pieces waiting in front of a machine."""

    pieces: int = 0
    capacity: int = BUFFER_PIECES

    @property
    def room(self) -> int:
        return self.capacity - self.pieces


@dataclass(frozen=True, slots=True)
class Step:
    """Part of a stop: a state held for a time."""

    state: PackMLState
    reason: str | None
    seconds: float
    renews: bool = False
    """The worn part is new when this step is over."""


@dataclass(slots=True)
class Order:
    """What a line is making."""

    order_id: str
    product: str
    quantity: int
    made: int = 0


@dataclass(slots=True)
class Machine:
    """State of one machine. Times are whole seconds of the simulation; `at_s` counts from its start."""

    about: MachineDescription
    plant: PlantDescription
    faults: Schedule
    rng: Random
    order: Order
    inputs: Buffer | None
    """None: it takes from a store that never runs out."""
    outputs: Buffer | None
    """None: what it makes leaves the line."""
    state: PackMLState = EXECUTE
    reason: str | None = None
    good: int = 0
    reject: int = 0
    rejects: dict[str, int] = field(default_factory=dict[str, int])
    wear_min: float = 0.0
    oil_percent: float = 100.0
    cycle_s: float = 0.0
    _script: deque[Step] = field(default_factory=deque[Step])
    _left_s: float = 0.0
    _progress_s: float | None = None
    """Seconds into the piece in the machine; None: it holds none."""
    _finished: bool = False
    """The piece is done and waits for room."""
    _waited_s: int = 0
    _jammed: bool = False
    _frozen: dict[str, float] = field(default_factory=dict[str, float])
    model: ClassModel = field(init=False)
    signals: Signals = field(init=False)
    _renew_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.model = model_of(self.about.machine_class)
        self.signals = Signals(self.model, self.rng)
        self.signals.settle()
        self.wear_min = self.rng.uniform(0.05, 0.75) * self.model.wear.life_min
        self._renew_at = self.rng.uniform(0.95, 1.02)
        self.oil_percent = self.rng.uniform(60, 100)
        self.cycle_s = self._next_cycle_s()
        self._progress_s = float(self.rng.randrange(0, int(self.cycle_s)))

    @property
    def running(self) -> bool:
        return self.state is EXECUTE and self._waited_s < PATIENCE_S

    @property
    def wear_ratio(self) -> float:
        return self.wear_min / self.model.wear.life_min

    def decide(self, at_s: int, *, planned: bool) -> None:
        """The state for the second that begins now."""
        if self._script:
            self._left_s -= 1
            if self._left_s <= 0:
                if self._script.popleft().renews:
                    self._renew()
                self._follow()
            return
        if not planned:
            self._enter(PackMLState.STOPPED, None)
        elif self.state is PackMLState.STOPPED:
            self._start(Step(PackMLState.RESETTING, None, 10), Step(PackMLState.STARTING, None, 5))
        elif not self._stops(at_s):
            self._supply(at_s)

    def work(self, at_s: int) -> None:
        """What happens during the second: cutting, wear, heat, pieces."""
        cutting = self.running and self._progress_s is not None and not self._finished
        wear_fault = self.faults.of("tool_wear", at_s)
        heat_fault = self.faults.of("overheating", at_s)
        if cutting:
            self.wear_min += (wear_fault.strength if wear_fault else 1.0) / 60
            self.oil_percent -= 0.4 / 60
            if self.oil_percent < OIL_REFILL_PERCENT:
                self.oil_percent = 100.0
            self._cut()
        self.signals.step(
            running=self.running,
            strained=strain(self.wear_ratio),
            heat_c=heat_fault.strength if heat_fault else 0.0,
            jammed=self._jammed,
        )

    def change_over(self, order: Order) -> None:
        """A new order, after `Resetting` for a changeover; a machine that stands changes over meanwhile."""
        self.order = order
        if self._script:
            return
        seconds = self.rng.uniform(180, 420)
        reason = self.plant.reason(TimeCategory.SETUP, "product-change")
        self._start(Step(PackMLState.RESETTING, reason, seconds))

    def measure(self, at_s: int) -> dict[str, float]:
        """One sample of every signal. A frozen one repeats what it said when it froze."""
        values = self.signals.measure(self)
        fault = self.faults.of("sensor_freeze", at_s) if self.faults else None
        if fault is None:
            self._frozen = {}
            return values
        for name in values if fault.signal is None else [fault.signal]:
            values[name] = self._frozen.setdefault(name, values[name])
        return values

    def _stops(self, at_s: int) -> bool:
        """Begin a stop if there is a cause for one. In order of violence."""
        wear, rng, plant = self.model.wear, self.rng, self.plant
        temperature_c = self.signals.temperature_c
        if self.model.trip_c is not None and temperature_c is not None and temperature_c > self.model.trip_c:
            self._break_down(plant.reason(TimeCategory.UNPLANNED_STOP, "overheating"), (420, 900))
            return True
        if not self.running:
            return False
        if self._chance((self.wear_ratio - 1.02) / 0.2 / 300):
            self._break_down(
                plant.reason(TimeCategory.UNPLANNED_STOP, wear.break_reason), (480, 1200), renews=True
            )
        elif self.wear_ratio > self._renew_at and not self.faults.of("tool_wear", at_s):
            category = TimeCategory.SETUP if wear.renew_reason == "tool-change" else TimeCategory.PLANNED_STOP
            reason = plant.reason(category, wear.renew_reason)
            self._start(Step(PackMLState.STOPPED, reason, rng.uniform(*wear.setup_s), renews=True))
        elif self.faults.of("jam", at_s):
            self._jammed = True
            reason = plant.reason(TimeCategory.UNPLANNED_STOP, "jam")
            seconds = rng.uniform(60, 240)
            self._start(
                Step(EXECUTE, None, 20),
                Step(PackMLState.HOLDING, reason, 2),
                Step(PackMLState.HELD, reason, seconds),
                Step(PackMLState.UNHOLDING, reason, 3),
            )
        elif self._chance(1 / MEAN_BETWEEN_FAILURES_S):
            self._break_down(plant.reason(TimeCategory.UNPLANNED_STOP, "machine-failure"), (600, 2400))
        elif self._chance(1 / MEAN_BETWEEN_SHORT_STOPS_S):
            reason = plant.reason(TimeCategory.MINOR_STOP, "short-stop")
            self._start(Step(PackMLState.HELD, reason, rng.uniform(8, 90)))
        else:
            return False
        return True

    def _break_down(self, reason: str | None, repair_s: tuple[float, float], *, renews: bool = False) -> None:
        self._start(
            Step(PackMLState.ABORTING, reason, 2),
            Step(PackMLState.ABORTED, reason, self.rng.uniform(*repair_s), renews),
            Step(PackMLState.CLEARING, reason, 5),
            Step(PackMLState.RESETTING, reason, 10),
            Step(PackMLState.STARTING, reason, 5),
        )

    def _supply(self, at_s: int) -> None:
        """Take the next piece, hand on the finished one, or wait, and say so after a while."""
        if self._finished and self._hand_on():
            self._finished, self._progress_s = False, None
        if self._progress_s is None and self._take(at_s):
            self._progress_s = 0.0
            self.cycle_s = self._next_cycle_s()
        if self._progress_s is not None and not self._finished:
            self._waited_s = 0
            self._enter(EXECUTE, None)
            return
        self._waited_s += 1
        if self._waited_s >= PATIENCE_S:
            blocked = self._finished
            self._enter(
                PackMLState.SUSPENDED,
                self.plant.reason(TimeCategory.BLOCKED, "downstream-full")
                if blocked
                else self.plant.reason(TimeCategory.STARVED, "material-shortage"),
            )

    def _take(self, at_s: int) -> bool:
        if self.faults.of("material_shortage", at_s):
            return False
        if self.inputs is None:
            return True
        if self.inputs.pieces == 0 or (self.state is PackMLState.SUSPENDED and self.inputs.pieces < 2):
            return False
        self.inputs.pieces -= 1
        return True

    def _hand_on(self) -> bool:
        if self.outputs is None:
            return True
        if self.outputs.room == 0 or (self.state is PackMLState.SUSPENDED and self.outputs.room < 2):
            return False
        self.outputs.pieces += 1
        return True

    def _cut(self) -> None:
        assert self._progress_s is not None
        self._progress_s += 1
        if self._progress_s < self.cycle_s:
            return
        scrap = BASE_SCRAP_RATIO + self.model.wear.scrap_ratio * strain(self.wear_ratio)
        if self._chance(scrap):
            self.reject += 1
            why = self.rng.choice(REJECT_REASONS)
            self.rejects[why] = self.rejects.get(why, 0) + 1
            self._progress_s = None
        else:
            self.good += 1
            self._finished = True
        self.order.made += self.inputs is None

    def _next_cycle_s(self) -> float:
        """A cycle is a little longer than the ideal one, and longer still with a worn tool."""
        ideal_s = self.about.cycle_s[self.order.product]
        return ideal_s * (1.01 + abs(self.rng.gauss(0, 0.02)) + 0.03 * strain(self.wear_ratio))

    def _renew(self) -> None:
        self.wear_min = 0.0
        self._renew_at = self.rng.uniform(0.95, 1.02)

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def _start(self, *steps: Step) -> None:
        self._script = deque(steps)
        self._follow()

    def _follow(self) -> None:
        """Enter the script's next step, or go back to work."""
        if not self._script:
            self._jammed = False
            self._waited_s = 0
            self._enter(EXECUTE, None)
            return
        step = self._script[0]
        self._left_s = step.seconds
        self._enter(step.state, step.reason)

    def _enter(self, state: PackMLState, reason: str | None) -> None:
        self.state, self.reason = state, reason
