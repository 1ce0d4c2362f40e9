"""`SignerServer`: the keys, their own double-sign guard, and the nodes that may ask.

Rule: one guard for all connections, one request at a time, synced before the signature leaves; so two nodes that share
this signer (a standby that started too early) never get two values for one step. A malformed request closes the
connection; a refusal of the guard is an answer.
"""

import socket
import threading
from collections.abc import Collection
from contextlib import suppress

import structlog

from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, LocalFault
from consensus.codes import ConsensusCode
from member.codes import NodeCode
from node.signer.channel import (
    FRAME_BYTES_MAX,
    VOTE_KEYS_MAX,
    Answer,
    ExtensionRequest,
    ProposalRequest,
    Request,
    RequestKind,
    SignerChannel,
    SignerHello,
    VoteRequest,
    accept,
    open_as_signer,
)
from node.signer.local import LocalSigner
from node.signer.sign_state import SignGuard

HANDSHAKE_S = 5.0
IDLE_S = 60.0
"""A node probes its signer every few seconds; one that is silent for so long has died."""
CONNECTIONS_MAX = 8
_SEND_S = 5.0

log = structlog.get_logger(__name__)


class SignerServer:
    """`run` serves until `close`. Each connection has a thread of its own."""

    def __init__(
        self,
        listener: socket.socket,
        network: bytes,
        link_secret: bytes,
        allowed: Collection[bytes],
        envelope_secret: bytes,
        bls_secret: int,
        guard: SignGuard,
    ) -> None:
        """`allowed`: link keys (Ed25519) of nodes. `guard` must sync: no log backs it."""
        self._listener = listener
        self._link_secret = link_secret
        self._allowed = frozenset(allowed)
        self._signer = LocalSigner(network, envelope_secret, bls_secret, guard)
        self._network = network
        self.last_vote_key = b""
        """The one that the newest vote was signed with; empty before the first."""
        self._signing = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._links: set[socket.socket] = set()
        self._closed = False

    @property
    def vote_keys(self) -> tuple[bytes, ...]:
        """See `LocalSigner`."""
        return self._signer.vote_keys

    def add_vote_key(self, bls_secret: int) -> None:
        """Vote with this key, too, when a node asks for it: it knows which one the set lists."""
        with self._signing:
            self._signer.add_vote_key(bls_secret)

    def run(self) -> None:
        """Accept until closed. More than CONNECTIONS_MAX at once are turned away."""
        while not self._closed:
            try:
                link = accept(self._listener)
            except OSError:
                if self._closed:
                    return
                continue
            if not self._slots.acquire(blocking=False):
                link.close()
                continue
            self._links.add(link)
            threading.Thread(target=self._serve, args=(link,), name="signer-link", daemon=True).start()

    def close(self) -> None:
        """End all connections; a signature under way is finished, as the guard has noted it. Idempotent."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in list(self._links):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        with self._signing:  # no thread uses the guard when its file is closed
            pass

    def _serve(self, link: socket.socket) -> None:
        try:
            channel, node = open_as_signer(link, self._link_secret, self._allowed.__contains__, HANDSHAKE_S)
            log.info("node connected", key=node.hex())
            with channel:
                while not self._closed:
                    self._answer(channel, node)
        except CrossclearError as fault:
            log.info("connection ended", fault=str(fault))
        finally:
            link.close()
            self._links.discard(link)
            self._slots.release()

    def _answer(self, channel: SignerChannel, node: bytes) -> None:
        request = decode(channel.receive(IDLE_S), Request, FRAME_BYTES_MAX)
        try:
            with self._signing:
                if self._closed:
                    return
                answer = Answer(number=request.number, code=0, data=self._sign(request))
        except LocalFault as refused:
            log.warning("not signed", node=node.hex(), kind=request.kind.name, fault=str(refused))
            code = refused.code if isinstance(refused.code, ConsensusCode) else NodeCode.SIGNER_CHANNEL
            answer = Answer(number=request.number, code=int(code), data=str(refused).encode()[:1024])
        channel.send(encode(answer), _SEND_S)

    def _sign(self, request: Request) -> bytes:
        match request.kind:
            case RequestKind.HELLO:
                keys, envelope_key = self._signer.vote_keys[-VOTE_KEYS_MAX:], self._signer.envelope_key
                return encode(SignerHello(network=self._network, envelope_key=envelope_key, vote_keys=keys))
            case RequestKind.VOTE:
                vote = decode(request.body, VoteRequest)
                share = self._signer.sign_vote_by(
                    vote.vote_key, vote.validators_hash, vote.kind, vote.height, vote.round, vote.value
                )
                self.last_vote_key = vote.vote_key
                return share
            case RequestKind.PROPOSAL:
                made = decode(request.body, ProposalRequest)
                return self._signer.sign_proposal(
                    made.validators_hash, made.height, made.round, made.pol_round, made.value
                )
            case RequestKind.EXTENSION:
                asked = decode(request.body, ExtensionRequest)
                return self._signer.sign_extension(
                    asked.validators_hash,
                    asked.height,
                    asked.round,
                    asked.value,
                    asked.extension,
                )
