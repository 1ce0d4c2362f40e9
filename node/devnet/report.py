"""What a demonstration showed, as data and as a table.

Rule: every figure is read from receipts recomputed from the block log, from the verifier's answer, or from what the
nodes measured themselves; the table shows nothing that `summary.json` does not hold.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from clearing.genesis import Genesis
from clearing.holdings import arrays_of, holdings_of, margin_of
from clearing.state.state import State
from node.devnet.judgement import Tally


class MemberLine(msgspec.Struct, frozen=True):
    """One account at the end, in micros."""

    account: int
    name: str
    equity_micros: int
    initial_margin_micros: int
    maintenance_margin_micros: int
    called: bool
    liquidations: int


class Summary(msgspec.Struct, frozen=True):
    """`summary.json`."""

    ok: bool
    missing: tuple[str, ...]
    network: str
    heights: int
    state_root: str
    deposits: dict[str, int]
    trades: dict[str, int]
    trades_submitted: int
    refused: dict[str, int]
    liquidations: int
    margin_calls: int
    slices_sold: int
    """To members who bid for them."""
    taken_over: int
    """Steps of the house."""
    fund_members: int
    fund_micros: int
    """Paid into the default fund."""
    defaults: int
    withdrawals_released: int
    withdrawals_confirmed: int
    withdrawals_across_chains: int
    deposit_seconds: float
    withdrawal_seconds: float
    heights_until_root_equal_after_restart: int
    block_latency_ms_p50: float
    block_latency_ms_p99: float
    proofs: int
    proof_seconds_median: float
    package_epoch: int
    package_height: int
    package_bytes: int
    verify_seconds: float
    claim: str
    members: tuple[MemberLine, ...]
    seconds: float


def member_lines(genesis: Genesis, state: State, tally: Tally) -> tuple[MemberLine, ...]:
    """Equity and margin of every account at the end of the block log."""
    lines = []
    for member in genesis.members:
        for terms in member.accounts:
            margin = margin_of(arrays_of(state), holdings_of(state, terms.id))
            lines.append(
                MemberLine(
                    account=terms.id,
                    name=member.name,
                    equity_micros=margin.equity,
                    initial_margin_micros=margin.initial,
                    maintenance_margin_micros=margin.maintenance,
                    called=state.accounts[terms.id].called_height > 0,
                    liquidations=tally.opened[terms.id],
                )
            )
    return tuple(lines)


def logged(logs: Iterable[Path], event: str) -> list[dict[str, Any]]:
    """What nodes logged under one event name."""
    found = []
    for path in logs:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if f'"{event}"' in line:
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue
                if entry.get("event") == event:
                    found.append(entry)
    return found


def middle(values: Sequence[float]) -> float:
    """Median, 0 for none."""
    return median(values) if values else 0.0


def show(summary: Summary, console: Console) -> None:
    """The table a person reads."""
    table = Table(title="What the demonstration showed", show_header=False)
    trades = ", ".join(f"{count} {kind}" for kind, count in sorted(summary.trades.items()))
    deposits = ", ".join(f"{count} on {chain}" for chain, count in sorted(summary.deposits.items()))
    rows = (
        ("heights", str(summary.heights)),
        ("block latency p50 / p99", f"{summary.block_latency_ms_p50:.0f} ms / {summary.block_latency_ms_p99:.0f} ms"),
        ("deposits credited", f"{deposits} ({summary.deposit_seconds:.1f} s to the last)"),
        ("trades novated", trades),
        ("margin calls", str(summary.margin_calls)),
        (
            "liquidations",
            f"{summary.liquidations}: {summary.slices_sold} slices sold to bidders, "
            f"{summary.taken_over} steps by the house; {summary.defaults} defaults",
        ),
        ("default fund", f"{summary.fund_micros / 1e6:,.2f} USD paid in by {summary.fund_members} members"),
        (
            "withdrawals",
            f"{summary.withdrawals_confirmed} of {summary.withdrawals_released} paid and seen, "
            f"{summary.withdrawals_across_chains} across chains ({summary.withdrawal_seconds:.1f} s)",
        ),
        (
            "validator killed and restarted",
            f"equal root {summary.heights_until_root_equal_after_restart} heights after its return",
        ),
        (
            "epoch proofs",
            f"{summary.proofs}, median {summary.proof_seconds_median:.1f} s; the last {summary.package_bytes} bytes, "
            f"verified in {summary.verify_seconds * 1000:.0f} ms",
        ),
    )
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    margins = Table(title="Margin at the end, in USD")
    for heading in ("account", "equity", "initial", "maintenance", "liquidated"):
        margins.add_column(heading, justify="left" if heading == "account" else "right")
    for line in summary.members:
        amounts = (line.equity_micros, line.initial_margin_micros, line.maintenance_margin_micros)
        margins.add_row(line.name, *(f"{amount / 1e6:,.2f}" for amount in amounts), str(line.liquidations or ""))
    console.print(margins)
