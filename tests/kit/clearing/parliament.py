"""A chamber whose validators vote: verbs to propose, vote, and let a timelock run out."""

from collections.abc import Mapping, Sequence

import msgspec

from clearing.base import ed25519
from clearing.base.secp256k1 import sign_digest
from clearing.genesis.paths import change_at
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.amendments import Amendment, TermsAmendment, TermsChange
from clearing.schema.requests.governance import (
    HOUSE_PROPOSER,
    EmergencyHalt,
    GovernanceProposal,
    GovernanceVote,
)
from clearing.schema.terms.genesis import CrisisParameters, Genesis, MarketParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.validators.validator_sets import kept_set, set_numbers
from member.signing.requests import signed_by_validator
from tests.kit.clearing.chamber import Chamber, chamber_genesis, envelope_secret
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import DOLLAR, USDC_1, of_kind

VOTE_MS, TIMELOCK_MS = 60_000, 5_000
GOVERNED = GovernanceTerms(
    vote_ms=VOTE_MS,
    timelock_ms=TIMELOCK_MS,
    timelock_floor_ms=2_000,
    halt_blocks_max=20,
    halt_rest_blocks=30,
    detach_blocks=10,
)


def governed_genesis(
    powers: Mapping[int, int] | None = None, terms: GovernanceTerms = GOVERNED, market: MarketParameters | None = None
) -> Genesis:
    genesis = chamber_genesis(powers or dict.fromkeys(range(1, 5), 10), market)
    return msgspec.structs.replace(genesis, crisis=CrisisParameters(governance=terms))


class Parliament(Chamber):
    """Members have cash, every feed has a price, and the house is the default proposer."""

    def __init__(self, genesis: Genesis | None = None, dollars: int = 100_000) -> None:
        super().__init__(genesis=genesis or governed_genesis())
        self.said = 0
        self.step()
        for account in (0, 1, 2, 3):
            self.step(facts=[self.deposit_fact(account, USDC_1, dollars * DOLLAR)])

    def changes(self, *places: tuple[str, object]) -> TermsAmendment:
        """An amendment of these places of the terms in force; None takes off."""
        now = self.state.terms.genesis
        return TermsAmendment(tuple(change_at(now, path, after) for path, after in places))

    def proposal(self, amendment: Amendment, by: int | None = None, **changes: object) -> GovernanceProposal:
        """`by`: name of a validator, None: the house. Every one is another, by its reason."""
        self.said += 1
        proposer = HOUSE_PROPOSER if by is None else self.seat(by)
        plain = GovernanceProposal(proposer, amendment, f"reason {self.said}", self.time_ms + 60_000, b"")
        plain = msgspec.structs.replace(plain, **changes)
        digest = plain.digest(self.network)
        signature = sign_digest(secret(0), digest) if by is None else ed25519.sign(envelope_secret(by), digest)
        return msgspec.structs.replace(plain, signature=signature)

    def seat(self, name: int) -> int:
        """Index of a validator in the set in force."""
        in_force = kept_set(self.state, set_numbers(self.state).next)
        return next(at for at, each in enumerate(in_force.validators) if self.names[each.envelope_key] == name)

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
        self.step(proposal)
        self.step(*self.votes(proposal, names))
        return proposal

    def wait(self, blocks: int = TIMELOCK_MS // 1_000, *transactions: Transaction) -> BlockResult:
        """Blocks of a second; the last has the transactions."""
        for _ in range(blocks - 1):
            self.step()
        return self.step(*transactions)

    def amend(self, *places: tuple[str, object]) -> BlockResult:
        """Change these places, and wait until they are in force."""
        self.agree(self.changes(*places))
        return self.wait()

    def halt(self, instrument: int, until_height: int, number: int = 0, **changes: object) -> EmergencyHalt:
        return self.request(EmergencyHalt, instrument, until_height, number, key=secret(0), **changes)

    def told(self, kind: type[Receipt]) -> list[Receipt]:
        """Receipts of a kind in the last block."""
        found: list[Receipt] = of_kind(self.results[-1], kind)
        return found


__all__ = ["Parliament", "TermsChange", "governed_genesis"]
