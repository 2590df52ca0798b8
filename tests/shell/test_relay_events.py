"""Every committed event goes out at least once, in its machine's order, with the id it was committed with."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.events import envelope
from shared.decode import Reason, Rejected
from shared.domain.inputs import Position
from shared.ports import Unavailable
from shared.quarantine import rejected_document
from shared.relay.events import EventRelay
from tests.memory import MemoryDocuments
from tests.plants import MONDAY
from tests.projected import outbox, twin
from tests.sinks import MemoryEvents


async def test_events_keep_their_order_and_ids_and_share_requests() -> None:
    events = MemoryEvents()
    relay = EventRelay(events, MemoryDocuments())
    sent = await relay([outbox("M-1", 1, 2), twin("M-1"), outbox("M-2", 1), outbox("M-1", 3)])
    assert sent == 4
    assert [event["id"] for event in events.published] == ["M-1:1", "M-1:2", "M-2:1", "M-1:3"]
    assert events.request_count == 1


async def test_an_event_that_is_refused_is_recorded_and_the_others_go_out_in_order() -> None:
    documents = MemoryDocuments()
    events = MemoryEvents(lambda event: event["id"] not in ("M-1:3", "M-1:6"))
    relay = EventRelay(events, documents)
    await relay([outbox("M-1", 1, 7)])
    assert [event["id"] for event in events.published] == ["M-1:1", "M-1:2", "M-1:4", "M-1:5", "M-1:7"]
    kept = documents.all("deliveries")
    assert sorted(one["event"]["id"] for one in kept) == ["M-1:3", "M-1:6"]
    assert {one["channel"] for one in kept} == {"event-grid"}
    assert relay.refused_count == 2


async def test_an_outage_is_left_to_the_host() -> None:
    events = MemoryEvents()
    events.broken = True
    relay = EventRelay(events, MemoryDocuments())
    with pytest.raises(Unavailable):
        await relay([outbox("M-1", 1)])
    events.broken = False
    await relay([outbox("M-1", 1)])
    assert [event["id"] for event in events.published] == ["M-1:1"]


async def test_a_quarantined_message_is_told_of_under_an_id_of_its_own() -> None:
    rejected = Rejected(
        Position("telemetry/1/0", 7), "GATEWAY-1", MONDAY, Reason.NOT_JSON, "expected a value", b"{"
    )
    document = rejected_document(rejected)
    events = MemoryEvents()
    assert await EventRelay(events, MemoryDocuments())([document]) == 1
    [event] = events.published
    envelope("millwright.message.quarantined.v1").model_validate(event)
    assert event["id"] == f"quarantine:{document['id']}:notJson"
    assert event["data"]["deviceId"] == "GATEWAY-1"


async def test_a_batch_without_events_asks_nobody() -> None:
    events = MemoryEvents()
    assert await EventRelay(events, MemoryDocuments())([twin()]) == 0
    assert events.request_count == 0


SEEDS = st.integers(0, 2**32)


@given(seed=SEEDS, counts=st.lists(st.integers(1, 5), min_size=1, max_size=8))
async def test_through_outages_no_event_is_lost_and_first_appearances_keep_their_order(
    seed: int, counts: list[int]
) -> None:
    chance = random.Random(seed)
    events = MemoryEvents()
    relay = EventRelay(events, MemoryDocuments())
    feed, first = [], 1
    for count in counts:
        feed.append(outbox("M-1", first, count))
        first += count
    while feed:
        size = chance.randint(1, 3)
        events.broken = chance.random() < 0.3
        try:
            await relay(feed[:size])
        except Unavailable:
            continue
        feed = feed[size if chance.random() < 0.8 else 0 :]
    seen = list(dict.fromkeys(event["id"] for event in events.published))
    assert seen == [f"M-1:{n}" for n in range(1, first)]
