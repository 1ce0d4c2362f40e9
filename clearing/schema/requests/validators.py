"""The request that changes the validator set, and the approvals that validators sign.

Rule: it names the present set and the new set by number and hash, so it has one meaning and is applied at most once.
Envelope keys sign everything but the signatures. Signing needs no network, so it can be done where the key is.
"""

from typing import Annotated

import msgspec

from clearing.base.codec import U32, U63, Bytes32, Bytes64, Wire, encode
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32, NetworkId
from clearing.base.validators import VALIDATORS_MAX, Validator

CHANGE_TAG = "crossclear/validator-change/v1"
ENTRIES_MAX = 64
"""Limit of validators that one change adds, and of those that it removes."""
CHANGE_BYTES_MAX = 30 << 10


class Approval(Wire, frozen=True):
    """One validator's signature. `validator` is its index in the set in force."""

    validator: U32
    signature: Bytes64


class ValidatorChange(Wire, frozen=True, tag=40):
    """Replace the validator set, effective two heights later."""

    number: U63
    """Number of the new set; the set in force has one less."""
    before: Bytes32
    """Hash of the set in force."""
    after: Bytes32
    """Hash of the new set."""
    left: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=ENTRIES_MAX)]
    """Envelope keys that leave, ordered."""
    entered: Annotated[tuple[Validator, ...], msgspec.Meta(max_length=ENTRIES_MAX)]
    """Validators that enter, and those that stay with a new power or key; ordered by envelope key."""
    not_after_ms: U63
    """May be far in the future: operators sign at different times."""
    approvals: Annotated[tuple[Approval, ...], msgspec.Meta(max_length=VALIDATORS_MAX)]
    """Signatures of more than two thirds of the power in force, ordered by index."""

    def digest(self, network: NetworkId) -> Hash32:
        """What each approving validator signs."""
        return tagged_hash(CHANGE_TAG, network, encode(msgspec.structs.replace(self, approvals=())))


def with_approval(change: ValidatorChange, approval: Approval) -> ValidatorChange:
    """The change with one more approval, replacing an earlier one of the same validator."""
    others = [other for other in change.approvals if other.validator != approval.validator]
    ordered = sorted((*others, approval), key=lambda signed: signed.validator)
    return msgspec.structs.replace(change, approvals=tuple(ordered))
