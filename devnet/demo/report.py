"""The result of a demonstration, from receipts that were recomputed from the block log: as data and as a table."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.receipts.collateral import DepositCredited, DepositsRefunded
from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.receipts.default_fund import FundPaid
from clearing.schema.receipts.liquidation import Liquidated, LiquidationOpened, SliceSold
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed, WithdrawalReleased
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import InstrumentKind
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import STRAY_ACCOUNT
from clearing.state.state import State
from devnet.demo.escape_drill import TokenDrill
from devnet.demo.volatility import EarlyCallLine, PriceLine, VolatilityLine


@dataclass(slots=True)
class LogTally:
    """Counts over a block log."""

    heights: int = 0
    deposits: Counter[int] = field(default_factory=Counter)
    """By chain id."""
    trades: Counter[str] = field(default_factory=Counter)
    """By kind of instrument: perpetual, future, option."""
    liquidations: Counter[int] = field(default_factory=Counter)
    """Steps of backstop and house, by account."""
    called: Counter[int] = field(default_factory=Counter)
    """Margin calls by account."""
    opened: Counter[int] = field(default_factory=Counter)
    """Liquidations begun, by account."""
    slices: Counter[int] = field(default_factory=Counter)
    """Slices sold, by bidder."""
    contributed: Counter[int] = field(default_factory=Counter)
    """Micros paid into the default fund, by member."""
    defaults: int = 0
    released: int = 0
    confirmed: int = 0
    refunded: int = 0
    """Stray deposits in refunds that were released."""
    crossed: list[tuple[int, int]] = field(default_factory=list)
    """(withdrawal nonce, account) of each confirmed withdrawal on a chain that the account never deposited on."""
    refused: Counter[int] = field(default_factory=Counter)
    """By code."""


def count(genesis: Genesis, results: Iterable[BlockResult]) -> LogTally:
    """Tally the receipts of consecutive heights."""
    kinds = {instrument.id: _kind(instrument.kind) for instrument in genesis.instruments}
    tally = LogTally()
    deposited: dict[int, set[int]] = {}
    released: dict[int, WithdrawalReleased] = {}
    for result in results:
        tally.heights += 1
        for receipt in result.receipts:
            _count_crisis(tally, receipt)
            if isinstance(receipt, DepositCredited):
                tally.deposits[receipt.chain_id] += 1
                deposited.setdefault(receipt.account, set()).add(receipt.chain_id)
            elif isinstance(receipt, TradeNovated):
                tally.trades[kinds[receipt.instrument]] += 1
            elif isinstance(receipt, Liquidated):
                tally.liquidations[receipt.account] += 1
            elif isinstance(receipt, WithdrawalReleased):
                tally.released += 1
                released[receipt.nonce] = receipt
            elif isinstance(receipt, WithdrawalConfirmed):
                tally.confirmed += 1
                paid = released[receipt.nonce]
                if paid.account != STRAY_ACCOUNT and paid.chain_id not in deposited.get(paid.account, set()):
                    tally.crossed.append((receipt.nonce, paid.account))
            elif isinstance(receipt, DepositsRefunded):
                tally.refunded += receipt.deposits
            elif isinstance(receipt, Refused):
                tally.refused[receipt.code] += 1
    return tally


def _count_crisis(tally: LogTally, receipt: Receipt) -> None:
    if isinstance(receipt, MarginCalled):
        tally.called[receipt.account] += 1
    elif isinstance(receipt, LiquidationOpened):
        tally.opened[receipt.account] += 1
    elif isinstance(receipt, SliceSold):
        tally.slices[receipt.bidder] += 1
    elif isinstance(receipt, FundPaid) and receipt.micros:  # 0: a deadline passed
        tally.contributed[receipt.member] += receipt.micros
    elif isinstance(receipt, DefaultDeclared):
        tally.defaults += 1


def missing(genesis: Genesis, tally: LogTally, checks: Mapping[str, bool]) -> tuple[str, ...]:
    """What the demonstration did not show, as text; empty when it is complete.

    `checks` are the outcomes that no receipt can show (package verified, roots equal after the restart, …) by name.
    """
    absent = [f"no deposit on chain {chain.name}" for chain in genesis.chains if not tally.deposits[chain.chain_id]]
    absent += [
        f"no trade in {_named(kind)}"
        for kind in sorted({_kind(instrument.kind) for instrument in genesis.instruments})
        if not tally.trades[kind]
    ]
    if not tally.called:
        absent.append("no margin call")
    # Where blocks are few, a price may take an account's whole equity in one of them: then it is in default at once.
    if not tally.opened and not tally.defaults:
        absent.append("no liquidation")
    if not tally.contributed:
        absent.append("nothing paid into the default fund")
    if not tally.crossed:
        absent.append("no withdrawal paid on another chain than the one deposited on")
    absent += [name for name, good in checks.items() if not good]
    return tuple(absent)


def _kind(kind: InstrumentKind) -> str:
    named = {InstrumentKind.PERPETUAL: "perpetual", InstrumentKind.FUTURE: "future", InstrumentKind.FORWARD: "forward"}
    return named.get(kind, "option")


def _named(kind: str) -> str:
    return f"an {kind}" if kind == "option" else f"a {kind}"


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
    withdrawals_in_one_transaction: int
    """At most."""
    deposits_refunded: int
    escape: tuple[TokenDrill, ...]
    """Of the drill, where it was played."""
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
    prices: tuple[PriceLine, ...]
    volatility: tuple[VolatilityLine, ...]
    """SIMULATED: no option price is on record."""
    early_calls: tuple[EarlyCallLine, ...]
    members: tuple[MemberLine, ...]
    seconds: float


def member_lines(genesis: Genesis, state: State, tally: LogTally) -> tuple[MemberLine, ...]:
    """Equity and margin of every account at the end of the block log."""
    lines = []
    for member in genesis.members:
        for terms in member.accounts:
            margin = holdings_margin(current_arrays(state), current_holdings(state, terms.id))
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
    """Print the tables for a person."""
    table = Table(title="What the demonstration showed", show_header=False)
    trades = ", ".join(f"{count} {kind}" for kind, count in sorted(summary.trades.items()))
    deposits = ", ".join(f"{count} on {chain}" for chain, count in sorted(summary.deposits.items()))
    rows = (
        ("heights", str(summary.heights)),
        ("block latency p50 / p99", f"{summary.block_latency_ms_p50:.0f} ms / {summary.block_latency_ms_p99:.0f} ms"),
        ("deposits credited", f"{deposits} ({summary.deposit_seconds:.1f} s to the last)"),
        ("trades novated", trades),
        *_market_rows(summary),
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
            f"{summary.withdrawals_across_chains} across chains ({summary.withdrawal_seconds:.1f} s), "
            f"up to {summary.withdrawals_in_one_transaction} in one transaction",
        ),
        ("deposits refunded", str(summary.deposits_refunded)),
        *(
            (
                f"escape: {drill.token} on {drill.chain}",
                f"{drill.paid} of {drill.owed} base units paid, {drill.left} left",
            )
            for drill in summary.escape
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


def _market_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    """Prices, implied volatility, and the early calls that came of both."""
    for price in summary.prices:
        yield f"price of {price.feed}", f"falls by {price.fall_ppm / 10_000:.0f} % until height {price.lowest_height}"
    for line in summary.volatility:
        highest = f"{line.highest_ppm / 10_000:.0f} % at height {line.highest_height}"
        yield f"implied volatility of {line.group}, simulated", f"{line.first_ppm / 10_000:.0f} % at first, {highest}"
    for call in summary.early_calls:
        yield f"early call at height {call.height}", _early_text(summary, call)


def _early_text(summary: Summary, line: EarlyCallLine) -> str:
    """Whom it warned, and whether the first surfaces would have."""
    name = next((member.name for member in summary.members if member.account == line.account), str(line.account))
    found = f"{name}: a breach is {line.probability_ppm / 10_000:.1f} % likely"
    beside = f"{line.first_probability_ppm / 10_000:.1f} % on the first surface, at the same prices"
    return f"{found}; {beside}" + (": it follows from volatility" if line.follows_from_volatility else "")
