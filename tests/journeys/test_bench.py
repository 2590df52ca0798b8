"""The benchmarks run, at a size that says nothing about speed, so that they cannot rot."""

import pytest

from bench import report
from bench.__main__ import PARTS, TINY, run_part


@pytest.mark.parametrize("part", PARTS)
def test_a_benchmark_runs_and_its_figures_make_tables(part: str) -> None:
    results = {part: run_part(part, TINY, {})}

    for grid in report.grids(results):
        # The pipeline at several sizes is what `pipeline` exercises already: the tiny run leaves it out.
        assert grid.rows or (part == "growth" and not TINY.sizes)
        assert all(len(row) == len(grid.columns) for row in grid.rows)
    for flow in results[part].get("flows", []):
        assert flow["lost_count"] == 0
        assert flow["missed_alarm_count"] == 0
        assert flow["twins_behind_count"] == 0


def test_figures_replace_what_stands_between_the_markers() -> None:
    document = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.embedded(document, {}) == f"before\n{report.BEGIN}\n\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="has no"):
        report.embedded("no markers", {})
