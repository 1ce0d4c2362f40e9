"""Benchmarks do what they say before they are measured, what they compare computes the same, and figures are right."""

import math

import numpy as np
import pytest

from benchmarks import backfill, defaults, ethereum_light, governance, liquidation, margin, options
from benchmarks.figures import Figure, of_times, percentile, shown
from benchmarks.network import quantile
from clearing.base.errors import Bug
from clearing.genesis.paths import change_at
from clearing.margin.requirement.account_margin import batch_margin
from clearing.pricing.black76 import option_values
from clearing.schema.requests.governance import TermsAmendment
from clearing.schema.terms.genesis import CrisisParameters
from tests.kit.chains import anvil_binary

__all__ = ["anvil_binary"]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 0.0)) == (3.0, 5.0, 1.0)
    assert math.isnan(percentile([], 0.5))


def test_a_quantile_of_a_histogram_is_linear_within_its_bucket() -> None:
    cumulative = {0.01: 0.0, 0.02: 10.0, 0.05: 20.0, math.inf: 20.0}
    assert quantile(cumulative, 0.25) == 0.015
    assert quantile(cumulative, 0.75) == 0.035


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile({0.01: 1.0, math.inf: 10.0}, 0.9) == 0.01


def test_times_are_told_as_median_with_extremes_in_the_unit() -> None:
    assert of_times("x", [0.003, 0.001, 0.002], goal="< 10") == Figure("x", 2.0, "ms", 1.0, 3.0, "< 10")


def test_figures_are_shown_with_three_digits_and_no_exponent() -> None:
    assert [shown(each) for each in (12345.6, 99.44, 1.2345, 0.01234, math.nan)] == [
        "12,346",
        "99.4",
        "1.23",
        "0.0123",
        "-",
    ]


@pytest.mark.chain
@pytest.mark.usefixtures("anvil_binary")
def test_every_deposit_is_taken_in_before_the_backfill_is_measured() -> None:
    names = [each.name for each in backfill.measured(100)]
    assert names == [f"backfill, {endpoints} endpoints, 100 deposits" for endpoints in ("1 of 1", "2 of 3")]


def test_the_light_client_of_ethereum_follows_before_it_is_measured() -> None:
    names = [each.name for each in ethereum_light.measured(2, committee_size=32)]
    assert names == [
        "final header, 32 signers",
        "the first one of a committee: its keys are decoded",
        "update with the next committee, of 8 kB",
    ]


def test_every_amendment_is_judged_tried_out_and_put_in_force() -> None:
    names = [each.name for each in governance.measured(100, rounds=1)]
    assert names == [
        f"{what}: {how}"
        for what in ("fee", "range", "listing")
        for how in ("judged", "tried out on 100 accounts", "block in which it takes effect")
    ]


def test_a_block_without_its_amendment_is_not_measured() -> None:
    world = liquidation.filled(2, CrisisParameters())
    place = change_at(world.state.terms.genesis, "risk.groups.1.range_ppm", 1)
    with pytest.raises(Bug):
        governance.applied(governance.due(world.state, TermsAmendment((place,))), world.make_block())


def test_one_in_a_hundred_defaults_and_all_end() -> None:
    names = [figure.name for figure in defaults.measured(600)]
    assert names == ["6 of 600 members declared in default", "6 defaults ended in 3 blocks, the worst"]


def test_one_in_a_hundred_is_liquidated_in_every_way() -> None:
    names = [figure.name for figure in liquidation.measured(200, rounds=1)]
    assert names == [
        "2 of 200 accounts taken over by the house",
        "2 of 200 accounts so, all judged for early calls",
        "2 of 200 accounts taken over by the backstop",
        "2 of 200 accounts put up for sale",
        "2 of 200 accounts sold to bidders",
    ]


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
