"""A world whose validators have real keys, with verbs to change them and to let each of them speak."""

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from clearing.apply_block import apply_block
from clearing.base import bls, ed25519
from clearing.base.validators import Validator, ValidatorSet
from clearing.schema.blocks.block import BlockExtension, BlockInput, BlockResult, ProvenOffence
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.blocks.vote_extension import VoteExtension
from clearing.schema.facts import Fact, ValidatorsRotated
from clearing.schema.requests.validators import ValidatorChange, with_approval
from clearing.schema.terms.genesis import Genesis, MarketParameters
from clearing.validators.validator_sets import kept_set, set_numbers, validator_sets
from member.signing.requests import sign_approval
from tests.kit.clearing.world import BTC, ETH, START_MS, VAULTS, World, make_genesis, reports

SOURCE = b"\x0c" * 32
PRICES = ((BTC, 790_000), (ETH, 20_000))


def envelope_secret(name: int) -> bytes:
    return bytes([name]) * 32


@cache
def key_of(name: int) -> bytes:
    return ed25519.public_key(envelope_secret(name))


@cache
def validator(name: int, power: int = 10, bls_name: int | None = None) -> Validator:
    """`bls_name`: whose BLS key, by default the own."""
    secret = bls.secret_from_seed(bytes([bls_name or name]) * 32)
    return Validator(key_of(name), bls.public_key(secret), power, bls.prove_possession(secret))


def set_with(powers: Mapping[int, int]) -> ValidatorSet:
    return ValidatorSet(tuple(sorted((validator(*each) for each in powers.items()), key=lambda v: v.envelope_key)))


def chamber_genesis(powers: Mapping[int, int], market: MarketParameters | None = None, chains: bool = True) -> Genesis:
    genesis = msgspec.structs.replace(make_genesis(market), validators=set_with(powers))
    if chains:
        return genesis
    bare = msgspec.structs.replace(genesis, chains=(), assets=(), instruments=())
    return msgspec.structs.replace(bare, risk=msgspec.structs.replace(genesis.risk, concentration=()))


class Chamber(World):
    """Validators are called by small numbers; `said` of a block is by name, and only who certified may speak."""

    def __init__(self, powers: Mapping[int, int] | None = None, genesis: Genesis | None = None) -> None:
        self.names: dict[bytes, int] = {key_of(name): name for name in range(1, 40)}
        super().__init__(genesis or chamber_genesis(powers or dict.fromkeys(range(1, 5), 10)))

    def speakers(self) -> dict[int, int]:
        """Names in the set whose extensions the next block carries, with their indices."""
        found = validator_sets(self.state).last.validators
        return {self.names[each.envelope_key]: index for index, each in enumerate(found)}

    def hear(
        self,
        said: Mapping[int, VoteExtension],
        *transactions: Transaction,
        after_ms: int = 1_000,
        misbehaviour: Sequence[ProvenOffence] = (),
    ) -> BlockResult:
        """A block with these extensions."""
        certified, seats = validator_sets(self.state).last, self.speakers()
        observed = tuple(
            BlockExtension(seats[name], certified.validators[seats[name]].power, each) for name, each in said.items()
        )
        block = BlockInput(
            self.state.now.height + 1,
            self.state.now.time_ms + after_ms,
            observed,
            certified.total_power,
            transactions,
            tuple(misbehaviour),
        )
        return self.apply(block)

    def step(self, *transactions: Transaction, facts: Sequence[Fact] = (), names: Sequence[int] = ()) -> BlockResult:
        """A block in which everybody, or these, tell the same prices and facts."""
        said = VoteExtension(reports(*PRICES, time_ms=self.state.now.time_ms + 1_000), tuple(facts))
        return self.hear(dict.fromkeys(names or self.speakers(), said), *transactions)

    def unsigned(
        self, left: Sequence[int] = (), entered: Sequence[Validator] = (), **changes: object
    ) -> ValidatorChange:
        """A change that states the truth about itself."""
        number = set_numbers(self.state).next
        before = kept_set(self.state, number)
        gone = {key_of(name) for name in left}
        kept = {each.envelope_key: each for each in before.validators if each.envelope_key not in gone}
        kept.update((each.envelope_key, each) for each in entered)
        after = ValidatorSet(tuple(kept[key] for key in sorted(kept)))
        plain = ValidatorChange(
            number=number + 1,
            before=before.hash,
            after=after.hash,
            left=tuple(sorted(gone)),
            entered=tuple(sorted(entered, key=lambda each: each.envelope_key)),
            not_after_ms=self.state.now.time_ms + 3_600_000,
            approvals=(),
        )
        return msgspec.structs.replace(plain, **changes)

    def signed(self, change: ValidatorChange, names: Sequence[int] = ()) -> ValidatorChange:
        """With the approvals of these, by default of all in force."""
        in_force = kept_set(self.state, set_numbers(self.state).next)
        for index, each in enumerate(in_force.validators):
            name = self.names[each.envelope_key]
            if not names or name in names:
                change = with_approval(change, sign_approval(change, self.network, index, envelope_secret(name)))
        return change

    def change(self, left: Sequence[int] = (), entered: Sequence[Validator] = ()) -> BlockResult:
        """Apply a change that everybody signed."""
        return self.step(self.signed(self.unsigned(left, entered)))

    def rotations(self, chains: Sequence[int] = tuple(VAULTS), **changes: object) -> tuple[ValidatorsRotated, ...]:
        """What vaults tell once they were shown the header after the change under way."""
        held = self.state.set_changes[0]
        plain = [
            ValidatorsRotated(
                chain, VAULTS[chain], held.height + 1, kept_set(self.state, held.number).hash, 50, b"\x0b" * 32, SOURCE
            )
            for chain in chains
        ]
        return tuple(msgspec.structs.replace(each, **changes) for each in plain)

    def settle(self) -> BlockResult:
        """Blocks until the change under way is over."""
        result = self.step(facts=self.rotations())
        while 0 in self.state.set_changes:
            result = self.step()
        return result

    def fork_with(self, block: BlockInput) -> BlockResult:
        """The outcome of a block that is not decided."""
        return apply_block(self.state, block)[1]


__all__ = ["START_MS", "Chamber", "chamber_genesis", "key_of", "set_with", "validator"]
