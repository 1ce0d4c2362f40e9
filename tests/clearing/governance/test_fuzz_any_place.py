"""Votes on any place of genesis amid trades, calls and defaults: no block ends the chain, and epochs stay provable."""

import os
from random import Random

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.epochs.snapshot import is_snapshot_possible, take_snapshot
from clearing.governance.effects import validate_terms
from clearing.governance.votes import voting_set
from clearing.margin.statement.rulebook import read_rulebook
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import CustodySeen, Fact
from clearing.schema.receipts.governance import AmendmentEnacted, ProposalClosed
from clearing.schema.records.governance import GovernanceCounters, ProposalRecord, ProposalStage, VoteRecord
from clearing.schema.requests.governance import TermsAmendment
from clearing.schema.terms.genesis import Genesis
from clearing.state.state import State
from tests.kit.clearing.any_place import random_amendment
from tests.kit.clearing.rows import complete_values
from tests.kit.clearing.whole_state import check_whole_state
from tests.sim.clearing.story import Story

COMPLETE = os.environ.get("CROSSCLEAR_COMPLETE") == "1"
SEEDS, BLOCKS = (range(1, 200), 220) if COMPLETE else (range(1, 4), 60)
EPOCH_BLOCKS = 10
FAR = 10**30
"""Base units that a vault is said to have counted beyond what was taken in: what is later is no evidence missing."""


class Voted(Story):
    """A story in which every fourth block has other terms; its own audits know the first ones only, and rest."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.votes = Random(seed * 7 + 1)
        self.enacted = self.refused_late = self.epochs = 0
        genesis = self.world.state.terms.genesis
        kept = [f"{name}.{each.id}" for name in ("assets", "instruments", "feeds") for each in getattr(genesis, name)]
        self.kept = frozenset(kept)

    def apply(self, requests: list[Transaction], facts: list[Fact]) -> None:
        """One block, with an amendment that is due in it now and then."""
        world = self.world
        if self.votes.random() < 0.25:
            self.vote()
        for feed, _ in world.state.feeds.ordered():
            world.ticks.setdefault(feed, self.votes.choice((1, 20_000, 790_000, 2**40)))
        result = world.play(requests, [*facts, *self.counters()])
        check_whole_state(world.state)
        self.enacted += sum(isinstance(each, AmendmentEnacted) for each in result.receipts)
        self.refused_late += sum(isinstance(each, ProposalClosed) for each in result.receipts)
        world.blocks.clear()
        world.results.clear()
        if result.snapshot_due and is_snapshot_possible(world.state):
            check_provable(world.state)
            self.epochs += 1

    def vote(self) -> None:
        """Have an amendment agreed on by everybody, whose timelock is over, if any of some may be."""
        for _ in range(6):
            state = self.world.state
            amendment = random_amendment(self.votes, state.terms.genesis, self.kept)
            judged = validate_terms(state, amendment) if amendment is not None else None
            # Epochs that hardly ever close may be voted for; then there would be nothing to prove.
            if isinstance(judged, Genesis) and amendment is not None and judged.market.epoch_blocks <= EPOCH_BLOCKS:
                self.world.state = agreed(state, amendment)
                return

    def counters(self) -> list[Fact]:
        """Of all tokens that are listed now."""
        state = self.world.state
        told: list[Fact] = []
        for asset in state.terms.genesis.assets:
            stride = state.terms.chains[asset.chain_id].custody_stride
            number = state.now.height * 10**6 // stride * stride
            counted = u256(int.from_bytes(state.asset_flows[asset.id].deposited_amount, "big") + FAR)
            seen = (number, u256(number), counted, u256(0), counted)
            told.append(CustodySeen(asset.chain_id, asset.vault, asset.token, *seen))
        return told


def agreed(state: State, amendment: TermsAmendment) -> State:
    """The state in which this is due in the next block."""
    fork = state.fork()
    clock = fork.governance_counters.get(0) or GovernanceCounters()
    number, now = clock.proposals + 1, fork.now
    fork.governance_counters.put(0, msgspec.structs.replace(clock, proposals=number))
    record = ProposalRecord(
        number=number,
        proposer=bytes(32),
        seat=0,
        amendment=amendment,
        reason="",
        proposed_height=now.height,
        vote_until_ms=now.time_ms + 10**6,
        not_after_ms=0,
        stage=ProposalStage.AGREED,
        effective_ms=now.time_ms,
    )
    fork.proposals.put(u256(number), record)
    for each in voting_set(fork).validators:
        fork.votes.put((number, each.envelope_key), VoteRecord(approve=True, revision=1))
    return fork.absorb()


def check_provable(state: State) -> None:
    """The rulebook tells the statement, every row holds, and holdings sum to the totals."""
    snapshot = take_snapshot(state)
    statement = snapshot.statement
    rulebook = read_rulebook(statement.rules, len(statement.slots))
    assert rulebook.slots_and_rows() == (statement.slots, statement.rows)
    complete_values(snapshot)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_voted_the_chain_goes_on_and_its_epochs_can_be_proven(seed: int) -> None:
    story = Voted(seed if seed % 4 else seed + 1)
    for _ in range(BLOCKS):
        story.block()
    assert story.enacted > BLOCKS // 20
    assert story.epochs
