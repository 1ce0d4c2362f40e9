"""A call of the fund waits for prices only where they decide whether it can be met: no trifle puts it off."""

import pytest

from clearing.default_fund.contributions import contribution_micros
from clearing.schema.records.default import MemberStatus
from clearing.schema.records.prices import FeedStatus
from clearing.state.holdings import feed_status
from tests.kit.clearing.defaults import default_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC, DOLLAR, ETH, WETH_1
from tests.kit.clearing.world import World, codes


def called(wei: int, dollars: int = 0) -> World:
    """Alice has positions and some ether when she is called, and the price of ether stops."""
    world = default_world()
    world.bring(alice=dollars or 1)
    assert codes(world.block(world.perp_trade(ALICE, BOB, 60_000))) == []
    world.pass_epoch()
    assert world.state.contributions[1].called > 5_000 * DOLLAR
    deadline = world.state.contributions[1].deadline
    if wei:
        world.deposit(ALICE, WETH_1, wei)
    while feed_status(world.state, ETH) is FeedStatus.OPEN:
        world.block(prices=((BTC, 790_000),), after_ms=60_000)
    while world.state.now.height < deadline:
        world.block(prices=((BTC, 790_000),))
    return world


def test_ether_that_could_bring_all_that_is_called_is_waited_for() -> None:
    world = called(10_000 * 10**6)
    for _ in range(5):
        world.block(prices=((BTC, 790_000),))
        assert world.status(1) is MemberStatus.ACTIVE
        assert world.state.contributions[1].called


@pytest.mark.parametrize("wei", [0, 1, 10**6])
def test_a_trifle_of_ether_without_a_price_puts_nothing_off(wei: int) -> None:
    world = called(wei)
    assert world.status(1) is not MemberStatus.ACTIVE


def test_cash_is_taken_from_beside_a_trifle_without_a_price() -> None:
    world = called(1, 300_000)
    assert contribution_micros(world.state, 1) > 90_000 * DOLLAR
    assert world.status(1) is MemberStatus.ACTIVE
