"""One call of `advance`: the private copy being changed, and the effects decided so far."""

from dataclasses import dataclass

from shared.domain.effects import Effect
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState


@dataclass(slots=True)
class Turn:
    spec: MachineSpec
    state: MachineState
    effects: list[Effect]
    urgent: bool = False
    """The twin must show at once what the current input changed."""

    bundle: int = 0
    """Number of the first change of an alarm by the current input; 0: none yet."""

    def number(self) -> int:
        """The next effect's number in the machine's life."""
        self.state.effect_count += 1
        return self.state.effect_count
