"""A story in which a feed dies, everything on it is settled at its last mark, and the feed opens again elsewhere."""

from functools import cache

import msgspec

from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_FUT, BTC_PERP, CAROL, ETH, ETH_PERP, make_genesis
from tests.kit.clearing.priced import FUNDING
from tests.kit.clearing.world import World, funded
from tests.kit.proofs import small_market as market

OPENED_AT, QUIET_BLOCKS = 900_000, 24
"""Ticks of the index that opens again, further from the last mark than a premium may be; and long enough to settle."""
TERMS = PriceTerms(grace_blocks=3, settle_blocks=10)


def genesis() -> Genesis:
    """The small genesis without its option, its perpetual with a premium and its feeds dead after ten blocks."""
    plain = make_genesis({"prices": TERMS})
    instruments = tuple(
        msgspec.structs.replace(each, funding=FUNDING) if each.id == BTC_PERP else each
        for each in plain.instruments
        if each.id != BTC_CALL
    )
    return msgspec.structs.replace(plain, instruments=instruments)


@cache
def reopened(btc: int = OPENED_AT) -> World:
    """Positions in a perpetual and a future; BTC has no reports and settles them; then it opens at `btc` ticks."""
    world = funded(genesis=genesis())
    for instrument in (BTC_PERP, BTC_FUT):
        world.block(world.trade(ALICE, BOB, instrument, 100, world.state.marks[instrument].ticks))
    for _ in range(QUIET_BLOCKS):
        world.block(prices=((ETH, 20_000),))
    world.prices(btc)
    mark = world.state.marks[ETH_PERP].ticks
    world.block(world.trade(BOB, CAROL, ETH_PERP, 10, mark), facts=world.custody_facts(400))
    return world


def package() -> bytes:
    """What an honest node proves of the story's last block."""
    return market.package_of_state(reopened().state).data
