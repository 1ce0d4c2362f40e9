"""A chain of which nothing is heard any more."""

import msgspec

from clearing.schema.requests.governance import VaultDetachment
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import BOB, DOLLAR, VAULTS
from tests.kit.clearing.signer import validator
from tests.kit.clearing.world import World

GONE = VaultDetachment(2, VAULTS[2])


def stuck(guarded: bool, genesis: Genesis | None = None) -> World:
    """A change of validators that chain 2 never follows; 3,000 dollars of Bob's are there."""
    genesis = genesis or governed_genesis()
    if guarded:
        usdc = msgspec.structs.replace(genesis.assets[1], depeg=DepegTerms(feed=2, feed_tokens=200))
        genesis = msgspec.structs.replace(genesis, assets=(genesis.assets[0], usdc, genesis.assets[2]))
    house = parliament_world(genesis, dollars=1_000)
    house.block(facts=[house.deposit_fact(BOB, 2, 3_000 * DOLLAR)])
    house.change([4], [validator(8)])
    house.block(facts=house.rotations((1,)))
    return house
