"""Black-76: worked cases, a wide grid against 300-bit arithmetic, and independence of the batch."""

import random
import struct
from hashlib import sha256
from math import sqrt

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from clearing.pricing import black76

YEAR_SECONDS = 365 * 86_400


def exact(forward: float, strike: float, volatility: float, years: float, is_call: bool) -> arb:
    f, k, s, t = (arb(value) for value in (forward, strike, volatility, years))
    deviation = s * t.sqrt()
    d1 = (f / k).log() / deviation + deviation / 2
    d2 = d1 - deviation

    def phi(x: arb) -> arb:
        return (-x / arb(2).sqrt()).erfc() / 2

    return f * phi(d1) - k * phi(d2) if is_call else k * phi(-d2) - f * phi(-d1)


def test_c12_at_the_money_a_week_at_full_volatility():
    value = black76.call(1500.0, 1500.0, 1.0, 604_800 / YEAR_SECONDS, 1.0)
    assert value == pytest.approx(82.805080668634559515, rel=1e-12)


def test_c13_a_discounted_call_and_put():
    terms = (1000.0, 1200.0, 0.25, 30 / 365, 0.9991784198737)
    assert black76.call(*terms) == pytest.approx(0.137082128426579297, rel=1e-12)
    assert black76.put(*terms) == pytest.approx(199.972766103166719631, rel=1e-12)


def test_a_wide_grid_is_within_a_billionth_of_300_bit_arithmetic():
    before, ctx.prec = ctx.prec, 300
    worst = 0.0
    for moneyness in (-0.9, -0.5, -0.2, -0.05, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 0.05, 0.2, 1.0, 3.0, 9.0):
        for volatility in (0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 50.0):
            for years in (3e-11, 1e-8, 1e-6, 1e-4, 1e-3, 0.02, 0.25, 1.0, 10.0):
                for is_call in (True, False):
                    forward = 8123.25
                    strike = forward * (1.0 + moneyness)
                    want = exact(forward, strike, volatility, years, is_call)
                    got = (black76.call if is_call else black76.put)(forward, strike, volatility, years, 1.0)
                    if want > arb(10) ** -250:
                        worst = max(worst, abs(float(((arb(got) - want) / want).mid())))
                    else:
                        assert 0.0 <= got < 1e-249
    ctx.prec = before
    assert worst < 1e-10  # the rulebook asks for 1e-9


quotes = st.tuples(
    st.floats(1.0, 1e12),
    st.floats(1.0, 1e12),
    st.floats(0.01, 100.0),
    st.one_of(st.just(0.0), st.floats(3e-11, 20.0)),
    st.floats(0.1, 1.0),
    st.booleans(),
)


@given(st.floats(100.0, 1e6), st.floats(-5.0, 5.0))
def test_the_two_ways_of_computing_meet_where_one_takes_over(forward, deviations):
    edge = black76.SMALL_DEVIATION
    below = black76.out_of_the_money(forward, forward * (1 + deviations * edge), edge * (1 - 1e-15))
    above = black76.out_of_the_money(forward, forward * (1 + deviations * edge), edge)
    assert below == pytest.approx(above, rel=1e-10)


def in_bulk(rows) -> list[float]:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return black76.option_values(*columns).tolist()


@given(st.lists(quotes, min_size=1, max_size=40))
def test_a_batch_has_the_bits_of_single_values(rows):
    singles = [(black76.call if row[5] else black76.put)(*row[:5]) for row in rows]
    assert in_bulk(rows) == singles


def test_neither_batch_size_nor_order_changes_a_bit():
    rng = random.Random(7)
    rows = [
        (
            rng.uniform(1e3, 1e7),
            rng.uniform(1e3, 1e7),
            rng.uniform(0.01, 3),
            rng.uniform(0, 2),
            0.99,
            rng.random() < 0.5,
        )
        for _ in range(3001)
    ]
    whole = in_bulk(rows)
    for size in (1, 2, 3, 7, 8, 17, 1000):
        parts = [value for start in range(0, len(rows), size) for value in in_bulk(rows[start : start + size])]
        assert parts == whole
    order = list(range(len(rows)))
    rng.shuffle(order)
    assert in_bulk([rows[at] for at in order]) == [whole[at] for at in order]


def test_the_bits_are_the_same_on_every_machine():
    # Frozen: a machine, interpreter or numpy that gives another digest must not take part in consensus.
    digest = sha256()
    for moneyness in range(-40, 41):
        for volatility in (1, 30, 90, 400):
            for days in (0, 1, 30, 900):
                forward, strike = 812_345.0, 812_345.0 * (64 + moneyness) / 64
                terms = (forward, strike, volatility / 100, days / 365, 127 / 128)
                digest.update(struct.pack("<dd", black76.call(*terms), black76.put(*terms)))
    assert digest.hexdigest() == "701530c144101e08f4a99a56a31bd3b663c05c026449e456b89e93e073206cca"


@given(quotes)
def test_a_value_lies_between_intrinsic_value_and_forward_or_strike(row):
    forward, strike, volatility, years, discount, is_call = row
    value = (black76.call if is_call else black76.put)(forward, strike, volatility, years, discount)
    intrinsic = discount * max(forward - strike if is_call else strike - forward, 0.0)
    assert intrinsic <= value <= discount * (forward if is_call else strike) * (1 + 1e-14)


@given(st.floats(1.0, 1e9), st.floats(1.0, 1e9), st.floats(0.01, 5.0))
def test_at_expiry_an_option_is_worth_its_intrinsic_value(forward, strike, volatility):
    assert black76.call(forward, strike, volatility, 0.0, 1.0) == max(forward - strike, 0.0)
    assert black76.put(forward, strike, volatility, -1.0, 1.0) == max(strike - forward, 0.0)


@given(st.floats(100.0, 1e6), st.floats(0.5, 2.0), st.floats(0.1, 2.0), st.floats(0.01, 2.0))
def test_put_and_call_differ_by_forward_less_strike(forward, ratio, volatility, years):
    strike = forward * ratio
    difference = black76.call(forward, strike, volatility, years, 1.0) - black76.put(
        forward, strike, volatility, years, 1.0
    )
    assert difference == pytest.approx(forward - strike, abs=1e-9 * forward * sqrt(years + 1))
