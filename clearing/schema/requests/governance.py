"""Requests of governance: proposals with their amendment, votes, and the house's emergency halt.

Rule: an amendment of the terms names places in genesis with their values before and after. It therefore has one
meaning, and becomes void when somebody else changes the same place. Everything is typed, and bounded before it is
decoded. Each request is applied at most once: a proposal's id is its hash, remembered until its not-after has passed;
a vote names the proposal by hash and a rising revision; a halt has a number. Validators sign with envelope keys, the
house like a member. A signature covers every field of the request. It must not know what an amendment does.
"""

from typing import Annotated, ClassVar, TypeAlias

import msgspec

from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes20, Bytes32, Bytes64, Bytes65, Wire, encode
from clearing.base.eip712 import TypedRequest
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32, NetworkId
from clearing.base.validators import Validator
from clearing.schema.requests.validators import ENTRIES_MAX

AMENDMENT_TAG = "crossclear/amendment/v1"
VALUE_TAG = "crossclear/amendment/value/v1"
CHANGES_MAX = 32
PATH_BYTES_MAX = 96
VALUE_BYTES_MAX = 16 << 10
AMENDMENT_BYTES_MAX = 24 << 10
REASON_BYTES_MAX = 256
NO_VALUE = bytes(32)
"""`before` of a place that has no value yet."""


class TermsChange(Wire, frozen=True):
    """One change of one place in genesis. `path`: field names and ids joined by dots, as `instruments.7.band_ppm`."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_BYTES_MAX)]
    before: Bytes32
    """`value_hash` of the present value, `NO_VALUE` for an element to be added."""
    after: Annotated[bytes, msgspec.Meta(max_length=VALUE_BYTES_MAX)]
    """Canonical bytes of the new value; empty: the element is removed."""


class TermsAmendment(Wire, frozen=True, tag=1):
    """Changes of parameters, feeds, chains, assets, instruments, members and venues, applied all together or not at
    all."""

    changes: Annotated[tuple[TermsChange, ...], msgspec.Meta(min_length=1, max_length=CHANGES_MAX)]


class ValidatorsAmendment(Wire, frozen=True, tag=2):
    """A new validator set, as in `clearing.schema.requests.validators.ValidatorChange`."""

    before: Bytes32
    """Hash of the set in force when it takes effect."""
    left: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=ENTRIES_MAX)]
    entered: Annotated[tuple[Validator, ...], msgspec.Meta(max_length=ENTRIES_MAX)]


class VaultDetachment(Wire, frozen=True, tag=3):
    """Stop waiting for a vault whose chain never returns. Its deposits and withdrawals end, and its balance counts for
    nothing."""

    chain_id: U63
    vault: Bytes20


class InstrumentHalt(Wire, frozen=True, tag=4):
    """Positions in an instrument can only be reduced until a height. In force at once, because it only forbids new
    risk."""

    instrument: U32
    until_height: U63


class InstrumentResumption(Wire, frozen=True, tag=5):
    """Trading in a halted instrument resumes at once."""

    instrument: U32


class SuspenseAssignment(Wire, frozen=True, tag=6):
    """Assign money that arrived for an unknown account to an existing one."""

    account: U63
    currency: U63
    units: U63


class GuardianOrder(Wire, frozen=True, tag=7):
    """Give the place of a vault's guardian, who may pause it, to another key."""

    chain_id: U63
    vault: Bytes20
    guardian: Bytes20
    """Its address."""


class AssetRelease(Wire, frozen=True, tag=8):
    """End the halt of an asset whose vault has again what it owes. The proposal's reason is the recorded one."""

    asset: U32


class ProtocolUpgrade(Wire, frozen=True, tag=9):
    """From `height` on, blocks follow the rules of protocol `version`, the next one."""

    version: U32
    height: U63
    replaces_height: U63 = 0
    """Of the scheduled upgrade that it moves; 0: none is scheduled."""


class UpgradeCancellation(Wire, frozen=True, tag=10):
    """The upgrade that is scheduled for this height does not take place."""

    height: U63


Amendment: TypeAlias = (
    TermsAmendment
    | ValidatorsAmendment
    | VaultDetachment
    | InstrumentHalt
    | InstrumentResumption
    | SuspenseAssignment
    | GuardianOrder
    | AssetRelease
    | ProtocolUpgrade
    | UpgradeCancellation
)
TermsChangingAmendment: TypeAlias = TermsAmendment | VaultDetachment
"""Amendments that change the terms. The result depends on genesis alone, so anybody can follow it."""
URGENT_AMENDMENTS = (InstrumentHalt, InstrumentResumption)
"""Amendments that take effect in the block that approves them."""


def value_hash(value: bytes) -> Hash32:
    """The value of `TermsChange.before` for the canonical bytes of a value."""
    return tagged_hash(VALUE_TAG, value)


def amendment_hash(network: NetworkId, amendment: Amendment) -> Hash32:
    """The hash by which votes and certificates identify an amendment."""
    return tagged_hash(AMENDMENT_TAG, network, encode(amendment))


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
