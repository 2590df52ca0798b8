"""One device message is one trace, up to the people who are told; and the metrics count what happened."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import StatusCode

from shared import observability
from shared.contracts.reactions import Notification, Recipients
from shared.contracts.spec_documents import MachinePart, SiteDocument
from shared.ingest import Message
from shared.notify import Notifier
from shared.ports import Document, Unavailable
from shared.relay.events import EventRelay
from shared.relay.scopes import ScopeRelay
from shared.relay.twins import TwinRelay
from tests.backend import MACHINES, Plant, body, message, stream
from tests.plants import CALENDAR, HOUR, MONDAY
from tests.sinks import MemoryEvents, MemoryTwins

DEVICE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOST = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
"""As the Functions host has it: a trace of its own, marked as not sampled."""


class Recorded:
    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider(ALWAYS_ON, shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == name]

    def metrics(self) -> dict[str, dict[str, float]]:
        """Metric -> what it tells apart -> its sum; of a histogram, how many values it has."""
        found: dict[str, dict[str, float]] = {}
        data: Any = self.reader.get_metrics_data()
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            for point in metric.data.data_points:
                told = ",".join(str(value) for value in point.attributes.values())
                found.setdefault(metric.name, {})[told] = getattr(point, "value", None) or point.count
        return found


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    recorded = Recorded()
    observability.use(recorded.tracers, recorded.meters)
    yield recorded
    observability.use()
    recorded.tracers.shutdown()
    recorded.meters.shutdown()


class People:
    """The site, its policy, and the webhook that the policy names."""

    def __init__(self) -> None:
        self.told: list[Document] = []
        self.away = False

    async def describes(self, site_id: str, line_id: str, machine_id: str) -> bool:
        return True

    async def current_site(self, site_id: str) -> SiteDocument | None:
        everyone = Notification(id="everyone", min_priority="low", webhook_setting="URL")
        return SiteDocument.model_construct(
            site_id=site_id,
            enterprise_id="E",
            green_ratio=0.9,
            yellow_ratio=0.8,
            calendar=CALENDAR,
            recipients=Recipients(),
            notifications=[everyone],
        )

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> MachinePart | None:
        return None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        if self.away:
            raise Unavailable("the webhook is away")
        self.told.append(json.loads(body))

    async def send(self, server: str, **_: str) -> None:
        raise AssertionError("no policy names an address")


def strained(sequence: int, traceparent: str | None) -> Message:
    """A reading that raises a critical alarm."""
    at = MONDAY + sequence * 1_000
    content = body(MACHINES[0], at, signals={"torque_nm": 120.0})
    return Message("GATEWAY-1", "telemetry/1/0", sequence, at + 300, content, traceparent)


async def relayed(plant: Plant, people: People) -> list[Document]:
    """What the relays and the notifier make of everything that is committed; the events published."""
    feed = plant.documents.all("machines")
    events, documents = MemoryEvents(), plant.documents
    await TwinRelay(MemoryTwins(*MACHINES), documents)(feed)
    await ScopeRelay(documents, people)(feed)
    await EventRelay(events, documents)(feed)
    notify = Notifier(
        documents, people, people, people, events, setting=lambda _: "https://x.example", clock=lambda: MONDAY
    )
    for event in events.published:
        await notify(event)
    return events.published


async def test_a_device_message_is_one_trace_up_to_the_people_who_are_told(recorded: Recorded) -> None:
    plant, people = Plant(), People()
    await plant.describe()
    with observability.invocation(HOST):
        await plant.ingest([strained(1, DEVICE)])
    await relayed(plant, people)
    [told] = people.told
    assert told["type"] == "millwright.alarm.raised.v1"
    names = ("ingest", "commit", "show", "roll up", "publish", "notify")
    spans = {name: recorded.named(name) for name in names}
    assert {name: len(found) for name, found in spans.items()} == dict.fromkeys(names, 1)
    [trace] = {span.context.trace_id for [span] in spans.values() if span.context}
    assert f"{trace:032x}" == HOST.split("-")[1]
    [ingest] = spans["ingest"]
    assert [f"{link.context.trace_id:032x}" for link in ingest.links] == [DEVICE.split("-")[1]]
    assert ingest.attributes is not None
    assert ingest.attributes["millwright.sequence.first"] == 1
    [commit] = spans["commit"]
    assert commit.context is not None
    for name in ("show", "roll up", "publish", "notify"):
        [span] = spans[name]
        assert span.parent is not None
        assert span.parent.span_id == commit.context.span_id


async def test_a_batch_of_several_commits_shows_in_the_trace_of_each(recorded: Recorded) -> None:
    plant = await Plant().describe()
    for sequence, at in enumerate((MONDAY, MONDAY + HOUR), start=1):
        await plant.ingest([message(sequence, body(MACHINES[sequence], at), at=at)])
    with observability.invocation(HOST):
        await EventRelay(MemoryEvents(), plant.documents)(plant.documents.all("machines"))
    published = recorded.named("publish")
    committed = recorded.named("commit")
    assert len(published) == len(committed) == 2
    assert {one.context.trace_id for one in published if one.context} == {
        one.context.trace_id for one in committed if one.context
    }
    for one in published:
        assert [f"{link.context.trace_id:032x}" for link in one.links] == [HOST.split("-")[1]]


async def test_traces_change_no_document_and_an_event_is_the_same_however_often_it_is_published(
    recorded: Recorded,
) -> None:
    traced = await Plant().describe()
    await traced.ingest(stream(60))
    observability.use()
    untraced = await Plant().describe()
    await untraced.ingest(stream(60))
    assert traced.figures() == untraced.figures()
    assert all("traceparent" in document for document in traced.of("outbox"))
    assert not any("traceparent" in document for document in untraced.of("outbox"))
    first, again = MemoryEvents(), MemoryEvents()
    await EventRelay(first, traced.documents)(traced.documents.all("machines"))
    observability.use(recorded.tracers, recorded.meters)
    await EventRelay(again, traced.documents)(traced.documents.all("machines"))
    assert first.published == again.published


async def test_what_happened_is_counted(recorded: Recorded) -> None:
    plant, people = Plant(), People()
    await plant.describe()
    await plant.ingest([*stream(60), message(90, b"{", at=MONDAY), strained(600, "no trace")])
    await plant.ingest([message(601, body(MACHINES[0], MONDAY - 30 * HOUR), at=MONDAY + HOUR)])
    people.away = True
    await relayed(plant, people)
    found = recorded.metrics()
    assert found["millwright.quarantined"] == {"": 1}
    assert found["millwright.late"][""] >= 1
    raised = [
        event
        for outbox in plant.of("outbox")
        for event in outbox["events"]
        if event["type"] == "millwright.alarm.raised.v1"
    ]
    assert found["millwright.alarms"]["raised"] == len(raised) > 0
    assert found["millwright.notifications"] == {"failed": 1}
    assert [span.status.status_code for span in recorded.named("notify")] == [StatusCode.ERROR]
    assert found.keys() <= observability.METRICS.keys()


def test_what_is_no_traceparent_is_passed_over_and_many_are_cut(recorded: Recorded) -> None:
    many = [DEVICE.replace("0af7", f"{number:04x}") for number in range(100)]
    with observability.span("work", causes=["", "00-1", None, *many, *many]):
        assert observability.traceparent() is not None
    assert observability.traceparent() is None
    [span] = recorded.named("work")
    assert len(span.links) == observability.LINKS_MAX
