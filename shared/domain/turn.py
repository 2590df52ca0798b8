"""One call of `advance`: the private copy being changed, and the effects decided so far."""

from dataclasses import dataclass, field

from shared.domain.effects import Effect
from shared.domain.spec import MachineSpec
from shared.domain.state import Bucket, MachineState, Page


@dataclass(slots=True)
class Turn:
    spec: MachineSpec
    state: MachineState
    effects: list[Effect]
    urgent: bool = False
    """The twin must show at once what the current input changed."""

    bundle: int = 0
    """Number of the first change of an alarm by the current input; 0: none yet."""
    taken_back: set[str] = field(default_factory=set[str])
    """Rules whose suppression the current input ended: they are judged from the next one on, so
    that one input never writes two occurrences of a rule."""
    quiet_ms: int = 0
    """How long nothing had arrived before the current reading."""
    owns_page: bool = False
    owns_bucket: bool = False
    """A cloned state shares its page and bucket with the original: most inputs change neither."""

    @property
    def page(self) -> Page | None:
        """The ledger's open page, to be changed."""
        fold = self.state.fold
        if not self.owns_page and fold.page is not None:
            fold.page = fold.page.clone()
            self.owns_page = True
        return fold.page

    @property
    def bucket(self) -> Bucket | None:
        """The running shift, to be changed."""
        fold = self.state.fold
        if not self.owns_bucket and fold.bucket is not None:
            fold.bucket = fold.bucket.clone()
            self.owns_bucket = True
        return fold.bucket

    def number(self) -> int:
        """The next effect's number in the machine's life."""
        self.state.effect_count += 1
        return self.state.effect_count
