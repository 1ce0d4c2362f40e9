"""What became of a transaction, as text."""

from member.api.transactions import TransactionView
from member.notation.listing import Listing
from member.notation.receipts import receipt_text


def transaction_text(view: TransactionView, listing: Listing | None) -> str:
    """Its state, why it was refused, what to do, and its receipts, by names and in units where there is a listing."""
    where = f" at height {view.height}, index {view.index}" if view.height else ""
    lines = [f"transaction {view.hash}: {view.state}{where}"]
    if view.problem is not None:
        lines.append(f"  {view.problem.message}")
        lines += [f"  {name}: {value}" for name, value in view.values.items()]
        lines.append(f"  {view.problem.remedy}")
    lines += [f"  {receipt_text(each.kind, each.details, listing)}" for each in view.receipts]
    return "\n".join(lines)
