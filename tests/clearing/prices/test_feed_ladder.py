"""The ladder of a feed without a price: no new risk, no liquidation, settled at the last good price; no shield."""

import pytest

from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.prices import PriceStatusChanged
from clearing.schema.receipts.settlement import Settled, SettlementBasis
from clearing.schema.records.prices import FeedStatus, PriceStatus
from clearing.schema.terms.prices import PriceTerms
from clearing.state.holdings import current_arrays
from tests.kit.clearing.genesis import (
    ALICE,
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
    WETH_1,
)
from tests.kit.clearing.priced import BTC_AVG_PUT, ETH_FWD, priced
from tests.kit.clearing.world import World, codes, funded, of_kind
from tests.kit.table import tell

LATE_MS = 5_001
"""So long after the last reports they are too old."""


def quiet(world: World, blocks: int) -> list[tuple[int, PriceStatus]]:
    """Blocks in which only BTC is told; what happens to ETH's rung, with the block's number from 1."""
    changes = [of_kind(world.block(prices=((BTC, 790_000),)), PriceStatusChanged) for _ in range(blocks)]
    return [(at, each.price_status) for at, block in enumerate(changes, 1) for each in block if each.feed == ETH]


def test_a_feed_goes_down_rung_by_rung_and_up_at_once():
    world = priced()
    # Reports of the first block stand for five seconds and are too old in the sixth after it.
    world.prices(790_000)
    assert quiet(world, 5) == []
    assert world.state.feeds[ETH].status == FeedStatus.OPEN
    assert quiet(world, 12) == [
        (1, PriceStatus.NO_NEW_RISK),
        (4, PriceStatus.NO_LIQUIDATION),
        (11, PriceStatus.SETTLED),
    ]
    (changed,) = of_kind(world.prices(790_000), PriceStatusChanged)
    assert (changed.feed, changed.price_status, changed.since_height) == (ETH, PriceStatus.USABLE, 0)
    assert world.state.feeds[BTC].price_status == PriceStatus.USABLE


def test_a_halted_feed_has_no_grace_and_counts_from_its_halt():
    world = priced()
    (changed,) = of_kind(world.prices(790_000, eth=10_000), PriceStatusChanged)
    assert changed.price_status == PriceStatus.NO_LIQUIDATION
    since = changed.since_height
    for number in range(1, 10):
        assert not of_kind(world.prices(790_000, eth=10_000 if number % 2 else 5_000), PriceStatusChanged)
    (settled,) = of_kind(world.prices(790_000, eth=5_000), PriceStatusChanged)
    assert (settled.price_status, settled.since_height) == (PriceStatus.SETTLED, since)


def test_from_halted_to_stale_nothing_starts_anew():
    world = priced(reopen_blocks=100)
    world.prices(790_000, eth=10_000)
    since = world.state.feeds[ETH].since_height
    quiet(world, 7)
    feed = world.state.feeds[ETH]
    assert (feed.status, feed.price_status) == (FeedStatus.STALE, PriceStatus.NO_LIQUIDATION)
    assert feed.since_height == since, "a stale feed's grace is not for the halted"


def test_a_feed_that_was_halted_gets_no_grace_by_falling_silent():
    world = priced()
    world.prices(790_000, eth=10_000)
    world.block(after_ms=LATE_MS)
    feed = world.state.feeds[ETH]
    assert (feed.status, feed.price_status) == (FeedStatus.STALE, PriceStatus.NO_LIQUIDATION)
    assert world.state.feeds[BTC].price_status == PriceStatus.NO_NEW_RISK, "the other one was never halted"


@pytest.mark.parametrize(("settle_blocks", "reached"), [(0, PriceStatus.NO_LIQUIDATION), (30, PriceStatus.SETTLED)])
def test_without_terms_a_feed_without_price_only_waits(settle_blocks, reached):
    world = priced(PriceTerms(settle_blocks=settle_blocks))
    quiet(world, 40)
    assert world.state.feeds[ETH].price_status == reached


def in_grace(world: World) -> None:
    """ETH stale, just."""
    world.prices(790_000)
    quiet(world, 6)
    assert world.state.feeds[ETH].price_status == PriceStatus.NO_NEW_RISK


def test_within_the_grace_positions_may_only_shrink():
    world = priced()
    world.block(world.trade(ALICE, BOB, ETH_PERP, 100, 20_000), world.trade(CAROL, BOB, ETH_PERP, 50, 20_000))
    in_grace(world)
    tell(
        world,
        """
        trade    alice  bob    ETH-PERP +0.01 @ 200  -> refused R0408 only_reducing  # both would grow
        & trade  bob    carol  ETH-PERP +0.51 @ 200  -> refused R0408 only_reducing  # Carol would turn short
        & trade  bob    house  ETH-PERP +0.01 @ 200  -> refused R0408 only_reducing  # the house would open
        & trade  bob    alice  ETH-PERP +1.01 @ 200  -> refused R0408 only_reducing  # Alice would turn short
        & trade  bob    alice  ETH-PERP +1.00 @ 200  -> novated lots 100
        & trade  bob    alice  ETH-PERP +0.01 @ 200  -> refused R0408 only_reducing  # nothing is left to reduce
        & trade  bob    carol  ETH-PERP +0.49 @ 200  -> novated lots 49
        position  alice  ETH-PERP 0
        position  carol  ETH-PERP +0.01
        """,
    )


def test_after_the_grace_nothing_is_traded():
    world = priced()
    world.block(world.trade(ALICE, BOB, ETH_PERP, 100, 20_000))
    in_grace(world)
    quiet(world, 3)
    assert codes(world.block(world.trade(BOB, ALICE, ETH_PERP, 1, 20_000))) == [C.PRICE_NOT_OPEN]


def leveraged(world: World, eth_lots: int = 0, eth_units: int = 0) -> World:
    """Alice long 4.5 BTC on 8,000 dollars, and so much of ETH; Bob, well funded, short."""
    world.endow(100_000, BOB, HOUSE)
    if eth_units:
        world.deposit(ALICE, WETH_1, eth_units)
    trades = ((BTC_PERP, 4_500, 790_000), (ETH_PERP, eth_lots, 20_000))
    world.block(*(world.trade(ALICE, BOB, each, lots, ticks) for each, lots, ticks in trades if lots))
    world.prices(790_000)
    return world


def test_a_stale_feed_liquidates_within_its_grace_and_not_after():
    world = leveraged(priced(dollars=8_000), eth_lots=1_000)
    quiet(world, 6)
    assert world.state.feeds[ETH].price_status == PriceStatus.NO_NEW_RISK
    (done,) = of_kind(world.block(prices=((BTC, 700_000),)), Liquidated)
    assert {each.instrument for each in done.positions} == {BTC_PERP, ETH_PERP}

    world = leveraged(priced(dollars=8_000), eth_lots=1_000)
    quiet(world, 9)
    assert world.state.feeds[ETH].price_status == PriceStatus.NO_LIQUIDATION
    assert not of_kind(world.block(prices=((BTC, 715_000),)), Liquidated), "what is stale might save the account"


def test_a_lot_on_a_dead_feed_shields_nobody_for_ever():
    world = leveraged(priced(dollars=8_000), eth_lots=1_000)
    world.prices(790_000, eth=10_000)  # halted, and never consistent again
    for number in range(1, 10):
        assert not of_kind(world.prices(715_000, eth=10_000 if number % 2 else 5_000), Liquidated)
    result = world.prices(715_000, eth=5_000)
    assert of_kind(result, Liquidated)
    assert world.lots(ALICE, ETH_PERP) == 0
    (settled,) = (each for each in of_kind(result, Settled) if each.instrument == ETH_PERP)
    assert (settled.basis, settled.worth_ticks, settled.micros_per_lot) == (SettlementBasis.LAST_GOOD, 20_000, 0)
    assert world.margin(ALICE).initial_ok


def test_tokens_of_a_dead_feed_count_for_nothing_and_shield_nobody():
    world = leveraged(priced(dollars=8_000), eth_units=20_000_000)  # 3,600 dollars after haircut
    quiet(world, 9)
    assert world.state.feeds[ETH].price_status == PriceStatus.NO_LIQUIDATION
    assert not of_kind(world.block(prices=((BTC, 715_000),)), Liquidated)
    for _ in range(12):
        result = world.block(prices=((BTC, 715_000),))
        if of_kind(result, Liquidated):
            break
    assert world.state.feeds[ETH].price_status == PriceStatus.SETTLED
    (done,) = of_kind(result, Liquidated)
    assert done.collateral == ()
    assert world.weth(ALICE) == 20_000_000, "nobody can say what they are worth: they stay"
    assert int(current_arrays(world.state).token_values[0]) == 0
    world.prices(715_000)
    assert int(current_arrays(world.state).token_values[0]) > 0, "an open price counts again"


def test_tokens_of_a_dead_feed_freeze_nothing_else():
    world = priced()
    world.block(facts=(world.deposit_fact(ALICE, WETH_1, 10**18),))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 100, 790_000))
    quiet(world, 9)
    some = world.withdrawal(ALICE, USDC_1, 50_000 * DOLLAR)
    assert codes(world.block(some, prices=((BTC, 790_000),))) == [], "the tokens are not needed"
    quiet(world, 8)
    assert world.state.feeds[ETH].price_status == PriceStatus.SETTLED
    most = world.cash(ALICE) - world.margin(ALICE).initial
    asked = [world.withdrawal(ALICE, USDC_1, units) for units in (most + 1, most)]
    assert codes(world.block(*asked, prices=((BTC, 790_000),))) == [C.COLLATERAL_NEEDED_FOR_MARGIN]


def test_everything_on_a_dead_feed_settles_at_its_last_mark():
    world = priced()
    sold = ((ALICE, BOB, BTC_CALL, 100), (CAROL, ALICE, BTC_AVG_PUT, 100), (BOB, CAROL, BTC_FUT, 70))
    for buyer, seller, instrument, lots in (*sold, (BOB, CAROL, ETH_FWD, 70)):
        world.block(world.trade(buyer, seller, instrument, lots, world.state.marks[instrument].ticks), after_ms=0)
    world.prices(810_000)
    marks = {each: world.state.marks[each].ticks for each in (BTC_PERP, BTC_FUT, BTC_CALL, BTC_AVG_PUT)}
    cash = {each: world.cash(each) for each in (ALICE, BOB, CAROL)}
    for _ in range(16):
        result = world.block(prices=((ETH, 20_000),))
    settled = {each.instrument: each for done in world.results for each in of_kind(done, Settled)}
    assert {each: settled[each].worth_ticks for each in settled} == marks, "not what another feed prices"
    assert all(each.basis == SettlementBasis.LAST_GOOD for each in settled.values())
    change = {each: world.cash(each) - cash[each] for each in cash}
    worth_of_call, worth_of_put = 1_000 * marks[BTC_CALL], 1_000 * marks[BTC_AVG_PUT]
    assert change == {ALICE: worth_of_call - worth_of_put, BOB: -worth_of_call, CAROL: worth_of_put}
    assert world.lots(BOB, ETH_FWD) == 70
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 810_000))) == [C.INSTRUMENT_SETTLED]
    result = world.prices(820_000)
    assert not of_kind(result, Settled), "once"
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 820_000))) == [C.INSTRUMENT_SETTLED]


@pytest.mark.parametrize("shield", [{"eth_lots": 1}, {"eth_units": 1}])
def test_dust_on_a_halted_feed_saves_nobody_from_liquidation(shield):
    world = leveraged(funded(dollars=8_000), **shield)
    result = world.prices(720_000, eth=10_000)
    assert world.state.feeds[ETH].status == FeedStatus.HALTED
    (done,) = of_kind(result, Liquidated)
    assert [taken.instrument for taken in done.positions] == [BTC_PERP], "what is halted is not taken over"
    assert world.lots(ALICE, ETH_PERP) == shield.get("eth_lots", 0)
    assert world.margin(ALICE).initial_ok


def test_tokens_without_an_open_price_stay_and_the_house_does_not_pay_in_their_place():
    world = leveraged(funded(dollars=8_000), eth_units=1_000_000)  # one, worth 200 dollars
    (done,) = of_kind(world.prices(590_000, eth=10_000), Liquidated)
    assert (world.lots(ALICE, BTC_PERP), done.deficits, world.weth(ALICE)) == (0, (), 1_000_000)
    assert world.cash(ALICE) < 0
    assert not of_kind(world.prices(590_000, eth=10_000), Liquidated), "once: nothing is left to take now"
    world.prices(590_000, eth=10_000)
    (done,) = of_kind(world.prices(590_000, eth=10_000), Liquidated)  # held still long enough: open again
    assert [each.units for each in done.collateral] == [1_000_000]
    assert done.deficits
    assert world.cash(ALICE) == 0
