"""Stress: what an account lacks, by definition, by the engine and by the rows; and the fund against the two largest."""

from fractions import Fraction
from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import Bug
from clearing.base.units import MICROS_PER_TICK, PPM
from clearing.margin.risk_arrays.reference_arrays import PricedListing, shocked_index
from clearing.margin.statement.rows import build_rows, build_slots
from clearing.margin.statement.snapshot import AccountHoldings, SlotKind
from clearing.margin.statement.stress import (
    NO_STRESS,
    build_cover_terms,
    build_stress,
    largest_two,
    stressed_equity,
    uncovered_losses,
)
from clearing.pricing.marks import mark_ticks
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.risk.parameters import RiskParameters, Scenario, StressScenario
from tests.kit.clearing.rows import row_value
from tests.kit.margin.books import ASSETS, CRASH, INDEX, INSTRUMENTS, NORMAL, NOW_MS, RALLY, STRESSED, modest_holdings

_, WETH = ASSETS


def stress_of(parameters: RiskParameters = STRESSED, marks=None, index=None):
    listed = (INSTRUMENTS, ASSETS, NORMAL.cash_groups, marks or {}, INDEX if index is None else index)
    return build_stress(PricedListing(*listed, parameters, NOW_MS))


STRESS = stress_of()
ROWS = build_rows(NORMAL, STRESSED, STRESS)[-3:]
SLOTS = build_slots(NORMAL, STRESS)
GROUPS = {group.id: group for group in STRESSED.groups}


def defined(scenario: StressScenario, cash, tokens, positions) -> Fraction:
    """Equity in a scenario, from prices alone; exact but for each option's and each move's own rounding."""
    move = dict(zip(GROUPS, scenario.moves, strict=True))
    weight = {group: Fraction(each.weight_ppm, PPM) for group, each in move.items()}
    moved = {group: shocked_index(INDEX[group], GROUPS[group].range_ppm, each) for group, each in move.items()}
    total = Fraction(sum(cash))
    kept = Fraction(PPM - WETH.haircut_ppm, PPM) * MICROS_PER_TICK / 10**WETH.unit_decimals
    total += tokens[0] * kept * (INDEX[2] + (moved[2] - INDEX[2]) * weight[2])
    for each, lots in zip(INSTRUMENTS, positions, strict=True):
        index, group = INDEX[each.feed], GROUPS[each.group]
        before = mark_ticks(each, index, group, STRESSED.rate_ppm, NOW_MS)
        up = move[each.group].volatility_direction * group.volatility_range_ppm
        shifted = msgspec.structs.replace(group, volatility_ppm=group.volatility_ppm + up)
        after = mark_ticks(each, moved[each.group], shifted, STRESSED.rate_ppm, NOW_MS)
        if each.is_marked:
            after = shocked_index(before, group.range_ppm, move[each.group])
        change = (after - before) * weight[each.group]
        total += lots * each.micros_per_tick * (change + (before if each.is_option else 0))
    return total


def slack(tokens, positions) -> int:
    """What rounding may differ by: a micro a unit, and a tick a lot of an option."""
    return sum(tokens) + sum(abs(lots) * 2 * each.micros_per_tick for each, lots in zip(INSTRUMENTS, positions)) + 3  # noqa: B905


@given(modest_holdings)
def test_what_an_account_lacks_is_what_its_equity_falls_below_zero_by(row):
    equity = stressed_equity(STRESS, *row)
    for scenario, found in zip(STRESSED.stress, equity, strict=True):
        assert abs(defined(scenario, *row) - found) <= slack(row[1], row[2])
    assert uncovered_losses(STRESS, *row) == [max(0, -each) for each in equity]


@given(modest_holdings, st.integers(0, 2), st.integers(1, 10**12))
def test_the_least_slot_that_a_stress_row_allows_is_what_an_account_lacks(row, number, less):
    own = (*row[0], *row[1], *row[2])
    lacking = uncovered_losses(STRESS, *row)
    values = [*own, *[0] * (len(SLOTS) - len(own) - 3), *lacking]
    each = ROWS[number]
    assert row_value(each, values, 10**9) == row_value(each, values, 0) >= 0
    assert bool(lacking[number]) <= (row_value(each, values, 0) == 0)
    values[-3 + number] -= less
    assert lacking[number] == 0 or row_value(each, values, 0) < 0


def test_stress_slots_and_rows_come_last_and_are_no_part_of_margin():
    assert [slot.name for slot in SLOTS[-3:]] == ["uncovered:crash", "uncovered:rally", "uncovered:apart"]
    assert {slot.kind for slot in SLOTS[-3:]} == {SlotKind.UNCOVERED}
    assert not any(slot.is_public for slot in SLOTS[-3:])
    assert [row.name for row in ROWS] == ["stress:crash", "stress:rally", "stress:apart"]
    first = len(SLOTS) - 3
    assert [[c for c in row.coefficients if c[0] >= first] for row in ROWS] == [[(first + n, 1)] for n in range(3)]
    assert build_rows(NORMAL, STRESSED) == build_rows(NORMAL, STRESSED, STRESS)[:-3]
    assert build_slots(NORMAL) == SLOTS[:-3]


def test_tokens_fall_with_their_feed_and_with_the_worse_of_two_groups_on_it():
    assert STRESS.tokens[0] == (unit_value_after_haircut(WETH, shocked_index(INDEX[2], 0, CRASH.moves[1])),)
    second = msgspec.structs.replace(GROUPS[2], id=3, name="ETH-II")
    moves = tuple(
        msgspec.structs.replace(each, moves=(*each.moves, Scenario(-9, 10, 0, of_index=True)))
        for each in (CRASH, RALLY)
    )
    worse = stress_of(msgspec.structs.replace(STRESSED, groups=(*STRESSED.groups, second), stress=moves))
    fallen = unit_value_after_haircut(WETH, shocked_index(INDEX[2], 0, Scenario(-9, 10, 0, of_index=True)))
    assert worse.tokens == ((fallen,), (fallen,))
    assert stress_of(index={1: 1}).tokens == ((0,), (0,), (0,))


def test_without_stress_scenarios_nothing_is_there():
    assert stress_of(NORMAL.parameters) == NO_STRESS
    assert uncovered_losses(NO_STRESS, (0, 0), (0,), (0,) * 5) == []


accounts = st.dictionaries(st.integers(1, 12), modest_holdings, max_size=8)


@given(accounts, modest_holdings, st.dictionaries(st.integers(1, 12), st.integers(1, 5)), st.integers(0, 10**12))
def test_the_fund_in_force_and_what_it_falls_short_by_are_as_defined(book, house, owners, fund):
    members = {account: owners.get(account, account) for account in (0, *book)}
    listed = [AccountHoldings(k, (*v[0], *v[1], *v[2])) for k, v in sorted({**book, 0: house}.items())]
    terms = build_cover_terms(STRESS, (2, 1), listed, members, 0, fund)
    assert terms.fund == max(0, min([fund, sum(house[0]), *stressed_equity(STRESS, *house)]))
    assert terms.members == tuple((k, members[k]) for k in sorted(book))
    for number, deficit in enumerate(terms.deficits):
        lacking: dict[int, int] = {}
        for account, row in book.items():
            lacking[members[account]] = lacking.get(members[account], 0) + uncovered_losses(STRESS, *row)[number]
        pairs = [sum(pair) for pair in combinations(lacking.values(), 2)] or list(lacking.values()) or [0]
        assert deficit == max(0, max(pairs) - terms.fund)


@given(st.lists(st.integers(0, 2**70)))
def test_no_threshold_makes_the_two_largest_less(losses):
    """min over t of 2t + sum of what exceeds t: what the proof shows is what is meant."""
    candidates = [0, *losses]
    assert largest_two(losses) == min(2 * t + sum(max(0, each - t) for each in losses) for t in candidates)


def test_a_fund_that_nobody_holds_is_a_bug():
    with pytest.raises(Bug, match="fund"):
        build_cover_terms(STRESS, (2, 1), [], {}, 0, 1)
