"""`BlockSync`: which heights to request from which peer, and fetched blocks, made final as runs by one certificate.

Rule: one request a peer is out at a time, to several peers at once, each for a range of its own. A peer that doesn't
answer or answers nonsense is passed over; the heights needed next go to the quickest peer so far, and to a second peer
when they are late, so that a peer that answers as slowly and as little as it may does not set the speed. Bounded: one
height a peer, `WINDOW` heights and `BYTES_AHEAD` bytes of blocks.

Honest validators precommit a block only after they decided its parent, so a certificate makes final what the block's
hash leads down to. One pairing then checks a whole run, and each block below the last brings the proof of its parent's
finality, its last commit, inside of what was certified. The sender of a block that the hashes don't lead to has lied;
the others' blocks stay. A run ends where the validator set changes: no set is taken from a header before its block is
applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.errors import Bug, RemoteFault
from consensus.blocks.admission import Admission, is_final
from consensus.blocks.executor import check_carried
from consensus.chain_state import ChainState
from consensus.codes import ConsensusCode
from consensus.messages import (
    BLOCK_BYTES_MAX,
    BLOCKS_PER_RESPONSE_MAX,
    Block,
    BlockRequest,
    BlockResponse,
    CommittedBlock,
)

REQUEST_TIMEOUT_MS = 1000
HEDGE_MS = 250
"""How long the next range is left to one peer while another one is idle."""
GRACE_MS = 100
"""How long a node that is one height behind waits for its own votes before it asks."""
REST_MS = 1000
"""How long a peer that failed is not asked, and twice that at most: claims and empty answers must not go round."""
PEERS_MAX = 512
RANGE = BLOCKS_PER_RESPONSE_MAX // 2
WINDOW = 16 * RANGE
"""How far above the own height blocks are fetched."""
BYTES_AHEAD = 4 * BLOCK_BYTES_MAX
"""Fetched and not applied: above this only the next range is requested."""
PARALLEL = 6
"""Requests out at a time: with as many answers of the longest kind, the most that is kept."""


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A request that wasn't answered yet."""

    first: int
    count: int
    asked_at_ms: int

    def covers(self, height: int) -> bool:
        """Whether the height is in the range."""
        return self.first <= height < self.first + self.count


@dataclass(frozen=True, slots=True)
class FetchedBlock:
    """A block as a peer sent it, unchecked."""

    peer: bytes
    committed: CommittedBlock

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        block = self.committed.block
        extensions = len(block.extended_commit) + len(self.committed.extensions)
        data = sum(len(signed.extension.data) for signed in (*block.extended_commit, *self.committed.extensions))
        return 2048 + len(block.payload) + 128 * extensions + data


class BlockSync:
    """The fetching half. Serving is reading the store."""

    def __init__(self) -> None:
        self._heights: dict[bytes, int] = {}
        self._failures: dict[bytes, int] = {}
        self._rests_until_ms: dict[bytes, int] = {}
        self._turns: dict[bytes, int] = {}
        self._us_per_block: dict[bytes, int] = {}
        self._requests = 0
        self._outstanding: dict[bytes, Outstanding] = {}
        self._fetched: dict[int, FetchedBlock] = {}
        self._bytes = 0

    def note_height(self, peer: bytes, height: int) -> None:
        """A peer has decided this height."""
        if peer in self._heights or len(self._heights) < PEERS_MAX:
            self._heights[peer] = max(height, self._heights.get(peer, 0))

    def best_height(self) -> int:
        """The highest height that a peer claims."""
        return max(self._heights.values(), default=0)

    def requests(self, own_height: int, now_ms: int) -> list[tuple[bytes, BlockRequest]]:
        """The requests to send now for heights above `own_height`, by peer."""
        self._drop_late(now_ms)
        asked: list[tuple[bytes, BlockRequest]] = []
        if len(self._outstanding) >= min(PARALLEL, len(self._heights)):
            return asked
        for first in self._missing(own_height, now_ms):
            urgent = first == own_height + 1
            if len(self._outstanding) >= PARALLEL or (self._bytes >= BYTES_AHEAD and not urgent):
                break
            peer = self._choose(first, now_ms)
            if peer is None:
                continue
            count = self._room(first, min(own_height + WINDOW, self._heights[peer]))
            self._requests += 1
            self._turns[peer] = self._requests
            self._outstanding[peer] = Outstanding(first, count, now_ms)
            asked.append((peer, BlockRequest(first=first, count=count)))
        return asked

    def awaits(self, peer: bytes) -> bool:
        """Whether an answer of this peer is due."""
        return peer in self._outstanding

    def accept(self, peer: bytes, response: BlockResponse, now_ms: int) -> bool:
        """Take an answer: False if this peer was not asked for it, which counts against it."""
        asked = self._outstanding.pop(peer, None)
        if asked is None:
            return False
        heights = [committed.block.header.height for committed in response.blocks]
        if not heights or heights != list(range(asked.first, asked.first + len(heights))) or len(heights) > asked.count:
            self.blame(peer, now_ms)
            return False
        self._failures.pop(peer, None)
        spent = max(1, now_ms - asked.asked_at_ms) * 1000 // len(heights)
        self._us_per_block[peer] = (3 * self._us_per_block.get(peer, spent) + spent) // 4
        for committed in response.blocks:
            fetched = FetchedBlock(peer, committed)
            if self._fetched.setdefault(committed.block.header.height, fetched) is fetched:
                self._bytes += fetched.size
        return True

    def run_above(self, height: int, limit: int) -> Sequence[FetchedBlock]:
        """The fetched blocks from height + 1 on without a gap, at most so many; lower ones are dropped."""
        self.forget_to(height)
        run: list[FetchedBlock] = []
        while len(run) < limit and height + 1 + len(run) in self._fetched:
            run.append(self._fetched[height + 1 + len(run)])
        return run

    def holds(self, height: int) -> bool:
        """Whether this height was fetched and waits."""
        return height in self._fetched

    def forget_to(self, height: int) -> None:
        """Blocks up to this height are not needed any more."""
        for stale in [at for at in self._fetched if at <= height]:
            self._drop(stale)

    def blame(self, peer: bytes, now_ms: int) -> None:
        """A peer didn't deliver: ask others first, forget what it sent and claimed."""
        failures = self._failures[peer] = self._failures.get(peer, 0) + 1
        self._rests_until_ms[peer] = now_ms + REST_MS * min(failures, 2)
        self._heights.pop(peer, None)
        self._outstanding.pop(peer, None)
        for height in [height for height, fetched in self._fetched.items() if fetched.peer == peer]:
            self._drop(height)

    @property
    def has_blocks(self) -> bool:
        """Whether fetched blocks wait."""
        return bool(self._fetched)

    def _drop(self, height: int) -> None:
        self._bytes -= self._fetched.pop(height).size

    def _drop_late(self, now_ms: int) -> None:
        for peer, waiting in list(self._outstanding.items()):
            if now_ms - waiting.asked_at_ms >= REQUEST_TIMEOUT_MS:
                self.blame(peer, now_ms)

    def _missing(self, own_height: int, now_ms: int) -> list[int]:
        """The starts of ranges that are not requested, lowest first; the first one again when it is late."""
        starts = []
        height, last = own_height + 1, min(own_height + WINDOW, self.best_height())
        while height <= last:
            covering = [out for out in self._outstanding.values() if out.covers(height)]
            if height in self._fetched:
                height += 1
            elif not covering:
                starts.append(height)
                height += self._room(height, last)
            else:
                late = now_ms - covering[0].asked_at_ms >= HEDGE_MS
                if height == own_height + 1 and len(covering) == 1 and late:
                    starts.append(height)
                height = max(out.first + out.count for out in covering)
        return starts

    def _room(self, first: int, last: int) -> int:
        """How many heights from `first` on are neither fetched nor asked for, at most a range; at least one."""
        taken = [out.first for out in self._outstanding.values() if out.first > first]
        taken += [height for height in range(first + 1, min(first + RANGE, last + 1)) if height in self._fetched]
        return max(1, min([first + RANGE, last + 1, *taken]) - first)

    def _choose(self, first: int, now_ms: int) -> bytes | None:
        """The idle peer that claims the height with the fewest failures, then the quickest."""
        idle = [
            peer
            for peer, height in self._heights.items()
            if height >= first and peer not in self._outstanding and self._rests_until_ms.get(peer, 0) <= now_ms
        ]
        return min(idle, key=self._rank) if idle else None

    def _rank(self, peer: bytes) -> tuple[int, int, int, bytes]:
        return self._failures.get(peer, 0), self._us_per_block.get(peer, 0), self._turns.get(peer, 0), peer


RUN_MAX = 64


@dataclass(frozen=True, slots=True)
class RunFault:
    """The sender of an impossible block, and why it is impossible."""

    peer: bytes
    fault: RemoteFault


def certify_run(
    chain: ChainState, fetched: Sequence[FetchedBlock], admission: Admission
) -> list[CommittedBlock] | RunFault:
    """The blocks of `fetched` (consecutive, the first above `chain`) that are final, from the lowest on; or the fault.

    Raises Bug when they are final on another chain than this one.
    """
    run = _of_one_set(chain, fetched)
    if not run:
        header = fetched[0].committed.block.header
        return RunFault(
            fetched[0].peer,
            RemoteFault(
                ConsensusCode.BROKEN_LINK,
                "validators_hash",
                stated=header.validators_hash,
                computed=chain.validators.hash,
            ),
        )
    tip = run[-1]
    try:
        admission.check_committed(chain, tip.committed, len(run))
    except RemoteFault as fault:
        return RunFault(tip.peer, fault)
    return _down_from(tip.committed, run, chain)


def _of_one_set(chain: ChainState, fetched: Sequence[FetchedBlock]) -> Sequence[FetchedBlock]:
    known = chain.validators.hash
    for count, fetched_block in enumerate(fetched):
        if fetched_block.committed.block.header.validators_hash != known:
            return fetched[:count]
    return fetched


def _down_from(tip: CommittedBlock, run: Sequence[FetchedBlock], chain: ChainState) -> list[CommittedBlock] | RunFault:
    certified: list[CommittedBlock] = []
    wanted: bytes = tip.block.header.hash
    child: Block | None = None
    for fetched_block in reversed(run):
        block = fetched_block.committed.block
        try:
            if block.header.hash != wanted:
                raise RemoteFault(ConsensusCode.BROKEN_LINK, "hash", stated=block.header.hash, computed=wanted)
            check_carried(block)
        except RemoteFault as fault:
            return RunFault(fetched_block.peer, fault)
        certified.append(tip if child is None else _below(child, block))
        wanted, child = block.header.parent, block
    if wanted != chain.parent:
        raise Bug(f"another chain is final above height {chain.height}: its block there is {wanted.hex()}")
    return certified[::-1]


def _below(child: Block, block: Block) -> CommittedBlock:
    """A block with the certificate that its certified child carries."""
    commit = child.last_commit
    if commit is None or not is_final(commit) or commit.value != block.header.hash:
        raise Bug(f"a quorum decided block {child.header.height}, whose last commit is not of its parent")
    return CommittedBlock(block=block, certificate=commit, extensions=child.extended_commit)
