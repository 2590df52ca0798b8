"""What the pages say of sizes and dollars is what the benchmark's figures and the prices make."""

import inspect
import json
import math
import re
from typing import Any

import pytest

from infra import bill, scale, sizing
from infra.sizing import Figures, NoFigure, embedded, messages_per_day, number, prices
from shared.due import tick_due
from tests.infra.bicep_text import INFRA

ENVIRONMENTS = {path.stem: json.loads(path.read_text()) for path in (INFRA / "environments").iterdir()}


@pytest.mark.parametrize(
    ("page", "name", "text"),
    [(bill.PAGE, "bill", bill.table), (scale.PAGE, "sizes", scale.text)],
    ids=["deploy", "scaling"],
)
def test_the_pages_say_what_follows_from_the_figures(page: Any, name: str, text: Any) -> None:
    assert page.read_text() == embedded(page.read_text(), name, text()), (
        f"docs/cost.md or prices have changed: `make sizes` renews {page.name}"
    )


def test_the_sum_is_that_of_its_rows_and_grows_with_the_plant() -> None:
    lines = [line for line in bill.table().splitlines() if line.startswith("| **sum**")]
    sums = [number(cell.strip("* ")) for cell in lines[0].split("|")[4:-1]]
    rows = bill.table_rows()
    assert sums == [pytest.approx(sum(row.dollars[at] or 0 for row in rows), abs=1) for at in range(4)]
    assert sums == sorted(sums)


@pytest.mark.parametrize("machines", [1, 10, 46, 47, 1_000, 3_000, 100_000])
def test_the_hub_takes_all_messages_and_no_other_tier_does_for_less(machines: int) -> None:
    count, tier, dollars = bill.hub(machines)
    wanted = machines * 8_640 * Figures.read().asks["4 KB blocks"]
    assert count * messages_per_day(tier.lower()) >= wanted
    for other in ("s1", "s2", "s3"):
        others = math.ceil(wanted / messages_per_day(other)) * prices()[f"iot_hub_{other}_unit_month"]
        assert dollars <= others


def test_every_service_of_the_cost_model_is_in_the_bill() -> None:
    """At the largest size, what stands there anyway is little beside what the machines ask."""
    figures = Figures.read()
    rows = {row.resource.split(" `")[0].split(",")[0]: row.dollars[3] for row in bill.table_rows()}
    assert rows["Digital Twins"] == pytest.approx(3_000 * figures.dollars["Digital Twins"])
    assert rows["Cosmos DB"] == pytest.approx(
        bill.FROM_MEMORY["autoscale_factor"] * 3_000 * figures.provisioned
    )


def test_bounds_are_those_of_the_code_and_the_environments() -> None:
    assert inspect.signature(tick_due).parameters["at_most"].default == scale.TICKED_A_CALL
    for environment in ENVIRONMENTS.values():
        assert environment["functions"]["dueSchedule"] == f"*/{scale.DUE_EVERY_S} * * * * *"
    assert (
        len(re.findall(r"^  \{ name: '", (INFRA / "main.bicep").read_text(), re.MULTILINE)) == bill.ENDPOINTS
    )
    containers = json.loads((INFRA / "cosmos-containers.json").read_text())
    assert len(containers) - 1 == bill.OTHER_CONTAINERS


def test_prod_holds_the_machines_that_the_bill_puts_into_it() -> None:
    figures = Figures.read()
    for machines, profile in bill.SIZES:
        chosen = ENVIRONMENTS[profile]
        wanted = machines * figures.ru / sizing.EVERY_S
        most = scale.SERVERLESS_RU_S if profile == "dev" else chosen["cosmos"]["maximumMachinesRu"]
        assert wanted / scale.COSMOS_USED <= most
        assert bill.instances(machines) <= chosen["functions"]["maximumInstances"]
        assert bill.units(machines) <= chosen["eventHubs"]["maximumThroughputUnits"]


def test_a_table_that_is_gone_is_told_of() -> None:
    with pytest.raises(NoFigure, match="no table '### Nothing'"):
        sizing.rows("### Nothing")
    with pytest.raises(NoFigure, match="no marks"):
        embedded("a page", "bill", "")


@pytest.mark.parametrize(
    ("cell", "value"), [("1,500", 1500), ("4.30 ms", 4.3), ("0.461 ms", 0.461), ("-", None)]
)
def test_cells_are_read_without_their_units(cell: str, value: float | None) -> None:
    assert math.isnan(number(cell)) if value is None else number(cell) == value
