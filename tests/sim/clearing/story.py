"""One story: agents out of a seed, block after block, every operation counted and audited."""

from collections import Counter
from random import Random

from clearing.apply_block import apply_block
from clearing.context.member_status import member_status
from clearing.schema.blocks.receipt import Refused
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import Fact
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.default import LossAllocated
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed, WithdrawalReleased
from clearing.schema.records.default import MemberStatus
from tests.kit.clearing.gated import not_executed
from tests.kit.clearing.world import executed
from tests.sim.clearing.agents import KINDS, Agent, Newcomer, Offer
from tests.sim.clearing.audit import Watch, audit_block
from tests.sim.clearing.council import Council, Electorate
from tests.sim.clearing.crisis_audit import CrisisAudit, audit_end
from tests.sim.clearing.exchange import FIRST, MEMBERS, Exchange
from tests.sim.clearing.floor import Floor
from tests.sim.clearing.seed_rotations import SeedRotations
from tests.sim.clearing.session_signing import SessionSigning
from tests.sim.clearing.signatures import looked_up
from tests.sim.clearing.variant_audit import VariantAudit
from tests.sim.clearing.variants import NEWCOMER
from tests.sim.violation import require

QUIET_BLOCKS = 150
STRANGER_BLOCKS = 16
"""So often a stranger reads a snapshot and applies the next block."""


class Story:
    """`run` it; then `accepted`, `refused` and `receipt_counts` say what happened."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed * 7919 + 1)
        self.world = Exchange(seed)
        self.agents: list[Agent] = [KINDS[at % len(KINDS)](FIRST + at, seed * 1000 + at) for at in range(MEMBERS)]
        if self.world.variant.listings:
            self.agents.append(Newcomer(NEWCOMER, seed * 1000 + NEWCOMER))
        self.watch = Watch()
        self.audit = CrisisAudit()
        self.variant_audit = VariantAudit()
        self.electorate = Electorate(seed)
        self.council = Council(seed, self.electorate)
        self.floor = Floor(seed)
        self.sessions = SessionSigning(seed)
        self.seeds = SeedRotations(seed)
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.receipt_counts: Counter[str] = Counter()
        self.released: list[WithdrawalReleased] = []
        self.lost: list[WithdrawalReleased] = []
        """Withdrawals that nobody takes to their vault in time."""
        self.prices: list[tuple[int, dict[int, int]]] = [(self.world.state.now.time_ms, dict(self.world.ticks))]
        """What honest validators reported lately."""

    def run(self, blocks: int) -> None:
        """So many blocks, then quiet ones until all has ended. Raises Violation or Bug."""
        with looked_up(), self.watch.watching():
            for _ in range(blocks):
                self.block()
            for _ in range(QUIET_BLOCKS):
                self.quiet()
            audit_end(self.world.state, max(self.audit.liquidated), self.world.lost)

    def quiet(self) -> None:
        """Prices stand still, everything is seen, nobody asks for anything."""
        self.world.silent, self.world.unpriced, self.world.lies = (), (), {}
        self.world.look()
        self.apply([], self.bridge())

    def block(self) -> None:
        """Prices move, everybody acts, the block is applied and audited."""
        world = self.world
        world.move()
        facts = [fact for agent in self.agents for fact in agent.facts(world)] + self.bridge()
        present = [agent for agent in self.agents if agent.account in world.owned]
        requests = self.sessions.signed(world, self.trades(present)) + self.sessions.names(world)
        requests += self.floor.requests(world) + self.electorate.requests(world)
        for agent in present:
            requests += agent.requests(world) + agent.besides(world)
        if not world.is_calm:
            facts += [fact for agent in present for fact in agent.dues(world)]
            requests += [each for agent in present for each in agent.in_crisis(world)] + self.council.requests(world)
        self.chance.shuffle(requests)
        requests += self.seeds.requests(world)
        world.offences = self.electorate.offences(world)
        self.apply(requests, facts)

    def apply(self, requests: list[Transaction], facts: list[Fact]) -> None:
        world = self.world
        stranger = world.restored() if world.state.now.height % STRANGER_BLOCKS == 0 else None
        result = world.play(requests, facts)
        if stranger is not None:
            other, replayed = apply_block(stranger, world.blocks[-1])
            same = replayed == result and other.module_roots() == world.state.module_roots()
            require(same, "a stranger with a snapshot comes to another state", height=result.height)
        priced = {feed: ticks for feed, ticks in world.ticks.items() if feed not in world.unpriced}
        self.prices = [*self.prices[-40:], (world.state.now.time_ms, priced)]
        audit_block(world.state, result, self.prices)
        self.audit.block(world.state, result, self.prices)
        self.variant_audit.block(world.state, result)
        self.seeds.block(world.state, requests, result)
        world.blocks.clear()
        world.results.clear()
        refused = {receipt.index: receipt.code for receipt in result.receipts if isinstance(receipt, Refused)}
        for index, request in enumerate(requests):
            name = type(request).__name__
            if index in refused:
                self.refused[f"{name} {ClearingCode(refused[index]).name}"] += 1
            else:
                self.accepted[name] += 1
        for receipt in result.receipts:
            self.receipt_counts[type(receipt).__name__] += 1
            if isinstance(receipt, LossAllocated):
                self.receipt_counts.update(
                    f"LossAllocated by {step.layer.name}" for step in receipt.steps if step.loss_borne
                )
            elif isinstance(receipt, DepositCredited | WithdrawalConfirmed):
                self.accepted[type(receipt).__name__] += 1
            elif isinstance(receipt, WithdrawalReleased):
                self.released.append(receipt)

    def trades(self, present: list[Agent]) -> list[Transaction]:
        """Offers that somebody takes, signed by both."""
        made: list[Transaction] = []
        # A member that may not trade tries all the same, but seldom.
        trading = [each for each in present if self._may_trade(each) or self.chance.random() < 0.05]
        for agent in trading:
            for offer in agent.offers(self.world):
                if offer.instrument not in self.world.open and self.chance.random() < 0.95:
                    continue
                taker = next((each for each in self._others(agent, trading) if each.takes(self.world, offer)), None)
                if taker is not None:
                    made.append(self._trade(offer, taker.account))
        return made

    def bridge(self) -> list[Fact]:
        """Withdrawals are paid after a while, counters are reported now and then."""
        facts: list[Fact] = []
        now_s = self.world.state.now.time_ms // 1000
        while self.released and self.chance.random() < 0.5:
            one = self.released.pop(0)
            gone = one.not_after_s <= now_s or one.chain_id in self.world.lost
            if gone or (not self.world.is_calm and self.chance.random() < 0.1):
                self.lost.append(one)
            else:
                facts.append(executed(one.chain_id, one.nonce))
        facts += self.electorate.facts(self.world)
        for one in [each for each in self.lost if each.not_after_s < now_s]:
            self.lost.remove(one)
            facts.append(not_executed(self.world, one.nonce, block_number=1_000 + one.nonce))
        if self.world.state.now.height % 4 == 0:
            facts += self.world.custody_facts(4 * self.world.state.now.height)
        return facts

    def _may_trade(self, agent: Agent) -> bool:
        state = self.world.state
        free = member_status(state, agent.account) is MemberStatus.ACTIVE and agent.account not in state.restrictions
        return free and agent.free(self.world) > 0

    def _others(self, agent: Agent, trading: list[Agent]) -> list[Agent]:
        others = [each for each in trading if each is not agent]
        self.chance.shuffle(others)
        return others

    def _trade(self, offer: Offer, taker: int) -> Transaction:
        buyer, seller = (offer.account, taker) if offer.lots > 0 else (taker, offer.account)
        return self.world.trade(buyer, seller, offer.instrument, abs(offer.lots), offer.ticks)


def told_of(seed: int, blocks: int) -> tuple[int, str, Counter[str], Counter[str], Counter[str]]:
    """Run one seed: its number, what failed, and the counters of accepted, refused and receipts."""
    story = Story(seed)
    fault = ""
    try:
        story.run(blocks)
    except Exception as error:  # whatever it is, it is what a story looks for
        fault = f"{type(error).__name__}: {error}"
    return seed, fault, story.accepted, story.refused, story.receipt_counts
