"""`EvidenceKeeper`: asks for the proofs of the counters that a watcher told, while nodes still have the states.

Rule: facts never wait for evidence, so it is asked for beside the watcher; and what is wrong with evidence is no fault
of the watcher: it is asked for again a few times, and then the package of the epoch says what is not proven.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from bridge.chain import WatchedChain
from bridge.quorum import EndpointQuorum
from bridge.storage_proofs import fetch_evidence
from clearing.base.errors import RemoteFault
from clearing.base.evm.evidence import BlockEvidence
from clearing.facts import CustodySeen

TRIES = 8
"""For each block."""
PAUSE_SECONDS = 2.0
WAITING_MAX = 4


@dataclass(slots=True)
class _Waiting:
    """Counters of one block, and how often their evidence may still be asked for."""

    facts: tuple[CustodySeen, ...]
    tries: int = TRIES


class EvidenceKeeper:
    """Of one chain. `keep` gets a block's number and evidence that was checked against the quorum's word."""

    def __init__(self, chain: WatchedChain, quorum: EndpointQuorum, keep: Callable[[int, BlockEvidence], None]) -> None:
        self._chain = chain
        self._quorum = quorum
        self._keep = keep
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING_MAX)
        self._wanted = trio.Event()
        self.proven = 0
        """Blocks whose counters were proven."""
        self.last_fault = ""
        """Why the newest answer proved nothing; empty when it did."""

    def follow(self, chain: WatchedChain) -> None:
        """From here on other tokens of the same vault."""
        self._chain = chain

    def told(self, facts: Sequence[CustodySeen]) -> None:
        """Counters at one block were told: their evidence is wanted."""
        if facts:
            self._waiting.append(_Waiting(tuple(facts)))
            self._wanted.set()

    async def run(self, pause: float = PAUSE_SECONDS) -> None:
        """Ask for what is told, for ever."""
        while True:
            await self._wanted.wait()
            await self.ask()
            if self._waiting:
                await trio.sleep(pause)
            else:
                self._wanted = trio.Event()

    async def ask(self) -> None:
        """Ask once for all that is wanted."""
        for each in tuple(self._waiting):
            try:
                evidence = await self.prove(each.facts)
            except RemoteFault as fault:
                self.last_fault = str(fault)
                each.tries -= 1
                if each.tries == 0:
                    self._drop(each)
            else:
                self._drop(each)
                self._store(each.facts[0].block_number, evidence)

    def _drop(self, done: _Waiting) -> None:
        """It may have been pushed out meanwhile, by newer ones."""
        self._waiting = deque((each for each in self._waiting if each is not done), maxlen=WAITING_MAX)

    def _store(self, number: int, evidence: BlockEvidence) -> None:
        try:
            self._keep(number, evidence)
        except OSError as error:  # a full disk stops no facts
            self.last_fault = str(error)
        else:
            self.proven += 1
            self.last_fault = ""

    async def prove(self, facts: Sequence[CustodySeen]) -> BlockEvidence:
        """Evidence of counters at one block, from any endpoint that still has its state. See `fetch_evidence`."""
        return await fetch_evidence(self._chain, self._quorum, facts)
