"""Worlds whose genesis has terms of the house: a default that the house may gain from, and the house as principal."""

from typing import Any

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.unresolved_losses import account_deficits
from clearing.schema.receipts.house import RecoveryPaid
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.crisis import genesis_in_crisis
from tests.kit.clearing.defaults import FALLEN, LOTS, TERMS, default_genesis, default_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC, CAROL, DOLLAR, ETH, HOUSE, USDC_1, VAULTS, WETH_1
from tests.kit.clearing.world import World

RECOVERY_BLOCKS = 40
OWN_DEFAULT = HouseTerms(own_default=True, recovery_blocks=20)
WBTC_1 = 4
UNIT = 10**6
"""Clearing units of one ether."""


def with_house(genesis: Genesis, terms: HouseTerms) -> Genesis:
    return msgspec.structs.replace(genesis, crisis=msgspec.structs.replace(genesis.crisis, house=terms))


def recovery_world(
    house: HouseTerms, *, weth: int = 0, haircut_ppm: int = 100_000, settle_blocks: int = 0, terms: DefaultTerms = TERMS
) -> World:
    """A fund paid in, Alice long 40 BTC against Bob, and so many ether of hers."""
    genesis = with_house(default_genesis(terms, prices=PriceTerms(settle_blocks=settle_blocks)), house)
    *cash, token = genesis.assets
    token = msgspec.structs.replace(token, haircut_ppm=haircut_ppm)
    world = default_world(genesis=msgspec.structs.replace(genesis, assets=(*cash, token)))
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fund_paid_in()
    if weth:
        world.deposit(ALICE, WETH_1, weth * 10**6)
    return world


def principal_world(house: HouseTerms, dollars: int = 100_000, alice: int = 8_000, **more: Any) -> World:
    """Alice long 4.5 BTC, Bob short; the house takes over what liquidation takes, and has so many dollars."""
    world = World(with_house(genesis_in_crisis(**more), house), fresh=True)
    world.block()
    cash = {ALICE: alice, BOB: 100_000, CAROL: 100_000, HOUSE: dollars}
    world.block(facts=[world.deposit_fact(each, USDC_1, has * DOLLAR) for each, has in cash.items() if has])
    world.block(world.perp_trade(ALICE, BOB, 4_500))
    return world


def returned(world: World) -> dict[int, int]:
    """Micros that each account got back of recoveries, from all receipts; the house's own among them."""
    found: dict[int, int] = {}
    for receipt in world.every(RecoveryPaid):
        for _, _, account, micros in receipt.paid:
            found[account] = found.get(account, 0) + micros
    return found


def default_without_eth(world: World) -> None:
    """The feed of ether dies and is settled; then Alice's default, from its declaration to its end."""
    for _ in range(5):
        world.block(unpriced=(ETH,), after_ms=6_000)
    for ticks in (FALLEN, 300_000):
        world.block(prices=((BTC, ticks),))
    while 1 not in world.state.defaults or not world.default().ended_height:
        world.block()


def house_value(world: World) -> int:
    """Cash of the house, and its ether at 200 dollars without a haircut."""
    return world.cash(HOUSE_ACCOUNT) + world.weth(HOUSE_ACCOUNT) * 200


def after_own_default(terms: HouseTerms = OWN_DEFAULT, weth: int = 10, wbtc: int = 0, **more: Any) -> World:
    """The house was long 45 BTC against Bob, and its default has ended: its tokens just cover what it owes in cash."""
    world = default_world(genesis=with_house(with_wbtc(default_genesis(**more)), terms))
    world.bring(alice=100_000, bob=200_000)
    world.fund_paid_in()
    for asset, count in ((WETH_1, weth), (WBTC_1, wbtc)):
        if count:
            world.deposit(HOUSE, asset, count * UNIT)
    world.block(world.perp_trade(HOUSE, BOB, 45_000))
    world.prices(555_000)
    world.prices(400_000)
    world.until_ended()
    assert not account_deficits(world.state, (HOUSE,))
    return world


def with_wbtc(genesis: Genesis) -> Genesis:
    """A second token, of which the price is BTC's."""
    wbtc = Asset(WBTC_1, "WBTC-1", 1, VAULTS[1], b"\xc4" * 20, 8, 6, 0, BTC, 100_000, 10**13)
    return msgspec.structs.replace(genesis, assets=(*genesis.assets, wbtc))
