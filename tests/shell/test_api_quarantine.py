"""Quarantined messages: listed, read, folded again; against the document store in memory."""

import base64
import json
from typing import Any

import pytest

from shared.contracts.documents.quarantine import QuarantineDocument
from shared.contracts.profile import Profile
from shared.decode import DeviceEntry
from shared.decode.profile import CompiledProfile
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.ports import Unavailable
from shared.replay import Replay
from shared.state_document import from_document
from tests.plants import DAY, MONDAY, SECOND, ArithmeticScorer, another
from tests.shell.test_api import Api
from tests.shell.test_ingest import MACHINES, Plant, body, message

NEW = "LINE-1-CNC-9"
DAY_OF = "GATEWAY-1/20260309"
SENT = [(NEW, MONDAY), (MACHINES[0], MONDAY), (NEW, MONDAY + SECOND)]


class Growing(Plant):
    """A plant whose description can learn of one more machine, a device and a profile."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = set(MACHINES)
        self.strangers = {"GATEWAY-2"}
        self.profile: CompiledProfile | None = None

    async def device(self, device_id: str, *, doubted: bool = False) -> DeviceEntry | None:
        if device_id in self.strangers:
            return None
        return DeviceEntry(device_id, "SITE-1", 1, dict.fromkeys(self.listed, "LINE-1"), self.profile)

    async def machine_spec(self, site_id: str, line_id: str, machine_id: str, version: int) -> MachineSpec:
        return another(machine_id)

    async def learn(self) -> None:
        self.listed.add(NEW)
        await self.machines.describe(another(NEW), now=MONDAY)

    def state(self, machine_id: str) -> MachineState:
        return from_document(self.documents.partition("machines", machine_id)["state"])


@pytest.fixture
async def plant() -> Growing:
    plant = Growing()
    await plant.describe()
    return plant


@pytest.fixture
def api(plant: Growing) -> Api:
    return Api(plant)


def replay(plant: Plant) -> Replay:
    return Replay(plant.machines, plant, plant.documents, ArithmeticScorer())


def array(*readings: tuple[str, int], **fields: Any) -> bytes:
    return json.dumps([json.loads(body(machine_id, at, **fields)) for machine_id, at in readings]).encode()


async def only(api: Api) -> dict[str, str]:
    """The path of the one quarantined message."""
    [found] = (await api("quarantine")).content["items"]
    return {"device": found["device"], "day": "2026-03-09", "id": found["id"]}


async def test_quarantine_is_listed_by_device_and_day_machine_and_reason(api: Api) -> None:
    await api.plant.ingest([message(1, b"{"), message(2, array(*SENT)), message(3, b"{", at=MONDAY + DAY)])
    found = (await api("quarantine")).content["items"]
    assert [one["arrivedAt"][:10] for one in found] == [
        "2026-03-10",
        "2026-03-09",
        "2026-03-09",
        "2026-03-09",
    ]
    assert len((await api("quarantine", device="GATEWAY-1", day="2026-03-09")).content["items"]) == 3
    assert len((await api("quarantine", device="GATEWAY-1", day="20260310")).content["items"]) == 1
    assert (await api("quarantine", device="GATEWAY-2")).content["items"] == []
    assert len((await api("quarantine", machine=NEW, limit="1")).content["items"]) == 1
    assert len((await api("quarantine", reason="notJson")).content["items"]) == 2


async def test_a_quarantined_message_keeps_its_bytes(api: Api) -> None:
    await api.plant.ingest([message(1, b"\xff{")])
    found = (await api("quarantined", await only(api))).content
    assert base64.b64decode(found["body"]) == b"\xff{"


async def test_a_message_is_folded_once_its_cause_is_mended(api: Api, plant: Growing) -> None:
    await plant.ingest([message(1, body(NEW, MONDAY, counts={"good": 1}))])
    await plant.learn()
    path = await only(api)
    done = await api("replay_quarantined", path)
    assert done.content == {"readingCount": 1, "rejected": []}
    state = plant.state(NEW)
    assert (state.reading_count, state.reading_at, state.arrived_at) == (1, MONDAY, MONDAY + 300)
    assert plant.documents.all("quarantine") == []
    assert (await api("replay_quarantined", path)).status == 404


async def test_a_message_whose_cause_is_not_mended_stays_under_its_id(api: Api, plant: Growing) -> None:
    await plant.ingest([message(1, body(NEW, MONDAY))])
    path = await only(api)
    for _ in range(3):
        again = await api("replay_quarantined", path)
        assert again.content["readingCount"] == 0
        assert [one["id"] for one in again.content["rejected"]] == [path["id"]]
        assert await only(api) == path
    await plant.learn()
    assert (await api("replay_quarantined", path)).content == {"readingCount": 1, "rejected": []}


async def test_the_reason_is_the_newest_one(api: Api, plant: Growing) -> None:
    await plant.ingest([message(1, body(NEW, MONDAY), device="GATEWAY-2")])
    plant.strangers.clear()
    path = await only(api)
    again = await api("replay_quarantined", path)
    assert [one["reason"] for one in again.content["rejected"]] == ["notItsDevice"]
    [document] = plant.documents.all("quarantine")
    QuarantineDocument.model_validate({k: v for k, v in document.items() if k[0] != "_"})


async def test_what_is_rejected_again_of_an_array_stays_and_is_folded_later(api: Api, plant: Growing) -> None:
    """The device was unknown, so the array is kept whole; then one of its machines still is."""
    await plant.ingest([message(1, array(*SENT), device="GATEWAY-2")])
    plant.strangers.clear()
    done = await api("replay_quarantined", await only(api))
    assert done.content["readingCount"] == 1
    assert {one["machineId"] for one in done.content["rejected"]} == {NEW}
    assert len(plant.documents.all("quarantine")) == 2
    await plant.learn()
    for part in done.content["rejected"]:
        path = {"device": "GATEWAY-2", "day": "20260309", "id": part["id"]}
        assert (await api("replay_quarantined", path)).content == {"readingCount": 1, "rejected": []}
    assert plant.documents.all("quarantine") == []
    assert (plant.state(MACHINES[0]).reading_count, plant.state(NEW).reading_count) == (1, 2)


@pytest.mark.parametrize("lost", range(1, 5))
async def test_a_replay_that_was_cut_short_is_completed_by_repeating_it(plant: Growing, lost: int) -> None:
    """Each commit in turn is applied but its answer lost; a fresh worker repeats the replay."""
    await plant.ingest([message(1, array(*SENT, counts={"good": 5}), device="GATEWAY-2")])
    [document] = plant.documents.all("quarantine")
    plant.strangers.clear()
    plant.documents.fail_after_commits = {plant.documents.commit_count + lost}
    try:
        await replay(plant)(document["deviceDay"], document["id"])
    except Unavailable:
        plant.worker()
        await replay(plant)(document["deviceDay"], document["id"])
    assert plant.state(MACHINES[0]).reading_count == 1
    left = plant.documents.all("quarantine")
    assert {one["machineId"] for one in left} == {NEW}
    assert len(left) == 2


async def test_a_reading_from_the_far_future_stays_whatever_is_mended(api: Api, plant: Growing) -> None:
    future = body(
        MACHINES[0], MONDAY + DAY, signals={"torque_nm": 7.0}, order={"id": "O-1", "product": "gear"}
    )
    await plant.ingest([message(1, future)])
    path = await only(api)
    for _ in range(2):
        again = await api("replay_quarantined", path)
        assert [one["reason"] for one in again.content["rejected"]] == ["far-future"]
    kept = json.loads(base64.b64decode((await api("quarantined", path)).content["body"]))
    assert kept["machineId"] == MACHINES[0]
    assert kept["signals"] == {"torque_nm": 7.0}


async def test_a_profiles_message_is_read_by_the_profile_once_that_is_mended(plant: Growing) -> None:
    def reads(field: str) -> CompiledProfile:
        fields = {"machineId": "machine", "timestamp": field, "counts.good": "made"}
        return CompiledProfile(Profile.model_validate({"fields": fields}), {})

    plant.profile = reads("items(at)")
    raw = {"machine": MACHINES[0], "at": "2026-03-09T00:00:00Z", "made": 3}
    await plant.ingest([message(1, json.dumps(raw).encode())])
    [document] = plant.documents.all("quarantine")
    plant.profile = reads("at")
    outcome = await replay(plant)(document["deviceDay"], document["id"])
    assert outcome is not None
    assert (outcome.reading_count, document["reason"]) == (1, "profileFailed")


async def test_what_a_profile_made_of_a_message_is_replayed_without_it(plant: Growing) -> None:
    fields = {"machineId": "machine", "timestamp": "at", "counts.good": "made"}
    plant.profile = CompiledProfile(Profile.model_validate({"fields": fields}), {})
    raw = {"machine": NEW, "at": "2026-03-09T00:00:00Z", "made": 3}
    await plant.ingest([message(1, json.dumps(raw).encode())])
    [document] = plant.documents.all("quarantine")
    assert document["reason"] == "notItsDevice"
    await plant.learn()
    outcome = await replay(plant)(document["deviceDay"], document["id"])
    assert outcome is not None
    assert outcome.reading_count == 1
    assert plant.state(NEW).reading_count == 1


async def test_a_hundred_replays_do_not_swell_a_machines_state(plant: Growing) -> None:
    await plant.ingest(
        [message(n, body(NEW, MONDAY + n * SECOND), at=MONDAY + n * SECOND) for n in range(100)]
    )
    await plant.learn()
    fold = replay(plant)
    for document in plant.documents.all("quarantine"):
        await fold(document["deviceDay"], document["id"])
    state = plant.state(NEW)
    assert state.reading_count == 100
    assert sum(source.startswith("replay/") for source in state.positions) == 32
