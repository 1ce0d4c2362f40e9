"""Requests of governance: proposals, votes, and the house's emergency halt.

Rule: each request is applied at most once. A proposal's id is its hash, remembered until its not-after has passed. A
vote names the proposal by hash and a rising revision. A halt has a number. Validators sign with envelope keys, the
house like a member. A signature covers every field of the request.
"""

from typing import Annotated, ClassVar

import msgspec

from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes32, Bytes64, Bytes65, Wire, encode
from clearing.base.eip712 import TypedRequest
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32, NetworkId
from clearing.schema.requests.amendments import AMENDMENT_BYTES_MAX, REASON_BYTES_MAX, Amendment, amendment_hash

PROPOSAL_TAG = "crossclear/governance/proposal/v1"

GOVERNANCE_VOTE_TAG = "crossclear/governance/vote/v1"

PROPOSAL_BYTES_MAX = AMENDMENT_BYTES_MAX + 1024

HOUSE_PROPOSER = 2**32 - 1
"""In place of a validator's index: the house."""

GOVERNANCE_PROPOSAL_TYPE = "GovernanceProposal(bytes32 content,uint64 notAfterMs)"


class GovernanceProposal(Wire, frozen=True, tag=62):
    """Open a proposal for voting. `proposer`: index in the set in force, or `HOUSE_PROPOSER`."""

    proposer: U32
    amendment: Amendment
    reason: Annotated[str, msgspec.Meta(max_length=REASON_BYTES_MAX)]
    not_after_ms: U63
    signature: Annotated[bytes, msgspec.Meta(min_length=64, max_length=65)]
    """64 bytes by an envelope key, or 65 by the house's trade key."""

    def content(self, network: NetworkId) -> Hash32:
        """The proposal's id: hash of all fields but the signature."""
        amendment = amendment_hash(network, self.amendment)
        return tagged_hash(PROPOSAL_TAG, network, encode((self.proposer, amendment, self.reason, self.not_after_ms)))

    def digest(self, network: NetworkId) -> Hash32:
        """What the proposer signs."""
        content = self.content(network)
        if self.proposer != HOUSE_PROPOSER:
            return content
        return eip712.typed_data_digest(network, GOVERNANCE_PROPOSAL_TYPE, (content, self.not_after_ms))


class GovernanceVote(Wire, frozen=True, tag=63):
    """Approve or reject a proposal. A vote with a higher revision replaces it until the proposal takes effect."""

    proposal: Bytes32
    """`GovernanceProposal.content`."""
    validator: U32
    """Index in the set in force."""
    approve: bool
    revision: U32
    """From 1."""
    not_after_ms: U63
    signature: Bytes64

    def digest(self, network: NetworkId) -> Hash32:
        """What the validator signs."""
        fields = encode((self.proposal, self.validator, self.approve, self.revision, self.not_after_ms))
        return tagged_hash(GOVERNANCE_VOTE_TAG, network, fields)


class EmergencyHalt(TypedRequest, frozen=True, tag=64):
    """The house alone halts an instrument, within genesis's bounds."""

    SIGNED: ClassVar[str] = "EmergencyHalt(uint32 instrument,uint64 untilHeight,uint64 number,uint64 notAfterMs)"
    """Signed by the house."""

    instrument: U32
    until_height: U63
    number: U63
    """How many halts of this instrument the house ordered before."""
    not_after_ms: U63
    signature: Bytes65
