"""Orders of the auction that reopens a price."""

from clearing.schema.requests.auctions import ReopeningOrder
from tests.kit.clearing.world import (
    BTC_PERP,
    World,
)


def order(
    world: World, account: int, lots: int, ticks: int, instrument: int = BTC_PERP, **changes: int
) -> ReopeningOrder:
    return world.request(ReopeningOrder, account, instrument, lots, ticks, **changes)
