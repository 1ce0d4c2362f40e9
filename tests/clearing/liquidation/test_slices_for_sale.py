"""Slices of a portfolio for sale among members: when, at which price, to whom, and what nobody else notices."""

from fractions import Fraction

import msgspec
import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.liquidation import CashSplit, Liquidated, LiquidationEnded, LiquidationOpened, SliceSold
from clearing.schema.receipts.settlement import Marked
from clearing.schema.records.prices import FeedStatus
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.terms.margin_calls import LiquidationTerms, liquidation_checks
from clearing.schema.transfers import TransferCode
from clearing.state.account_masks import account_mask
from clearing.state.holdings import current_holdings
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    HOUSE,
    USDC_1,
)
from tests.kit.clearing.world import World, codes, of_kind
from tests.kit.table import tell

SALE = LiquidationTerms(auction_blocks=5, start_ppm=1_000, end_ppm=9_000, bidder_share_ppm=400_000)


def for_sale(terms: LiquidationTerms = SALE, **more: int) -> World:
    """Alice's slices are for sale from the next block on."""
    world = leveraged(liquidation=terms, **more)
    world.go(btc=FALLEN)
    return world


@pytest.fixture
def world() -> World:
    return for_sale()


def bought(world: World, **bid: int) -> tuple[SliceSold, CashSplit]:
    """Carol bids, by default for all that may be taken; the sale, and what was paid."""
    (sold,) = of_kind(world.block(world.liquidation_bid(CAROL, **bid)), SliceSold)
    (split,) = sold.paid
    return sold, split


def test_slices_are_offered_before_anything_is_taken_over(world: World) -> None:
    (opened,) = world.last(LiquidationOpened)
    assert (opened.account, opened.positions) == (ALICE, ((BTC_PERP, 4_500),))
    height = world.state.now.height
    assert (opened.first_height, opened.last_height) == (height + 1, height + 5)
    tell(world, "wait 4 -> no liquidated")
    assert world.lots(ALICE, BTC_PERP) == 4_500
    (done,) = of_kind(world.block(), Liquidated)
    assert done.equity_after >= done.initial_after, "then the house takes just enough"
    assert world.lots(HOUSE, BTC_PERP) == 4_500 - world.lots(ALICE, BTC_PERP)


def test_a_bid_names_the_account_by_its_mask_as_members_see_it(world: World) -> None:
    mask = account_mask(world.state.salt, ALICE)
    opened = world.state.liquidations[ALICE].opened_height
    bid = world.request(LiquidationBid, CAROL, mask, opened, 10**9, 0)
    (sold,) = of_kind(world.block(bid), SliceSold)
    assert (sold.account, sold.bidder) == (ALICE, CAROL)


def test_a_mask_of_an_account_that_is_not_for_sale_is_an_unknown_account(world: World) -> None:
    """A refusal that differed would say whose the mask is."""
    mask = account_mask(world.state.salt, BOB)
    bids = [world.request(LiquidationBid, CAROL, name, 1, 10**9, 0) for name in (mask, mask + 1)]
    assert codes(world.block(*bids)) == [ClearingCode.UNKNOWN_ACCOUNT] * 2


def test_a_bid_takes_just_what_restores_initial_margin_at_the_blocks_discount(world: World) -> None:
    world.block()
    carol = world.cash(CAROL)
    sold, split = bought(world)
    assert sold.discount_ppm == 1_000 + 8_000 // 4
    assert sold.equity_after >= sold.initial_after
    (taken,) = sold.positions
    assert (taken.of_lots, taken.mark_ticks, taken.received) == (4_500, FALLEN, 0)
    assert [world.lots(each, BTC_PERP) for each in (CAROL, ALICE)] == [taken.lots, 4_500 - taken.lots]
    assert world.cash(CAROL) - carol == split.discount + split.penalty_to_taker
    assert world.last(LiquidationEnded)
    assert ALICE not in world.state.liquidations


def test_the_fund_part_of_the_backstops_own_penalty_is_the_houses() -> None:
    world = for_sale(msgspec.structs.replace(SALE, backstop_account=ALICE))
    house = world.cash(HOUSE)
    sold, split = bought(world)
    assert sold.fund == HOUSE
    assert world.cash(HOUSE) - house == split.penalty - split.penalty_to_taker > 0


def test_the_receipt_can_be_recomputed_by_hand(world: World) -> None:
    house, carol = world.cash(HOUSE), world.cash(CAROL)
    sold, split = bought(world)
    equity, whole = 8_000 * DOLLAR - 4_500 * 65_000 * 10, 4_500 * FALLEN * 10
    initial = whole // 5
    assert (sold.equity, sold.initial) == (equity, initial)
    cost = Fraction(5_000 + 1_000, 10**6)
    share = (initial - equity) / (initial - cost * whole)
    assert (sold.sizing.cost_ppm, sold.sizing.fixed, sold.sizing.rounding) == (6_000, 0, 0)
    assert sold.sizing.share == sold.fraction == sold.allowed_share == -(-share.numerator * 10**9 // share.denominator)
    lots = -(-4_500 * sold.fraction // 10**9)
    assert sold.positions[0].lots == lots
    assert sold.notional == lots * FALLEN * 10
    assert split.discount == -(-sold.notional * 1_000 // 10**6)
    assert split.penalty == -(-sold.notional * 5_000 // 10**6)
    assert split.penalty_to_taker == split.penalty * 400_000 // 10**6
    assert world.cash(CAROL) - carol == split.discount + split.penalty_to_taker
    assert world.cash(HOUSE) - house == split.penalty - split.penalty_to_taker, "the fund's part, remainder included"
    assert sold.equity_after == equity - split.discount - split.penalty
    assert sold.initial_after == (4_500 - lots) * FALLEN * 10 // 5


def test_what_an_account_owes_rounds_up_and_what_a_bidder_gets_of_the_penalty_down() -> None:
    odd = msgspec.structs.replace(SALE, start_ppm=1_001, bidder_share_ppm=333_333)
    sold, split = bought(for_sale(odd, liquidation_penalty_ppm=4_999))
    assert all(each % 10**6 for each in (sold.notional * 1_001, sold.notional * 4_999, split.penalty * 333_333))
    assert split.discount == sold.notional * 1_001 // 10**6 + 1
    assert split.penalty == sold.notional * 4_999 // 10**6 + 1
    assert split.penalty_to_taker == split.penalty * 333_333 // 10**6


def test_no_price_moves_by_a_slice(world: World) -> None:
    mark, premium = world.state.marks[BTC_PERP], world.state.premia.get(BTC_PERP)
    bought(world)
    assert (world.state.marks[BTC_PERP], world.state.premia.get(BTC_PERP)) == (mark, premium)
    assert not of_kind(world.block(), Marked)


def test_bids_of_a_block_are_filled_in_order_until_margin_is_restored(world: World) -> None:
    small = world.liquidation_bid(CAROL, slice_ppb=100_000_000)
    result = world.block(small, world.liquidation_bid(BOB), world.liquidation_bid(CAROL))
    first, second = of_kind(result, SliceSold)
    assert (first.bidder, first.fraction) == (CAROL, 100_000_000)
    assert first.equity_after < first.initial_after
    assert (second.bidder, second.equity, second.initial) == (BOB, first.equity_after, first.initial_after)
    assert second.equity_after >= second.initial_after
    assert codes(result) == [ClearingCode.NOTHING_TO_TAKE]


def test_no_bid_takes_more_than_the_slice_limit() -> None:
    sold, _ = bought(for_sale(msgspec.structs.replace(SALE, slice_max_ppm=50_000)))
    assert sold.fraction == sold.allowed_share == 50_000_000
    assert sold.equity_after < sold.initial_after


def test_options_change_hands_at_their_value() -> None:
    world = leveraged(liquidation=SALE)
    world.block(world.trade(BOB, ALICE, BTC_PERP, 4_500, 790_000))
    world.block(world.trade(BOB, ALICE, BTC_CALL, 5_000, world.state.marks[BTC_CALL].ticks))
    world.go(btc=860_000)
    alice, carol = world.cash(ALICE), world.cash(CAROL)
    sold, split = bought(world)
    (taken,) = sold.positions
    assert taken.received == world.state.marks[BTC_CALL].ticks * 10 * taken.lots < 0
    assert world.cash(ALICE) - alice == taken.received - split.discount - split.penalty
    assert world.cash(CAROL) - carol == -taken.received + split.discount + split.penalty_to_taker


def test_a_discount_never_takes_equity_below_zero() -> None:
    sold, split = bought(for_sale(msgspec.structs.replace(SALE, start_ppm=300_000, end_ppm=300_000)))
    assert (split.discount, split.penalty, sold.equity_after) == (sold.equity, 0, 0)


def test_of_an_account_without_equity_a_slice_is_taken_for_nothing(world: World) -> None:
    world.go(btc=600_000)
    sold, split = bought(world)
    assert (split.discount, split.penalty) == (0, 0)
    assert sold.equity_after == sold.equity < 0


@pytest.mark.parametrize(
    ("bidder", "changes", "code"),
    [
        (CAROL, {"slice_ppb": 0}, ClearingCode.BAD_SIZE),
        (CAROL, {"slice_ppb": 10**9 + 1}, ClearingCode.BAD_SIZE),
        (CAROL, {"discount_ppm": 10**6 + 1}, ClearingCode.BAD_SIZE),
        (CAROL, {"not_after_ms": 1}, ClearingCode.REQUEST_EXPIRED),
        (CAROL, {"liquidated": 99}, ClearingCode.UNKNOWN_ACCOUNT),
        (99, {}, ClearingCode.UNKNOWN_ACCOUNT),
        (CAROL, {"nonce": 0}, ClearingCode.NONCE_USED),
        (CAROL, {"discount_ppm": 1_001}, ClearingCode.DISCOUNT_TOO_SMALL),
        (CAROL, {"opened_height": 1}, ClearingCode.NO_SUCH_LIQUIDATION),
        (CAROL, {"liquidated": BOB}, ClearingCode.NO_SUCH_LIQUIDATION),
        (ALICE_CLIENT, {}, ClearingCode.OWN_LIQUIDATION),
        (ALICE, {}, ClearingCode.OWN_LIQUIDATION),
        (HOUSE, {}, ClearingCode.MAY_NOT_TAKE_SLICES),
    ],
)
def test_what_is_refused_changes_nothing(
    world: World, bidder: int, changes: dict[str, int], code: ClearingCode
) -> None:
    world.block()
    world.block(world.transfer(ALICE, ALICE_CLIENT, 0), world.withdrawal(CAROL, USDC_1, 1 * DOLLAR))
    before = [current_holdings(world.state, each) for each in (ALICE, CAROL, HOUSE)]
    discount = {"discount_ppm": 10**6} if changes == {"discount_ppm": 1_001} else changes
    assert world.refusals(world.liquidation_bid(bidder, **discount)) == [code]
    assert before == [current_holdings(world.state, each) for each in (ALICE, CAROL, HOUSE)]


def test_a_bid_in_the_name_of_somebody_else_is_refused(world: World) -> None:
    forged = msgspec.structs.replace(world.liquidation_bid(CAROL), account=BOB)
    assert world.refusals(forged) == [ClearingCode.WRONG_SIGNER]


def test_a_bid_is_applied_once(world: World) -> None:
    bid = world.liquidation_bid(CAROL, slice_ppb=10_000_000)
    result = world.block(bid, bid)
    assert len(of_kind(result, SliceSold)) == 1
    assert codes(result) == [ClearingCode.NONCE_USED]
    assert world.refusals(bid) == [ClearingCode.NONCE_USED]


def test_who_would_not_be_at_initial_margin_gets_nothing() -> None:
    world = leveraged(liquidation=SALE)
    world.block(world.withdrawal(CAROL, USDC_1, 99_500 * DOLLAR))
    world.go(btc=FALLEN)
    result = world.block(world.liquidation_bid(CAROL), world.liquidation_bid(CAROL, slice_ppb=50_000_000))
    assert codes(result) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]
    (sold,) = of_kind(result, SliceSold)
    assert sold.fraction == 50_000_000
    assert world.margin(CAROL).initial_ok


def test_a_bid_outside_the_auction_is_refused(world: World) -> None:
    bid = world.liquidation_bid(CAROL, not_after_ms=world.time_ms + 50_000)
    world.wait(6)
    assert world.refusals(bid) == [ClearingCode.NO_SUCH_LIQUIDATION]


def test_an_account_that_brings_collateral_ends_its_own_sale(world: World) -> None:
    tell(world, "deposit alice eth:USDC 3_000.00 -> one liquidation_ended failed no")
    assert world.refusals(world.liquidation_bid(CAROL)) == [ClearingCode.NO_SUCH_LIQUIDATION]
    assert world.lots(ALICE, BTC_PERP) == 4_500


def test_nothing_is_sold_on_a_halted_feed_and_the_sale_goes_on_after_it() -> None:
    world = leveraged(liquidation=SALE)
    world.block(world.trade(ALICE, BOB, ETH_PERP, 200, 20_000))
    world.go(btc=720_000)
    assert of_kind(world.results[-1], LiquidationOpened)
    world.ticks[ETH] = 9_000
    world.block()  # ETH moved beyond the cap of a block: halted
    assert world.state.feeds[2].status == FeedStatus.HALTED
    assert world.refusals(world.liquidation_bid(CAROL)) == [ClearingCode.PRICE_NOT_OPEN]
    before = world.state.liquidations[ALICE]
    while world.state.feeds[2].status != FeedStatus.OPEN:
        world.block()
    assert world.state.liquidations[ALICE].last_height >= before.last_height
    bought(world)


def test_the_sale_stands_still_while_prices_are_not_open() -> None:
    world = for_sale(msgspec.structs.replace(SALE, auction_blocks=10))
    record = world.state.liquidations[ALICE]
    for _ in range(8):
        world.block(unpriced=(BTC, ETH))  # stale after a while
    assert world.state.feeds[BTC].status == FeedStatus.STALE
    later = world.state.liquidations[ALICE]
    assert later.last_height > record.last_height
    assert later.last_height - later.first_height == 9
    assert not world.every(Liquidated)


def test_a_block_sells_no_more_than_its_cap() -> None:
    cap = 1_000 * DOLLAR
    world = for_sale(msgspec.structs.replace(SALE, block_notional_max=cap))
    result = world.block(world.liquidation_bid(CAROL), world.liquidation_bid(BOB))
    (sold,) = of_kind(result, SliceSold)
    assert cap <= sold.notional <= cap + FALLEN * 10, "one lot of rounding"
    assert codes(result) == [ClearingCode.LIQUIDATED_ENOUGH]


def test_a_sale_survives_export_and_import(world: World) -> None:
    assert world.read_back().liquidations[ALICE] == world.state.liquidations[ALICE]


def test_transfers_name_what_they_are(world: World) -> None:
    result = world.block(world.liquidation_bid(CAROL))
    written = [(each.code, each.debit, each.credit) for each in result.transfers]
    assert written == [
        (TransferCode.SLICE_DISCOUNT, ALICE, CAROL),
        (TransferCode.PENALTY_TO_TAKER, ALICE, CAROL),
        (TransferCode.PENALTY_TO_FUND, ALICE, HOUSE),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"auction_blocks": 100_001},
        {"start_ppm": 20_001},
        {"end_ppm": 500_001},
        {"slice_max_ppm": 0},
        {"bidder_share_ppm": 1_000_001},
        {"step_ppm": 0},
        {"steps_max": 0},
        {"cooldown_blocks": 100_001},
    ],
)
def test_terms_out_of_range_are_refused(changes: dict[str, int]) -> None:
    (wrong,) = [field for field, _, good in liquidation_checks(LiquidationTerms(**changes)) if not good]
    assert wrong in changes


def test_no_slice_leaves_an_account_further_from_its_margin() -> None:
    world = leveraged(liquidation=SALE)
    world.block(world.trade(BOB, ALICE, BTC_FUT, 4_400, 790_000))
    world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE) - 170 * DOLLAR))
    world.go(btc=FALLEN)
    assert ALICE in world.state.liquidations
    # A lot of each side costs a penalty and frees nothing: net, as many are left.
    assert world.refusals(world.liquidation_bid(CAROL, slice_ppb=1)) == [ClearingCode.NOTHING_TO_TAKE]
    bought(world)  # all of it is another matter
