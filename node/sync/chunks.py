"""Fetching a snapshot's chunks: from everybody who offers it, at the rate that a peer serves, and from the own disk.

Rule: a chunk is believed for its proof, whoever sent it. A peer that fails too often is asked for no more of this
snapshot. It must not know headers, nor what is in a chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from clearing.base.errors import RemoteFault
from consensus.codes import ConsensusCode
from consensus.sync.messages import ChunkRequest, ChunkResponse, Manifest
from consensus.sync.state_sync import Assembly
from node.sync.kept_chunks import KeptChunks
from node.sync.peer_talk import PeerTalk

CHUNKS_PER_PEER = 4
CHUNK_SECONDS = 0.04
"""The least time between two requests of one of these: a hundred chunks a second of a peer, which serves no more."""
STRIKES = 3
"""Chunks that one peer may fail to send before it is asked for no more of this snapshot."""


@dataclass(slots=True)
class Progress:
    """For logs and tests."""

    offers: int = 0
    light_blocks: int = 0
    chunks: int = 0
    chunks_kept: int = 0
    """Of an earlier start."""
    chunks_refused: int = 0
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChunkFetch:
    """How one node fetches chunks."""

    talk: PeerTalk
    progress: Progress
    kept: KeptChunks | None
    answer_seconds: float
    idle_seconds: float
    """How long a task without a chunk to ask for waits for one that another failed to get."""

    async def run(self, manifest: Manifest, holders: Sequence[bytes]) -> bytes | None:
        """All chunks, several of each holder at a time; None when too many failed."""
        assembly = Assembly(manifest)
        if self.kept is not None:
            self.progress.chunks_kept = await trio.to_thread.run_sync(self.kept.begin, manifest, assembly.take)
        async with trio.open_nursery() as nursery:
            for peer in holders:
                strikes = [STRIKES]
                for _ in range(CHUNKS_PER_PEER):
                    nursery.start_soon(self._fetch, peer, assembly, strikes)
        return assembly.data() if not assembly.missing else None

    async def _fetch(self, peer: bytes, assembly: Assembly, strikes: list[int]) -> None:
        """Fetch until nothing is missing, or this peer has failed too often; idle ones wait for what others fail."""
        manifest = assembly.manifest
        while assembly.missing and strikes[0] > 0:
            index = assembly.next_open()
            if index is None:
                await trio.sleep(self.idle_seconds)
                continue
            next_at = trio.current_time() + CHUNK_SECONDS
            answer = await self.talk.ask(peer, ChunkRequest(manifest=manifest.hash, index=index), self.answer_seconds)
            try:
                if not isinstance(answer, ChunkResponse) or not answer.data:
                    raise RemoteFault(ConsensusCode.BAD_CHUNK, "none", index=index)
                assembly.take(answer)
                if self.kept is not None:
                    self.kept.keep(answer)
                self.progress.chunks += 1
                strikes[0] = min(STRIKES, strikes[0] + 1)
            except RemoteFault as fault:
                strikes[0] -= 1
                self.progress.chunks_refused += 1
                assembly.give_back(index)
                if fault.at != "none":
                    self.talk.report(peer, fault)
            if assembly.missing:
                await trio.sleep_until(next_at)
