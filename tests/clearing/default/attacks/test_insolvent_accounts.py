"""Accounts without equity: no time for their debt to grow in a sale, and no way out meanwhile for those that know.

Before the rule an account that fell below zero during the sale of its slices stayed there for the 20 blocks of the sale
at a discount of nothing, with the deficit reserve off. Bob, who had won what Alice lost, withdrew all but his margin.
"""

import msgspec

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.receipts.liquidation import LiquidationEnded, LiquidationOpened
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.default import default_blocks_max
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.margin_calls import LiquidationTerms
from clearing.schema.terms.withdrawals import WithdrawalControlTerms
from clearing.withdrawals.deficit_reserve import unresolved_deficit
from tests.kit.clearing.defaults import NO_FUND, TERMS, default_genesis, default_world
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, CAROL, DOLLAR, ETH_PERP, USDC_1
from tests.kit.clearing.world import World, of_all

SALE = LiquidationTerms(auction_blocks=20, end_ppm=20_000, insolvent_to_default=True)
BELOW_MAINTENANCE, BELOW_ZERO = 590_000, 520_000
"""Ticks at which Alice's 40 BTC, bought at 7,900.00 on 100,000 dollars, are for sale, and at which she owes 8,000."""


def guarded(liquidation: LiquidationTerms = SALE) -> Genesis:
    """Sales of slices, and a reserve for losses that nobody has borne."""
    genesis = default_genesis(TERMS, NO_FUND)
    gates = WithdrawalControlTerms(deficit_reserve=True)
    return msgspec.structs.replace(
        genesis, crisis=msgspec.structs.replace(genesis.crisis, liquidation=liquidation, gates=gates)
    )


def selling() -> World:
    """Alice is long 40 BTC against Bob, and slices of them are for sale."""
    world = default_world(genesis=guarded())
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.prices(BELOW_MAINTENANCE)
    assert world.last(LiquidationOpened)
    return world


def test_an_account_that_falls_below_zero_during_a_sale_is_in_default_in_the_same_block() -> None:
    world = selling()
    world.prices(BELOW_ZERO)
    assert [each.member for each in world.last(DefaultDeclared)] == [1]
    assert [each.failed for each in world.last(LiquidationEnded)] == [True]
    assert world.status(1) is MemberStatus.DEFAULTING


def test_nobody_withdraws_what_an_insolvent_account_owes_him() -> None:
    """Bob tries in the very block of the price that makes Alice insolvent, before anybody is declared in default.

    He has 208,000 dollars then, of which 8,000 are Alice's debt, and 41,600 are his margin.
    """
    world = selling()
    whole = world.withdrawal(BOB, USDC_1, 166_400 * DOLLAR)
    assert world.refused(whole, prices=((1, BELOW_ZERO), (2, 20_000))) == [ClearingCode.DEFICIT_RESERVE]
    assert unresolved_deficit(world.state)[0] == 8_000 * DOLLAR
    assert world.refused(world.withdrawal(BOB, USDC_1, 166_400 * DOLLAR)) == [ClearingCode.DEFICIT_RESERVE]


def test_the_reserve_is_armed_while_a_price_that_is_not_open_keeps_an_account_from_its_default() -> None:
    """Alice is long ether, too, whose price is stale: it might have risen, so she cannot be closed out yet."""
    world = default_world(genesis=guarded())
    world.block(world.perp_trade(ALICE, BOB, 30_000), world.perp_trade(ALICE, BOB, 30_000, ETH_PERP, 20_000))
    for ticks in (600_000, 450_000):
        world.block(prices=((BTC, ticks),), after_ms=120_000)
    assert not world.every(DefaultDeclared)
    debt = -world.margin(ALICE).equity
    assert debt > 0
    assert unresolved_deficit(world.state) == (debt, world.state.now.height + default_blocks_max(TERMS))
    assert world.refused(world.withdrawal(CAROL, USDC_1, world.cash(CAROL))) == [ClearingCode.DEFICIT_RESERVE]


def test_a_clients_account_without_equity_is_not_sold_in_slices_either() -> None:
    """Its member pays what it owes, in the same block."""
    world = default_world(genesis=guarded())
    world.bring(client=100_000, house=1_000_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 40_000))
    world.prices(BELOW_MAINTENANCE)
    assert world.last(LiquidationOpened)
    world.prices(BELOW_ZERO)
    assert world.lots(ALICE_CLIENT, 1) == 0
    assert world.cash(ALICE_CLIENT) >= 0
    assert not of_all(world.results, DefaultDeclared)


def test_a_full_block_of_liquidations_leaves_no_insolvent_account_waiting() -> None:
    world = default_world(genesis=default_genesis(TERMS, NO_FUND, liquidations_per_block=1))
    world.bring(bob=100_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000), world.perp_trade(CAROL, BOB, 39_990))
    world.prices(BELOW_ZERO)
    assert [each.member for each in of_all(world.results, DefaultDeclared)] == [1, 3]
