"""One short put over a published portfolio margin's scenarios: our shocks and values give the same losses.

Figures: Derive (Lyra v2), public test case "basic put" of its portfolio margin: forward 95,923.63, a put struck
at 100,000 with 1,399,652 s left, marked at 45.476 %, discount 0.99248. It multiplies what a short option
costs in a scenario by 1.00757, which our scenarios do not; the test does it for them.
"""

from dataclasses import dataclass

import msgspec
import pytest

from clearing.base.units import PPM
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK, TAILS
from clearing.margin.risk_arrays.reference_arrays import scenario_volatility, shocked_index
from clearing.pricing import black76, surface
from clearing.schema.risk.parameters import RiskGroup, Scenario

FORWARD, STRIKE, DISCOUNT, SHORT_FACTOR = 95_923.63240250274, 100_000.0, 0.9924833379307125, 1.0075735901873772
TENOR_MS = 1_399_652_000
YEARS = TENOR_MS / (365 * 86_400_000)
GROUP = RiskGroup(1, "BTC", 1, 180_000, 454_763, 500_000, shock=OPTION_SHOCK)
MARK = 6_082.239829372652


@dataclass(frozen=True)
class Case:
    scenario: Scenario
    gain: float


def steps(quarters: int, way: int, gain: float) -> Case:
    return Case(Scenario(quarters, 4, way), gain)


CASES = (
    steps(4, 1, 4149.079300489007),
    steps(3, -1, 5794.298187426635), steps(3, 0, 5055.529093506988), steps(3, 1, 3178.991565827114),
    steps(2, -1, 5138.021746380757), steps(2, 0, 4038.130412758467), steps(2, 1, 1844.750109086301),
    steps(1, -1, 3640.314196500877), steps(1, 0, 2375.912634367088), steps(1, 1, 79.053611431185),
    steps(0, -1, 1029.229712752281), steps(0, 0, -46.064391889012), steps(0, 1, -2165.053606896435),
    steps(-1, -1, -2552.26314740945), steps(-1, 0, -3205.950600704989), steps(-1, 1, -4901.205948812088),
    steps(-2, -1, -6663.868886009578), steps(-2, 0, -6941.868513065846), steps(-2, 1, -8101.910530082517),
    steps(-3, -1, -10946.858835993997), steps(-3, 0, -11028.791215410212), steps(-3, 1, -11700.363319387223),
    steps(-4, 1, -15603.263080487519),
    *(Case(tail, gain) for tail, gain in zip(
        TAILS,
        (-3343.839553842358, -3235.201462702646, 434.001898139, 218.95885408043682, 109.480316928525, 72.986877952472),
        strict=True,
    )),
)  # fmt: skip


def gain_of_short(scenario: Scenario) -> float:
    """Of one lot, in dollars; the forward moves as an index of 10^12 ticks would."""
    moved = FORWARD * (shocked_index(10**12, GROUP.range_ppm, scenario) / 10**12)
    volatility = scenario_volatility(GROUP, GROUP.volatility_ppm, 0.0, TENOR_MS, scenario) / PPM
    value = black76.put(moved, STRIKE, volatility, YEARS, DISCOUNT)
    return -(value * SHORT_FACTOR - MARK) * scenario.weight_ppm / PPM


def test_the_mark_is_theirs():
    assert black76.put(FORWARD, STRIKE, 0.4547630768795904, YEARS, DISCOUNT) == pytest.approx(MARK, rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_every_scenario_gains_or_loses_what_they_publish(case):
    # Our volatilities are whole ppm, and dampening is; theirs have 18 decimals.
    assert gain_of_short(case.scenario) == pytest.approx(case.gain, abs=0.15)


def test_all_regular_scenarios_and_the_deepest_tails_are_in_our_grid():
    ours = {(each.move_numerator * 4 // each.move_denominator, each.volatility_direction) for each in OPTION_GRID[:26]}
    theirs = {(each.scenario.move_numerator, each.scenario.volatility_direction) for each in CASES[:23]}
    assert theirs - {(0, 0)} <= ours
    assert {TAILS[0], TAILS[-1]} <= set(OPTION_GRID)


def test_shocks_of_volatility_are_theirs():
    up, down = surface.shock_sizes(OPTION_SHOCK, 500_000, 454_763, TENOR_MS)
    assert (454_763 + up) / PPM == pytest.approx(0.7283149412300587, abs=2e-6)
    assert (454_763 - down) / PPM == pytest.approx(0.3043095514868328, abs=2e-6)


def test_a_skew_shock_with_their_cap_and_width_multiplies_as_theirs():
    width = 0.4878596290206064 / (0.454763 * YEARS**0.5)  # theirs is in ln(strike/forward), ours in deviations
    shock = msgspec.structs.replace(
        OPTION_SHOCK, skew_linear_ppm=139_466, skew_absolute_ppm=139_466, skew_width_ppm=round(width * PPM)
    )
    group = msgspec.structs.replace(GROUP, shock=shock)
    far = surface.option_deviations(group, surface.log_moneyness(FORWARD, STRIKE), TENOR_MS)
    tilt, lift = surface.skew_shares(shock, far)
    assert 1 + tilt / PPM == pytest.approx(1.0118974505108735, abs=1e-6)
    assert 1 + lift / PPM == pytest.approx(1.0118974505108735, abs=1e-6)
    for skewed in (Scenario(0, 1, 0, skew_linear=1), Scenario(0, 1, 0, skew_absolute=1)):
        volatility = scenario_volatility(group, group.volatility_ppm, far, TENOR_MS, skewed)
        value = black76.put(FORWARD, STRIKE, volatility / PPM, YEARS, DISCOUNT)
        assert MARK - value * SHORT_FACTOR == pytest.approx(-86.58914724123224, abs=0.02)
