"""The laws of the fold, over random histories: replay, batching, order, accounting."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.commit import Loaded, decide
from shared.documents import render
from shared.domain.advance import advance, initial
from shared.domain.effects import OeeMeasured
from shared.domain.inputs import Input, Position, Reading, Tick
from shared.domain.oee import kpis
from shared.domain.state import MachineState
from shared.ports import Document, SetFields, Upsert
from shared.state_document import from_document, size, to_document
from tests.plants import DAY, SPEC, ArithmeticScorer, deliveries, histories


class World:
    """One machine's documents, as its commits leave them."""

    def __init__(self) -> None:
        self.state = initial(SPEC)
        self.documents: dict[str, Document] = {}
        self.events: list[Document] = []

    def fold(self, inputs: Sequence[Input]) -> "World":
        before = to_document(SPEC, self.state)
        advanced = decide([(Loaded(SPEC, self.state, None), inputs)], ArithmeticScorer())[0]
        assert to_document(SPEC, self.state) == before, "advance changed the state it was given"
        self.state = advanced.state
        rendered = render(SPEC, advanced.state, advanced.effects)
        for operation in rendered.operations:
            match operation:
                case Upsert(document=document) if document["type"] == "outbox":
                    self.events += document["events"]
                case Upsert(document=document):
                    self.documents[document["id"]] = document
                case SetFields(id=document_id, fields=fields):
                    for path, value in fields.items():
                        self.documents[document_id]["rows"][path.rpartition("/")[2]] = value
                case _:
                    raise AssertionError(operation)
        for document in rendered.late:
            self.documents["late:" + document["id"]] = document
        return self

    def of(self, *kinds: str) -> dict[str, Document]:
        return {key: document for key, document in self.documents.items() if document["type"] in kinds}


def close(readings: Sequence[Reading]) -> list[Tick]:
    """Ticks so long after that everything is closed; one alone may leave a rest to the next."""
    end = max(r.at for r in readings) + 12 * DAY
    return [Tick(Position("timer/due", end + number), end + number) for number in range(5)]


@given(deliveries(), st.data())
def test_delivering_inputs_again_changes_nothing(readings: list[Reading], data: st.DataObject) -> None:
    once = World().fold(readings)
    twice = World().fold(readings)
    again = data.draw(st.lists(st.sampled_from(readings), max_size=20))
    twice.fold(sorted(again, key=lambda r: (r.position.sequence, r.position.index)))
    assert twice.documents == once.documents
    assert twice.events == once.events
    assert to_document(SPEC, twice.state) == to_document(SPEC, once.state)


@given(deliveries(), st.data())
def test_documents_do_not_depend_on_how_inputs_are_batched(
    readings: list[Reading], data: st.DataObject
) -> None:
    whole = World().fold(readings)
    pieces = World()
    start = 0
    while start < len(readings):
        end = data.draw(st.integers(start + 1, len(readings)))
        pieces.fold(readings[start:end])
        start = end
    assert pieces.documents == whole.documents
    assert pieces.events == whole.events
    assert to_document(SPEC, pieces.state) == to_document(SPEC, whole.state)


@given(histories(), st.data())
def test_any_order_of_arrival_within_the_lateness_bound_gives_the_same_figures(
    readings: list[Reading], data: st.DataObject
) -> None:
    delays = data.draw(
        st.lists(st.integers(0, SPEC.lateness_ms - 1), min_size=len(readings), max_size=len(readings))
    )
    shuffled = [r for _, r in sorted(zip(delays, readings, strict=True), key=lambda p: p[0] + p[1].at)]
    in_order = World().fold([*renumbered(readings), *close(readings)])
    out_of_order = World().fold([*renumbered(shuffled), *close(readings)])
    assert out_of_order.state.late_count == 0
    figures = ("oee", "ledger", "minutes", "prediction", "gap")
    assert out_of_order.of(*figures) == in_order.of(*figures)
    assert out_of_order.state.fold.moving == in_order.state.fold.moving


@given(deliveries())
def test_every_shift_accounts_for_each_millisecond(readings: list[Reading]) -> None:
    advanced = advance(SPEC, initial(SPEC), [*readings, *close(readings)])
    closed = {
        e.elements.shift_id: e.elements
        for e in advanced.effects
        if isinstance(e, OeeMeasured) and e.elements.final
    }
    for elements in closed.values():
        assert sum(elements.times_ms.values()) == elements.end - elements.start
        figures = kpis(elements)
        if figures.availability == 0.0:
            assert figures.oee == 0.0
        elif figures.oee is not None:
            assert figures.availability is not None
            assert figures.effectiveness is not None
            assert figures.quality is not None
            assert figures.oee == figures.availability * figures.effectiveness * figures.quality
        assert (figures.upper_bound is None) == (figures.oee is None)
        assert figures.upper_bound is None or figures.upper_bound >= (figures.oee or 0.0)


@given(deliveries())
def test_each_reading_is_taken_kept_as_late_known_as_duplicate_or_refused(
    readings: list[Reading],
) -> None:
    world = World().fold(readings)
    state = world.state
    counted = state.reading_count + state.late_count + state.duplicate_count + state.refused_count
    assert counted == len(readings)
    assert len(world.of("late")) == state.late_count


@given(deliveries())
def test_a_state_survives_its_document(readings: list[Reading]) -> None:
    state: MachineState = World().fold(readings).state
    document = to_document(SPEC, state)
    assert from_document(document) == state
    assert size(state) < 16_384


def renumbered(readings: Sequence[Reading]) -> list[Reading]:
    """The same readings at the hub positions of their arrival."""
    return [replace(r, position=Position("telemetry/1/0", n)) for n, r in enumerate(readings)]
