"""The program as people run it, against the Cosmos DB and Digital Twins of the local cloud."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from azure.digitaltwins.core.aio import DigitalTwinsClient
from typer.testing import CliRunner

from millwright.__main__ import app
from millwright.connect import connected, local_target
from millwright.described import described
from millwright.documents import site_versions
from millwright.factory_file import load, parse
from millwright.graph import Graph, difference
from millwright.ontology import Ontology
from shared.adapters.containers import ensure
from shared.adapters.cosmos import cosmos_client
from shared.adapters.credentials import credential
from shared.adapters.transport import transport
from shared.described import Twin
from shared.specs import SpecStore
from tests.local_cloud.conftest import ServiceProcess, launch

__all__ = ["launch"]

ROOT = Path(__file__).parents[2]
SMART = ROOT / "factories" / "smart-factory.yaml"
BAKERY = ROOT / "factories" / "contoso-bakery.yaml"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


def millwright(*arguments: str | Path, **environment: str) -> Ran:
    """Run a command in this process: starting one takes longer than most commands."""
    found = CliRunner().invoke(
        app, list(map(str, arguments)), env={"COLUMNS": "200", **environment}, prog_name="millwright"
    )
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exc_info
    return Ran(found.exit_code, found.stdout, found.stderr)


def process(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Run a command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "millwright", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def cloud(launch: Callable[..., ServiceProcess], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a local cloud with Cosmos DB and Digital Twins, containers made."""
    folder = tmp_path_factory.mktemp("cloud")
    endpoints = {
        **launch("cosmos", folder).endpoints,
        **launch("digital-twins", folder).endpoints,
        "ca": str(folder / "ca.pem"),
    }
    (folder / "endpoints.json").write_text(json.dumps(endpoints))

    async def make() -> None:
        async with cosmos_client(endpoints["cosmos"], endpoints["cosmosKey"]) as client:
            await ensure(client)

    asyncio.run(make())
    return folder


async def spec_limits(cloud: Path, version: int) -> dict[str, float]:
    """Limit of rule temperature-high of two machines, in a version."""
    async with connected(local_target(cloud)) as there:
        store = SpecStore(there.documents, clock=time.monotonic)
        specs = [
            await store.machine_spec("GRAZ", "LINE-1", name, version)
            for name in ("LINE-1-CNC-1", "LINE-1-ROBOT-1")
        ]
    return {
        spec.machine_id: next(rule.limit for rule in spec.rules if rule.rule_id == "temperature-high")
        for spec in specs
    }


async def pinned(cloud: Path, site: str) -> dict[str, int]:
    """Machine -> the spec version that its state is pinned to, of one site."""
    async with connected(local_target(cloud)) as there:
        sql = "SELECT * FROM c WHERE c.type = 'state' AND c.siteId = @site"
        found = there.documents.query("machines", sql, {"@site": site})
        return {document["machineId"]: document["specVersion"] async for document in found}


async def graph(cloud: Path) -> Graph:
    async with connected(local_target(cloud)) as there:
        return await there.twins.graph()


async def device_site(cloud: Path, device_id: str) -> str | None:
    async with connected(local_target(cloud)) as there:
        entry = await SpecStore(there.documents, clock=time.monotonic).device(device_id)
    return None if entry is None else entry.site_id


@asynccontextmanager
async def digital_twins(cloud: Path) -> AsyncGenerator[DigitalTwinsClient]:
    """Microsoft's client, as somebody else uses it."""
    there = json.loads((cloud / "endpoints.json").read_text())
    trusting = transport(connection_verify=there["ca"])
    async with DigitalTwinsClient(there["digitalTwins"], credential("local"), transport=trusting) as client:
        yield client


async def kill_once_there(running: subprocess.Popen[str], twin: str, cloud: Path) -> None:
    """Kill the process as soon as the twin exists."""
    deadline = time.monotonic() + 60
    async with connected(local_target(cloud)) as there:
        while twin not in (await there.twins.graph()).twins:
            assert time.monotonic() < deadline
            assert running.poll() is None, "it was done before it could be killed"
            await asyncio.sleep(0.02)
    running.kill()
    running.communicate()


def test_a_factory_is_applied_once_and_changed_where_its_file_changes(cloud: Path, tmp_path: Path) -> None:
    planned = millwright("factory", "diff", SMART, "--local", cloud, "--json")
    assert planned.code == 0
    assert planned.json["changed"]
    assert len(planned.json["sites"][0]["machinesAdded"]) == 12

    first = millwright("factory", "apply", SMART, "--local", cloud)
    assert first.code == 0, first.err
    assert "version 1" in first.out
    twins = asyncio.run(graph(cloud))
    assert twins.twins["LINE-1-CNC-1"].model == "dtmi:millwright:CncMachine;1"
    relations = {(one.source, one.name, one.target) for one in twins.relationships.values()}
    assert {
        ("MILLWRIGHT", "contains", "GRAZ"),
        ("GRAZ", "contains", "LINE-1"),
        ("LINE-1", "contains", "LINE-1-CNC-1"),
        ("LINE-1-CNC-1", "feeds", "LINE-1-ROBOT-1"),
        ("LINE-1-CNC-1", "contains", "LINE-1-CNC-1.temperature_c"),
        ("LINE-1-CNC-1.temperature_c", "monitors", "LINE-1-CNC-1"),
    } <= relations
    assert set(asyncio.run(pinned(cloud, "GRAZ")).values()) == {1}

    again = millwright("factory", "apply", SMART, "--local", cloud, "--json")
    assert (again.code, again.json["changed"]) == (0, False)

    changed = tmp_path / "changed.yaml"
    text = SMART.read_text(encoding="utf-8").replace("limit: 75 °C", "limit: 78 °C", 1)
    changed.write_text(text.replace("name: Housings", "name: Bearing housings"), encoding="utf-8")
    second = millwright("factory", "apply", changed, "--local", cloud, "--json")
    assert second.code == 0, second.err
    (site,) = second.json["sites"]
    assert (site["version"], site["appliedVersion"], site["machinesAdded"]) == (2, 1, [])
    assert site["machinesChanged"] == ["LINE-1-ROBOT-1", "LINE-2-ROBOT-1", "LINE-3-ROBOT-1"]
    assert (second.json["twinsChanged"], second.json["twinsCreated"]) == (["LINE-1"], [])
    assert asyncio.run(spec_limits(cloud, 1)) == {"LINE-1-CNC-1": 85.0, "LINE-1-ROBOT-1": 75.0}
    assert asyncio.run(spec_limits(cloud, 2)) == {"LINE-1-CNC-1": 85.0, "LINE-1-ROBOT-1": 78.0}
    versions = asyncio.run(pinned(cloud, "GRAZ"))
    assert (versions["LINE-1-CNC-1"], versions["LINE-1-ROBOT-1"]) == (1, 2)


async def test_a_stale_comparison_leaves_live_values_alone(cloud: Path) -> None:
    """The service's queries lag: a twin that they do not show yet must not be made anew."""
    versions = site_versions(load(SMART, None).factory, {})
    whole, ontology = described(versions, Ontology.shipped(ROOT / "dtdl"))
    twins = {name: whole.twins[name] for name in ("LINE-1", "LINE-1-CNC-1")}
    contains = ("LINE-1", "contains.LINE-1-CNC-1")
    wanted = Graph(whole.models, twins, {contains: whole.relationships[contains]})
    nothing = Graph({}, {}, {})
    machine = wanted.twins["LINE-1-CNC-1"]
    live = Twin(machine.id, machine.model, {"temperatureC": 41.5})
    async with connected(local_target(cloud)) as there:
        made = difference(await there.twins.graph(), wanted)
        await there.twins.change(made, ontology, lambda: None)
        before = replace(live, properties={})
        await there.twins.change(
            replace(difference(wanted, wanted), changed_twins=[(before, live)]), ontology, lambda: None
        )
        stale = replace(difference(nothing, wanted), models=[])
        await there.twins.change(stale, ontology, lambda: None)
        found = await there.twins.graph()
        assert difference(await there.twins.graph(), wanted).count == 0
    assert found.twins[live.id].properties["temperatureC"] == 41.5


async def test_a_large_graph_goes_through_an_import_job(cloud: Path) -> None:
    """The job makes what requests one by one would make, and says so when it did not."""
    text = SMART.read_text(encoding="utf-8").replace("LINE-", "BULK-").replace("GRAZ", "BULK")
    text = text.replace("P-", "BULK-P-")
    factory = parse(text.replace("id: MILLWRIGHT", "id: BULK-CO").encode(), None, file="f.yaml")
    wanted, ontology = described(site_versions(factory, {}), Ontology.shipped(ROOT / "dtdl"))
    async with connected(local_target(cloud)) as there:
        bulk = there.twins.bulk
        assert bulk is not None
        change = difference(await there.twins.graph(), wanted)
        assert len(change.twins) == len(wanted.twins)
        assert await bulk(change, ontology)
        assert difference(await there.twins.graph(), wanted).count == 0
        assert not await bulk.settled()
        strange = replace(
            change,
            models=[],
            twins=[Twin("BULK-X", "dtmi:millwright:Sensor;1", {"colour": 1})],
            relationships=[],
        )
        assert not await bulk(strange, ontology)


def test_an_apply_that_was_killed_is_completed_by_running_it_again(cloud: Path) -> None:
    """Killed once the first twins are written, which is in the middle."""
    running = process("factory", "apply", BAKERY, "--local", cloud)
    asyncio.run(kill_once_there(running, "SEATTLE", cloud))
    assert asyncio.run(pinned(cloud, "MIAMI")) == {}
    assert millwright("factory", "apply", BAKERY, "--local", cloud).code == 0
    done = millwright("factory", "diff", BAKERY, "--local", cloud, "--json")
    assert not done.json["changed"]
    assert [site["version"] for site in done.json["sites"]] == [1, 1, 1]
    assert set(asyncio.run(pinned(cloud, "MIAMI")).values()) == {1}


def test_a_live_graph_exported_and_read_again_is_what_was_applied(cloud: Path, tmp_path: Path) -> None:
    assert millwright("factory", "apply", BAKERY, "--local", cloud).code == 0
    written = tmp_path / "exported.yaml"
    found = millwright("factory", "export", "--local", cloud, "--enterprise", "CONTOSO", "--output", written)
    assert found.code == 0, found.err
    assert "left out" not in found.err
    assert millwright("factory", "check", written).code == 0
    again = millwright("factory", "diff", written, "--local", cloud, "--json", "--prune")
    assert again.json["changed"] is False, again.out


def test_several_enterprises_are_exported_by_name(cloud: Path) -> None:
    for file in (SMART, BAKERY):
        assert millwright("factory", "apply", file, "--local", cloud).code == 0
    found = millwright("factory", "export", "--local", cloud)
    assert found.code == 2
    assert "CONTOSO, MILLWRIGHT: name one with --enterprise" in found.err
    found = millwright("factory", "export", "--local", cloud, "--enterprise", "ACME")
    assert "no enterprise ACME" in found.err


async def by_hand(cloud: Path) -> None:
    """Somebody moves LINE-1-CNC-2 to LINE-2 and renames LINE-1-CNC-1, in the graph."""
    async with digital_twins(cloud) as client:
        await client.delete_relationship("LINE-1", "contains.LINE-1-CNC-2")
        moved = {
            "$relationshipName": "contains",
            "$targetId": "LINE-1-CNC-2",
            "position": 9,
        }
        await client.upsert_relationship("LINE-2", "moved-by-hand", moved)
        await client.delete_relationship("LINE-1-CNC-2", "feeds.LINE-1-ROBOT-1")
        await client.upsert_relationship(
            "LINE-1-CNC-2", "fed", {"$relationshipName": "feeds", "$targetId": "LINE-2-ROBOT-1"}
        )
        await client.update_digital_twin(
            "LINE-1-CNC-1", [{"op": "add", "path": "/name", "value": "Old faithful"}]
        )


def test_what_was_changed_by_hand_is_put_back_by_apply_or_taken_over_by_export(
    cloud: Path, tmp_path: Path
) -> None:
    assert millwright("factory", "apply", SMART, "--local", cloud).code == 0
    asyncio.run(by_hand(cloud))
    seen = millwright("factory", "diff", SMART, "--local", cloud, "--json").json
    assert seen["twinsChanged"] == ["LINE-1-CNC-1"]
    assert ["LINE-1", "contains", "LINE-1-CNC-2"] in seen["relationshipsCreated"]
    assert ["LINE-2", "contains", "LINE-1-CNC-2"] in seen["relationshipsNoLongerDescribed"]

    written = tmp_path / "taken-over.yaml"
    assert (
        millwright("factory", "export", "--local", cloud, "--enterprise", "MILLWRIGHT", "-o", written).code
        == 0
    )
    factory = load(written, None).factory
    lines = {line.id: {machine.id: machine for machine in line.machines} for line in factory.sites[0].lines}
    assert list(lines["LINE-2"])[-1] == "LINE-1-CNC-2"
    assert lines["LINE-2"]["LINE-1-CNC-2"].feeds == ["LINE-2-ROBOT-1"]
    assert lines["LINE-1"]["LINE-1-CNC-1"].name == "Old faithful"
    applied = millwright("factory", "apply", written, "--local", cloud, "--json")
    assert applied.json["sites"][0]["machinesChanged"] == ["LINE-1-CNC-2"]

    back = millwright("factory", "apply", SMART, "--local", cloud, "--prune", "--json")
    assert back.code == 0, back.err
    assert not millwright("factory", "diff", SMART, "--local", cloud, "--prune", "--json").json["changed"]
    found = asyncio.run(graph(cloud))
    assert {one.source for one in found.relationships.values() if one.target == "LINE-1-CNC-2"} & {
        "LINE-1",
        "LINE-2",
    } == {"LINE-1"}


def test_nothing_is_deleted_without_prune_and_with_it_only_what_is_ours(cloud: Path, tmp_path: Path) -> None:
    assert millwright("factory", "apply", BAKERY, "--local", cloud).code == 0
    assert millwright("factory", "apply", SMART, "--local", cloud).code == 0
    before = asyncio.run(graph(cloud)).twins.keys()
    smaller = tmp_path / "smaller.yaml"
    text = SMART.read_text(encoding="utf-8")
    head, rest = text.split("      - id: LINE-2\n")
    smaller.write_text(
        head + "      - id: LINE-3\n" + rest.split("      - id: LINE-3\n")[1], encoding="utf-8"
    )

    kept = millwright("factory", "apply", smaller, "--local", cloud)
    assert kept.code == 0, kept.err
    assert "--prune deletes them" in kept.err
    assert asyncio.run(graph(cloud)).twins.keys() == before

    pruned = millwright("factory", "apply", smaller, "--local", cloud, "--prune", "--json")
    assert pruned.code == 0, pruned.err
    after = asyncio.run(graph(cloud)).twins.keys()
    assert before - after == set(pruned.json["twinsNoLongerDescribed"])
    assert {"LINE-2", "LINE-2-CNC-1", "LINE-2-CNC-1.torque_nm"} <= before - after
    assert all(name.startswith("LINE-2") for name in before - after)
    assert not millwright("factory", "diff", smaller, "--local", cloud, "--prune", "--json").json["changed"]


def test_a_site_that_is_pruned_is_unknown_until_it_returns(cloud: Path, tmp_path: Path) -> None:
    assert millwright("factory", "apply", BAKERY, "--local", cloud).code == 0
    fewer = tmp_path / "fewer.yaml"
    text = BAKERY.read_text(encoding="utf-8").split("  - id: MIAMI\n")[0]
    before, _, policies = text.partition("  - id: miami\n")
    text = before + "  - id: mexico\n" + policies.partition("  - id: mexico\n")[2]
    fewer.write_text(text, encoding="utf-8")
    assert millwright("factory", "apply", fewer, "--local", cloud).code == 0, text
    assert asyncio.run(device_site(cloud, "MIA-BREAD-GATEWAY")) == "MIAMI"
    pruned = millwright("factory", "apply", fewer, "--local", cloud, "--prune", "--json")
    assert pruned.json["sitesNoLongerDescribed"] == ["MIAMI"]
    assert asyncio.run(device_site(cloud, "MIA-BREAD-GATEWAY")) is None
    assert "MIAMI" not in asyncio.run(graph(cloud)).twins
    assert millwright("factory", "apply", BAKERY, "--local", cloud).code == 0
    assert asyncio.run(device_site(cloud, "MIA-BREAD-GATEWAY")) == "MIAMI"


def test_a_broken_file_is_told_line_by_line_before_anything_is_contacted(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    text = SMART.read_text(encoding="utf-8").replace("limit: 75 °C", "limit: 75 bar", 1)
    broken.write_text(text.replace("Europe/Vienna", "Europe/Viena"), encoding="utf-8")
    found = millwright("factory", "apply", broken, "--local", tmp_path / "nowhere")
    assert found.code == 1
    places = re.findall(rf"^{re.escape(str(broken))}:(\d+): ", found.out, re.MULTILINE)
    lines = broken.read_text(encoding="utf-8").splitlines()
    assert [lines[int(number) - 1].split(":")[0].strip() for number in places] == ["limit", "time_zone"]
    assert "did you mean Europe/Vienna?" in found.out


def test_check_tells_what_a_sound_file_holds() -> None:
    found = millwright("factory", "check", BAKERY, "--json")
    assert found.code == 0
    assert [site["siteId"] for site in found.json["sites"]] == ["SEATTLE", "MEXICO-CITY", "MIAMI"]
    assert found.json["ok"]


def test_check_tells_problems_as_json_too(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("format: 2\n")
    found = millwright("factory", "check", broken, "--json")
    assert found.code == 1
    assert {(problem["file"], problem["line"]) for problem in found.json["problems"]} == {(str(broken), 1)}


def test_schema_prints_what_is_published() -> None:
    found = millwright("factory", "schema")
    published = ROOT / "docs" / "contracts" / "factory.schema.json"
    assert found.out == published.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("factory", "check", "nowhere.yaml"), "nowhere.yaml: No such file"),
        (("factory", "check", "factories"), "Is a directory"),
        (("factory", "apply", SMART, "--local", "nowhere"), "start the local cloud with `make run`"),
        (("factory", "apply", SMART), "MILLWRIGHT_COSMOS_ENDPOINT and MILLWRIGHT_DIGITAL_TWINS_URL not set"),
        (("factory", "chek"), "No such command"),
        (("factory", "check"), "Missing argument"),
    ],
)
def test_trouble_is_one_sentence_with_a_remedy_and_exit_code_2(
    arguments: tuple[str | Path, ...], words: str
) -> None:
    unset = {"MILLWRIGHT_COSMOS_ENDPOINT": "", "MILLWRIGHT_DIGITAL_TWINS_URL": ""}
    found = millwright(*arguments, **unset)
    assert found.code == 2
    assert words in found.err


def test_a_cloud_that_does_not_answer_is_trouble_and_no_traceback(tmp_path: Path) -> None:
    nobody = {"cosmos": "http://127.0.0.1:9", "digitalTwins": "https://127.0.0.1:9", "cosmosKey": "a2V5"}
    (tmp_path / "endpoints.json").write_text(json.dumps({**nobody, "ca": str(tmp_path / "ca.pem")}))
    found = millwright("factory", "diff", SMART, "--local", tmp_path)
    assert found.code == 2
    assert found.err.startswith("error: ")


def test_no_color_is_respected_and_output_has_no_traceback(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("format: 2\n")
    out, err = process("factory", "check", broken, FORCE_COLOR="1", NO_COLOR="1").communicate(timeout=60)
    assert f"{broken}:1" in re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", out)
    assert "Traceback" not in err
