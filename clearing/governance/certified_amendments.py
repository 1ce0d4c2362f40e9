"""Certified amendments: all amendments with a proof of completeness, for readers that trust a genesis.

Rule: the file contains every amendment of the terms and opens one record of the state, the hash chain over them,
against a certified header. So none can be omitted, added or moved to another height. The reader applies them to its own
genesis with the engine's own code and gets the terms of any height up to the header's. The record's salt opens nothing
else. The format is separate from the epoch package's.
"""

from typing import TYPE_CHECKING

from clearing.base.certificate import Certificate, verify_finality
from clearing.base.codec import U32, Bytes32, Wire, decode, encode
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet, check_validator_set
from clearing.genesis.effective_terms import check_amendment_chain, replay_amendments
from clearing.schema.codes import ClearingCode
from clearing.schema.records.governance import AmendmentRecord, GovernanceCounters
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.modules import Module, record_key
from clearing.state.record_opening import BucketLeaves, BucketPath, RecordOpening, check_record, open_record

if TYPE_CHECKING:
    from clearing.state.state import State

FORMAT = 1
AMENDMENTS_BYTES_MAX = 64 << 20
_KEY = record_key("governance", 0)


class CertifiedAmendments(Wire, frozen=True):
    """The file of all amendments, with header, certificate and the opening of the hash chain."""

    format: U32
    header: Header
    certificate: Certificate
    validators: ValidatorSet
    amendments: tuple[AmendmentRecord, ...]
    clock: GovernanceCounters
    """The opened record."""
    salt: Bytes32
    below: BucketLeaves
    """Leaves of the same bucket, before the record's."""
    above: BucketLeaves
    path: BucketPath
    """Siblings from the bucket to the module's root."""


def certify_amendments(
    state: "State", header: Header, certificate: Certificate, validators: ValidatorSet
) -> CertifiedAmendments:
    """The file of a decided state, with the header and certificate that make it final.

    Raises LocalFault BAD_SNAPSHOT when nothing was ever proposed, or the header is of another state.
    """
    clock = state.governance_counters.get(0)
    roots = state.module_roots()
    if clock is None or tuple(header.module_roots) != roots:
        raise LocalFault(ClearingCode.BAD_SNAPSHOT, "amendments", proposed=int(clock is not None), height=header.height)
    opening = open_record(state, Module.VALIDATORS, _KEY)
    return CertifiedAmendments(
        format=FORMAT,
        header=header,
        certificate=certificate,
        validators=validators,
        amendments=tuple(amendment_record for _, amendment_record in state.amendments.ordered()),
        clock=clock,
        salt=opening.salt,
        below=opening.below,
        above=opening.above,
        path=opening.path,
    )


def read_amendments(data: bytes) -> CertifiedAmendments:
    """Read a file. Raises RemoteFault for invalid bytes."""
    found = decode(data, CertifiedAmendments, AMENDMENTS_BYTES_MAX)
    if found.format != FORMAT:
        raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments.format", format=found.format, known=FORMAT)
    return found


def write_amendments(certified: CertifiedAmendments) -> bytes:
    """The file's bytes."""
    return encode(certified)


def check_amendments(
    certified: CertifiedAmendments, genesis: Genesis, validators_hash: bytes, height: int
) -> tuple[Genesis, int]:
    """(the terms in force after the block at `height`, the number of amendments applied), from a trusted genesis.

    `validators_hash`: of the trusted set that certified the file's header. Raises RemoteFault: the faults of
    certificate verification, BAD_MERKLE_PROOF, BAD_SNAPSHOT for amendments that are not those of the record, or too old
    a file.
    """
    check_validator_set(certified.validators)
    if certified.validators.hash != validators_hash:
        raise RemoteFault(
            BaseCode.WRONG_VALIDATOR_SET, "amendments", shown=certified.validators.hash, trusted=validators_hash
        )
    header = certified.header
    verify_finality(header, certified.certificate, certified.validators, network_id(genesis))
    if header.height < height:
        raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments.height", certified=header.height, wanted=height)
    opening = RecordOpening(certified.salt, certified.below, certified.above, certified.path)
    check_record(header, Module.VALIDATORS, _KEY, encode(certified.clock), opening)
    # The amendments are known to be those that the quorum enacted, so nobody else can make this costly.
    head = check_amendment_chain(certified.amendments)
    if (len(certified.amendments), head) != (certified.clock.amendments, certified.clock.chain_head):
        raise RemoteFault(
            ClearingCode.BAD_SNAPSHOT, "amendments.head", shown=head, certified=certified.clock.chain_head
        )
    applied = [amendment for amendment in certified.amendments if amendment.height <= height]
    return replay_amendments(genesis, applied), len(applied)
