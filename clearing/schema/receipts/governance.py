"""Receipts of governance.

Rule: as in `clearing.schema.blocks.receipt`, whose union they are part of: a receipt states, it never decides.
"""

from clearing.base.codec import U32, U63, Bytes20, Bytes32, U256Bytes, Wire


class ProposalMade(Wire, frozen=True, tag=140):
    """A proposal can be voted on. `proposer`: envelope key; zeros: the house."""

    index: U32
    number: U63
    proposal: Bytes32
    amendment: Bytes32
    proposer: Bytes32
    vote_until_ms: U63


class VoteCounted(Wire, frozen=True, tag=141):
    """A validator said how it votes. Powers as of the set in force."""

    index: U32
    number: U63
    envelope_key: Bytes32
    approve: bool
    revision: U32
    power: U63
    approving_power: U63
    rejecting_power: U63
    total_power: U63


class ProposalApproved(Wire, frozen=True, tag=142):
    """More than two thirds of the power are for it: it takes effect in the first block at or after `effective_ms`."""

    number: U63
    approving_power: U63
    total_power: U63
    effective_ms: U63


class ProposalClosed(Wire, frozen=True, tag=143):
    """A proposal ended without effect. `code`: of the refusal, `VOTING_OVER` when it was not agreed, or no longer."""

    number: U63
    code: U32
    at: str
    values: tuple[tuple[str, str], ...]


class AmendmentEnacted(Wire, frozen=True, tag=144):
    """The terms of this block and all later ones have this amendment."""

    number: U63
    """Of the amendment."""
    proposal: U63
    """Number of the proposal."""
    amendment: Bytes32
    head: Bytes32


class InstrumentHalted(Wire, frozen=True, tag=145):
    """Until that height an instrument may only be reduced. `by_house`: without a vote."""

    instrument: U32
    until_height: U63
    by_house: bool


class InstrumentResumed(Wire, frozen=True, tag=146):
    """An instrument goes on; by a vote, or because its halt is over."""

    instrument: U32
    by_vote: bool


class VaultDetached(Wire, frozen=True, tag=147):
    """A vault is waited for no more. `set_number`: the validator set that it follows."""

    chain_id: U63
    vault: Bytes20
    set_number: U63
    waited_blocks: U63


class VaultLiability(Wire, frozen=True, tag=150):
    """What a vault that was detached had to pay and was not seen to have paid: it is its own matter from now on.

    Nobody can know whether it was or will be paid, so nothing of it is given back. `amount`: token base units.
    """

    chain_id: U63
    vault: Bytes20
    asset: U32
    amount: U256Bytes


class ValidatorRemoved(Wire, frozen=True, tag=148):
    """By rule: so many proven offences of one kind."""

    envelope_key: Bytes32
    kind: U32
    count: U63
    power: U63


class SuspenseAssigned(Wire, frozen=True, tag=149):
    """Money in suspense went to the account that a vote named."""

    account: U63
    currency: U63
    units: U63
