"""Versions of a description: when a new one is due, whom it concerns, and that none ever changes."""

from pathlib import Path

import pytest

from millwright.documents import SiteVersion, site_versions
from millwright.factory_file import parse
from millwright.versions import SiteChange, plan, point, specs_of, write
from shared.specs import SPECS
from tests.memory import MemoryDocuments

TEXT = (Path(__file__).parents[2] / "factories" / "smart-factory.yaml").read_text(encoding="utf-8")
HOTTER = TEXT.replace("limit: 75 °C", "limit: 78 °C")


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments()


def version(text: str = TEXT) -> SiteVersion:
    (only,) = site_versions(parse(text.encode(), None, file="f.yaml"), {})
    return only


async def planned(documents: MemoryDocuments, text: str = TEXT) -> SiteChange:
    (change,) = await plan(documents, [version(text)])
    return change


async def apply(documents: MemoryDocuments, text: str = TEXT) -> SiteChange:
    change = await planned(documents, text)
    await write(documents, change)
    await point(documents, change)
    return change


def numbers(documents: MemoryDocuments) -> set[int]:
    return {document["version"] for document in documents.all(SPECS)}


async def test_the_first_version_concerns_every_machine(documents: MemoryDocuments) -> None:
    change = await apply(documents)
    assert (change.wanted.site.version, len(change.added), change.changed) == (1, 12, ())
    assert {spec.machine_id for spec in change.affected()} == set(change.added)


async def test_the_same_content_again_is_no_new_version(documents: MemoryDocuments) -> None:
    await apply(documents)
    again = await planned(documents, "# A comment.\n" + TEXT)
    assert not again.is_new
    assert list(again.affected()) == []
    assert again.wanted.site.version == 1


async def test_a_new_version_concerns_the_machines_that_it_changes(documents: MemoryDocuments) -> None:
    await apply(documents)
    change = await apply(documents, HOTTER)
    assert change.changed == ("LINE-1-ROBOT-1", "LINE-2-ROBOT-1", "LINE-3-ROBOT-1")
    assert {spec.version for spec in change.affected()} == {2}
    assert numbers(documents) == {1, 2}


async def test_returning_to_old_content_is_a_new_version_all_the_same(documents: MemoryDocuments) -> None:
    await apply(documents)
    await apply(documents, HOTTER)
    assert (await apply(documents)).wanted.site.version == 3


async def test_a_calendar_concerns_everybody_a_name_concerns_nobody(documents: MemoryDocuments) -> None:
    await apply(documents)
    assert len((await planned(documents, TEXT.replace("2027-01-06", "2027-01-07"))).changed) == 12
    renamed = await planned(documents, TEXT.replace("name: Housings", "name: Bearing housings"))
    assert renamed.is_new
    assert renamed.changed == ()


async def test_a_machine_that_is_gone_from_the_file_keeps_its_last_spec(documents: MemoryDocuments) -> None:
    await apply(documents)
    rest = "\n".join(line for line in TEXT.splitlines() if "{id: LINE-3-CONVEYOR-1" not in line)
    change = await apply(documents, rest.replace(", feeds: [LINE-3-CONVEYOR-1]", ""))
    assert change.removed == ("LINE-3-CONVEYOR-1",)
    assert "LINE-3-CONVEYOR-1" not in {spec.machine_id for spec in change.affected()}
    lines = [d for d in documents.all(SPECS) if d.get("lineId") == "LINE-3" and d["version"] == 1]
    assert "LINE-3-CONVEYOR-1" in lines[0]["machines"]


async def test_an_interrupted_apply_is_completed_under_the_same_number(documents: MemoryDocuments) -> None:
    await apply(documents)
    await write(documents, await planned(documents, HOTTER))
    resumed = await apply(documents, HOTTER)
    assert (resumed.wanted.site.version, len(resumed.changed)) == (2, 3)


async def test_another_file_after_an_interrupted_apply_never_rewrites_its_version(
    documents: MemoryDocuments,
) -> None:
    """Machines may be pinned to the interrupted version already, so it stays, and all are told."""
    await apply(documents)
    await write(documents, await planned(documents, HOTTER))
    before = {document["id"]: document for document in documents.all(SPECS)}
    other = await apply(documents, TEXT.replace("limit: 75 °C", "limit: 80 °C"))
    assert other.wanted.site.version == 3
    assert set(other.changed) == {spec.machine_id for spec in specs_of(version())}
    after = {document["id"]: document for document in documents.all(SPECS)}
    assert all(after[name] == document for name, document in before.items() if name != "current")
