"""Light blocks out of the own store: what a light client, and a node that joins, are shown of one height.

Rule: nothing is verified or trusted here; the parts are those that the stored header names, so that whoever is shown
them can check all of it. Knows no network and no API.
"""

from consensus.blocks.store import load_committed, load_set
from consensus.light.client import LightBlock
from node.store.blocks import StoredBlocks
from node.store.store import Store


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
