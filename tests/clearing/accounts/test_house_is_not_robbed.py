"""Trades at the house's cost are refused: losses beyond equity, and positions that no margin bounds."""

import msgspec
import pytest

from clearing.schema.receipts.trades import TradeNovated
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_CALL,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    HOUSE,
    make_genesis,
)
from tests.kit.clearing.world import World, codes, funded, of_kind


def test_a_called_account_cannot_lose_to_its_friend_what_it_has_not() -> None:
    world = funded(dollars=20_000)
    world.block(world.transfer(ALICE, ALICE_CLIENT, 10_000 * DOLLAR))
    world.block(world.trade(ALICE_CLIENT, ALICE, BTC_PERP, 6_200, 790_000))
    index = 790_000 * 115 // 100
    house = world.cash(HOUSE)
    together = world.cash(ALICE) + world.cash(ALICE_CLIENT)
    left = world.cash(ALICE) - 6_200 * (index - 790_000) * 10
    worse = (left + 999 * DOLLAR) // (6_200 * 10)  # leaves it owing just under the cash limit
    assert 0 < worse < index // 10
    looted = world.trade(ALICE, ALICE_CLIENT, BTC_PERP, 6_200, index + worse)
    result = world.block(looted, prices=((1, index), (ETH, 20_000)))
    assert codes(result) == [203]
    assert world.cash(HOUSE) >= house
    assert world.cash(ALICE) + world.cash(ALICE_CLIENT) <= together


def test_a_called_account_may_close_at_a_price_it_can_pay() -> None:
    world = funded(dollars=20_000)
    world.block(world.trade(ALICE_CLIENT, BOB, BTC_PERP, 1, 790_000))
    world.block(world.trade(BOB, ALICE, BTC_PERP, 12_600, 790_000))
    result = world.block(world.trade(ALICE, BOB, BTC_PERP, 12_600, 810_000), prices=((1, 800_000), (ETH, 20_000)))
    assert of_kind(result, TradeNovated)
    assert world.lots(ALICE, BTC_PERP) == 0
    assert world.cash(ALICE) > 0


@pytest.mark.parametrize(("ticks", "refused"), [(621_000, [203]), (631_200, [203]), (631_400, []), (690_000, [])])
def test_a_called_account_gives_a_friend_no_more_in_price_than_the_share_that_it_reduces(
    ticks: int, refused: list[int]
) -> None:
    """Else it passed on all that it has, and left the house half of a position that nothing covers."""
    world = funded(dollars=20_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 12_600, 790_000))
    half = world.trade(BOB, ALICE, BTC_PERP, 6_300, ticks)  # equity is 7,400 dollars of an initial margin of 17,388
    assert codes(world.block(half, prices=((1, 690_000), (ETH, 20_000)))) == refused


def with_call(strike: int) -> World:
    genesis = make_genesis()
    instruments = tuple(
        msgspec.structs.replace(each, strike_ticks=strike) if each.id == BTC_CALL else each
        for each in genesis.instruments
    )
    return funded(genesis=msgspec.structs.replace(genesis, instruments=instruments), dollars=100)


@pytest.mark.parametrize(("lots", "refused"), [(2**39 - 1, [216]), (2**58 // 80_000_000 + 1, [216]), (1_000, [])])
def test_a_position_that_needs_no_margin_is_bounded_by_its_notional(lots: int, refused: list[int]) -> None:
    world = with_call(8_000_000)
    assert codes(world.block(world.trade(CAROL, ALICE, BTC_CALL, lots, 0))) == refused


def test_no_price_path_of_options_far_from_the_money_stops_the_network() -> None:
    world = with_call(2_000_000)
    most = 2**58 // 20_000_000
    assert of_kind(world.block(world.trade(CAROL, ALICE, BTC_CALL, most, 0)), TradeNovated)
    price = 790_000
    while price < 8_000_000:
        price = price * 129 // 100
        world.prices(price)
    for _ in range(2):
        world.block(prices=((1, price), (ETH, 20_000)), after_ms=3_600_000)
    assert world.state.marks[BTC_CALL].settled
