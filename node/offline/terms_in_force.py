"""Genesis as the amendments in a home have left it: what a node follows, not what its network began with.

Rule: it reads the newest saved state, without a lock or a write, and of it the amendments alone. What was enacted after
that state is not seen, and where nothing can be read the terms are those of genesis.
"""

import msgspec

from clearing.base.codec import decode
from clearing.base.errors import CrossclearError
from clearing.genesis.effective_terms import effective_genesis
from clearing.schema.requests.governance import VaultDetachment
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.export import EXPORT_BYTES_MAX, StateExport
from clearing.state.state_tables import TABLES
from node.config import NodeConfig
from node.store.store import network_of_store, snapshot_of_store
from node.sync.restore import SAVED_BYTES_MAX, SavedState

AMENDMENTS = "amendments"


def genesis_in_force(config: NodeConfig, genesis: Genesis) -> Genesis:
    """Genesis with the amendments that the newest saved state of the home has, without the chains of detached vaults.

    Linear in the state's bytes.
    """
    database = config.path("node.sqlite")
    try:
        if network_of_store(database) != network_id(genesis):
            return genesis
        data = snapshot_of_store(database)
        if data is None:
            return genesis
        export = decode(decode(data, SavedState, SAVED_BYTES_MAX).state, StateExport, EXPORT_BYTES_MAX)
        declared = TABLES[AMENDMENTS]
        kind = tuple[tuple[declared.key, declared.record], ...]  # type: ignore[name-defined]
        enacted = decode(dict(export.tables)[AMENDMENTS], kind, EXPORT_BYTES_MAX)
        records = [record for _, record in enacted]
        amended = effective_genesis(genesis, records).genesis
    except (CrossclearError, KeyError):
        return genesis
    detached = {
        (record.amendment.chain_id, record.amendment.vault)
        for record in records
        if isinstance(record.amendment, VaultDetachment)
    }
    attached = tuple(chain for chain in amended.chains if (chain.chain_id, chain.vault) not in detached)
    return msgspec.structs.replace(amended, chains=attached)
