"""`LocalSigner`: both secrets of a validator in this process, behind the double-sign guard.

Rule: a vote or proposal is signed only if the guard allows its step, and leaves only after the guard has written it.
Extensions and envelopes are not guarded: they carry no vote of their own.
"""

from collections.abc import Callable, Iterable, Sequence

from clearing.base import bls, ed25519
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.errors import LocalFault, RemoteFault
from consensus.messages import (
    Extension,
    MessageKind,
    Proposal,
    Vote,
    envelope_digest,
    extension_digest,
    proposal_digest,
    read_envelope,
    read_message,
)
from consensus.wal import Record, RecordKind
from member.codes import NodeCode
from node.signer.sign_state import SignedStep, SignGuard
from node.store.wal import WalFile


class GuardedSigner:
    """Base of a node's signers: the own guard, and the consensus log beside it."""

    def __init__(self, guard: SignGuard) -> None:
        self._guard = guard
        self._log: WalFile | None = None
        self.listed_key: Callable[[bytes], bytes | None] = lambda _: None
        """The BLS key that the validator set of this hash lists for us; None where that is not known."""

    def stand_beside(self, log: WalFile, decided: int) -> bool:
        """Sign only while this log is whole: False when it lacks frames that it had when the last step was signed.

        Nothing is signed then in the height that was running; `decided` is the one below it. A guard that is not synced
        may have lost the last steps with the machine's power: they are in the log, and count again.
        """
        self._log = log
        log.after_append = self._logged
        whole = self._guard.resume(log.frames, decided)
        logged = logged_step(log.records)
        if logged > self._guard.last:
            self._guard.advance(logged, bytes(32))
        return whole

    def _listed_of(self, validators_hash: bytes, own: Sequence[bytes]) -> bytes:
        """The one of the own keys that the set lists; the first where the set is not known. A share by another key is
        proof of misbehaviour. Raises LocalFault VOTE_KEY_NOT_LISTED."""
        listed = self.listed_key(validators_hash)
        if listed is not None and listed not in own:
            raise LocalFault(NodeCode.VOTE_KEY_NOT_LISTED, "vote", own=own[0], listed=listed)
        return own[0] if listed is None else listed

    def _advance(self, to: SignedStep, digest: bytes) -> None:
        self._guard.advance(to, digest, write=self._log is None)

    def _logged(self) -> None:
        """All that was signed so far is in the log, and nothing of it was sent yet."""
        if self._log is not None:
            self._guard.log_frames = self._log.frames
        self._guard.settle()


def logged_step(records: Iterable[Record]) -> SignedStep:
    """The highest step that an own message in a log was signed for."""
    return max((step for record in records for step in _signed_steps(record)), default=SignedStep())


def _signed_steps(record: Record) -> tuple[SignedStep, ...]:
    if record.kind is not RecordKind.OWN:
        return ()
    try:
        message = read_message(read_envelope(record.data))
    except RemoteFault:
        return ()  # The replica, which must send it again, refuses such a log.
    if isinstance(message, Vote):
        return (SignedStep(message.height, message.round, int(message.kind)),)
    return (SignedStep(message.height, message.round, 0),) if isinstance(message, Proposal) else ()


class LocalSigner(GuardedSigner):
    """Implements `consensus.signing.Signer`."""

    def __init__(self, network: bytes, envelope_secret: bytes, bls_secret: int, guard: SignGuard) -> None:
        super().__init__(guard)
        self._network = network
        self._envelope_secret = envelope_secret
        self._vote_secrets = {bls.public_key(bls_secret): bls_secret}
        self._envelope_key = ed25519.public_key(envelope_secret)

    @property
    def envelope_key(self) -> bytes:
        """See `Signer`."""
        return self._envelope_key

    @property
    def vote_keys(self) -> tuple[bytes, ...]:
        """The key in use, and the next one of a rotation."""
        return tuple(self._vote_secrets)

    def add_vote_key(self, bls_secret: int) -> None:
        """Vote with this key, too, where the set lists it. The guard counts for all keys together."""
        self._vote_secrets[bls.public_key(bls_secret)] = bls_secret

    def sign_vote(self, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes) -> bytes:
        """See `Signer`. 0.7 ms. Raises LocalFault VOTE_KEY_NOT_LISTED, which consensus takes as silence."""
        return self.sign_vote_by(
            self._listed_of(validators_hash, self.vote_keys), validators_hash, kind, height, round_, value
        )

    def sign_vote_by(
        self, own: bytes, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes
    ) -> bytes:
        """`sign_vote` by this one of `vote_keys`. Raises LocalFault DOUBLE_SIGN, VOTE_KEY_NOT_LISTED."""
        secret = self._vote_secrets.get(own)
        if secret is None:
            raise LocalFault(NodeCode.VOTE_KEY_NOT_LISTED, "vote", own=self.vote_keys[0], listed=own)
        digest = vote_digest(self._network, validators_hash, kind, height, round_, value)
        self._advance(SignedStep(height, round_, int(kind)), digest)
        return bls.sign(secret, digest)

    def sign_proposal(self, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes) -> bytes:
        """See `Signer`."""
        digest = proposal_digest(self._network, validators_hash, height, round_, pol_round, value)
        self._advance(SignedStep(height, round_, 0), digest)
        return ed25519.sign(self._envelope_secret, digest)

    def sign_extension(
        self, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
    ) -> bytes:
        """See `Signer`."""
        digest = extension_digest(self._network, validators_hash, height, round_, value, extension)
        return ed25519.sign(self._envelope_secret, digest)

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        """See `Signer`."""
        digest = envelope_digest(self._network, self._envelope_key, kind, body)
        return ed25519.sign(self._envelope_secret, digest)
