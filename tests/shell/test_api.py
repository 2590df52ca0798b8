"""The HTTP API's answers, against the document store in memory."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import azure.functions as func
import pytest

from functions.api import ROUTES
from functions.http import Backend, answer
from shared.adapters.containers import CONTAINERS
from shared.commit import Machines
from shared.contracts.http import ProblemDetails
from shared.domain.inputs import Blocked
from shared.ingest import Message
from shared.instants import iso
from shared.ports import Document
from shared.relay.scopes import ScopeRelay
from shared.replay import Replay
from tests.memory import MemoryDocuments
from tests.plants import HOUR, MONDAY, SECOND, ArithmeticScorer
from tests.shell.test_ingest import MACHINES, Plant, body, message, stream
from tests.sinks import MemoryTwins

CNC = MACHINES[0]
BY_NAME = {route.name: route for route in ROUTES}


@dataclass
class Answered:
    status: int
    content: Any
    headers: Mapping[str, str]


@dataclass
class Api:
    """The routes in front of a plant; `who` and `roles` are what the platform says of the caller."""

    plant: Plant

    @property
    def documents(self) -> MemoryDocuments:
        return self.plant.documents

    @property
    def machines(self) -> Machines:
        return self.plant.machines

    @property
    def replay(self) -> Replay:
        return Replay(self.machines, self.plant, self.documents, ArithmeticScorer())

    @property
    def specs(self) -> "Nowhere":
        return Nowhere()

    @property
    def twins(self) -> MemoryTwins:
        graph = MemoryTwins(CNC)
        graph.broken = self.documents.broken
        return graph

    async def backend(self) -> Backend:
        return self

    async def __call__(
        self,
        name: str,
        path: dict[str, str] | None = None,
        *,
        who: str | None = "ann@acme.example",
        roles: tuple[str, ...] = ("engineer",),
        content: bytes = b"",
        headers: dict[str, str] | None = None,
        **params: str,
    ) -> Answered:
        route = BY_NAME[name]
        asked = func.HttpRequest(
            route.method,
            f"https://millwright.example/api/{route.template}",
            headers={**signed_in(who, roles), **(headers or {})},
            params=params,
            route_params=path or {},
            body=content,
        )
        answered = await answer(route, self.backend, asked)
        text = answered.get_body()
        parsed = json.loads(text) if text else None
        if answered.status_code == 200:
            route.gives.model_validate(parsed)
        elif answered.status_code >= 400:
            assert answered.mimetype == "application/problem+json"
            ProblemDetails.model_validate(parsed)
        return Answered(answered.status_code, parsed, dict(answered.headers))


def signed_in(who: str | None, roles: tuple[str, ...]) -> dict[str, str]:
    """The headers that App Service Authentication sets."""
    if who is None:
        return {}
    claims = [{"typ": "name", "val": who}, *({"typ": "roles", "val": role} for role in roles)]
    document = json.dumps({"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": claims})
    return {
        "X-MS-CLIENT-PRINCIPAL": base64.b64encode(document.encode()).decode(),
        "X-MS-CLIENT-PRINCIPAL-NAME": who,
    }


@pytest.fixture
async def api() -> Api:
    """Three machines after a few minutes, with alarms of the first and roll-ups."""
    plant = await Plant().describe()
    await plant.ingest(stream(120))
    await plant.ingest([sent(900 + n, 3600 + 5 * n, signals=HOT) for n in range(4)])
    await plant.ingest([sent(910, 3600, machine_id=MACHINES[1], signals={"torque_nm": 90.0})])
    relay = ScopeRelay(plant.documents, Nowhere(), clock=lambda: 0.0, sleep=_at_once)
    await relay([*plant.of("oee"), *plant.of("twin")])
    return Api(plant)


REASON = {"reason": "why"}
PARAMETERS = {
    "oee": {"scope": CNC},
    "compare_oee": {"scopes": f"{CNC},LINE-1", "periods": "2026-03-09T00:00:00Z/2026-03-10T00:00:00Z"},
    "graph": {"root": CNC},
    "alarm_statistics": {"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"},
}
BODIES: dict[str, dict[str, Any]] = {
    "open_work_order": {"component": "spindle"},
    "record_maintenance": {"component": "spindle"},
    "classify_stop": {"reason": None},
    "split_stop": {"at": "2026-03-09T06:00:00Z"},
    "merge_stop": {"at": "2026-03-09T06:00:00Z"},
    "query_graph": {"query": "SELECT * FROM DIGITALTWINS"},
    "acknowledge_alarms": {"alarmIds": [f"{CNC}:1"]},
    "comment_alarm": {"comment": "seen"},
    "shelve_alarm": {**REASON, "minutes": 1},
    "shelve_rule": {**REASON, "minutes": 1},
    "rule_out_of_service": REASON,
    "rule_to_service": REASON,
    "out_of_service": REASON,
    "return_to_service": REASON,
    "change_set_point": {**REASON, "value": 1},
}
"""What a route needs, to be asked at all."""


class Nowhere:
    async def current_site(self, site_id: str) -> None:
        return None

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> None:
        return None


async def _at_once(seconds: float) -> None:
    return None


def sent(number: int, after_s: int, *, machine_id: str = CNC, **fields: Any) -> Message:
    """A reading that long after the stream began."""
    at = MONDAY + after_s * SECOND
    return message(number, body(machine_id, at, **fields), at=at)


HOT = {"temperature_c": 99.0, "torque_nm": 90.0}
"""Raises an alarm at once and another after five seconds."""


async def active_alarm(api: Api) -> str:
    found = await api("alarms", machine=CNC, state="unacknowledged", priority="critical")
    return found.content["items"][0]["alarmId"]


async def every(api: Api, name: str, path: dict[str, str] | None = None, **params: str) -> list[Document]:
    """All items of a list, by its cursors."""
    items: list[Document] = []
    page = (await api(name, path, **params)).content
    while True:
        items += page["items"]
        if page["nextCursor"] is None:
            return items
        page = (await api(name, path, **params, cursor=page["nextCursor"])).content


async def test_health_needs_no_account_and_tells_when_the_store_is_away(api: Api) -> None:
    assert (await api("health", who=None)).status == 200
    api.documents.broken = True
    away = await api("health", who=None)
    assert (away.status, away.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("name", [route.name for route in ROUTES if route.role is not None])
async def test_nobody_gets_anything_without_an_account_and_a_role(api: Api, name: str) -> None:
    path = {"machineId": CNC, "alarmId": f"{CNC}:1", "device": "D", "day": "20260309", "id": "x"}
    stranger = await api(name, path, who=None)
    assert (stranger.status, stranger.headers["WWW-Authenticate"]) == (401, "Bearer")
    broken = await api(name, path, who=None, headers={"X-MS-CLIENT-PRINCIPAL": "e3"})
    assert broken.status == 401
    assert (await api(name, path, roles=("visitor",))).status == 403


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        (("viewer",), (True, False, False)),
        (("Operator",), (True, True, False)),
        (("engineer", "x"), (True,) * 3),
    ],
)
async def test_a_higher_role_may_what_a_lower_one_may(
    api: Api, roles: tuple[str, ...], may: tuple[bool, ...]
) -> None:
    asked = [
        await api("machine", {"machineId": CNC}, roles=roles),
        await api("acknowledge_alarm", {"alarmId": "nothing:1"}, roles=roles),
        await api("resume_machine", {"machineId": CNC}, roles=roles),
    ]
    assert tuple(one.status != 403 for one in asked) == may


async def test_machines_come_page_by_page_and_by_line(api: Api) -> None:
    first = await api("machines", limit="2")
    assert len(first.content["items"]) == 2
    assert sorted(one["machineId"] for one in await every(api, "machines", limit="2")) == list(MACHINES)
    assert len(await every(api, "machines", line="LINE-1", site="SITE-1")) == 3
    assert await every(api, "machines", line="LINE-2") == []


async def test_a_machine_is_read_again_only_when_it_changed(api: Api) -> None:
    path = {"machineId": CNC}
    first = await api("machine", path)
    assert first.content["signals"]["temperature_c"]["unit"] == "°C"
    tag = first.headers["ETag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await api("machine", path, headers={"If-None-Match": given})
        assert (again.status, again.content, again.headers["ETag"]) == (304, None, tag)
    await api.plant.ingest([sent(990, 7200, state="Held")])
    changed = await api("machine", path, headers={"If-None-Match": tag})
    assert (changed.status, changed.content["state"]) == (200, "Held")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("machine", {"machineId": "NONE"}),
        ("stops", {"machineId": "NONE"}),
        ("signals", {"machineId": "NONE"}),
        ("predictions", {"machineId": "NONE"}),
        ("resume_machine", {"machineId": "NONE"}),
        ("alarm", {"alarmId": "NONE:1"}),
        ("alarm", {"alarmId": "NONE"}),
        ("acknowledge_alarm", {"alarmId": f"{CNC}:99999"}),
        ("stop", {"stopId": "NONE:1"}),
        ("stop", {"stopId": "NONE"}),
        ("classify_stop", {"stopId": f"{CNC}:99999"}),
        ("quarantined", {"device": "D", "day": "20260309", "id": "x"}),
        ("replay_quarantined", {"device": "D", "day": "20260309", "id": "x"}),
    ],
)
async def test_what_does_not_exist_is_404_with_a_way_on(api: Api, name: str, path: dict[str, str]) -> None:
    missing = await api(name, path, content=json.dumps(BODIES.get(name, {})).encode())
    assert missing.status == 404
    assert "/api/" in missing.content["detail"]


@pytest.mark.parametrize(
    ("name", "params", "wrong"),
    [
        ("machines", {"limit": "0"}, {"limit"}),
        ("machines", {"limit": "201", "colour": "red"}, {"limit", "colour"}),
        ("alarms", {"state": "loud", "priority": "urgent"}, {"state", "priority"}),
        ("oee", {}, {"scope"}),
        ("oee", {"scope": CNC, "grain": "minute", "from": "2026-03-09T00:00:00"}, {"grain", "from"}),
        ("oee", {"scope": CNC, "to": "2026-13-09T00:00:00Z"}, {"to"}),
        ("quarantine", {"day": "yesterday", "device": "D"}, {"day"}),
    ],
)
async def test_all_invalid_parameters_are_named_at_once(
    api: Api, name: str, params: dict[str, str], wrong: set[str]
) -> None:
    answered = await api(name, **params)
    assert answered.status == 400
    assert {error["name"] for error in answered.content["errors"]} == wrong


async def test_a_cursor_that_no_page_of_this_query_gave_is_400(api: Api) -> None:
    cursor = (await api("machines", limit="1")).content["nextCursor"]
    assert (await api("machines", limit="2", cursor=cursor)).status == 200
    assert (await api("machines", line="LINE-1", cursor=cursor)).status == 400
    assert (await api("alarms", cursor=cursor)).status == 400
    for nonsense in ("!", ".", cursor.partition(".")[0] + ".", cursor + "x"):
        assert (await api("machines", cursor=nonsense)).status == 400


class Noting(MemoryDocuments):
    """Keeps what was asked of which container."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []

    async def page(
        self, container: str, sql: str, *args: Any, **more: Any
    ) -> tuple[list[Document], str | None]:
        self.asked.append((container, sql))
        return await super().page(container, sql, *args, **more)


async def test_every_list_asks_only_what_its_container_indexes(api: Api) -> None:
    noting = Noting()
    noting.containers = api.documents.containers
    api.plant.documents = noting
    times = {"from": iso(MONDAY), "to": iso(MONDAY + HOUR)}
    path = {"machineId": CNC}
    for scope in (CNC, "LINE-1"):
        await api("oee", scope=scope, **times)
    for name in ("signals", "stops", "predictions"):
        await api(name, path, **times)
    for state in ("active", "unclassified"):
        await api("every_stop", state=state, line="LINE-1", site="SITE-1", **times)
    await api("machines", site="SITE-1", line="LINE-1")
    for state in ("active", "unacknowledged", "all"):
        await api("alarms", state=state, line="LINE-1", priority="high")
    await api("quarantine", device="D", machine=CNC, reason="notJson")
    await api("quarantine", device="D", day="20260309")
    indexed = {container.name: container.indexed for container in CONTAINERS}
    assert len(noting.asked) == 14  # a machine's shifts are first looked for among the scopes'
    for container, sql in noting.asked:
        named = set(re.findall(r"\bc\.(\w+)", sql))
        assert named <= set(indexed[container] or ()), sql


async def test_a_day_of_quarantine_needs_its_device(api: Api) -> None:
    assert (await api("quarantine", day="2026-03-09")).status == 400


async def test_alarms_by_state_machine_line_and_priority_newest_first(api: Api) -> None:
    everything = await every(api, "alarms", state="all", limit="1")
    raised = [alarm["raisedAt"] for alarm in everything]
    assert raised == sorted(raised, reverse=True)
    assert {alarm["machineId"] for alarm in everything} == set(MACHINES[:2])
    active = await every(api, "alarms")
    assert {alarm["active"] for alarm in active} == {True}
    assert {alarm["ruleId"] for alarm in await every(api, "alarms", machine=CNC)} == {"hot", "strain"}
    critical = await every(api, "alarms", state="all", priority="critical", line="LINE-1")
    assert {alarm["priority"] for alarm in critical} == {"critical"}
    unseen = await every(api, "alarms", state="unacknowledged")
    assert {alarm["acknowledged"] for alarm in unseen} == {False}


async def test_an_alarm_is_acknowledged_in_the_name_of_whoever_is_signed_in(api: Api) -> None:
    alarm_id = await active_alarm(api)
    content = b'{"comment": "tool is being changed"}'
    done = await api("acknowledge_alarm", {"alarmId": alarm_id}, content=content, roles=("operator",))
    assert (done.status, done.content["state"]) == (200, "acknowledged")
    assert done.content["acknowledgedBy"] == "ann@acme.example"
    assert done.content["comment"] == "tool is being changed"
    read = (await api("alarm", {"alarmId": alarm_id})).content
    assert {name: value for name, value in read.items() if name != "history"} == done.content
    machine = (await api("machine", {"machineId": CNC})).content
    assert machine["alarms"] == {"activeCount": 2, "unacknowledgedCount": 1, "highestPriority": "critical"}


@pytest.mark.parametrize("content", [b'{"acknowledgedBy": "bob"}', b"[]", b"{", b'{"comment": 5}', b"\xff"])
async def test_nobody_acknowledges_in_another_name_or_with_a_broken_body(api: Api, content: bytes) -> None:
    alarm_id = await active_alarm(api)
    assert (await api("acknowledge_alarm", {"alarmId": alarm_id}, content=content)).status == 400
    assert (await api("alarm", {"alarmId": alarm_id})).content["acknowledged"] is False


async def test_a_repeated_key_answers_as_the_first_time_and_acknowledges_once(api: Api) -> None:
    path = {"alarmId": await active_alarm(api)}
    headers = {"Idempotency-Key": "7d0c/9?"}
    first = await api("acknowledge_alarm", path, headers=headers)
    events = [event for outbox in api.plant.of("outbox") for event in outbox["events"]]
    api.plant.worker()
    again = await api("acknowledge_alarm", path, headers=headers)
    assert (again.status, again.content) == (first.status, first.content)
    assert events == [event for outbox in api.plant.of("outbox") for event in outbox["events"]]


async def test_a_key_that_was_refused_is_refused_again(api: Api) -> None:
    path = {"alarmId": await active_alarm(api)}
    await api("acknowledge_alarm", path)
    headers = {"Idempotency-Key": "late"}
    for _ in range(2):
        late = await api("acknowledge_alarm", path, headers=headers, who="bob@acme.example")
        assert late.status == 409
        assert "already acknowledged by ann@acme.example" in late.content["detail"]
        assert late.content["alarm"]["state"] == "acknowledged"


async def test_the_key_of_one_caller_is_not_the_key_of_another(api: Api) -> None:
    path = {"alarmId": await active_alarm(api)}
    headers = {"Idempotency-Key": "same"}
    assert (await api("acknowledge_alarm", path, headers=headers)).status == 200
    other = await api("acknowledge_alarm", path, headers=headers, who="bob@acme.example")
    assert other.status == 409


@pytest.mark.parametrize("key", ["", "ä", "x" * 256])
async def test_a_key_that_is_none_is_400(api: Api, key: str) -> None:
    path = {"alarmId": await active_alarm(api)}
    assert (await api("acknowledge_alarm", path, headers={"Idempotency-Key": key})).status == 400


async def test_an_alarm_that_is_over_cannot_be_acknowledged(api: Api) -> None:
    alarm_id = await active_alarm(api)
    await api("acknowledge_alarm", {"alarmId": alarm_id})
    await api.plant.ingest([sent(990, 7200, signals={"torque_nm": 10.0})])
    over = await api("acknowledge_alarm", {"alarmId": alarm_id})
    assert (over.status, over.content["alarm"]["state"]) == (409, "normal")


async def test_an_acknowledgement_whose_answer_was_lost_is_503_and_may_be_repeated(api: Api) -> None:
    path = {"alarmId": await active_alarm(api)}
    headers = {"Idempotency-Key": "lost"}
    api.documents.fail_after_commits = {api.documents.commit_count + 1}
    assert (await api("acknowledge_alarm", path, headers=headers)).status == 503
    again = await api("acknowledge_alarm", path, headers=headers)
    assert (again.status, again.content["state"]) == (200, "acknowledged")


async def test_oee_of_machine_line_site_and_enterprise(api: Api) -> None:
    machines = [(await every(api, "oee", scope=machine))[0] for machine in MACHINES]
    for scope, level in (("LINE-1", "line"), ("SITE-1", "site"), ("enterprise", "enterprise")):
        [shift] = await every(api, "oee", scope=scope)
        steps = [loss["timeMs"] for loss in shift["losses"]["waterfall"]]
        assert sum(steps) == shift["indicators"]["plannedBusyMs"]
        assert (shift["scope"], shift["level"]) == (scope, level)
        assert shift["elements"]["goodCount"] == sum(one["elements"]["goodCount"] for one in machines)
    start = machines[0]["start"]
    assert len(await every(api, "oee", scope=CNC, **{"from": start})) == 1
    assert start not in [one["start"] for one in await every(api, "oee", scope=CNC, to=start)]
    assert (await api("oee", scope="NOWHERE")).status == 404


async def test_minutes_by_signal_and_time_newest_first(api: Api) -> None:
    path = {"machineId": CNC}
    minutes = await every(api, "signals", path, limit="1")
    times = [minute["at"] for minute in minutes]
    assert times == sorted(times, reverse=True)
    assert len(times) == len(set(times)) > 5
    aggregate = minutes[-1]["signals"]["temperature_c"]
    assert aggregate["min"] <= aggregate["mean"] <= aggregate["max"]
    begin, end = iso(MONDAY + 120 * SECOND), "2026-03-09T01:05:00+01:00"
    some = await every(api, "signals", path, signal="torque_nm", **{"from": begin, "to": end})
    assert [minute["at"][14:16] for minute in some] == ["04", "03", "02"]
    assert {name for minute in some for name in minute["signals"]} == {"torque_nm"}


async def test_predictions_and_stops_newest_first(api: Api) -> None:
    path = {"machineId": CNC}
    await api.plant.ingest(
        [
            sent(2000 + n, 25_200 + n * 50, state=state, signals={"torque_nm": 10.0})
            for n, state in enumerate(["Held", "Held", "Execute", "Execute", "Stopped", "Stopped", "Execute"])
        ]
    )
    for name, by in (("predictions", "assessedAt"), ("stops", "startedAt")):
        items = await every(api, name, path, limit="1")
        times = [item[by] for item in items]
        assert times == sorted(times, reverse=True)
        assert len(times) > 1
        assert len(await every(api, name, path, **{"from": times[0]})) == 1
        assert len(await every(api, name, path, to=times[0])) == len(times) - 1


async def test_a_blocked_machine_is_resumed_and_its_queue_folded(api: Api) -> None:
    path = {"machineId": CNC}
    await api.machines.change(CNC, [Blocked("ValueError: a bug", MONDAY + HOUR)])
    await api.plant.ingest([sent(3000, 10_800, signals={"temperature_c": 33.0})])
    assert (await api("machine", path)).content["blocked"] == "ValueError: a bug"
    done = await api("resume_machine", path)
    assert done.content == {"machineId": CNC, "foldedCount": 1}
    machine = (await api("machine", path)).content
    assert (machine["blocked"], machine["signals"]["temperature_c"]["value"]) == (None, 33.0)
    assert (await api("resume_machine", path)).content["foldedCount"] == 0


async def test_the_store_being_away_is_503_for_everything(api: Api) -> None:
    api.documents.broken = True
    path = {"machineId": CNC, "alarmId": f"{CNC}:1", "device": "D", "day": "20260309", "id": "x"} | {
        "ruleId": "hot",
        "bucketId": f"{CNC}:2026-03-09.early",
        "workOrderId": f"{CNC}:1",
        "stopId": f"{CNC}:1",
    }
    for route in ROUTES:
        params = PARAMETERS.get(route.name, {})
        content = json.dumps(BODIES.get(route.name, {})).encode()
        assert (await api(route.name, path, content=content, **params)).status == 503
