"""Block sync: who is ahead, what to ask them for, and which fetched blocks wait to be applied.

Rule: blocks are believed for their certificate, never for their sender. One request is out at a time; a peer that
doesn't answer or answers nonsense is passed over, and of the others each has its turn, so that one that answers as
slowly and as little as it may does not set the speed. Bounded: one height per validator, one response.
"""

from collections import deque
from dataclasses import dataclass

from consensus.messages import BLOCKS_PER_RESPONSE_MAX, BlockRequest, BlockResponse, CommittedBlock

REQUEST_TIMEOUT_MS = 1000
GRACE_MS = 100
"""How long a node that is one height behind waits for its own votes before it asks."""
PEERS_MAX = 512


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A request that wasn't answered yet."""

    peer: bytes
    first: int
    asked_at_ms: int


class BlockSync:
    """The fetching half. Serving is reading the store."""

    def __init__(self) -> None:
        self._heights: dict[bytes, int] = {}
        self._failures: dict[bytes, int] = {}
        self._turns: dict[bytes, int] = {}
        self._requests = 0
        self._outstanding: Outstanding | None = None
        self._fetched: deque[tuple[bytes, CommittedBlock]] = deque()

    def note_height(self, peer: bytes, height: int) -> None:
        """A peer has decided this height."""
        if peer in self._heights or len(self._heights) < PEERS_MAX:
            self._heights[peer] = max(height, self._heights.get(peer, 0))

    def best_height(self) -> int:
        """The highest height that a peer claims."""
        return max(self._heights.values(), default=0)

    def request(self, own_height: int, now_ms: int) -> tuple[bytes, BlockRequest] | None:
        """Whom to ask now for the blocks above `own_height`, if anybody."""
        if self._fetched:
            return None
        waiting = self._outstanding
        if waiting is not None and now_ms - waiting.asked_at_ms < REQUEST_TIMEOUT_MS:
            return None
        if waiting is not None:
            self.blame(waiting.peer)
        ahead = [peer for peer, height in self._heights.items() if height > own_height]
        if not ahead:
            self._outstanding = None
            return None
        peer = min(
            ahead, key=lambda key: (self._failures.get(key, 0), self._turns.get(key, 0), -self._heights[key], key)
        )
        self._requests += 1
        self._turns[peer] = self._requests
        self._outstanding = Outstanding(peer, own_height + 1, now_ms)
        return peer, BlockRequest(first=own_height + 1, count=BLOCKS_PER_RESPONSE_MAX)

    def awaits(self, peer: bytes) -> bool:
        """Whether an answer of this peer is due."""
        return self._outstanding is not None and self._outstanding.peer == peer

    def accept(self, peer: bytes, response: BlockResponse) -> bool:
        """Take an answer; False when nobody asked this peer."""
        if not self.awaits(peer):
            return False
        self._outstanding = None
        if not response.blocks:
            self.blame(peer)
            return True
        self._failures.pop(peer, None)
        self._fetched.extend((peer, block) for block in response.blocks)
        return True

    def next_block(self, height: int) -> tuple[bytes, CommittedBlock] | None:
        """The fetched block for a height, and who sent it; lower ones are dropped, and all on a gap."""
        while self._fetched:
            peer, committed = self._fetched.popleft()
            if committed.block.header.height == height:
                return peer, committed
            if committed.block.header.height > height:
                self.blame(peer)
        return None

    def blame(self, peer: bytes) -> None:
        """A peer didn't deliver: ask others first, forget what it sent and claimed."""
        self._failures[peer] = self._failures.get(peer, 0) + 1
        self._heights.pop(peer, None)
        self._fetched.clear()
        if self._outstanding is not None and self._outstanding.peer == peer:
            self._outstanding = None

    def _rank(self, peer: bytes) -> tuple[int, int, int, bytes]:
        """The lowest is asked next."""
        return self._failures.get(peer, 0), self._turns.get(peer, 0), -self._heights[peer], peer

    @property
    def has_blocks(self) -> bool:
        """Whether fetched blocks wait."""
        return bool(self._fetched)
