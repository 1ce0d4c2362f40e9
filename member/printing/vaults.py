"""Vaults as text: what was deployed, how it compares, and how it stands."""

import msgspec

from member.notation.times import time_text_of_seconds
from member.vaults.escaping import EscapeReceipt
from member.vaults.freezing import FreezeView
from member.vaults.receipt import VaultReceipt
from member.vaults.standing import VaultStandingView
from member.vaults.unpause import PauseEndDecision
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


def standing_text(view: VaultStandingView) -> str:
    """The state, one subject a line."""
    keys = "" if view.has_keys else ", its keys are not installed: `crossclear vault rotate`"
    lines = [
        f"vault {view.vault} on chain {view.chain_id}, network {view.network}",
        f"  checkpoint of height {view.height}, root {view.root_number}, {view.withdrawals_count} withdrawals,"
        f" {view.deposit_nonce} deposits",
        f"  set {view.validators_hash}{keys}",
        f"  trusted at {time_text_of_seconds(view.trusted_at)}, {max(view.now - view.trusted_at, 0)} s ago, until"
        f" {time_text_of_seconds(view.trusted_until)}",
        f"  guardian {view.guardian}: {_pause(view)}; it follows orders from leaf {view.orders_from} on",
        f"  escape: {view.stage}; silent from {time_text_of_seconds(view.silent_from)}",
    ]
    times = (("escape from", view.escape_from), ("payments from", view.payments_from))
    lines += [f"  {what} {time_text_of_seconds(second)}" for what, second in times if second]
    for token in view.tokens:
        listed = f"unit {token.unit}, minimum {token.minimum}" if token.unit != "0" else "not listed"
        lines.append(
            f"  token {token.token} ({listed}): deposited {token.deposited}, withdrawn {token.withdrawn},"
            f" owes {token.owed}, has {token.balance}"
        )
    return "\n".join(lines)


_NEXT = {
    "none": "The network is not silent: it credits and refunds deposits itself (`crossclear deposits status`).",
    "silent": "Anybody may state the silence: `crossclear vault escape`.",
    "return": "Until {escape_from} the network may return: a checkpoint of it ends the escape. Then run"
    " `crossclear exit claim FILE`.",
    "settlement": "Until {payments_from} the vault is shown its own records; nothing is paid. Run"
    " `crossclear exit claim FILE` and `crossclear vault refund` now, and again after that.",
    "payment": "The vault pays, without end: `crossclear exit claim FILE` for what is in an exit file,"
    " `crossclear vault refund` for deposits after its snapshot.",
}


def escape_text(receipt: EscapeReceipt) -> str:
    """What was sent, the stage, until when it lasts, and what to do next."""
    lines = [f"vault {receipt.vault} on chain {receipt.chain_id}, escape: {receipt.stage}"]
    for call in receipt.calls:
        sent = f"gas {call.gas}, block {call.block}, {call.transaction}" if call.block else f"estimated gas {call.gas}"
        lines.append(f"  {call.call}: {sent}")
    if receipt.is_dry_run:
        lines.append("  a dry run: nothing was sent; a call that needs the one before it is not estimated")
    counts = (("shown to the vault", receipt.deposits_shown), ("refunded", receipt.deposits_refunded))
    lines += [f"  deposits {what}: {count}" for what, count in counts if count]
    lines += [
        f"  the exit of token {token} is not open: anybody's exit file opens it (--exit-file)"
        for token in receipt.closed_tokens
    ]
    times = {
        "escape_from": time_text_of_seconds(receipt.escape_from),
        "payments_from": time_text_of_seconds(receipt.payments_from),
    }
    return "\n".join([*lines, "  " + _NEXT[receipt.stage].format(**times)])


def freeze_text(view: FreezeView) -> str:
    """The outcome of evidence, and what it means."""
    sent = f" by {view.transaction}" if view.transaction else ""
    return f"chain {view.chain_id} vault {view.vault}: {view.outcome}{sent}; two certified headers of {view.height}"


def decision_text(decision: PauseEndDecision) -> str:
    """What the cold keys sign: the typed data, for wallets."""
    data = msgspec.json.format(msgspec.json.encode(decision.typed_data), indent=1).decode()
    return f"digest {decision.digest}\n{data}"


def _pause(view: VaultStandingView) -> str:
    if view.is_frozen:
        return "FROZEN by conflicting headers"
    return f"PAUSED until {time_text_of_seconds(view.paused_until)}" if view.paused_until else "not paused"
