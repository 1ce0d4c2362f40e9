"""What a finished demonstration must have shown, read from receipts that were recomputed from the block log.

Rule: pure. It believes no node's word: the receipts come from replaying the recorded blocks, and a requirement
without a receipt is named as missing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from clearing.blocks import BlockResult
from clearing.default.receipts import DefaultDeclared
from clearing.fund.receipts import FundPaid
from clearing.genesis import Genesis
from clearing.instruments import InstrumentKind
from clearing.liquidation.receipts import LiquidationOpened, SliceSold
from clearing.receipts import (
    DepositCredited,
    Liquidated,
    MarginCalled,
    Receipt,
    Refused,
    TradeNovated,
    WithdrawalConfirmed,
    WithdrawalReleased,
)


@dataclass(slots=True)
class Tally:
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
    crossed: list[tuple[int, int]] = field(default_factory=list)
    """(withdrawal nonce, account) of each confirmed withdrawal on a chain that the account never deposited on."""
    refused: Counter[int] = field(default_factory=Counter)
    """By code."""


def count(genesis: Genesis, results: Iterable[BlockResult]) -> Tally:
    """Tally the receipts of consecutive heights."""
    kinds = {each.id: _kind(each.kind) for each in genesis.instruments}
    tally = Tally()
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
                if paid.chain_id not in deposited.get(paid.account, set()):
                    tally.crossed.append((receipt.nonce, paid.account))
            elif isinstance(receipt, Refused):
                tally.refused[receipt.code] += 1
    return tally


def _count_crisis(tally: Tally, receipt: Receipt) -> None:
    if isinstance(receipt, MarginCalled):
        tally.called[receipt.account] += 1
    elif isinstance(receipt, LiquidationOpened):
        tally.opened[receipt.account] += 1
    elif isinstance(receipt, SliceSold):
        tally.slices[receipt.bidder] += 1
    elif isinstance(receipt, FundPaid):
        tally.contributed[receipt.member] += receipt.micros
    elif isinstance(receipt, DefaultDeclared):
        tally.defaults += 1


def missing(genesis: Genesis, tally: Tally, checks: Mapping[str, bool]) -> tuple[str, ...]:
    """What the demonstration did not show, in words; empty when it is complete.

    `checks` are the outcomes that no receipt can show (package verified, roots equal after the restart, …) by name.
    """
    lacks = [f"no deposit on chain {chain.name}" for chain in genesis.chains if not tally.deposits[chain.chain_id]]
    lacks += [
        f"no trade in {_named(kind)}"
        for kind in sorted({_kind(each.kind) for each in genesis.instruments})
        if not tally.trades[kind]
    ]
    if not tally.called:
        lacks.append("no margin call")
    # Where blocks are few, a price may take an account's whole equity in one of them: then it is in default at once.
    if not tally.opened and not tally.defaults:
        lacks.append("no liquidation")
    if not tally.contributed:
        lacks.append("nothing paid into the default fund")
    if not tally.crossed:
        lacks.append("no withdrawal paid on another chain than the one deposited on")
    lacks += [name for name, good in checks.items() if not good]
    return tuple(lacks)


def _kind(kind: InstrumentKind) -> str:
    named = {
        InstrumentKind.PERPETUAL: "perpetual",
        InstrumentKind.FUTURE: "future",
        InstrumentKind.FORWARD: "forward",
    }
    return named.get(kind, "option")


def _named(kind: str) -> str:
    return f"an {kind}" if kind == "option" else f"a {kind}"
