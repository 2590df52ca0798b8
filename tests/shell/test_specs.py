"""Applied descriptions as the pipeline reads them: pinned specs, the device directory."""

from dataclasses import replace
from pathlib import Path

import pytest

from millwright.documents import SiteVersion, site_versions
from millwright.factory_file import load
from millwright.versions import plan, point, specs_of, write
from shared.decode.profile import CompiledProfile
from shared.domain.alarms.rules import Limit
from shared.ports import Unavailable
from shared.specs import (
    DOUBTED_AFTER_S,
    KNOWN_AFTER_S,
    UNKNOWN_AFTER_S,
    SpecStore,
    UnknownSpec,
    compile_machine,
    spec_from_json,
    spec_to_json,
)
from tests.memory import MemoryDocuments

FACTORIES = Path(__file__).parents[2] / "factories"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def versions(name: str) -> list[SiteVersion]:
    return site_versions(load(FACTORIES / f"{name}.yaml", None).factory, {})


async def applied(documents: MemoryDocuments, *names: str) -> None:
    for name in names:
        for change in await plan(documents, versions(name)):
            await write(documents, change)
            await point(documents, change)


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(documents: MemoryDocuments, clock: Clock) -> SpecStore:
    return SpecStore(documents, clock=clock)


@pytest.mark.parametrize("path", sorted(FACTORIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_machine_of_a_shipped_factory_has_a_spec_that_survives_json(path: Path) -> None:
    for version in versions(path.stem):
        for spec in specs_of(version):
            assert spec_from_json(spec_to_json(spec)) == spec
            assert spec.devices
            assert spec.signals


async def test_a_spec_read_back_from_the_store_is_the_spec_that_was_applied(
    documents: MemoryDocuments, store: SpecStore
) -> None:
    await applied(documents, "smart-factory", "contoso-bakery")
    for name in ("smart-factory", "contoso-bakery"):
        for version in versions(name):
            for spec in specs_of(version):
                assert await store.machine_spec(spec.site_id, spec.line_id, spec.machine_id, 1) == spec


async def test_a_spec_is_read_from_the_store_once(documents: MemoryDocuments, store: SpecStore) -> None:
    await applied(documents, "smart-factory")
    first = await store.machine_spec("GRAZ", "LINE-1", "LINE-1-CNC-1", 1)
    documents.broken = True
    assert await store.machine_spec("GRAZ", "LINE-1", "LINE-1-CNC-1", 1) is first
    assert (await store.machine_spec("GRAZ", "LINE-1", "LINE-1-ROBOT-1", 1)).machine_class == "Robot"
    with pytest.raises(Unavailable):
        await store.machine_spec("GRAZ", "LINE-2", "LINE-2-CNC-1", 1)


async def test_what_was_never_applied_is_an_unknown_spec(
    documents: MemoryDocuments, store: SpecStore
) -> None:
    await applied(documents, "smart-factory")
    for line, machine, version in (
        ("LINE-1", "LINE-1-CNC-9", 1),
        ("LINE-9", "LINE-1-CNC-1", 1),
        ("LINE-1", "LINE-1-CNC-1", 2),
    ):
        with pytest.raises(UnknownSpec):
            await store.machine_spec("GRAZ", line, machine, version)


async def test_the_directory_knows_the_devices_of_all_sites(
    documents: MemoryDocuments, store: SpecStore
) -> None:
    await applied(documents, "smart-factory", "contoso-bakery")
    gateway = await store.device("LINE-2-GATEWAY")
    assert gateway is not None
    assert (gateway.site_id, gateway.version, gateway.profile) == ("GRAZ", 1, None)
    assert gateway.machines == {
        f"LINE-2-{name}": "LINE-2" for name in ("CNC-1", "CNC-2", "ROBOT-1", "CONVEYOR-1")
    }
    fryer = await store.device("MIA-FRYER-GATEWAY")
    assert fryer is not None
    assert isinstance(fryer.profile, CompiledProfile)
    assert fryer.default_machine == "MIA-DONUTS-FRYER-1"


async def test_an_unknown_device_makes_the_directory_look_again_but_not_all_the_time(
    documents: MemoryDocuments, clock: Clock, store: SpecStore
) -> None:
    assert await store.device("LINE-1-GATEWAY") is None
    await applied(documents, "smart-factory")
    assert await store.device("LINE-1-GATEWAY") is None
    clock.now += UNKNOWN_AFTER_S
    assert await store.device("LINE-1-GATEWAY") is not None
    documents.broken = True
    assert await store.device("STRANGER") is None
    clock.now += UNKNOWN_AFTER_S
    assert await store.device("LINE-1-GATEWAY") is not None
    with pytest.raises(Unavailable):
        await store.device("STRANGER")


async def test_a_new_version_reaches_the_directory_by_itself(
    documents: MemoryDocuments, clock: Clock, store: SpecStore
) -> None:
    await applied(documents, "smart-factory")
    assert await store.device("LINE-1-GATEWAY") is not None
    for change in await plan(documents, versions("smart-factory")):
        await write(documents, replace(change, wanted=change.wanted.numbered(2)))
        await point(documents, replace(change, wanted=change.wanted.numbered(2)))
    clock.now += KNOWN_AFTER_S
    entry = await store.device("LINE-1-GATEWAY")
    assert entry is not None
    assert entry.version == 2


async def test_a_device_that_is_doubted_makes_the_directory_look_again_a_second_later(
    documents: MemoryDocuments, clock: Clock, store: SpecStore
) -> None:
    await applied(documents, "smart-factory")
    before = await store.device("LINE-1-GATEWAY")
    for change in await plan(documents, versions("smart-factory")):
        await write(documents, replace(change, wanted=change.wanted.numbered(2)))
        await point(documents, replace(change, wanted=change.wanted.numbered(2)))
    assert await store.device("LINE-1-GATEWAY", doubted=True) is before
    clock.now += DOUBTED_AFTER_S
    assert await store.device("LINE-1-GATEWAY") is before
    after = await store.device("LINE-1-GATEWAY", doubted=True)
    assert after is not None
    assert after.version == 2


def test_a_line_changes_rules_of_its_machines_and_of_no_others() -> None:
    by_id = {spec.machine_id: spec for version in versions("contoso-bakery") for spec in specs_of(version)}
    limits = {
        name: next(rule.limit for rule in by_id[name].rules if rule.rule_id == "temperature-high")
        for name in ("MEX-PASTRY-OVEN-1", "SEA-PASTRY-OVEN-1")
    }
    assert limits == {"MEX-PASTRY-OVEN-1": 245.0, "SEA-PASTRY-OVEN-1": 255.0}
    [rule] = [rule for rule in by_id["MEX-PASTRY-OVEN-1"].rules if rule.rule_id == "temperature-high"]
    assert isinstance(rule.condition, Limit)
    assert rule.condition.deadband == 5.0


def test_compiling_takes_the_machines_line_and_version() -> None:
    (version,) = versions("smart-factory")
    spec = compile_machine(version.numbered(7).site, version.numbered(7).lines[0], "LINE-1-CNC-1")
    assert (spec.version, spec.subject) == (7, "GRAZ/LINE-1/LINE-1-CNC-1")
    assert spec.ideal_cycle_ms == {"P-100": 30_000, "P-200": 45_000, "P-300": 60_000}
    assert [binding.attributes for binding in spec.models] == [(("quality_grade", 1.0),)]
