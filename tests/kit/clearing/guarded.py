"""Collateral behind the guard against a token that leaves its peg."""

from typing import Any

import msgspec

from clearing.base.codec import u256
from clearing.schema.facts import CustodySeen
from clearing.schema.terms.collateral import DepegTerms
from tests.kit.clearing.vaults import DEPEG, USDC_FEED, genesis_with, opened
from tests.kit.clearing.world import World

ONLY_FIRST = msgspec.structs.replace(DEPEG, halt_ms=20_000)


def guarded(**changes: Any) -> World:
    """Both cash tokens have guards; only the first one's feed is moved by the tests, so the second gets its own."""
    genesis = genesis_with(depeg=ONLY_FIRST)
    second = msgspec.structs.replace(genesis.assets[1], depeg=DepegTerms())
    return opened(msgspec.structs.replace(genesis, assets=(genesis.assets[0], second, *genesis.assets[2:])), **changes)


def leave(world: World) -> Any:
    world.ticks[USDC_FEED] = 900_000
    result = None
    for _ in range(DEPEG.blocks):
        result = world.block()
    return result


def counted(world: World, block_number: int, withdrawn: int = 0) -> tuple[CustodySeen, ...]:
    """What honest vaults count; `withdrawn` base units were paid of the first token."""
    facts = []
    for fact in world.custody_facts(block_number):
        if fact.token == world.genesis.assets[0].token:
            left = int.from_bytes(fact.deposited, "big") - withdrawn
            fact = msgspec.structs.replace(fact, withdrawn=u256(withdrawn), balance=u256(left))
        facts.append(fact)
    return tuple(facts)
