"""exp, ln and Mills' ratio: right to the last few bits, and the same bits one by one or in bulk."""

from math import factorial, inf

import numpy as np
import pytest
from flint import arb, arb_poly, ctx
from hypothesis import given
from hypothesis import strategies as st

from clearing.pricing import elementary, vectors


@pytest.fixture(autouse=True)
def _three_hundred_bits():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


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
