"""Calls while an option's surface is too old: a stale mark calls, and sells nothing by itself."""

from clearing.accounts.porting import _check_covered
from clearing.default_fund.contributions import certain_margin
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.reopening import is_order_margined
from clearing.prices.stale_options import margin_at_floor, margin_for_calls, margins_for_calls
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import (
    CallDeadlineSet,
    CallMet,
    EarlyCalled,
    MarginCalled,
    MarginRestored,
)
from clearing.schema.records.default import FundSizeRecord
from clearing.schema.records.margin_calls import CallKind
from clearing.schema.records.prices import PriceStatus
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.holdings import current_arrays, current_holdings, margin_book
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, BTC_FUT, BTC_PERP, CAROL, DOLLAR, USD, USDC_1
from tests.kit.clearing.surfaced import BTC_CALL, FAR_PUT, GROUP, QUOTES, SurfacedWorld, surfaced_genesis
from tests.kit.clearing.world import codes

LADDER = {"age_ms_max": 1, "grace_blocks": 2}
FIVE = CallTerms(deadline_blocks=5)
CALLS = 6_000


def leaning(
    calls: CallTerms = FIVE,
    liquidation: LiquidationTerms | None = None,
    futures: int = 200,
    **terms: int,
) -> SurfacedWorld:
    """Alice's futures are covered by the time value of calls that she is long; Bob is well funded, and short."""
    crisis = {"calls": calls, "liquidation": liquidation or LiquidationTerms()}
    made = SurfacedWorld(surfaced_genesis(LADDER | terms, crisis=crisis))
    made.quote()
    made.endow(1_000_000)
    made.quote()
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_CALL, CALLS, made.state.marks[BTC_CALL].ticks))
    if futures:
        made.quote(QUOTES, made.trade(ALICE, BOB, BTC_FUT, futures, made.state.marks[BTC_FUT].ticks))
    margin = made.margin(ALICE)
    spare = min(margin.equity - margin.initial, made.cash(ALICE)) - DOLLAR
    made.quote(QUOTES, made.withdrawal(ALICE, USDC_1, spare))
    assert not codes(made.results[-1])
    assert made.margin(ALICE).initial_ok
    return made


def counted(made: SurfacedWorld, account: int = ALICE) -> AccountMargin:
    return margin_for_calls(made.state, account, made.margin(account))


def is_called(made: SurfacedWorld, account: int = ALICE) -> bool:
    return made.state.accounts[account].called_height > 0


def test_within_the_grace_a_stale_mark_counts_for_calls() -> None:
    made = leaning()
    made.unquoted(blocks=2)
    assert made.state.surfaces[GROUP].status is PriceStatus.NO_NEW_RISK
    assert counted(made) == made.margin(ALICE)
    assert not is_called(made)


def test_after_the_grace_a_long_option_counts_for_calls_at_most_at_its_floor() -> None:
    made = leaning()
    made.unquoted(blocks=3)
    assert made.state.surfaces[GROUP].status is PriceStatus.NO_LIQUIDATION
    assert made.margin(ALICE).initial_ok, "at the mark nothing is missing"
    (called,) = made.last(MarginCalled)
    assert (called.account, called.equity, called.initial) == (ALICE, counted(made).equity, counted(made).initial)
    assert called.equity < called.initial
    assert called.equity < made.margin(ALICE).equity
    assert not is_called(made, BOB), "short options count at their full mark, as before"
    assert counted(made, BOB) == made.margin(BOB)
    made.check_replay()


def test_who_is_called_at_the_floor_has_time_and_nothing_is_sold_while_the_mark_covers() -> None:
    made = leaning()
    made.unquoted(blocks=3)
    (deadline,) = made.last(CallDeadlineSet)
    assert deadline.equity == counted(made).equity < deadline.trigger
    made.unquoted(blocks=20)
    assert made.state.now.height > deadline.deadline_height
    assert made.lots(ALICE, BTC_FUT) == 200
    assert not made.every(Liquidated)
    made.quote()
    assert made.last(MarginRestored)[0].account == ALICE
    assert made.last(CallMet)[0].account == ALICE
    assert not is_called(made)


def test_without_deadlines_staleness_calls_and_sells_nothing() -> None:
    made = leaning(CallTerms())
    made.unquoted(blocks=10)
    assert is_called(made)
    assert not made.every(Liquidated)
    assert made.lots(ALICE, BTC_CALL) == CALLS


def test_an_urgent_floor_takes_no_time_away() -> None:
    made = leaning(CallTerms(deadline_blocks=50, urgent_ppm=900_000))
    made.unquoted(blocks=4)
    assert made.state.margin_calls[ALICE].kind is CallKind.MARGIN
    assert not made.state.margin_calls[ALICE].lapsed


def test_with_the_voted_surface_in_force_its_mark_counts_again() -> None:
    made = leaning(keep_blocks=4)
    made.unquoted(blocks=4)
    assert is_called(made)
    made.unquoted()
    assert not made.state.surfaces[GROUP].in_force
    assert counted(made) == made.margin(ALICE)
    assert is_called(made) is not made.margin(ALICE).initial_ok


def test_collateral_up_to_initial_margin_at_the_floor_ends_the_call() -> None:
    made = leaning()
    made.unquoted(blocks=3)
    missing = counted(made).initial - counted(made).equity
    prices = tuple(made.ticks.items())
    made.block(facts=[made.deposit_fact(ALICE, USDC_1, missing - 1)], prices=prices)
    assert counted(made).initial - counted(made).equity == 1
    assert is_called(made)
    made.block(facts=[made.deposit_fact(ALICE, USDC_1, 1)], prices=prices)
    assert not is_called(made)


def test_an_account_at_its_floor_is_not_called_early_but_for_margin() -> None:
    made = leaning(
        CallTerms(
            deadline_blocks=5, early_ppm=10_000, early_release_ppm=5_000, early_horizon_ms=3_600_000, early_blocks=5
        )
    )
    made.unquoted(blocks=3)
    assert is_called(made)
    assert ALICE not in {each.account for each in made.last(EarlyCalled)}
    assert made.state.margin_calls[ALICE].kind is CallKind.MARGIN


def test_the_bulk_of_accounts_at_the_floor_is_each_by_itself() -> None:
    made = leaning()
    made.quote(QUOTES, made.trade(CAROL, BOB, FAR_PUT, 700, made.state.marks[FAR_PUT].ticks))
    made.unquoted(blocks=3, after_ms=1_000)
    book = margin_book(made.state)
    found = margins_for_calls(made.state, book, book.accounts())
    alone = {each: counted(made, each) for each in book.accounts()}
    assert found == {each: margin for each, margin in alone.items() if not margin.initial_ok}
    assert ALICE in found


def test_a_slice_is_not_taken_on_the_credit_of_a_stale_mark() -> None:
    """Alice's calls are worth more than the slice needs at the mark; while they are stale they back no new risk."""
    sale = LiquidationTerms(auction_blocks=50, start_ppm=1_000, end_ppm=9_000)
    for stale in (False, True):
        made = leaning(CallTerms(), sale, futures=0)
        made.quote(QUOTES, made.trade(CAROL, BOB, BTC_PERP, 1_200, made.state.marks[BTC_PERP].ticks))
        made.quote(QUOTES, made.withdrawal(CAROL, USDC_1, made.cash(CAROL) - 2_000 * DOLLAR))
        made.quote(QUOTES, btc=730_000)
        assert CAROL in made.state.liquidations
        made.quote(() if stale else QUOTES, made.liquidation_bid(ALICE, CAROL, slice_ppb=10_000_000))
        assert made.lots(ALICE, BTC_PERP) == (0 if stale else 12)
    assert codes(made.results[-1]) == [int(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN)]


def test_the_floor_leaves_the_arrays_in_force_alone() -> None:
    made = leaning()
    made.unquoted(blocks=3)
    arrays = current_arrays(made.state)
    rows = [list(row) for row in arrays.rows]
    holdings = current_holdings(made.state, ALICE)
    assert holdings.lots[made.state.terms.array_index[BTC_CALL]] == CALLS
    counted(made)
    assert arrays.rows == rows


def test_a_sale_ends_when_the_mark_covers_initial_margin_and_the_call_stays() -> None:
    made = leaning(CallTerms(), LiquidationTerms(auction_blocks=50, start_ppm=1_000, end_ppm=9_000))
    made.quote(QUOTES, btc=660_000)
    made.unquoted(blocks=3)
    assert ALICE in made.state.liquidations
    made.ticks[BTC] = 790_000
    made.unquoted()
    assert made.margin(ALICE).initial_ok
    assert not counted(made).initial_ok
    assert ALICE not in made.state.liquidations
    assert is_called(made)
    made.check_replay()


def test_an_order_of_a_reopening_auction_is_not_margined_by_a_stale_mark() -> None:
    made = leaning(futures=0)
    perpetual = made.state.terms.instruments[BTC_PERP]
    assert is_order_margined(made.context(), perpetual, ALICE, 12)
    made.unquoted()
    assert not is_order_margined(made.context(), perpetual, ALICE, 12)
    assert is_order_margined(made.context(), perpetual, CAROL, 12), "who has no option"


def test_the_default_fund_debits_nothing_that_only_a_stale_mark_covers() -> None:
    made = leaning()
    sized = FundSizeRecord(1, 1, 0, (), USD)
    made.state.fund_sizes.put(0, sized)
    fresh = certain_margin(made.context(), ALICE)
    made.unquoted()
    made.state.fund_sizes.put(0, sized)
    stale = certain_margin(made.context(), ALICE)
    assert fresh is not None
    assert stale is not None
    assert fresh.initial_ok
    assert not stale.initial_ok
    assert stale == margin_at_floor(made.context(), current_holdings(made.state, ALICE))


def test_an_account_that_only_a_stale_mark_covers_is_not_passed_on_to_another_member() -> None:
    for stale in (False, True):
        made = leaning()
        ported = made.porting(ALICE_CLIENT, 2)
        deposit = made.deposit_fact(ALICE_CLIENT, USDC_1, 10_000 * DOLLAR)
        made.block(facts=[deposit], prices=tuple(made.ticks.items()))
        made.quote(QUOTES, made.trade(ALICE_CLIENT, BOB, BTC_CALL, 100, made.state.marks[BTC_CALL].ticks))
        made.quote(QUOTES, made.trade(ALICE_CLIENT, BOB, BTC_FUT, 20, made.state.marks[BTC_FUT].ticks))
        margin = made.margin(ALICE_CLIENT)
        made.quote(QUOTES, made.withdrawal(ALICE_CLIENT, USDC_1, margin.equity - margin.initial))
        assert made.margin(ALICE_CLIENT).equity == made.margin(ALICE_CLIENT).initial > 0
        if stale:
            made.unquoted()
        refusal = _check_covered(made.context(), ported)
        assert (refusal is not None) is stale
