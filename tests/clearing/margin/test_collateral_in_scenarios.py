"""Collateral inside the scenarios: it offsets what is written on it, adds to what falls with it, and counts once."""

from itertools import product

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.margin.requirement.account_margin import (
    AccountMargin,
    account_margin,
    batch_margin,
    spare_without_credit,
    surely_covered,
)
from clearing.margin.risk_arrays.reference_arrays import build_reference_arrays, shocked_index
from clearing.margin.risk_arrays.token_rows import fallen_value
from clearing.margin.statement.stress import build_stress
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.risk.parameters import SPAN_SIXTEEN, Scenario
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.collateral import ScenarioTerms
from tests.kit.margin.books import ETH, PARAMETERS
from tests.kit.margin.inside import (
    GOLD,
    HUGE_INSIDE,
    INDEX,
    INSIDE,
    INSIDE_WETH,
    OP,
    STETH,
    TOKENS,
    holdings,
    inside_arrays,
    modest_holdings,
    parameters_of,
    priced,
)

PLAIN = INSIDE["none"]
names = st.sampled_from(list(INSIDE))
CASH, NOTHING, FLAT = (10**10, 0), (0, 0, 0, 0), (0, 0, 0, 0, 0)
LONG, SHORT = (0, 3_000, 0, 0, 0), (0, -3_000, 0, 0, 0)
"""Lots of ETH-PERP: 300,000 micros at a tick are a tenth of a thousandth of thirty ETH, so 30 ETH."""
WETH_30 = (300_000, 0, 0, 0)
"""30 WETH: a unit is 10^-4."""


def margin(tokens, lots, *, cash=CASH, arrays=PLAIN) -> AccountMargin:
    return account_margin(arrays, cash, tokens, lots)


def excess(arrays, row) -> int:
    found = account_margin(arrays, *row)
    return found.equity - found.initial


def test_a_spot_token_is_valued_at_the_shocked_index_of_its_feed():
    scenarios, row = SPAN_SIXTEEN, PLAIN.token_rows[0]
    assert row[0] == unit_value_after_haircut(INSIDE_WETH, 19_400)
    for scenario, value in zip(scenarios, row[1:], strict=True):
        full = unit_value_after_haircut(INSIDE_WETH, shocked_index(19_400, ETH.range_ppm, scenario))
        assert value == row[0] + (full - row[0]) * scenario.weight_ppm // 1_000_000


def test_a_yield_bearing_spot_moves_with_its_rate():
    grown = [value * 115 * 98 // 10_000 for value in PLAIN.token_rows[0]]
    assert all(abs(one - other) <= 2 for one, other in zip(grown, PLAIN.token_rows[1], strict=True))


def test_a_token_that_falls_along_never_rises():
    base, share = unit_value_after_haircut(OP, 170), 1_500_000
    assert max(PLAIN.token_rows[2]) == base
    for scenario, value in zip(SPAN_SIXTEEN, PLAIN.token_rows[2][1:], strict=True):
        fall = max(-scenario.move_numerator, 0) * 0.18 / scenario.move_denominator * scenario.weight_ppm / 1e6
        assert base - base * 1.5 * fall - 1 < value <= base - base * 1.5 * fall
        assert value == fallen_value(base, share, ETH.range_ppm, scenario)
    assert fallen_value(100, 3_000_000, 180_000, Scenario(-1, 1, 0, of_index=True)) == 0, "never below nothing"


def test_a_token_outside_has_no_row_and_no_price_is_a_row_of_zeros():
    assert PLAIN.token_rows[3] == ()
    without = inside_arrays(PARAMETERS, {1: 790_000, 2: 19_400})
    assert set(without.token_rows[2]) == {0}
    assert inside_arrays(PARAMETERS, tokens=(GOLD,)).token_rows == ()


def test_spot_behind_a_short_offsets_it_and_behind_a_long_adds_to_it():
    alone, token = margin(NOTHING, LONG).initial, margin(WETH_30, FLAT).initial
    hedged, wrong_way = margin(WETH_30, SHORT).initial, margin(WETH_30, LONG).initial
    assert wrong_way == alone + token
    assert 0 < hedged < alone // 20, "only the haircut's share of the move is left"


def test_a_token_that_falls_along_adds_to_a_long_and_does_not_pay_for_a_short():
    fallen = (0, 0, 10**8, 0)
    alone = margin(NOTHING, LONG).initial
    assert margin(fallen, LONG).initial == alone + margin(fallen, FLAT).initial
    assert margin(fallen, SHORT).initial >= margin(NOTHING, SHORT).initial


def test_a_covered_call_needs_less_than_call_and_token_apart():
    calls = msgspec.structs.replace(INSIDE_WETH, id=2, feed=1, scenarios=ScenarioTerms(1, 30_000))
    arrays = inside_arrays(PARAMETERS, tokens=(calls,))
    short = (0, 0, 0, -3_000, 0)
    apart = margin((0,), short, arrays=arrays).initial + margin((30_000,), FLAT, arrays=arrays).initial
    assert margin((30_000,), short, arrays=arrays).initial < apart // 2


def test_a_token_alone_keeps_what_the_worst_scenario_leaves():
    for at, token in enumerate(TOKENS[:3]):
        held = tuple(1_000_000 if at == each else 0 for each in range(4))
        found = margin(held, FLAT, cash=(0, 0))
        assert found.equity - found.initial == 1_000_000 * min(PLAIN.token_rows[at]), token.name


@given(names, holdings)
def test_the_batch_equals_the_definition_on_every_path(name, row):
    for arrays in (INSIDE[name], HUGE_INSIDE):
        cash, tokens, positions = (np.array([part, part], np.int64) for part in row)
        batch = batch_margin(arrays, cash, tokens, positions)
        assert batch.account(1) == account_margin(arrays, *row)


@given(names, modest_holdings)
def test_what_is_surely_covered_is_covered(name, row):
    arrays = INSIDE[name]
    assert spare_without_credit(arrays, *row) <= excess(arrays, row)
    assert not surely_covered(arrays, *row) or account_margin(arrays, *row).initial_ok


@given(names, modest_holdings, st.integers(0, 3), st.integers(1, 10**6))
def test_more_of_a_token_never_lowers_the_excess(name, row, at, more):
    cash, tokens, lots = row
    added = tuple(units + more * (at == each) for each, units in enumerate(tokens))
    assert excess(INSIDE[name], (cash, added, lots)) >= excess(INSIDE[name], row)


@given(st.sampled_from(["none", "minimums", "credit"]), modest_holdings, modest_holdings)
def test_two_accounts_never_need_less_than_one_with_all_of_it(name, one, other):
    """Nobody frees margin by splitting an account, nor by washing lots or tokens between two of its own. Charges that
    grow with size are another matter."""
    whole = tuple(tuple(map(sum, zip(*parts, strict=True))) for parts in zip(one, other, strict=True))
    arrays = INSIDE[name]
    together = account_margin(arrays, *whole).initial
    assert together <= account_margin(arrays, *one).initial + account_margin(arrays, *other).initial


@given(names, modest_holdings, st.integers(1, 10**6))
def test_buying_a_token_at_its_price_and_selling_it_back_frees_nothing(name, row, units):
    """Cash becomes a token at its price without haircut: equity falls by the haircut, and comes back with the cash."""
    cash, tokens, lots = row
    whole = msgspec.structs.replace(INSIDE_WETH, haircut_ppm=0)
    paid = units * unit_value_after_haircut(whole, INDEX[2])
    after = ((cash[0] - paid, cash[1]), (tokens[0] + units, *tokens[1:]), lots)
    arrays = INSIDE[name]
    assert account_margin(arrays, *after).equity < account_margin(arrays, *row).equity


@pytest.mark.parametrize("name", list(INSIDE))
def test_tiers_and_scenario_together_never_take_more_than_the_token_is_worth(name):
    arrays = INSIDE[name]
    for units, lots in product((10**5, 4 * 10**5, 10**7), (FLAT, LONG)):
        one, other = (excess(arrays, (CASH, (held, 0, 0, 0), lots)) for held in (units, units + 10**5))
        assert other >= one


@given(st.sampled_from([*INSIDE, "stressed"]), st.integers(1, 2**40 - 1), st.integers(1, 2**40 - 1))
def test_reference_and_arrays_have_the_same_rows(name, eth, op):
    parameters, index = parameters_of(name), {**INDEX, 2: eth, 3: op}
    reference, arrays = build_reference_arrays(priced(parameters, index)), inside_arrays(parameters, index)
    assert reference.token_rows == arrays.token_rows
    assert reference.tariff == arrays.tariff


@given(st.lists(st.tuples(st.sampled_from([2, 3, 4]), st.integers(100, 30_000)), max_size=6))
def test_arrays_that_reuse_rows_equal_those_built_anew(moves):
    index, parameters = dict(INDEX), parameters_of("all")
    held = inside_arrays(parameters)
    assert held.matrices
    for feed, ticks in moves:
        index[feed] = ticks
        held, fresh = inside_arrays(parameters, dict(index), before=held), inside_arrays(parameters, dict(index))
        assert held.token_rows == fresh.token_rows
        assert held.tariff == fresh.tariff
        for one, other in zip(held.matrices, fresh.matrices, strict=True):
            assert one.tokens == other.tokens
            assert np.array_equal(one.exact, other.exact)
            if one.token_losses is not None:
                assert np.array_equal(one.token_losses, other.token_losses)


def test_under_stress_a_token_moves_once_and_keeps_only_the_haircut_in_force():
    stress = build_stress(priced(parameters_of("stressed")))
    crash = stress.tokens[stress.names.index("crash")]
    fallen = shocked_index(19_400, 0, Scenario(-60, 100, 1, of_index=True))
    assert crash[0] == unit_value_after_haircut(INSIDE_WETH, fallen)
    assert crash[1] == unit_value_after_haircut(STETH, fallen)
    assert crash[2] == unit_value_after_haircut(OP, 170) // 10, "falls by 1.5 times 60 %"
    assert crash[3] == unit_value_after_haircut(GOLD, 240_000)


def test_the_base_haircut_is_that_of_the_scenario_terms() -> None:
    listed: Asset = msgspec.structs.replace(INSIDE_WETH, haircut_ppm=100_000)
    assert (listed.base_haircut_ppm, listed.is_spot) == (30_000, True)
    assert (GOLD.base_haircut_ppm, GOLD.is_spot) == (100_000, False)
    assert not OP.is_spot


@pytest.mark.parametrize(
    ("weth", "eth", "dollars"), [(10, 0, 485), (0, -10, 500), (10, -10, 15), (0, 10, 500), (10, 10, 985)]
)
def test_the_figures_of_the_page_on_collateral(weth, eth, dollars):
    """docs/explanation/collateral.md: ETH at 200, a range of 25 %; a lot of ETH-PERP is 0.01 ETH."""
    groups = (PARAMETERS.groups[0], msgspec.structs.replace(ETH, range_ppm=250_000))
    moves = (Scenario(1, 1, 0), Scenario(-1, 1, 0))
    arrays = inside_arrays(msgspec.structs.replace(PARAMETERS, groups=groups, scenarios=moves), {**INDEX, 2: 20_000})
    assert margin((weth * 10**4, 0, 0, 0), (0, eth * 100, 0, 0, 0), arrays=arrays).initial == dollars * 10**6
