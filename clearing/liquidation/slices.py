"""Slices of a portfolio: what a share of an account's positions is, what it costs the account, and who gets what.

Rule: every position with an open price is reduced by the same share, rounded up to whole lots, at the mark. Discount
and penalty are rounded up and never take equity below zero; the taker's part of a penalty is rounded down, the fund has
the rest. No price moves by it. It must not know who takes a slice, nor when.
"""

from dataclasses import dataclass, field

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM, mul_div_down, mul_div_up
from clearing.context.block_context import BlockContext
from clearing.context.liquidation_progress import DENOMINATOR
from clearing.liquidation.takeover import instrument_mark, open_positions, position_room
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.receipts.liquidation import CashSplit, ReducedPosition
from clearing.schema.transfers import TransferCode
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import Holdings, current_arrays, holdings_margin
from clearing.state.ledger import balance, cash_currency
from clearing.trades.novation import is_position_too_large


@dataclass(slots=True)
class LiquidationSlice:
    """What handing over a share would do. `after` is what the account is left with."""

    fraction: int
    """Of `DENOMINATOR`."""
    holdings_after: Holdings
    positions: list[ReducedPosition] = field(default_factory=list)
    discounts: dict[int, int] = field(default_factory=dict)
    penalties: dict[int, int] = field(default_factory=dict)
    """Both by index of the cash group."""
    notional: int = 0

    def paid(self, run: BlockContext) -> tuple[CashSplit, ...]:
        """Discount and penalty of every cash group concerned, and how the penalty is shared."""
        share = run.terms.crisis.liquidation.bidder_share_ppm
        return tuple(
            CashSplit(
                cash_group=run.terms.cash_groups[at],
                discount=self.discounts[at],
                penalty=penalty,
                penalty_to_taker=mul_div_down(penalty, share, PPM),
            )
            for at, penalty in sorted(self.penalties.items())
        )


def penalty_fund_account(run: BlockContext, liquidated: int = HOUSE_ACCOUNT) -> int:
    """Who gets the fund's part of penalties: the backstop, or the house where there is none, or it pays itself."""
    backstop = run.terms.crisis.liquidation.backstop_account
    return backstop if backstop != liquidated and backstop else HOUSE_ACCOUNT


def cut_slice(
    run: BlockContext, held: Holdings, margin: AccountMargin, fraction: int, taker: int, discount_ppm: int = 0
) -> LiquidationSlice:
    """The slice of a share: lots of every position as far as the taker has room for them, and what they cost."""
    result, spare = LiquidationSlice(fraction, held.copy()), max(margin.equity, 0)
    arrays = current_arrays(run.state)
    for instrument, lots in open_positions(run, held):
        size = min(mul_div_up(abs(lots), fraction, DENOMINATOR), position_room(run, taker, instrument.id, lots))
        taken = size if lots > 0 else -size
        if not taken:
            continue
        at, mark = run.terms.array_index[instrument.id], instrument_mark(run, instrument.id)
        value, received = notional_micros(instrument, taken, mark), int(arrays.values[at, 0]) * taken
        discount = min(mul_div_up(value, discount_ppm, PPM), spare)
        penalty = min(mul_div_up(value, run.terms.market.liquidation_penalty_ppm, PPM), spare - discount)
        spare -= discount + penalty
        group = run.terms.cash_groups.index(instrument.cash_group)
        result.positions.append(ReducedPosition(instrument.id, taken, lots, mark, received))
        result.discounts[group] = result.discounts.get(group, 0) + discount
        result.penalties[group] = result.penalties.get(group, 0) + penalty
        result.notional += value
        result.holdings_after.lots[at] -= taken
        result.holdings_after.cash[group] += received - discount - penalty
    return result


def taker_holdings_after(run: BlockContext, before: Holdings, part: LiquidationSlice, *, fund: bool) -> Holdings:
    """What the taker would have. `fund`: it gets the fund's part of the penalty, too."""
    after = before.copy()
    for each in part.positions:
        at = run.terms.array_index[each.instrument]
        after.lots[at] += each.lots
        after.cash[_cash_group_of(run, each.instrument)] -= each.received
    for split in part.paid(run):
        earned = split.penalty if fund else split.penalty_to_taker
        after.cash[run.terms.cash_groups.index(split.cash_group)] += split.discount + earned
    return after


def can_take_slice(run: BlockContext, before: Holdings, after: Holdings, part: LiquidationSlice) -> bool:
    """Whether a taker may come to hold `after`: at initial margin, within cash and position limits."""
    limit = run.terms.risk.cash_limit_micros
    cash = zip(before.cash, after.cash, strict=True)
    if any(claim < min(-limit, was) for was, claim in cash):
        return False
    for each in part.positions:
        at = run.terms.array_index[each.instrument]
        grows = abs(after.lots[at]) > abs(before.lots[at])
        if grows and is_position_too_large(run, run.terms.instruments[each.instrument], after):
            return False
    return holdings_margin(current_arrays(run.state), after).initial_ok


def transfer_slice(
    run: BlockContext, account: int, taker: int, part: LiquidationSlice, value_code: TransferCode
) -> None:
    """Write a slice: lots and option values, the discount, and the penalty to taker and fund."""
    transfer, fund = run.journal.transfer, penalty_fund_account(run, account)
    for each in part.positions:
        run.positions.add(account, each.instrument, -each.lots)
        run.positions.add(taker, each.instrument, each.lots)
        payer, payee = (taker, account) if each.received >= 0 else (account, taker)
        currency = cash_currency(run.terms.instruments[each.instrument].cash_group)
        transfer(payer, payee, currency, abs(each.received), value_code, each.instrument)
    for split in part.paid(run):
        currency = cash_currency(split.cash_group)
        transfer(account, taker, currency, split.discount, TransferCode.SLICE_DISCOUNT, account)
        transfer(account, taker, currency, split.penalty_to_taker, TransferCode.PENALTY_TO_TAKER, account)
        rest = split.penalty - split.penalty_to_taker
        transfer(account, fund, currency, rest, TransferCode.PENALTY_TO_FUND, account)
    cash = [balance(run.state, account, cash_currency(group)) for group in run.terms.cash_groups]
    run.check_as_planned(account, cash, part.holdings_after.cash)
    run.liquidation_budget.notional += part.notional
    run.touched_accounts.update((account, taker))


def _cash_group_of(run: BlockContext, instrument: int) -> int:
    return run.terms.cash_groups.index(run.terms.instruments[instrument].cash_group)
