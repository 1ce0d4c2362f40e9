"""Worlds whose validators have real keys: a chamber changes its set, a parliament votes on the terms."""

from collections.abc import Mapping

import msgspec

from clearing.schema.blocks.block import BlockResult, VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.terms.genesis import CrisisParameters, Genesis, MarketParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.validators.validator_sets import attesting_set, validator_sets
from tests.kit.clearing.genesis import DOLLAR, USDC_1, make_genesis
from tests.kit.clearing.world import World

FOUR, SEVEN = dict.fromkeys(range(1, 5), 10), dict.fromkeys(range(1, 8), 10)
VOTE_MS, TIMELOCK_MS = 60_000, 5_000
GOVERNED = GovernanceTerms(
    vote_ms=VOTE_MS,
    timelock_ms=TIMELOCK_MS,
    timelock_floor_ms=2_000,
    halt_blocks_max=20,
    halt_rest_blocks=30,
    detach_blocks=10,
)


def chamber_genesis(powers: Mapping[int, int], market: MarketParameters | None = None, chains: bool = True) -> Genesis:
    genesis = make_genesis(market, powers=powers)
    if chains:
        return genesis
    bare = msgspec.structs.replace(genesis, chains=(), assets=(), instruments=())
    return msgspec.structs.replace(bare, risk=msgspec.structs.replace(genesis.risk, concentration=()))


def governed_genesis(
    powers: Mapping[int, int] | None = None, terms: GovernanceTerms = GOVERNED, market: MarketParameters | None = None
) -> Genesis:
    return msgspec.structs.replace(chamber_genesis(powers or FOUR, market), crisis=CrisisParameters(governance=terms))


def chamber_world(powers: Mapping[int, int] | None = None, genesis: Genesis | None = None) -> World:
    return World(genesis or chamber_genesis(powers or FOUR), fresh=True)


def parliament_world(genesis: Genesis | None = None, dollars: int = 100_000) -> World:
    """Members have cash, every feed has a price, and the house is the default proposer."""
    house = chamber_world(genesis=genesis or governed_genesis())
    house.block()
    for account in (0, 1, 2, 3):
        house.deposit(account, USDC_1, dollars * DOLLAR)
    return house


def say(chamber: World, facts: Mapping[int, tuple[Fact, ...]], *transactions: Transaction) -> BlockResult:
    """What these validators attest, as far as they are those that speak."""
    said = {name: VoteExtension(facts=attested) for name, attested in facts.items() if name in chamber.speakers()}
    return chamber.hear(said, *transactions)


def until_heard(chamber: World) -> None:
    """Silent blocks until the changed set is the one that speaks."""
    while attesting_set(chamber.state) != validator_sets(chamber.state).next:
        chamber.hear({})
