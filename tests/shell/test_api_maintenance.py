"""Work orders, findings and the models' figures, through the API and the one door."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.effects import ScoreRequested
from shared.domain.inputs import Scored
from shared.domain.maintenance.records import Task
from shared.instants import iso
from shared.live_models import figures
from tests.backend import MACHINES, Plant, body, message
from tests.plants import HOUR, MINUTE, MONDAY
from tests.shell.test_api import Answered, Api

CNC = MACHINES[0]
TOOL = Task("change-tool", "tool", "Change the tool", 8 * HOUR, ("wear",), rules=("strain",))


class Warner:
    """A model that warns of every machine whose torque is high."""

    def score(self, requests: Sequence[ScoreRequested]) -> list[Scored]:
        return [
            Scored(one.model, one.version, one.at, 0.9 if one.row[0] > 60.0 else 0.1, "", (("torque", 0.5),))
            for one in requests
        ]


@pytest.fixture
async def api() -> Api:
    """A machine whose model warned in its fifth minute, with the order that came of it."""
    plant = Plant()
    plant.specs = {name: replace(spec, tasks=(TOOL,)) for name, spec in plant.specs.items()}
    plant.worker(Warner())
    await plant.describe()
    for minute in range(8):
        at = MONDAY + minute * MINUTE
        signals = {"torque_nm": 75.0 if minute >= 4 else 40.0}
        await plant.ingest([message(minute, body(CNC, at, signals=signals), at=at)])
    return Api(plant)


async def post(api: Api, name: str, path: dict[str, str], key: str = "", **content: Any) -> Answered:
    headers = {"Idempotency-Key": key} if key else {}
    return await api(name, path, content=json.dumps(content).encode(), headers=headers)


async def only_order(api: Api, state: str = "open") -> dict[str, Any]:
    (order,) = (await api("work_orders", state=state, machine=CNC)).content["items"]
    return order


async def test_a_prediction_says_what_to_do_and_its_order_waits(api: Api) -> None:
    order = await only_order(api)
    assert (order["cause"], order["component"], order["work"]) == ("prediction", "tool", "Change the tool")
    (first, *_) = (await api("predictions", {"machineId": CNC})).content["items"]
    assert first["recommendation"] == {
        "taskId": "change-tool",
        "component": "tool",
        "work": "Change the tool",
        "withinS": 8 * 3600.0,
    }
    assert first["contributions"] == {"torque_nm": 0.5}
    assert first["callId"] == order["causeId"]
    (call,) = (await api("model_calls", machine=CNC)).content["items"]
    assert (call["callId"], call["outcome"], call["workOrderId"]) == (
        order["causeId"],
        "open",
        order["workOrderId"],
    )


async def test_work_goes_from_its_order_to_its_finding_and_the_model_is_measured_by_it(api: Api) -> None:
    order_id = (await only_order(api))["workOrderId"]
    started = await post(api, "start_work_order", {"workOrderId": order_id}, comment="tool is here")
    assert (started.status, started.content["state"], started.content["note"]) == (
        200,
        "inProgress",
        "tool is here",
    )
    done = {"component": "tool", "finding": "fault", "at": iso(MONDAY + HOUR)}
    assert (await post(api, "record_maintenance", {"machineId": CNC}, **done)).status == 200
    order = await only_order(api, "all")
    assert (order["state"], order["finding"], order["who"]) == ("done", "fault", "ann@acme.example")
    assert (await api("work_orders", machine=CNC)).content["items"] == []
    (item,) = (await api("models")).content["items"]
    assert (item["model"], item["confirmedCount"], item["missedCount"]) == ("wear", 1, 0)
    assert item["precision"]["value"] == 1.0
    assert item["precision"]["low"] < 0.3
    assert 50 * 60 < item["leadTimeS"]["median"] <= 60 * 60


async def test_a_key_records_maintenance_once_and_a_refusal_stays_one(api: Api) -> None:
    failed = {"component": "tool", "finding": "failed"}
    first = await post(api, "record_maintenance", {"machineId": MACHINES[1]}, "key", **failed)
    again = await post(api, "record_maintenance", {"machineId": MACHINES[1]}, "key", **failed)
    assert (first.status, again.status) == (200, 200)
    missed = [one for one in api.plant.of("call", MACHINES[1]) if one["outcome"] == "missed"]
    assert len(missed) == 1
    wrong = {"component": "belt", "workOrderId": f"{CNC}:9999"}
    for _ in range(2):
        refused = await post(api, "record_maintenance", {"machineId": CNC}, "other", **wrong)
        assert refused.status == 409
        assert "is no open work order for belt" in refused.content["detail"]


async def test_people_order_work_by_the_catalogue_or_in_their_own_words(api: Api) -> None:
    path = {"machineId": MACHINES[1]}
    ordered = await post(api, "open_work_order", path, component="tool", taskId="change-tool")
    assert (ordered.status, ordered.content["work"], ordered.content["cause"]) == (
        200,
        "Change the tool",
        "operator",
    )
    twice = await post(api, "open_work_order", path, component="tool", work="again")
    assert (twice.status, "is open for tool" in twice.content["detail"]) == (409, True)
    empty = await post(api, "open_work_order", path, component="belt")
    assert (empty.status, "neither what work" in empty.content["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("name", "path", "content", "status"),
    [
        ("record_maintenance", {"machineId": "GHOST"}, {"component": "tool"}, 404),
        ("record_maintenance", {"machineId": CNC}, {"component": "tool", "at": "2999-01-01T00:00:00Z"}, 400),
        ("record_maintenance", {"machineId": CNC}, {"component": "a b"}, 400),
        ("record_maintenance", {"machineId": CNC}, {"component": "tool", "finding": "maybe"}, 400),
        ("open_work_order", {"machineId": "GHOST"}, {"component": "tool", "work": "x"}, 404),
        ("start_work_order", {"workOrderId": f"{CNC}:9999"}, {}, 404),
        ("cancel_work_order", {"workOrderId": "nonsense"}, {}, 404),
    ],
)
async def test_what_makes_no_sense_is_a_problem_that_says_so(
    api: Api, name: str, path: dict[str, str], content: dict[str, Any], status: int
) -> None:
    answered = await post(api, name, path, **content)
    assert answered.status == status
    assert answered.content["detail"]


async def test_viewers_may_read_and_not_record(api: Api) -> None:
    assert (await api("work_orders", roles=("viewer",))).status == 200
    content = b'{"component": "tool"}'
    refused = await api("record_maintenance", {"machineId": CNC}, roles=("viewer",), content=content)
    assert refused.status == 403


def test_figures_count_only_what_was_judged_and_keep_versions_apart() -> None:
    def call(version: str, outcome: str, lead_s: float | None = None) -> dict[str, Any]:
        return {"model": "wear", "modelVersion": version, "outcome": outcome, "leadTimeS": lead_s}

    old, new = figures(
        [
            *(call("1.0.0", "confirmed", 3600.0 * n) for n in (1, 2, 9)),
            call("1.0.0", "falseCall"),
            *(call("1.0.0", outcome) for outcome in ("missed", "unknown", "open")),
            call("1.1.0", "open"),
        ]
    )
    assert (old["precision"]["value"], old["recall"]["value"]) == (0.75, 0.75)
    assert old["leadTimeS"] == {"median": 7200.0, "shortest": 3600.0}
    assert (new["precision"], new["recall"], new["leadTimeS"]) == (None, None, None)
