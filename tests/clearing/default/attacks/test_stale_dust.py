"""A stranger's dust locks nobody's money: a token without an open price counts for nothing, and blocks nothing.

Before the rule, one unit of WETH that a stranger deposited for Bob kept all 100,000 dollars of Bob's in his account as
long as the feed of ETH had no price (`R0302 price_not_open`). The stranger paid the deposit.
"""

from clearing.schema.codes import ClearingCode as C
from clearing.schema.records.prices import FeedStatus
from clearing.state.ledger import token_currency
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    BTC_PERP,
    DOLLAR,
    ETH,
    ETH_PERP,
    USD,
    USDC_1,
    WETH_1,
)
from tests.kit.clearing.world import World, funded

PRICES = ((BTC, 790_000),)
"""Of ETH nothing is heard any more."""
LOTS = 10_000
"""10 BTC at 7,900 dollars: some 16,000 dollars of initial margin."""


def dusted(units: int = 1, instrument: int = BTC_PERP) -> World:
    """Alice and Bob have a position, a stranger deposits so many units for Bob, and the feed of ETH goes silent."""
    world = funded()
    assert not world.refused(world.trade(ALICE, BOB, instrument, LOTS, world.state.marks[instrument].ticks))
    world.deposit(BOB, WETH_1, units)
    while world.state.feeds[ETH].status is FeedStatus.OPEN:
        world.block(prices=PRICES)
    return world


def withdraw(world: World, dollars: int, account: int = BOB) -> list[int]:
    return world.refused(world.withdrawal(account, USDC_1, dollars * DOLLAR), prices=PRICES)


def test_dust_in_a_token_without_a_price_blocks_no_withdrawal():
    assert withdraw(dusted(), 50_000) == []


def test_dust_in_a_token_without_a_price_blocks_no_swap():
    world = dusted()
    world.deposit(ALICE, WETH_1, 5)
    swap = world.swap(BOB, ALICE, (USD, 10 * DOLLAR), (token_currency(WETH_1), 5))
    assert world.refused(swap, prices=PRICES) == []


def test_what_leaves_must_be_covered_without_the_token():
    world = dusted(units=10**9)
    initial = world.margin(BOB).initial
    free = world.cash(BOB) - initial
    assert world.margin(BOB).equity > world.cash(BOB), "at its last price the token would count"
    assert world.refused(world.withdrawal(BOB, USDC_1, free + 1), prices=PRICES) == [C.PRICE_NOT_OPEN]
    assert world.refused(world.withdrawal(BOB, USDC_1, free), prices=PRICES) == []


def test_the_token_itself_may_leave_where_cash_covers_the_positions():
    world = dusted(units=10**6)
    assert world.refused(world.withdrawal(BOB, WETH_1, 10**6), prices=PRICES) == []


def test_a_position_without_an_open_price_still_keeps_the_money():
    assert withdraw(dusted(instrument=ETH_PERP), 1) == [C.PRICE_NOT_OPEN]
