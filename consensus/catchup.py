"""Catching up: tell the own height, hear others', fetch decided blocks and serve them.

Rule: a fetched block is applied only when its certificate, its extensions and its contents verify; a quorum's block
that does not execute here is a Bug, not the sender's fault.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from clearing.base.certificate import Certificate, signer_indices
from clearing.base.codec import encode
from clearing.base.errors import Bug, RemoteFault
from consensus.budget import PeerBudgets
from consensus.executor import check_carried
from consensus.messages import BlockRequest, BlockResponse, CommittedBlock, Status
from consensus.outputs import Broadcast, Lane, PeerFault, Send, StartTimer
from consensus.own import seal
from consensus.store import BlockStore, load_committed
from consensus.sync import GRACE_MS, REQUEST_TIMEOUT_MS, BlockSync
from consensus.timeouts import TimerKind

if TYPE_CHECKING:
    from consensus.replica import Replica

RESPONSE_BYTES_AIM = 1 << 20
SERVED_BYTES_PER_SECOND = 8 << 20
SERVED_BYTES_AT_ONCE = 16 << 20
REQUEST_BYTES = 32 << 10
"""What any request is charged beside its blocks."""


class CatchUp:
    """Block sync of one replica."""

    def __init__(self, replica: "Replica", store: BlockStore) -> None:
        self._replica = replica
        self._store = store
        self._sync = BlockSync()
        self._helped: dict[bytes, int] = {}
        self._due_ms = -1
        self._served = PeerBudgets(SERVED_BYTES_PER_SECOND, SERVED_BYTES_AT_ONCE)

    def awaits(self, peer: bytes) -> bool:
        """Whether this peer was asked for blocks: what nobody asked for is not even read."""
        return self._sync.awaits(peer)

    def tell_status(self) -> None:
        """Broadcast the decided height."""
        status = Status(height=self._replica.chain.height)
        self._replica.send(Broadcast(Lane.CONSENSUS, seal(self._replica.around.signer, status)))

    def help_behind(self, peer: bytes, height: int) -> None:
        """A peer works on a height decided here: tell it so, once a height."""
        if self._helped.get(peer, 0) >= height:
            return
        if peer in self._replica.chain.validators.index_of:
            self._helped[peer] = height
            status = Status(height=self._replica.chain.height)
            self._replica.send(Send(peer, Lane.CONSENSUS, seal(self._replica.around.signer, status)))

    def note(self, peer: bytes, height: int) -> None:
        """A peer has decided this height. One ahead is usual and waits a little; more is asked for at once."""
        self._sync.note_height(peer, height)
        ahead = height - self._replica.chain.height
        if ahead == 1:
            self._later(GRACE_MS)
        elif ahead > 1:
            self.ask()

    def look_for(self, certificates: Iterable[Certificate]) -> None:
        """A value is final but its block isn't here: its signers will have it."""
        validators = self._replica.chain.validators.validators
        own = self._replica.around.signer.envelope_key
        for certificate in certificates:
            for index in signer_indices(certificate.signers):
                if validators[index].envelope_key != own:
                    self._sync.note_height(validators[index].envelope_key, certificate.height)
            self._later(GRACE_MS)

    def ask(self) -> None:
        """Request what is missing, and look again when no answer came."""
        if self._sync.best_height() <= self._replica.chain.height or self._sync.has_blocks:
            return
        request = self._sync.request(self._replica.chain.height, self._replica.clock.steady_ms())
        if request is not None:
            peer, message = request
            self._replica.send(Send(peer, Lane.SYNC, seal(self._replica.around.signer, message)))
        self._later(REQUEST_TIMEOUT_MS + 1)

    def serve(self, peer: bytes, request: BlockRequest) -> None:
        """Answer with consecutive blocks: about a megabyte, at least one if there is one; nothing to who asks too much.

        Reading and packing takes the time of the consensus loop.
        """
        now = self._replica.clock.steady_ms()
        if not self._served.has(peer, now):
            return
        blocks: list[CommittedBlock] = []
        size = 0
        for height in range(request.first, min(request.first + request.count, self._replica.chain.height + 1)):
            committed = load_committed(self._store, height)
            if committed is None:
                break
            blocks.append(committed)
            size += len(encode(committed))
            if size >= RESPONSE_BYTES_AIM:
                break
        self._served.charge(peer, REQUEST_BYTES + size, now)
        response = BlockResponse(blocks=tuple(blocks))
        self._replica.send(Send(peer, Lane.SYNC, seal(self._replica.around.signer, response)))

    def take(self, peer: bytes, response: BlockResponse) -> None:
        """Fetched blocks arrived: apply them one a turn, so that the loop stays free."""
        if not self._sync.accept(peer, response):
            return
        if response.blocks:
            self._replica.send(StartTimer(TimerKind.APPLY, 0, 0, 0))
        else:
            self.ask()

    def apply_next(self) -> None:
        """Check and apply the next fetched block."""
        found = self._sync.next_block(self._replica.run.height)
        if found is None:
            self.ask()
            return
        peer, committed = found
        try:
            self._replica.around.admission.check_committed(self._replica.chain, committed)
            check_carried(committed.block)
        except RemoteFault as fault:
            self._sync.blame(peer)
            self._replica.send(PeerFault(peer, fault))
            self.ask()
            return
        try:
            self._replica.around.executor.check(self._replica.chain, committed.block)
        except RemoteFault as fault:
            raise Bug(f"a quorum decided block {committed.block.header.height}, invalid here: {fault}") from fault
        self._replica.commit(committed, fetched=True)
        if self._sync.has_blocks:
            self._replica.send(StartTimer(TimerKind.APPLY, 0, 0, 0))
        else:
            self.ask()

    def _later(self, duration_ms: int) -> None:
        """Look again after this time, or when it was due anyway: messages must not put it off for ever."""
        now = self._replica.clock.steady_ms()
        if now < self._due_ms <= now + duration_ms:
            return
        self._due_ms = now + duration_ms
        self._replica.send(StartTimer(TimerKind.SYNC, 0, 0, duration_ms))
