"""The shipped factories' bindings with the shipped models, from readings to recommended work."""

from pathlib import Path
from random import Random

from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.model_cards import read_cards
from millwright.versions import specs_of
from shared.commit import Loaded, decide
from shared.domain.advance import initial
from shared.domain.effects import CallChanged, PredictionMade
from shared.domain.inputs import Reading
from shared.scoring import Scorer
from tests.machine import of
from tests.plants import MINUTE, MONDAY, reading

ROOT = Path(__file__).parents[2]
LEARNT_MIN = 400
"""Minutes with data until the anomaly model knows its machine."""


def test_a_conveyor_is_warned_of_once_it_moves_as_it_never_did_while_healthy() -> None:
    cards = read_cards(ROOT / "models")
    factory = load(ROOT / "factories/smart-factory.yaml", cards).factory
    (spec,) = (
        spec
        for version in site_versions(factory, cards)
        for spec in specs_of(version)
        if spec.machine_id == "LINE-1-CONVEYOR-1"
    )
    random = Random(5)
    faulty_from = LEARNT_MIN + 120
    readings: list[Reading] = []
    for minute in range(faulty_from + 60):
        running = minute % 50 < 40
        # Bearings wear: it shakes and draws more than load explains.
        more = (minute - faulty_from) / 20 if minute > faulty_from and running else 0.0
        readings.append(
            reading(
                minute,
                MONDAY + minute * MINUTE,
                temperature_c=36.0 + random.gauss(0, 0.3),
                vibration_mm_s=(1.1 if running else 0.2) + random.gauss(0, 0.05) + more,
                power_kw=(1.5 if running else 0.1) + random.gauss(0, 0.03) + 0.3 * more,
                belt_speed_m_s=(0.5 if running else 0.0) + abs(random.gauss(0, 0.003)),
            )
        )

    (done,) = decide([(Loaded(spec, initial(spec), None), readings)], Scorer(ROOT / "models"))

    told = [one for one in of(PredictionMade, done.effects) if one.health.model == "anomaly"]
    learning, healthy, faulty = (
        [one for one in told if begin <= (one.health.at - MONDAY) / MINUTE < end]
        for begin, end in ((0, LEARNT_MIN - 1), (LEARNT_MIN, faulty_from), (faulty_from, 1e9))
    )
    assert {one.health.amount for one in learning} == {None}
    assert learning[-1].health.reason == (
        "not known: x1.away, x2.away, x3.away and 5 more (baseline immature: 336 of 340 panes)"
    )
    assert healthy
    assert not any(one.health.warning or one.health.reason for one in healthy)
    warned = [one for one in faulty if one.health.warning]
    assert warned
    assert {one.contributions[0][0] for one in warned} <= {"vibration_mm_s", "power_kw"}
    assert {one.task.task_id for one in warned if one.task} == {"inspect-drive"}
    assert len({one.call.call_id for one in of(CallChanged, done.effects)}) == 1
