"""The reopening auction: its price, when it may reopen a feed, what trades, and what it can never do."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.prices.reopening import LimitOrder, UncrossingResult, matched_pairs, uncross
from clearing.schema.blocks.block import BlockResult
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.prices import AuctionCleared, AuctionOrderTaken, FeedStatusChanged
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.records.prices import FeedStatus
from clearing.schema.requests.auctions import ReopeningOrder
from clearing.schema.terms.prices import PriceTerms
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_FUT, BTC_PERP, CAROL, ETH, ETH_PERP, HOUSE, USDC_1, WETH_1
from tests.kit.clearing.priced import priced, priced_genesis
from tests.kit.clearing.replay import same_after_restart
from tests.kit.clearing.world import World, codes, funded, of_kind


def orders(*wanted: tuple[int, int]) -> list[LimitOrder]:
    return [LimitOrder(account, lots, ticks, 1) for account, (lots, ticks) in enumerate(wanted, start=1)]


@pytest.mark.parametrize(
    ("wanted", "reference", "price"),
    [
        ([], 100, None),
        ([(5, 100)], 100, None),
        ([(5, 99), (-5, 100)], 100, None),  # nobody meets
        ([(5, 100), (-5, 100)], 7, UncrossingResult(100, 5, 0)),
        ([(5, 110), (-5, 90)], 109, UncrossingResult(110, 5, 0)),  # nearest to the reference
        ([(5, 110), (-5, 90)], 100, UncrossingResult(90, 5, 0)),  # as near: the lower
        ([(5, 110), (5, 100), (-10, 90)], 110, UncrossingResult(100, 10, 0)),  # most lots first
        ([(5, 110), (5, 100), (-5, 90)], 90, UncrossingResult(110, 5, 0)),  # least left over before the reference
        ([(8, 110), (-5, 90), (-2, 120)], 100, UncrossingResult(90, 5, 3)),
    ],
)
def test_the_price_trades_most_and_leaves_least(wanted, reference, price):
    for order in permutations(orders(*wanted)):
        assert uncross(order, reference) == price


def test_better_prices_trade_first_then_earlier_orders_then_lower_accounts():
    buys = [LimitOrder(1, 5, 100, 9), LimitOrder(2, 5, 100, 8), LimitOrder(3, 5, 105, 9), LimitOrder(4, 5, 100, 8)]
    book = [*buys, LimitOrder(5, -12, 90, 1)]
    price = uncross(book, 100)
    assert price == UncrossingResult(100, 12, 8)
    assert matched_pairs(book, price) == [(3, 5, 5), (2, 5, 5), (4, 5, 2)]


BOOK = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 30), st.integers(0, 3)), max_size=15).map(
    lambda rows: [LimitOrder(at, lots, ticks, height) for at, (lots, ticks, height) in enumerate(rows)]
)


@given(BOOK, st.integers(1, 30))
def test_nobody_trades_worse_than_asked_or_more_than_wanted(book, reference):
    def tradable(ticks: int) -> int:
        bought = sum(each.lots for each in book if each.lots > 0 and each.ticks >= ticks)
        return min(bought, -sum(each.lots for each in book if each.lots < 0 and each.ticks <= ticks))

    price, most = uncross(book, reference), max(map(tradable, range(32)))
    if price is None:
        assert most == 0
        return
    matched = matched_pairs(book, price)
    assert price.lots == sum(lots for _, _, lots in matched) == most
    for order in book:
        sign = 1 if order.lots > 0 else -1
        own = sum(lots for buyer, seller, lots in matched if order.account == (buyer if sign > 0 else seller))
        assert own <= abs(order.lots)
        assert not own or (order.ticks - price.ticks) * sign >= 0


TERMS = PriceTerms(settle_blocks=50, auction_blocks=4, auction_band_ppm=20_000, auction_lots_min=100)
NEW = 500_000
"""BTC falls from 790,000 to this, beyond the cap of 30 %."""


def halted(reopen_blocks: int = 40, terms: PriceTerms = TERMS) -> World:
    world = priced(terms, reopen_blocks=reopen_blocks)
    world.prices(NEW)
    assert world.state.feeds[BTC].status == FeedStatus.HALTED
    return world


def going_on(world: World, *requests: ReopeningOrder, blocks: int = 1) -> BlockResult:
    """So many blocks at the new price, the requests in the first; the last result."""
    for block in range(blocks):
        result = world.block(*(() if block else requests), prices=((BTC, NEW), (ETH, 20_000)))
    return result


def reopened(world: World) -> bool:
    return world.state.feeds[BTC].status == FeedStatus.OPEN


def test_an_auction_that_confirms_the_median_reopens_the_feed_at_the_median():
    world = halted()
    going_on(world, world.order(ALICE, 300, 505_000), world.order(BOB, -200, 495_000), blocks=3)
    assert not reopened(world), "orders are collected for so many blocks"
    result = going_on(world)
    assert reopened(world)
    assert [each.status for each in of_kind(result, FeedStatusChanged)] == [FeedStatus.OPEN]
    assert world.state.feeds[BTC].ticks == NEW, "the median, not the auction's price"
    (cleared,), (trade,) = of_kind(result, AuctionCleared), of_kind(result, TradeNovated)
    assert (cleared.ticks, cleared.index_ticks, cleared.lots, cleared.traded) == (495_000, NEW, 200, 200)
    assert (cleared.imbalance, cleared.orders) == (100, 2)
    assert (trade.buyer, trade.seller, trade.lots, trade.ticks, trade.venue) == (ALICE, BOB, 200, 495_000, 0)
    assert (world.lots(ALICE, BTC_PERP), world.lots(BOB, BTC_PERP)) == (200, -200)
    assert not list(world.state.auction_orders.ordered()), "what did not trade is void"


@pytest.mark.parametrize(
    ("buy", "sell", "lots", "reopens"),
    [
        (490_000, 490_000, 100, True),  # exactly at the band of 2 %
        (489_999, 489_999, 100, False),
        (510_000, 510_000, 100, True),
        (510_001, 510_001, 100, False),
        (500_000, 500_000, 99, False),  # too few lots
        (499_000, 501_000, 500, False),  # nobody meets
    ],
)
def test_only_an_auction_near_the_median_with_enough_lots_confirms_it(buy, sell, lots, reopens):
    world = halted()
    going_on(world, world.order(ALICE, lots, buy), world.order(BOB, -lots, sell), blocks=7)
    assert reopened(world) is reopens


def test_a_feed_that_reopens_by_consistent_blocks_still_matches_what_meets_near_the_median():
    world = halted(reopen_blocks=3, terms=msgspec.structs.replace(TERMS, auction_blocks=10))
    result = going_on(world, world.order(ALICE, 50, 500_000), world.order(BOB, -50, 500_000), blocks=3)
    assert reopened(world)
    assert [each.traded for each in of_kind(result, AuctionCleared)] == [50]


def test_orders_far_from_the_median_are_void_when_the_feed_reopens():
    world = halted(reopen_blocks=3, terms=msgspec.structs.replace(TERMS, auction_blocks=10))
    result = going_on(world, world.order(ALICE, 50, 600_000), world.order(BOB, -50, 600_000), blocks=4)
    assert reopened(world)
    assert not of_kind(result, TradeNovated)
    assert not list(world.state.auction_orders.ordered())


def test_an_order_needs_the_margin_of_all_its_lots():
    world = halted()
    # 100,000 dollars carry 63,291 lots at 20 % of 7.90 each.
    for account, lots, refused in ((ALICE, 63_292, True), (ALICE, 63_291, False), (CAROL, -63_292, True)):
        result = going_on(world, world.order(account, lots, 500_000))
        assert codes(result) == [C.COLLATERAL_NEEDED_FOR_MARGIN] * refused


def test_an_order_that_is_no_longer_carried_neither_confirms_nor_stands_in_the_way():
    world = halted()
    going_on(world, world.order(ALICE, 500, 505_000), world.order(BOB, -500, 500_000))
    everything = world.withdrawal(ALICE, USDC_1, world.cash(ALICE))
    assert codes(going_on(world, everything)) == []
    going_on(world, blocks=3)
    assert not reopened(world), "nothing is behind the only buyer's order"
    going_on(world, world.order(CAROL, 200, 501_000))
    assert not reopened(world)
    result = going_on(world)
    assert reopened(world)
    assert [(each.buyer, each.seller, each.lots) for each in of_kind(result, TradeNovated)] == [(CAROL, BOB, 200)]


def test_an_order_that_reduces_needs_no_more_margin():
    world = priced(TERMS, reopen_blocks=40, dollars=8_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    world.prices(760_000)  # Alice is called
    world.prices(NEW)
    assert codes(going_on(world, world.order(ALICE, -500, 500_000))) == []
    assert codes(going_on(world, world.order(ALICE, 1, 500_000))) == [C.COLLATERAL_NEEDED_FOR_MARGIN]
    assert codes(going_on(world, world.order(ALICE, 0, 1))) == [], "who is called may withdraw an order"


def test_an_account_has_one_order_which_it_may_change_and_withdraw():
    world = halted()
    going_on(world, world.order(ALICE, 300, 505_000))
    going_on(world, world.order(ALICE, -10, 501_000))
    ((key, held),) = list(world.state.auction_orders.ordered())
    assert (key, held.lots, held.ticks) == ((BTC_PERP, ALICE), -10, 501_000)
    result = going_on(world, world.order(ALICE, 0, 1))
    assert [each.lots for each in of_kind(result, AuctionOrderTaken)] == [0]
    assert not list(world.state.auction_orders.ordered())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"account": 999}, C.UNKNOWN_ACCOUNT, id="nobody's account"),
        pytest.param({"instrument": 99}, C.UNKNOWN_INSTRUMENT, id="no such instrument"),
        pytest.param({"instrument": BTC_FUT}, C.NO_AUCTION, id="not a perpetual"),
        pytest.param({"instrument": ETH_PERP}, C.NO_AUCTION, id="its feed is open"),
        pytest.param({"lots": 2**39}, C.BAD_SIZE, id="too large"),
        pytest.param({"lots": -(2**39)}, C.BAD_SIZE, id="too small"),
        pytest.param({"ticks": 0}, C.BAD_SIZE, id="no price"),
        pytest.param({"ticks": 2**40 + 1}, C.BAD_SIZE, id="no such price"),
        pytest.param({"nonce": 0}, C.NONCE_USED, id="nonce used"),
        pytest.param({"not_after_ms": 1}, C.REQUEST_EXPIRED, id="too late"),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_and_changes_nothing(changes, code):
    world = halted()
    going_on(world, world.order(ALICE, 300, 505_000, nonce=1))
    before = list(world.state.auction_orders.ordered())
    request = world.order(**{"account": ALICE, "lots": 7, "ticks": 500_000} | changes)
    assert codes(going_on(world, request)) == [code]
    assert list(world.state.auction_orders.ordered()) == before


def test_an_order_is_its_members_own_and_counts_once():
    world = halted()
    forged = msgspec.structs.replace(world.order(ALICE, 300, 505_000), account=BOB)
    assert codes(going_on(world, forged)) == [C.WRONG_SIGNER]
    again = world.order(ALICE, 300, 505_000)
    assert codes(going_on(world, again, again)) == [C.NONCE_USED]


def test_without_terms_there_is_no_auction():
    world = halted(terms=PriceTerms())
    assert codes(going_on(world, world.order(ALICE, 300, 505_000))) == [C.NO_AUCTION]


def test_an_auction_holds_so_many_orders(monkeypatch):
    monkeypatch.setattr("clearing.trades.reopening_auctions.ORDERS_MAX", 2)
    world = halted()
    going_on(world, world.order(ALICE, 300, 505_000), world.order(BOB, 300, 505_000))
    assert codes(going_on(world, world.order(CAROL, 1, 505_000))) == [C.AUCTION_FULL]
    assert codes(going_on(world, world.order(BOB, 1, 505_000))) == [], "its own place"


def test_orders_end_with_a_feed_that_goes_stale_or_dies():
    world = halted()
    going_on(world, world.order(ALICE, 300, 500_000), world.order(BOB, -300, 500_000))
    world.block(after_ms=6_000)
    assert world.state.feeds[BTC].status == FeedStatus.STALE
    assert not list(world.state.auction_orders.ordered())

    world = halted(terms=msgspec.structs.replace(TERMS, settle_blocks=3))
    going_on(world, world.order(ALICE, 300, 600_000), blocks=3)
    assert not list(world.state.auction_orders.ordered())
    assert codes(going_on(world, world.order(ALICE, 300, 600_000))) == [C.NO_AUCTION]


def test_a_state_read_from_its_export_goes_on_through_an_auction():
    world = halted()
    going_on(world, world.order(ALICE, 300, 505_000), world.order(BOB, -200, 495_000), world.order(HOUSE, -50, 490_000))
    for _ in range(5):
        with same_after_restart(world):
            going_on(world)
    assert reopened(world)


def test_a_replica_started_within_an_auction_carries_orders_as_all_others_do():
    """Alice's order stands on a token whose feed falls in the very block that reopens the other feed."""
    genesis = priced_genesis(TERMS, reopen_blocks=40)
    on_btc = tuple(msgspec.structs.replace(each, feed=BTC) if each.id == WETH_1 else each for each in genesis.assets)
    cash_only = tuple(msgspec.structs.replace(each, delivery_asset=0) for each in genesis.instruments)
    world = funded(genesis=msgspec.structs.replace(genesis, assets=on_btc, instruments=cash_only))
    world.prices(790_000, facts=[world.deposit_fact(ALICE, WETH_1, 10**18)])
    world.prices(790_000, 10_000)
    assert world.state.feeds[ETH].status == FeedStatus.HALTED
    own = current_holdings(world.state, ALICE)
    own.lots[world.state.terms.array_index[ETH_PERP]] = 1_000
    of_thousand = holdings_margin(current_arrays(world.state), own)
    most = of_thousand.equity * 1_000 // of_thousand.initial
    orders = world.order(ALICE, most, 10_000, ETH_PERP), world.order(CAROL, -150, 10_000, ETH_PERP)
    assert codes(world.block(*orders, prices=((BTC, 790_000), (ETH, 10_000)))) == []
    for btc in (790_000, 790_000, 780_000, 700_000):
        with same_after_restart(world):
            world.prices(btc, 10_000)
