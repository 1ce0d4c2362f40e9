"""What benchmarks compare computes the same: QuantLib's and numpy's numbers beside ours."""

import numpy as np

from benchmarks import margin, options
from clearing.margin.requirement.account_margin import batch_margin
from clearing.pricing.black76 import option_values


def test_risk_arrays_are_quantlibs_but_for_rounding_moves_and_carry_to_ticks() -> None:
    held = margin.arrays(4)
    ticks = np.abs(held.values - margin.by_quantlib(held)) / margin.instruments(4)[0].micros_per_tick
    assert ticks.max() <= 2.0
    assert held.values.shape == (40, 33)


def test_the_naive_margin_is_the_exact_one_where_float64_holds_it() -> None:
    rng = np.random.default_rng(4)
    held = margin.arrays(4)
    lots, cash = rng.integers(-1000, 1001, (50, 40)), rng.integers(0, 10**12, (50, 1))
    equity, requirement = margin.naive(held, cash, lots)
    exact = batch_margin(held, cash, np.zeros((50, 0), np.int64), lots)
    assert np.array_equal(exact.initial, requirement.astype(np.int64))
    assert np.array_equal(exact.equity, equity.astype(np.int64))


def test_option_values_of_all_peers_agree_to_their_digits() -> None:
    columns = options.quotes(500)
    ours, scale = option_values(*columns), columns[0].max()
    assert np.abs(ours - options.quantlib(*columns)).max() < 1e-13 * scale
    assert np.abs(ours - options.naive(options.by_element, *columns)).max() < 1e-13 * scale
    assert np.abs(ours - options.naive(options.seven_digits, *columns)).max() < 2e-7 * scale
