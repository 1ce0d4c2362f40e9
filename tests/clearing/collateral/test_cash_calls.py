"""Owing cash: what it costs, how long it may last, and how collateral turns into cash when time is up."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.units import YEAR_MS
from clearing.collateral.interest import interest_on
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.collateral import AuctionOpened, CashCalled, CashCallMet, CollateralSold, InterestAccrued
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.settlement import Marked
from clearing.schema.terms.collateral import CashCallTerms
from clearing.schema.transfers import TransferCode
from clearing.withdrawals import deficit_reserve
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, DOLLAR, ETH, EVERYBODY, HOUSE, USDC_1, WETH_1
from tests.kit.clearing.vaults import CALL, HOUR, INTEREST, STETH_2, genesis_with, owing
from tests.kit.clearing.world import World, of_all, of_kind
from tests.kit.table import tell


def test_without_terms_the_house_buys_at_once() -> None:
    world = owing()
    (taken,) = of_all(world.results, Liquidated)
    assert taken.positions == ()
    assert world.cash(ALICE) >= 0
    assert not list(world.state.cash_calls.ordered())


def test_a_cash_call_gives_time_and_cash_meets_it() -> None:
    world = owing(call=CALL)
    (called,) = world.last(CashCalled)
    assert (called.owed, called.deadline_height) == (((1, 1_500 * DOLLAR),), world.state.now.height + 5)
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
    assert world.last(CashCalled)
    world.ticks[ETH] = 15_000
    assert of_kind(world.block(), Liquidated)[0].positions
    assert world.margin(ALICE).maintenance_ok


@pytest.fixture
def lapsed() -> World:
    """In the block before the first bid."""
    world = owing(call=CALL)
    while not world.last(AuctionOpened):
        world.block()
    return world


def test_the_price_falls_from_the_whole_value_to_the_value_after_haircut(lapsed: World) -> None:
    (sale,) = lapsed.last(AuctionOpened)
    assert (sale.first_height, sale.last_height) == (lapsed.state.now.height + 1, lapsed.state.now.height + 10)
    prices = []
    for _ in range(9):
        result = lapsed.block(lapsed.collateral_bid(BOB, ALICE, WETH_1, 1, 10**6))
        prices += [each.micros_per_unit for each in of_kind(result, CollateralSold)]
    assert prices == sorted(prices, reverse=True)
    assert (prices[0], prices[-1]) == (200, 200 - 16), "200.00 for a million units at first"


def test_a_member_buys_a_slice_and_the_debt_ends_at_a_better_price_than_the_houses(lapsed: World) -> None:
    bob, weth = lapsed.cash(BOB), lapsed.units(BOB, WETH_1)
    (sold,) = of_kind(lapsed.block(lapsed.collateral_bid(BOB, ALICE, WETH_1, 10**9, 200)), CollateralSold)
    # 1,500.00 at 200 micros are 7.5 million units; a slice is 40 % of them.
    assert (sold.units, sold.paid) == (3_000_000, 600 * DOLLAR)
    assert (lapsed.cash(BOB), lapsed.units(BOB, WETH_1)) == (bob - 600 * DOLLAR, weth + 3_000_000)
    assert lapsed.cash(ALICE) == -900 * DOLLAR
    assert of_kind(lapsed.block(), CashCallMet), "within the limit again: the sale ends"
    assert lapsed.refused(lapsed.collateral_bid(BOB, ALICE, WETH_1, 1, 10**6)) == [C.NO_SUCH_AUCTION]
    used = {each.code for result in lapsed.results for each in result.transfers}
    assert {TransferCode.COLLATERAL_AUCTIONED, TransferCode.AUCTION_PAID} <= used


BIDS: dict[str, tuple[tuple[int, ...], C]] = {
    "below_the_price": ((BOB, ALICE, WETH_1, 10, 150), C.BID_BELOW_PRICE),
    "for_a_token_that_the_seller_has_none_of": ((BOB, ALICE, STETH_2, 10, 500), C.NOTHING_FOR_SALE),
    "for_cash": ((BOB, ALICE, USDC_1, 10, 500), C.UNKNOWN_ASSET),
    "of_nobody_who_sells": ((BOB, CAROL, WETH_1, 10, 500), C.NO_SUCH_AUCTION),
    "of_the_sellers_own": ((ALICE, ALICE, WETH_1, 10, 500), C.SAME_ACCOUNT),
}


def test_bids_are_refused_by_rule(lapsed: World) -> None:
    for rule, (bid, code) in BIDS.items():
        assert lapsed.refused(lapsed.collateral_bid(*bid)) == [code], rule
    forged = lapsed.sign(lapsed.collateral_bid(CAROL, ALICE, WETH_1, 10, 500), lapsed.key_of(BOB))
    assert lapsed.refused(forged) == [C.WRONG_SIGNER]
    lapsed.block(lapsed.withdrawal(CAROL, USDC_1, lapsed.cash(CAROL)))
    on_credit = lapsed.collateral_bid(CAROL, ALICE, WETH_1, 10, 500)
    assert lapsed.refused(on_credit) == [C.BALANCE_TOO_SMALL], "nobody buys on credit"


def test_who_has_to_keep_money_pays_none_of_it_for_a_friends_collateral(
    lapsed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is paid for it than it counts for: what is assessed, or missing elsewhere, would go to the seller."""
    lapsed.block()
    free = lapsed.margin(BOB).equity - lapsed.margin(BOB).initial
    monkeypatch.setattr(deficit_reserve, "committed_micros", lambda run, account: free if account == BOB else 0)
    bid = BOB, ALICE, WETH_1, 1_000, 10**6
    assert lapsed.refused(lapsed.collateral_bid(*bid)) == [C.COLLATERAL_NEEDED_FOR_MARGIN]
    monkeypatch.setattr(deficit_reserve, "committed_micros", lambda run, account: free - DOLLAR)
    assert lapsed.refused(lapsed.collateral_bid(*bid)) == []


def test_what_members_leave_the_house_buys_at_the_value_after_haircut(lapsed: World) -> None:
    while not lapsed.last(Liquidated):
        lapsed.block()
    (taken,) = lapsed.last(Liquidated)
    assert ([each.micros_per_unit for each in taken.collateral], taken.positions) == ([180], ())
    assert lapsed.cash(ALICE) >= 0
    assert lapsed.lots(ALICE, BTC_PERP) == 1_000, "cash alone takes no position"
    lapsed.block()
    assert not list(lapsed.state.cash_calls.ordered())


def test_a_debt_within_the_limit_is_never_called() -> None:
    world = owing(1_000, call=CALL)
    assert world.cash(ALICE) == -1_000 * DOLLAR
    world.wait(20)
    assert not any(of_kind(result, CashCalled) for result in world.results)


@pytest.mark.parametrize(
    ("micros", "elapsed_ms", "interest"),
    [
        (-1, HOUR, -1),
        (1, HOUR, 0),
        (-1_000_000 * DOLLAR, YEAR_MS, -80_000 * DOLLAR),
        (1_000_000 * DOLLAR, YEAR_MS, 30_000 * DOLLAR),
    ],
)
def test_interest_rounds_up_on_debts_and_down_on_claims(micros: int, elapsed_ms: int, interest: int) -> None:
    assert interest_on(micros, INTEREST, elapsed_ms) == interest


def test_interest_is_paid_by_debtors_to_creditors_and_the_difference_is_the_houses() -> None:
    world = owing(900, interest=INTEREST)
    cash = {account: world.cash(account) for account in EVERYBODY}
    (accrued,) = of_kind(world.block(after_ms=2 * HOUR), InterestAccrued)
    owed = -(900 * DOLLAR * 80_000 * 2 * HOUR // -(10**6 * YEAR_MS))
    got = {each: cash[each] * 30_000 * 2 * HOUR // (10**6 * YEAR_MS) for each in (BOB, CAROL)}
    kept = owed - sum(got.values())
    changes = {HOUSE: kept, ALICE: -owed, **got}
    assert {each: world.cash(each) - cash[each] for each in EVERYBODY} == changes
    assert (accrued.intervals, accrued.paid, accrued.received, accrued.house) == (2, owed, sum(got.values()), kept)
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
    copy, start, taken = world.restored(), len(world.blocks), 0
    before = sum(world.cash(each) for each in EVERYBODY)
    for kind, what, much in steps:
        if kind == "price":
            world.ticks[BTC], world.ticks[ETH] = what, much
            world.block()
        elif kind == "wait":
            for _ in range(what):
                world.block(after_ms=much)
        elif kind == "bid":
            equity = world.margin(ALICE).equity
            result = world.block(world.collateral_bid(what, ALICE, WETH_1, much, 10**6))
            # A halted feed may reopen in the block of the bid: what the mark takes is not the sale's doing.
            if of_kind(result, CollateralSold) and not of_kind(result, Liquidated) and not of_kind(result, Marked):
                owed = [each for each in result.transfers if each.debit == ALICE and each.code is TransferCode.INTEREST]
                assert world.margin(ALICE).equity >= equity - sum(each.amount for each in owed)
        elif not world.refused(world.withdrawal(what, USDC_1, much * DOLLAR)):
            taken += much * DOLLAR
    assert sum(world.cash(each) for each in EVERYBODY) == before - taken
    world.check_replay(copy, start)


@pytest.mark.parametrize("terms", [CashCallTerms(auction_blocks=3), CashCallTerms(slice_ppm=0)])
def test_a_call_that_means_nothing_is_refused(terms: CashCallTerms) -> None:
    with pytest.raises(Exception, match="call"):
        genesis_with(call=terms)
