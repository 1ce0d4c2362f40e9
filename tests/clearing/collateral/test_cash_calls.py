"""Owing cash: what it costs, how long it may last, and how collateral turns into cash when time is up."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.base.units import YEAR_MS
from clearing.collateral.interest import interest_on
from clearing.schema.receipts.collateral import AuctionOpened, CashCalled, CashCallMet, CollateralSold, InterestAccrued
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.settlement import Marked
from clearing.schema.terms.collateral import CashCallTerms
from clearing.schema.transfers import TransferCode
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.withdrawals import deficit_reserve
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, DOLLAR, ETH, HOUSE, SALT, USDC_1, WETH_1
from tests.kit.clearing.owing import owing
from tests.kit.clearing.vaults import CALL, HOUR, INTEREST, STETH_2, genesis_with
from tests.kit.clearing.world import World, codes, of_kind, roots
from tests.kit.table import tell

EVERYBODY = (HOUSE, ALICE, BOB, CAROL)


def test_without_terms_the_house_buys_at_once() -> None:
    world = owing()
    (taken,) = [each for result in world.results for each in of_kind(result, Liquidated)]
    assert taken.positions == ()
    assert world.cash(ALICE) >= 0
    assert not list(world.state.cash_calls.ordered())


def test_a_cash_call_gives_time_and_cash_meets_it() -> None:
    world = owing(call=CALL)
    (called,) = of_kind(world.results[-1], CashCalled)
    assert called.owed == ((1, 1_500 * DOLLAR),)
    assert called.deadline_height == world.state.now.height + 5
    tell(
        world,
        """
        wait     3                         -> no liquidated
        deposit  alice  eth:USDC  600.00   -> credited
        wait     1                         -> cash_call_met
        """,
    )
    assert not list(world.state.cash_calls.ordered())
    tell(world, "wait 20 -> no liquidated")
    assert world.state.accounts[ALICE].called_height == 0


def test_an_account_below_maintenance_has_no_time() -> None:
    world = owing(lots=5_000, call=CALL)
    assert of_kind(world.results[-1], CashCalled)
    world.ticks[ETH] = 15_000
    result = world.block()
    assert of_kind(result, Liquidated)[0].positions
    assert holdings_margin(current_arrays(world.state), current_holdings(world.state, ALICE)).maintenance_ok


def lapsed(**terms: Any) -> World:
    world = owing(call=CALL, **terms)
    while not of_kind(world.results[-1], AuctionOpened):
        world.block()
    return world


def test_the_price_falls_from_the_whole_value_to_the_value_after_haircut() -> None:
    world = lapsed()
    (sale,) = of_kind(world.results[-1], AuctionOpened)
    assert (sale.first_height, sale.last_height) == (world.state.now.height + 1, world.state.now.height + 10)
    prices = []
    for _ in range(9):
        result = world.block(world.collateral_bid(BOB, ALICE, WETH_1, 1, 10**6))
        prices += [each.micros_per_unit for each in of_kind(result, CollateralSold)]
    assert prices[0] == 200, "200.00 for a million units"
    assert prices == sorted(prices, reverse=True)
    assert prices[-1] == 200 - 16
    assert all(price >= 180 for price in prices)


def test_a_member_buys_a_slice_and_the_debt_ends_at_a_better_price_than_the_houses() -> None:
    world = lapsed()
    bob, weth = world.cash(BOB), world.units(BOB, WETH_1)
    result = world.block(world.collateral_bid(BOB, ALICE, WETH_1, 10**9, 200))
    (sold,) = of_kind(result, CollateralSold)
    # 1,500.00 at 200 micros are 7.5 million units; a slice is 40 % of them.
    assert (sold.units, sold.paid) == (3_000_000, 600 * DOLLAR)
    assert (world.cash(BOB), world.units(BOB, WETH_1)) == (bob - 600 * DOLLAR, weth + 3_000_000)
    assert world.cash(ALICE) == -900 * DOLLAR
    assert of_kind(world.block(), CashCallMet), "within the limit again: the sale ends"
    assert codes(world.block(world.collateral_bid(BOB, ALICE, WETH_1, 1, 10**6))) == [316]
    used = {each.code for result in world.results for each in result.transfers}
    assert {TransferCode.COLLATERAL_AUCTIONED, TransferCode.AUCTION_PAID} <= used


def test_bids_are_refused_by_rule() -> None:
    world = lapsed()
    assert codes(world.block(world.collateral_bid(BOB, ALICE, WETH_1, 10, 150))) == [317]
    assert codes(world.block(world.collateral_bid(BOB, ALICE, STETH_2, 10, 500))) == [318]
    assert codes(world.block(world.collateral_bid(BOB, ALICE, USDC_1, 10, 500))) == [206]
    assert codes(world.block(world.collateral_bid(BOB, CAROL, WETH_1, 10, 500))) == [316]
    assert codes(world.block(world.collateral_bid(ALICE, ALICE, WETH_1, 10, 500))) == [212]
    assert codes(world.block(world.sign(world.collateral_bid(CAROL, ALICE, WETH_1, 10, 500), world.key_of(BOB)))) == [
        208
    ]
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL)))
    assert codes(world.block(world.collateral_bid(CAROL, ALICE, WETH_1, 10, 500))) == [218], "nobody buys on credit"


def test_who_has_to_keep_money_pays_none_of_it_for_a_friends_collateral(monkeypatch: pytest.MonkeyPatch) -> None:
    """More is paid for it than it counts for: what is assessed, or missing elsewhere, would go to the seller."""
    world = lapsed()
    world.block()
    margin = holdings_margin(current_arrays(world.state), current_holdings(world.state, BOB))
    free = margin.equity - margin.initial
    monkeypatch.setattr(deficit_reserve, "committed_micros", lambda run, account: free if account == BOB else 0)
    assert codes(world.block(world.collateral_bid(BOB, ALICE, WETH_1, 1_000, 10**6))) == [203]
    monkeypatch.setattr(deficit_reserve, "committed_micros", lambda run, account: free - DOLLAR)
    assert codes(world.block(world.collateral_bid(BOB, ALICE, WETH_1, 1_000, 10**6))) == []


def test_what_members_leave_the_house_buys_at_the_value_after_haircut() -> None:
    world = lapsed()
    liquidated = []
    while not liquidated:
        liquidated = of_kind(world.block(), Liquidated)
    (bought,) = liquidated[0].collateral
    assert bought.micros_per_unit == 180
    assert liquidated[0].positions == ()
    assert world.cash(ALICE) >= 0
    assert world.lots(ALICE, BTC_PERP) == 1_000, "cash alone takes no position"
    world.block()
    assert not list(world.state.cash_calls.ordered())


def test_a_debt_within_the_limit_is_never_called() -> None:
    world = owing(1_000, call=CALL)
    assert world.cash(ALICE) == -1_000 * DOLLAR
    for _ in range(20):
        world.block()
    assert not any(of_kind(result, CashCalled) for result in world.results)


def test_interest_rounds_up_on_debts_and_down_on_claims() -> None:
    assert interest_on(-1, INTEREST, HOUR) == -1
    assert interest_on(1, INTEREST, HOUR) == 0
    assert interest_on(-1_000_000 * DOLLAR, INTEREST, YEAR_MS) == -80_000 * DOLLAR
    assert interest_on(1_000_000 * DOLLAR, INTEREST, YEAR_MS) == 30_000 * DOLLAR


def test_interest_is_paid_by_debtors_to_creditors_and_the_difference_is_the_houses() -> None:
    world = owing(900, interest=INTEREST)
    cash = {account: world.cash(account) for account in EVERYBODY}
    result = world.block(after_ms=2 * HOUR)
    (accrued,) = of_kind(result, InterestAccrued)
    assert accrued.intervals == 2
    elapsed = 2 * HOUR
    owed = -(900 * DOLLAR * 80_000 * elapsed // -(10**6 * YEAR_MS))
    got = {each: cash[each] * 30_000 * elapsed // (10**6 * YEAR_MS) for each in (BOB, CAROL)}
    assert world.cash(ALICE) == cash[ALICE] - owed
    assert all(world.cash(each) == cash[each] + got[each] for each in got)
    assert world.cash(HOUSE) == cash[HOUSE] + owed - sum(got.values())
    assert (accrued.paid, accrued.received, accrued.house) == (owed, sum(got.values()), owed - sum(got.values()))
    assert not of_kind(world.block(after_ms=HOUR // 2), InterestAccrued)
    assert of_kind(world.block(after_ms=HOUR), InterestAccrued)[0].intervals == 1


@given(st.integers(-(10**18), 10**18), st.lists(st.integers(1, 10**10), min_size=1, max_size=5))
def test_interest_in_parts_is_never_in_the_members_favour(micros: int, parts: list[int]) -> None:
    whole = interest_on(micros, INTEREST, sum(parts))
    assert sum(interest_on(micros, INTEREST, part) for part in parts) <= whole


STEP = st.one_of(
    st.tuples(st.just("price"), st.integers(600_000, 980_000), st.integers(16_000, 24_000)),
    st.tuples(st.just("bid"), st.sampled_from((BOB, CAROL)), st.integers(1, 10**8)),
    st.tuples(st.just("take"), st.sampled_from((ALICE, BOB, CAROL)), st.integers(1, 20_000)),
    st.tuples(st.just("wait"), st.integers(1, 7), st.integers(1_000, 2 * HOUR)),
)


@given(st.lists(STEP, max_size=18))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_bid_money_is_conserved_and_no_sale_lowers_the_sellers_equity(
    steps: list[tuple[str, int, int]],
) -> None:
    world = owing(call=CALL, interest=INTEREST)
    copy = import_state(world.genesis, SALT, export_state(world.state))
    start, taken = len(world.blocks), 0
    before = sum(world.cash(each) for each in EVERYBODY)
    for kind, what, much in steps:
        if kind == "price":
            world.ticks[BTC], world.ticks[ETH] = what, much
            world.block()
        elif kind == "wait":
            for _ in range(what):
                world.block(after_ms=much)
        elif kind == "bid":
            state = world.state
            equity = holdings_margin(current_arrays(state), current_holdings(state, ALICE)).equity
            result = world.block(world.collateral_bid(what, ALICE, WETH_1, much, 10**6))
            # A halted feed may reopen in the block of the bid: what the mark takes is not the sale's doing.
            if of_kind(result, CollateralSold) and not of_kind(result, Liquidated) and not of_kind(result, Marked):
                assert holdings_margin(
                    current_arrays(world.state), current_holdings(world.state, ALICE)
                ).equity >= equity - sum(
                    each.amount
                    for each in result.transfers
                    if each.debit == ALICE and each.code is TransferCode.INTEREST
                )
        else:
            result = world.block(world.withdrawal(what, USDC_1, much * DOLLAR))
            taken += much * DOLLAR if not codes(result) else 0
    assert sum(world.cash(each) for each in EVERYBODY) == before - taken
    for block in world.blocks[start:]:
        copy = apply_block(copy, block)[0].absorb()
    assert roots(copy) == roots(world.state)


@pytest.mark.parametrize("terms", [CashCallTerms(auction_blocks=3), CashCallTerms(slice_ppm=0)])
def test_a_call_that_means_nothing_is_refused(terms: CashCallTerms) -> None:
    with pytest.raises(Exception, match="call"):
        genesis_with(call=terms)
