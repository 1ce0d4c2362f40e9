"""`Amendment`: what a vote can change, as data.

Rule: an amendment of the terms names places in genesis and what stands there before and after, so it means one thing,
and nothing once somebody else has changed the same place. Everything is typed, and bounded before it is decoded. It
must not know how it is agreed on, nor what it does.
"""

from typing import Annotated, TypeAlias

import msgspec

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire, encode
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
"""`before` of a place where there is nothing yet."""


class TermsChange(Wire, frozen=True):
    """One place of genesis. `path`: field names and ids with points between, as `instruments.7.band_ppm`."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_BYTES_MAX)]
    before: Bytes32
    """`value_hash` of what stands there, `NOTHING` for an element that is to be listed."""
    after: Annotated[bytes, msgspec.Meta(max_length=VALUE_BYTES_MAX)]
    """Canonical bytes of what stands there then; empty: the element is taken off the list."""


class TermsAmendment(Wire, frozen=True, tag=1):
    """Parameters, feeds, chains, assets, instruments, members and venues: all changes together, or none."""

    changes: Annotated[tuple[TermsChange, ...], msgspec.Meta(min_length=1, max_length=CHANGES_MAX)]


class ValidatorsAmendment(Wire, frozen=True, tag=2):
    """Another validator set, as in `clearing.schema.requests.validators.ValidatorChange`."""

    before: Bytes32
    """Hash of the set in force when it takes effect."""
    left: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=ENTRIES_MAX)]
    entered: Annotated[tuple[Validator, ...], msgspec.Meta(max_length=ENTRIES_MAX)]


class VaultDetachment(Wire, frozen=True, tag=3):
    """A vault whose chain never returns is waited for no more. Nothing is taken in or paid there any more, and what it
    holds counts for nothing."""

    chain_id: U63
    vault: Bytes20


class InstrumentHalt(Wire, frozen=True, tag=4):
    """An instrument is only reduced until a height. In force at once: it takes no right away but that to grow."""

    instrument: U32
    until_height: U63


class InstrumentResumption(Wire, frozen=True, tag=5):
    """A halted instrument goes on, at once."""

    instrument: U32


class SuspenseAssignment(Wire, frozen=True, tag=6):
    """Money that arrived for an account that does not exist goes to one that does."""

    account: U63
    currency: U63
    units: U63


Amendment: TypeAlias = (
    TermsAmendment | ValidatorsAmendment | VaultDetachment | InstrumentHalt | InstrumentResumption | SuspenseAssignment
)

TermsChangingAmendment: TypeAlias = TermsAmendment | VaultDetachment
"""What makes other terms: a function of genesis alone, so that anybody can follow it."""

URGENT_AMENDMENTS = (InstrumentHalt, InstrumentResumption)
"""What takes effect in the block that agrees on it."""


def value_hash(value: bytes) -> Hash32:
    """What `Change.before` says of the canonical bytes of a value."""
    return tagged_hash(VALUE_TAG, value)


def amendment_hash(network: NetworkId, amendment: Amendment) -> Hash32:
    """What votes and certificates name an amendment by."""
    return tagged_hash(AMENDMENT_TAG, network, encode(amendment))
