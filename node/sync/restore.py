"""Restoring from disk: the newest saved state, and the epochs' record beside it.

Rule: a saved state is a shortcut for replaying every block; consensus executes the blocks above it again and compares
every root. A state that does not match its certified header is refused, never repaired, whether from the own disk or
from peers.
"""

from dataclasses import dataclass

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.header import Header
from clearing.initial_state import initial_state
from clearing.schema.terms.genesis import Genesis
from clearing.state.export import export_state, import_state
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from consensus.blocks.store import BlockStore, load_committed
from consensus.chain_state import ApplicationPosition
from consensus.codes import ConsensusCode
from member.codes import NodeCode
from node.epochs.service import EpochRecord
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


def position_of(restored: Restored) -> ApplicationPosition:
    """The application's height, with the validator sets of its state."""
    sets = validator_sets(restored.state)
    return ApplicationPosition(restored.height, sets.last, sets.now, sets.next)


def encode_saved(height: int, state: State, epochs: EpochRecord) -> bytes:
    """Canonical bytes of the application after `height`."""
    return encode(SavedState(height=height, state=export_state(state), epochs=epochs))


def read_saved(genesis: Genesis, state_salt: bytes, header: Header, data: bytes) -> Restored:
    """The application after a certified header, from untrusted bytes.

    Raises RemoteFault: SNAPSHOT_REFUSED when the roots are not those of the header, and what decoding raises.
    """
    saved = decode(data, SavedState, SAVED_BYTES_MAX)
    epochs = saved.epochs
    waiting = [snapshot.statement.height for snapshot in epochs.waiting]
    carried = (saved.height, epochs.root, epochs.height)
    if carried != (header.height, header.commitments_root, header.commitments_height):
        raise RemoteFault(ConsensusCode.SNAPSHOT_REFUSED, "epochs", height=saved.height, carried=epochs.height)
    if waiting != sorted(set(waiting)) or (waiting and not epochs.height < waiting[0] <= waiting[-1] <= saved.height):
        raise RemoteFault(ConsensusCode.SNAPSHOT_REFUSED, "waiting epochs", height=saved.height, waiting=len(waiting))
    state = import_state(genesis, state_salt, saved.state)
    if state.module_roots() != header.module_roots:
        raise RemoteFault(ConsensusCode.SNAPSHOT_REFUSED, "roots", height=saved.height, state_root=header.state_root)
    return Restored(saved.height, state, epochs)


def restore(genesis: Genesis, state_salt: bytes, store: Store, blocks: BlockStore) -> Restored:
    """The newest saved state whose block is stored too, or genesis.

    Raises LocalFault STORE_CORRUPT when the state's roots are not those of its block's header.
    """
    found = store.snapshot(blocks.height())
    if found is None:
        return Restored(0, initial_state(genesis, state_salt), None)
    height, data = found
    committed = load_committed(blocks, height)
    if committed is None:
        raise LocalFault(NodeCode.STORE_CORRUPT, "snapshot", height=height)
    try:
        return read_saved(genesis, state_salt, committed.block.header, data)
    except RemoteFault as fault:
        raise LocalFault(NodeCode.STORE_CORRUPT, "snapshot", height=height, why=str(fault)) from fault
