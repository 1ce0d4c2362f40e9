"""Vaults as text: what was deployed and how it compares."""

from member.vaults.receipt import VaultReceipt
from member.vaults.verification import VaultReport

_SIGNS = {True: "ok  ", False: "FAIL", None: "open"}


def receipt_text(receipt: VaultReceipt) -> str:
    """One line a contract."""
    lines = [f"chain {receipt.chain_id}, network {receipt.network}, guardian {receipt.guardian}"]
    for contract in receipt.contracts:
        what = f"block {contract.block}, {contract.transaction}" if contract.block else "no transaction"
        lines.append(f"  {contract.name:24} {contract.address}  gas {contract.gas}, {what}")
    lines += [f"  token {token.token}: unit {token.unit}, minimum {token.minimum}" for token in receipt.tokens]
    return "\n".join(lines)


def report_text(report: VaultReport) -> str:
    """One line a check; what was expected where it differs."""
    lines = [f"vault {report.vault} on chain {report.chain_id}"]
    for check in report.checks:
        wanted = f", expected {check.expected}" if check.ok is False and check.expected else ""
        lines.append(f"  {_SIGNS[check.ok]} {check.name}: {check.found}{wanted}")
    lines.append("it is as stated" if report.ok else "IT IS NOT AS STATED: do not use it before you know why")
    return "\n".join(lines)
