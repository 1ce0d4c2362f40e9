"""The request that changes the validator set, and what its validators sign.

Rule: it names the set that it starts from and the set that it makes, by number and hash, so it means one thing and is
good once. Signed by envelope keys over everything but the signatures. Making a signature needs no network: it can be
done where the key is.
"""

from typing import Annotated

import msgspec

from clearing.base.codec import U32, U63, Bytes32, Bytes64, Wire, encode
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32, NetworkId
from clearing.base.validators import VALIDATORS_MAX, Validator

CHANGE_TAG = "crossclear/validator-change/v1"

ENTRIES_MAX = 64
"""Validators that one change takes in or lets go."""

CHANGE_BYTES_MAX = 24 << 10


class Approval(Wire, frozen=True):
    """One validator's signature; `validator` is its index in the set that the change starts from."""

    validator: U32
    signature: Bytes64


class ValidatorChange(Wire, frozen=True, tag=40):
    """Replace the validator set from two heights on."""

    number: U63
    """Of the set that it makes; the set in force has one less."""
    before: Bytes32
    """Hash of the set in force."""
    after: Bytes32
    """Hash of the set that it makes."""
    left: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=ENTRIES_MAX)]
    """Envelope keys that go, ordered."""
    entered: Annotated[tuple[Validator, ...], msgspec.Meta(max_length=ENTRIES_MAX)]
    """Who comes, and who stays with another power or BLS key; ordered by envelope key."""
    not_after_ms: U63
    """May lie far ahead: operators sign apart from each other."""
    approvals: Annotated[tuple[Approval, ...], msgspec.Meta(max_length=VALIDATORS_MAX)]
    """Of more than two thirds of the power in force, ordered by index."""

    def digest(self, network: NetworkId) -> Hash32:
        """What each of them signs."""
        return tagged_hash(CHANGE_TAG, network, encode(msgspec.structs.replace(self, approvals=())))


def with_approval(change: ValidatorChange, approval: Approval) -> ValidatorChange:
    """The change with one more signature, in place of an earlier one of the same validator."""
    kept = [each for each in change.approvals if each.validator != approval.validator]
    ordered = sorted((*kept, approval), key=lambda each: each.validator)
    return msgspec.structs.replace(change, approvals=tuple(ordered))
