"""`CatchUp`: broadcast the own height, note others', fetch decided blocks and serve them.

Rule: a fetched block is applied only when a certificate on or above it and its contents verify; a quorum's block that
does not execute here is a Bug, not the sender's fault. Fetching goes on while blocks are applied, one a turn, so that
the loop stays free.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from clearing.base.certificate import Certificate, signer_indices
from clearing.base.errors import Bug, LocalFault, RemoteFault
from clearing.base.token_bucket import TokenBuckets
from consensus.blocks.height_context import HeightContext
from consensus.blocks.store import BlockStore, Stored, save_run
from consensus.chain_state import ChainState
from consensus.messages import BlockRequest, BlockResponse, CommittedBlock, MessageKind, Status
from consensus.outputs import Broadcast, Lane, Output, PeerFault, Send, StartTimer
from consensus.signing import seal, seal_body
from consensus.sync.fetching import GRACE_MS, HEDGE_MS, RUN_MAX, BlockSync, RunFault, certify_run
from consensus.sync.messages import pack_block_response
from consensus.timeouts import TimerKind

RESPONSE_BYTES_AIM = 256 << 10
"""Several short answers from several peers: none of them holds up votes on its connection for long."""
SERVED_BYTES_PER_SECOND = 8 << 20
SERVED_BYTES_AT_ONCE = 16 << 20
REQUEST_BYTES = 32 << 10
"""What any request is charged beside its blocks."""


class DecidedChain(Protocol):
    """The decided chain, which grows while blocks are fetched."""

    @property
    def chain(self) -> ChainState:
        """After the last decided block."""
        ...


class CatchUp:
    """Block sync of one replica. `commit` applies a fetched block, which is stored already."""

    def __init__(
        self,
        decided: DecidedChain,
        context: HeightContext,
        store: BlockStore,
        send: Callable[[Output], None],
        commit: Callable[[CommittedBlock], None],
    ) -> None:
        self._decided = decided
        self._context = context
        self._store = store
        self._send = send
        self._commit = commit
        self._sync = BlockSync()
        self._certified: deque[CommittedBlock] = deque()
        """Final and not applied yet, in order; at most a run."""
        self._status_sent: dict[bytes, int] = {}
        self._due_ms = -1
        self._served = TokenBuckets(SERVED_BYTES_PER_SECOND, SERVED_BYTES_AT_ONCE, ticks=1000)

    def awaits(self, peer: bytes) -> bool:
        """Whether this peer was asked for blocks: unrequested blocks are not even read."""
        return self._sync.awaits(peer)

    def broadcast_status(self) -> None:
        """Broadcast the decided height."""
        status = Status(height=self._decided.chain.height)
        self._send(Broadcast(Lane.CONSENSUS, seal(self._context.signer, status)))

    def help_behind(self, peer: bytes, height: int) -> None:
        """A peer works on a height decided here: send it the decided height, once a height."""
        if self._status_sent.get(peer, 0) >= height:
            return
        if peer in self._decided.chain.validators.index_of:
            self._status_sent[peer] = height
            status = Status(height=self._decided.chain.height)
            self._send(Send(peer, Lane.CONSENSUS, seal(self._context.signer, status)))

    def note_height(self, peer: bytes, height: int) -> None:
        """A peer has decided this height. One ahead is usual and waits a little; more is asked for at once."""
        self._sync.note_height(peer, height)
        if self._lacks_rules:
            return
        ahead = height - self._decided.chain.height
        if ahead == 1:
            self._schedule_ask(GRACE_MS)
        elif ahead > 1:
            self.ask()

    def note_signers(self, certificates: Iterable[Certificate]) -> None:
        """A value is final but its block isn't here: its signers will have it."""
        validators = self._decided.chain.validators.validators
        own, missing = self._context.signer.envelope_key, self._context.links.missing
        for certificate in certificates:
            for index in signer_indices(certificate.signers):
                key = validators[index].envelope_key
                if key != own and key not in missing:
                    self._sync.note_height(key, certificate.height)
            self._schedule_ask(GRACE_MS)

    def ask(self) -> None:
        """Request missing blocks from several peers, and check again when answers are late."""
        own = self._certified[-1].block.header.height if self._certified else self._decided.chain.height
        if self._lacks_rules or self._sync.best_height() <= own:
            return
        for peer, request in self._sync.requests(own, self._context.clock.steady_ms()):
            self._send(Send(peer, Lane.SYNC, seal(self._context.signer, request)))
        self._schedule_ask(HEDGE_MS)

    def serve(self, peer: bytes, request: BlockRequest) -> None:
        """Answer with consecutive blocks: about a quarter megabyte, at least one if there is one; nothing to a
        peer that asks too much.

        Reading takes the time of the consensus loop; stored bytes go out as they are.
        """
        now = self._context.clock.steady_ms()
        if not self._served.has(peer, now):
            return
        blocks: list[Stored] = []
        size = 0
        for height in range(request.first, min(request.first + request.count, self._decided.chain.height + 1)):
            try:
                stored = self._store.load(height)
            except LocalFault:
                break  # A damaged block is the operator's concern: no request for it may stop this node.
            if stored is None:
                break
            blocks.append(stored)
            size += sum(len(part) for part in stored)
            if size >= RESPONSE_BYTES_AIM:
                break
        self._served.charge(peer, now, REQUEST_BYTES + size, SERVED_BYTES_AT_ONCE)
        body = pack_block_response(blocks)
        self._send(Send(peer, Lane.SYNC, seal_body(self._context.signer, MessageKind.BLOCK_RESPONSE, body)))

    def take(self, peer: bytes, response: BlockResponse) -> None:
        """Fetched blocks arrived: ask for more, and apply them one a turn."""
        if self._sync.accept(peer, response, self._context.clock.steady_ms()):
            self._schedule_apply()
        self.ask()

    def apply_next(self) -> None:
        """Apply the next fetched block; of those that are not certified yet, check a run first."""
        while self._certified and self._certified[0].block.header.height <= self._decided.chain.height:
            self._certified.popleft()
        if self._lacks_rules:
            return
        if not self._certified:
            self._certify()
        if self._certified:
            self._apply(self._certified.popleft())
        if self._certified:
            self._schedule_apply()
            return
        if self._sync.holds(self._decided.chain.height + 1):
            self._schedule_apply()
        self.ask()

    @property
    def best_height(self) -> int:
        """The highest that a peer said to have decided, unproven."""
        return self._sync.best_height()

    @property
    def _lacks_rules(self) -> bool:
        """Whether this release cannot execute the next block: then none above is fetched or stored."""
        return self._context.application.missing_version(self._decided.chain.height + 1) is not None

    def _certify(self) -> None:
        """Certify and store fetched blocks, as far as this release has their rules."""
        chain, application = self._decided.chain, self._context.application
        run = self._sync.run_above(chain.height, RUN_MAX)
        run = [block for at, block in enumerate(run, chain.height + 1) if application.missing_version(at) is None]
        if not run:
            return
        found = certify_run(chain, run, self._context.admission)
        if isinstance(found, RunFault):
            self._sync.blame(found.peer, self._context.clock.steady_ms())
            self._send(PeerFault(found.peer, found.fault))
        else:
            save_run(self._store, found)
            self._certified.extend(found)
            self._sync.forget_to(found[-1].block.header.height)

    def _apply(self, committed: CommittedBlock) -> None:
        try:
            self._context.executor.check(self._decided.chain, committed.block, certified=True)
        except RemoteFault as fault:
            raise Bug(f"a quorum decided block {committed.block.header.height}, invalid here: {fault}") from fault
        self._commit(committed)

    def _schedule_apply(self) -> None:
        self._send(StartTimer(TimerKind.APPLY, 0, 0, 0))

    def _schedule_ask(self, duration_ms: int) -> None:
        """Look again after this time, or when it was due anyway: messages must not put it off for ever."""
        now = self._context.clock.steady_ms()
        if now < self._due_ms <= now + duration_ms:
            return
        self._due_ms = now + duration_ms
        self._send(StartTimer(TimerKind.SYNC, 0, 0, duration_ms))
