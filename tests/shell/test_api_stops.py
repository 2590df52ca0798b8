"""Operators say why machines stood: whole stops, stretches, cuts and joins; shifts follow, and who did it."""

import json
from typing import Any

import pytest

from shared.instants import iso
from shared.ports import Document
from shared.relay.scopes import ScopeRelay
from tests.plants import HOUR, MINUTE
from tests.shell.test_api import CNC, Answered, Api, Nowhere, _at_once, every, sent
from tests.shell.test_api_oee import EARLY, factory, told

__all__ = ["factory"]
LINE_SHIFT = f"LINE-1:{EARLY}"
DOWN = "2026-03-09T06:20:00.000Z"
"""30 min down with a reason, in the early shift; it is closed long since."""


async def command(api: Api, name: str, stop_id: str, **content: Any) -> Answered:
    headers = content.pop("headers", None)
    who = content.pop("who", "ann@acme.example")
    body = json.dumps(content).encode()
    return await api(name, {"stopId": stop_id}, content=body, headers=headers, who=who)


async def stop_at(api: Api, started_at: str) -> Document:
    [found] = [one for one in await every(api, "every_stop", machine=CNC) if one["startedAt"] == started_at]
    return found


async def shift(api: Api, scope: str = CNC, shift_id: str = EARLY) -> Document:
    [found] = [one for one in await every(api, "oee", scope=scope) if one["shiftId"] == shift_id]
    return found


async def rolled_up(api: Api) -> None:
    relay = ScopeRelay(api.documents, Nowhere(), clock=lambda: 0.0, sleep=_at_once)
    await relay([*api.plant.of("oee"), *api.plant.of("twin")])


def minutes(bucket: Document) -> dict[str, float]:
    return {kind: spent / MINUTE for kind, spent in bucket["elements"]["timesMs"].items()}


async def test_a_classified_stop_moves_its_time_in_the_closed_shift_and_in_everything_above(
    factory: Api,
) -> None:
    before = await shift(factory)
    assert minutes(before) == {"production": 420.0, "unplannedStop": 30.0, "setup": 30.0}
    down = await stop_at(factory, DOWN)
    done = await command(factory, "classify_stop", down["stopId"], reason="CHANGEOVER", comment="new dies")
    assert done.status == 200
    after = await shift(factory)
    assert minutes(after) == {"production": 420.0, "setup": 60.0}
    assert (after["version"], after["elements"]["failureCount"]) == (2, 0)
    assert after["elements"]["lossesMs"] == {"setup/CHANGEOVER": HOUR}
    await rolled_up(factory)
    for scope in ("LINE-1", "SITE-1", "enterprise"):
        assert minutes(await shift(factory, scope)) == minutes(after)
    for grain, period in (("day", "2026-03-09"), ("week", "2026-W11")):
        items = {one["period"]: one for one in await every(factory, "oee", scope=CNC, grain=grain)}
        assert items[period]["elements"]["lossesMs"]["setup/CHANGEOVER"] == HOUR
    window = {"from": "2026-03-09T06:00:00Z", "to": "2026-03-09T07:00:00Z"}
    [six] = await every(factory, "oee", scope=CNC, grain="hour", **window)
    assert minutes(six) == {"production": 30.0, "setup": 30.0}
    [gear] = await every(factory, "oee", scope=CNC, grain="product", **window)
    assert minutes(gear)["setup"] == 30.0
    explained = (await factory("explain_oee", {"bucketId": f"{CNC}:{EARLY}"})).content
    assert explained["proof"]["equal"]
    assert (await factory("explain_oee", {"bucketId": LINE_SHIFT})).content["proof"]["equal"]


async def test_who_changed_what_is_on_record_and_told(factory: Api) -> None:
    down = await stop_at(factory, DOWN)
    await command(factory, "classify_stop", down["stopId"], reason="CHANGEOVER", comment="new dies")
    await command(factory, "classify_stop", down["stopId"], reason=None, who="bo@acme.example")
    again = (await factory("stop", {"stopId": down["stopId"]})).content
    first, second = again["history"]
    assert (first["who"], first["why"], first["before"]) == ("ann@acme.example", "new dies", [])
    assert [(part["reason"], part["category"], part["byOperator"]) for part in first["after"]] == [
        ("CHANGEOVER", "setup", True)
    ]
    assert (second["who"], second["before"], second["after"]) == ("bo@acme.example", first["after"], [])
    assert minutes(await shift(factory)) == {"production": 420.0, "unplannedStop": 30.0, "setup": 30.0}
    events = [event for outbox in factory.plant.of("outbox") for event in outbox["events"]]
    kinds = [event["type"].split(".")[1:3] for event in events]
    assert kinds.count(["stop", "classified"]) == 2
    assert kinds.count(["oee", "shiftrestated"]) == 2
    assert all("recorded" not in page for page in factory.plant.of("ledger"))


async def test_a_stop_is_split_classified_in_part_and_mended_again(factory: Api) -> None:
    down = await stop_at(factory, DOWN)
    stop_id, middle = down["stopId"], "2026-03-09T06:30:00.000Z"
    split = await command(factory, "split_stop", stop_id, at=middle)
    assert [part["startedAt"] for part in split.content["parts"]] == [DOWN, middle]
    assert minutes(await shift(factory))["unplannedStop"] == 30.0
    await command(factory, "classify_stop", stop_id, reason="LUNCH", to=middle)
    found = await shift(factory)
    assert minutes(found) == {"production": 420.0, "plannedStop": 10.0, "unplannedStop": 20.0, "setup": 30.0}
    assert found["elements"]["failureCount"] == 1
    merged = await command(factory, "merge_stop", stop_id, at=middle)
    assert [part["reason"] for part in merged.content["parts"]] == ["LUNCH"]
    assert minutes(await shift(factory))["plannedStop"] == 30.0
    for at in (middle, "2026-03-09T09:00:00Z"):
        assert (await command(factory, "merge_stop", stop_id, at=at)).status == 409


async def test_stops_that_are_one_failure_are_merged_and_taken_apart(factory: Api) -> None:
    rows = [
        told("14:52", "Held", 6_070, 90, day=1),
        told("15:00", "Execute", 6_070, 90, day=1),
        told("15:01", "Held", 6_070, 90, day=1),
        told("15:20", "Execute", 6_070, 90, day=1),
        told("15:30", "Execute", 6_090, 90, day=1),
    ]
    await factory.plant.ingest([sent(800 + n, row.pop("after_s"), **row) for n, row in enumerate(rows)])
    first = await stop_at(factory, "2026-03-10T14:52:00.000Z")
    second = await stop_at(factory, "2026-03-10T15:01:00.000Z")
    await command(factory, "classify_stop", first["stopId"], reason="E-STOP")
    late = "2026-03-10.late"
    assert (await shift(factory, shift_id=late))["elements"]["failureCount"] == 2
    merged = await command(factory, "merge_stop", second["stopId"], at=second["startedAt"])
    assert (merged.status, merged.content["continues"]) == (200, first["stopId"])
    found = await shift(factory, shift_id=late)
    assert (found["elements"]["failureCount"], found["final"]) == (1, False)
    assert found["elements"]["lossesMs"] == {"unplannedStop/E-STOP": 27 * MINUTE}
    await command(factory, "split_stop", second["stopId"], at=second["startedAt"])
    assert (await shift(factory, shift_id=late))["elements"]["failureCount"] == 2


async def test_what_is_said_of_a_stop_that_lasts_holds_to_its_end(factory: Api) -> None:
    await factory.plant.ingest(
        [sent(800, (24 + 14) * 3_600 + 55 * 60, state="Held", counts={"good": 6_070, "reject": 90})]
    )
    await factory.plant.ingest([sent(801, (24 + 14) * 3_600 + 56 * 60, state="Held")])
    [lasting] = await every(factory, "every_stop", state="active", line="LINE-1")
    done = await command(factory, "classify_stop", lasting["stopId"], reason="NO-MATERIAL")
    assert (done.content["endedAt"], done.content["state"]) == (None, "classified")
    await factory.plant.ingest([sent(802, (24 + 16) * 3_600, state="Execute")])
    for number in (1, 2):
        await factory.plant.ingest([sent(802 + number, (24 + 16) * 3_600 + number * 60, state="Execute")])
    ended = (await factory("stop", {"stopId": lasting["stopId"]})).content
    assert [(part["reason"], part["endedAt"]) for part in ended["parts"]] == [
        ("NO-MATERIAL", "2026-03-10T16:00:00.000Z")
    ]
    late = await shift(factory, shift_id="2026-03-10.late")
    assert late["elements"]["lossesMs"] == {"starved/NO-MATERIAL": 65 * MINUTE}
    assert late["version"] > 1
    pages = [one for one in factory.plant.of("ledger") if one["shiftId"] == "2026-03-10.late"]
    assert any("recorded" in page for page in pages)


async def test_unclassified_stops_are_listed_and_their_share_falls(factory: Api) -> None:
    unclassified = await every(factory, "every_stop", state="unclassified", site="SITE-1")
    assert unclassified
    assert all(one["reason"] is None for one in unclassified)
    newest = unclassified[0]
    [bucket] = [
        one
        for one in await every(factory, "oee", scope=CNC)
        if one["start"] <= newest["startedAt"] < one["end"]
    ]
    assert bucket["indicators"]["unclassifiedShare"] == 1.0
    await command(factory, "classify_stop", newest["stopId"], reason="E-STOP")
    left = await every(factory, "every_stop", state="unclassified", site="SITE-1")
    assert newest["stopId"] not in {one["stopId"] for one in left}
    [bucket] = [
        one
        for one in await every(factory, "oee", scope=CNC)
        if one["start"] <= newest["startedAt"] < one["end"]
    ]
    assert bucket["indicators"]["unclassifiedShare"] == 0.0


async def test_a_key_is_carried_out_once_and_a_stale_reader_is_refused(factory: Api) -> None:
    down = await stop_at(factory, DOWN)
    read = await factory("stop", {"stopId": down["stopId"]})
    once = {"Idempotency-Key": "k-1", "If-Match": read.headers["ETag"]}
    done = await command(factory, "classify_stop", down["stopId"], reason="LUNCH", headers=once)
    figures = factory.plant.figures()
    again = await command(factory, "classify_stop", down["stopId"], reason="LUNCH", headers=once)
    assert (again.status, again.content) == (200, done.content)
    stale = {"If-Match": read.headers["ETag"]}
    refused = await command(factory, "classify_stop", down["stopId"], reason="CHANGEOVER", headers=stale)
    assert (refused.status, refused.content["stop"]["parts"][0]["reason"]) == (409, "LUNCH")
    assert factory.plant.figures() == figures


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("classify_stop", {"reason": "nonsense"}, "it has CHANGEOVER, E-STOP, LUNCH, NO-MATERIAL"),
        (
            "classify_stop",
            {"reason": "LUNCH", "from": "2026-03-09T06:00:00Z", "to": "2026-03-09T06:25:00Z"},
            "must lie within the stop",
        ),
        ("split_stop", {"at": DOWN}, "between its start and its end"),
        ("merge_stop", {"at": DOWN}, "no stop within the hour"),
        ("merge_stop", {"at": iso(0)}, "no cut at that instant"),
    ],
    ids=range(5),
)
async def test_what_cannot_be_says_why_and_changes_no_figure(
    factory: Api, name: str, content: dict[str, Any], words: str
) -> None:
    down = await stop_at(factory, DOWN)
    kept = factory.plant.of("oee")
    refused = await command(factory, name, down["stopId"], **content)
    assert refused.status == 409
    assert words in refused.content["detail"]
    assert factory.plant.of("oee") == kept


async def test_a_conflict_reads_everything_again(factory: Api) -> None:
    """Another worker classifies the same stop between this one's reading and its commit."""
    down = await stop_at(factory, DOWN)
    stale = await factory.machines.load(CNC)
    assert stale is not None
    other = Api(factory.plant)
    await command(other, "classify_stop", down["stopId"], reason="LUNCH")
    factory.machines._cache[CNC] = stale
    await command(factory, "classify_stop", down["stopId"], reason="CHANGEOVER")
    assert minutes(await shift(factory)) == {"production": 420.0, "setup": 60.0}
    assert len((await factory("stop", {"stopId": down["stopId"]})).content["history"]) == 2
