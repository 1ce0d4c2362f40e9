"""Evidence of custody: storage proofs of the counters that a watcher read, collected and kept on disk.

Rule: facts never wait for evidence, so proofs are requested beside the watcher while nodes still have the states. Bad
evidence is no fault of the watcher: it is requested again a few times, and then the package of the epoch states what is
not proven. On disk there is one file a block, the newest of each chain; a file is a copy that anybody can check, and
one that cannot be read, or is not of the requested block, counts as absent. It must not know what evidence proves.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from bridge.rpc.proofs import fetch_evidence
from bridge.rpc.quorum import EndpointQuorum
from bridge.watched_chain import WatchedChain
from clearing.base.codec import decode, encode
from clearing.base.errors import RemoteFault
from clearing.base.evm.evidence import HEADER_BYTES_MAX, NODE_BYTES_MAX, NODES_MAX, BlockEvidence
from clearing.schema.facts import CustodySeen

TRIES = 8
"""For each block."""
PAUSE_SECONDS = 2.0
WAITING_MAX = 4


@dataclass(slots=True)
class _WaitingBlock:
    """Counters of one block, and how often their evidence may still be asked for."""

    facts: tuple[CustodySeen, ...]
    tries: int = TRIES


class EvidenceCollector:
    """Of one chain. `keep` gets a block's number and evidence that was checked against the quorum's counters."""

    def __init__(self, chain: WatchedChain, quorum: EndpointQuorum, save: Callable[[int, BlockEvidence], None]) -> None:
        self._chain = chain
        self._quorum = quorum
        self._save = save
        self._waiting: deque[_WaitingBlock] = deque(maxlen=WAITING_MAX)
        self._requested = trio.Event()
        self.proven = 0
        """Blocks whose counters were proven."""
        self.last_fault = ""
        """Why the newest answer proved nothing; empty when it did."""

    def follow(self, chain: WatchedChain) -> None:
        """From here on other tokens of the same vault."""
        self._chain = chain

    def request(self, facts: Sequence[CustodySeen]) -> None:
        """Request evidence of counters that were read at one block."""
        if facts:
            self._waiting.append(_WaitingBlock(tuple(facts)))
            self._requested.set()

    async def run(self, pause: float = PAUSE_SECONDS) -> None:
        """Collect the requested evidence, for ever."""
        while True:
            await self._requested.wait()
            await self.ask()
            if self._waiting:
                await trio.sleep(pause)
            else:
                self._requested = trio.Event()

    async def ask(self) -> None:
        """Ask once for all requested evidence."""
        for waiting in tuple(self._waiting):
            try:
                evidence = await self.prove(waiting.facts)
            except RemoteFault as fault:
                self.last_fault = str(fault)
                waiting.tries -= 1
                if waiting.tries == 0:
                    self._drop(waiting)
            else:
                self._drop(waiting)
                self._store(waiting.facts[0].block_number, evidence)

    def _drop(self, done: _WaitingBlock) -> None:
        """It may have been pushed out meanwhile, by newer ones."""
        self._waiting = deque((waiting for waiting in self._waiting if waiting is not done), maxlen=WAITING_MAX)

    def _store(self, number: int, evidence: BlockEvidence) -> None:
        try:
            self._save(number, evidence)
        except OSError as error:  # a full disk stops no facts
            self.last_fault = str(error)
        else:
            self.proven += 1
            self.last_fault = ""

    async def prove(self, facts: Sequence[CustodySeen]) -> BlockEvidence:
        """Evidence of counters at one block, from any endpoint that still has its state. See `fetch_evidence`."""
        return await fetch_evidence(self._chain, self._quorum, facts)


KEPT_BLOCKS = 128
"""Of each chain. Epochs are proven minutes after their custody blocks."""
SUFFIX = ".evidence"
_BYTES_MAX = HEADER_BYTES_MAX + NODES_MAX * (NODE_BYTES_MAX + 8)


class EvidenceStore:
    """Keeps what the watchers proved."""

    def __init__(self, folder: Path, kept: int = KEPT_BLOCKS) -> None:
        self._folder = folder
        self._kept = kept
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, number: int, evidence: BlockEvidence) -> None:
        """Write the evidence of a block, in one step, and drop evidence older than the newest `kept` of its chain."""
        path = self._path(evidence.chain_id, number, evidence.block_hash)
        new = path.with_suffix(".new")
        new.write_bytes(encode(evidence))
        new.replace(path)
        for old in sorted(self._folder.glob(f"chain-{evidence.chain_id}-*{SUFFIX}"))[: -self._kept]:
            old.unlink(missing_ok=True)

    def of_block(self, chain_id: int, number: int, block_hash: bytes) -> BlockEvidence | None:
        """The evidence of one block, or None."""
        try:
            data = self._path(chain_id, number, block_hash).read_bytes()
            evidence = decode(data, BlockEvidence, _BYTES_MAX)
        except (OSError, RemoteFault):
            return None
        return evidence if (evidence.chain_id, evidence.block_hash) == (chain_id, block_hash) else None

    def _path(self, chain_id: int, number: int, block_hash: bytes) -> Path:
        return self._folder / f"chain-{chain_id}-{number:020d}-{block_hash.hex()[:16]}{SUFFIX}"
