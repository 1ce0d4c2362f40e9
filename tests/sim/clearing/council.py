"""Validators and the house: who comes, goes and misbehaves; proposals, votes, halts; sensible, hasty and hostile ones.

Rule: as agents: asks, never writes. One validator votes against everything, one changes its mind; vaults follow after a
while, and a chain may never return. What may not move at once, or has too few approvals, is asked for, too.
"""

from random import Random
from typing import Any

import msgspec

from clearing.base.codec import encode
from clearing.base.validators import Validator, ValidatorSet
from clearing.genesis.paths import change_at, value_at
from clearing.schema.blocks.block import ProvenOffence
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.records.governance import ProposalStage
from clearing.schema.requests.governance import (
    HOUSE_PROPOSER,
    Amendment,
    EmergencyHalt,
    GovernanceProposal,
    GovernanceVote,
    GuardianOrder,
    InstrumentHalt,
    InstrumentResumption,
    ProtocolUpgrade,
    SuspenseAssignment,
    TermsAmendment,
    TermsChange,
    UpgradeCancellation,
    ValidatorsAmendment,
    VaultDetachment,
)
from clearing.schema.terms.genesis import Genesis
from clearing.state.protocol_version import protocol_of
from clearing.validators.misbehaviour import is_reported
from member.signing.requests import signed_by_validator
from tests.kit.clearing.genesis import BTC_PERP, DOLLAR, ETH_PERP, HOUSE, USD, VAULTS
from tests.kit.clearing.signer import envelope_secret, key_of, secret, validator
from tests.sim.clearing.exchange import FIRST, LIAR, LISTED, NAMES, Exchange
from tests.sim.clearing.variants import listing

FEWEST, MOST = 4, 6
POWERS = (8, 10, 10, 12)
LOST_CHAIN = 2


class Electorate:
    """Asks once in a while; the same seed asks the same."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed * 29 + 5)
        self.loses_chain = self.chance.random() < 0.4
        """Whether a vault will be waited for in vain."""

    def requests(self, world: Exchange) -> list[Transaction]:
        """A change of validators, by those in force."""
        if not world.variant.validators_change or self.chance.random() > 0.1:
            return []
        left, entered = self.moves(world.in_force)
        change = world.unsigned([world.names[key] for key in left], entered, not_after_ms=world.time_ms + 60_000)
        names = list(world.seats)
        if self.chance.random() < 0.2:
            names = self.chance.sample(names, self.chance.randint(1, len(names)))
        change = world.signed(change, names)
        if self.chance.random() < 0.1:
            change = msgspec.structs.replace(change, number=change.number + 1)
        return [change]

    def moves(self, before: ValidatorSet) -> tuple[list[bytes], list[Validator]]:
        """Who goes, and who comes or has another power: one, seldom two."""
        chance = self.chance
        present = {each.envelope_key: each.power for each in before.validators}
        absent = [name for name in NAMES if key_of(name) not in present]
        kind = chance.random()
        if kind < 0.5 and len(present) > FEWEST:
            return chance.sample(sorted(present), 2 if kind < 0.2 else 1), []
        if kind < 0.8 and len(present) < MOST and absent:
            return [], [validator(chance.choice(absent), chance.choice(POWERS))]
        name = chance.choice([each for each in NAMES if key_of(each) in present and each != LIAR])
        return [], [validator(name, chance.choice((*POWERS, 9, 11)))]

    def amendment(self, world: Exchange) -> Amendment:
        """The same by a vote, or that a vault that nobody hears of is waited for no more."""
        held = world.state.set_changes.get(0)
        if held is not None and held.awaited_vaults:
            return VaultDetachment(*self.chance.choice(held.awaited_vaults))
        left, entered = self.moves(world.in_force)
        return ValidatorsAmendment(world.in_force.hash, tuple(left), tuple(entered))

    def facts(self, world: Exchange) -> list[Fact]:
        """World that have followed, each after a while."""
        held = world.state.set_changes.get(0)
        if held is None or world.state.now.height <= held.height:
            return []
        if self.loses_chain and held.number > 1:
            world.lost = (LOST_CHAIN,)
        chains = [chain for chain, _ in held.awaited_vaults if chain not in world.silent and self.chance.random() < 0.3]
        return list(world.rotations(chains, source=held.number.to_bytes(32, "big")))

    def offences(self, world: Exchange) -> tuple[ProvenOffence, ...]:
        """What consensus proves of somebody, seldom."""
        height = world.state.now.height
        if not world.variant.validators_change or self.chance.random() > 0.02:
            return ()
        if len(world.in_force.validators) <= FEWEST:
            # Or removals would leave the liar with more than a third.
            return ()
        key, kind = key_of(self.chance.choice(NAMES)), self.chance.randint(1, 2)
        if is_reported(world.state, key, height, kind):
            return ()
        return (ProvenOffence(key, kind, height, 0, 10),)


REBEL, WAVERER = 4, 3
"""Validators by name."""
WORDS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("market.trade_fee_ppm", (50, 100, 150)),
    ("market.liquidation_penalty_ppm", (0, 5_000, 20_000)),
    ("market.move_cap_ppm", (200_000, 300_000)),
    ("market.liquidations_per_block", (1, 8, 64)),
    ("risk.groups.1.range_ppm", (150_000, 200_000, 260_000)),
    ("risk.groups.2.range_ppm", (200_000, 250_000, 320_000)),
    ("risk.maintenance_numerator", (3, 4)),
    ("risk.cash_limit_micros", (200 * DOLLAR, 1_000 * DOLLAR)),
    ("crisis.calls.deadline_blocks", (0, 2, 5)),
    ("crisis.calls.early_ppm", (0, 100_000)),
    ("crisis.liquidation.auction_blocks", (0, 3)),
    ("crisis.liquidation.step_ppm", (250_000, 1_000_000)),
    ("crisis.liquidation.cooldown_blocks", (0, 2)),
    ("crisis.default.auction_blocks", (0, 5)),
    ("crisis.default.reveal_blocks", (0, 1, 3)),
    ("crisis.default.auction_own_money", (False, True)),
    ("crisis.default.auction_absence_ppm", (0, 300_000)),
    ("crisis.default.porting_blocks", (0, 3)),
    ("crisis.default.assessment_ppm", (0, 1_000_000)),
    ("crisis.default.house_capital_micros", (0, 1_000 * DOLLAR)),
    ("crisis.fund.minimum_micros", (1, 100 * DOLLAR)),
    ("crisis.gates.waiting_per_owner_max", (1, 4)),
)
HOSTILE: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("risk.groups.1.range_ppm", (0, 1, 2**32 - 1)),
    ("risk.maintenance_numerator", (0, 6)),
    ("market.trade_fee_ppm", (10**6,)),
    ("crisis.governance.timelock_ms", (0, 1)),
    ("crisis.default.enabled", (0,)),
    ("crisis.liquidation.end_ppm", (10**6,)),
    ("crisis.fund.cash_group", (0, 77)),
    ("members.10.trade_address", (0,)),
    ("nothing.of.the.kind", (1,)),
)


class Council:
    """Asks once in a while; the same seed asks the same."""

    def __init__(self, seed: int, electorate: Electorate) -> None:
        self.chance = Random(seed * 17 + 3)
        self.electorate = electorate
        self.revisions: dict[tuple[bytes, int], int] = {}

    def requests(self, world: Exchange) -> list[Transaction]:
        made: list[Transaction] = []
        if self.chance.random() < 0.3:
            made.append(self.proposal(world))
        if self.chance.random() < 0.04:
            made.append(self.emergency(world))
        return made + self.votes(world)

    def proposal(self, world: Exchange) -> Transaction:
        """Something to vote on, by a validator, the house, or somebody who says to be one."""
        chance, amendment = self.chance, self.amendment(world)
        proposer = chance.choice((0, 1, 2, 3, HOUSE_PROPOSER))
        until = world.time_ms + chance.choice((1_000, 20_000, 60_000))
        proposal = GovernanceProposal(proposer, amendment, f"as of {world.state.now.height}", until, b"")
        if proposer == HOUSE_PROPOSER:
            return world.sign(proposal, secret(chance.choice((HOUSE, HOUSE, FIRST))))
        names = list(world.seats)
        name = names[min(chance.choice((proposer, proposer, proposer, 0)), len(names) - 1)]
        return signed_by_validator(world.network, proposal, envelope_secret(name))

    def amendment(self, world: Exchange) -> Amendment:
        """One in four is hostile."""
        chance, genesis = self.chance, world.state.terms.genesis
        if world.variant.listings and chance.random() < 0.3:
            return listing(genesis, world.time_ms, chance)
        if world.variant.validators_change and chance.random() < 0.2:
            return self.electorate.amendment(world)
        kind = chance.random()
        if kind < 0.1:
            return InstrumentHalt(chance.choice((BTC_PERP, ETH_PERP, 77)), chance.randint(0, 400))
        if kind < 0.15:
            return InstrumentResumption(chance.choice((BTC_PERP, ETH_PERP)))
        if kind < 0.2:
            return SuspenseAssignment(chance.choice((FIRST, 999)), USD, chance.choice((1, 10**6, 10**12)))
        if kind < 0.22:
            return VaultDetachment(1, VAULTS[1])
        if kind < 0.24:
            return GuardianOrder(chance.choice((1, 2)), VAULTS[1], bytes([chance.randint(0, 2)]) * 20)
        if kind < 0.26:
            return self.upgrade(world)
        if kind < 0.3 and value_at(genesis, f"instruments.{LISTED}") is None:
            pattern = value_at(genesis, f"instruments.{BTC_PERP}")
            more = msgspec.structs.replace(pattern, id=LISTED, name="BTC-MORE")
            return TermsAmendment((change_at(genesis, f"instruments.{LISTED}", more),))
        return self.terms(genesis)

    def upgrade(self, world: Exchange) -> Amendment:
        """Of the protocol version: far ahead, too near, moved, or cancelled."""
        chance, now, scheduled = self.chance, world.state.now.height, protocol_of(world.state).next_height
        if chance.random() < 0.3:
            return UpgradeCancellation(scheduled)
        height = now + chance.choice((1, 99, 10_000, 20_000))
        return ProtocolUpgrade(chance.choice((1, 2, 2, 2, 3)), height, chance.choice((scheduled, scheduled, 0)))

    def terms(self, genesis: Genesis) -> TermsAmendment:
        """Other words in one or two places."""
        chance = self.chance
        hostile = chance.random() < 0.25
        changes = []
        for path, values in chance.sample(HOSTILE if hostile else WORDS, chance.choice((1, 1, 2))):
            value: Any = chance.choice(values)
            try:
                changes.append(change_at(genesis, path, value))
            except Exception:  # there is no such place: said all the same
                changes.append(TermsChange(path, bytes(32), encode(value)))
        return TermsAmendment(tuple(changes))

    def emergency(self, world: Exchange) -> Transaction:
        """The house halts an instrument; sometimes for longer than it may, or in its name by a member."""
        instrument = self.chance.choice((BTC_PERP, ETH_PERP))
        record = world.state.halts.get(instrument)
        until = world.state.now.height + self.chance.choice((2, 5, 50))
        key = secret(self.chance.choice((HOUSE, HOUSE, FIRST)))
        return world.request(EmergencyHalt, instrument, until, record.number if record else 0, key=key)

    def votes(self, world: Exchange) -> list[Transaction]:
        """On every proposal that is open, by each validator now and then."""
        made: list[Transaction] = []
        for proposal, held in world.state.proposals.ordered():
            if held.stage is ProposalStage.CLOSED:
                continue
            for name, index in world.seats.items():
                wavers = name == WAVERER and self.chance.random() < 0.1
                if (proposal, name) in self.revisions and not wavers:
                    continue
                if self.chance.random() < 0.5:
                    continue
                revision = self.revisions.get((proposal, name), 0) + 1
                self.revisions[(proposal, name)] = revision
                approve = name != REBEL and (not wavers or self.chance.random() < 0.5)
                vote = GovernanceVote(proposal, index, approve, revision, world.time_ms + 60_000, bytes(64))
                made.append(signed_by_validator(world.network, vote, envelope_secret(name)))
        return made
