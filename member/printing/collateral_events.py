"""Submitted collateral events as text."""

from member.api.collateral_events import CollateralEventView, VaultEventView
from member.api.types import Problem, octets
from member.notation.listing import Listing

_MEANS = {
    "submitted": "not found on its chain yet",
    "seen": "its block is not final",
    "final": "final, and not scanned by this node yet",
    "proven": "proven by this node",
    "attested": "agreed, and waits for its turn",
    "credited": "credited",
    "refused": "refused",
}


def collateral_event_text(view: CollateralEventView, listing: Listing | None = None) -> str:
    """A submission with its events; amounts in units of what is in the listing."""
    lines = [f"{view.reference} on chain {view.chain_id}, at height {view.height}: {_MEANS[view.progress]}"]
    lines += _problem_lines(view.problem, "  ")
    for event in view.events:
        lines.append(
            f"  {_named(view, event, listing)} in block {event.block_number}: {_step(event, view.total_power)}"
        )
        lines += _problem_lines(event.problem, "    ")
    return "\n".join(lines)


def _named(view: CollateralEventView, event: VaultEventView, listing: Listing | None) -> str:
    if event.kind != "deposit":
        return f"{event.kind} {event.number}"
    asset = listing.asset_at(view.chain_id, octets(event.token)) if listing is not None and event.token else None
    if listing is None or asset is None:
        return f"deposit {event.number} of {event.amount} of {event.token} for account {event.account}"
    amount = listing.amount_text(asset, event.amount)
    return f"deposit {event.number} of {amount} for {listing.account_text(event.account or 0)}"


def _step(event: VaultEventView, total_power: int) -> str:
    if event.progress == "proven":
        return f"proven; {event.attested_power} of {total_power} attest it"
    return "applied" if event.progress == "credited" and event.kind != "deposit" else _MEANS[event.progress]


def _problem_lines(problem: Problem | None, indent: str) -> list[str]:
    return [f"{indent}{problem.message}", f"{indent}  {problem.remedy}"] if problem is not None else []
