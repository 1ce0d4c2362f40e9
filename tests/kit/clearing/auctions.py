"""A default auction at shipped parameters: Alice, long against Dave, loses her margin, and members bid."""

import msgspec

from clearing.base.units import PPM
from clearing.default.auction_reserve import auction_portfolio, own_money_ask, reserve_ask, slice_margin
from clearing.default_fund.contributions import contribution_micros
from clearing.genesis.json import genesis_part_from_json
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.risk.charges import LotCharge
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import Genesis
from devnet.market import load_market
from devnet.stated_terms import part_of
from tests.kit.clearing.defaults import default_genesis
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, HOUSE
from tests.kit.clearing.world import World

MARKET = load_market()
SHIPPED = genesis_part_from_json(DefaultTerms, MARKET.crisis["default"], "crisis.default")
"""Of the devnet's market file."""
MARGIN, LOTS = 42_000, 23_000
"""Dollars that Alice brings, and her lots at 7,900.00."""
FALLEN, FURTHER = 606_000, 596_000
"""Ticks at which she owes 320 dollars beyond her margin, and 2,620, more than she and a house of 500 bear."""
INTO_FUND = 1_000
"""Dollars that each member contributes."""


def auction_genesis(terms: DefaultTerms = SHIPPED) -> Genesis:
    """The small world, with the devnet's charges on its perpetual of BTC."""
    genesis, listed = default_genesis(terms), next(each for each in MARKET.instruments if each.name == "BTC-PERP")
    charge = part_of(LotCharge, listed.charge, "charge", instrument=BTC_PERP)
    return msgspec.structs.replace(genesis, risk=msgspec.structs.replace(genesis.risk, charges=(charge,)))


def auction_world(
    house_dollars: int = 500,
    terms: DefaultTerms = SHIPPED,
    *,
    ticks: int = FALLEN,
    affiliates: tuple[int, ...] = (),
    **dollars: int,
) -> World:
    """Alice is in default, and her 23 BTC are for sale. Others have 300,000 dollars, or what is named.

    `affiliates`: accounts of two members that are declared to be one owner's before.
    """
    world = World(auction_genesis(terms), fresh=True)
    world.prices(790_000)
    world.bring(**{"house": house_dollars, "bob": 300_000, "carol": 300_000, "dave": 300_000} | dollars)
    world.pay_in(ALICE, INTO_FUND)
    world.fund_paid_in()
    world.pay_in(ALICE, MARGIN)
    if affiliates:
        one, other = affiliates
        assert not world.refusals(world.affiliation(one, other, affiliate_key=world.key_of(other)))
    assert not world.refusals(world.perp_trade(ALICE, DAVE, LOTS))
    world.fall(ticks)
    return world


def money(world: World, *accounts: int) -> int:
    """Cash and contributions. Positions are settled in cash at every mark, so this is all that they have."""
    member = {ALICE: 1, BOB: 2, CAROL: 3, DAVE: 4, HOUSE: 0}
    return sum(world.cash(each) + contribution_micros(world.state, member[each]) for each in accounts)


def ask_bounds(world: World) -> tuple[int, int]:
    """The highest ask for a slice that fulfils the duty to bid, and the highest that is paid."""
    context = world.context()
    reserve = reserve_ask(context, auction_portfolio(context, world.default()))
    return reserve, own_money_ask(context, world.default(), reserve)


def worst_ask(world: World) -> int:
    """The highest ask before there were reserve prices: a fraction of a slice's initial margin."""
    context, terms = world.context(), world.genesis.crisis.default
    return slice_margin(context, auction_portfolio(context, world.default())) * terms.auction_worst_ppm // PPM


def bid_sealed(world: World, *bids: tuple[int, int, int]) -> list[BlockResult]:
    """Commit to bids (account, slices, ask) in one block and reveal them in the first in which that is possible; the
    blocks until the default has ended."""
    assert not world.refusals(*(world.bid_commitment(account, 1, slices, ask) for account, slices, ask in bids))
    wait_for_reveal(world)
    reveals: list[Transaction] = [world.bid_reveal(account, 1, slices, ask) for account, slices, ask in bids]
    assert not world.refusals(*reveals)
    return world.until_ended()


def wait_for_reveal(world: World) -> None:
    """Blocks up to the last before the reveal."""
    while world.state.now.height < world.default().reveal_height - 1:
        world.block()
