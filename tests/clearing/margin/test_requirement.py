"""The requirement: losses, minimums, credit between groups, charges and concentration; one definition, many paths."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.margin.requirement.account_margin import (
    AccountMargin,
    account_margin,
    add_ons,
    batch_margin,
    compose_margin,
    surely_covered,
)
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.exact_products import (
    FEW,
    collateral_values,
    group_matrix,
    largest_of,
    value_and_loss,
)
from clearing.schema.risk.parameters import (
    SPAN_SIXTEEN,
    JointCredit,
    JointScenario,
    RiskGroup,
    RiskParameters,
    collapse,
    tail_sum,
    tail_threshold,
)
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.margin.books import (
    CHARGED,
    CHARGED_HUGE,
    FULL,
    HUGE,
    NORMAL,
    PARAMETERS,
    arrays_of,
    holdings,
    modest_holdings,
)

worlds = st.sampled_from([*CHARGED.values(), HUGE, CHARGED_HUGE])
ordinary = st.sampled_from(list(CHARGED.values()))


def columns_of(rows):
    return tuple(np.array(column, np.int64) for column in zip(*rows, strict=True))


def in_one_batch(arrays, rows) -> list[AccountMargin]:
    batch = batch_margin(arrays, *columns_of(rows))
    margins = [batch.account(at) for at in range(len(rows))]
    assert batch.initial_ok.tolist() == [margin.initial_ok for margin in margins]
    assert [int(initial) for initial in batch.initial] == [margin.initial for margin in margins]
    assert batch.maintenance_ok.tolist() == [margin.maintenance_ok for margin in margins]
    return margins


@given(st.lists(st.one_of(holdings, modest_holdings), min_size=1, max_size=10), worlds)
def test_a_batch_equals_the_definition_with_every_rule_on(rows, arrays):
    assert in_one_batch(arrays, rows) == [account_margin(arrays, *row) for row in rows]


@given(st.lists(modest_holdings, min_size=1, max_size=10), ordinary)
def test_add_ons_are_what_is_required_beside_the_group_losses(rows, arrays):
    cash, tokens, lots = columns_of(rows)
    batch = batch_margin(arrays, cash, tokens, lots)
    found = add_ons(arrays, batch.losses.T, lots.T, tokens.T)
    assert found.tolist() == [margin.initial - sum(margin.group_losses) for margin in in_one_batch(arrays, rows)]
    assert found.dtype == np.int64


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9), st.sampled_from((0, FEW)), st.booleans())
def test_the_largest_of_few_values_is_found_as_of_many(values, more, wide):
    listed = [*values, *(0 for _ in range(more))]
    found = largest_of(np.array(listed, object if wide else np.int64))
    assert (found, type(found)) == (max((abs(value) for value in listed), default=0), int)


@given(holdings, worlds)
def test_an_account_is_surely_covered_exactly_when_it_needs_no_credit_between_groups(row, arrays):
    cash, tokens, lots = row
    margin = account_margin(arrays, cash, tokens, lots)
    credit = 0 if arrays.tariff.historical else margin.terms.credit  # history may require more than the sum
    assert credit >= 0
    lacking = margin.initial + credit - margin.equity
    enough = (cash[0] + lacking, *cash[1:])
    assert surely_covered(arrays, enough, tokens, lots)
    assert account_margin(arrays, enough, tokens, lots).initial_ok
    assert not surely_covered(arrays, (enough[0] - 1, *cash[1:]), tokens, lots)


@given(st.lists(modest_holdings, min_size=1, max_size=5))
def test_without_rules_the_requirement_is_the_sum_of_group_losses(rows):
    cash, tokens, lots = columns_of(rows)
    batch = batch_margin(NORMAL, cash, tokens, lots)
    assert not add_ons(NORMAL, batch.losses.T, lots.T, tokens.T).any()
    assert all(margin.initial == sum(margin.group_losses) for margin in in_one_batch(NORMAL, rows))


FAR = msgspec.structs.replace(NORMAL.instruments[3], id=6, strike_ticks=9_900_000)


def test_an_option_beyond_every_scenario_costs_margin_to_be_short():
    arrays = arrays_of(parameters=FULL, instruments=[FAR])
    assert not arrays.values.any()  # no scenario gives it any value
    short = account_margin(arrays, (0, 0), (0,), [-100])
    assert (short.group_losses, short.maintenance_ok) == ((0, 0), False)
    assert short.terms.option_minimums == (100 * 237_000, 0)  # 3 % of 790,000 ticks at 10 micros
    assert short.initial == 23_700_000  # the credit between groups gives none of it back
    assert account_margin(arrays, (0, 0), (0,), [100]).initial == 0
    assert account_margin(arrays_of(instruments=[FAR]), (0, 0), (0,), [-100]).initial == 0


@given(modest_holdings, ordinary)
def test_the_minimum_counts_only_where_it_is_more_than_the_scan_loss(row, arrays):
    margin = account_margin(arrays, *row)
    groups = margin.terms.groups(margin.group_losses)
    floors = margin.terms.option_minimums or (0, 0)
    assert groups == tuple(max(pair) for pair in zip(margin.group_losses, floors, strict=True))
    assert margin.initial >= sum(floors)


@given(modest_holdings)
def test_after_credit_the_groups_require_a_fifth_of_their_sum_and_four_fifths_of_the_joint_loss(row):
    margin = account_margin(CHARGED["credit"], *row)
    full = sum(margin.group_losses)
    assert 0 <= margin.terms.joint <= full
    assert margin.initial == -(-(full + 4 * margin.terms.joint) // 5)
    assert 0 <= margin.terms.credit <= full


@given(modest_holdings)
def test_an_account_in_one_group_gets_no_credit_where_the_largest_group_is_kept(row):
    kept, plain = CHARGED["largest"], CHARGED["all"]
    for members in ((0, 2, 3), (1, 4)):
        alone = [lots if at in members else 0 for at, lots in enumerate(row[2])]
        assert account_margin(kept, row[0], row[1], alone).terms.credit == 0
    margin = account_margin(kept, *row)
    assert margin.terms.joint >= max(margin.terms.groups(margin.group_losses))
    assert 0 <= margin.terms.credit <= account_margin(plain, *row).terms.credit


def sum_of_worst(pairs, tail):
    """Of `tail` losses, the slow way."""
    every = sorted((loss for loss, count in pairs for _ in range(count)), reverse=True)
    return sum(every[:tail])


@given(modest_holdings)
def test_the_joint_loss_is_the_average_of_the_worst_joint_scenarios(row):
    arrays = CHARGED["credit"]
    pairs = []
    for scenario in FULL.joint.scenarios:
        loss = 0
        for group, column in zip(arrays.groups, scenario.columns, strict=True):
            loss += sum((arrays.rows[at][0] - arrays.rows[at][column]) * row[2][at] for at in arrays.members(group))
        pairs.append((loss, scenario.count))
    average = -(-sum_of_worst(pairs, FULL.joint.tail) // FULL.joint.tail)
    assert account_margin(arrays, *row).terms.joint == max(0, average)


losses_and_counts = st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 4)), min_size=1, max_size=12)


@given(losses_and_counts, st.integers(1, 48), st.integers(-(10**12), 10**12))
def test_the_kth_worst_is_where_the_sum_of_rockafellar_and_uryasev_is_least(pairs, tail, other):
    losses, counts = [loss for loss, _ in pairs], [count for _, count in pairs]
    tail = min(tail, sum(counts))

    def total(threshold):
        return tail * threshold + sum(c * max(0, loss - threshold) for loss, c in zip(losses, counts, strict=True))

    assert tail_sum(losses, counts, tail) == total(tail_threshold(losses, counts, tail)) <= total(other)
    assert tail_sum(losses, counts, tail) == sum_of_worst(pairs, tail)


def test_a_tail_of_more_than_all_scenarios_is_refused():
    with pytest.raises(ValueError, match="fewer scenarios"):
        tail_threshold([1, 2], [1, 1], 3)
    arrays = arrays_of(parameters=msgspec.structs.replace(FULL, joint=JointCredit((JointScenario((1, 1), 2),), tail=3)))
    with pytest.raises(ValueError, match="fewer scenarios"):
        in_one_batch(arrays, [((0, 0), (0,), (1, 0, 0, 0, 0))])


@given(modest_holdings, st.integers(0, 4), st.integers(0, 1000), ordinary)
def test_offsetting_within_one_instrument_never_raises_its_requirement(row, at, part, arrays):
    """Lots of one instrument alone: taking some off by an opposite trade, in any size, never needs more."""
    alone = [lots if where == at else 0 for where, lots in enumerate(row[2])]
    fewer = [abs(lots) * part // 1000 * (1 if lots >= 0 else -1) for lots in alone]
    full = account_margin(arrays, row[0], row[1], alone).initial
    assert account_margin(arrays, row[0], row[1], fewer).initial <= full


@given(modest_holdings, modest_holdings, ordinary)
def test_the_requirement_is_convex_in_the_holdings(one, other, arrays):
    """The middle of two accounts needs at most the average; roundings of the two averages are two micros."""
    doubled = [tuple(tuple(2 * v for v in part) for part in row) for row in (one, other)]
    middle = tuple(tuple(a + b for a, b in zip(x, y, strict=True)) for x, y in zip(one, other, strict=True))
    ends = [account_margin(arrays, *row).initial for row in doubled]
    assert 2 * account_margin(arrays, *middle).initial <= sum(ends) + 4


@given(modest_holdings, st.sampled_from(["minimums", "credit"]))
def test_terms_without_size_grow_in_proportion(row, name):
    arrays = CHARGED[name]
    double = account_margin(arrays, row[0], row[1], [2 * lots for lots in row[2]]).initial
    assert abs(double - 2 * account_margin(arrays, *row).initial) <= 2


@given(modest_holdings, ordinary)
def test_each_charge_only_adds_and_credit_only_takes_away(row, arrays):
    margin = account_margin(arrays, *row)
    terms = margin.terms
    assert min(terms.charges, terms.impact, terms.concentration, terms.credit, terms.joint) >= 0
    assert terms.credit <= sum(terms.groups(margin.group_losses))


def stricter(**changes):
    return arrays_of(parameters=msgspec.structs.replace(FULL, **changes))


def each_with(structs, **changes):
    return tuple(msgspec.structs.replace(each, **changes) for each in structs)


STRICTER = {
    "minimum": stricter(groups=each_with(FULL.groups, short_option_ppm=90_000)),
    "contingency": stricter(charges=each_with(FULL.charges, contingency_ppm=20_000)),
    "slippage": stricter(charges=each_with(FULL.charges, slippage_ppm=30_000)),
    "impact": stricter(charges=each_with(FULL.charges, root_impact_ppm=50_000)),
    "a thinner market": stricter(charges=(*each_with(FULL.charges[:3], depth_lots=50), FULL.charges[3])),
    "concentration": stricter(concentration=each_with(FULL.concentration, haircut_ppm=300_000)),
    "a shorter tail": stricter(joint=msgspec.structs.replace(FULL.joint, tail=1)),
    "less credit": stricter(joint=msgspec.structs.replace(FULL.joint, weight_ppm=500_000)),
    "the largest group kept": stricter(joint=msgspec.structs.replace(FULL.joint, keep_largest=True)),
    "no credit": stricter(joint=JointCredit()),
}


@pytest.mark.parametrize("what", STRICTER)
@settings(max_examples=30)
@given(row=modest_holdings)
def test_a_stricter_parameter_never_lowers_the_requirement(what, row):
    assert account_margin(STRICTER[what], *row).initial >= account_margin(CHARGED["all"], *row).initial


@settings(max_examples=30)
@given(row=modest_holdings)
def test_a_credit_that_states_no_more_keeps_the_largest_group(row):
    joint = JointCredit(FULL.joint.scenarios, FULL.joint.tail)
    arrays = arrays_of(parameters=msgspec.structs.replace(PARAMETERS, joint=joint))
    alone = account_margin(CHARGED["none"], *row)
    assert account_margin(arrays, *row).terms.joint >= max(alone.group_losses)


@given(modest_holdings, st.integers(0, 10**6))
def test_more_of_a_token_never_lowers_what_it_adds_beyond_its_charge(row, more):
    """The charge on a token is never more than the value that it brings."""
    arrays = CHARGED["all"]
    fewer, greater = (account_margin(arrays, row[0], (units,), row[2]) for units in (row[1][0], row[1][0] + more))
    assert greater.initial >= fewer.initial
    assert greater.equity - greater.initial >= fewer.equity - fewer.initial


def test_joint_scenarios_that_come_again_are_counted():
    assert collapse([(2, 1), (1, 1), (2, 1)]) == (JointScenario((1, 1), 1), JointScenario((2, 1), 2))


def test_parameters_with_every_rule_are_those_of_each_rule():
    assert arrays_of(parameters=FULL).tariff == CHARGED["all"].tariff
    assert [name for name, each in CHARGED.items() if each.tariff.is_off] == ["none"]


def arrays_by_hand(instruments, values, scenarios=SPAN_SIXTEEN) -> RiskArrays:
    return RiskArrays(
        instruments=instruments,
        assets=(),
        cash_groups=(CashGroup(1, "USD"),),
        values=np.array(values, np.int64),
        token_values=np.zeros(0, np.int64),
        priced=(True,) * len(instruments),
        parameters=RiskParameters((RiskGroup(1, "G", 1, 1, 1, 1),), scenarios),
    )


def test_c9_a_span_covered_write_loses_most_in_scenario_13():
    future = [0, 0, 3330, 3330, -3330, -3330, 6670, 6670, -6670, -6670, 10000, 10000, -10000, -10000, 7000, -7000]
    call = [460, -610, 2640, 1730, -1270, -2340, 5210, 4540, -2540, -3430, 8060, 7640, -3380, -3990, 3130, -1500]
    covered = (
        Instrument(1, "FUT", InstrumentKind.FUTURE, 1, 1, 1, 1, 1),
        Instrument(2, "DEC-410", InstrumentKind.CALL, 1, 1, 1, 1, 1, 1),
    )
    arrays = arrays_by_hand(covered, [[0, *future], [6_000, *(6_000 + change for change in call)]])
    margin = account_margin(arrays, [10_000], [], [1, -1])
    assert (margin.group_losses, margin.initial, margin.maintenance) == ((6620,), 6620, 5296)
    assert margin.equity == 10_000 - 6_000
    losses = [-(future[at] - call[at]) for at in range(16)]
    assert [at + 1 for at in range(16) if losses[at] == 6620] == [13]


@given(st.lists(modest_holdings, min_size=1, max_size=30))
def test_a_batch_of_ordinary_accounts_stays_in_machine_integers(rows):
    batch = batch_margin(NORMAL, *columns_of(rows))
    assert {batch.equity.dtype, batch.losses.dtype, batch.initial.dtype} == {np.dtype(np.int64)}


def test_losses_beyond_64_bits_are_exact():
    positions = (2**39 - 1, 1 - 2**39, 2**39 - 1, -(2**38), 2**39 - 1)
    row = ((2**63 - 1, 2**63 - 1), (2**56 - 1,), positions)
    margin = account_margin(HUGE, *row)
    assert min(margin.initial, margin.equity) > 2**64
    small = ((1, 2), (3,), (1, 0, 0, -1, 0))
    assert in_one_batch(HUGE, [row, small]) == [margin, account_margin(HUGE, *small)]


@given(st.lists(st.tuples(*(st.integers(0, 2**39 - 1) for _ in range(5))), min_size=1, max_size=8), st.integers(0, 38))
def test_an_account_that_gains_in_every_scenario_needs_nothing(rows, shift):
    # As after a jump that is not yet settled: the mark lies below even the worst scenario.
    values = np.abs(NORMAL.values)
    values[:, 1:] += values[:, :1] + 1
    gaining = replace(NORMAL, values=values)
    accounts = [((0, 0), (0,), tuple(lots >> shift for lots in row)) for row in rows]
    assert all(margin.group_losses == (0, 0) for margin in in_one_batch(gaining, accounts))
    assert account_margin(gaining, *accounts[0]).initial == 0


@given(st.integers(1, 40), st.integers(0, 61), st.integers(0, 38), st.integers(0, 2**32 - 1))
def test_every_path_of_the_kernel_gives_the_product_of_integers(members, value_bits, lot_bits, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**value_bits), 2**value_bits, (members, 4), endpoint=True)
    lots = rng.integers(-(2**lot_bits), 2**lot_bits, (members, 6), endpoint=True)
    lots[:, :2] = 2**lot_bits, -(2**lot_bits)
    matrix = group_matrix(values, tuple(range(members)))
    value, loss, limit = value_and_loss(matrix, lots)
    for at in range(6):
        worth = [sum(int(a) * int(q) for a, q in zip(column, lots[:, at], strict=True)) for column in values.T]
        assert int(value[at]) == worth[0]
        assert int(loss[at]) == max(0, worth[0] - min(worth[1:]))
        assert max(abs(int(value[at])), int(loss[at])) < limit


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 61), st.integers(0, 62), st.integers(0, 2**32 - 1))
def test_every_path_of_the_kernel_with_tokens_gives_the_sum_of_products(members, kinds, value_bits, unit_bits, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**value_bits), 2**value_bits, (members, 4), endpoint=True)
    tokens = rng.integers(0, 2**value_bits, (kinds, 4), endpoint=True)
    lots = rng.integers(-(2**38), 2**38, (members, 6)) >> rng.integers(0, 39, 6)
    units = rng.integers(0, 2**unit_bits, (kinds, 6), endpoint=True)
    matrix = group_matrix(values, tuple(range(members)), tuple(range(kinds)), tokens)
    value, loss, limit = value_and_loss(matrix, lots, units)
    for at in range(6):
        worth = [sum(int(a) * int(q) for a, q in zip(column, lots[:, at], strict=True)) for column in values.T]
        moved = [sum(int(a) * int(q) for a, q in zip(column, units[:, at], strict=True)) for column in tokens.T]
        whole = [of_lots + of_units for of_lots, of_units in zip(worth, moved, strict=True)]
        assert int(value[at]) == worth[0]
        assert int(loss[at]) == max(0, whole[0] - min(whole[1:]))
        assert max(abs(int(value[at])), int(loss[at])) < limit


@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.integers(1 - 2**63, 2**63 - 1)), min_size=1, max_size=4),
    st.integers(0, 63),
)
def test_collateral_is_the_sum_of_what_each_holding_is_worth(holdings, shift):
    values, amounts = zip(*((value, amount >> shift) for value, amount in holdings), strict=True)
    total, limit = collateral_values(np.array([amounts, amounts[::-1]], np.int64).T, values)
    assert total.tolist() == [sum(map(int.__mul__, values, each)) for each in (amounts, amounts[::-1])]
    assert max(map(abs, total.tolist())) < limit


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
    perpetual = Instrument(1, "P", InstrumentKind.PERPETUAL, 1, 1, 1, 1)
    arrays = arrays_by_hand((perpetual,), [[0, -loss, loss]], SPAN_SIXTEEN[:2])
    lots = 2**53 // loss + off
    batch = batch_margin(arrays, *columns_of([((0,), (), (lots,)), ((0,), (), (-lots,))]))
    assert batch.initial.tolist() == [loss * lots] * 2


@given(modest_holdings, modest_holdings)
def test_one_account_never_needs_more_than_its_two_parts(one, other):
    together = [a + b for a, b in zip(one[2], other[2], strict=True)]
    whole = account_margin(NORMAL, (0, 0), (0,), together).initial
    parts = [account_margin(NORMAL, (0, 0), (0,), row[2]).initial for row in (one, other)]
    assert whole <= sum(parts)


@given(st.integers(0, 10**6))
def test_maintenance_is_compared_exactly_and_shown_rounded_up(initial):
    parameters = NORMAL.parameters
    num, den = parameters.maintenance_numerator, parameters.maintenance_denominator
    for equity in range(initial * num // den - 1, initial * num // den + 3):
        margin = compose_margin(equity, [initial], NORMAL.parameters)
        assert margin.maintenance_ok is (equity * den >= initial * num)
        assert margin.maintenance_ok is (equity >= margin.maintenance)
        assert margin.initial_ok is (equity >= initial)


def test_holdings_that_do_not_fit_the_arrays_are_our_own_mistake():
    with pytest.raises(ValueError, match="entries"):
        account_margin(NORMAL, [0], [0], [0] * 5)
    with pytest.raises(ValueError, match="entries"):
        batch_margin(NORMAL, np.zeros((1, 2), np.int64), np.zeros((1, 1), np.int64), np.zeros((1, 4), np.int64))


def test_an_empty_account_needs_nothing_and_a_batch_may_be_empty():
    assert account_margin(NORMAL, (0, 0), (0,), (0,) * 5) == compose_margin(0, [0, 0], NORMAL.parameters)
    batch = batch_margin(NORMAL, *(np.zeros((0, width), np.int64) for width in (2, 1, 5)))
    assert (batch.equity.shape, batch.losses.shape) == ((0,), (0, 2))
