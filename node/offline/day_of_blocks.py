"""The blocks of one day in a home or a block log, executed and checked again from the first block on.

Rule: a day is that of block time in UTC. That it is over shows a later block, which is executed and checked too:
anybody can write one that nobody certified. Nothing is written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clearing.base.codec import decode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.units import DAY_MS
from clearing.schema.terms.genesis import Genesis
from consensus.messages import BLOCK_BYTES_MAX, Block
from member.codes import NodeCode
from node.agreement.application import DecidedHeight
from node.offline.homes import open_home, open_log
from node.offline.replay import replay
from node.offline.state_sources import StateSource
from node.store.records import BlockRecord


@dataclass(frozen=True, slots=True)
class DayHeights:
    """The blocks of a day."""

    first: int
    last: int
    over: bool
    """Whether a block of a later day follows, which is believed only once `follow_day` has executed it."""


@dataclass(frozen=True, slots=True)
class OpenedBlocks:
    """Blocks with all that executing them needs."""

    genesis: Genesis
    salt: bytes
    records: Iterator[BlockRecord]


def heights_of_day(source: StateSource, day: int) -> DayHeights:
    """Which heights a day has. Raises LocalFault API_NOT_FOUND when there is no block of it."""
    first = last = 0
    with _opened(source) as blocks:
        for record in blocks.records:
            of = decode(record.block, Block, 2 * BLOCK_BYTES_MAX).header.time_ms // DAY_MS
            if of == day:
                first, last = first or record.height, record.height
            elif of > day:
                break
        else:
            of = day
    if not first:
        raise LocalFault(NodeCode.API_NOT_FOUND, "day", day=day)
    return DayHeights(first, last, of > day)


def follow_day(source: StateSource, heights: DayHeights, listener: Callable[[DecidedHeight], None]) -> None:
    """Execute every block up to the day's last, and the one that ends the day, which `listener` is not called with.

    Raises as `node.offline.replay.replay`, and RemoteFault BLOCK_LOG_CORRUPT where the blocks are no longer those of
    `heights_of_day`.
    """
    end = heights.last + 1 if heights.over else heights.last
    days: list[int] = []

    def heard(decided: DecidedHeight) -> None:
        days.append(decided.header.time_ms // DAY_MS)
        if decided.header.height <= heights.last:
            listener(decided)
        elif days[-1] == days[-2]:
            raise RemoteFault(NodeCode.BLOCK_LOG_CORRUPT, "day", height=decided.header.height)

    with _opened(source) as blocks:
        replay(blocks.genesis, blocks.salt, _until(blocks.records, end), heard)
    if len(days) < end:
        raise RemoteFault(NodeCode.BLOCK_LOG_CORRUPT, "height", found=len(days), wanted=end)


def _until(records: Iterator[BlockRecord], height: int) -> Iterator[BlockRecord]:
    for record in records:
        yield record
        if record.height == height:
            return


@contextmanager
def _opened(source: StateSource) -> Iterator[OpenedBlocks]:
    if source.path.is_dir():
        home = open_home(source.path)
        with home.store() as store:
            yield OpenedBlocks(home.genesis, home.salt(), store.blocks(1))
        return
    if source.genesis is None or source.home is None:
        raise LocalFault(NodeCode.CONFIG_MISSING, "--genesis, --home", path=str(source.path))
    log = open_log(
        source.path,
        source.genesis,
        source.home,
        source.password_file,
        source.trust,
        cut_torn_tail=False,
        allow_weak=source.allow_weak,
    )
    yield OpenedBlocks(log.genesis, log.salt, log.records)
