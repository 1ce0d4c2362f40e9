"""What the state holds about governance.

Rule: data only. What took effect stays for good, in order: the terms in force are genesis and these. What did not is
forgotten once it could not be shown again.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Bytes32, Wire
from clearing.schema.requests.amendments import Amendment, TermsChangingAmendment


class ProposalStage(IntEnum):
    """How far a proposal is."""

    OPEN = 0
    """It can be voted on."""
    AGREED = 1
    """More than two thirds of the power are for it; the timelock runs. Votes can still be changed."""
    CLOSED = 2
    """It took effect, failed, or was not agreed in time: kept so that nobody shows it again."""


class ProposalRecord(Wire, frozen=True):
    """A proposal, under its hash."""

    number: U63
    """In order of arrival, from 1."""
    proposer: Bytes32
    """Envelope key; zeros: the house."""
    seat: U32
    """What the request named: with it the proposal's hash is computed again by whoever votes."""
    amendment: Amendment | None
    """None when closed."""
    reason: str
    proposed_height: U63
    vote_until_ms: U63
    """Block time up to and including which it can be agreed."""
    not_after_ms: U63
    stage: ProposalStage = ProposalStage.OPEN
    effective_ms: U63 = 0
    """When agreed: block time from which on it takes effect."""


class VoteRecord(Wire, frozen=True):
    """How the holder of an envelope key voted last, under (number of the proposal, key)."""

    approve: bool
    revision: U32


class AmendmentRecord(Wire, frozen=True):
    """An amendment that made other terms, under its number from 1."""

    height: U63
    """Of the block in which it took effect."""
    time_ms: U63
    proposal: Bytes32
    amendment: TermsChangingAmendment
    chain_head: Bytes32
    """Hash chain over all amendments up to this one: what a certificate of them states."""


class HaltRecord(Wire, frozen=True):
    """An instrument's halts: of the one in force or the last."""

    since_height: U63
    until_height: U63
    """From this height on it goes on. Not above the present height: it is not halted."""
    number: U63 = 0
    """How many halts by the house alone there were."""
    rested_height: U63 = 0
    """From which on the house alone may halt it again."""


class GovernanceCounters(Wire, frozen=True):
    """Under 0. How many proposals and amendments there were, and the hash chain over the amendments."""

    proposals: U63 = 0
    amendments: U63 = 0
    chain_head: Bytes32 = bytes(32)


class DetachedVaultRecord(Wire, frozen=True):
    """A vault that was detached, under (chain id, vault)."""

    height: U63
    number: U63
    """Of the last validator set that it was seen to follow; it never follows a later one."""


class RemovedOffencesRecord(Wire, frozen=True):
    """Under (envelope key, kind): how many offences a validator was removed for. Whoever takes it in again knows."""

    count: U63
