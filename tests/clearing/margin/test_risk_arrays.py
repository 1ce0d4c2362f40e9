"""Risk arrays: base column, scenarios, weights, rounding and the bound that the proofs rest on."""

import subprocess
import sys
from hashlib import sha256

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.errors import Bug
from clearing.base.units import DAY_MS
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.risk_arrays.reference_arrays import (
    COEFFICIENT_MAX,
    PricedListing,
    build_reference_arrays,
    shocked_index,
)
from clearing.margin.statement.rows import build_rows, build_slots
from clearing.pricing.marks import option_value
from clearing.schema.risk.parameters import SPAN_SIXTEEN, Scenario
from clearing.schema.risk.volatility_surface import VOLATILITY_MIN_PPM
from clearing.schema.terms.instruments import forward_ticks
from tests.kit.margin.books import ASSETS, CHARGED, HUGE_INDEX, INDEX, INSTRUMENTS, NORMAL, NOW_MS, arrays_of
from tests.kit.margin.surfaces import LISTED, parameters

PARAMETERS = NORMAL.parameters
BTC, ETH = PARAMETERS.groups


def test_marked_instruments_have_no_value_of_their_own_and_options_their_full_value():
    assert NORMAL.values[:3, 0].tolist() == [0, 0, 0]
    call, put = INSTRUMENTS[3], INSTRUMENTS[4]
    assert NORMAL.values[3, 0] == option_value(call, INDEX[1], BTC.volatility_ppm, PARAMETERS.rate_ppm, NOW_MS, 10)
    assert NORMAL.values[4, 0] == option_value(put, INDEX[2], ETH.volatility_ppm, PARAMETERS.rate_ppm, NOW_MS, 100)


def test_a_perpetual_gains_and_loses_spans_sixteen():
    # 790,000 ticks, range 15 %: 118,500 ticks of 10 micros a lot; of the doubled range 35 % counts.
    third, two, whole, extreme = 395_000, 790_000, 1_185_000, 829_500
    moves = [0, third, -third, two, -two, whole, -whole]
    expected = [0] + [move for move in moves for _ in range(2)] + [extreme, -extreme]
    assert NORMAL.values[0].tolist() == expected


def test_options_are_revalued_one_by_one_under_move_volatility_and_weight():
    for row, group in ((3, BTC), (4, ETH)):
        each = INSTRUMENTS[row]
        scale = each.micros_per_tick
        base = option_value(each, INDEX[each.feed], group.volatility_ppm, PARAMETERS.rate_ppm, NOW_MS, scale)
        for column, scenario in enumerate(SPAN_SIXTEEN, start=1):
            index = shocked_index(INDEX[each.feed], group.range_ppm, scenario)
            volatility = group.volatility_ppm + scenario.volatility_direction * group.volatility_range_ppm
            full = option_value(each, index, volatility, PARAMETERS.rate_ppm, NOW_MS, scale)
            assert NORMAL.values[row, column] == base + (full - base) * scenario.weight_ppm // 1_000_000


def test_the_arrays_of_the_small_world_are_frozen():
    digest = sha256(NORMAL.values.astype("<i8").tobytes()).hexdigest()
    assert digest == "cbee6da13372c1913762206f0d7e9c2ef3a63c76108a5d6b8477f020ba889792"


def test_the_arrays_may_not_be_written():
    with pytest.raises(ValueError, match="read-only"):
        NORMAL.values[0, 0] = 1


def test_a_marked_instrument_moves_in_proportion_to_the_index_from_its_settled_mark():
    # A perpetual at a premium of 1 % over the index and a future keep both in every scenario.
    marks = {1: 797_900, 3: 810_000}
    settled = arrays_of(marks=marks)
    for row, mark in ((0, 797_900), (2, 810_000)):
        gains = [
            (shocked_index(mark, BTC.range_ppm, scenario) - mark) * 10 * scenario.weight_ppm // 1_000_000
            for scenario in SPAN_SIXTEEN
        ]
        assert settled.values[row].tolist() == [0, *gains]
    assert np.array_equal(settled.values[[1, 3, 4]], NORMAL.values[[1, 3, 4]])


def test_without_a_mark_a_dated_instrument_starts_from_the_carried_index():
    carried = forward_ticks(INDEX[1], INSTRUMENTS[2].expiry_ms, PARAMETERS.rate_ppm, NOW_MS)
    assert np.array_equal(arrays_of(marks={3: carried}).values, NORMAL.values)


def test_without_a_price_an_instrument_is_unpriced_and_a_token_worth_nothing():
    half = arrays_of({1: 790_000})
    assert half.priced == (True, False, True, True, False)
    assert half.values[1].tolist() == [0] * 17
    assert half.token_values.tolist() == [0]
    assert np.array_equal(half.values[0], NORMAL.values[0])


def test_the_order_in_which_things_are_listed_changes_nothing():
    turned = build_risk_arrays(INSTRUMENTS[::-1], ASSETS[::-1], NORMAL.cash_groups[::-1], {}, INDEX, PARAMETERS, NOW_MS)
    assert np.array_equal(turned.values, NORMAL.values)
    assert (turned.instruments, turned.assets) == (NORMAL.instruments, NORMAL.assets)
    assert turned.cash_groups == NORMAL.cash_groups


@given(st.integers(1, 2**40 - 1), st.integers(1, 2**40 - 1), st.integers(0, 120 * 86_400_000))
def test_every_entry_stays_below_two_to_the_62(btc, eth, later):
    built = arrays_of({1: btc, 2: eth}, NOW_MS + later)
    assert np.abs(built.values).max() <= COEFFICIENT_MAX
    assert built.values[:3, 0].tolist() == [0, 0, 0]
    assert (built.values[3:] >= 0).all()


def test_even_the_largest_price_tick_and_range_stay_below_two_to_the_62():
    largest = [msgspec.structs.replace(each, micros_per_tick=2**16) for each in INSTRUMENTS]
    groups = tuple(msgspec.structs.replace(group, range_ppm=1_000_000) for group in PARAMETERS.groups)
    parameters = msgspec.structs.replace(PARAMETERS, groups=groups, scenarios=(Scenario(3, 1, 1), Scenario(-3, 1, -1)))
    built = arrays_of(HUGE_INDEX, parameters=parameters, instruments=largest)
    assert np.abs(built.values).max() <= COEFFICIENT_MAX


@pytest.mark.parametrize("ticks", [0, -1, 2**40])
def test_a_price_out_of_range_is_a_broken_invariant(ticks):
    with pytest.raises(Bug, match="index of feed 1"):
        arrays_of({1: ticks, 2: 19_400})


@pytest.mark.parametrize(
    ("micros_per_tick", "mark", "grid"),
    [
        (2**20, 2**45, SPAN_SIXTEEN),
        (2**24, 2**45, SPAN_SIXTEEN),
        (1_600_000, 2**40, (Scenario(3, 1, 0, of_index=True),)),
    ],
)
def test_a_gain_of_two_to_the_62_is_a_broken_invariant(micros_per_tick, mark, grid):
    listed = [msgspec.structs.replace(INSTRUMENTS[0], micros_per_tick=micros_per_tick)]
    chosen = msgspec.structs.replace(PARAMETERS, scenarios=grid)
    assert np.abs(arrays_of(marks={1: mark // 32}, parameters=chosen, instruments=listed).values).max() < 2**62
    with pytest.raises(Bug, match=r"reaches 2\^62"):
        arrays_of(marks={1: mark}, parameters=chosen, instruments=listed)


def test_an_instrument_in_no_risk_group_is_a_broken_invariant():
    stray = (*INSTRUMENTS[:4], msgspec.structs.replace(INSTRUMENTS[4], group=7))
    with pytest.raises(Bug, match="ETH-P180"):
        arrays_of({}, instruments=stray)


def test_a_shocked_index_rounds_away_and_never_falls_below_one_tick():
    moved = [shocked_index(100, 1_000_000, Scenario(*move, 0)) for move in ((-2, 1), (-1, 3), (1, 3))]
    assert moved == [1, 66, 134]
    assert shocked_index(1, 200_000, Scenario(1, 1, 0)) == 2, "who sells at one tick has a loss in some scenario"


def test_volatility_never_falls_to_nothing():
    groups = (msgspec.structs.replace(BTC, volatility_ppm=100_000, volatility_range_ppm=900_000), ETH)
    built = arrays_of(parameters=msgspec.structs.replace(PARAMETERS, groups=groups))
    floor = option_value(INSTRUMENTS[3], INDEX[1], VOLATILITY_MIN_PPM, PARAMETERS.rate_ppm, NOW_MS, 10)
    assert built.values[3, 2] == floor


@pytest.mark.parametrize("index", [1, 2, 3, 4, 7, 100, 2**40 - 1])
def test_a_shock_moves_the_index_at_least_as_far_as_its_fraction(index):
    for each in SPAN_SIXTEEN:
        moved = shocked_index(index, 200_000, each) - index
        asked = index * 200_000 * abs(each.move_numerator)
        reached = abs(moved) * 1_000_000 * each.move_denominator
        floored = each.move_numerator < 0 and index + moved == 1
        assert reached >= asked or floored
        assert moved * each.move_numerator >= 0


prices = st.one_of(st.integers(1, 2_000_000), st.integers(1, 2**40 - 1))


def plain_and_fast(risk, marks, index, time_ms, instruments=INSTRUMENTS):
    listed = (instruments, ASSETS, NORMAL.cash_groups, marks, index, risk, time_ms)
    return build_reference_arrays(PricedListing(*listed)), build_risk_arrays(*listed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    parameters(),
    st.dictionaries(st.sampled_from([1, 2, 3, 4]), prices),
    st.dictionaries(st.sampled_from([1, 2]), prices),
    st.integers(0, 100 * DAY_MS),
)
def test_plain_arrays_are_the_engines(risk, marks, index, later_ms):
    plain, fast = plain_and_fast(risk, marks, index, NOW_MS + later_ms, LISTED)
    for name in ("rows", "token_prices", "index_ticks", "scenarios", "groups"):
        assert getattr(plain, name) == getattr(fast, name), name
    assert all(plain.members(group) == fast.members(group) for group in plain.groups)


@pytest.mark.parametrize("name", CHARGED)
def test_slots_and_rows_of_plain_arrays_are_the_engines(name):
    plain, fast = plain_and_fast(CHARGED[name].parameters, {}, INDEX, NOW_MS)
    assert fast.rows == CHARGED[name].rows
    assert plain.tariff == fast.tariff
    assert build_slots(plain) == build_slots(fast)
    assert build_rows(plain, CHARGED[name].parameters) == build_rows(fast, CHARGED[name].parameters)


def test_rows_of_a_listing_without_options_need_no_numpy():
    code = "import sys, clearing.margin.statement.rulebook; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
