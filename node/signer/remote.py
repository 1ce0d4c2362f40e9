"""`RemoteSigner`: the node's end. Implements `consensus.signing.Signer` by asking the process that has the keys.

Rule: a call of consensus waits at most the configured time, and only on an open channel: a separate thread dials. No
answer is `LocalFault SIGNER_SILENT`, which consensus takes as silence in that step. The node's own guard comes before
the signer's: what it refuses is not sent.
"""

import threading
import time
from collections.abc import Callable

import structlog

from clearing.base import ed25519
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.codec import Wire, decode, encode
from clearing.base.errors import CrossclearError, LocalFault
from consensus.codes import ConsensusCode
from consensus.messages import Extension, MessageKind, envelope_digest, proposal_digest
from member.codes import NodeCode
from node.signer.channel import (
    FRAME_BYTES_MAX,
    Answer,
    ExtensionRequest,
    ProposalRequest,
    Request,
    RequestKind,
    SignerChannel,
    SignerHello,
    VoteRequest,
    dial,
    open_as_node,
)
from node.signer.local import GuardedSigner
from node.signer.sign_state import SignedStep, SignGuard

RETRY_S = 0.25
ALIVE_S = 5.0
"""How often an idle channel is probed."""
KEY_S = 0.5
"""The same while the set lists a key that it did not have."""
DIAL_S = 5.0

log = structlog.get_logger(__name__)


class RemoteSigner(GuardedSigner):
    """Call `start` once and `close` at the end. The envelope secret is here, too: it is the node's peer identity."""

    def __init__(
        self,
        address: str,
        signer_key: bytes,
        link_secret: bytes,
        network: bytes,
        envelope_secret: bytes,
        bls_key: bytes,
        guard: SignGuard,
        timeout_s: float = 0.5,
    ) -> None:
        """`bls_key`: the one of this node in the validator set; a signer without it is refused. Empty: any."""
        super().__init__(guard)
        self._address, self._signer_key, self._link_secret = address, signer_key, link_secret
        self._network, self._envelope_secret = network, envelope_secret
        self.expected_key: Callable[[], bytes] = lambda: bls_key
        """The voting key that a signer must have; empty: any."""
        self._envelope_key = ed25519.public_key(envelope_secret)
        self._vote_keys: tuple[bytes, ...] = ()
        """Of the signer that is connected, or was last."""
        self._timeout_s = timeout_s
        self._asking = threading.Lock()
        self._channel: SignerChannel | None = None
        self._numbers = 0
        self._greeted_at = 0.0
        self._lacks_key = False
        """Whether the set lists a key that the signer did not have when it was asked last."""
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._keep_connected, name="signer-dialer", daemon=True)
        self.silences = 0
        """Signatures that did not come in time."""
        self.attempts = 0
        """Failed ones to connect or to keep connected, since start."""

    def start(self) -> None:
        """Begin to dial; does not wait."""
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether a signer that proved itself is at the other end."""
        return self._channel is not None

    def wait_connected(self, seconds: float) -> bool:
        """For start-up and tests: whether the channel opened within this time."""
        deadline = time.monotonic() + seconds
        while self._channel is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return self._channel is not None

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(DIAL_S + 1)
        self._hang_up()

    @property
    def envelope_key(self) -> bytes:
        """See `Signer`."""
        return self._envelope_key

    def sign_vote(self, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes) -> bytes:
        """See `Signer`. Raises LocalFault SIGNER_SILENT, VOTE_KEY_NOT_LISTED besides: the set may change under us."""
        if not self._vote_keys:
            self.silences += 1
            raise LocalFault(NodeCode.SIGNER_SILENT, "signer", why="not connected")
        try:
            own = self._listed_of(validators_hash, self._vote_keys)
        except LocalFault:
            self._lacks_key = True  # the signer may have it by now
            self._wake.set()
            raise
        digest = vote_digest(self._network, validators_hash, kind, height, round_, value)
        self._advance(SignedStep(height, round_, int(kind)), digest)
        body = VoteRequest(
            vote_key=own, validators_hash=validators_hash, kind=kind, height=height, round=round_, value=value
        )
        return self._ask(RequestKind.VOTE, body)

    def sign_proposal(self, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes) -> bytes:
        """See `Signer`. Raises LocalFault SIGNER_SILENT besides."""
        digest = proposal_digest(self._network, validators_hash, height, round_, pol_round, value)
        self._advance(SignedStep(height, round_, 0), digest)
        body = ProposalRequest(
            validators_hash=validators_hash, height=height, round=round_, pol_round=pol_round, value=value
        )
        return self._ask(RequestKind.PROPOSAL, body)

    def sign_extension(
        self, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
    ) -> bytes:
        """See `Signer`. Raises LocalFault SIGNER_SILENT besides."""
        body = ExtensionRequest(
            validators_hash=validators_hash, height=height, round=round_, value=value, extension=extension
        )
        return self._ask(RequestKind.EXTENSION, body)

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        """See `Signer`: with the node's own identity, here."""
        digest = envelope_digest(self._network, self._envelope_key, kind, body)
        return ed25519.sign(self._envelope_secret, digest)

    def _ask(self, kind: RequestKind, body: Wire) -> bytes:
        try:
            return self._exchange(kind, encode(body), self._timeout_s)
        except LocalFault as fault:
            if fault.code is NodeCode.SIGNER_SILENT:
                self.silences += 1
            raise

    def _exchange(self, kind: RequestKind, body: bytes, seconds: float) -> bytes:
        """One question and its answer. Raises LocalFault; all but a refusal of the guard end the channel."""
        until = time.monotonic() + seconds
        if not self._asking.acquire(timeout=seconds):
            raise LocalFault(NodeCode.SIGNER_SILENT, "signer", why="busy")
        try:
            channel = self._channel
            if channel is None:
                raise LocalFault(NodeCode.SIGNER_SILENT, "signer", why="not connected")
            try:
                return self._exchange_on(channel, kind, body, until)
            except CrossclearError as fault:
                if fault.code is not ConsensusCode.DOUBLE_SIGN:
                    self._hang_up()
                raise LocalFault(fault.code, "signer", why=str(fault)) from None
        finally:
            self._asking.release()

    def _exchange_on(self, channel: SignerChannel, kind: RequestKind, body: bytes, until: float) -> bytes:
        self._numbers += 1
        request = encode(Request(number=self._numbers, kind=kind, body=body))
        channel.send(request, until - time.monotonic())
        answer = decode(channel.receive(until - time.monotonic()), Answer, FRAME_BYTES_MAX)
        if answer.number != self._numbers:
            raise LocalFault(NodeCode.SIGNER_CHANNEL, "answer", number=answer.number, asked=self._numbers)
        if answer.code:
            code = ConsensusCode.DOUBLE_SIGN if answer.code == ConsensusCode.DOUBLE_SIGN else NodeCode.SIGNER_CHANNEL
            raise LocalFault(code, "signer", why=answer.data.decode(errors="replace"))
        return answer.data

    def _hang_up(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        self._wake.set()

    def _keep_connected(self) -> None:
        reported = ""
        while not self._closed:
            try:
                if self._channel is None:
                    self._connect()
                    reported = ""
                    log.info("signer connected", address=self._address)
                elif time.monotonic() - self._greeted_at >= (KEY_S if self._lacks_key else ALIVE_S):
                    # Whatever else is asked: only this tells of the next key of a rotation.
                    self._greeted_at = time.monotonic()
                    hello = decode(self._exchange(RequestKind.HELLO, b"", self._timeout_s), SignerHello)
                    self._vote_keys, self._lacks_key = hello.vote_keys, False
            except CrossclearError as fault:
                self.attempts += 1
                if str(fault) != reported:
                    reported = str(fault)
                    log.error("signer not reachable: nothing is signed", address=self._address, fault=reported)
            self._wake.clear()
            if not self._closed:
                self._wake.wait(KEY_S if self._channel is not None else RETRY_S)

    def _connect(self) -> None:
        link = dial(self._address, DIAL_S)
        try:
            channel = open_as_node(link, self._link_secret, self._signer_key, DIAL_S)
            until = time.monotonic() + DIAL_S
            hello = decode(self._exchange_on(channel, RequestKind.HELLO, b"", until), SignerHello)
            for name, there, here in (
                ("network", hello.network, self._network),
                ("envelope_key", hello.envelope_key, self._envelope_key),
            ):
                if there != here:
                    raise LocalFault(NodeCode.SIGNER_CHANNEL, name, signer=there, wanted=here)
            expected = self.expected_key()
            if expected and expected not in hello.vote_keys:
                raise LocalFault(NodeCode.SIGNER_CHANNEL, "vote_key", signer=hello.vote_keys[0], wanted=expected)
        except BaseException:
            link.close()
            raise
        self._greeted_at = time.monotonic()
        self._vote_keys, self._channel = hello.vote_keys, channel
