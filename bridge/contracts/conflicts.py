"""The vault's functions about conflicting headers, as bytes: evidence, the base below it, and the cold quorum's choice.

Rule: as in `bridge.contracts.vault`, every byte follows from its argument. Headers are shown by their words alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import (
    CERTIFICATE,
    CHECKPOINT,
    VaultCertificate,
    checkpoint_arguments,
    read_number,
    selector,
    split_words,
)
from bridge.evm.hexadecimal import malformed
from clearing.base import bls
from clearing.base.certificate import Certificate, VoteKind
from clearing.base.codec import u256
from clearing.base.ecdsa_certificate import certificate_of_compact
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256, sha256, tag_prefix
from clearing.base.header import HEADER_TAG, Header
from clearing.base.header_words import WORDS_BYTES, HeaderWords, read_header_words

_HEAD = tag_prefix(HEADER_TAG)
ShownHeader: TypeAlias = tuple[Header | HeaderWords, VaultCertificate]
"""Evidence."""
FREEZE = selector("freeze(bytes,(uint32,uint256,bytes),bytes,(uint32,uint256,bytes))")
FREEZE_BY_HISTORY = selector("freezeByHistory(bytes,(uint32,uint256,bytes),bytes,bytes32,bytes32[])")
SHOW_BASE = selector("showBase(bytes,bytes,bytes32,bytes32[])")
CHOOSE_BRANCH = selector("chooseBranch(bytes,(uint32,uint256,bytes),bytes[])")
REJECT_CHILD = selector("rejectChild(bytes)")
CONFLICT = selector("conflict()")
CONFLICT_BYTES = 7 * 32
"""The answer to `CONFLICT`."""


@dataclass(frozen=True, slots=True)
class VaultConflict:
    """Two certified headers of one height that a vault was shown. `since` in seconds; `has_base`: whether it knows its
    newest checkpoint below; `base_history`: the history up to it, or before, the part that is still to be shown."""

    first: bytes
    second: bytes
    height: int
    since: int
    has_base: bool
    base_history: bytes


def freeze_call(first: ShownHeader, second: ShownHeader) -> bytes:
    """Show two certified headers of one height. Raises RemoteFault BAD_POINT when an aggregate is no point."""
    given = (*checkpoint_arguments(*first), *checkpoint_arguments(*second))
    return FREEZE + encode(("bytes", CERTIFICATE, "bytes", CERTIFICATE), given)


def freeze_by_history_call(
    shown: ShownHeader, accepted: Header | HeaderWords, before: bytes, later: Sequence[bytes] = ()
) -> bytes:
    """Show a certified header of a height at which the vault took another one as a checkpoint.

    `before`: the vault's history before that checkpoint; `later`: hashes of its checkpoints after it.
    """
    given = (*checkpoint_arguments(*shown), accepted.words, before, list(later))
    return FREEZE_BY_HISTORY + encode(("bytes", CERTIFICATE, "bytes", "bytes32", "bytes32[]"), given)


def show_base_call(
    base: Header | HeaderWords | None,
    following: Header | HeaderWords | None,
    before: bytes,
    later: Sequence[bytes] = (),
) -> bytes:
    """Show the vault's newest checkpoint below a conflict, and one at or above it that the vault took next.

    `base`: None when the conflict is below all checkpoints, or for a part of a history that is too long for one
    transaction: the parts go from the newest checkpoint back, and each leaves the history `before` to be shown.
    `later`: hashes of the part's checkpoints after `following`. `following`: None once the parts have come to the base.
    """
    given = (base.words if base else b"", following.words if following else b"", before, list(later))
    return SHOW_BASE + encode(("bytes", "bytes", "bytes32", "bytes32[]"), given)


def choose_branch_call(chosen: Header, signatures: Sequence[bytes], certificate: Certificate | None = None) -> bytes:
    """Settle a conflict, by the cold quorum. `certificate`: of a header that is not one of the two that were shown."""
    argument = checkpoint_arguments(chosen, certificate)[1] if certificate else (0, 0, b"")
    return CHOOSE_BRANCH + encode(("bytes", CERTIFICATE, "bytes[]"), (chosen.words, argument, list(signatures)))


def reject_child_call(header: Header) -> bytes:
    """Reject a header whose parent is rejected."""
    return REJECT_CHILD + encode(("bytes",), (header.words,))


def extended_history(history: bytes, header_hash: bytes) -> bytes:
    """A vault's history with one more checkpoint; it begins with 32 zero bytes."""
    return keccak256(history + header_hash)


def read_conflict(data: bytes) -> VaultConflict | None:
    """The answer to `CONFLICT`; None while there is none. Raises RemoteFault MALFORMED_ANSWER."""
    if len(data) != CONFLICT_BYTES:
        raise malformed("conflict", len(data))
    first, second, height, since, has_base, base_history, _ = split_words(data)
    if not any(since):
        return None
    return VaultConflict(first, second, read_number(height), read_number(since), any(has_base), base_history)


def words_in(calldata: bytes, header_hash: bytes) -> HeaderWords | None:
    """A header that stands anywhere in calldata, because another contract may have passed it to the vault."""
    at = calldata.find(_HEAD)
    while at >= 0:
        words = calldata[at : at + WORDS_BYTES]
        if len(words) == WORDS_BYTES and sha256(words) == header_hash:
            return read_header_words(words)
        at = calldata.find(_HEAD, at + 1)
    return None


def certificate_in(calldata: bytes, header: HeaderWords, scheme: CertificateScheme) -> VaultCertificate | None:
    """The certificate of a header in a call of `checkpoint`, which may be within the call of another contract.

    Nothing is checked of it but its form.
    """
    at = calldata.find(CHECKPOINT)
    while at >= 0:
        try:
            words, (round_, signers, signed) = decode(("bytes", CERTIFICATE), calldata[at + 4 :], strict=False)
            if words == header.words:
                return _certificate(header, round_, u256(signers), signed, scheme)
        except (DecodingError, OverflowError, RemoteFault):
            pass
        at = calldata.find(CHECKPOINT, at + 1)
    return None


def _certificate(
    header: HeaderWords, round_: int, signers: bytes, signed: bytes, scheme: CertificateScheme
) -> VaultCertificate:
    if scheme is CertificateScheme.ECDSA:
        return certificate_of_compact(signers, signed)
    aggregate = bls.signature_of_coordinates(signed)
    value, validators_hash = header.hash, header.validators_hash
    return Certificate(VoteKind.PRECOMMIT, header.height, round_, value, validators_hash, signers, aggregate)
