"""Charges on size: convex, zero at zero, never below the curve they stand for, rounded against the holder."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from clearing.margin.risk_arrays.charge_rates import impact_lines, impact_micros
from clearing.schema.risk.charges import ConcentrationTier, LotCharge, chained, concentration_lines, rate_micros

sizes = st.lists(st.integers(1, 50_000_000), min_size=1, max_size=6, unique=True).map(lambda each: tuple(sorted(each)))
impacts = st.builds(
    LotCharge,
    instrument=st.just(1),
    depth_lots=st.integers(1, 2**24),
    linear_impact_ppm=st.integers(0, 200_000),
    root_impact_ppm=st.integers(0, 200_000),
    sizes_ppm=sizes,
)
notionals = st.integers(1, 2**44)


def exact_curve_squared_parts(charge: LotCharge, notional: int, lots: int) -> tuple[Fraction, Fraction]:
    """(linear part, square of the root part) of the impact, without rounding."""
    share = Fraction(lots, charge.depth_lots)
    linear = notional * lots * share * Fraction(charge.linear_impact_ppm, 10**6)
    return linear, (notional * lots * Fraction(charge.root_impact_ppm, 10**6)) ** 2 * share


@given(impacts, notionals, st.integers(0, 2**39 - 1))
def test_impact_is_the_curve_rounded_up(charge, notional, lots):
    found = impact_micros(charge, notional, lots)
    linear, root_squared = exact_curve_squared_parts(charge, notional, lots)
    assert found >= linear
    assert (found - linear) ** 2 >= root_squared  # at least the curve
    slack = 2 + Fraction(3 * notional * lots, 10**12)  # concessions are rounded to 10^-12
    if found > linear + slack:
        assert (found - linear - slack) ** 2 <= root_squared


@given(impacts, notionals, st.integers(0, 10**6))
def test_the_lines_lie_on_or_above_the_curve_up_to_the_last_size(charge, notional, part):
    lines = impact_lines(charge, notional)
    last = -(-charge.depth_lots * charge.sizes_ppm[-1] // 10**6)
    lots = last * part // 10**6
    linear, root_squared = exact_curve_squared_parts(charge, notional, lots)
    charged = lines.at(lots)
    assert charged >= linear
    assert (charged - linear) ** 2 >= root_squared


@given(impacts, notionals, st.lists(st.integers(0, 2**39 - 1), min_size=3, max_size=3, unique=True))
def test_what_size_costs_is_convex_rises_and_starts_at_nothing(charge, notional, points):
    lines = impact_lines(charge, notional)
    (low, middle, high), at = sorted(points), lines.at
    assert at(0) == 0
    assert at(low) <= at(middle) <= at(high)
    assert (at(middle) - at(low)) * (high - middle) <= (at(high) - at(middle)) * (middle - low)
    assert all(a <= b for a, b in zip(lines.lines, lines.lines[1:], strict=False))
    assert all(intercept >= 0 for _, intercept in lines.lines)


def test_no_depth_or_no_concession_is_no_impact():
    assert impact_lines(LotCharge(1, depth_lots=0, root_impact_ppm=10), 100).lines == ()
    assert impact_lines(LotCharge(1, depth_lots=10), 100).lines == ()
    assert impact_micros(LotCharge(1), 100, 5) == 0


def test_a_worked_impact():
    # 100 lots of 1,000,000 in a market of depth 100 at 1 % root and 2 % linear: 3 % of everything.
    charge = LotCharge(1, 0, 0, 100, 20_000, 10_000, (1_000_000, 4_000_000))
    assert impact_micros(charge, 1_000_000, 100) == 3_000_000
    # Four times the depth: 2 * 1 % + 4 * 2 % = 10 % of 400 lots.
    assert impact_micros(charge, 1_000_000, 400) == 40_000_000
    lines = impact_lines(charge, 1_000_000)
    assert lines.at(100) == 3_000_000
    assert 40_000_000 <= lines.at(400) <= 40_000_300
    assert lines.lines[0] == (30_000, 0)


def test_a_worked_concentration():
    tiers = [ConcentrationTier(1, 100, 100_000), ConcentrationTier(1, 300, 400_000)]
    lines = concentration_lines(1_000, tiers)
    assert [lines.at(units) for units in (0, 100, 101, 300, 301)] == [0, 0, 100, 20_000, 20_500]
    assert concentration_lines(0, tiers).lines == ()
    assert concentration_lines(7, [ConcentrationTier(1, 0, 1)]).lines == ((1, 0),)


@given(st.integers(0, 2**40), st.lists(st.tuples(st.integers(0, 2**56), st.integers(0, 300_000)), max_size=3))
def test_concentration_never_takes_more_than_the_value(unit_micros, tiers):
    listed = [ConcentrationTier(1, above, ppm) for above, ppm in sorted(dict(tiers).items())]
    lines = concentration_lines(unit_micros, listed)
    for units in (0, 1, 2**20, 2**56 - 1):
        assert 0 <= lines.at(units) <= unit_micros * units


def test_rates_are_rounded_up_and_lines_run_on():
    assert rate_micros(1, 1) == 1
    assert rate_micros(10**6, 15_000) == 15_000
    assert chained([]).lines == ()
    assert chained([(0, 2), (10, 5)]).lines == ((2, 0), (5, 30))
