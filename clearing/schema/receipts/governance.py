"""Receipts of governance: proposals, votes, amendments, halts, detached vaults, orders to vaults and
removed validators.

Rule: a receipt reports; it never decides.
"""

from clearing.base.codec import U32, U63, Bytes20, Bytes32, U256Bytes, Wire


class ProposalMade(Wire, frozen=True, tag=140):
    """A proposal is open for voting. `proposer`: envelope key; zeros: the house."""

    index: U32
    number: U63
    proposal: Bytes32
    amendment: Bytes32
    proposer: Bytes32
    vote_until_ms: U63


class VoteCounted(Wire, frozen=True, tag=141):
    """A validator voted. Powers are those of the set in force."""

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
    """More than two thirds of the power approve: it takes effect in the first block at or after `effective_ms`."""

    number: U63
    approving_power: U63
    total_power: U63
    effective_ms: U63


class ProposalClosed(Wire, frozen=True, tag=143):
    """A proposal ended without effect. `code`: the refusal, or `VOTING_OVER` when it was not approved, or no longer."""

    number: U63
    code: U32
    at: str
    values: tuple[tuple[str, str], ...]


class AmendmentEnacted(Wire, frozen=True, tag=144):
    """The terms of this block and all later ones contain this amendment."""

    number: U63
    """Number of the amendment."""
    proposal: U63
    """Number of the proposal."""
    amendment: Bytes32
    head: Bytes32


class InstrumentHalted(Wire, frozen=True, tag=145):
    """Positions in an instrument can only be reduced until that height. `by_house`: without a vote."""

    instrument: U32
    until_height: U63
    by_house: bool


class InstrumentResumed(Wire, frozen=True, tag=146):
    """Trading in an instrument resumed, by a vote or because its halt ended."""

    instrument: U32
    by_vote: bool


class VaultDetached(Wire, frozen=True, tag=147):
    """A vault was detached: the network no longer waits for it. `set_number`: the validator set that it follows."""

    chain_id: U63
    vault: Bytes20
    set_number: U63
    waited_blocks: U63


class VaultLiability(Wire, frozen=True, tag=150):
    """What a detached vault owed and was not observed to have paid. It remains that vault's liability.

    Nobody can know whether it was or will be paid, so none of it is refunded. `amount`: token base units.
    """

    chain_id: U63
    vault: Bytes20
    asset: U32
    amount: U256Bytes


class ValidatorRemoved(Wire, frozen=True, tag=148):
    """A validator was removed by rule, after this many proven offences of one kind."""

    envelope_key: Bytes32
    kind: U32
    count: U63
    power: U63


class GuardianOrdered(Wire, frozen=True, tag=153):
    """A vote gave the place of a vault's guardian to another key. The order is leaf `nonce` of the withdrawals tree:
    the vault follows it when it is shown there."""

    nonce: U63
    chain_id: U63
    vault: Bytes20
    guardian: Bytes20


class UpgradeScheduled(Wire, frozen=True, tag=158):
    """From `height` on, blocks follow the rules of this protocol version. It replaces what was scheduled before."""

    version: U32
    height: U63


class UpgradeCancelled(Wire, frozen=True, tag=159):
    """A vote cancelled the upgrade to this protocol version that was scheduled for `height`."""

    version: U32
    height: U63


class UpgradeBegun(Wire, frozen=True, tag=160):
    """This block is the first that follows the rules of this protocol version."""

    version: U32


class SuspenseAssigned(Wire, frozen=True, tag=149):
    """Money in suspense was assigned to the account that a vote named."""

    account: U63
    currency: U63
    units: U63
