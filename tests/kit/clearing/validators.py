"""Validators with real keys, called by small numbers, and all they sign: changes of their set, proposals and votes."""

from collections.abc import Mapping, Sequence

import msgspec

from clearing.base.errors import Rejected
from clearing.base.validators import Validator, ValidatorSet
from clearing.genesis.paths import change_at
from clearing.governance.effects import validate_terms
from clearing.schema.blocks.block import BlockExtension, BlockInput, BlockResult, ProvenOffence, VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import ValidatorsRotated
from clearing.schema.requests.governance import (
    HOUSE_PROPOSER,
    Amendment,
    EmergencyHalt,
    GovernanceProposal,
    GovernanceVote,
    TermsAmendment,
    ValidatorsAmendment,
)
from clearing.schema.requests.validators import ValidatorChange, with_approval
from clearing.state.state import State
from clearing.validators.validator_sets import set_numbers, stored_set, validator_sets
from member.signing.requests import sign_approval, signed_by_validator
from tests.kit.clearing.genesis import VAULTS
from tests.kit.clearing.signer import envelope_secret, key_of, names_by_key, secret

SOURCE = b"\x0c" * 32
WAIT_BLOCKS = 5
"""Of a second each: the timelock of `GOVERNED`."""


class Validators:
    """Verbs of a world whose validators have real keys; `said` of a block is by name, and only who certified speaks."""

    proposals = 0

    @property
    def names(self) -> dict[bytes, int]:
        """Names by envelope key."""
        return names_by_key()

    @property
    def in_force(self) -> ValidatorSet:
        """The set that a change starts from, and that votes."""
        return stored_set(self.state, set_numbers(self.state).next)

    @property
    def seats(self) -> dict[int, int]:
        """Names in the set in force, with their indices."""
        return {self.names[each.envelope_key]: index for index, each in enumerate(self.in_force.validators)}

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
        now = self.state.now
        block = BlockInput(now.height + 1, now.time_ms + after_ms, observed, certified.total_power, transactions)
        return self.apply(msgspec.structs.replace(block, misbehaviour=tuple(misbehaviour)))

    def unsigned(
        self, left: Sequence[int] = (), entered: Sequence[Validator] = (), **changes: object
    ) -> ValidatorChange:
        """A change that states the truth about itself."""
        keys = [key_of(name) for name in left]
        change = plain_change(self.state, keys, entered, self.state.now.time_ms + 3_600_000)
        return msgspec.structs.replace(change, **changes)

    def signed(self, change: ValidatorChange, names: Sequence[int] = ()) -> ValidatorChange:
        """With the approvals of these, by default of all in force."""
        for name, index in self.seats.items():
            if not names or name in names:
                change = with_approval(change, sign_approval(change, self.network, index, envelope_secret(name)))
        return change

    def change(self, left: Sequence[int] = (), entered: Sequence[Validator] = ()) -> BlockResult:
        """Apply a change that everybody signed."""
        return self.block(self.signed(self.unsigned(left, entered)))

    def rotations(self, chains: Sequence[int] = tuple(VAULTS), **changes: object) -> tuple[ValidatorsRotated, ...]:
        """What vaults tell once they were shown the header after the change under way."""
        held = self.state.set_changes[0]
        plain = [
            ValidatorsRotated(
                chain,
                self.state.terms.chains[chain].vault,
                held.height + 1,
                stored_set(self.state, held.number).hash,
                50,
                b"\x0b" * 32,
                SOURCE,
            )
            for chain in chains
        ]
        return tuple(msgspec.structs.replace(each, **changes) for each in plain)

    def settle(self) -> BlockResult:
        """Blocks until the change under way is over."""
        result = self.block(facts=self.rotations())
        while 0 in self.state.set_changes:
            result = self.block()
        return result

    def changes(self, *places: tuple[str, object]) -> TermsAmendment:
        """An amendment of these places of the terms in force; None takes off."""
        now = self.state.terms.genesis
        return TermsAmendment(tuple(change_at(now, path, after) for path, after in places))

    def seats_changed(self, left: Sequence[int] = (), entered: Sequence[Validator] = ()) -> ValidatorsAmendment:
        """An amendment of the set in force."""
        return ValidatorsAmendment(self.in_force.hash, tuple(sorted(map(key_of, left))), tuple(entered))

    def judged(self, *places: tuple[str, object]) -> Rejected | None:
        """Why no vote may change these places so; None when one may."""
        result = validate_terms(self.state, self.changes(*places))
        return result if isinstance(result, Rejected) else None

    def proposal(self, amendment: Amendment, by: int | None = None, **changes: object) -> GovernanceProposal:
        """`by`: name of a validator, None: the house. Every one is another, by its reason."""
        self.proposals += 1
        proposer = HOUSE_PROPOSER if by is None else self.seat(by)
        fields = (proposer, amendment, f"reason {self.proposals}")
        plain = self.request(GovernanceProposal, *fields, key=secret(0), **changes)
        if by is None:
            return plain
        return signed_by_validator(self.network, plain, envelope_secret(by))

    def seat(self, name: int) -> int:
        """Index of a validator in the set in force."""
        return self.seats[name]

    def vote(
        self, proposal: GovernanceProposal, name: int, approve: bool = True, revision: int = 1, **changes: object
    ) -> GovernanceVote:
        plain = GovernanceVote(
            proposal.content(self.network), self.seat(name), approve, revision, self.time_ms + 60_000, bytes(64)
        )
        return signed_by_validator(self.network, msgspec.structs.replace(plain, **changes), envelope_secret(name))

    def votes(self, proposal: GovernanceProposal, names: Sequence[int] = (1, 2, 3)) -> list[GovernanceVote]:
        return [self.vote(proposal, name) for name in names]

    def agree(self, amendment: Amendment, names: Sequence[int] = (1, 2, 3)) -> GovernanceProposal:
        """Propose, and let these vote for it."""
        proposal = self.proposal(amendment)
        self.block(proposal)
        self.block(*self.votes(proposal, names))
        return proposal

    def wait(self, blocks: int = WAIT_BLOCKS, *transactions: Transaction) -> BlockResult:
        """Blocks of a second; the last has the transactions."""
        for _ in range(blocks - 1):
            self.block()
        return self.block(*transactions)

    def amend(self, *places: tuple[str, object]) -> BlockResult:
        """Change these places, and wait until they are in force."""
        self.agree(self.changes(*places))
        return self.wait()

    def halt(self, instrument: int, until_height: int, number: int = 0, **changes: object) -> EmergencyHalt:
        return self.request(EmergencyHalt, instrument, until_height, number, key=secret(0), **changes)


def plain_change(
    state: State, left: Sequence[bytes], entered: Sequence[Validator], not_after_ms: int
) -> ValidatorChange:
    """A change without approvals: who has these keys goes, and who enters comes or has another power."""
    number = set_numbers(state).next
    before = stored_set(state, number)
    kept = {each.envelope_key: each for each in (*before.validators, *entered) if each.envelope_key not in left}
    return ValidatorChange(
        number=number + 1,
        before=before.hash,
        after=ValidatorSet(tuple(kept[key] for key in sorted(kept))).hash,
        left=tuple(sorted(left)),
        entered=tuple(sorted(entered, key=lambda each: each.envelope_key)),
        not_after_ms=not_after_ms,
        approvals=(),
    )
