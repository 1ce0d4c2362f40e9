"""Protocol upgrades: a vote sets the height from which on blocks follow the rules of the next protocol version.

Rule: it never matters which release a node runs: what is checked, scheduled and begun here is the same at all.

1. Only the next version can be scheduled, and only one upgrade at a time.
2. Its height is at least `UPGRADE_NOTICE_BLOCKS` above the block that schedules it.
3. Until the same number of blocks before its height it can be moved or cancelled. From then on it is frozen.
4. At its height it begins, before any other rule of the block. It cannot be undone.
"""

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import UpgradeBegun, UpgradeCancelled, UpgradeScheduled
from clearing.schema.records.governance import ProtocolRecord
from clearing.schema.requests.governance import ProtocolUpgrade, UpgradeCancellation
from clearing.state.protocol_version import KEY, protocol_of
from clearing.state.state import State

UPGRADE_NOTICE_BLOCKS = 100
AT = "upgrade"


def check_upgrade(state: State, amendment: ProtocolUpgrade) -> Rejected | None:
    """Whether the upgrade may be scheduled now, in place of the one that it names."""
    record = protocol_of(state)
    if amendment.version != record.version + 1:
        return reject(ClearingCode.UPGRADE_REFUSED, f"{AT}.version", version=amendment.version, in_force=record.version)
    refusal = _check_scheduled(state, amendment.replaces_height)
    if refusal is not None:
        return refusal
    earliest = state.now.height + UPGRADE_NOTICE_BLOCKS
    if amendment.height < earliest:
        return reject(ClearingCode.UPGRADE_REFUSED, f"{AT}.height", height=amendment.height, earliest=earliest)
    if amendment.height == record.next_height:
        return reject(ClearingCode.UPGRADE_REFUSED, f"{AT}.height", height=amendment.height, why="it changes nothing")
    return None


def check_cancellation(state: State, amendment: UpgradeCancellation) -> Rejected | None:
    """Whether the upgrade that is scheduled for this height can still be cancelled."""
    if not amendment.height:
        return reject(ClearingCode.UPGRADE_REFUSED, f"{AT}.height", height=0)
    return _check_scheduled(state, amendment.height)


def _check_scheduled(state: State, height: int) -> Rejected | None:
    """Whether the upgrade scheduled now is the one at `height` (0: there is none), and is not frozen."""
    scheduled = protocol_of(state).next_height
    if height != scheduled:
        return reject(ClearingCode.UPGRADE_REFUSED, f"{AT}.scheduled", named=height, scheduled=scheduled)
    frozen_from = scheduled - UPGRADE_NOTICE_BLOCKS
    if scheduled and state.now.height > frozen_from:
        return reject(
            ClearingCode.UPGRADE_REFUSED,
            f"{AT}.frozen",
            scheduled=scheduled,
            frozen_above=frozen_from,
            height=state.now.height,
        )
    return None


def schedule_upgrade(context: BlockContext, amendment: ProtocolUpgrade) -> None:
    """Schedule the upgrade. The caller has checked it."""
    record = protocol_of(context.state)
    scheduled = ProtocolRecord(record.version, record.since_height, amendment.version, amendment.height)
    context.state.protocol.put(KEY, scheduled)
    context.receipts.append(UpgradeScheduled(amendment.version, amendment.height))


def cancel_upgrade(context: BlockContext) -> None:
    """Cancel the scheduled upgrade. The caller has checked it."""
    record = protocol_of(context.state)
    context.state.protocol.put(KEY, ProtocolRecord(record.version, record.since_height))
    context.receipts.append(UpgradeCancelled(record.next_version, record.next_height))


def begin_due_upgrade(context: BlockContext) -> None:
    """Put the scheduled version in force if this block is the first of it."""
    record = protocol_of(context.state)
    if record.next_height == context.block.height:
        context.state.protocol.put(KEY, ProtocolRecord(record.next_version, record.next_height))
        context.receipts.append(UpgradeBegun(record.next_version))
