"""Black-76, values and greeks, and the functions below it: worked cases, QuantLib, 300-bit arithmetic, no bit by batch.

Claimed of the relative error for a forward of 1 to 10^12, volatility x sqrt(years) of 10^-7 to 16, volatility of 0.0001
to 100, strikes up to 30 deviations and a factor of e^12 away, wherever the value is above 10^-250 of the forward:
values to 1e-10, greeks to 1e-12. Below that they are between 0 and what was above; below about e^-700 they are 0.
"""

import itertools
import math
import random
import struct
from hashlib import sha256
from math import factorial, inf

import numpy as np
import pytest
import QuantLib
from flint import arb, arb_poly, ctx
from hypothesis import given
from hypothesis import strategies as st

from clearing.pricing import black76, elementary, vectors
from clearing.pricing.black76 import Greeks, greeks, option_greeks


def relative_error(got: float, exact: arb) -> float:
    return abs(float(((arb(got) - exact) / exact).mid()))


def exact_mills(x: arb) -> arb:
    return (arb.pi() / 2).sqrt() * (x * x / 2).exp() * (x / arb(2).sqrt()).erfc()


@given(st.floats(-699, 699))
def test_exp_is_right_to_a_few_units_in_the_last_place(x):
    assert relative_error(elementary.exp(x), arb(x).exp()) < 1e-15


@given(st.floats(1e-300, 1e300))
def test_log_is_right_to_a_few_units_in_the_last_place(x):
    found = elementary.log(x)
    assert found == 0.0 if x == 1.0 else relative_error(found, arb(x).log()) < 1e-15


@given(st.floats(1.0, 1e12), st.floats(1e-16, 1.0))
def test_the_log_of_a_ratio_stays_relatively_exact_when_the_two_are_close(low, part):
    high = low * (1.0 + part)
    if high > low:
        assert relative_error(elementary.log_ratio(high, low), (arb(high) / arb(low)).log()) < 1e-15


@given(st.one_of(st.floats(0, 40), st.floats(0, 1e6)))
def test_mills_ratio_is_right_to_a_few_units_in_the_last_place(x):
    exact, more = (exact_mills(arb(x)), 0.0) if x < 1e4 else (1 / arb(x), 2 / (x * x))
    assert relative_error(elementary.mills(x), exact) < 1e-15 + more


@given(st.floats(-37, 37))
def test_the_normal_distribution_is_relatively_exact_in_both_tails(x):
    exact = (-arb(x) / arb(2).sqrt()).erfc() / 2
    assert relative_error(elementary.normal_cdf(x), exact) < 1e-13


def test_the_table_of_mills_ratio_is_what_its_docstring_says():
    nodes = 64
    points = [(arb.pi() * (2 * k + 1) / (2 * nodes)).cos() for k in range(nodes)]
    samples = [(1 + x) * exact_mills(x) for x in (4 * (1 + t) / (1 - t) for t in points)]
    chebyshev = [arb_poly([1]), arb_poly([0, 1])]
    total = arb_poly([0])
    for j in range(len(elementary.MILLS_SERIES)):
        if j >= 2:
            chebyshev.append(2 * arb_poly([0, 1]) * chebyshev[-1] - chebyshev[-2])
        angle = arb.pi() * j / (2 * nodes)
        weight = sum((samples[k] * (angle * (2 * k + 1)).cos() for k in range(nodes)), arb(0)) * 2 / nodes
        total += chebyshev[j] * (weight if j else weight / 2)
    assert tuple(float(total[j].mid()) for j in range(len(elementary.MILLS_SERIES))) == elementary.MILLS_SERIES


def test_the_series_are_correctly_rounded_reciprocals():
    assert list(elementary.EXP_SERIES) == [1 / factorial(n) for n in range(len(elementary.EXP_SERIES))]
    assert [1 / (2 * n + 1) for n in range(12)] == list(elementary.ATANH_SERIES)


def in_bulk(function, *inputs: list[float], scratch: int) -> list[float]:
    arrays = [np.array(each) for each in inputs]
    out, *spare = (np.full(len(inputs[0]), np.nan) for _ in range(1 + scratch))
    function(*arrays, out, *spare)
    assert [each.tolist() for each in arrays] == list(inputs), "inputs are kept"
    return out.tolist()


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=50))
def test_exp_in_bulk_has_the_same_bits(xs):
    assert in_bulk(vectors.exp, xs, scratch=2) == [elementary.exp(x) for x in xs]


@given(st.lists(st.tuples(st.floats(1e-9, 1e12), st.floats(1e-9, 1e12)), min_size=1, max_size=50))
def test_log_ratio_in_bulk_has_the_same_bits(pairs):
    highs, lows = [max(pair) for pair in pairs], [min(pair) for pair in pairs]
    bulk = in_bulk(vectors.log_ratio, highs, lows, scratch=2)
    assert bulk == [elementary.log_ratio(high, low) for high, low in zip(highs, lows, strict=True)]


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=50))
def test_mills_ratio_in_bulk_has_the_same_bits(xs):
    assert in_bulk(vectors.mills, xs, scratch=1) == [elementary.mills(x) for x in xs]


def test_exp_is_nothing_far_below_and_bounded_far_above():
    assert elementary.exp(-700.1) == 0.0
    assert elementary.exp(-inf) == 0.0
    assert elementary.exp(1e9) == elementary.exp(700.0) < inf


Terms = tuple[float, float, float, float, float, bool]
"""Forward, strike, volatility, years, discount, call."""
DISCOUNT = 0.97

quotes = st.tuples(
    st.floats(1.0, 1e12),
    st.floats(1.0, 1e12),
    st.one_of(st.just(0.0), st.floats(0.01, 100.0)),
    st.one_of(st.just(0.0), st.just(-1.0), st.floats(3e-11, 20.0)),
    st.floats(0.1, 1.0),
    st.booleans(),
)


def value_of(terms: Terms) -> float:
    return (black76.call if terms[5] else black76.put)(*terms[:5])


@pytest.fixture(autouse=True)
def _three_hundred_bits():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


def exact(forward: float, strike: float, volatility: float, years: float, discount: float, is_call: bool) -> list[arb]:
    """Value, delta, gamma, vega, theta."""
    f, k, s, t, d = (arb(value) for value in (forward, strike, volatility, years, discount))
    deviation = s * t.sqrt()
    d1 = (f / k).log() / deviation + deviation / 2
    d2 = d1 - deviation
    density = (-d1 * d1 / 2).exp() / (2 * arb.pi()).sqrt()

    def phi(x: arb) -> arb:
        return (-x / arb(2).sqrt()).erfc() / 2

    value = f * phi(d1) - k * phi(d2) if is_call else k * phi(-d2) - f * phi(-d1)
    vega = d * f * density * t.sqrt()
    delta = phi(d1) if is_call else -phi(-d1)
    return [d * value, d * delta, d * density / (f * deviation), vega, -vega * s / (2 * t)]


def wide_grid() -> list[Terms]:
    """strike/forward - 1 from -0.9 to 9, volatility 1 % to 5000 %, 1 ms to 10 years."""
    moneyness = (-0.9, -0.5, -0.2, -0.05, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 0.05, 0.2, 1.0, 3.0, 9.0)
    volatilities, times = (0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 50.0), (3e-11, 1e-8, 1e-6, 1e-4, 1e-3, 0.02, 0.25, 1.0, 10.0)
    grid = itertools.product(moneyness, volatilities, times, (True, False))
    return [
        (8123.25, 8123.25 * (1.0 + more), volatility, years, DISCOUNT, is_call)
        for more, volatility, years, is_call in grid
    ]


def random_quotes(count: int = 6000) -> list[Terms]:
    """Forwards, deviations and times even in their logarithm; strikes near, far, and where the formula changes."""
    rng = random.Random(1)
    found: list[Terms] = []
    while len(found) < count:
        forward, deviation, years = (10 ** rng.uniform(*span) for span in ((0, 12), (-7, 1.2), (-10, 1)))
        volatility = deviation / math.sqrt(years)
        away = rng.choice(
            [rng.gauss(0, 1), rng.uniform(-30, 30), deviation / 2 + rng.gauss(0, 1e-3), rng.gauss(0, 1e-6)]
        )
        if 1e-4 < volatility < 100.0 and abs(away * deviation) <= 12.0:
            strike = forward * math.exp(away * deviation)
            found.append((forward, strike, volatility, years, rng.uniform(0.5, 1.0), rng.random() < 0.5))
    return found


@pytest.mark.parametrize("listed", [wide_grid, random_quotes])
def test_values_and_greeks_keep_the_claimed_relative_error(listed):
    worst = [0.0] * 5
    for terms in listed():
        for at, (found, true) in enumerate(zip([value_of(terms), *greeks(*terms)], exact(*terms), strict=True)):
            if abs(true) > arb(10) ** -250 * terms[0]:
                worst[at] = max(worst[at], relative_error(found, true))
            else:
                assert abs(found) < 1e-249 * terms[0]
    assert worst[0] < 1e-10  # the rulebook asks for 1e-9
    assert max(worst[1:]) < 1e-12


FORWARD = 812_345.0
GRID = tuple(
    itertools.product(
        (0.3, 0.6, 0.8, 0.95, 0.999, 1.0, 1.001, 1.05, 1.25, 1.7, 3.0),
        (0.1, 0.3, 0.8, 1.5, 4.0),
        (1e-4, 1 / 365, 7 / 365, 0.25, 1.0, 3.0),
        (True, False),
    )
)
"""strike/forward, volatility, years, call."""
FLOOR = 1e-6 * FORWARD
"""QuantLib subtracts two products that are near the forward, each rounded: what is smaller has fewer right digits. The
grid against 300-bit arithmetic has no such floor."""


def kind(is_call: bool) -> int:
    return int(QuantLib.Option.Call if is_call else QuantLib.Option.Put)


def quantlib_value(forward, strike, volatility, years, discount, is_call) -> float:
    return QuantLib.blackFormula(kind(is_call), strike, forward, volatility * years**0.5, discount)


@pytest.mark.parametrize(
    ("terms", "value"),
    [
        pytest.param((1500.0, 1500.0, 1.0, 7 / 365, 1.0, True), 82.805080668634559515, id="c12_at_the_money"),
        pytest.param((1000.0, 1200.0, 0.25, 30 / 365, 0.9991784198737, True), 0.137082128426579297, id="c13_call"),
        pytest.param((1000.0, 1200.0, 0.25, 30 / 365, 0.9991784198737, False), 199.972766103166719631, id="c13_put"),
    ],
)
def test_worked_cases_have_their_value_here_and_in_quantlib(terms, value):
    assert value_of(terms) == pytest.approx(value, rel=1e-12)
    assert quantlib_value(*terms) == pytest.approx(value, rel=1e-9)


def test_values_agree_with_quantlib():
    compared = 0
    for ratio, volatility, years, is_call in GRID:
        terms = (FORWARD, FORWARD * ratio, volatility, years, DISCOUNT, is_call)
        theirs = quantlib_value(*terms)
        assert value_of(terms) == pytest.approx(theirs, rel=1e-9, abs=1e-9 * FLOOR)
        compared += theirs > FLOOR
    assert compared > 400


def test_greeks_agree_with_quantlib():
    for ratio, volatility, years, is_call in GRID:
        strike = FORWARD * ratio
        payoff = QuantLib.PlainVanillaPayoff(kind(is_call), strike)
        black = QuantLib.BlackCalculator(payoff, FORWARD, volatility * years**0.5, DISCOUNT)
        ours = greeks(FORWARD, strike, volatility, years, DISCOUNT, is_call)
        assert ours.delta == pytest.approx(black.deltaForward(), rel=1e-9, abs=1e-12)
        assert ours.gamma == pytest.approx(black.gammaForward(), rel=1e-9, abs=1e-12 / FORWARD)
        assert ours.vega == pytest.approx(black.vega(years), rel=1e-9, abs=1e-12 * FORWARD)
        # QuantLib's theta lets the discount run; at a spot that is the forward discounted it is ours plus rate x value.
        plain = QuantLib.BlackCalculator(payoff, FORWARD, volatility * years**0.5, 1.0)
        kept = greeks(FORWARD, strike, volatility, years, 1.0, is_call)
        assert kept.theta == pytest.approx(plain.theta(FORWARD, years), rel=1e-7, abs=1e-9 * FORWARD)


@given(st.floats(100.0, 1e6), st.floats(-5.0, 5.0))
def test_the_two_ways_of_computing_meet_where_one_takes_over(forward, deviations):
    edge = black76.SMALL_DEVIATION
    strike = forward * (1 + deviations * edge)
    below = black76.out_of_the_money(forward, strike, edge * (1 - 1e-15))
    assert below == pytest.approx(black76.out_of_the_money(forward, strike, edge), rel=1e-10)


@given(st.lists(quotes, min_size=1, max_size=40))
def test_a_batch_has_the_bits_of_single_values_and_greeks(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    assert black76.option_values(*columns).tolist() == [value_of(row) for row in rows]
    batch = option_greeks(*columns)
    for at, row in enumerate(rows):
        of_row = Greeks(batch.delta[at], batch.gamma[at], batch.vega[at], batch.theta[at])
        assert [each.hex() for each in of_row] == [each.hex() for each in greeks(*row)]


def test_the_bits_are_the_same_on_every_machine():
    # Frozen: a machine, interpreter or numpy that gives another digest must not take part in consensus.
    digest = sha256()
    for moneyness, volatility, days in itertools.product(range(-40, 41), (1, 30, 90, 400), (0, 1, 30, 900)):
        terms = (812_345.0, 812_345.0 * (64 + moneyness) / 64, volatility / 100, days / 365, 127 / 128)
        digest.update(struct.pack("<dd", black76.call(*terms), black76.put(*terms)))
    assert digest.hexdigest() == "701530c144101e08f4a99a56a31bd3b663c05c026449e456b89e93e073206cca"


@given(quotes)
def test_a_value_lies_between_intrinsic_value_and_forward_or_strike(terms):
    forward, strike, *_, discount, is_call = terms
    intrinsic = discount * max(forward - strike if is_call else strike - forward, 0.0)
    assert intrinsic <= value_of(terms) <= discount * (forward if is_call else strike) * (1 + 1e-14)


@given(st.floats(1.0, 1e9), st.floats(1.0, 1e9), st.floats(0.01, 5.0))
def test_at_expiry_an_option_is_worth_its_intrinsic_value(forward, strike, volatility):
    assert black76.call(forward, strike, volatility, 0.0, 1.0) == max(forward - strike, 0.0)
    assert black76.put(forward, strike, volatility, -1.0, 1.0) == max(strike - forward, 0.0)


@given(st.floats(100.0, 1e6), st.floats(0.5, 2.0), st.floats(0.1, 2.0), st.floats(0.01, 2.0))
def test_put_and_call_differ_by_forward_less_strike(forward, ratio, volatility, years):
    strike = forward * ratio
    call, put = (value_of((forward, strike, volatility, years, 1.0, is_call)) for is_call in (True, False))
    assert call - put == pytest.approx(forward - strike, abs=1e-9 * forward * math.sqrt(years + 1))


@given(st.floats(100.0, 1e6), st.floats(0.7, 1.4), st.floats(0.2, 2.0), st.floats(0.02, 2.0), st.booleans())
def test_greeks_are_the_slopes_of_the_value(forward, ratio, volatility, years, is_call):
    strike = forward * ratio
    delta, gamma, vega, theta = greeks(forward, strike, volatility, years, DISCOUNT, is_call)

    def at(f: float = forward, s: float = volatility, t: float = years) -> float:
        return value_of((f, strike, s, t, DISCOUNT, is_call))

    step, scale = forward * 1e-5, forward
    assert (at(forward + step) - at(forward - step)) / (2 * step) == pytest.approx(delta, abs=1e-6)
    assert (at(forward + step) - 2 * at() + at(forward - step)) / step**2 == pytest.approx(gamma, abs=2e-3 / scale)
    assert (at(s=volatility + 1e-5) - at(s=volatility - 1e-5)) / 2e-5 == pytest.approx(vega, rel=1e-6, abs=1e-7 * scale)
    assert (at(t=years - 1e-6) - at(t=years + 1e-6)) / 2e-6 == pytest.approx(theta, rel=1e-5, abs=1e-6 * scale)


@given(quotes)
def test_call_and_put_share_gamma_vega_and_theta_and_their_deltas_differ_by_the_discount(row):
    call, put = (greeks(*row[:5], is_call) for is_call in (True, False))
    assert call[1:] == put[1:]
    if row[2] > 0.0 and row[3] > 0.0:
        assert call.delta - put.delta == pytest.approx(row[4], rel=1e-12)
    assert 0.0 <= call.delta <= row[4]
    assert -row[4] <= put.delta <= 0.0


@pytest.mark.parametrize(
    ("strike", "years", "is_call", "delta"),
    [(90.0, 0.0, True, DISCOUNT), (110.0, 0.0, True, 0.0), (110.0, -1.0, False, -DISCOUNT), (100.0, 0.0, False, 0.0)],
)
def test_at_expiry_only_the_delta_of_the_intrinsic_value_is_left(strike, years, is_call, delta):
    assert greeks(100.0, strike, 0.5, years, DISCOUNT, is_call) == (delta, 0.0, 0.0, 0.0)
