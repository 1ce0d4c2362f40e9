"""Rules of slopes and walls, and of agreement in virtual time that work makes pass."""

import math

import pytest

from benchmarks.growth import costs
from benchmarks.growth.costs import Costs, measured
from benchmarks.growth.page import tables
from benchmarks.growth.series import Point, Series, first_wall
from benchmarks.growth.validators import CostedNetwork
from benchmarks.machine import Machine
from benchmarks.slopes import exponent, growth, last_exponent, slope
from tests.sim.consensus.disk import simulated_disks

COSTS = Costs(
    sign_share=1_000.0,
    sign_envelope=30.0,
    verify_envelope=100.0,
    aggregate_base=90.0,
    aggregate_share=100.0,
    verify_base=1_500.0,
    verify_key=2.0,
    decode=120.0,
)
MACHINE = Machine("x", 2, 8.0, "3.11", "Linux", 0.0)


def series(*points: tuple[int, float], limit: float = 100.0, what: str = "x") -> Series:
    return Series("accounts", what, "ms", tuple(Point(*each) for each in points), limit, "Do y.")


def test_costs_of_curves_are_measured_as_another_node_meets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that was made here would be added up without its decoding."""
    monkeypatch.setattr(costs, "ROUNDS", 3)
    found = measured()
    assert found.aggregate_share > 0
    assert found.verify_base > found.verify_key


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_an_exponent_is_the_power_of_the_size(power: float) -> None:
    sizes = (10, 100, 1_000)
    costs = [3 * size**power for size in sizes]
    assert exponent(sizes, costs) == pytest.approx(power)
    assert last_exponent(sizes, costs) == pytest.approx(power)


def test_one_spoilt_sample_does_not_move_a_slope() -> None:
    values = [float(each) for each in range(50)]
    values[20] = 10_000.0
    assert slope(list(range(50)), values) == pytest.approx(1.0)


def test_growth_is_a_share_of_the_level() -> None:
    assert growth([0, 1, 2], [100.0, 105.0, 110.0]) == pytest.approx(10 / 105)
    assert growth([0, 1, 2], [0.0, 0.0, 0.0]) == 0.0
    assert growth([0, 1, 2], [5.0, 5.0, 5.0]) == 0.0


@pytest.mark.parametrize(
    ("points", "wall"),
    [
        (((10, 1.0), (100, 10.0), (1_000, 1_000.0)), 10**2.5),
        (((10, 1.0), (100, 10.0)), 1_000.0),
        (((10, 1.0), (100, 1.0)), math.inf),
        (((10, 200.0), (100, 300.0)), 10.0),
    ],
)
def test_a_wall_is_where_the_cost_meets_its_limit(points: tuple[tuple[int, float], ...], wall: float) -> None:
    assert series(*points).wall == pytest.approx(wall)


def test_the_first_wall_is_named_with_its_remedy() -> None:
    near, far = series((10, 1.0), (100, 90.0), what="near"), series((10, 1.0), (100, 2.0), what="far")
    assert first_wall([far, near]) is near
    assert "**First wall:** near, at about 110 accounts. Do y." in tables(MACHINE, [far, near])


def decisions(costs: Costs, nodes: int = 4) -> list[int]:
    with simulated_disks():
        network = CostedNetwork(nodes, costs, turn_us=50.0, message_us=100.0)
        network.until(5)
    return network.decided_us


def test_work_makes_virtual_time_pass() -> None:
    once, again, dear = decisions(COSTS), decisions(COSTS), decisions(Costs(*(10.0 * each for each in fields(COSTS))))
    assert once == again
    assert dear[-1] - dear[0] > 4 * (once[-1] - once[0])


def fields(costs: Costs) -> tuple[float, ...]:
    return tuple(getattr(costs, name) for name in costs.__struct_fields__)
