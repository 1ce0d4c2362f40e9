"""An account's leaves of the exit tree, and what vaults answer about their payments, as text."""

from typing import TYPE_CHECKING

from member.api.proofs import ExitView
from member.api.types import octets
from member.notation.listing import Listing
from member.notation.times import time_text_of_seconds

if TYPE_CHECKING:
    from member.client.vault_exits import ExitAtVault

_STAGES = {
    "none": "the network is not silent",
    "silent": "the network is silent: the escape may be triggered",
    "return": "the escape was triggered: the network may come back",
    "settlement": "the escape has begun: records since the snapshot are shown, nothing is paid yet",
    "payment": "payments are made",
}


def exit_text(found: "tuple[ExitAtVault, ...]") -> str:
    """One paragraph a vault."""
    return "\n".join(line for at in found for line in _lines(at))


def _lines(at: "ExitAtVault") -> list[str]:
    lines = [f"vault {at.vault} on chain {at.chain_id}: {_STAGES[at.stage]}"]
    times = (("silent from", at.silent_from), ("escape from", at.escape_from), ("payments from", at.payments_from))
    lines += [f"  {what} {time_text_of_seconds(second)}" for what, second in times if second > at.now]
    if not at.is_newest:
        lines.append("  its newest exit root is another: use the file of that epoch")
    lines += [f"  {what}" for what in at.done]
    for leaf in at.leaves:
        paid = f"{leaf.paid} of {leaf.amount} of {leaf.token} paid"
        now = f", {leaf.paid_now} now" if leaf.paid_now != "0" else ""
        lines.append(f"  leaf {leaf.index}, {leaf.kind} {leaf.number}: {paid}{now}")
    return lines


def exit_lines(exit_: ExitView, listing: Listing) -> str:
    """The leaves for a terminal, without their salts; what is paid in units, and in base units of the token."""
    lines = [
        f"{listing.account_text(exit_.account)} at epoch {exit_.epoch}, height {exit_.height}, root {exit_.exit_root}"
    ]
    lines.append(_when_it_counts(exit_))
    for leaf in exit_.leaves:
        place = f"leaf {leaf.index} of {exit_.leaf_count}, {leaf.kind} {leaf.number}"
        asset, raw = listing.asset_at(leaf.chain_id, octets(leaf.token)), f"{leaf.amount} of {leaf.token}"
        amount = raw if asset is None else f"{listing.amount_text(asset, leaf.amount)} ({raw})"
        lines.append(f"{place}: {amount} on {listing.chain_text(leaf.chain_id)}, vault {leaf.vault}, to {leaf.to}")
    return "\n".join(lines if exit_.leaves else [*lines, "nothing to take out"])


def _when_it_counts(exit_: ExitView) -> str:
    counting = (
        f"by the tree of epoch {exit_.header_epoch}" if exit_.header_epoch else "by none: they give deposits back"
    )
    if exit_.epoch == exit_.header_epoch:
        return "this tree is the one in headers now: vaults pay by it after their next checkpoint"
    if exit_.epoch < exit_.header_epoch:
        return f"after their next checkpoint vaults pay {counting}, and no longer by this one"
    return f"vaults pay by this tree once epoch {exit_.epoch + 1} has closed, until then {counting}: keep both files"
