"""One machine under test: folds inputs and keeps what they decided."""

from collections.abc import Iterable

from shared.domain.advance import advance, initial, next_due_at
from shared.domain.effects import Effect, OeeMeasured, TwinChanged
from shared.domain.elements import OeeElements
from shared.domain.inputs import Input, Position, Tick
from shared.domain.spec import MachineSpec
from tests.plants import DAY, SPEC


class Machine:
    def __init__(self, spec: MachineSpec = SPEC) -> None:
        self.spec = spec
        self.state = initial(spec)
        self.effects: list[Effect] = []

    def fold(self, *inputs: Input) -> list[Effect]:
        """Fold inputs; returns what they decided."""
        advanced = advance(self.spec, self.state, inputs)
        self.spec, self.state = advanced.spec, advanced.state
        self.effects += advanced.effects
        return advanced.effects

    def tick(self, now: int) -> list[Effect]:
        return self.fold(Tick(Position("timer/due", now), now))

    def close(self) -> dict[str, OeeElements]:
        """Let so much time pass that every shift is over; the final elements by shift."""
        end = max(self.state.fold.newest_at, self.state.arrived_at) + 3 * DAY
        for now in range(end, end + 20):
            self.tick(now)
        return self.final

    @property
    def final(self) -> dict[str, OeeElements]:
        return {e.elements.shift_id: e.elements for e in self.of(OeeMeasured) if e.elements.final}

    @property
    def due_at(self) -> int | None:
        return next_due_at(self.spec, self.state)

    def of[E: Effect](self, kind: type[E]) -> list[E]:
        return of(kind, self.effects)

    @property
    def twin(self) -> TwinChanged:
        return self.of(TwinChanged)[-1]


def of[E: Effect](kind: type[E], effects: Iterable[Effect]) -> list[E]:
    """The effects of one kind, in order."""
    return [effect for effect in effects if isinstance(effect, kind)]
