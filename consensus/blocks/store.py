"""`BlockStore`: the storage of decided blocks, and restoring the chain from it at a start.

Rule: `save` returns only when the block is durable; heights have no gaps. Bytes in, bytes out: the store knows no
consensus types. Beside the blocks it keeps the validator sets that their headers name, by hash: a node that has a block
can prove who signed it. At a start, blocks that the application has are never executed again; later blocks of the store
are fed to it in order.
"""

from collections.abc import Sequence
from typing import Protocol

from clearing.base.certificate import Certificate
from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from consensus.application import Application
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.leader_history import with_leaders
from consensus.chain_state import ApplicationPosition, ChainState, chain_at
from consensus.codes import ConsensusCode
from consensus.messages import BLOCK_BYTES_MAX, Block, CommittedBlock, SignedExtension
from consensus.signing import CertificateCache, Verifier

Stored = tuple[bytes, bytes, bytes]
"""Block, certificate, extended commit."""


class BlockStore(Protocol):
    """Decided blocks from height 1 (or from a later first one, after pruning) to `height()`."""

    def height(self) -> int:
        """The highest block's height; 0 when there is none."""
        ...

    def load(self, height: int) -> Stored | None:
        """The bytes given to `save`, or None."""
        ...

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        """Keep the block above the highest one, or any as the first; durable on return.

        One that is stored already stays.
        """
        ...

    def save_run(self, first: int, blocks: Sequence[Stored]) -> None:
        """Keep consecutive blocks from height `first` on, at once; durable on return.

        Those that are stored already stay.
        """
        ...

    def has_set(self, hash_: bytes) -> bool:
        """Whether the validator set of this hash is kept; quick."""
        ...

    def load_set(self, hash_: bytes) -> bytes | None:
        """The bytes given to `save_set`, or None."""
        ...

    def save_set(self, hash_: bytes, data: bytes) -> None:
        """Keep a validator set; durable on return."""
        ...


def keep_sets(store: BlockStore, chain: ChainState) -> None:
    """Keep the sets that the headers of this height and the next two name."""
    for validators in (chain.last_validators, chain.validators, chain.next_validators):
        if not store.has_set(validators.hash):
            store.save_set(validators.hash, encode(validators))


def load_set(store: BlockStore, hash_: bytes) -> ValidatorSet | None:
    """A validator set that some stored header names, or None."""
    data = store.load_set(hash_)
    return None if data is None else decode(data, ValidatorSet)


def save_committed(store: BlockStore, committed: CommittedBlock) -> None:
    """Keep a decided block."""
    store.save(committed.block.header.height, *_stored_of(committed))


def save_run(store: BlockStore, blocks: Sequence[CommittedBlock]) -> None:
    """Keep consecutive decided blocks: one sync of the disk for all of them."""
    store.save_run(blocks[0].block.header.height, [_stored_of(committed) for committed in blocks])


def _stored_of(committed: CommittedBlock) -> Stored:
    """The bytes of a decided block as a store keeps them."""
    return encode(committed.block), encode(committed.certificate), encode(committed.extensions)


def load_committed(store: BlockStore, height: int) -> CommittedBlock | None:
    """Read a decided block back, typed."""
    stored = store.load(height)
    if stored is None:
        return None
    block, certificate, extensions = stored
    extended: tuple[SignedExtension, ...] = decode(extensions, tuple[SignedExtension, ...], BLOCK_BYTES_MAX)
    return CommittedBlock(
        block=decode(block, Block, 2 * BLOCK_BYTES_MAX),
        certificate=decode(certificate, Certificate),
        extensions=extended,
    )


def restore_chain(
    network: bytes,
    genesis_time_ms: int,
    position: ApplicationPosition,
    application: Application,
    store: BlockStore,
    verifier: Verifier,
) -> ChainState:
    """Bring the application to the store's height and return the chain there.

    Raises LocalFault STORE_INCOMPLETE when the store lacks a block that the application has or needs, Bug when a stored
    block doesn't execute.
    """
    if position.height > store.height():
        raise LocalFault(
            ConsensusCode.STORE_INCOMPLETE, "store behind application", store=store.height(), needed=position.height
        )
    last = None if position.height == 0 else _load(store, position.height)
    chain = with_leaders(chain_at(network, genesis_time_ms, position, last), store, application)
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
