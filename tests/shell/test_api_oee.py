"""OEE over HTTP: every grain adds up to its shifts, and every shift can be worked out again by hand."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from shared.domain.elements import OeeElements
from shared.domain.kpi import nothing
from shared.instants import instant
from shared.oee_explained import fall_off
from shared.ports import Document
from shared.relay.scopes import ScopeRelay
from tests.backend import Plant
from tests.plants import DAY, HOUR, MINUTE, another
from tests.shell.test_api import CNC, Api, Nowhere, _at_once, every, sent

EARLY = "2026-03-09.early"
"""06:00 to 14:00 in Berlin, 05:00 to 13:00 in UTC."""


def told(clock: str, state: str, good: int, reject: int, *, day: int = 0, **more: Any) -> Document:
    moment = datetime.strptime(clock, "%H:%M")  # noqa: DTZ007
    after_s = day * 86_400 + moment.hour * 3_600 + moment.minute * 60
    product = {"order": {"id": "O-1", "product": "gear"}}
    return {"after_s": after_s, "state": state, "counts": {"good": good, "reject": reject}, **product, **more}


ONE = OeeElements("2026-03-09.early", 0, 1, {}, 1, 0, 0, 0, 0, 0, 0, True, {})
SHAFT = {"order": {"id": "O-2", "product": "shaft"}}
TWO_DAYS = [
    told("05:00", "Execute", 0, 0),
    told("05:50", "Execute", 200, 10),
    told("06:20", "Held", 380, 20, reason="E-STOP"),
    told("06:50", "Execute", 380, 20),
    told("07:30", "Stopped", 500, 30, reason="CHANGEOVER", **SHAFT),
    told("08:00", "Execute", 500, 30, **SHAFT),
    told("12:59", "Execute", 2_000, 40, **SHAFT),
    told("13:30", "Execute", 2_100, 41, **SHAFT),
    told("20:30", "Held", 4_000, 50, **SHAFT),
    told("05:30", "Execute", 4_000, 50, day=1),
    told("14:20", "Execute", 6_000, 90, day=1),
    told("14:45", "Execute", 6_060, 90, day=1),
    told("14:50", "Execute", 6_070, 90, day=1),
]


@pytest.fixture
async def factory() -> Api:
    """A machine's two days, with a shift that is still running, and its roll-ups."""
    plant = Plant()
    plant.specs[CNC] = replace(another(CNC), silence_ms=12 * HOUR)
    await plant.describe()
    await plant.ingest(
        [sent(n, row.pop("after_s"), **row) for n, row in enumerate(dict(r) for r in TWO_DAYS)]
    )
    relay = ScopeRelay(plant.documents, Nowhere(), clock=lambda: 0.0, sleep=_at_once)
    await relay([*plant.of("oee"), *plant.of("twin")])
    return Api(plant)


ADDED = ("goodCount", "rejectCount", "reworkCount", "idealMs", "idealGoodMs", "unpricedCount")
ONLY_IN_SHIFTS = ("failureCount", "startupCount", "correctiveMs", "preventiveMs")


def summed(items: Iterable[Document], names: tuple[str, ...] = ADDED + ONLY_IN_SHIFTS) -> dict[str, int]:
    total: dict[str, int] = {}
    for item in items:
        elements = item["elements"]
        for name in names:
            total[name] = total.get(name, 0) + elements[name]
        for kind, spent in elements["timesMs"].items():
            total[kind] = total.get(kind, 0) + spent
    return {name: amount for name, amount in total.items() if amount}


@pytest.mark.parametrize("grain", ["hour", "day", "week"])
@pytest.mark.parametrize("limit", ["2", "50"])
async def test_finer_and_coarser_grains_add_up_to_the_shifts(factory: Api, grain: str, limit: str) -> None:
    shifts = await every(factory, "oee", scope=CNC)
    assert len(shifts) >= 5
    items = await every(factory, "oee", scope=CNC, grain=grain, limit=limit)
    assert summed(items) == summed(shifts)
    starts = [item["start"] for item in items]
    assert starts == sorted(starts, reverse=True)
    assert len({(item["period"], *item["bucketIds"]) for item in items}) == len(items)


async def test_an_hour_has_the_time_and_units_of_that_hour(factory: Api) -> None:
    window = {"from": "2026-03-09T06:00:00Z", "to": "2026-03-09T08:00:00Z"}
    seven, six = await every(factory, "oee", scope=CNC, grain="hour", **window)
    assert six["period"] == "2026-03-09T06:00:00.000Z"
    assert six["elements"]["timesMs"] == {"production": 30 * MINUTE, "unplannedStop": 30 * MINUTE}
    assert (six["elements"]["goodCount"], six["elements"]["rejectCount"]) == (180, 10)
    assert (six["availability"], six["quality"]) == (0.5, round(180 / 190, 6))
    assert seven["elements"]["timesMs"] == {"production": 30 * MINUTE, "setup": 30 * MINUTE}
    assert six["bucketIds"] == [f"{CNC}:{EARLY}"]


async def test_days_and_weeks_are_of_the_date_on_which_a_shift_starts(factory: Api) -> None:
    shifts = await every(factory, "oee", scope=CNC)
    days = {item["period"]: item for item in await every(factory, "oee", scope=CNC, grain="day")}
    monday = [one for one in shifts if one["shiftId"].startswith("2026-03-09")]
    assert {one["shiftId"].partition(".")[2] for one in monday} == {"early", "late", "night"}
    assert set(days["2026-03-09"]["bucketIds"]) == {f"{CNC}:{one['shiftId']}" for one in monday}
    [week] = [
        one for one in await every(factory, "oee", scope=CNC, grain="week") if one["period"] == "2026-W11"
    ]
    assert set(week["bucketIds"]) >= set(days["2026-03-09"]["bucketIds"])


async def test_products_and_orders_share_what_was_made_and_lost_meanwhile(factory: Api) -> None:
    window = {"from": "2026-03-09T05:00:00Z", "to": "2026-03-09T13:00:00Z"}
    [shift] = await every(factory, "oee", scope=CNC, **window)
    for grain, names in (("product", ["gear", "shaft"]), ("order", ["O-1", "O-2"])):
        items = await every(factory, "oee", scope=CNC, grain=grain, limit="1", **window)
        assert [item["period"] for item in items] == names
        assert summed(items, ADDED) == summed([shift], ADDED)
    gear = items[0]["elements"]
    assert (gear["goodCount"], gear["rejectCount"], gear["idealMs"]) == (500, 30, 530 * 10_000)
    assert gear["timesMs"]["unplannedStop"] == 30 * MINUTE


@pytest.mark.parametrize("scope", ["LINE-1", "SITE-1", "enterprise"])
async def test_a_scopes_days_are_its_machines_days(factory: Api, scope: str) -> None:
    days = await every(factory, "oee", scope=scope, grain="day")
    assert summed(days) == summed(await every(factory, "oee", scope=CNC))
    refused = await factory("oee", scope=scope, grain="hour")
    assert (refused.status, "one of its machines" in refused.content["detail"]) == (400, True)


async def test_a_shift_is_explained_by_intervals_counters_and_arithmetic_that_prove_its_sums(
    factory: Api,
) -> None:
    for shift in await every(factory, "oee", scope=CNC):
        [bucket_id] = shift["bucketIds"]
        told = (await factory("explain_oee", {"bucketId": bucket_id})).content
        assert told["proof"]["equal"], [row for row in told["proof"]["sums"] if not row["equal"]]
        intervals = [one for page in told["pages"] for one in page["intervals"]]
        assert all(one["end"] == after["start"] for one, after in pairwise(intervals))
        for one in intervals:
            assert one["timeMs"] == instant(one["end"]) - instant(one["start"])
        values = {step["name"]: step["value"] for step in told["arithmetic"]}
        assert {name: values[name] for name in ("oee", "availability")} == {
            name: shift[name] for name in ("oee", "availability")
        }


async def test_the_explanation_of_a_shift_worked_out_by_hand(factory: Api) -> None:
    explained = (await factory("explain_oee", {"bucketId": f"{CNC}:{EARLY}"})).content
    assert explained["rest"] is None
    steps = {step["name"]: (step["numbers"], step["value"]) for step in explained["arithmetic"]}
    # 480 min less 30 min break; 30 min breakdown, 30 min change-over; the machine runs on in the break.
    assert steps["availability"] == (f"{420 * MINUTE} / {480 * MINUTE}", 0.875)
    assert steps["producedCount"] == ("2000 + 40 + 0", 2_040.0)
    assert steps["idealMs"] == ("530 gear x 10000 ms + 1510 shaft x 7000 ms", 15_870_000.0)
    assert steps["effectiveness"][1] == round(15_870_000 / (420 * MINUTE), 6)
    assert [(one["product"], one["idealCycleMs"]) for one in explained["products"]] == [
        ("gear", 10_000.0),
        ("shaft", 7_000.0),
    ]


async def test_what_a_running_shift_holds_beside_its_pages_is_shown(factory: Api) -> None:
    [running] = [one for one in await every(factory, "oee", scope=CNC) if not one["final"]]
    explained = (await factory("explain_oee", {"bucketId": running["bucketIds"][0]})).content
    assert explained["rest"]["timesMs"]
    assert explained["proof"]["equal"]


async def test_a_page_that_is_lost_is_told_by_the_proof(factory: Api) -> None:
    stored = factory.documents.partition("machines", CNC)
    lost = next(name for name, one in stored.items() if one["type"] == "ledger" and one["shiftId"] == EARLY)
    del stored[lost]
    proof = (await factory("explain_oee", {"bucketId": f"{CNC}:{EARLY}"})).content["proof"]
    assert not proof["equal"]
    assert {row["name"] for row in proof["sums"] if not row["equal"]} >= {"time.production"}


async def test_a_lines_shift_is_explained_by_its_machines(factory: Api) -> None:
    explained = (await factory("explain_oee", {"bucketId": f"LINE-1:{EARLY}"})).content
    assert explained["proof"]["equal"]
    assert [child["bucketId"] for child in explained["children"]] == [f"{CNC}:{EARLY}"]
    assert (await factory("explain_oee", {"bucketId": explained["children"][0]["bucketId"]})).status == 200


def test_the_fall_off_of_a_line_is_what_all_machines_lost_of_what_the_first_made() -> None:
    made = replace(nothing(ONE), good_count=95, reject_count=5)
    finished = replace(nothing(ONE), good_count=90, reject_count=3, rework_count=2)
    found = fall_off("SAW", {"SAW": made, "PRESS": finished})
    assert found == {"first": "SAW", "count": 8, "producedCount": 100, "ratio": 0.08}
    assert fall_off("SAW", {"SAW": nothing(ONE), "PRESS": finished}) is None
    assert fall_off("GONE", {"PRESS": finished}) is None


async def test_shifts_and_lines_side_by_side(factory: Api) -> None:
    week = "2026-03-09T00:00:00Z/2026-03-16T00:00:00Z"
    answered = await factory("compare_oee", scopes=f"{CNC},LINE-1", periods=week, shifts="early,late")
    items = answered.content["items"]
    assert [(one["scope"], one["shift"]) for one in items] == [
        (CNC, "early"),
        (CNC, "late"),
        ("LINE-1", "early"),
        ("LINE-1", "late"),
    ]
    assert items[0]["difference"]["oee"] == 0.0
    assert items[1]["difference"]["oee"] == round(items[1]["oee"] - items[0]["oee"], 6)
    assert items[0]["elements"] | {"made": []} == items[2]["elements"] | {"made": []}
    assert sum(items[0]["lossShare"].values()) == pytest.approx(1)
    before = "2026-02-09T00:00:00Z/2026-02-16T00:00:00Z"
    missing = await factory("compare_oee", scopes=CNC, periods=f"{week},{before}")
    assert len(missing.content["items"]) == len(missing.content["missing"]) == 1


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("oee", {"scope": CNC, "grain": "hour"}),
        ("oee", {"scope": CNC}),
        ("compare_oee", {"scopes": f"{CNC},LINE-1", "periods": "2026-03-09T00:00:00Z/2026-03-16T00:00:00Z"}),
    ],
    ids=["hour", "shift", "comparison"],
)
async def test_what_has_not_changed_is_not_sent_again(
    factory: Api, name: str, params: dict[str, str]
) -> None:
    tag = (await factory(name, **params)).headers["ETag"]
    assert (await factory(name, **params, headers={"If-None-Match": tag})).status == 304
    await factory.plant.ingest([sent(900, (DAY + 15 * HOUR) // 1_000, counts={"good": 6_100, "reject": 90})])
    relay = ScopeRelay(factory.documents, Nowhere(), clock=lambda: 0.0, sleep=_at_once)
    await relay(factory.plant.of("oee"))
    assert (await factory(name, **params, headers={"If-None-Match": tag})).status == 200


@pytest.mark.parametrize(
    ("name", "path", "params", "status", "words"),
    [
        ("oee", {}, {"scope": CNC, "grain": "product"}, 400, "needs from and to"),
        (
            "oee",
            {},
            {"scope": CNC, "grain": "order", "from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
            400,
            "at most 31 days",
        ),
        ("oee", {}, {"scope": CNC, "grain": "day", "cursor": "x.2026-03-09"}, 400, "another query"),
        ("oee", {}, {"scope": "NOWHERE", "grain": "day"}, 404, "no machine"),
        ("explain_oee", {"bucketId": f"{CNC}:1999-01-01.early"}, {}, 404, "lists its bucketIds"),
        ("explain_oee", {"bucketId": "nonsense"}, {}, 404, "SCOPE:SHIFT"),
        ("compare_oee", {}, {"scopes": CNC, "periods": "today"}, 400, "write it as"),
        ("compare_oee", {}, {"scopes": f"{CNC},{CNC}", "periods": "today"}, 400, "none twice"),
        (
            "compare_oee",
            {},
            {"scopes": CNC, "periods": "2026-03-09T00:00:00Z/2026-03-16T00:00:00Z"},
            400,
            "from 2 to 24",
        ),
    ],
    ids=range(9),
)
async def test_what_cannot_be_answered_says_how_to_ask(
    factory: Api, name: str, path: dict[str, str], params: dict[str, str], status: int, words: str
) -> None:
    answered = await factory(name, path, **params)
    assert (answered.status, words in answered.content["detail"]) == (status, True), answered.content
