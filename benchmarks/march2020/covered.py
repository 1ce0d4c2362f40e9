"""Books of a network that asks for cover when stress exposure grows (`crisis.fund.cover_growth`).

Rule: a member that opens a book brings what it would lack under stress beyond what it has, because the fund is not
sized for it yet. When the fund is, and its contribution paid, it withdraws the same again, so cover is no further
resource in the weeks after. What a call for growth asks comes out of the reserve, as for a margin call; a member
without one pays nothing.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from benchmarks.march2020.hours import HOUR_MS
from clearing.context.stress_exposure import stress_arrays
from clearing.margin.statement.stress import stressed_equity
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.requests.trades import Trade
from clearing.schema.risk.charges import LotCharge
from clearing.schema.terms.genesis import CrisisParameters
from clearing.state.holdings import positions_of
from devnet.market import load_market
from devnet.stated_terms import part_of
from tests.kit.clearing.genesis import USDC_1

if TYPE_CHECKING:
    from benchmarks.march2020.market import March

CREDIT_BLOCKS = 24
"""So many blocks a deposit may wait for custody evidence: two epochs."""
LOT_SHARE = {"BTC-PERP": 1, "ETH-PERP": 10}
"""Lots of the replay, a thousandth of the underlying, in one of a draft."""


def is_covered(crisis: CrisisParameters) -> bool:
    """Whether growth has to be covered."""
    return crisis.fund.enabled and crisis.fund.cover_growth


def charges_of_a_draft() -> tuple[LotCharge, ...]:
    """Charges on size of BTC and ETH, as every new draft has them, in lots of the replay."""
    charges = []
    for number, (name, share) in enumerate(LOT_SHARE.items(), start=1):
        figures = next(each.charge for each in load_market().instruments if each.name == name)
        if figures is not None:
            charge = part_of(LotCharge, figures, "charge", instrument=number)
            charges.append(msgspec.structs.replace(charge, depth_lots=charge.depth_lots * share))
    return tuple(charges)


def stress_cover(market: "March", lots: Sequence[int], cash: int) -> int:
    """Micros that an account with these lots and this cash lacks in the worst stress scenario."""
    state = market.state
    tokens = [0] * len(state.terms.tokens)
    return max(0, *(-worth for worth in stressed_equity(stress_arrays(state), [cash], tokens, lots)))


def open_covered(market: "March", deposits: Mapping[int, int], trades: Sequence[Trade]) -> None:
    """Deposit micros for each account, wait until all is credited, then trade. Raises RuntimeError where that fails."""
    _credit(market, deposits)
    market.step(market.state.now.time_ms, market.ticks, (), trades)
    if not all(positions_of(market.state, account).lots for account in deposits):
        raise RuntimeError("a book was not opened")


def _credit(market: "March", deposits: Mapping[int, int]) -> None:
    facts = [market.deposit_fact(account, USDC_1, micros) for account, micros in deposits.items()]
    for _ in range(CREDIT_BLOCKS):
        market.step(market.state.now.time_ms, market.ticks, facts)
        facts = []
        if all(market.cash(account) >= micros for account, micros in deposits.items()):
            return
    raise RuntimeError("a deposit was not credited")


class StressCover:
    """What accounts brought as cover and have not yet withdrawn."""

    def __init__(self) -> None:
        self.brought: dict[int, int] = {}
        """By account, micros."""

    def withdrawals(self, market: "March") -> list[Transaction]:
        """Of all who may now: the fund was sized for them, they paid, and keep initial margin."""
        made: list[Transaction] = []
        for account, micros in self.brought.items():
            member, record = market.owner[account], market.state.contributions.get(market.owner[account])
            if record is None or member not in market.state.fund_allowances or record.micros < record.required:
                continue
            margin = market.margin(account)
            if margin.equity - micros >= margin.initial:
                until = market.state.now.time_ms + HOUR_MS // 2
                made.append(market.withdrawal(account, USDC_1, micros, not_after_ms=until))
        return made

    def note(self, result: BlockResult) -> None:
        """Forget what was withdrawn."""
        for receipt in result.receipts:
            if isinstance(receipt, WithdrawalReleased):
                self.brought.pop(receipt.account, None)
