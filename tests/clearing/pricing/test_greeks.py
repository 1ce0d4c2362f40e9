"""Greeks: against 300-bit arithmetic, against the values' own differences, and the same bits in any batch."""

import itertools

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from clearing.pricing import black76
from clearing.pricing.black76 import Greeks, greeks, option_greeks

DISCOUNT = 0.97


@pytest.fixture(autouse=True)
def _three_hundred_bits():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


def exact(forward: float, strike: float, volatility: float, years: float, discount: float, is_call: bool) -> list[arb]:
    f, k, s, t, d = (arb(value) for value in (forward, strike, volatility, years, discount))
    deviation = s * t.sqrt()
    d1 = (f / k).log() / deviation + deviation / 2
    density = (-d1 * d1 / 2).exp() / (2 * arb.pi()).sqrt()

    def phi(x: arb) -> arb:
        return (-x / arb(2).sqrt()).erfc() / 2

    vega = d * f * density * t.sqrt()
    return [d * phi(d1) if is_call else -d * phi(-d1), d * density / (f * deviation), vega, -vega * s / (2 * t)]


def test_greeks_are_within_a_billionth_of_300_bit_arithmetic_on_a_wide_grid():
    # The grid of `test_black76`: strike/forward - 1 from -0.9 to 9, volatility 1 % to 5000 %, 1 ms to 10 years.
    moneyness = (-0.9, -0.5, -0.2, -0.05, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 0.05, 0.2, 1.0, 3.0, 9.0)
    volatilities, times = (0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 50.0), (3e-11, 1e-8, 1e-6, 1e-4, 1e-3, 0.02, 0.25, 1.0, 10.0)
    worst, forward = 0.0, 8123.25
    for more, volatility, years, is_call in itertools.product(moneyness, volatilities, times, (True, False)):
        terms = (forward, forward * (1.0 + more), volatility, years, DISCOUNT, is_call)
        for got, want in zip(greeks(*terms), exact(*terms), strict=True):
            if abs(want) > arb(10) ** -250:
                worst = max(worst, abs(float(((arb(got) - want) / want).mid())))
            else:
                assert abs(got) < 1e-249
    assert worst < 1e-12  # the rulebook asks for 1e-9


quotes = st.tuples(
    st.floats(1.0, 1e12),
    st.floats(1.0, 1e12),
    st.one_of(st.just(0.0), st.floats(0.01, 100.0)),
    st.one_of(st.just(0.0), st.just(-1.0), st.floats(3e-11, 20.0)),
    st.floats(0.1, 1.0),
    st.booleans(),
)


@given(st.lists(quotes, min_size=1, max_size=40))
def test_a_batch_has_the_bits_of_single_greeks(rows):
    columns = option_greeks(*(np.array(column) for column in zip(*rows, strict=True)))
    for at, row in enumerate(rows):
        single = greeks(*row)
        batch = Greeks(columns.delta[at], columns.gamma[at], columns.vega[at], columns.theta[at])
        assert [each.hex() for each in batch] == [each.hex() for each in single]


@given(st.floats(100.0, 1e6), st.floats(0.7, 1.4), st.floats(0.2, 2.0), st.floats(0.02, 2.0), st.booleans())
def test_greeks_are_the_slopes_of_the_value(forward, ratio, volatility, years, is_call):
    value = black76.call if is_call else black76.put
    strike = forward * ratio
    delta, gamma, vega, theta = greeks(forward, strike, volatility, years, DISCOUNT, is_call)

    def at(f: float = forward, s: float = volatility, t: float = years) -> float:
        return value(f, strike, s, t, DISCOUNT)

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


def test_at_expiry_only_the_delta_of_the_intrinsic_value_is_left():
    assert greeks(100.0, 90.0, 0.5, 0.0, DISCOUNT, is_call=True) == (DISCOUNT, 0.0, 0.0, 0.0)
    assert greeks(100.0, 110.0, 0.5, 0.0, DISCOUNT, is_call=True) == (0.0, 0.0, 0.0, 0.0)
    assert greeks(100.0, 110.0, 0.5, -1.0, DISCOUNT, is_call=False) == (-DISCOUNT, 0.0, 0.0, 0.0)
    assert greeks(100.0, 100.0, 0.5, 0.0, DISCOUNT, is_call=False) == (0.0, 0.0, 0.0, 0.0)
