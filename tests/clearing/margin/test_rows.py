"""Rows and engine are one rule: what is charged is what is proven."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.base.errors import Bug
from clearing.base.ids import Hash32, NetworkId
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.statement.rows import build_rows, build_snapshot, build_statement
from clearing.margin.statement.snapshot import (
    AccountHoldings,
    PriceUsed,
    PublicTotal,
    RiskSnapshot,
    RiskStatement,
    SlotKind,
)
from tests.kit.clearing.rows import group_maxima, row_value, shortfall_of
from tests.kit.margin.books import HUGE, NORMAL, PARAMETERS, holdings, modest_holdings

ROWS = {id(NORMAL): build_rows(NORMAL, PARAMETERS), id(HUGE): build_rows(HUGE, PARAMETERS)}
sizes = st.one_of(st.tuples(st.just(NORMAL), modest_holdings), st.tuples(st.sampled_from([NORMAL, HUGE]), holdings))


def statement_for(accounts, shortfalls=None) -> RiskStatement:
    totals = [sum(values) for values in zip(*accounts, strict=True)]
    return build_statement(
        NORMAL,
        PARAMETERS,
        network=NetworkId(bytes(32)),
        height=7,
        epoch=1,
        state_root=Hash32(bytes(32)),
        prices=[PriceUsed("ETH", 19_400), PriceUsed("BTC", 790_000)],
        totals=[PublicTotal(slot, total) for slot, total in enumerate(totals)],
        custody=[],
        shortfalls=shortfalls or {},
    )


@given(sizes)
def test_the_rows_hold_exactly_when_the_engine_finds_the_account_maintained(case):
    arrays, (cash, tokens, positions) = case
    rows = ROWS[id(arrays)]
    margin = account_margin(arrays, cash, tokens, positions)
    values = (*cash, *tokens, *positions, *margin.group_losses)
    met = {row.name: row_value(row, values, 0) >= 0 for row in rows}
    assert all(ok for name, ok in met.items() if name.startswith("loss:"))
    assert met["maintenance"] is margin.maintenance_ok
    assert [met["cash-limit:USD"], met["cash-limit:EUR"]] == [each >= -PARAMETERS.cash_limit_micros for each in cash]


@given(sizes, st.integers(1, 1000))
def test_the_group_losses_are_the_smallest_maxima_that_the_rows_allow(case, less):
    arrays, (cash, tokens, positions) = case
    maxima = group_maxima(arrays, cash, tokens, positions)
    for at, group in enumerate(arrays.groups):
        own = [row for row in ROWS[id(arrays)] if row.name.startswith(f"loss:{group.name}:")]
        assert len(own) == arrays.scenarios
        if maxima[at] > 0:
            lower = [*maxima[:at], maxima[at] - less, *maxima[at + 1 :]]
            assert any(row_value(row, (*cash, *tokens, *positions, *lower), 0) < 0 for row in own)
        assert all(row_value(row, (*cash, *tokens, *positions, *maxima), 0) >= 0 for row in own)


@given(sizes)
def test_with_its_shortfall_an_account_passes_and_with_one_less_it_does_not(case):
    arrays, (cash, tokens, positions) = case
    values = (*cash, *tokens, *positions, *group_maxima(arrays, cash, tokens, positions))
    shortfall = shortfall_of(arrays, cash, tokens, positions)
    rows = ROWS[id(arrays)]
    assert all(row_value(row, values, shortfall) >= 0 for row in rows)
    if shortfall:
        assert any(row_value(row, values, shortfall - 1) < 0 for row in rows)


@given(modest_holdings)
def test_ordinary_rows_lie_in_the_range_that_is_proven(row):
    values = (*row[0], *row[1], *row[2], *group_maxima(NORMAL, *row))
    shortfall = shortfall_of(NORMAL, *row)
    assert all(0 <= row_value(each, values, shortfall) < 2**64 for each in ROWS[id(NORMAL)])


def test_slots_and_rows_have_their_order_and_names():
    statement = statement_for([(0, 0, 0, 0, 0, 0, 0, 0)])
    assert [slot.name for slot in statement.slots] == [
        "cash:USD", "cash:EUR", "token:31337:WETH", "position:BTC-PERP", "position:ETH-PERP", "position:BTC-JUN",
        "position:BTC-C8000", "position:ETH-P180", "max:BTC", "max:ETH",
    ]  # fmt: skip
    assert [slot.group for slot in statement.slots if slot.kind is SlotKind.GROUP_MAX] == [1, 2]
    names = [row.name for row in statement.rows]
    assert names[:16] == [f"loss:BTC:{s}" for s in range(1, 17)]
    assert names[16:] == [f"loss:ETH:{s}" for s in range(1, 17)] + ["maintenance", "cash-limit:USD", "cash-limit:EUR"]
    assert statement.groups == ("BTC", "ETH")
    assert statement.scenarios == 16
    assert [price.name for price in statement.prices] == ["BTC", "ETH"]


def test_coefficients_are_ordered_by_slot_without_zeros_and_below_two_to_the_62():
    for rows in ROWS.values():
        for row in rows:
            slots = [slot for slot, _ in row.coefficients]
            assert slots == sorted(set(slots))
            assert all(0 < abs(coefficient) < 2**62 for _, coefficient in row.coefficients)


def test_a_coefficient_of_two_to_the_62_is_a_broken_invariant():
    # The maintenance row multiplies by its denominator, so its entries can outgrow the arrays'.
    gentle = msgspec.structs.replace(PARAMETERS, maintenance_numerator=2, maintenance_denominator=3)
    values = NORMAL.values.copy()
    values[4] = 2**60
    build_rows(replace(NORMAL, values=values), gentle)
    with pytest.raises(Bug, match="maintenance"):
        build_rows(replace(NORMAL, values=values), PARAMETERS)
    values[3, 1:] = values[3, 0] - (2**62 - 1)
    build_rows(replace(NORMAL, values=values), gentle)
    values[3, 7] -= 1
    with pytest.raises(Bug, match="loss:BTC:7"):
        build_rows(replace(NORMAL, values=values), gentle)


@given(st.lists(modest_holdings, min_size=1, max_size=5))
def test_a_snapshot_holds_every_account_in_order_and_has_one_encoding(rows):
    vectors = {10 - at: (*row[0], *row[1], *row[2]) for at, row in enumerate(rows)}
    short = {10 - at: shortfall_of(NORMAL, *row) for at, row in enumerate(rows)}
    listed = {account: value for account, value in short.items() if value}
    statement = statement_for(list(vectors.values()), listed)
    snapshot = build_snapshot(statement, [AccountHoldings(each, vectors[each], short[each]) for each in vectors])
    assert [each.account for each in snapshot.accounts] == sorted(vectors)
    assert decode(encode(snapshot), RiskSnapshot) == snapshot
    assert decode(encode(statement), RiskStatement).digest() == statement.digest()


def test_a_snapshot_that_does_not_match_its_statement_is_a_broken_invariant():
    values = (5, 0, 1, 0, 0, 0, 0, 0)
    statement = statement_for([values])
    build_snapshot(statement, [AccountHoldings(1, values)])
    wrong = [
        ([AccountHoldings(1, values), AccountHoldings(1, values)], "twice"),
        ([AccountHoldings(1, values[:-1])], "7 values"),
        ([AccountHoldings(1, values, 3)], "short by 3"),
        ([AccountHoldings(1, (4, *values[1:]))], "cash:USD sums to 4"),
        ([], "cash:USD sums to 0"),
    ]
    for accounts, why in wrong:
        with pytest.raises(Bug, match=why):
            build_snapshot(statement, accounts)
    with pytest.raises(Bug, match="every slot"):
        build_statement(
            NORMAL, PARAMETERS, network=NetworkId(bytes(32)), height=1, epoch=1, state_root=Hash32(bytes(32)),
            prices=[], totals=[PublicTotal(0, 5)], custody=[], shortfalls={},
        )  # fmt: skip


@given(modest_holdings)
def test_a_changed_array_changes_the_statement(row):
    assume(any(row[2]))
    values = (*row[0], *row[1], *row[2])
    statement = statement_for([values])
    other = msgspec.structs.replace(statement, rows=build_rows(HUGE, PARAMETERS))
    assert other.digest() != statement.digest()
