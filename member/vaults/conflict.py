"""`Conflict`: two certified headers of one height, as vaults are shown them and nodes keep them.

Rule: only certificates prove it, each by the set that its header names. Both are of one kind, that of the vaults which
take them: consensus certificates, or secp256k1 signatures. Headers are words, so that one found in a vault's calldata
will do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from bridge.contracts.conflicts import ShownHeader
from bridge.contracts.schemes import CertificateScheme
from clearing.base.certificate import Certificate, verify_finality
from clearing.base.codec import Wire, decode
from clearing.base.ecdsa_certificate import EcdsaCertificate, verify_ecdsa_certificate
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.header import Header
from clearing.base.header_words import HeaderWords, read_header_words, words_of
from clearing.base.validators import ValidatorSet
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack
from member.codes import NodeCode

CONFLICT_SUFFIX = ".conflict"
"""Of a node's files."""
CONFLICT_BYTES_MAX = 32 << 10
"""Both headers, and the signatures of the largest set on each."""


class FinalWords(Wire, frozen=True, tag=1):
    """A header with its consensus certificate."""

    header: HeaderWords
    certificate: Certificate


class SignedWords(Wire, frozen=True, tag=2):
    """A header with a quorum's secp256k1 signatures."""

    header: HeaderWords
    certificate: EcdsaCertificate


CertifiedWords: TypeAlias = FinalWords | SignedWords


class Conflict(Wire, frozen=True):
    """Two headers of one height with certificates of one kind, the lower hash first."""

    first: CertifiedWords
    second: CertifiedWords

    @property
    def height(self) -> int:
        """Of both."""
        return self.first.header.height

    @property
    def scheme(self) -> CertificateScheme:
        """Of the vaults that take it."""
        return CertificateScheme.ECDSA if isinstance(self.first, SignedWords) else CertificateScheme.BLS

    @property
    def shown(self) -> tuple[ShownHeader, ShownHeader]:
        """Both, as a vault is shown them."""
        return (self.first.header, self.first.certificate), (self.second.header, self.second.certificate)

    @property
    def is_ordered(self) -> bool:
        """Whether these are two different headers of one height, in order, with certificates of one kind."""
        first, second = self.first.header, self.second.header
        same_kind = type(self.first) is type(self.second)
        return same_kind and first.height == second.height and first.hash < second.hash


def certified_words(header: Header | HeaderWords, certificate: Certificate | EcdsaCertificate) -> CertifiedWords:
    """A header for a conflict."""
    words = words_of(header) if isinstance(header, Header) else header
    if isinstance(certificate, EcdsaCertificate):
        return SignedWords(words, certificate)
    return FinalWords(words, certificate)


def conflict_between(one: CertifiedWords, other: CertifiedWords) -> Conflict:
    """Both in order. Whether they conflict is for `check_conflict`."""
    return Conflict(*sorted((one, other), key=lambda each: each.header.hash))


def conflict_of(attack: LightClientAttack) -> Conflict:
    """What vaults need of an attack on a light client."""
    first, second = (certified_words(block.header, block.certificate) for block in (attack.first, attack.second))
    return conflict_between(first, second)


def check_certified(shown: CertifiedWords, sets: Callable[[bytes], ValidatorSet | None], network: bytes) -> None:
    """Check one certificate by a set that is known. Raises RemoteFault.

    `sets`: of the caller's own chain, which let no key in without its proof of possession. They are not checked here:
    of any other set, one key that was made of all others' would certify alone.
    """
    header = read_header_words(shown.header.words)
    validators = sets(header.validators_hash)
    if validators is None:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "conflict", unknown_set=header.validators_hash)
    if header.network != network:
        raise RemoteFault(BaseCode.WRONG_NETWORK, "header", stated=header.network, trusted=network)
    if isinstance(shown, SignedWords):
        verify_ecdsa_certificate(header, shown.certificate, validators)
    else:
        verify_finality(header, shown.certificate, validators, network)


def check_conflict(conflict: Conflict, sets: Callable[[bytes], ValidatorSet | None], network: bytes) -> None:
    """Check both, by `sets` as `check_certified` takes them. Raises RemoteFault."""
    if not conflict.is_ordered:
        first, second = conflict.first.header.height, conflict.second.header.height
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "conflict", first=first, second=second)
    check_certified(conflict.first, sets, network)
    check_certified(conflict.second, sets, network)


def read_conflict_bytes(data: bytes) -> Conflict:
    """Raises RemoteFault as `decode` does."""
    return decode(data, Conflict, CONFLICT_BYTES_MAX)


def read_conflict_file(path: Path) -> Conflict:
    """Out of a file that a node kept. Raises LocalFault for one that is unreadable, RemoteFault for other bytes."""
    try:
        with path.open("rb") as file:
            return read_conflict_bytes(file.read(CONFLICT_BYTES_MAX + 1))
    except OSError as error:
        raise LocalFault(NodeCode.LIGHT_STORE_UNUSABLE, str(path), why=error.strerror or "unreadable") from None
