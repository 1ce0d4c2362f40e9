"""Coming back from disk: the newest saved state, and what lies beside it.

Rule: a saved state is only a shorter way to what replaying every block would give; the blocks above it are executed
again by consensus, which compares every root. A state that does not match its certified header is refused, never
repaired.
"""

from dataclasses import dataclass

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import LocalFault
from clearing.genesis import Genesis
from clearing.opening import open_state
from clearing.state.export import export_state, import_state
from clearing.state.state import State
from consensus.store import BlockStore, load_committed
from node.codes import NodeCode
from node.epochs import EpochRecord
from node.store.store import Store

SAVED_BYTES_MAX = 1 << 30


class SavedState(Wire, frozen=True):
    """The application after `height`."""

    height: U63
    state: bytes
    epochs: EpochRecord


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the application starts: height 0 and no record for a new node."""

    height: int
    state: State
    epochs: EpochRecord | None


def encode_saved(height: int, state: State, epochs: EpochRecord) -> bytes:
    """Canonical bytes of the application after `height`."""
    return encode(SavedState(height=height, state=export_state(state), epochs=epochs))


def restore(genesis: Genesis, state_salt: bytes, store: Store, blocks: BlockStore) -> Restored:
    """The newest saved state whose block is stored too, or genesis.

    Raises LocalFault STORE_CORRUPT when the state's roots are not those of its block's header.
    """
    found = store.snapshot(blocks.height())
    if found is None:
        return Restored(0, open_state(genesis, state_salt), None)
    height, data = found
    saved = decode(data, SavedState, SAVED_BYTES_MAX)
    state = import_state(genesis, state_salt, saved.state)
    committed = load_committed(blocks, height)
    if committed is None or saved.height != height or state.module_roots() != committed.block.header.module_roots:
        raise LocalFault(NodeCode.STORE_CORRUPT, "snapshot", height=height)
    return Restored(height, state, saved.epochs)
