"""Random stories in which the rules change under trades, prices, deposits and withdrawals: replicas stay one."""

import random
from typing import Any

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.errors import Rejected
from clearing.governance.effects import validate_terms
from clearing.schema.receipts.governance import AmendmentEnacted
from clearing.schema.records.governance import ProposalStage
from clearing.schema.requests.governance import InstrumentHalt
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.state.holdings import margin_book
from tests.kit.clearing.any_place import random_amendment
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC, CAROL, DOLLAR, ETH, SALT
from tests.kit.clearing.replay import replay
from tests.kit.clearing.whole_state import check_whole_book, check_whole_ledger
from tests.kit.clearing.world import World
from tests.sim.clearing.crisis_terms import STRESS, crisis_of

KEPT = frozenset(f"assets.{each}" for each in (1, 2, 3))


def trades(house: World, chance: random.Random) -> list[Any]:
    found = []
    for _ in range(chance.randrange(3)):
        buyer, seller = chance.sample((ALICE, BOB, CAROL), 2)
        instrument = chance.choice(list(house.state.terms.instruments))
        mark = house.state.marks.get(instrument)
        if mark is not None and mark.ticks:
            found.append(house.trade(buyer, seller, instrument, chance.randrange(1, 300), mark.ticks))
    return found


def votes(house: World, proposals: list[Any]) -> list[Any]:
    """For all that nobody has voted on yet."""
    voted = {key[0] for key, _ in house.state.votes.ordered()}
    found = []
    for each in proposals:
        record = house.state.proposals.get(each.content(house.network))
        if record is not None and record.stage is ProposalStage.OPEN and record.number not in voted:
            found += house.votes(each)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_replicas_stay_one_whatever_is_voted(seed: int) -> None:
    chance = random.Random(seed)
    ranges = RangeParameters(interval_ms=2_000, window=20, window_min=5, horizon_ms=4_000, joint_scenarios=3)
    genesis = msgspec.structs.replace(governed_genesis(), ranges=ranges if seed % 2 else RangeParameters())
    if seed % 3 == 2:
        tested = msgspec.structs.replace(genesis.risk, stress=STRESS)
        crisis = msgspec.structs.replace(crisis_of(seed), governance=genesis.crisis.governance)
        genesis = msgspec.structs.replace(genesis, risk=tested, crisis=crisis)
    house = parliament_world(genesis, dollars=20_000)
    proposals: list[Any] = []
    for step in range(70):
        house.ticks[BTC] = max(house.ticks[BTC] + chance.randrange(-12_000, 12_000), 300_000)
        house.ticks[ETH] = 20_000 + chance.randrange(-200, 200)
        requests = trades(house, chance)
        for _ in range(2):
            amendment = random_amendment(chance, house.state.terms.genesis, KEPT)
            if amendment is not None and not isinstance(validate_terms(house.state, amendment), Rejected):
                proposals.append(house.proposal(amendment, chance.choice((None, 1, 2, 3, 4))))
                requests.append(proposals[-1])
                break
        if chance.random() < 0.05:
            requests.append(house.proposal(InstrumentHalt(1, house.state.now.height + 5)))
        facts = house.custody_facts(4 * house.state.now.height) if chance.random() < 0.2 else ()
        if chance.random() < 0.1:
            facts = (*facts, house.deposit_fact(chance.choice((ALICE, BOB)), chance.choice((1, 3)), 500 * DOLLAR))
        house.block(*requests, *votes(house, proposals), facts=facts)
        if step == 35:
            copy, behind = house.read_back(), len(house.blocks)
    assert len(house.every(AmendmentEnacted)) >= 8
    check_whole_ledger(house.state)
    check_whole_book(house.state)
    for each in house.blocks[behind:]:
        copy = apply_block(copy, each)[0].absorb()
    assert copy.module_roots() == house.state.module_roots()
    assert copy.terms.genesis == house.state.terms.genesis
    *_, (_, roots) = replay(genesis, SALT, house.blocks)
    assert roots == house.state.module_roots()
    for account in (ALICE, BOB, CAROL):
        assert margin_book(house.state).margin(account) == house.margin(account)
