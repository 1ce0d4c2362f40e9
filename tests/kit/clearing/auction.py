"""Orders of the auction that reopens a price."""

import msgspec

from clearing.base.secp256k1 import sign_digest
from clearing.prices.auction_requests import ReopeningOrder
from tests.kit.clearing.world import (
    BTC_PERP,
    OWNER,
    World,
    secret,
)


def order(
    world: World, account: int, lots: int, ticks: int, instrument: int = BTC_PERP, **changes: int
) -> ReopeningOrder:
    world.nonce += 1
    words = ReopeningOrder(account, instrument, lots, ticks, world.nonce, world.time_ms + 60_000, bytes(65))
    words = msgspec.structs.replace(words, **changes)
    signature = sign_digest(secret(OWNER.get(account, 0)), words.digest(world.network))
    return msgspec.structs.replace(words, signature=signature)
