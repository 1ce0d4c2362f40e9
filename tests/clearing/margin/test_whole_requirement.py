"""The whole requirement: minimums, credit between groups, charges and concentration; one definition, many paths."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.margin.requirement.account_margin import (
    AccountMargin,
    account_margin,
    add_ons,
    batch_margin,
    surely_covered,
)
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.schema.risk.parameters import (
    JointCredit,
    JointScenario,
    check_parameters,
    collapse,
    tail_sum,
    tail_threshold,
)
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.margin.books import CASH_GROUPS, DAY_MS, INDEX, NORMAL, NOW_MS, holdings, modest_holdings
from tests.kit.margin.charged import CHARGED, CHARGED_HUGE, FULL, JOINT, ONLY, TIERS, arrays_with

worlds = st.sampled_from([*CHARGED.values(), CHARGED_HUGE])
ordinary = st.sampled_from(list(CHARGED.values()))


def columns_of(rows):
    return tuple(np.array(column, np.int64) for column in zip(*rows, strict=True))


def in_one_batch(arrays, rows) -> list[AccountMargin]:
    batch = batch_margin(arrays, *columns_of(rows))
    margins = [batch.account(at) for at in range(len(rows))]
    assert [int(each) for each in batch.initial] == [margin.initial for margin in margins]
    assert batch.maintenance_ok.tolist() == [margin.maintenance_ok for margin in margins]
    return margins


@given(st.lists(holdings, min_size=1, max_size=10), worlds)
def test_a_batch_equals_the_definition_with_every_rule_on(rows, arrays):
    assert in_one_batch(arrays, rows) == [account_margin(arrays, *row) for row in rows]


@given(st.lists(modest_holdings, min_size=1, max_size=10), ordinary, st.randoms(use_true_random=False))
def test_an_accounts_margin_does_not_depend_on_its_place_in_a_batch(rows, arrays, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    found = in_one_batch(arrays, rows)
    assert in_one_batch(arrays, [rows[at] for at in order]) == [found[at] for at in order]
    assert [in_one_batch(arrays, [row])[0] for row in rows] == found


@given(st.lists(modest_holdings, min_size=1, max_size=10), ordinary)
def test_add_ons_are_what_is_required_beside_the_group_losses(rows, arrays):
    cash, tokens, lots = columns_of(rows)
    batch = batch_margin(arrays, cash, tokens, lots)
    found = add_ons(arrays, batch.losses.T, lots.T, tokens.T)
    wanted = [margin.initial - sum(margin.group_losses) for margin in in_one_batch(arrays, rows)]
    assert [int(each) for each in found] == wanted
    assert found.dtype == np.int64


@given(holdings, worlds)
def test_an_account_is_surely_covered_exactly_when_it_needs_no_credit_between_groups(row, arrays):
    cash, tokens, lots = row
    margin = account_margin(arrays, cash, tokens, lots)
    assert margin.terms.credit >= 0
    lacking = margin.initial + margin.terms.credit - margin.equity
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


FAR = Instrument(6, "BTC-C99000", InstrumentKind.CALL, 1, 1, 1, 10, NOW_MS + 2 * DAY_MS, 9_900_000)


def test_an_option_beyond_every_scenario_costs_margin_to_be_short():
    arrays = build_risk_arrays([FAR], [], CASH_GROUPS, {}, INDEX, FULL, NOW_MS)
    assert not arrays.values.any()  # no scenario gives it any value
    short = account_margin(arrays, (0, 0), (), [-100])
    assert short.group_losses == (0, 0)
    assert short.terms.option_minimums == (100 * 237_000, 0)  # 3 % of 790,000 ticks at 10 micros
    assert short.initial == 23_700_000  # the credit between groups gives none of it back
    assert not short.maintenance_ok
    assert account_margin(arrays, (0, 0), (), [100]).initial == 0
    free = build_risk_arrays([FAR], [], CASH_GROUPS, {}, INDEX, NORMAL.parameters, NOW_MS)
    assert account_margin(free, (0, 0), (), [-100]).initial == 0


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


def plain_expected_shortfall(losses, counts, tail):
    """The average of the worst `tail`, the slow way."""
    every = sorted((loss for loss, count in zip(losses, counts, strict=True) for _ in range(count)), reverse=True)
    return max(0, -(-sum(every[:tail]) // tail))


@given(modest_holdings)
def test_the_joint_loss_is_the_average_of_the_worst_joint_scenarios(row):
    arrays = CHARGED["credit"]
    losses = []
    for scenario in JOINT.scenarios:
        loss = 0
        for group, column in zip(arrays.groups, scenario.columns, strict=True):
            loss += sum((arrays.rows[at][0] - arrays.rows[at][column]) * row[2][at] for at in arrays.members(group))
        losses.append(loss)
    counts = [scenario.count for scenario in JOINT.scenarios]
    assert account_margin(arrays, *row).terms.joint == plain_expected_shortfall(losses, counts, JOINT.tail)


losses_and_counts = st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 4)), min_size=1, max_size=12)


@given(losses_and_counts, st.integers(1, 48), st.integers(-(10**12), 10**12))
def test_the_kth_worst_is_where_the_sum_of_rockafellar_and_uryasev_is_least(pairs, tail, other):
    losses, counts = [loss for loss, _ in pairs], [count for _, count in pairs]
    tail = min(tail, sum(counts))

    def total(threshold):
        return tail * threshold + sum(c * max(0, loss - threshold) for loss, c in zip(losses, counts, strict=True))

    assert tail_sum(losses, counts, tail) == total(tail_threshold(losses, counts, tail)) <= total(other)
    every = sorted((loss for loss, count in pairs for _ in range(count)), reverse=True)
    assert tail_sum(losses, counts, tail) == sum(every[:tail])


def test_a_tail_of_more_than_all_scenarios_is_refused():
    with pytest.raises(ValueError, match="fewer scenarios"):
        tail_threshold([1, 2], [1, 1], 3)
    arrays = arrays_with(msgspec.structs.replace(FULL, joint=JointCredit((JointScenario((1, 1), 2),), tail=3)))
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


def raised(**changes):
    return arrays_with(msgspec.structs.replace(FULL, **changes))


HIGHER = {
    "minimum": raised(groups=tuple(msgspec.structs.replace(g, short_option_ppm=90_000) for g in FULL.groups)),
    "contingency": raised(charges=tuple(msgspec.structs.replace(c, contingency_ppm=20_000) for c in FULL.charges)),
    "slippage": raised(charges=tuple(msgspec.structs.replace(c, slippage_ppm=30_000) for c in FULL.charges)),
    "impact": raised(charges=tuple(msgspec.structs.replace(c, root_impact_ppm=50_000) for c in FULL.charges)),
    "a thinner market": raised(
        charges=tuple(msgspec.structs.replace(c, depth_lots=c.depth_lots and 50) for c in FULL.charges)
    ),
    "concentration": raised(concentration=tuple(msgspec.structs.replace(t, haircut_ppm=300_000) for t in TIERS)),
    "a shorter tail": raised(joint=msgspec.structs.replace(JOINT, tail=1)),
    "less credit": raised(joint=msgspec.structs.replace(JOINT, weight_ppm=500_000)),
    "the largest group kept": raised(joint=msgspec.structs.replace(JOINT, keep_largest=True)),
    "no credit": raised(joint=JointCredit()),
}


@pytest.mark.parametrize("what", HIGHER)
@settings(max_examples=30)
@given(row=modest_holdings)
def test_a_stricter_parameter_never_lowers_the_requirement(what, row):
    assert account_margin(HIGHER[what], *row).initial >= account_margin(CHARGED["all"], *row).initial


@given(modest_holdings, st.integers(0, 10**6))
def test_more_of_a_token_never_lowers_what_it_adds_beyond_its_charge(row, more):
    """The charge on a token is never more than the value that it brings."""
    arrays = CHARGED["all"]
    fewer, greater = (account_margin(arrays, row[0], (units,), row[2]) for units in (row[1][0], row[1][0] + more))
    assert greater.initial >= fewer.initial
    assert greater.equity - greater.initial >= fewer.equity - fewer.initial


BAD = {
    "joint.scenarios": JointCredit((JointScenario((2, 2)), JointScenario((1, 1)))),
    "joint.count": JointCredit((JointScenario((1, 1), 0),)),
    "joint.tail": JointCredit((JointScenario((1, 1), 2),), tail=3),
    "joint.weight_ppm": JointCredit((JointScenario((1, 1), 2),), weight_ppm=1_000_000),
    "joint.scenarios.1.columns": JointCredit((JointScenario((1, 17)),)),
}


@pytest.mark.parametrize("field", BAD)
def test_joint_scenarios_without_meaning_are_refused_by_name(field):
    with pytest.raises(LocalFault) as caught:
        check_parameters(msgspec.structs.replace(FULL, joint=BAD[field]))
    assert f"parameters.{field}" in str(caught.value)
    with pytest.raises(LocalFault, match="columns"):
        check_parameters(msgspec.structs.replace(FULL, joint=JointCredit((JointScenario((1,)),))))


def test_joint_scenarios_that_come_again_are_counted():
    assert collapse([(2, 1), (1, 1), (2, 1)]) == (JointScenario((1, 1), 1), JointScenario((2, 1), 2))


def test_parameters_with_every_rule_are_those_of_each_rule():
    assert set(ONLY) == set(CHARGED)
    assert arrays_with(FULL).tariff == CHARGED["all"].tariff
    assert NORMAL.tariff.is_off
    assert not any(arrays.tariff.is_off for arrays in CHARGED.values())
