"""What the API shows of feeds, marks, collateral and calls is what the next block goes by."""

from typing import Any

from clearing.base.secp256k1 import address
from clearing.schema.receipts.collateral import AuctionOpened, CollateralSold
from clearing.schema.records.margin_calls import LiquidationRecord
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.settlement.funding import average_premium_ppb, funding_rate_ppb
from clearing.state.account_masks import account_mask
from devnet.market import load_market
from member.api.accounts import CallUnderWay
from node.api.accounts import calls_of
from node.api.calls import ApiCall
from node.api.margin_calls import calls
from node.api.receipts import SALES_MAX, liquidations, slice_sales
from node.api.state import assets_now, collateral_sales, feed_price, instrument_mark
from node.api.stream_values import value_of
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_FUT, BTC_PERP, DOLLAR, ETH, EXPIRY_MS, USDC_1, WETH_1
from tests.kit.clearing.guarded import guarded, leave
from tests.kit.clearing.priced import WINDOW_MS, go_to, priced
from tests.kit.clearing.signer import secret
from tests.kit.clearing.vaults import CALL, HAIRCUT, USDC_FEED, genesis_with, opened, owing
from tests.kit.clearing.world import World, of_kind
from tests.kit.node.fake_view import FakeView


def mark_of(world: World, number: int) -> Any:
    state = world.state
    return instrument_mark(state, state.terms.instruments[number], state.marks[number])


def test_each_rung_is_shown_with_the_height_at_which_it_ends() -> None:
    world = priced()
    world.prices(790_000)
    seen = {}
    for _ in range(18):
        shown = feed_price(world.state, ETH, "ETH")
        seen[shown.rung] = (shown.status, shown.since_height, shown.settles_at_height)
        world.block(prices=((BTC, 790_000),))
    since = world.state.feeds[ETH].since_height
    assert seen == {
        "usable": ("open", 0, 0),
        "no_new_risk": ("stale", since, since + 10),
        "no_liquidation": ("stale", since, since + 10),
        "settled": ("stale", since, 0),
    }
    assert feed_price(world.state, ETH, "ETH").index_ticks == "20000", "the last good price"


def test_an_unopened_feed_is_shown_without_a_price() -> None:
    shown = feed_price(World().state, BTC, "BTC")
    assert (shown.status, shown.rung, shown.index_ticks, shown.since_height) == ("unopened", "usable", "0", 0)


def test_premium_and_the_rate_that_accrues_are_shown() -> None:
    world = priced()
    for _ in range(5):
        world.block(world.trade(ALICE, BOB, BTC_PERP, 500, 798_000), prices=((BTC, 790_000), (ETH, 20_000)))
    held, shown = world.state.premia[BTC_PERP], mark_of(world, BTC_PERP)
    assert shown.premium_ppb == str(held.premium_ppb) != "0"
    average = average_premium_ppb(held.funding_weighted, held.funding_ms)
    assert shown.funding_rate_ppb == str(funding_rate_ppb(average, 100, 500, 7_500))
    assert shown.mark_ticks == str(world.state.marks[BTC_PERP].ticks)


def test_an_average_is_shown_until_it_has_settled() -> None:
    world = priced()
    assert (mark_of(world, BTC_FUT).averaged_ms, mark_of(world, BTC_FUT).averaged_ticks) == (0, "0")
    world.prices(790_000, after_ms=EXPIRY_MS - WINDOW_MS - 2_000 - world.time_ms)
    go_to(world, EXPIRY_MS - WINDOW_MS + 3_000)
    assert (mark_of(world, BTC_FUT).averaged_ms, mark_of(world, BTC_FUT).averaged_ticks) == (3_000, "790000")
    go_to(world, EXPIRY_MS)
    shown = mark_of(world, BTC_FUT)
    assert (shown.settled, shown.mark_ticks, shown.averaged_ms) == (True, "790000", 0)


def test_a_bid_for_what_is_told_is_filled_at_the_price_told() -> None:
    world = owing(call=CALL)
    assert collateral_sales(world.state) == ()
    while not of_kind(world.results[-1], AuctionOpened):
        world.block()
    for _ in range(3):
        (sale,) = collateral_sales(world.state)
        assert (sale.seller, sale.asset) == (ALICE, WETH_1)
        result = world.block(world.collateral_bid(BOB, ALICE, WETH_1, 10**9, int(sale.micros_per_unit)))
        (sold,) = of_kind(result, CollateralSold)
        assert (str(sold.units), str(sold.micros_per_unit)) == (sale.units, sale.micros_per_unit)
        if world.cash(ALICE) >= -1_000 * DOLLAR:
            break


def test_haircuts_inventory_and_suspension_are_told_as_they_are() -> None:
    world = opened(genesis_with(haircut=HAIRCUT))
    first, _, weth, _ = assets_now(world.state)
    assert (first.cash_group, first.inventory_units, first.haircut_ppm) == (1, str(200_000 * DOLLAR), 0)
    assert (weth.cash_group, weth.haircut_ppm, weth.inventory_units) == (0, 157_500, "100000000")
    judged = guarded()
    judged.ticks[USDC_FEED] = 950_000
    judged.block()
    assert [each.suspended for each in assets_now(judged.state)] == [True, True, False, False]
    leave(judged)
    left = assets_now(judged.state)[0]
    assert (left.asset, left.cash_group, left.unit_decimals, left.suspended) == (USDC_1, 0, 2, False)
    assert not assets_now(judged.state)[1].suspended


def test_the_shipped_market_takes_off_collateral_what_its_file_says() -> None:
    market = load_market()
    weth = next(token for token in market.tokens if not token.cash)
    parts = weth.haircut
    ranges = {group.feed: group.range_ppm for group in market.groups}
    whole = weth.haircut_ppm + ranges[weth.feed] * parts.range_share_ppm // 10**6
    whole += parts.liquidity_ppm + parts.finality_ppm
    assert 190_000 <= whole <= 200_000, "about a fifth, as the file's comment says"
    assert market.cash.skew is not None
    assert market.cash.interest is not None
    assert market.cash.call is not None
    assert market.cash.skew.band_micros > market.house.capital_micros, "the house's first deposit costs nothing"


TERMS = CallTerms(deadline_blocks=3, early_ppm=400_000, early_release_ppm=250_000, early_blocks=5)


def test_a_call_is_shown_with_its_kind_and_time() -> None:
    world = leveraged(TERMS, LiquidationTerms(auction_blocks=5))
    assert calls_of(world.state, ALICE) == ()
    early = world.go(btc=775_000).height
    assert calls_of(world.state, ALICE) == (CallUnderWay("early", early, early + 5, lapsed=False),)
    world.block()
    world.go(btc=FALLEN)
    assert calls_of(world.state, ALICE) == (CallUnderWay("margin", early, early + 5, lapsed=False),)
    for _ in range(3):
        world.block()
    assert calls_of(world.state, ALICE) == (CallUnderWay("margin", early, early + 5, lapsed=True),)
    assert calls_of(world.state, BOB) == ()
    assert ALICE in world.state.liquidations


def test_a_sale_names_the_account_of_another_member_by_its_mask() -> None:
    world = leveraged(liquidation=LiquidationTerms(auction_blocks=5))
    world.go(btc=FALLEN)
    shown = {
        member: liquidations(ApiCall(FakeView(world.state), {}, signer=address(secret(member)))).sales[0].account  # type: ignore[arg-type]
        for member in (1, 2)
    }
    mask = account_mask(world.state.salt, ALICE)
    assert shown == {1: ALICE, 2: mask}
    sales = value_of(world.state, "sales")
    assert sales is not None
    assert [each.account for each in sales["slices"]] == [mask]


def test_calls_under_way_are_shown_to_members_with_others_masked() -> None:
    world = leveraged(CallTerms(deadline_blocks=5))
    world.go(btc=FALLEN)
    view = FakeView(world.state)
    own, other = (calls(ApiCall(view, {}, signer=address(secret(member)))).calls for member in (1, 2))  # type: ignore[arg-type]
    (under_way,) = calls_of(world.state, ALICE)
    assert [(each.account, each.deadline_height) for each in own] == [(ALICE, under_way.deadline_height)]
    assert [each.account for each in other] == [account_mask(world.state.salt, ALICE)]


def test_of_very_many_sales_those_that_end_first_are_shown() -> None:
    """One member's request must not make the node tell of ten thousand portfolios while it agrees on blocks."""
    world = leveraged(TERMS, LiquidationTerms(auction_blocks=5))
    height = world.state.now.height
    for number in range(2 * SALES_MAX):
        account, last = 1_000 + number, height + (9 if number % 2 else 5)
        world.state.liquidations.put(account, LiquidationRecord(height, height, last, height))
    world.state.liquidations.put(5_000, LiquidationRecord(height, height, height, height))
    shown = slice_sales(world.state, lambda account: account)
    assert [each.account for each in shown] == [1_000 + 2 * at for at in range(SALES_MAX)]
    assert {each.last_height for each in shown} == {height + 5}
