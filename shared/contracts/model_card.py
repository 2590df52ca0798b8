"""What ships beside every model: what it may be used for, what it was made from, what it can do.

`Scorer` refuses a model whose files or columns are not what its card says; people read the same
card as a page. Fields are camelCase in `card.json`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.domain.feature_recipe import FeaturePlan, Regimes

type Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
type ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
type ModelVersion = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$", max_length=32)]


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


class DataFile(_Part):
    """One file that the model was trained or tested on."""

    name: str
    sha256: Sha256
    byte_count: int


class DataSource(_Part):
    """Where the data come from and what they are worth."""

    title: str
    origin: str
    licence: str
    citation: str
    simulated: bool
    """True: no figure on this card proves performance in the field."""
    files: tuple[DataFile, ...]


class Metric(_Part):
    """One measured figure with its 95 % bootstrap interval, None where there is no interval."""

    name: str
    value: float
    low: float | None
    high: float | None
    unit: str
    meaning: str


class ModelInput(_Part):
    """A channel that a binding maps to a signal of the machine."""

    name: str
    unit: str
    meaning: str
    optional: bool = False
    """A machine may do without it: the model takes what it is given."""


class Feature(_Part):
    """One column of the model, in order. Range, median and deviation are those of the training rows."""

    name: str
    unit: str
    low: float
    """0.1th percentile."""
    high: float
    """99.9th percentile."""
    median: float
    std: float
    missing_share: float = Field(ge=0, le=1)
    """Share of training rows without it; 0: the model was never trained to do without."""


class Parity(_Part):
    """How far ONNX Runtime's answers are from those of the trained estimator."""

    row_count: int
    p999_difference: float
    max_difference: float
    flip_count: int
    """Rows on the other side of the threshold."""


class ReferenceRow(_Part):
    """A row with the answer that the model must give: checked whenever the model is loaded."""

    row: tuple[float | None, ...]
    """None: the column is missing."""
    answer: tuple[float, ...]
    """The model's whole output for the row."""


class RegimeTable(_Part):
    """Ways in which a machine is run, as `shared.domain.feature_recipe.Regimes` explains them."""

    by: tuple[str, ...]
    scale: tuple[float, ...]
    centres: tuple[tuple[float, ...], ...]
    normalised: tuple[str, ...]
    mean: tuple[tuple[float, ...], ...]
    std: tuple[tuple[float, ...], ...]


class IntervalStep(_Part):
    """What an answer up to `up_to` may be off by, in the answer's unit."""

    up_to: float
    below: float
    """The interval starts so far below the answer (negative: above it)."""
    above: float


class Interval(_Part):
    """A conformal prediction interval: `coverage_ratio` of the true values lie inside, over machines."""

    coverage_ratio: float = Field(gt=0, lt=1)
    rule: str
    steps: tuple[IntervalStep, ...] = Field(min_length=1)
    """Ascending; the last one also holds beyond. `shared.onnx_model.ends` reads them."""


class CalibrationBin(_Part):
    """Rows with similar answers: what was answered and what was true, on average."""

    answered: float
    observed: float
    row_count: int


type Kind = Literal["failure", "remaining-life", "anomaly", "quality"]


class ModelCard(_Part):
    """The card of one version of one model."""

    card_version: Literal[1] = 1
    name: ModelName
    version: ModelVersion
    kind: Kind
    """`failure`: a probability. `remaining-life`: an amount with an interval. `anomaly`: a distance
    from the machine's own baseline. `quality`: a probability for each class."""
    predicts: str
    answer_unit: str
    """Empty for probabilities."""
    classes: tuple[str, ...] = ()
    """Of a quality model, in the order of its output."""
    interval: Interval | None = None
    """Of a remaining life."""
    horizon_hours: float | None
    """How far ahead the probability looks; None: the state at the time of the row."""
    intended_use: str
    not_for: tuple[str, ...]
    limits: tuple[str, ...]
    data: DataSource
    split: str
    metrics: tuple[Metric, ...]
    calibration: tuple[CalibrationBin, ...]
    """What calibration.svg shows."""
    threshold: float = Field(gt=0)
    """A warning from here: upwards, but downwards for a remaining life."""
    threshold_rule: str
    inputs: tuple[ModelInput, ...]
    attributes: tuple[ModelInput, ...]
    """Numbers about the machine that the binding gives and that never come with a reading."""
    components: tuple[str, ...]
    """Components whose maintenance the model wants to know about."""
    features: tuple[Feature, ...] = Field(min_length=1)
    taus_ms: tuple[int, ...]
    """Time constants that the features were folded with, fast to slow; empty: it uses no averages."""
    windows_ms: tuple[int, ...] = ()
    warm_up_panes: int
    baseline_panes: int
    shrinkage: float = 0.0
    regimes: RegimeTable | None = None
    features_version: int
    """`shared.domain.features.VERSION` of the code that made the columns."""
    range_margin_ratio: float = Field(ge=0)
    """A feature farther outside [low, high] than this share of the range is outside the model's world."""
    sha256: Sha256
    """Of model.onnx."""
    opset: int
    ml_opset: int
    parity: Parity
    reference: tuple[ReferenceRow, ...] = Field(min_length=1)
    reproduce: str
    seed: int
    libraries: dict[str, str]

    @property
    def plan(self) -> FeaturePlan:
        """How the columns are made, as a binding takes it over."""
        table = self.regimes
        return FeaturePlan(
            taus_ms=self.taus_ms,
            windows_ms=self.windows_ms,
            warm_up_panes=self.warm_up_panes,
            baseline_panes=self.baseline_panes,
            shrinkage=self.shrinkage,
            regimes=None
            if table is None
            else Regimes(table.by, table.scale, table.centres, table.normalised, table.mean, table.std),
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    def bounds(self, feature: Feature) -> tuple[float, float]:
        """The lowest and the highest value of a column that the model still judges."""
        margin = self.range_margin_ratio * (feature.high - feature.low)
        return feature.low - margin, feature.high + margin

    def metric(self, name: str) -> Metric:
        """The figure of that name; KeyError when the card has none."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)
