"""OEE of a simulated plant with faults of every kind is what the simulator says that happened.

Three plants; `make prove` does twenty larger ones.
"""

import pytest

from tests.plant_reference import compare


@pytest.mark.parametrize("seed", [2, 6, 10])
def test_units_stops_oee_and_late_readings_are_the_true_ones(seed: int) -> None:
    compared = compare(seed)
    assert compared.machine_count == 12
    assert compared.late_count > 0
    assert compared.differences == []
    assert seed == 2 or compared.undistorted_count > 0
