"""What vaults answer about the payments of an exit file, as text."""

from datetime import UTC, datetime

from member.client.vault_exits import ExitAtVault

_STAGES = {
    "none": "the network is not silent",
    "silent": "the network is silent: the escape may be triggered",
    "return": "the escape was triggered: the network may come back",
    "settlement": "the escape has begun: records since the snapshot are shown, nothing is paid yet",
    "payment": "payments are made",
}


def exit_text(found: tuple[ExitAtVault, ...]) -> str:
    """One paragraph a vault."""
    return "\n".join(line for at in found for line in _lines(at))


def _lines(at: ExitAtVault) -> list[str]:
    lines = [f"vault {at.vault} on chain {at.chain_id}: {_STAGES[at.stage]}"]
    times = (("silent from", at.silent_from), ("escape from", at.escape_from), ("payments from", at.payments_from))
    lines += [f"  {what} {_time(second)}" for what, second in times if second > at.now]
    if not at.is_newest:
        lines.append("  its newest exit root is another: use the file of that epoch")
    lines += [f"  {what}" for what in at.done]
    for leaf in at.leaves:
        paid = f"{leaf.paid} of {leaf.amount} of {leaf.token} paid"
        now = f", {leaf.paid_now} now" if leaf.paid_now != "0" else ""
        lines.append(f"  leaf {leaf.index}, {leaf.kind} {leaf.number}: {paid}{now}")
    return lines


def _time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
