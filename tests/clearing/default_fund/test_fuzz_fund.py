"""Random stories of a fund: whatever members do, its parts add up, and states are proven and taken over as ever."""

import random
from collections import Counter

import msgspec
import pytest

from clearing.default_fund.contributions import contributing_and_owing, contribution_micros, required_contribution
from clearing.epochs.exit_tree import exit_tree
from clearing.epochs.snapshot import snapshot_due, take_snapshot
from clearing.margin.statement.snapshot import SlotKind
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default_fund import FundCalled, FundDrawn, FundPaid, FundReturned, FundSized, ReturnCause
from clearing.schema.terms.default import FundSizing
from clearing.state.ledger import FUND_ACCOUNT, inventory_units
from clearing.state.state import State
from tests.kit.clearing.defaults import TERMS, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, ETH_PERP, HOUSE, USDC_1
from tests.kit.clearing.rows import complete_values

WHO = {ALICE: 1, BOB: 2, CAROL: 3, DAVE: 4}


def check_statement_of(state: State) -> None:
    """Every row holds, holdings sum to the totals, and the house's fund with what is listed covers the two largest."""
    snapshot = take_snapshot(state)
    values = complete_values(snapshot)
    (terms,) = snapshot.statement.cover
    members = dict(terms.members)
    assert members[FUND_ACCOUNT] == HOUSE
    uncovered = [at for at, slot in enumerate(snapshot.statement.slots) if slot.kind is SlotKind.UNCOVERED]
    for slot, deficit in zip(uncovered, terms.deficits, strict=True):
        lacks = dict.fromkeys(members.values(), 0)
        for account, member in members.items():
            lacks[member] += values[account][slot]
        assert sum(sorted(lacks.values())[-2:]) <= terms.fund + deficit


class Story:
    """A world with its own books of what receipts told."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        fund = msgspec.structs.replace(
            FUND,
            sizing=self.chance.choice(list(FundSizing)),
            minimum_micros=self.chance.choice((0, 1, 1_000 * DOLLAR)),
            step_micros=self.chance.choice((1, 7, DOLLAR)),
            call_blocks=self.chance.choice((1, 3, 9)),
            return_blocks=self.chance.choice((1, 4)),
            grace_blocks=self.chance.choice((0, 2)),
            lookback_epochs=self.chance.choice((1, 3)),
            buffer_ppm=self.chance.choice((0, 123_457)),
            exposure_memory_ppm=self.chance.choice((0, 800_000)),
            reduce_blocks=(0, 1, 9)[seed % 3],
        )
        self.world = default_world(terms=TERMS, fund=fund)
        self.told: Counter[int] = Counter()
        self.price = 790_000

    def go(self) -> None:
        """One block of random requests, judged."""
        chance, world = self.chance, self.world
        requests = []
        for _ in range(chance.randrange(3)):
            buyer, seller = chance.sample(list(WHO), 2)
            instrument, ticks = chance.choice(((BTC_PERP, self.price), (ETH_PERP, 20_000)))
            requests.append(world.perp_trade(buyer, seller, chance.randrange(1, 25_000), instrument, ticks))
        for account, member in WHO.items():
            missing = required_contribution(world.state, member) - contribution_micros(world.state, member)
            if chance.random() < 0.4:
                requests.append(world.pay(account, max(missing + chance.choice((0, 0, -5, 1)), 0)))
        if chance.random() < 0.2:
            account = chance.choice(list(WHO))
            requests.append(world.withdrawal(account, USDC_1, chance.randrange(1, 30_000) * DOLLAR))
        facts = []
        if chance.random() < 0.3:
            account = chance.choice(list(WHO))
            facts.append(world.deposit_fact(account, USDC_1, chance.randrange(1, 20_000) * DOLLAR))
        world.stride += 4
        facts += world.custody_facts(world.stride)
        move = chance.choice((62, 70, 130)) if chance.random() < 0.08 else chance.randrange(93, 108)
        self.price = min(max(self.price * move // 100, 50_000), 3_000_000)
        self.judge(world.block(*requests, prices=((1, self.price), (2, 20_000)), facts=facts))

    def judge(self, result: BlockResult) -> None:
        """Parts, ledger and receipts say the same."""
        world = self.world
        for each in result.receipts:
            if isinstance(each, FundPaid):
                self.told[each.member] += each.micros
                assert self.told[each.member] == each.contributed
            elif isinstance(each, FundDrawn):
                self.told[each.member] -= each.micros
                assert self.told[each.member] == each.left >= 0
            elif isinstance(each, FundReturned):
                self.told[each.member] -= each.amount if each.cause is ReturnCause.BEYOND_PART else each.surrendered
                assert self.told[each.member] == each.contributed
            elif isinstance(each, FundSized):
                paying = [part.required for part in each.parts if world.status(part.member).value <= 1]
                assert sum(paying) >= each.target or not paying
                assert each.target == max(each.sizes)
            elif isinstance(each, FundCalled):
                assert 0 < each.micros <= each.required - each.contributed
                assert each.deadline > result.height
        parts = Counter({each: contribution_micros(world.state, each) for each in contributing_and_owing(world.state)})
        assert parts == self.told
        assert world.fund == parts.total()
        record = [each for _, each in world.state.contributions.ordered()]
        assert all((each.called > 0) == (each.deadline > 0) for each in record)
        assert all(each.called <= max(each.required - each.micros, 0) for each in record)
        nearest = world.state.fund_sizes.get(0)
        waiting = [h for each in record for h in (each.deadline, each.return_height) if h]
        if waiting:
            assert nearest is not None
            assert 0 < nearest.next_review_height <= max(min(waiting), result.height + 1)
        if snapshot_due(world.state, world.state.now.height):
            check_statement_of(world.state)
            promised = sum(leaf.amount for leaf in exit_tree(world.state).leaves if leaf.asset == USDC_1)
            assert promised <= inventory_units(world.state, world.state.terms.assets[USDC_1])


@pytest.mark.parametrize("seed", range(10))
def test_a_random_story_of_a_fund_adds_up(seed: int) -> None:
    story = Story(seed)
    for _ in range(60):
        story.go()
    world = story.world
    world.read_back()
    assert all(world.every(kind) for kind in (FundSized, FundCalled, FundPaid))
