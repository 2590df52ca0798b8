"""Advanced filters and batches, through the service; the operators one by one, without it."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid.aio import EventGridPublisherClient
from hypothesis import given
from hypothesis import strategies as st

from local.event_grid.errors import GridError
from local.event_grid.filters import AdvancedFilter, requested
from tests.local_cloud.event_grid_webhook import Webhook, call, subscription

EVENT = {
    "type": "Alarm",
    "subject": "Graz/LINE-3",
    "data": {"n": 5, "on": True, "tags": ["hot", "old"], "no": None},
}


@pytest.mark.parametrize(
    ("operator", "key", "yes", "no"),
    [
        ("NumberIn", "data.n", [1, 5], [1, 2]),
        ("NumberNotIn", "data.n", [1, 2], [1, 5]),
        ("NumberLessThan", "data.n", 5.5, 5),
        ("NumberGreaterThan", "data.n", 4, 5),
        ("NumberLessThanOrEquals", "data.n", 5, 4.9),
        ("NumberGreaterThanOrEquals", "data.n", 5, 6),
        ("NumberInRange", "data.n", [[1, 2], [5, 9]], [[1, 4.9]]),
        ("NumberNotInRange", "data.n", [[1, 4]], [[5, 5]]),
        ("BoolEquals", "data.on", True, False),
        ("StringIn", "subject", ["graz/line-3"], ["graz"]),
        ("StringNotIn", "subject", ["graz"], ["GRAZ/LINE-3"]),
        ("StringContains", "Type", ["LAR"], ["x"]),
        ("StringNotContains", "type", ["x"], ["x", "alarm"]),
        ("StringBeginsWith", "subject", ["graz/"], ["line"]),
        ("StringNotBeginsWith", "subject", ["line"], ["graz"]),
        ("StringEndsWith", "subject", ["-3"], ["-4"]),
        ("StringNotEndsWith", "subject", ["-4"], ["-3"]),
        ("NumberNotIn", "data.absent", [1], None),
        ("StringNotContains", "data.absent", ["x"], None),
        ("StringContains", "data.n", None, ["5"]),
        ("NumberIn", "data.on", None, [1]),
        ("StringIn", "data.tags", None, ["hot"]),
    ],
)
def test_an_operator_passes_and_stops(operator: str, key: str, yes: Any, no: Any) -> None:
    for given_, expected in ((yes, True), (no, False)):
        if given_ is not None:
            body = {"operatorType": operator, "key": key, "value": given_, "values": given_}
            (condition,) = requested([body])
            assert condition.holds(EVENT, arrays=False) is expected
            assert (
                AdvancedFilter.from_record(json.loads(json.dumps(condition_record(condition)))) == condition
            )


def condition_record(condition: AdvancedFilter) -> dict[str, Any]:
    return {"operator": condition.operator, "key": condition.key, "values": condition.values}


def test_null_and_absent_are_one() -> None:
    null, there = requested(
        [{"operatorType": o, "key": "data.no"} for o in ("IsNullOrUndefined", "IsNotNull")]
    )
    assert (null.holds(EVENT, arrays=False), there.holds(EVENT, arrays=False)) == (True, False)
    null, there = requested(
        [{"operatorType": o, "key": "data.x.y"} for o in ("IsNullOrUndefined", "IsNotNull")]
    )
    assert (null.holds(EVENT, arrays=False), there.holds(EVENT, arrays=False)) == (True, False)


def test_one_member_of_an_array_is_enough_when_asked_for() -> None:
    has, has_not = requested(
        [{"operatorType": o, "key": "data.tags", "values": ["HOT"]} for o in ("StringIn", "StringNotIn")]
    )
    assert has.holds(EVENT, arrays=True)
    assert not has_not.holds(EVENT, arrays=True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OPERATORS = ["NumberIn", "NumberInRange", "StringIn", "StringNotContains", "BoolEquals", "IsNotNull", "Like"]


@given(
    filters=anything
    | st.lists(
        st.fixed_dictionaries(
            {"operatorType": st.sampled_from(OPERATORS) | anything, "key": st.text(max_size=8) | anything},
            optional={"value": anything, "values": anything},
        ),
        max_size=3,
    ),
    data=anything,
)
def test_any_filter_is_refused_or_decides_about_any_event(filters: Any, data: Any) -> None:
    try:
        conditions = requested(filters)
    except GridError:
        return
    for condition in conditions:
        assert condition.holds({"id": "1", "data": data}, arrays=True) in (True, False)


@pytest.fixture(scope="module")
def grid(launch: Callable[..., Any]) -> Any:
    return launch("event-grid")


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with Webhook() as running:
        yield running


async def publish(grid: Any, *numbers: int) -> None:
    events = [CloudEvent(source="/s", type="t", subject=f"m/{n}", data={"n": n}) for n in numbers]
    credential = AzureKeyCredential(grid.endpoints["eventGridKey"])
    async with EventGridPublisherClient(grid.endpoints["eventGrid"], credential) as client:
        await client.send(events)


async def test_a_subscription_gets_what_its_advanced_filters_let_pass(grid: Any, webhook: Webhook) -> None:
    url = f"http://127.0.0.1:{grid.ports['http']}/topics/millwright/eventSubscriptions/advanced"
    filters = [
        {"operatorType": "NumberGreaterThan", "key": "data.n", "value": 2},
        {"operatorType": "StringNotEndsWith", "key": "subject", "values": ["/4"]},
    ]
    status, document = await call("PUT", url, subscription(webhook.url, filter={"advancedFilters": filters}))
    assert status == 201
    assert document["properties"]["filter"]["advancedFilters"] == filters
    await publish(grid, 1, 2, 3, 4, 5)
    await webhook.until(lambda hook: len(hook.bodies) >= 2)
    assert sorted(body["data"]["n"] for body in webhook.bodies) == [3, 5]
    await call("DELETE", url)


async def test_what_waits_is_delivered_together(grid: Any, webhook: Webhook) -> None:
    url = f"http://127.0.0.1:{grid.ports['http']}/topics/millwright/eventSubscriptions/batches"
    body = subscription(webhook.url)
    body["properties"]["destination"]["properties"]["maxEventsPerBatch"] = 50
    assert (await call("PUT", url, body))[0] == 201
    await publish(grid, *range(200))
    await webhook.until(lambda hook: sum(map(len, hook.bodies)) >= 200)
    assert sorted(event["data"]["n"] for batch in webhook.bodies for event in batch) == list(range(200))
    assert max(map(len, webhook.bodies)) <= 50
    assert len(webhook.bodies) < 200
    assert webhook.headers[0]["Content-Type"].startswith("application/cloudevents-batch+json")
    await call("DELETE", url)
