"""Records of governance: proposals, votes, amendments, halts and detached vaults.

Rule: data only. Enacted amendments stay forever, in order: genesis and these give the terms in force. Other proposals
are deleted once they can no longer be submitted again.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Bytes32, Wire
from clearing.schema.requests.governance import Amendment, TermsChangingAmendment


class ProposalStage(IntEnum):
    """Stage of a proposal."""

    OPEN = 0
    """Open for voting."""
    AGREED = 1
    """More than two thirds of the power approve; the timelock runs. Votes can still be changed."""
    CLOSED = 2
    """Enacted, failed, or not approved in time. Remembered so that it cannot be submitted again."""


class ProposalRecord(Wire, frozen=True):
    """A proposal, under its hash."""

    number: U63
    """Order of arrival, from 1."""
    proposer: Bytes32
    """Envelope key; zeros: the house."""
    seat: U32
    """As named in the request. Voters recompute the proposal's hash with it."""
    amendment: Amendment | None
    """None when closed."""
    reason: str
    proposed_height: U63
    vote_until_ms: U63
    """Block time up to and including which it can be approved."""
    not_after_ms: U63
    stage: ProposalStage = ProposalStage.OPEN
    effective_ms: U63 = 0
    """When approved: block time at which it takes effect."""


class VoteRecord(Wire, frozen=True):
    """The last vote of an envelope key, under (proposal number, key)."""

    approve: bool
    revision: U32


class AmendmentRecord(Wire, frozen=True):
    """An enacted amendment of the terms, under its number from 1."""

    height: U63
    """Height of the block in which it took effect."""
    time_ms: U63
    proposal: Bytes32
    amendment: TermsChangingAmendment
    chain_head: Bytes32
    """Hash chain over all amendments up to this one, which a certificate of amendments states."""


class HaltRecord(Wire, frozen=True):
    """An instrument's halts: the one in force, or the last."""

    since_height: U63
    until_height: U63
    """The first height of trading again. At or below the present height: it is not halted."""
    number: U63 = 0
    """How many halts the house alone ordered."""
    rested_height: U63 = 0
    """From this height on the house alone may halt it again."""


class GovernanceCounters(Wire, frozen=True):
    """Under key 0: numbers of proposals and amendments, and the hash chain over the amendments."""

    proposals: U63 = 0
    amendments: U63 = 0
    chain_head: Bytes32 = bytes(32)


class DetachedVaultRecord(Wire, frozen=True):
    """A vault that was detached, under (chain id, vault)."""

    height: U63
    number: U63
    """Number of the last validator set that it followed; it never follows a later one."""


class ProtocolRecord(Wire, frozen=True):
    """Under 0, from the first scheduled upgrade on: the protocol version in force, and the scheduled one."""

    version: U32
    since_height: U63
    """The first block that followed it."""
    next_version: U32 = 0
    """0: nothing is scheduled."""
    next_height: U63 = 0


class RemovedOffencesRecord(Wire, frozen=True):
    """Under (envelope key, kind): the offences for which a validator was removed. A readmission starts
    from this count."""

    count: U63
