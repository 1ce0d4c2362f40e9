"""Deposits that wait for an epoch to close, so that no stream of dust can keep its custody evidence behind the ledger.

Rule: from an epoch's boundary until it closes, for so many blocks at most, a deposit waits that stands in a later block
than the custody evidence of its asset. Nothing is lost: it is credited in order when the epoch has closed, or the time
is over.
"""

from clearing.facts import DepositSeen
from clearing.run import Run


def holds_back(run: Run, deposit: DepositSeen) -> bool:
    """Whether this deposit waits in this block."""
    blocks, height = run.terms.market.epoch_blocks, run.block.height
    # A part of each epoch is always free, or a chain whose evidence never comes would stop deposits of all.
    hold = min(run.terms.genesis.crisis.gates.deposit_hold_blocks, blocks - 1)
    overdue = height // blocks > run.state.now.snapshot_height // blocks
    if not overdue or height % blocks >= hold:
        return False
    asset = run.terms.asset_of.get((deposit.chain_id, deposit.vault, deposit.token))
    seen = run.state.custody.get(asset.id) if asset is not None else None
    return asset is not None and (seen is None or deposit.block_number > seen.seen.block_number)
