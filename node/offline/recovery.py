"""Recovery of a stopped node: the consensus log as text, and the rollback of one height.

Rule: the log is printed with every frame and record, and where bytes are damaged. A rollback leaves sign state and
consensus log as they are, so own votes are sent again in the same bytes, and the lock of a height above comes back. A
final block is never undone: peers give the same one again, or vote for it again when all of them went back.
"""

from dataclasses import dataclass
from typing import Any

from clearing.base.codec import decode
from clearing.base.errors import LocalFault
from clearing.schema.terms.genesis import Genesis, network_id
from consensus.messages import BLOCK_BYTES_MAX, Block
from consensus.wal import LoggedRecord, LogSummary, describe_record, pieces, summarize_log
from member.codes import NodeCode
from node.config import NodeConfig
from node.signer.sign_state import SIGN_STATE, locked_sign_state
from node.store.store import Store


def dump_log(data: bytes) -> tuple[LogSummary, list[dict[str, Any]], list[str]]:
    """The log's summary, every frame as data, and every frame and record as a line of text."""
    frames: list[dict[str, Any]] = []
    lines = []
    for piece in pieces(data):
        records = [] if piece.records is None else [describe_record(record) for record in piece.records]
        whole = piece.records is not None
        frames.append({"at": piece.at, "bytes": piece.length, "whole": whole, "records": records})
        lines.append(f"{piece.at:>10} {'frame' if whole else 'DAMAGED'} {piece.length} bytes")
        lines += [_record_line(record) for record in records]
    return summarize_log(data), frames, lines


def log_summary_text(summary: LogSummary) -> str:
    """How many frames are whole, and what follows them."""
    if summary.damaged_at >= 0:
        lost = f"a repair gives up the {summary.frames_behind} whole frames behind it"
        return f"{summary.frames} frames, then damage at byte {summary.damaged_at}; {lost}"
    torn = f", then a torn tail of {summary.torn_bytes} bytes, which a start cuts" if summary.torn_bytes else ""
    return f"{summary.frames} frames{torn}"


def _record_line(record: LoggedRecord) -> str:
    round_ = f" round {record.round}" if record.round >= 0 else ""
    text = f"{record.height} {record.kind} {record.description}{round_} {record.value} {record.sender}"
    return f"{'':>12}{text}".rstrip()


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The node's new height, and the block that it dropped."""

    height: int
    state_root: bytes
    """Of the header at `height`; zeros at height 0."""
    removed: int
    removed_hash: bytes
    """Of the block that peers will give again."""
    saved_at: int
    """The saved state that blocks are executed from; 0 for genesis."""


def roll_back(config: NodeConfig, genesis: Genesis) -> RolledBack:
    """Remove the newest block with its receipts and saved state.

    Raises LocalFault DOUBLE_SIGN while the node runs, SIGN_STATE_MISSING, and NOTHING_BELOW where no state leads to the
    height below.
    """
    database = config.path("node.sqlite")
    if not database.exists():
        raise LocalFault(NodeCode.NOTHING_BELOW, str(database), height=0)
    with locked_sign_state(config.path(SIGN_STATE)) as guard, Store(database, network_id(genesis)) as store:
        height = store.height()
        if height == 0:
            raise LocalFault(NodeCode.NOTHING_BELOW, str(database), height=0)
        if guard is None:
            raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(config.path(SIGN_STATE)), height=height)
        snapshot = store.snapshot(height - 1)
        saved_at = snapshot[0] if snapshot else 0
        lowest = store.first_height()
        if (height == lowest and height > 1) or (saved_at == 0 and lowest > 1) or (saved_at and saved_at < lowest):
            raise LocalFault(NodeCode.NOTHING_BELOW, str(database), height=height, lowest=lowest, saved=saved_at)
        removed = _block(store, height)
        below = _block(store, height - 1) if height > 1 else None
        store.remove_newest(height)
    root = bytes(below.header.state_root) if below is not None else bytes(32)
    return RolledBack(height - 1, root, height, bytes(removed.header.hash), saved_at)


def _block(store: Store, height: int) -> Block:
    record = store.block(height)
    if record is None:
        raise LocalFault(NodeCode.STORE_GAP, "roll back", height=height)
    return decode(record.block, Block, 2 * BLOCK_BYTES_MAX)
