"""From a store and an application that may lag behind it to the chain that the next height stands on.

Rule: what the application has is never executed again; what only the store has is fed to it in order.
"""

from clearing.base.errors import LocalFault
from consensus.application import Application
from consensus.blocks.chain import Chain, Position, chain_at
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.store import BlockStore, keep_sets, load_committed
from consensus.codes import ConsensusCode
from consensus.messages import CommittedBlock
from consensus.signing import CertificateCache, Verifier


def restore_chain(
    network: bytes,
    genesis_time_ms: int,
    position: Position,
    application: Application,
    store: BlockStore,
    verifier: Verifier,
) -> Chain:
    """Bring the application to the store's height and give the chain there.

    Raises LocalFault STORE_INCOMPLETE when the store lacks a block that the application has or needs, Bug when a stored
    block doesn't execute.
    """
    if position.height > store.height():
        raise LocalFault(
            ConsensusCode.STORE_INCOMPLETE, "store behind application", store=store.height(), needed=position.height
        )
    last = None if position.height == 0 else _load(store, position.height)
    chain = chain_at(network, genesis_time_ms, position, last)
    keep_sets(store, chain)
    executor = BlockExecutor(application, verifier, CertificateCache(verifier, network))
    for height in range(position.height + 1, store.height() + 1):
        committed = _load(store, height)
        chain = executor.apply(chain, committed.block, committed.certificate, committed.extensions)
        keep_sets(store, chain)
    return chain


def _load(store: BlockStore, height: int) -> CommittedBlock:
    committed = load_committed(store, height)
    if committed is None:
        raise LocalFault(ConsensusCode.STORE_INCOMPLETE, "store", height=height, highest=store.height())
    return committed
