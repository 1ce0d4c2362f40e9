"""The epoch package: one file (`.ccp`) that anybody can check offline.

Rule: one format and one canonical encoding; new terms of risk are new kinds of slots and rows
(`proofs.statement.kinds`). Every byte is bound, either by the certified header or by the proofs themselves. The
commitments root is what the validators certify *before* anybody proves: statement, domain and all (account, C_W).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from clearing.base.certificate import Certificate
from clearing.base.codec import U32, U63, Bytes32, Bytes48, Wire, decode, encode, u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.evm.evidence import BlockEvidence
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.ids import Hash32
from clearing.base.known_types import known_type
from clearing.base.merkle import merkle_root
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskStatement
from proofs.linear.statement import LinearStatement
from proofs.statement.arithmetization import DOMAIN, layout_of, shortfalls_of
from proofs.statement.kinds import check_kinds_known

Format = Literal["crossclear-epoch-package/2"]
FORMAT: Format = "crossclear-epoch-package/2"
SUFFIX = ".ccp"
COMMITMENTS_TAG = "crossclear/commitments-root/v1"
PACKAGE_BYTES_MAX = 64 << 20
PART_BYTES_MAX = {
    "header": 1 << 14,
    "certificate": 1 << 10,
    "validators": 1 << 16,
    "statement": 4 << 20,
    "custody": 4 << 20,
}
"""Parts whose many small items take far more memory than bytes, or work before anything vouches for them. 2048 slots
under 33 scenarios make a statement of less than 1 MiB, 127 validators less than 40 KiB; the proofs of one token on a
chain with some hundred million accounts take 15 KiB."""

CUSTODY_BLOCKS_MAX = 256

Commitment = tuple[U63, Bytes48]
"""(account, C_W)."""
ProofBytes = Annotated[bytes, msgspec.Meta(max_length=32 << 20)]


class EpochPackage(Wire, frozen=True):
    """Everything a verifier needs. `header` is the certified one that carries the commitments root of `statement`."""

    format: Format
    header: Header
    certificate: Certificate
    validators: ValidatorSet
    srs: Bytes32
    domain: U32
    statement: RiskStatement
    commitments: tuple[Commitment, ...]
    """Ordered by account."""
    proof: ProofBytes
    book: ProofBytes
    cover: ProofBytes = b""
    """Empty where no stress scenarios are in the statement."""
    custody: Annotated[tuple[BlockEvidence, ...], msgspec.Meta(max_length=CUSTODY_BLOCKS_MAX)] = ()
    """Storage proofs, one for each block that custody terms name, in the order of the terms; it may lack some or
    all, and the verdict says which terms are then unproven. Bound by the certified block hashes."""
    house: ProofBytes = b""
    """Proof that the house owes no cash (`proofs.epoch.house_solvency`); if empty, the verdict says so."""


# A fixed number of parts, each skipped over and not decoded.
_PARTS: msgspec.msgpack.Decoder[tuple[msgspec.Raw, ...]] = msgspec.msgpack.Decoder(
    known_type(tuple[(msgspec.Raw,) * len(EpochPackage.__struct_fields__)])  # type: ignore[misc]
)


def commitments_root(
    statement: RiskStatement, commitments: Sequence[tuple[int, bytes]], domain: int = DOMAIN
) -> Hash32:
    """What the header at h + Δ carries for the snapshot at h: hash of statement, n, Merkle root of (account, C_W).

    Every validator computes it from the snapshot and the accounts' seeds; no proof is needed for it.
    """
    return tagged_hash(COMMITMENTS_TAG, statement.digest(), u256(domain), accounts_root(commitments))


def accounts_root(commitments: Sequence[tuple[int, bytes]]) -> Hash32:
    """Root of the Merkle tree over (account, C_W)."""
    return merkle_root([u256(account) + commitment for account, commitment in commitments])


def linear_statement(
    statement: RiskStatement, commitments: Sequence[tuple[int, bytes]], domain: int = DOMAIN
) -> LinearStatement:
    """The statement of the joint proof; its context is the commitments root. Raises VerificationFailed."""
    accounts = tuple(account for account, _ in commitments)
    return LinearStatement(
        layout=layout_of(statement, domain),
        context=commitments_root(statement, commitments, domain),
        accounts=accounts,
        shortfalls=shortfalls_of(statement, accounts),
        commitments=tuple(commitment for _, commitment in commitments),
    )


def write_package(package: EpochPackage) -> bytes:
    """The bytes of the file."""
    return encode(package)


def attach_custody(data: bytes, custody: tuple[BlockEvidence, ...]) -> bytes:
    """A package with this evidence of custody in place of its own. No proof covers it: block hashes bind it."""
    return encode(msgspec.structs.replace(read_package(data), custody=custody))


def read_package(data: bytes) -> EpochPackage:
    """Read a file.

    Raises RemoteFault OVERSIZE, MALFORMED or NON_CANONICAL, VerificationFailed UNKNOWN_KIND for a slot or row of a kind
    that is not in `proofs.statement.kinds`.
    """
    statement = _measured_statement(data) if len(data) <= PACKAGE_BYTES_MAX else b""
    try:
        return decode(data, EpochPackage, PACKAGE_BYTES_MAX)
    except RemoteFault:
        check_kinds_known(statement)
        raise


def _measured_statement(data: bytes) -> bytes:
    """The statement as it is encoded. All parts are measured before any is built: 64 MiB of rows would become 2 GB of
    objects."""
    try:
        parts = _PARTS.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "epoch package", why=str(error)[:200]) from None
    for name, part in zip(EpochPackage.__struct_fields__, parts, strict=True):
        size, limit = memoryview(part).nbytes, PART_BYTES_MAX.get(name, PACKAGE_BYTES_MAX)
        if size > limit:
            raise RemoteFault(BaseCode.OVERSIZE, f"epoch package {name}", bytes=size, limit=limit)
    return bytes(parts[EpochPackage.__struct_fields__.index("statement")])
