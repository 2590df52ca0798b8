"""Alarms over HTTP: filters, histories, what operators may do and what they are told when they may not."""

import json

import pytest

from tests.shell.test_api import CNC, Api, active_alarm, api, every

__all__ = ["api"]
OPERATOR = ("operator",)


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


async def test_an_alarm_has_its_whole_history_with_who_and_why(api: Api) -> None:
    alarm_id = await active_alarm(api)
    path = {"alarmId": alarm_id}
    for name, content in (
        ("comment_alarm", body(comment="looking")),
        ("acknowledge_alarm", body(comment="seen")),
        ("shelve_alarm", body(reason="loose sensor", minutes=30)),
        ("unshelve_alarm", b""),
    ):
        answered = await api(name, path, roles=OPERATOR, content=content)
        assert answered.status == 200, answered.content
    history = (await api("alarm", path)).content["history"]
    assert [(entry["event"], entry["who"], entry["why"]) for entry in history] == [
        ("raised", None, None),
        ("commented", "ann@acme.example", "looking"),
        ("acknowledged", "ann@acme.example", "seen"),
        ("shelved", "ann@acme.example", "loose sensor"),
        ("unshelved", "ann@acme.example", None),
    ]


async def test_a_stale_etag_is_a_conflict_that_shows_the_alarm_as_it_is(api: Api) -> None:
    path = {"alarmId": await active_alarm(api)}
    etag = (await api("alarm", path)).headers["ETag"]
    await api("comment_alarm", path, content=body(comment="mine"))
    stale = await api("acknowledge_alarm", path, headers={"If-Match": etag})
    assert (stale.status, stale.content["alarm"]["comment"]) == (409, "mine")
    etag = (await api("alarm", path)).headers["ETag"]
    fresh = {"If-Match": etag, "Idempotency-Key": "k1"}
    assert (await api("acknowledge_alarm", path, headers=fresh)).status == 200
    again = await api("acknowledge_alarm", path, headers=fresh)
    assert (again.status, again.content["state"]) == (200, "acknowledged")


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("shelve_alarm", b"", 400, "reason: Field required"),
        ("shelve_alarm", body(reason="why", minutes=721), 409, "720 min at most"),
        ("unshelve_alarm", b"", 409, "an alarm that is unacknowledged cannot be unshelved"),
        ("reset_alarm", b"", 409, "an alarm that is unacknowledged cannot be reset"),
        ("comment_alarm", body(comment=" "), 400, "at least 1 character"),
    ],
    ids=range(5),
)
async def test_what_cannot_be_done_is_a_problem_with_a_remedy(
    api: Api, name: str, content: bytes, status: int, words: str
) -> None:
    answered = await api(name, {"alarmId": await active_alarm(api)}, content=content)
    assert answered.status == status
    assert words in answered.content["detail"]


async def test_unknown_alarms_and_rules_are_not_found(api: Api) -> None:
    assert (await api("reset_alarm", {"alarmId": "X:1"})).status == 404
    rule = await api("unshelve_rule", {"machineId": CNC, "ruleId": "nope"})
    assert (rule.status, "It has hot, cold, strain" in rule.content["detail"]) == (404, True)
    assert (await api("rules", {"machineId": "X"})).status == 404


async def test_many_alarms_are_acknowledged_each_by_itself(api: Api) -> None:
    ids = [alarm["alarmId"] for alarm in await every(api, "alarms", state="unacknowledged")]
    answered = await api("acknowledge_alarms", content=body(alarmIds=[*ids, "X:1"]))
    assert [item["outcome"] for item in answered.content["items"]] == [
        *["done"] * len(ids),
        "there is no such machine",
    ]
    assert await every(api, "alarms", state="unacknowledged") == []


async def test_a_machine_goes_out_of_service_and_back(api: Api) -> None:
    path = {"machineId": CNC}
    out = await api("out_of_service", path, content=body(reason="new spindle", workOrder="WO-1"))
    assert out.content["outOfService"] == "new spindle"
    assert {rule["state"] for rule in out.content["items"]} == {"outOfService"}
    assert await every(api, "alarms", machine=CNC) == []
    assert len(await every(api, "alarms", machine=CNC, state="outOfService")) == 2
    again = await api("out_of_service", path, content=body(reason="me too"))
    assert (again.status, "already" in again.content["detail"]) == (409, True)
    back = await api("return_to_service", path, content=body(reason="done", workOrder="WO-1"))
    assert back.content["outOfService"] is None


async def test_a_rule_that_is_not_adjustable_keeps_its_limit(api: Api) -> None:
    path = {"machineId": CNC, "ruleId": "hot"}
    refused = await api("change_set_point", path, content=body(value=90, reason="summer"))
    assert refused.status == 409
    assert "only be changed in the factory description" in refused.content["detail"]


async def test_alarms_are_listed_by_urgency_and_by_time_of_raising(api: Api) -> None:
    urgent = [alarm["priority"] for alarm in await every(api, "alarms", state="all", sort="urgency")]
    order = {"critical": 0, "high": 1, "medium": 2, "low": 3}
    assert urgent == sorted(urgent, key=order.__getitem__)
    oldest = [
        alarm["raisedAt"] for alarm in await every(api, "alarms", state="all", sort="oldest", limit="1")
    ]
    assert oldest == sorted(oldest)
    assert {a["ruleId"] for a in await every(api, "alarms", state="all", rule="hot")} == {"hot"}
    later = await every(api, "alarms", state="all", **{"from": max(oldest)})
    assert {alarm["raisedAt"] for alarm in later} == {max(oldest)}


async def test_statistics_count_what_was_raised_and_who_answered_how_fast(api: Api) -> None:
    window = {"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"}
    path = {"alarmId": await active_alarm(api)}
    raised = await every(api, "alarms", state="all")
    before = (await api("alarm_statistics", **window)).content
    assert before["raisedCount"] == sum(alarm["occurrenceCount"] for alarm in raised)
    assert sum(before["byPriority"].values()) == before["raisedCount"]
    assert sum(actor["share"] for actor in before["badActors"]) == pytest.approx(1)
    assert before["standingCount"] == len(await every(api, "alarms"))
    assert (await api("acknowledge_alarm", path)).status == 200
    longer = {"from": "2026-03-09T00:00:00Z", "to": "2027-03-10T00:00:00Z"}
    refused = await api("alarm_statistics", **longer)
    assert (refused.status, "31 days at most" in refused.content["detail"]) == (400, True)
