"""Export and import of a whole state as bytes, for a restart from disk.

Rule: canonical (tables in order of their labels, records in order of their keys), without indexes and salt. An imported
state has the same roots and gives every block the same result as the exported one.
"""

from clearing.base.codec import Bytes32, Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.genesis.effective_terms import effective_genesis
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.genesis import Genesis
from clearing.state.indexes import rebuild_indexes
from clearing.state.state import State
from clearing.state.state_tables import TABLES
from clearing.state.withdrawals_tree import rebuild_withdrawals_tree as rebuild_tree

EXPORT_BYTES_MAX = 1 << 32
VERSION = 1


class StateExport(Wire, frozen=True):
    """Each table as (label, canonical bytes of its (key, record) pairs), ordered by label."""

    version: int
    network: Bytes32
    tables: tuple[tuple[str, bytes], ...]


def export_state(state: State) -> bytes:
    """Canonical bytes of everything that is agreed. Linear in the state."""
    tables = tuple(
        (label, encode(tuple(getattr(state, TABLES[label].attribute).ordered()))) for label in sorted(TABLES)
    )
    return encode(StateExport(VERSION, state.terms.network, tables))


def import_state(genesis: Genesis, state_salt: bytes, data: bytes) -> State:
    """The state that `export_state` wrote. The caller compares its roots with a certified header.

    Raises RemoteFault: BAD_SNAPSHOT for another network, wrong tables or order, or amendments that do not follow; codec
    faults for damaged bytes.
    """
    export = decode(data, StateExport, EXPORT_BYTES_MAX)
    state = State.empty(genesis, state_salt)
    if export.version != VERSION or export.network != state.terms.network:
        raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "export", version=export.version, network=export.network)
    if [label for label, _ in export.tables] != sorted(TABLES):
        raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "export.tables", tables=len(export.tables))
    for label, content in export.tables:
        declared = TABLES[label]
        pairs = decode(content, tuple[tuple[declared.key, declared.record], ...], EXPORT_BYTES_MAX)  # type: ignore[name-defined]
        table = getattr(state, declared.attribute)
        for key, record in pairs:
            table.put(key, record)
        if [key for key, _ in table.ordered()] != [key for key, _ in pairs]:
            raise RemoteFault(ClearingCode.BAD_SNAPSHOT, f"export.{label}", why="keys are repeated or out of order")
    state.terms = effective_genesis(genesis, [amendment_record for _, amendment_record in state.amendments.ordered()])
    rebuild_indexes(state)
    rebuild_tree(state)
    return state
