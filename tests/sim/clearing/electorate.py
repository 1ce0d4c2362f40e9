"""Validators that come, go and misbehave, the vaults that follow them, and a chain that never returns.

Rule: as agents: asks, never writes. What may not move at once, or has too few approvals, is asked for, too.
"""

from random import Random

import msgspec

from clearing.base.validators import Validator, ValidatorSet
from clearing.schema.blocks.block import ProvenOffence
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.requests.governance import Amendment, ValidatorsAmendment, VaultDetachment
from clearing.validators.misbehaviour import is_reported
from tests.kit.clearing.signer import key_of, validator
from tests.sim.clearing.exchange import LIAR, NAMES, Exchange

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
