"""Charges on what a group nets to: basis between expiries, net delta, net vega; convex, and one rule in all paths."""

from math import sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS
from clearing.margin.requirement.account_margin import account_margin, batch_margin
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.risk_arrays.net_charges import NANO, net_lines, row_count
from clearing.margin.risk_arrays.reference_arrays import PricedListing, build_reference_arrays
from clearing.margin.statement.rows import build_rows, build_slots, count_rows
from clearing.schema.risk.group_charges import BasisMove, BasisPoint, GroupCharges, NetCharge
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, check_parameters
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.margin.books import (
    ASSETS,
    BTC,
    CASH_GROUPS,
    CHARGED,
    INDEX,
    INSTRUMENTS,
    NET,
    NOW_MS,
    ONLY,
    arrays_of,
    modest_holdings,
)

MILLION = 10**6
NEAR = Instrument(6, "NEAR", InstrumentKind.FUTURE, 1, 1, 1, 10, NOW_MS + 30 * DAY_MS)
FAR = Instrument(7, "FAR", InstrumentKind.FUTURE, 1, 1, 1, 10, NOW_MS + 90 * DAY_MS)
PERPETUAL = INSTRUMENTS[0]
CALENDAR = (PERPETUAL, NEAR, FAR)
MARKS = {1: 800_000, 6: 800_000, 7: 800_000}
NOTIONAL = 8_000_000
"""Of a lot of each, in micros."""


def under(charges: GroupCharges) -> RiskParameters:
    return RiskParameters((msgspec.structs.replace(BTC, charges=charges),))


def charged(charges: GroupCharges, lots: tuple[int, ...], instruments=CALENDAR, marks=MARKS) -> tuple[int, ...]:
    arrays = arrays_of({1: 800_000}, parameters=under(charges), instruments=instruments, marks=marks)
    return account_margin(arrays, (0, 0), (0,), lots).terms.net


LEVEL = BasisMove((BasisPoint(0, 10_000),))
"""All expiries move by 1 % against the perpetual."""
SLOPE = BasisMove((BasisPoint(30 * DAY_MS, -5_000), BasisPoint(90 * DAY_MS, 5_000)))
"""The near expiry falls by half a percent, the far one rises."""


@pytest.mark.parametrize(
    ("moves", "lots", "expected"),
    [
        ((LEVEL,), (-1, 1, 0), 80_000),  # perpetual against dated
        ((LEVEL,), (0, -1, 1), 0),  # a level moves both months alike
        ((SLOPE,), (0, -1, 1), 80_000),  # month against month
        ((SLOPE,), (0, 1, -1), 80_000),  # in either direction
        ((SLOPE,), (0, 1, 1), 0),
        ((LEVEL, SLOPE), (-2, 1, 1), 160_000),  # the worse of the two moves
        ((LEVEL, SLOPE), (0, -3, 3), 240_000),
        ((LEVEL, SLOPE), (5, 0, 0), 0),  # the perpetual has no basis here
    ],
)
def test_expiries_that_move_apart_cost_what_a_basis_move_costs(moves, lots, expected):
    assert charged(GroupCharges(basis=moves), lots) == (expected,)


def test_an_offset_of_expiries_was_free_without_the_charge():
    plain = arrays_of({1: 800_000}, parameters=RiskParameters((BTC,)), instruments=CALENDAR, marks=MARKS)
    assert account_margin(plain, (0, 0), (0,), (0, -1, 1)).initial == 0


@pytest.mark.parametrize(
    ("days", "shift"), [(0, -5_000), (30, -5_000), (31, -4_834), (45, -2_500), (60, 0), (90, 5_000), (400, 5_000)]
)
def test_the_shift_is_linear_between_points_rounded_down_and_constant_beyond(days, shift):
    assert SLOPE.shift_ppm(days * DAY_MS) == shift


def test_a_perpetual_has_its_own_shift():
    move = BasisMove((BasisPoint(0, 0),), perpetual_ppm=2_000)
    assert charged(GroupCharges(basis=(move,)), (-3, 5, 0)) == (48_000,)


def test_net_delta_is_charged_and_not_each_instrument_alone():
    charges = GroupCharges(delta=NetCharge(rate_ppm=1_000))
    assert charged(charges, (10, -4, -6)) == (0,)
    assert charged(charges, (10, 4, -6)) == (8 * NOTIONAL // 1_000,)
    assert charged(charges, (-10, -4, 6)) == (8 * NOTIONAL // 1_000,)


def test_impact_of_a_net_delta_follows_the_root_of_its_size():
    charge = NetCharge(1_000, 8 * NOTIONAL, 0, 10_000, (1_000_000, 4_000_000, 16_000_000))
    charges = GroupCharges(delta=charge)
    for lots in (8, 32, 128):  # at the sizes between which the lines run
        amount = lots * NOTIONAL
        exact = amount * (0.001 + 0.01 * sqrt(lots / 8))
        (found,) = charged(charges, (lots, 0, 0))
        assert exact <= found + 1
        assert found <= exact + lots + 2  # a micro a lot
        assert charged(charges, (2 * lots, -lots, 0)) == (found,)


OPTIONS = (PERPETUAL, *INSTRUMENTS[3:4], msgspec.structs.replace(INSTRUMENTS[3], id=9, name="P", strike_ticks=820_000))


def test_an_option_that_is_delta_hedged_owes_nothing_for_delta_and_all_for_vega():
    charges = GroupCharges(delta=NetCharge(rate_ppm=10_000), vega=NetCharge(rate_ppm=100_000))
    arrays = arrays_of({1: 800_000}, parameters=under(charges), instruments=OPTIONS, marks={1: 800_000})
    delta, vega = arrays.tariff.net
    (hedge, option, _), _ = delta.rows[0]
    assert 0 < option < hedge
    lots = (-option * 100_000 // hedge, 100_000, 0)
    assert delta.at(lots) <= hedge
    up, down = arrays.values[1, 1:3]
    scan = -(-int(up - down) // 2)  # scenarios 1 and 2: volatility up and down at the same index
    assert vega.at(lots) == 100_000 * -(-scan // 10)
    assert vega.at((0, 1, -1)) < vega.at((0, 1, 0))  # vegas of two options net


def test_the_rows_of_a_charge_are_known_before_any_option_is_valued():
    for name in ("net", "net and all"):
        arrays = CHARGED[name]
        assert count_rows(arrays) == len(build_rows(arrays, arrays.parameters))
        assert [charge.name for charge in arrays.tariff.net] == ["basis", "delta", "vega", "vega"]
    assert [row_count(group) for group in CHARGED["net"].groups] == [4 + 6 + 2, 8]


def test_slots_of_net_charges_stand_after_those_of_size():
    names = [slot.name for slot in build_slots(CHARGED["net"])]
    assert names[-4:] == ["basis:BTC", "delta:BTC", "vega:BTC", "vega:ETH"]


index_ticks = st.integers(1_000, 2_000_000)


@settings(max_examples=30)
@given(index_ticks, index_ticks, st.integers(0, 100 * DAY_MS), st.booleans())
def test_the_engine_charges_by_the_rows_of_the_definition(first, second, later, marked):
    index, marks = {1: first, 2: second}, {1: first + 7, 3: first + 999} if marked else {}
    parameters, time_ms = ONLY["net and all"], NOW_MS + later
    fast = build_risk_arrays(INSTRUMENTS, ASSETS, CASH_GROUPS, marks, index, parameters, time_ms)
    plain = build_reference_arrays(PricedListing(INSTRUMENTS, ASSETS, CASH_GROUPS, marks, index, parameters, time_ms))
    assert plain.tariff == fast.tariff
    again = build_risk_arrays(INSTRUMENTS, ASSETS, CASH_GROUPS, {}, INDEX, parameters, NOW_MS, before=fast)
    assert again.tariff == CHARGED["net and all"].tariff


@given(modest_holdings, modest_holdings, st.sampled_from(("net", "net and all")))
def test_two_books_together_owe_no_more_than_both_apart(one, other, name):
    """Convex and positively homogeneous up to impact, so a merger of accounts is never charged for offsets."""
    arrays = CHARGED[name]
    half = [a + b for a, b in zip(one[2], other[2], strict=True)]
    for charge in arrays.tariff.net:
        doubled = charge.at([2 * lots for lots in one[2]]) + charge.at([2 * lots for lots in other[2]])
        assert 2 * charge.at(half) <= doubled


@settings(max_examples=30)
@given(st.lists(modest_holdings, min_size=2, max_size=6))
def test_a_book_charges_as_the_definition_after_a_tick_that_moves_charges_alone(rows):
    before, after = CHARGED["none"], CHARGED["net"]
    book = MarginBook(before)
    for account, row in enumerate(rows):
        book.put(account, *row)
    book.remargin()
    book.reprice(after)
    book.remargin()
    assert [book.margin(account) for account in range(len(rows))] == [account_margin(after, *row) for row in rows]
    batch = book.margins(range(len(rows)))
    assert batch.initial.tolist() == [account_margin(after, *row).initial for row in rows]
    totals = [book.totals([account]) for account in range(len(rows))]
    assert [int(each.initial[0]) for each in totals] == batch.initial.tolist()


def test_a_batch_has_the_charges_of_each_account():
    rows = [((0, 0), (0,), (5, -3, 2, 1, -4)), ((0, 0), (0,), (0, 0, 0, 0, 0))]
    batch = batch_margin(CHARGED["net"], *(np.array(column, np.int64) for column in zip(*rows, strict=True)))
    assert [batch.account(at).terms.net for at in range(2)] == [
        account_margin(CHARGED["net"], *row).terms.net for row in rows
    ]
    assert batch.account(1).terms.net == (0, 0, 0, 0)


def test_lines_of_a_net_charge_are_never_below_its_rate():
    lines = net_lines(NET[0].delta).lines
    assert [slope for slope, _ in lines] == sorted(slope for slope, _ in lines)
    assert lines[0][0] >= NANO * 1_000 // MILLION


@pytest.mark.parametrize(
    ("charges", "field"),
    [
        (GroupCharges(basis=(BasisMove(()),)), "basis.0.points"),
        (GroupCharges(basis=(BasisMove((BasisPoint(5, 1), BasisPoint(5, 1))),)), "basis.0.points"),
        (GroupCharges(basis=(BasisMove((BasisPoint(5, MILLION + 1),)),)), "shift_ppm"),
        (GroupCharges(basis=(BasisMove((BasisPoint(5, 1),), -MILLION - 1),)), "perpetual_ppm"),
        (GroupCharges(basis=(LEVEL,) * 9), "charges.basis"),
        (GroupCharges(delta=NetCharge(MILLION + 1)), "delta.rate_ppm"),
        (GroupCharges(vega=NetCharge(depth_micros=2**50 + 1)), "vega.depth_micros"),
        (GroupCharges(vega=NetCharge(sizes_ppm=(2, 1))), "vega.sizes_ppm"),
        (GroupCharges(vega=NetCharge(sizes_ppm=(33 * MILLION,))), "vega.sizes_ppm"),
        (GroupCharges(delta=NetCharge(linear_impact_ppm=MILLION + 1)), "delta.linear_impact_ppm"),
        (GroupCharges(delta=NetCharge(root_impact_ppm=MILLION + 1)), "delta.root_impact_ppm"),
    ],
)
def test_terms_out_of_range_are_refused_by_their_place(charges, field):
    with pytest.raises(LocalFault, match=field):
        check_parameters(under(charges))
    check_parameters(under(NET[0]))


def test_a_group_without_charges_has_none():
    assert RiskGroup(1, "G", 1, 1, 1, 1).charges == GroupCharges()
    assert CHARGED["none"].tariff.net == () == CHARGED["all"].tariff.net
