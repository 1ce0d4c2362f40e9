"""Marks of options and their surfaces: level, skew and term structure, shocks, no arbitrage; and a published grid.

Figures: Derive (Lyra v2), public test case "basic put" of its portfolio margin: forward 95,923.63, a put struck
at 100,000 with 1,399,652 s left, marked at 45.476 %, discount 0.99248. It multiplies what a short option
costs in a scenario by 1.00757, which our scenarios do not; the test does it for them.
"""

from math import erf, exp, log, sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clearing.base.units import DAY_MS, PPM, YEAR_MS
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK, TAILS
from clearing.margin.risk_arrays.reference_arrays import scenario_volatility, shocked_index
from clearing.pricing import black76, smiles, surface
from clearing.pricing.marks import mark_ticks, option_marks, option_value
from clearing.schema.risk.parameters import RiskGroup, Scenario
from clearing.schema.risk.volatility_surface import VolPillar, VolShock
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.margin.books import BTC
from tests.kit.margin.surfaces import NOW_MS, SURFACE, dated, parameters, pillars, shocks, sound, surfaces

PERPETUAL = Instrument(1, "BTC-PERP", InstrumentKind.PERPETUAL, 1, 1, 1, 10)
FUTURE = Instrument(2, "BTC-JUN", InstrumentKind.FUTURE, 1, 1, 1, 10, NOW_MS + YEAR_MS)
CALL = Instrument(3, "BTC-C", InstrumentKind.CALL, 1, 1, 1, 10, NOW_MS + 30 * DAY_MS, 800_000)
PUT = Instrument(4, "BTC-P", InstrumentKind.PUT, 1, 1, 1, 10, NOW_MS + 30 * DAY_MS, 800_000)


def test_a_perpetual_is_marked_at_the_index():
    assert mark_ticks(PERPETUAL, 790_001, BTC, 50_000, NOW_MS) == 790_001


def test_a_future_carries_linearly_to_expiry_and_rounds_down():
    times = (NOW_MS, NOW_MS + YEAR_MS // 2, NOW_MS + YEAR_MS, NOW_MS + 2 * YEAR_MS)
    carried = [mark_ticks(FUTURE, 790_001, BTC, 50_000, time_ms) - 790_001 for time_ms in times]
    assert carried == [39_500, 19_750, 0, 0]


def test_an_option_is_marked_at_its_value_and_after_expiry_at_intrinsic_value():
    at_the_money = round(800_000 * erf(0.9 * sqrt(30 / 365) / sqrt(8)))
    assert mark_ticks(CALL, 800_000, BTC, 0, NOW_MS) == at_the_money == 82_121
    assert mark_ticks(PUT, 800_000, BTC, 0, NOW_MS) == at_the_money
    for late in (0, 1, DAY_MS):
        assert mark_ticks(CALL, 801_234, BTC, 50_000, CALL.expiry_ms + late) == 1_234
        assert mark_ticks(PUT, 801_234, BTC, 50_000, PUT.expiry_ms + late) == 0
        assert mark_ticks(PUT, 798_000, BTC, 50_000, PUT.expiry_ms + late) == 2_000


@pytest.mark.parametrize("instrument", [PERPETUAL, FUTURE, CALL, PUT])
def test_an_index_that_is_not_positive_is_refused(instrument):
    for ticks in (0, -1):
        with pytest.raises(ValueError, match="index must be positive"):
            mark_ticks(instrument, ticks, BTC, 0, NOW_MS)
    if instrument.is_option:
        with pytest.raises(ValueError, match="index must be positive"):
            option_marks([instrument] * 8, 0, BTC, 0, NOW_MS)


@given(st.integers(1, 2**40 - 1), st.integers(0, 1_000_000), st.integers(0, 60 * DAY_MS))
def test_a_mark_is_never_negative_whatever_the_price(ticks, rate, later):
    for instrument in (PERPETUAL, FUTURE, CALL, PUT):
        assert mark_ticks(instrument, ticks, BTC, rate, NOW_MS + later) >= 0


@given(st.integers(1, 2**39), st.integers(1, 10**6))
def test_a_higher_index_never_lowers_a_call_nor_raises_a_put(ticks, more):
    assert mark_ticks(CALL, ticks, BTC, 0, NOW_MS) <= mark_ticks(CALL, ticks + more, BTC, 0, NOW_MS)
    assert mark_ticks(PUT, ticks, BTC, 0, NOW_MS) >= mark_ticks(PUT, ticks + more, BTC, 0, NOW_MS)


def test_a_lot_is_valued_finer_than_a_tick():
    fine = option_value(CALL, 800_000, BTC.volatility_ppm, 0, NOW_MS, CALL.micros_per_tick)
    assert abs(fine - 10 * mark_ticks(CALL, 800_000, BTC, 0, NOW_MS)) <= 5
    assert fine % 10 != 0


@settings(max_examples=60)
@given(
    parameters(),
    st.lists(st.tuples(st.booleans(), st.integers(-2, 400), st.integers(1, 2**40 - 1)), max_size=12),
    st.one_of(st.integers(1, 100), st.integers(1, 2**40 - 1)),
)
def test_marks_in_bulk_are_the_marks_one_by_one(risk, terms, index):
    kinds = {True: InstrumentKind.CALL, False: InstrumentKind.PUT}
    options = [dated(at, kinds[call], 1, days, strike) for at, (call, days, strike) in enumerate(terms, start=1)]
    singles = [mark_ticks(each, index, risk.groups[0], risk.rate_ppm, NOW_MS) for each in options]
    assert option_marks(options, index, risk.groups[0], risk.rate_ppm, NOW_MS) == singles


GROUP = RiskGroup(1, "G", 1, 180_000, 800_000, 500_000, surface=SURFACE)
FORWARD = 800_000.0


def volatility(strike: float, tenor_ms: int, group: RiskGroup = GROUP) -> int:
    return surface.option_volatility(group, FORWARD, strike, tenor_ms)


def test_at_the_money_and_at_a_pillar_volatility_is_the_level():
    for pillar in SURFACE:
        assert volatility(FORWARD, pillar.tenor_ms) == 800_000 * pillar.level_ppm // PPM


def test_between_pillars_total_variance_is_linear_in_time():
    low, high = SURFACE[1:3]
    middle = (low.tenor_ms + high.tenor_ms) // 2
    ends = [volatility(FORWARD, each.tenor_ms) ** 2 * each.tenor_ms for each in (low, high)]
    assert volatility(FORWARD, middle) == pytest.approx(sqrt(sum(ends) / 2 / middle), abs=1)


def test_beyond_the_pillars_level_is_kept():
    assert volatility(FORWARD, DAY_MS // 10) == volatility(FORWARD, DAY_MS)
    assert volatility(FORWARD, 800 * DAY_MS) == volatility(FORWARD, 180 * DAY_MS)


def test_low_strikes_are_dearer_with_a_skew_below_zero_and_wings_rise():
    row = [volatility(FORWARD * exp(0.1 * step), 30 * DAY_MS) for step in range(-8, 9)]
    assert row[7] > row[8] > row[9], "falling at the money"
    assert row[0] > row[8]
    assert row[-1] > min(row), "the high wing turns up"
    assert row[0] > row[-1]
    slope = (
        (volatility(FORWARD * exp(0.01), 30 * DAY_MS) - volatility(FORWARD * exp(-0.01), 30 * DAY_MS)) / 0.02 / row[8]
    )
    deviation = 0.8 * sqrt(30 / 365)
    assert slope == pytest.approx(-0.2 * 0.9 / 2 / deviation, rel=0.02), "skew x wing / 2 per standard deviation"


def test_without_a_surface_every_strike_and_expiry_has_the_groups_volatility():
    flat = msgspec.structs.replace(GROUP, surface=())
    assert {volatility(k, t, flat) for k in (1.0, 8e5, 1e12) for t in (-5, 0, 1, YEAR_MS)} == {800_000}
    for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
        option = dated(1, kind, 1, 30, 700_000)
        assert mark_ticks(option, 800_000, flat, 0, NOW_MS) == option_value(option, 800_000, 800_000, 0, NOW_MS)


def test_a_mark_takes_its_volatility_off_the_surface_at_the_carried_forward():
    option = dated(1, InstrumentKind.PUT, 1, 30, 700_000)
    forward = 800_000 + 800_000 * 50_000 * 30 // (PPM * 365)
    own = surface.option_volatility(GROUP, float(forward), 700_000.0, 30 * DAY_MS)
    assert own > 800_000
    assert mark_ticks(option, 800_000, GROUP, 50_000, NOW_MS) == option_value(option, 800_000, own, 50_000, NOW_MS)
    assert mark_ticks(option, 800_000, GROUP, 50_000, option.expiry_ms) == 0


def test_the_whole_surface_moves_with_the_groups_volatility():
    twice = msgspec.structs.replace(GROUP, volatility_ppm=1_600_000)
    assert volatility(FORWARD, 3 * DAY_MS, twice) == pytest.approx(2 * volatility(FORWARD, 3 * DAY_MS), abs=1)


strikes = st.floats(1.0, 1e12)
tenors = st.integers(1, 3 * YEAR_MS)


@settings(max_examples=100)
@given(surfaces.filter(bool), st.lists(st.tuples(strikes, tenors), min_size=1, max_size=20), strikes)
def test_volatilities_in_bulk_are_the_same(listed, options, forward):
    group = msgspec.structs.replace(GROUP, surface=listed)
    expiries = sorted({NOW_MS + tenor for _, tenor in options})
    number = np.array([expiries.index(NOW_MS + tenor) for _, tenor in options])
    bulk = smiles.option_smiles(
        group, np.full(len(options), forward), np.array([k for k, _ in options]), expiries, number, NOW_MS
    )
    for at, (strike, tenor) in enumerate(options):
        moneyness = surface.log_moneyness(forward, strike)
        assert bulk.volatilities[at] == surface.option_volatility(group, forward, strike, tenor)
        assert bulk.deviations[at] == surface.option_deviations(group, moneyness, tenor)


@settings(max_examples=100)
@given(shocks, st.integers(0, 10**8), st.lists(st.tuples(st.integers(1, 10**9), tenors), min_size=1, max_size=9))
def test_shocks_in_bulk_are_the_same(shock, range_ppm, options):
    volatilities, times = (np.array(column) for column in zip(*options, strict=True))
    factors = np.array([surface.term_factor_ppm(shock, tenor) for tenor in times.tolist()])
    up, down = smiles.shock_sizes(shock, range_ppm, volatilities, factors)
    expected = [surface.shock_sizes(shock, range_ppm, *option) for option in options]
    assert list(zip(up.tolist(), down.tolist(), strict=True)) == expected
    deviations = np.array([-9.0, -4.0, -1.25, 0.0, 0.3, 4.0, 1e9])
    tilt, lift = smiles.skew_shares(shock, deviations)
    shares = [surface.skew_shares(shock, each) for each in deviations.tolist()]
    assert list(zip(tilt.tolist(), lift.tolist(), strict=True)) == shares


def test_shocks_grow_as_expiry_nears_with_another_power_beyond_thirty_days():
    factor = {days: surface.term_factor_ppm(OPTION_SHOCK, days * DAY_MS) for days in (1, 7, 30, 31, 120)}
    assert factor[30] == PPM
    for days, power in ((1, 0.3), (7, 0.3), (31, 0.13), (120, 0.13)):
        assert factor[days] == round(1e6 * (30 / days) ** power)
    assert surface.term_factor_ppm(OPTION_SHOCK, 1) == factor[1], "below a day as a day"
    assert surface.term_factor_ppm(VolShock(), 1) == PPM


def test_a_relative_shock_is_a_part_of_the_volatility_and_smaller_downwards():
    assert surface.shock_sizes(OPTION_SHOCK, 500_000, 800_000, 30 * DAY_MS) == (400_000, 220_000)
    assert surface.shock_sizes(VolShock(), 200_000, 800_000, DAY_MS) == (200_000, 200_000)


def test_a_skew_shock_is_full_at_its_width_and_nothing_at_the_money():
    shares = [surface.skew_shares(OPTION_SHOCK, each) for each in (-5.0, -4.0, -2.0, 0.0, 2.0, 4.0)]
    assert shares == [(-150_000, 150_000)] * 2 + [(-75_000, 75_000), (0, 0), (75_000, 75_000), (150_000, 150_000)]


def call(group: RiskGroup, moneyness: float, tenor_ms: int) -> float:
    """Undiscounted call on a forward of 1, with the volatility before it is rounded."""
    smile = surface.smile_at(group.surface, group.volatility_ppm, tenor_ms)
    t, k = smile.at_money, moneyness
    variance = 0.5 * (t + smile.tilt * k + sqrt((smile.opening * k) ** 2 + 2 * smile.tilt * k * t + t * t))
    return black76.call(1.0, exp(k), sqrt(variance), 1.0, 1.0)


@st.composite
def rising(draw: st.DrawFn) -> tuple[VolPillar, ...]:
    """Pillars near the edge of what is free of arbitrage, mostly inside."""
    part = st.floats(0.0, 1.0)
    first = draw(pillars)
    listed = [msgspec.structs.replace(first, tenor_ms=DAY_MS + first.tenor_ms // 10)]
    for _ in range(draw(st.integers(0, 3))):
        near = listed[-1]
        tenor = near.tenor_ms + draw(st.integers(DAY_MS, 60 * DAY_MS))
        growth = 1.0 + draw(part)  # of the deviation at the money
        skew = max(min(near.skew_ppm + draw(st.integers(-150_000, 150_000)), 950_000), -950_000)
        ratio = max((PPM + way * near.skew_ppm) / (PPM + way * skew) for way in (1, -1))
        least, most = ratio / growth, growth
        wing = near.wing_ppm * (least + draw(part) * (most - least))
        level = near.level_ppm * growth * sqrt(near.tenor_ms / tenor)
        listed.append(VolPillar(tenor, round(level) + 1, skew, max(round(wing), 0)))
    return tuple(listed)


@settings(max_examples=150)
@given(rising(), st.integers(200_000, 1_200_000), st.lists(st.integers(DAY_MS, 365 * DAY_MS), min_size=3, max_size=6))
def test_a_surface_that_genesis_takes_has_no_arbitrage(listed, level, times):
    assume(sound(listed, level))
    group = msgspec.structs.replace(GROUP, surface=listed, volatility_ppm=level)
    times = sorted({*times, *(each.tenor_ms for each in listed)})
    grid = [0.08 * step for step in range(-20, 21)]
    before = [max(1.0 - exp(k), 0.0) for k in grid]
    for tenor in times:
        prices = [call(group, k, tenor) for k in grid]
        assert all(late >= early - 1e-12 for early, late in zip(before, prices, strict=True)), "calendar"
        for k in grid:
            ends = [exp(k - 0.05), exp(k), exp(k + 0.05)]
            left, middle, right = (call(group, log(each), tenor) for each in ends)
            part = (ends[1] - ends[0]) / (ends[2] - ends[0])
            assert middle <= left + part * (right - left) + 1e-12, "butterfly"
        before = prices


@settings(max_examples=100)
@given(st.lists(pillars, min_size=2, max_size=2, unique_by=lambda each: each.tenor_ms))
def test_variance_that_falls_with_time_is_refused(pair):
    near, far = sorted(pair, key=lambda each: each.tenor_ms)
    falling = far.level_ppm**2 * far.tenor_ms < near.level_ppm**2 * near.tenor_ms
    assert not (falling and sound((near, far), 800_000))


SPOT, STRIKE, DISCOUNT, SHORT_FACTOR = 95_923.63240250274, 100_000.0, 0.9924833379307125, 1.0075735901873772
TENOR_MS = 1_399_652_000
YEARS = TENOR_MS / YEAR_MS
PUBLISHED = RiskGroup(1, "BTC", 1, 180_000, 454_763, 500_000, shock=OPTION_SHOCK)
MARK = 6_082.239829372652
GAINS = {
    (4, 1): 4149.079300489007,
    (3, -1): 5794.298187426635, (3, 0): 5055.529093506988, (3, 1): 3178.991565827114,
    (2, -1): 5138.021746380757, (2, 0): 4038.130412758467, (2, 1): 1844.750109086301,
    (1, -1): 3640.314196500877, (1, 0): 2375.912634367088, (1, 1): 79.053611431185,
    (0, -1): 1029.229712752281, (0, 0): -46.064391889012, (0, 1): -2165.053606896435,
    (-1, -1): -2552.26314740945, (-1, 0): -3205.950600704989, (-1, 1): -4901.205948812088,
    (-2, -1): -6663.868886009578, (-2, 0): -6941.868513065846, (-2, 1): -8101.910530082517,
    (-3, -1): -10946.858835993997, (-3, 0): -11028.791215410212, (-3, 1): -11700.363319387223,
    (-4, 1): -15603.263080487519,
}  # fmt: skip
"""What one short put gains by (quarters of the range, direction of volatility), in dollars."""
GAINS_IN_TAILS = (
    -3343.839553842358, -3235.201462702646, 434.001898139, 218.95885408043682, 109.480316928525, 72.986877952472,
)  # fmt: skip
CASES = [(Scenario(quarters, 4, way), gain) for (quarters, way), gain in GAINS.items()]


def published_put(spot: float, volatility: float) -> float:
    return black76.put(spot, STRIKE, volatility, YEARS, DISCOUNT)


def test_the_mark_is_theirs():
    assert published_put(SPOT, 0.4547630768795904) == pytest.approx(MARK, rel=1e-9)


@pytest.mark.parametrize(("scenario", "gain"), [*CASES, *zip(TAILS, GAINS_IN_TAILS, strict=True)])
def test_every_scenario_gains_or_loses_what_they_publish(scenario, gain):
    # The forward moves as an index of 10^12 ticks would. Our volatilities are whole ppm, and dampening is; theirs have
    # 18 decimals.
    moved = SPOT * (shocked_index(10**12, PUBLISHED.range_ppm, scenario) / 10**12)
    shocked = scenario_volatility(PUBLISHED, PUBLISHED.volatility_ppm, 0.0, TENOR_MS, scenario) / PPM
    lost = published_put(moved, shocked) * SHORT_FACTOR - MARK
    assert -lost * scenario.weight_ppm / PPM == pytest.approx(gain, abs=0.15)


def test_all_regular_scenarios_and_the_deepest_tails_are_in_our_grid():
    ours = {(each.move_numerator * 4 // each.move_denominator, each.volatility_direction) for each in OPTION_GRID[:26]}
    assert GAINS.keys() - {(0, 0)} <= ours
    assert {TAILS[0], TAILS[-1]} <= set(OPTION_GRID)


def test_shocks_of_volatility_are_theirs():
    up, down = surface.shock_sizes(OPTION_SHOCK, 500_000, 454_763, TENOR_MS)
    assert (454_763 + up) / PPM == pytest.approx(0.7283149412300587, abs=2e-6)
    assert (454_763 - down) / PPM == pytest.approx(0.3043095514868328, abs=2e-6)


def test_a_skew_shock_with_their_cap_and_width_multiplies_as_theirs():
    width = 0.4878596290206064 / (0.454763 * YEARS**0.5)  # theirs is in ln(strike/forward), ours in deviations
    changes = {"skew_linear_ppm": 139_466, "skew_absolute_ppm": 139_466, "skew_width_ppm": round(width * PPM)}
    group = msgspec.structs.replace(PUBLISHED, shock=msgspec.structs.replace(OPTION_SHOCK, **changes))
    far = surface.option_deviations(group, surface.log_moneyness(SPOT, STRIKE), TENOR_MS)
    shares = [1 + share / PPM for share in surface.skew_shares(group.shock, far)]
    assert shares == pytest.approx([1.0118974505108735] * 2, abs=1e-6)
    for skewed in (Scenario(0, 1, 0, skew_linear=1), Scenario(0, 1, 0, skew_absolute=1)):
        shocked = scenario_volatility(group, group.volatility_ppm, far, TENOR_MS, skewed)
        assert MARK - published_put(SPOT, shocked / PPM) * SHORT_FACTOR == pytest.approx(-86.58914724123224, abs=0.02)
