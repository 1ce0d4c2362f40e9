"""A deposit as text."""

from member.api.deposits import DepositView


def deposit_text(view: DepositView) -> str:
    """What became of a deposit, why, and what happens next."""
    lines = [
        f"deposit {view.nonce} at vault {view.vault} on chain {view.chain_id}, after height {view.height}:"
        f" {view.status.replace('_', ' ')}"
    ]
    if view.amount is not None:
        lines.append(f"  {view.amount} base units for account {view.account}")
    if view.code:
        lines.append(f"  {view.code}: {view.reason}")
    if view.refund is not None:
        refund = view.refund
        lines.append(
            f"  refund {refund.number}: {refund.amount} base units of {refund.deposits} deposits to {refund.depositor}"
        )
    lines.append(f"  {view.next}")
    return "\n".join(lines)
