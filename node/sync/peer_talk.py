"""`PeerTalk`: questions to peers over the sync channel, and their answers, for a node that does not run consensus yet.

Rule: an answer counts only for its question, from the peer that was asked, within its time. Who asks for a snapshot or
a light block hears that there is none: so the nodes of a new network learn that it is new. Everything else that arrives
is dropped unread. It knows the form of questions, not their purpose.
"""

from collections.abc import Hashable
from typing import Any, TypeAlias

import trio
import trio.lowlevel

from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from consensus.codes import ConsensusCode
from consensus.messages import (
    BlockRequest,
    BlockResponse,
    MessageKind,
    envelope_digest,
    read_envelope,
    read_message,
)
from consensus.signing import EnvelopeSigner, Verifier, seal_body
from consensus.sync.messages import (
    ChunkRequest,
    ChunkResponse,
    LightRequest,
    LightResponse,
    SnapshotOffers,
    SnapshotsRequest,
    SyncMessage,
    read_sync_message,
    seal_sync,
)
from node.p2p.network import Incoming, Network, PeerChannel

Question: TypeAlias = SnapshotsRequest | ChunkRequest | LightRequest | BlockRequest
Answer: TypeAlias = SnapshotOffers | ChunkResponse | LightResponse | BlockResponse


class PeerTalk:
    """`run` in a task; `ask` from any number of others."""

    def __init__(self, network_id: bytes, signer: EnvelopeSigner, verifier: Verifier, network: Network) -> None:
        self._network_id, self._signer, self._verifier, self._network = network_id, signer, verifier, network
        self._waiting: dict[tuple[bytes, Hashable], tuple[trio.Event, list[Answer]]] = {}

    @property
    def peers(self) -> list[bytes]:
        """Who is connected, in order."""
        return sorted(self._network.peers)

    async def ask(self, peer: bytes, question: Question, seconds: float) -> Answer | None:
        """The answer; None when none came in time. Raises RemoteFault never: what does not fit is no answer."""
        key = (peer, _topic(question))
        if key in self._waiting:
            return None
        event, answers = self._waiting[key] = (trio.Event(), [])
        try:
            if not self._network.send(peer, PeerChannel.SYNC, self._seal(question)):
                await trio.lowlevel.checkpoint()
                return None
            with trio.move_on_after(seconds):
                await event.wait()
        finally:
            del self._waiting[key]
        return answers[0] if answers else None

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Take in answers until cancelled."""
        task_status.started()
        async for incoming in self._network.receive(PeerChannel.SYNC):
            try:
                self._take(incoming)
            except RemoteFault as fault:
                self._network.report(incoming.sender, fault)

    def report(self, peer: bytes, fault: RemoteFault) -> None:
        """A peer's answer was a lie."""
        self._network.report(peer, fault)

    def _take(self, incoming: Incoming) -> None:
        envelope = read_envelope(incoming.data)
        is_awaited = envelope.kind in _ANSWERS and any(peer == incoming.sender for peer, _ in self._waiting)
        if envelope.kind not in _QUESTIONS and not is_awaited:
            return
        digest = envelope_digest(self._network_id, envelope.sender, envelope.kind, envelope.body)
        if envelope.sender != incoming.sender or not self._verifier.verify_ed25519(
            envelope.sender, digest, envelope.signature
        ):
            raise RemoteFault(ConsensusCode.BAD_ENVELOPE, "sync", sender=envelope.sender, peer=incoming.sender)
        if envelope.kind in _QUESTIONS:
            self._answer(incoming.sender, read_sync_message(envelope))
            return
        is_block = envelope.kind is MessageKind.BLOCK_RESPONSE
        answer: Any = read_message(envelope) if is_block else read_sync_message(envelope)
        waiting = self._waiting.get((incoming.sender, _topic(answer)))
        if waiting is not None and not waiting[1]:
            waiting[1].append(answer)
            waiting[0].set()

    def _answer(self, peer: bytes, question: SyncMessage) -> None:
        nothing: SnapshotOffers | LightResponse = SnapshotOffers(manifests=())
        if isinstance(question, LightRequest):
            nothing = LightResponse(height=question.height, block=None)
        self._network.send(peer, PeerChannel.SYNC, seal_sync(self._signer, nothing))

    def _seal(self, question: Question) -> bytes:
        if isinstance(question, BlockRequest):
            return seal_body(self._signer, MessageKind.BLOCK_REQUEST, encode(question))
        return seal_sync(self._signer, question)


_ANSWERS = (
    MessageKind.SNAPSHOT_OFFERS,
    MessageKind.CHUNK_RESPONSE,
    MessageKind.LIGHT_RESPONSE,
    MessageKind.BLOCK_RESPONSE,
)
_QUESTIONS = (MessageKind.SNAPSHOTS_REQUEST, MessageKind.LIGHT_REQUEST)


def _topic(message: Question | Answer) -> Hashable:
    """Equal for a question and what answers it."""
    match message:
        case ChunkRequest(manifest, index) | ChunkResponse(manifest, index):
            return "chunk", bytes(manifest), index
        case LightRequest(height) | LightResponse(height):
            return "light", height
        case BlockRequest() | BlockResponse():
            return "blocks"
        case _:
            return "offers"
