"""Explanations sum to the margin they explain; simulations come to what the rulebook then does."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.margin_explanation import collect_margin_inputs, explain_margin, margin_of_inputs
from clearing.margin_simulation import Shock, SimulatedTrade, at_index, is_liquidatable, liquidation_prices, simulate
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.trades import TradeNovated
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, ETH, ETH_PERP, USD, WETH_1
from tests.kit.clearing.margined import ACCOUNTS, FULL, KEPT, PLAIN, traded
from tests.kit.clearing.world import of_kind


def figures(margin: AccountMargin) -> tuple[int, int, int]:
    return margin.equity, margin.initial, margin.maintenance


@pytest.mark.parametrize("risk", [PLAIN, FULL, KEPT])
def test_terms_sum_to_the_margin_they_explain(risk):
    world, named = traded(risk), set()
    for btc in (790_000, 741_000, 822_000):
        world.prices(btc, 20_600)
        for account in ACCOUNTS:
            explained = explain_margin(collect_margin_inputs(world.state, account))
            assert figures(explained.margin) == figures(world.margin(account))
            assert sum(each.micros for each in explained.equity) == explained.margin.equity
            assert sum(each.micros for each in explained.requirement) == explained.margin.initial
            for term in explained.requirement:
                assert not term.parts or sum(part.micros for part in term.parts) == term.micros
            named |= {term.name for term in explained.requirement}
    assert named >= ({"group_loss"} if risk is PLAIN else {"group_loss", "lot_charge", "impact", "concentration"})


@settings(max_examples=25, deadline=None)
@given(btc=st.integers(-250_000, 250_000), eth=st.integers(-250_000, 250_000))
def test_a_simulated_move_is_what_the_rulebook_makes_of_it(btc, eth):
    world = traded()
    # Time alone changes what dated instruments are worth, so the simulation is as of the block to come.
    time_ms = world.state.now.time_ms + 1_000
    before = {each: replace(collect_margin_inputs(world.state, each), arrays_time_ms=time_ms) for each in ACCOUNTS}
    after = {each: simulate(inputs, Shock({BTC: btc, ETH: eth})) for each, inputs in before.items()}
    moved = {feed: after[ALICE].index[feed] for feed in (BTC, ETH)}
    assume(moved[BTC] != 790_000 and moved[ETH] != 20_000)
    result = world.prices(moved[BTC], moved[ETH])
    liquidated = {each.account for each in of_kind(result, Liquidated)}
    assert liquidated == {each for each in ACCOUNTS if is_liquidatable(after[each])}
    for each in set(ACCOUNTS) - liquidated:
        later = collect_margin_inputs(world.state, each)
        assert (later.marks, later.index) == (after[each].marks, after[each].index)
        assert (later.cash, later.tokens, later.lots) == (after[each].cash, after[each].tokens, after[each].lots)
        assert figures(margin_of_inputs(after[each])) == figures(world.margin(each))


def test_a_simulated_trade_and_deposit_are_what_novation_books():
    world = traded()
    before = collect_margin_inputs(world.state, BOB)
    mark = before.marks[BTC_PERP]
    shock = Shock(
        trades=(SimulatedTrade(BTC_PERP, -250, mark - 40), SimulatedTrade(ETH_PERP, 5)), cash_micros={USD: 77}
    )
    after = simulate(before, shock)
    world.block(
        world.trade(ALICE, BOB, BTC_PERP, 250, mark - 40),
        world.trade(BOB, CAROL, ETH_PERP, 5, before.marks[ETH_PERP]),
    )
    booked = collect_margin_inputs(world.state, BOB)
    assert len(of_kind(world.results[-1], TradeNovated)) == 2
    assert (after.lots, after.tokens, after.cash[0]) == (booked.lots, booked.tokens, booked.cash[0] + 77)
    assert margin_of_inputs(after).initial == world.margin(BOB).initial


def test_an_account_is_liquidated_at_its_liquidation_price_and_not_a_tick_before():
    world = traded()
    found = {
        (account, each.feed): each
        for account in ACCOUNTS
        for each in liquidation_prices(collect_margin_inputs(world.state, account))
    }
    below, above = found[ALICE, BTC].below_ticks, found[BOB, BTC].above_ticks
    assert below < 790_000 < above
    for account, ticks, step in ((ALICE, below, 1), (BOB, above, -1)):
        inputs = collect_margin_inputs(world.state, account)
        assert is_liquidatable(at_index(inputs, BTC, ticks))
        assert not is_liquidatable(at_index(inputs, BTC, ticks + step))
    assert found[CAROL, BTC].above_ticks is None or found[CAROL, BTC].above_ticks > above


@pytest.mark.parametrize(
    "shock",
    [
        Shock({99: 5}),
        Shock(volatility_ppm={99: 5}),
        Shock(trades=(SimulatedTrade(99, 1),)),
        Shock(trades=(SimulatedTrade(BTC_PERP, 2**40),)),
        Shock(trades=(SimulatedTrade(BTC_PERP, 1, 2**41),)),
        Shock(cash_micros={9: 1}),
        Shock(cash_micros={USD: 2**63}),
        Shock(token_units={WETH_1: -(10**12)}),
    ],
)
def test_a_shock_of_what_is_not_there_is_refused(shock):
    with pytest.raises(LocalFault, match="out_of_range"):
        simulate(collect_margin_inputs(traded().state, ALICE), shock)


def test_more_volatility_needs_more_margin_of_a_short_option():
    inputs = collect_margin_inputs(traded(PLAIN).state, ALICE)
    wilder = simulate(inputs, Shock(volatility_ppm={1: 200_000}))
    assert margin_of_inputs(wilder).equity < margin_of_inputs(inputs).equity
