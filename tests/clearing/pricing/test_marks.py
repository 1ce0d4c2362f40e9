"""Marks at an index: integers, rounded the way the rulebook says."""

from math import erf, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.units import YEAR_MS
from clearing.pricing.marks import mark_ticks, option_marks, option_value
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.margin.books import BTC, DAY_MS, NOW_MS
from tests.kit.margin.surfaces import dated, parameters

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
