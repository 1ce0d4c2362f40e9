"""Random amendments of any place of the genesis amid trades, calls and defaults: the chain goes on, replicas agree."""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.epochs.snapshot import is_snapshot_possible, take_snapshot
from clearing.genesis.paths import ID_FIELDS, UnknownPathError, change_at, change_genesis
from clearing.governance.effects import validate_terms
from clearing.governance.votes import voting_set
from clearing.margin.statement.rulebook import read_rulebook
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import CustodySeen, Fact
from clearing.schema.receipts.governance import AmendmentEnacted, ProposalClosed
from clearing.schema.records.governance import GovernanceCounters, ProposalRecord, ProposalStage, VoteRecord
from clearing.schema.requests.governance import InstrumentHalt, TermsAmendment, TermsChange
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.genesis import Genesis
from clearing.state.holdings import margin_book
from clearing.state.state import State
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC, CAROL, DOLLAR, ETH, SALT
from tests.kit.clearing.replay import replay
from tests.kit.clearing.rows import complete_values
from tests.kit.clearing.whole_state import check_whole_book, check_whole_ledger, check_whole_state
from tests.kit.clearing.world import World
from tests.kit.complete import COMPLETE
from tests.sim.clearing.crisis_terms import STRESS, crisis_of
from tests.sim.clearing.story import Story

NEVER = ("validators", "name", "version", "time_ms")
"""Frozen as a whole."""
NUMBERS = (
    0, 1, 2, 3, 5, 10, 50, 100, 999, 1_000, 10_000, 50_000, 100_000, 200_000, 500_000, 900_000, 10**6, 10**6 + 1,
    2 * 10**6, 10**9, 2**31, 2**32 - 1, 10**12, 2**40, 2**53, 2**56 - 1, 2**60, 2**63 - 1,
)  # fmt: skip


class Place(NamedTuple):
    """A path, what stands there, and the id field of its elements where it is a list that is ordered by one."""

    path: str
    value: Any
    by: str = ""


def places(value: Any, above: str = "") -> Iterator[Place]:
    """Every field below a struct, through lists by id."""
    for name in value.__struct_fields__:
        path, found = f"{above}.{name}" if above else name, getattr(value, name)
        if path in NEVER:
            continue
        elements = [each for each in found if type(each) in ID_FIELDS] if isinstance(found, tuple) else []
        if elements:
            by = ID_FIELDS[type(elements[0])]
            yield Place(path, found, by)
            for each in elements:
                yield from places(each, f"{path}.{getattr(each, by)}")
        elif isinstance(found, msgspec.Struct):
            yield from places(found, path)
        else:
            yield Place(path, found)


def random_amendment(chance: Random, genesis: Genesis, protected: frozenset[str]) -> TermsAmendment | None:
    """A few changes that make sense one after the other; none of them takes off one of the `protected` elements."""
    found: list[TermsChange] = []
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        change = _change(chance, genesis)
        after = change_genesis(genesis, (change,)) if change is not None else None
        gone = change is not None and not change.after and change.path in protected
        if change is not None and not gone and after is not None and not isinstance(after, Rejected):
            found.append(change)
            genesis = after
    return TermsAmendment(tuple(found)) if found else None


def _change(chance: Random, genesis: Genesis) -> TermsChange | None:
    # Each part of genesis as often as another, however many places it has; listings more often.
    parts: dict[str, list[Place]] = {}
    for place in places(genesis):
        steps = place.path.split(".")
        part = ".".join(steps[:2]) if steps[0] in ("crisis", "market", "risk") else steps[0]
        parts.setdefault("listed" if place.by else part, []).append(place)
    part = "listed" if chance.random() < 0.25 else chance.choice(sorted(parts))
    place = chance.choice(parts[part])
    try:
        if not place.by:
            return change_at(genesis, place.path, _other(chance, place.value))
        named, after = _element(chance, place)
        return change_at(genesis, f"{place.path}.{named}", after)
    except (UnknownPathError, ValueError, OverflowError):
        return None


def _element(chance: Random, place: Place) -> tuple[int, Any]:
    """One that goes, or one like another with an id of its own."""
    ids = [getattr(each, place.by) for each in place.value]
    if chance.random() < 0.35:
        return chance.choice(ids), None
    new = max(ids) + chance.choice((1, 1, 2, 100)) if chance.random() < 0.9 else chance.randrange(1, 60)
    made: Any = {place.by: new}
    like = chance.choice(place.value)
    fields = like.__struct_fields__
    if "name" in fields:
        made["name"] = f"N{new}"
    if "token" in fields:
        made["token"] = chance.randbytes(20)
    elif "vault" in fields:
        made["vault"] = chance.randbytes(20)
    if "accounts" in fields:
        made["accounts"] = tuple(msgspec.structs.replace(each, id=each.id + 1_000 * new) for each in like.accounts)
    after = msgspec.structs.replace(like, **made)
    for _ in range(chance.choice((0, 0, 1, 2))):
        after = msgspec.structs.replace(_other(chance, after), **{place.by: new})
    return new, after


def _other(chance: Random, value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        present = int(value)
        near = (present + 1, max(present - 1, 0), 2 * present, present // 2, 10 * present, present * 9 // 10)
        return chance.choice((*NUMBERS, *near))
    if isinstance(value, bytes):
        return chance.choice((bytes(len(value)), chance.randbytes(len(value))))
    if isinstance(value, str):
        return chance.choice(("x", value[:1], value + "'", "Z" * 65))
    if isinstance(value, msgspec.Struct):
        name = chance.choice(value.__struct_fields__)
        return msgspec.structs.replace(value, **{name: _other(chance, getattr(value, name))})
    items = list(value)
    if items:
        at, kind = chance.randrange(len(items)), chance.randrange(4)
        if kind == 0:
            items.pop(at)
        elif kind == 1:
            items.append(items[at])
        elif kind == 2:
            chance.shuffle(items)
        else:
            items[at] = _other(chance, items[at])
    return tuple(items)


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
        facts: list[Fact] = []
        for asset in state.terms.genesis.assets:
            stride = state.terms.chains[asset.chain_id].custody_stride
            number = state.now.height * 10**6 // stride * stride
            counted = u256(int.from_bytes(state.asset_flows[asset.id].deposited_amount, "big") + FAR)
            seen = (number, u256(number), counted, u256(0), counted)
            facts.append(CustodySeen(asset.chain_id, asset.vault, asset.token, *seen))
        return facts


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


KEPT = frozenset(f"assets.{each}" for each in (1, 2, 3))


def trades(house: World, chance: Random) -> list[Any]:
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
    chance = Random(seed)
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
