"""What became of a transaction, as text."""

from member.api.transactions import TransactionView


def transaction_text(view: TransactionView) -> str:
    """Its state, why it was refused, what to do, and its receipts."""
    where = f" at height {view.height}, index {view.index}" if view.height else ""
    lines = [f"transaction {view.hash}: {view.state}{where}"]
    if view.problem is not None:
        lines.append(f"  {view.problem.message}")
        lines += [f"  {name}: {value}" for name, value in view.values.items()]
        lines.append(f"  {view.problem.remedy}")
    for receipt in view.receipts:
        details = " ".join(f"{name}={value}" for name, value in receipt.details.items())
        lines.append(f"  {receipt.kind} {details}")
    return "\n".join(lines)
