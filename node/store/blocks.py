"""`StoredBlocks`: the node's database as consensus' block store, and light blocks out of it."""

from collections.abc import Sequence

from consensus.blocks.store import Stored, load_committed, load_set
from consensus.light_client import LightBlock
from node.store.records import BlockRecord
from node.store.store import Commit, Store


class StoredBlocks:
    """Implements `consensus.blocks.store.BlockStore`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sets: set[bytes] = set()

    def height(self) -> int:
        """The highest block's height."""
        return self._store.height()

    def load(self, height: int) -> tuple[bytes, bytes, bytes] | None:
        """Block, certificate and extended commit of a height."""
        record = self._store.block(height)
        return (record.block, record.certificate, record.extended_commit) if record else None

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        """Keep the next block."""
        record = BlockRecord(height=height, block=block, certificate=certificate, extended_commit=extended_commit)
        self._store.save(Commit(record))

    def save_run(self, first: int, blocks: Sequence[Stored]) -> None:
        """Keep the next blocks, in one transaction."""
        self._store.save_blocks([BlockRecord(height, *stored) for height, stored in enumerate(blocks, first)])

    def has_set(self, hash_: bytes) -> bool:
        """Whether a validator set is kept; asked of the disk once."""
        if hash_ not in self._sets and self._store.validator_set(hash_) is not None:
            self._sets.add(hash_)
        return hash_ in self._sets

    def load_set(self, hash_: bytes) -> bytes | None:
        """A validator set that was kept."""
        return self._store.validator_set(hash_)

    def save_set(self, hash_: bytes, data: bytes) -> None:
        """Keep a validator set."""
        self._store.save_validator_set(hash_, data)
        self._sets.add(hash_)


def light_block_at(store: Store, height: int) -> LightBlock | None:
    """Header, certificate and both validator sets of a stored height; None when one of them is not kept.

    Decodes the whole block. Raises LocalFault STORE_CORRUPT when the block differs from its digest.
    """
    blocks = StoredBlocks(store)
    committed = load_committed(blocks, height)
    if committed is None:
        return None
    header = committed.block.header
    validators = load_set(blocks, header.validators_hash)
    next_validators = load_set(blocks, header.next_validators_hash)
    if validators is None or next_validators is None:
        return None
    return LightBlock(
        header=header, certificate=committed.certificate, validators=validators, next_validators=next_validators
    )
