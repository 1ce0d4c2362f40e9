"""Execution of a home's blocks, from a state below the first that is wanted.

Rule: each block's roots must be those of its certified header, so what is indexed is what the network agreed on.
"""

from collections.abc import Iterator

from clearing.base.errors import LocalFault
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.store import load_committed
from consensus.chain_state import ApplicationPosition, chain_at
from consensus.signing import CertificateCache, CurveVerifier
from member.codes import NodeCode
from node.agreement.application import ClearingApplication, DecidedHeight
from node.offline.replay import NoPool, StatedCommitments
from node.store.blocks import StoredBlocks
from node.store.store import Store
from node.sync.restore import read_saved


class HomeExecution:
    """The state of a home at a height, and the heights after it."""

    def __init__(self, genesis: Genesis, salt: bytes, store: Store, after: int) -> None:
        """Execute up to `after`, from the newest saved state not above it. Raises LocalFault STORE_GAP."""
        self._store, self._blocks = store, StoredBlocks(store)
        self._stated = StatedCommitments()
        self._decided: list[DecidedHeight] = []
        begin, state = self._begin(genesis, salt, after)
        self._application = ClearingApplication(
            genesis, state, NoPool(), self._stated, lambda _: VoteExtension(), begin
        )
        self._application.listen(self._decided.append)
        sets, last = validator_sets(state), load_committed(self._blocks, begin) if begin else None
        position = ApplicationPosition(begin, sets.last, sets.now, sets.next)
        self._chain = chain_at(network_id(genesis), genesis.time_ms, position, last)
        verifier = CurveVerifier()
        self._executor = BlockExecutor(self._application, verifier, CertificateCache(verifier, network_id(genesis)))
        while self.height < after:
            self._next()

    @property
    def height(self) -> int:
        """Executed so far."""
        return self._application.height

    @property
    def state(self) -> State:
        """After that height."""
        return self._application.state

    def heights(self) -> Iterator[DecidedHeight]:
        """Every height that the home has above `height`. Raises RemoteFault where roots differ."""
        while self.height < self._store.height():
            yield self._next()

    def _begin(self, genesis: Genesis, salt: bytes, after: int) -> tuple[int, State]:
        found = self._store.snapshot(after) if after else None
        if found is None:
            if self._store.first_height() > 1:
                # A node that fetched a state has nothing below it; its history begins there.
                found = self._store.snapshot()
                if found is None or after:
                    raise LocalFault(NodeCode.STORE_GAP, "history", height=after, lowest=self._store.first_height())
            else:
                return 0, initial_state(genesis, salt)
        height, data = found
        committed = load_committed(self._blocks, height)
        if committed is None:
            raise LocalFault(NodeCode.STORE_GAP, "history", height=height)
        return height, read_saved(genesis, salt, committed.block.header, data).state

    def _next(self) -> DecidedHeight:
        committed = load_committed(self._blocks, self.height + 1)
        if committed is None:
            raise LocalFault(NodeCode.STORE_GAP, "history", height=self.height + 1)
        block = committed.block
        self._stated.header = block.header
        self._executor.check(self._chain, block, certified=True)
        self._chain = self._executor.apply(self._chain, block, committed.certificate, committed.extensions)
        return self._decided.pop()
