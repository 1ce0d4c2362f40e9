"""Rows of the risk arrays: bulk equals definition, and what moved equals everything."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.units import PPM
from clearing.margin.risk_arrays import bulk_rows
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.risk_arrays.floor_rows import arrays_at_floor
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK, TAILS
from clearing.margin.risk_arrays.reference_arrays import PricedListing, build_reference_arrays, shocked_index
from clearing.pricing.marks import intrinsic_micros
from clearing.schema.risk.carry import carried_ticks, carry_to
from clearing.schema.risk.known_average import KnownAverage
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import forward_ticks
from tests.kit.margin.books import WETH
from tests.kit.margin.surfaces import LISTED, NOW_MS, SURFACE, curves, parameters

CASH = [CashGroup(1, "USD")]
ticks = st.one_of(st.integers(1, 50), st.integers(10_000, 2_000_000), st.integers(1, 2**40 - 1))
later = st.integers(0, 100 * 86_400_000)


def definition(risk: RiskParameters, marks: dict[int, int], index: dict[int, int], times: dict[int, int]):
    """All rows, one by one, each at its feed's time."""
    rows = {
        feed: build_reference_arrays(PricedListing(LISTED, [WETH], CASH, marks, index, risk, time_ms)).rows
        for feed, time_ms in times.items()
    }
    return [list(rows[each.feed][at]) for at, each in enumerate(LISTED)]


def build(risk, marks, index, times, before: RiskArrays | None = None) -> RiskArrays:
    return build_risk_arrays(LISTED, [WETH], CASH, marks, index, risk, NOW_MS, times=times, before=before)


@settings(max_examples=60)
@given(parameters(), st.dictionaries(st.sampled_from((1, 2, 3, 4)), ticks), ticks, ticks, later, later)
def test_rows_in_bulk_are_the_definition(risk, marks, first, second, one, two):
    index, times = {1: first, 2: second}, {1: NOW_MS + one, 2: NOW_MS + two}
    assert build(risk, marks, index, times).values.tolist() == definition(risk, marks, index, times)


steps = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from((1, 2, 3, 4)), st.integers(1, 3_000_000), max_size=2),
        st.dictionaries(st.sampled_from((1, 2)), st.integers(1, 2_000_000)),
        st.dictionaries(st.sampled_from((1, 2)), later),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40)
@given(parameters(), steps)
def test_rebuilding_what_moved_equals_building_everything(risk, moves):
    marks: dict[int, int] = {}
    index: dict[int, int] = {1: 800_000}
    times = {1: NOW_MS, 2: NOW_MS}
    built = build(risk, marks, index, times)
    for new_marks, new_index, delays, looked_at in moves:
        marks, index = marks | new_marks, index | new_index
        times |= {feed: NOW_MS + delay for feed, delay in delays.items()}
        if looked_at:
            assert len(built.matrices) == 2
            assert built.rows == built.values.tolist()
        built = build(risk, marks, index, times, before=built)
        fresh = build(risk, marks, index, times)
        assert np.array_equal(built.values, fresh.values)
        assert np.array_equal(built.token_values, fresh.token_values)
        assert (built.priced, built.index_ticks, built.rows) == (fresh.priced, fresh.index_ticks, fresh.rows)
        for kept, made in zip(built.matrices, fresh.matrices, strict=True):
            assert np.array_equal(kept.exact, made.exact)


def plain(**changes) -> RiskParameters:
    group = RiskGroup(1, "G1", 1, 180_000, 800_000, 500_000)
    return RiskParameters(
        (msgspec.structs.replace(group, **changes), msgspec.structs.replace(group, id=2, name="G2", feed=2)),
        OPTION_GRID,
    )


TIMES = {1: NOW_MS, 2: NOW_MS}
INDEX = {1: 800_000, 2: 20_000}


@given(st.lists(st.integers(1, 2**42 - 1), min_size=1), st.integers(0, 1_000_000), st.integers(-5, 2**48))
def test_carry_in_bulk_is_the_carry_one_by_one(indices, rate_ppm, tenor):
    carries = [carry_to((), each, rate_ppm, 0) for each in (tenor, 0)]
    bulk = bulk_rows._carried_forwards(np.array(indices, np.int64), carries)
    assert bulk[0].tolist() == [float(forward_ticks(each, tenor, rate_ppm, 0)) for each in indices]
    assert bulk[1].tolist() == [float(each) for each in indices]


@given(st.lists(st.integers(1, 2**42 - 1), min_size=1), curves(), st.integers(-5, 400 * 86_400_000), later)
def test_forwards_off_a_curve_are_the_same_in_bulk(indices, curve, tenor, after):
    time_ms = NOW_MS + after
    carries = [carry_to(curve, expiry, 30_000, time_ms) for expiry in (time_ms + tenor, time_ms)]
    bulk = bulk_rows._carried_forwards(np.array(indices, np.int64), carries)
    for carry, forwards in zip(carries, bulk.tolist(), strict=True):
        assert forwards == [float(carried_ticks(each, carry)) for each in indices]


@settings(max_examples=40)
@given(parameters(), parameters(), st.booleans())
def test_rows_on_another_surface_equal_building_everything(risk, other, with_curve):
    """Only smiles, curve and volatility of the first group move, as a live surface moves them."""
    moved, times = other.groups[0], {1: NOW_MS, 2: NOW_MS}
    shape = {"surface": moved.surface, "volatility_ppm": moved.volatility_ppm}
    first = msgspec.structs.replace(risk.groups[0], **shape, curve=moved.curve if with_curve else ())
    after = msgspec.structs.replace(risk, groups=(first, risk.groups[1]))
    built = build(risk, {}, INDEX, times)
    assert len(built.matrices) == 2
    again = build(after, {}, INDEX, times, before=built)
    fresh = build(after, {}, INDEX, times)
    assert np.array_equal(again.values, fresh.values)
    assert again.parameters == fresh.parameters
    assert again.matrices[1] is built.matrices[1], "the other group's options are as they were"
    assert np.array_equal(again.matrices[0].exact, fresh.matrices[0].exact)
    if first == risk.groups[0]:
        assert again.values is built.values


@settings(max_examples=40)
@given(parameters(), ticks, later)
def test_at_the_floor_no_option_is_worth_more_than_without_volatility_nor_less_than_nothing(risk, index, after):
    built = build(risk, {}, {1: index, 2: index}, {1: NOW_MS + after, 2: NOW_MS})
    options = [each.id for each in LISTED if each.is_option]
    floor = arrays_at_floor(built, options[:-1])
    for at, each in enumerate(LISTED):
        if each.id not in options[:-1]:
            assert floor.rows[at] == built.rows[at]
            continue
        group = next(group for group in risk.groups if group.id == each.group)
        time_ms = {1: NOW_MS + after, 2: NOW_MS}[each.feed]
        bare = intrinsic_micros(each, index, risk.rate_ppm, time_ms, group.curve)
        assert 0 <= floor.rows[at][0] == min(bare, built.rows[at][0])
        for column, scenario in enumerate(risk.grid(group), start=1):
            moved = shocked_index(index, group.range_ppm, scenario)
            change = intrinsic_micros(each, moved, risk.rate_ppm, time_ms, group.curve) - bare
            assert floor.rows[at][column] == min(built.rows[at][column], bare + change * scenario.weight_ppm // PPM)


AVERAGES = st.dictionaries(
    st.sampled_from((5, 6, 7, 8, 9)),
    st.tuples(st.sampled_from((3_600_000, 86_400_000)), st.integers(0, 100_000_000), st.integers(1, 2_000_000)).map(
        lambda drawn: KnownAverage(drawn[0], drawn[1] * drawn[2], drawn[1])
    ),
)


@settings(max_examples=60)
@given(parameters(), AVERAGES, AVERAGES, st.integers(1, 2_000_000), st.integers(0, 8 * 86_400_000))
def test_rows_of_averaged_options_are_the_definition_however_they_are_rebuilt(risk, averages, others, index, after):
    index, time_ms = {1: index, 2: index}, NOW_MS + after

    def built(known, before=None):
        return build_risk_arrays(LISTED, [WETH], CASH, {}, index, risk, time_ms, averages=known, before=before)

    first = built(averages)
    for known, arrays in ((averages, first), (others, built(others, first))):
        priced = PricedListing(LISTED, [WETH], CASH, {}, index, risk, time_ms, known)
        assert arrays.values.tolist() == [list(row) for row in build_reference_arrays(priced).rows]


def test_a_tick_of_one_feed_leaves_the_rows_and_matrices_of_others_alone():
    built = build(plain(), {}, INDEX, TIMES)
    assert built.matrices
    moved = build(plain(), {}, INDEX | {1: 801_000}, {1: NOW_MS + 5_000, 2: NOW_MS}, before=built)
    assert moved.matrices[1] is built.matrices[1]
    assert moved.matrices[0] is not built.matrices[0]
    still = build(plain(), {}, INDEX, {1: NOW_MS, 2: NOW_MS}, before=built)
    assert still.values is built.values
    assert built.values[0, 1] == moved.values[0, 1] == 0, "what was built is not written to"


def test_other_parameters_are_not_mistaken_for_the_old_ones():
    built = build(plain(), {}, INDEX, TIMES)
    wider = build(plain(range_ppm=200_000), {}, INDEX, TIMES, before=built)
    assert np.array_equal(wider.values, build(plain(range_ppm=200_000), {}, INDEX, TIMES).values)
    assert not np.array_equal(wider.values, built.values)


def test_a_shorter_grid_is_filled_up_with_scenarios_that_cost_nothing():
    risk = plain(scenarios=(Scenario(1, 1, 0), Scenario(-1, 1, 0)))
    built = build(risk, {}, INDEX, TIMES)
    assert built.scenarios == len(OPTION_GRID) == 32
    own = [at for at, each in enumerate(LISTED) if each.group == 1]
    filled = built.values[own][:, 3:]
    assert np.array_equal(filled, np.repeat(built.values[own][:, :1], 30, axis=1))


def test_the_option_grid_has_33_scenarios_with_the_base():
    spots = {(each.move_numerator * 4 // each.move_denominator, each.volatility_direction) for each in OPTION_GRID[:26]}
    assert len(OPTION_GRID) + 1 == 33
    assert spots == {(step, way) for step in range(-4, 5) for way in (-1, 0, 1)} - {(0, 0)}
    assert [each.of_index for each in OPTION_GRID[26:]] == [True, True, False, False, False, False]
    assert {(each.skew_linear, each.skew_absolute) for each in OPTION_GRID[28:]} == {(1, 0), (-1, 0), (0, 1), (0, -1)}


def test_one_lot_of_the_underlying_loses_a_fifth_of_the_range_in_every_tail():
    for each in TAILS:
        loss = abs(each.move_numerator) * each.weight_ppm // each.move_denominator
        assert 36_000 - 3 <= loss <= 36_000


def test_a_perpetual_loses_the_range_and_no_more_on_the_option_grid():
    # 18 % of a mark of 3100 while the index is at 3000: 558, as the published example has it.
    built = build(plain(shock=OPTION_SHOCK), {1: 3_100_000}, {1: 3_000_000}, TIMES)
    assert min(built.values[0].tolist()) == -558_000 * 10
    assert max(built.values[0].tolist()) == 558_000 * 10


def test_deep_tails_bite_only_short_options_far_out_of_the_money():
    risk = plain(shock=OPTION_SHOCK)
    far = msgspec.structs.replace(LISTED[6], strike_ticks=1_400_000, expiry_ms=NOW_MS + 7 * 86_400_000)
    built = build_risk_arrays([LISTED[0], far], [], CASH, {}, INDEX, risk, NOW_MS)
    assert OPTION_GRID[int(built.values[1].argmax()) - 1] == TAILS[-1]
    assert OPTION_GRID[int(built.values[0].argmax()) - 1].move_numerator == 4


@pytest.mark.parametrize("lifted", [1, -1])
def test_a_lifted_smile_raises_both_wings_and_not_the_money(lifted):
    grid = (Scenario(0, 1, 0, skew_absolute=lifted), Scenario(0, 1, 0, skew_linear=lifted))
    risk = plain(shock=OPTION_SHOCK, scenarios=grid, surface=SURFACE)
    at_the_money, low, high = (800_000, 700_000, 900_000)
    listed = [msgspec.structs.replace(LISTED[4], id=n, name=f"C{n}", strike_ticks=k, expiry_ms=NOW_MS + 10**9)
              for n, k in enumerate((at_the_money, low, high), start=1)]  # fmt: skip
    built = build_risk_arrays(listed, [], CASH, {}, {1: 800_000}, risk, NOW_MS)
    lift, tilt = built.values[:, 1] - built.values[:, 0], built.values[:, 2] - built.values[:, 0]
    assert lift[0] == tilt[0] == 0
    assert (lift[1:] * lifted > 0).all()
    assert tilt[1] * lifted < 0 < tilt[2] * lifted


def test_weights_apply_to_the_change_of_an_option_and_round_down():
    half = plain(scenarios=(Scenario(1, 1, 1, 500_001), Scenario(1, 1, 1, PPM)))
    for base, weighted, full, *_ in build(half, {}, INDEX, TIMES).values[4:7].tolist():
        assert weighted == base + (full - base) * 500_001 // PPM
