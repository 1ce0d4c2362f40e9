"""The requirement: a worked case, exactness at any size, and what offsetting may never do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.margin.requirement.account_margin import AccountMargin, account_margin, batch_margin, compose_margin
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.exact_products import group_matrix, value_and_loss
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.margin.books import HUGE, NORMAL, PARAMETERS, holdings, modest_holdings


def in_one_batch(arrays: RiskArrays, rows) -> list[AccountMargin]:
    cash, tokens, positions = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    batch = batch_margin(arrays, cash, tokens, positions)
    margins = [batch.account(at) for at in range(len(rows))]
    assert batch.initial_ok.tolist() == [margin.initial_ok for margin in margins]
    assert batch.maintenance_ok.tolist() == [margin.maintenance_ok for margin in margins]
    assert [int(initial) for initial in batch.initial] == [margin.initial for margin in margins]
    return margins


def test_c9_a_span_covered_write_loses_most_in_scenario_13():
    future = [0, 0, 3330, 3330, -3330, -3330, 6670, 6670, -6670, -6670, 10000, 10000, -10000, -10000, 7000, -7000]
    call = [460, -610, 2640, 1730, -1270, -2340, 5210, 4540, -2540, -3430, 8060, 7640, -3380, -3990, 3130, -1500]
    premium = 6_000
    group = RiskGroup(1, "G", 1, 1, 1, 1)
    arrays = RiskArrays(
        instruments=(
            Instrument(1, "FUT", InstrumentKind.FUTURE, 1, 1, 1, 1, 1),
            Instrument(2, "DEC-410", InstrumentKind.CALL, 1, 1, 1, 1, 1, 1),
        ),
        assets=(),
        cash_groups=(CashGroup(1, "USD"),),
        values=np.array([[0, *future], [premium, *(premium + change for change in call)]], np.int64),
        token_values=np.zeros(0, np.int64),
        priced=(True, True),
        parameters=RiskParameters((group,)),
    )
    margin = account_margin(arrays, [10_000], [], [1, -1])
    assert margin.group_losses == (6620,)
    assert margin.initial == 6620
    assert margin.equity == 10_000 - premium
    assert margin.maintenance == 5296
    losses = [-(future[at] - call[at]) for at in range(16)]
    assert [at + 1 for at in range(16) if losses[at] == 6620] == [13]


@given(st.lists(holdings, min_size=1, max_size=12), st.sampled_from([NORMAL, HUGE]))
def test_a_batch_equals_single_accounts_whatever_the_sizes(rows, arrays):
    assert in_one_batch(arrays, rows) == [account_margin(arrays, *row) for row in rows]


@given(st.lists(modest_holdings, min_size=1, max_size=30))
def test_a_batch_of_ordinary_accounts_stays_in_machine_integers(rows):
    cash, tokens, positions = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    batch = batch_margin(NORMAL, cash, tokens, positions)
    assert {batch.equity.dtype, batch.losses.dtype, batch.initial.dtype} == {np.dtype(np.int64)}
    assert in_one_batch(NORMAL, rows) == [account_margin(NORMAL, *row) for row in rows]


def test_losses_beyond_64_bits_are_exact():
    positions = (2**39 - 1, 1 - 2**39, 2**39 - 1, -(2**38), 2**39 - 1)
    row = ((2**63 - 1, 2**63 - 1), (2**56 - 1,), positions)
    margin = account_margin(HUGE, *row)
    assert margin.initial > 2**64
    assert margin.equity > 2**64
    assert in_one_batch(HUGE, [row, ((1, 2), (3,), (1, 0, 0, -1, 0))]) == [
        margin,
        account_margin(HUGE, (1, 2), (3,), (1, 0, 0, -1, 0)),
    ]


@given(st.lists(st.tuples(*(st.integers(0, 2**39 - 1) for _ in range(5))), min_size=1, max_size=8), st.integers(0, 38))
def test_an_account_that_gains_in_every_scenario_needs_nothing(rows, shift):
    # As after a jump that is not yet settled: the mark lies below even the worst scenario.
    values = np.abs(NORMAL.values)
    values[:, 1:] += values[:, :1] + 1
    gaining = replace(NORMAL, values=values)
    lots = [tuple(each >> shift for each in row) for row in rows]
    for margin in in_one_batch(gaining, [((0, 0), (0,), row) for row in lots]):
        assert margin.group_losses == (0, 0)
    assert account_margin(gaining, (0, 0), (0,), lots[0]).initial == 0


@given(
    st.integers(1, 40),
    st.integers(0, 61),
    st.integers(0, 38),
    st.integers(0, 2**32 - 1),
)
def test_every_path_of_the_kernel_gives_the_product_of_integers(members, value_bits, lot_bits, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**value_bits), 2**value_bits, (members, 4), endpoint=True)
    lots = rng.integers(-(2**lot_bits), 2**lot_bits, (members, 6), endpoint=True)
    lots[:, 0] = 2**lot_bits
    lots[:, 1] = -(2**lot_bits)
    matrix = group_matrix(values, tuple(range(members)))
    value, loss = value_and_loss(matrix, lots)
    for at in range(6):
        worth = [sum(int(a) * int(q) for a, q in zip(column, lots[:, at], strict=True)) for column in values.T]
        assert int(value[at]) == worth[0]
        assert int(loss[at]) == max(0, worth[0] - min(worth[1:]))


def test_neither_the_number_nor_the_order_of_accounts_changes_a_margin():
    rng = np.random.default_rng(11)
    count = 5000  # more than two chunks of the kernel
    cash, tokens = rng.integers(-(10**9), 10**12, (count, 2)), rng.integers(0, 10**6, (count, 1))
    positions = rng.integers(-(10**5), 10**5, (count, 5)) * rng.integers(0, 2, (count, 5))
    whole = batch_margin(NORMAL, cash, tokens, positions)
    order = rng.permutation(count)
    turned = batch_margin(NORMAL, cash[order], tokens[order], positions[order])
    assert np.array_equal(turned.equity, whole.equity[order])
    assert np.array_equal(turned.losses, whole.losses[order])
    for at in [*range(0, count, 97), 2047, 2048, 4095, 4096, count - 1]:
        alone = batch_margin(NORMAL, cash[at : at + 1], tokens[at : at + 1], positions[at : at + 1])
        assert alone.account(0) == whole.account(at)
        assert whole.account(at) == account_margin(NORMAL, *(part[at].tolist() for part in (cash, tokens, positions)))


@settings(max_examples=30)
@given(st.integers(0, 2**20), st.integers(-3, 3))
def test_the_float_path_is_left_just_before_it_could_round(start, off):
    # One instrument whose loss times lots straddles 2^53, where float64 stops holding every integer.
    loss = 2**22 + start
    values = np.array([[0, -loss, loss]], np.int64)
    arrays = RiskArrays(
        instruments=(Instrument(1, "P", InstrumentKind.PERPETUAL, 1, 1, 1, 1),),
        assets=(),
        cash_groups=(CashGroup(1, "USD"),),
        values=values,
        token_values=np.zeros(0, np.int64),
        priced=(True,),
        parameters=RiskParameters((RiskGroup(1, "G", 1, 1, 1, 1),), NORMAL.parameters.scenarios[:2]),
    )
    rows = [((0,), (), (sign * (2**53 // loss + off),)) for sign in (1, -1)]
    cash, positions = np.zeros((2, 1), np.int64), np.array([row[2] for row in rows], np.int64)
    batch = batch_margin(arrays, cash, np.zeros((2, 0), np.int64), positions)
    assert batch.initial.tolist() == [loss * abs(row[2][0]) for row in rows]


@given(modest_holdings, st.integers(0, 4), st.integers(0, 1000))
def test_taking_lots_off_one_side_of_an_instrument_alone_never_raises_its_requirement(row, at, part):
    alone = [lots if where == at else 0 for where, lots in enumerate(row[2])]
    fewer = [abs(lots) * part // 1000 * (1 if lots >= 0 else -1) for lots in alone]
    full = account_margin(NORMAL, row[0], row[1], alone).initial
    assert account_margin(NORMAL, row[0], row[1], fewer).initial <= full


@given(modest_holdings, modest_holdings)
def test_one_account_never_needs_more_than_its_two_parts(one, other):
    together = [a + b for a, b in zip(one[2], other[2], strict=True)]
    whole = account_margin(NORMAL, (0, 0), (0,), together).initial
    parts = [account_margin(NORMAL, (0, 0), (0,), row[2]).initial for row in (one, other)]
    assert whole <= sum(parts)


@given(st.integers(0, 10**6))
def test_maintenance_is_compared_exactly_and_shown_rounded_up(initial):
    num, den = PARAMETERS.maintenance_numerator, PARAMETERS.maintenance_denominator
    for equity in range(initial * num // den - 1, initial * num // den + 3):
        margin = compose_margin(equity, [initial], PARAMETERS)
        assert margin.maintenance_ok is (equity * den >= initial * num)
        assert margin.maintenance_ok is (equity >= margin.maintenance)
        assert margin.initial_ok is (equity >= initial)


def test_holdings_that_do_not_fit_the_arrays_are_our_own_mistake():
    with pytest.raises(ValueError, match="entries"):
        account_margin(NORMAL, [0], [0], [0] * 5)
    with pytest.raises(ValueError, match="entries"):
        batch_margin(NORMAL, np.zeros((1, 2), np.int64), np.zeros((1, 1), np.int64), np.zeros((1, 4), np.int64))


def test_an_empty_account_needs_nothing_and_a_batch_may_be_empty():
    assert account_margin(NORMAL, (0, 0), (0,), (0,) * 5) == compose_margin(0, [0, 0], PARAMETERS)
    batch = batch_margin(NORMAL, *(np.zeros((0, width), np.int64) for width in (2, 1, 5)))
    assert batch.equity.shape == (0,)
    assert batch.losses.shape == (0, 2)
