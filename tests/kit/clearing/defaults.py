"""Terms of defaults: four members with an account each, Alice with two clients, and a world that has them."""

from typing import Any

import msgspec

from clearing.base.secp256k1 import address
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis
from clearing.schema.terms.margin_calls import LiquidationTerms
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.fund import fund_world, stressed
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, DOLLAR, make_genesis, member_terms
from tests.kit.clearing.world import World

CLIENT_SECRET = (77).to_bytes(32, "big")
TERMS = DefaultTerms(
    enabled=True,
    house_capital_micros=500 * DOLLAR,
    assessment_ppm=1_000_000,
    assessment_blocks=3,
    auction_blocks=4,
    auction_slices=100,
    porting_blocks=6,
    halt_blocks=5,
    replenishment_blocks=5,
)
LOTS, FALLEN = 40_000, 500_000
"""Alice's lots in most stories, and ticks at which she is insolvent with them."""
NO_FUND = FundTerms()
NOTHING = DefaultTerms(enabled=True)
"""Every loss is borne by gains at once."""


def default_genesis(terms: DefaultTerms = TERMS, fund: FundTerms = FUND, **changes: Any) -> Genesis:
    """What is insolvent stays for the auction."""
    market = {"move_cap_ppm": 400_000, "request_ms_max": 600_000} | changes
    crisis = {"default": terms, "fund": fund, "liquidation": LiquidationTerms(insolvent_to_default=True)}
    genesis = make_genesis(market, stressed(), crisis=crisis, members=(member_terms(4, DAVE),))
    client = AccountTerms(ALICE_CLIENT, AccountKind.CLIENT)
    keyed = AccountTerms(KEYED_CLIENT, AccountKind.CLIENT, address(CLIENT_SECRET))
    house, _, *others = genesis.members
    return msgspec.structs.replace(genesis, members=(house, member_terms(1, ALICE, client, keyed), *others))


def default_world(
    terms: DefaultTerms = TERMS,
    fund: FundTerms = FUND,
    dollars: int = 100_000,
    *,
    genesis: Genesis | None = None,
    **changes: Any,
) -> World:
    """Everybody with cash; `fund_paid_in` pays the fund in."""
    world = fund_world(genesis or default_genesis(terms, fund, **changes), dollars)
    world.endow(dollars, DAVE)
    return world


def without_fund(terms: DefaultTerms = TERMS, **dollars: int) -> World:
    """No fund, and so many dollars more for accounts by name."""
    world = default_world(terms, NO_FUND)
    if dollars:
        world.bring(**dollars)
    return world


def with_fund(terms: DefaultTerms = TERMS) -> World:
    """A fund paid in, Alice long 40 BTC against Bob; she has 68,000 dollars left, and as much as Bob in the fund."""
    world = default_world(terms)
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fund_paid_in()
    return world


def in_default(world: World | None = None) -> World:
    """Alice was long 40 BTC against Bob on 100,000 dollars, and the price fell: 116,000 are lost."""
    world = world or without_fund()
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fall(FALLEN)
    return world
