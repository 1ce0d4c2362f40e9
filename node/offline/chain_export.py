"""Writes the blocks of a home to a block log.

Rule: blocks only, as they were certified: no key, no state. The store compares each with its digest, and the log is
whole or not written. The node may run: what it decides meanwhile is left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clearing.base.errors import LocalFault
from clearing.schema.terms.genesis import network_id
from member.codes import NodeCode
from node.offline.homes import open_home
from node.store.block_log import write_block_log
from node.store.records import BlockRecord
from node.store.store import Store


@dataclass(frozen=True, slots=True)
class ExportedBlocks:
    """What was written."""

    network: bytes
    first: int
    last: int
    blocks: int


def export_blocks(
    home: Path,
    log: Path,
    first: int | None,
    last: int | None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> ExportedBlocks:
    """Write the blocks from `first` to `last`, by default all, to a new file. `progress` gets each and the last.

    Raises LocalFault STORE_GAP where the home does not have all of them, OUTPUT_EXISTS, STORE_CORRUPT.
    """
    opened = open_home(home)
    network = network_id(opened.genesis)
    with opened.store() as store:
        lowest, highest = store.first_height(), store.height()
        begin, end = first or lowest, last or highest
        if not 0 < lowest <= begin <= end <= highest:
            raise LocalFault(NodeCode.STORE_GAP, "chain export", first=begin, last=end, lowest=lowest, highest=highest)
        blocks = write_block_log(log, network, _blocks(store, begin, end, progress))
    return ExportedBlocks(network, begin, end, blocks)


def _blocks(store: Store, first: int, last: int, progress: Callable[[int, int], None]) -> Iterator[BlockRecord]:
    for record in store.blocks(first):
        if record.height > last:
            return
        progress(record.height, last)
        yield record
