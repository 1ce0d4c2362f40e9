"""What opens the exit of a token at a vault: totals of an exit file, the token's own or those that skip it.

Rule: the file is anybody's, because totals are no secret and the vault checks them. It must be of the tree that the
vault pays by.
"""

from bridge.contracts.escape import ExitPlace, VaultTotals
from clearing.base.errors import BaseCode, RemoteFault
from clearing.schema.records.exits import position_of
from member.api.proofs import ExitLeafView, ExitTotalsView, ExitView
from member.api.types import octets
from member.verifying.exits import totals_of


def exit_opening(exit_: ExitView, chain_id: int, vault: bytes, token: bytes) -> tuple[VaultTotals, ExitPlace]:
    """The arguments that open a token. Raises RemoteFault MALFORMED for a file without totals, OUT_OF_RANGE."""
    if not exit_.totals:
        raise RemoteFault(BaseCode.MALFORMED, "totals", why="the file has none")
    ring = [totals_of(view) for view in exit_.totals]
    position = position_of(ring, (chain_id, vault, token))
    totals, after = ring[position], ring[(position + 1) % len(ring)]
    shown = VaultTotals(
        exit_.epoch,
        totals.at,
        totals.accounts,
        totals.seniors,
        totals.counted,
        totals.deposit_cursor,
        totals.withdrawals_count,
        after.at,
    )
    return shown, exit_place(exit_, exit_.totals[position])


def snapshot_counts(exit_: ExitView, chain_id: int, vault: bytes) -> tuple[int, int]:
    """The vault's deposits and the network's withdrawals that are in the snapshot, by the file; zeros where the tree
    does not know the vault."""
    ring = [totals_of(view) for view in exit_.totals]
    found = [entry for entry in ring if (entry.chain_id, entry.vault) == (chain_id, vault)]
    return (found[0].deposit_cursor, found[0].withdrawals_count) if found else (0, 0)


def exit_place(exit_: ExitView, view: ExitLeafView | ExitTotalsView) -> ExitPlace:
    """Where a leaf of the file stands in the tree."""
    return ExitPlace(view.index, exit_.leaf_count, tuple(octets(sibling) for sibling in view.path))
