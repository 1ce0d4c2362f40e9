"""The interfaces of signer and verifier, the verifier over the real curves, and sealing messages in envelopes.

Rule: there is no `sign(bytes)`: each method knows its domain, and each implementation of `Signer` refuses a second,
different signature for one height, round and step by itself, whatever its caller believes.
"""

from collections.abc import Sequence
from typing import Protocol

from clearing.base import bls, ed25519
from clearing.base.certificate import Certificate, VoteKind, signer_bitmap, verify_certificate, vote_digest
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.messages import Envelope, Extension, Message, MessageKind, kind_of


class Signer(Protocol):
    """The two secrets of one validator for one network."""

    @property
    def envelope_key(self) -> bytes:
        """The own Ed25519 public key, 32 bytes."""
        ...

    def sign_vote(self, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes) -> bytes:
        """The BLS share. Raises LocalFault DOUBLE_SIGN for a step already signed otherwise, or passed."""
        ...

    def sign_proposal(self, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes) -> bytes:
        """The proposer's Ed25519 signature. Raises LocalFault DOUBLE_SIGN."""
        ...

    def sign_extension(
        self, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
    ) -> bytes:
        """The Ed25519 signature of the own vote extension."""
        ...

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        """The Ed25519 signature of an own message."""
        ...


class Verifier(Protocol):
    """The signature checks that consensus needs; a simulation may bring cheap ones."""

    def verify_ed25519(self, key: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether an envelope, proposal or extension is signed by `key`."""
        ...

    def aggregate(self, shares: Sequence[bytes]) -> bytes:
        """Sum of shares. Raises RemoteFault for a share that is not a point."""
        ...

    def verify_shares(self, keys: Sequence[bytes], digest: bytes, aggregate: bytes) -> bool:
        """Whether `aggregate` is the sum of each key's share of `digest`; also False for bytes that are not a point."""
        ...

    def verify_possession(self, key: bytes, possession: bytes) -> bool:
        """Whether the owner of a BLS key outside of known sets proved possession; False for malformed points."""
        ...

    def verify_certificate(self, certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
        """Check set, signers, quorum and aggregate. Raises RemoteFault."""
        ...


class CurveVerifier:
    """BLS12-381 and Ed25519 of `clearing.base`."""

    def verify_ed25519(self, key: bytes, digest: bytes, signature: bytes) -> bool:
        """See `Verifier`."""
        return ed25519.verify(key, digest, signature)

    def aggregate(self, shares: Sequence[bytes]) -> bytes:
        """See `Verifier`."""
        return bls.aggregate(shares)

    def verify_shares(self, keys: Sequence[bytes], digest: bytes, aggregate: bytes) -> bool:
        """See `Verifier`."""
        try:
            return bls.verify_aggregate(keys, digest, aggregate)
        except RemoteFault:
            return False

    def verify_possession(self, key: bytes, possession: bytes) -> bool:
        """See `Verifier`."""
        try:
            return bls.verify_possession(key, possession)
        except RemoteFault:
            return False

    def verify_certificate(self, certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
        """See `Verifier`."""
        verify_certificate(certificate, validators, network)


class CertificateCache:
    """Remembers certificates that verified, so that the same bytes are never verified twice. Bounded."""

    LIMIT = 128

    def __init__(self, verifier: Verifier, network: bytes) -> None:
        self._verifier = verifier
        self._network = network
        self._good: dict[Certificate, None] = {}

    def verify(self, certificate: Certificate, validators: ValidatorSet) -> None:
        """Like `Verifier.verify_certificate`, once a certificate. Raises RemoteFault."""
        if certificate in self._good and certificate.validators_hash == validators.hash:
            return
        self._verifier.verify_certificate(certificate, validators, self._network)
        self.add(certificate)

    def add(self, certificate: Certificate) -> None:
        """Note one that was verified otherwise."""
        self._good[certificate] = None
        if len(self._good) > self.LIMIT:
            del self._good[next(iter(self._good))]


def assemble_certificate(
    verifier: Verifier,
    network: bytes,
    validators: ValidatorSet,
    step: tuple[VoteKind, int, int, bytes],
    shares: Sequence[tuple[int, bytes]],
) -> tuple[Certificate | None, tuple[int, ...]]:
    """Aggregate the shares of (kind, height, round, value), ordered by index, and verify the sum once.

    Returns the certificate and no validators, or None and the validators whose shares are bad, found by halving.
    """
    kind, height, round_, value = step
    digest = vote_digest(network, validators.hash, kind, height, round_, value)
    bad: list[int] = []
    aggregate = _verified_sum(verifier, validators, digest, shares, bad)
    if aggregate is None:
        return None, tuple(bad)
    return (
        Certificate(
            kind=kind,
            height=height,
            round=round_,
            value=value,
            validators_hash=validators.hash,
            signers=signer_bitmap([index for index, _ in shares]),
            aggregate=aggregate,
        ),
        (),
    )


def _verified_sum(
    verifier: Verifier,
    validators: ValidatorSet,
    digest: bytes,
    shares: Sequence[tuple[int, bytes]],
    bad: list[int],
) -> bytes | None:
    """The sum of the shares when it verifies; else None, and the bad ones appended to `bad`."""
    keys = [validators.validators[index].bls_key for index, _ in shares]
    try:
        total = verifier.aggregate([share for _, share in shares])
    except RemoteFault:
        total = b""
    if total and verifier.verify_shares(keys, digest, total):
        return total
    if len(shares) == 1:
        bad.append(shares[0][0])
        return None
    middle = len(shares) // 2
    _verified_sum(verifier, validators, digest, shares[:middle], bad)
    _verified_sum(verifier, validators, digest, shares[middle:], bad)
    return None


def seal(signer: Signer, message: Message) -> bytes:
    """A message in an own envelope, encoded."""
    return seal_body(signer, kind_of(message), encode(message))


class EnvelopeSigner(Protocol):
    """As much of a `Signer` as an envelope needs."""

    @property
    def envelope_key(self) -> bytes:
        """See `Signer`."""
        ...

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        """See `Signer`."""
        ...


def seal_body(signer: EnvelopeSigner, kind: MessageKind, body: bytes) -> bytes:
    """An encoded message in an own envelope, encoded."""
    return encode(
        Envelope(sender=signer.envelope_key, kind=kind, body=body, signature=signer.sign_envelope(kind, body))
    )
