"""What the backend tells about its own work: spans that join, and the metrics that alerts read.

The one seam to OpenTelemetry. Without `use` nothing is recorded and nothing is written anywhere.
The domain does not know of it, and no fact of a machine depends on it: a commit's trace is kept
on its outbox document, which only groups events, and goes out as an extension of each event.
Spans are for batches, commits of batches, and deliveries; never for a reading.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields

from opentelemetry import context, trace
from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, NoOpMeterProvider
from opentelemetry.trace import Link, NoOpTracerProvider, Span, SpanContext, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SCOPE = "millwright"
"""The instrumentation scope of all spans and metrics."""
LINKS_MAX = 32
"""A span names so many other traces; a batch of 300 messages may have 300."""

type Attributes = Mapping[str, str | int | float | bool]

METRICS = {
    "millwright.readings": ("1", "readings folded; a batch that is delivered again counts again"),
    "millwright.lag": (
        "s",
        "from the arrival of a batch's oldest message to its commit or failure",
    ),
    "millwright.quarantined": ("1", "messages and readings put into quarantine"),
    "millwright.late": ("1", "readings kept apart because they came beyond the lateness bound"),
    "millwright.conflicts": ("1", "commits that another worker was faster than, and that were decided again"),
    "millwright.alarms": ("1", "changes of alarms, by `event`"),
    "millwright.scored": ("1", "model rows answered, by `model` and `abstained`"),
    "millwright.scoring": ("s", "one run of a model over the rows of a batch, by `model`"),
    "millwright.relay.lag": (
        "s",
        "from a batch's oldest commit to its delivery or failure, by `relay`",
    ),
    "millwright.undelivered": ("1", "what a sink will never take, by `channel`"),
    "millwright.notifications": ("1", "attempts to tell people, by `outcome`"),
}
"""Name -> unit and meaning. docs/operations.md, alerts and workbook use these names, which a test proves."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The instruments: a field `relay_lag` is the metric `millwright.relay.lag`. Seconds are histograms."""

    readings: Counter
    lag: Histogram
    quarantined: Counter
    late: Counter
    conflicts: Counter
    alarms: Counter
    scored: Counter
    scoring: Histogram
    relay_lag: Histogram
    undelivered: Counter
    notifications: Counter


def _metrics(meter: Meter) -> Metrics:
    made: dict[str, Counter | Histogram] = {}
    for one in fields(Metrics):
        name = f"{SCOPE}.{one.name.replace('_', '.')}"
        unit, meaning = METRICS[name]
        make = meter.create_histogram if one.type is Histogram else meter.create_counter
        made[one.name] = make(name, unit, meaning)
    return Metrics(**made)  # pyright: ignore[reportArgumentType]  # by the field's type, above


@dataclass(slots=True)
class _Used:
    """What is recorded to."""

    tracer: trace.Tracer
    metrics: Metrics


_NOTHING = NoOpTracerProvider(), NoOpMeterProvider()
_used = _Used(_NOTHING[0].get_tracer(SCOPE), _metrics(_NOTHING[1].get_meter(SCOPE)))
_w3c = TraceContextTextMapPropagator()


def use(tracers: TracerProvider = _NOTHING[0], meters: MeterProvider = _NOTHING[1]) -> None:
    """From now on record to these; without arguments, to nothing."""
    _used.tracer = tracers.get_tracer(SCOPE)
    _used.metrics = _metrics(meters.get_meter(SCOPE))


def metrics() -> Metrics:
    """The instruments of now: not to be kept."""
    return _used.metrics


def traceparent() -> str | None:
    """The current trace as W3C Trace Context writes it; None where none is recorded."""
    current = trace.get_current_span().get_span_context()
    if not (current.is_valid and current.trace_flags.sampled):
        return None
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


@contextmanager
def invocation(traceparent: str | None) -> Generator[None]:
    """Spans within belong to the host's invocation, if it says which one it is."""
    token = context.attach(_w3c.extract({"traceparent": traceparent or ""}))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    causes: Iterable[str | None] = (),
) -> Generator[Span]:
    """A span of the current trace that links to the traces of its causes. An exception marks it failed.

    All are of kind internal: the request, in Application Insights' words, is the host's invocation.
    """
    links = [Link(cause) for cause in _contexts(causes)]
    with _used.tracer.start_as_current_span(name, attributes=attributes, links=links) as begun:
        yield begun


@contextmanager
def continued(
    name: str, origins: Iterable[str | None], attributes: Attributes | None = None
) -> Generator[None]:
    """One span in the trace of each origin, linked to the current one; without origins one in that.

    For work on a batch that comes of several commits: the same work shows in the trace of each.
    """
    found = _contexts(origins)
    if not found:
        with span(name, attributes):
            yield
        return
    here = trace.get_current_span().get_span_context()
    links = [Link(here)] if here.is_valid else []
    with ExitStack() as spans:
        for origin in found:
            parent = trace.set_span_in_context(trace.NonRecordingSpan(origin))
            spans.enter_context(
                _used.tracer.start_as_current_span(name, parent, attributes=attributes, links=links)
            )
        yield


def _contexts(traceparents: Iterable[str | None]) -> list[SpanContext]:
    """Each once, in their order, at most `LINKS_MAX`; what is no traceparent is passed over."""
    contexts: list[SpanContext] = []
    for one in dict.fromkeys(traceparents):
        if one is not None and len(contexts) < LINKS_MAX:
            found = trace.get_current_span(_w3c.extract({"traceparent": one})).get_span_context()
            if found.is_valid:
                contexts.append(found)
    return contexts
