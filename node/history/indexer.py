"""Brings a history up to the blocks of a home, and follows it.

Rule: a history goes on only with the blocks that it began with: the hash of its last block must be the home's.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from clearing.base.errors import LocalFault
from clearing.schema.terms.genesis import network_id
from consensus.blocks.store import load_committed
from member.codes import NodeCode
from node.agreement.application import DecidedHeight
from node.history.database import HistoryDatabase
from node.history.execution import HomeExecution
from node.history.rows import Row, Rows, rows_of
from node.history.tables import BLOCKS
from node.offline.homes import open_home
from node.store.blocks import StoredBlocks
from node.store.store import Store

BLOCKS_AT_ONCE = 100
"""Written in one transaction while the history is behind."""
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Indexed:
    """What one run added: heights from `first` to `last`; both 0 for none."""

    first: int
    last: int


def index(
    home: Path,
    url: str,
    *,
    follow: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> Indexed:
    """Write all heights of the home that the history lacks; with `follow` go on until interrupted.

    `progress` gets the last height of each transaction. Raises LocalFault HISTORY_*, STORE_GAP, KEY_*.
    """
    opened = open_home(home)
    salt, first, last = opened.salt(), 0, 0
    with HistoryDatabase(url, network_id(opened.genesis)) as history, opened.store() as store:
        known = history.last_height
        _check_same(history, store, known)
        execution = HomeExecution(opened.genesis, salt, store, known)
        while True:
            for batch in _batches(execution.heights()):
                history.write(batch)
                heights = [_block(rows)["height"] for rows in batch]
                first, last = first or heights[0], heights[-1]
                progress(last)
            if not follow:
                return Indexed(first, last)
            pause(POLL_SECONDS)


def _batches(heights: Iterator[DecidedHeight]) -> Iterator[list[Rows]]:
    while batch := [rows_of(decided) for decided in islice(heights, BLOCKS_AT_ONCE)]:
        yield batch


def _block(rows: Rows) -> Row:
    return rows[BLOCKS.name][0]


def _check_same(history: HistoryDatabase, store: Store, height: int) -> None:
    """Raises LocalFault HISTORY_OTHER when the home has another block at this height."""
    if not height:
        return
    committed = load_committed(StoredBlocks(store), height)
    if committed is None:
        raise LocalFault(NodeCode.STORE_GAP, "history", height=height, highest=store.height())
    found = history.block_hash(height)
    if found != committed.block.header.hash.hex():
        raise LocalFault(
            NodeCode.HISTORY_OTHER, "history.block", height=height, found=found, wanted=committed.block.header.hash
        )
