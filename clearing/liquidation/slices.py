"""Slices of a portfolio: the share that restores initial margin, its lots and costs, and the split of the penalty.

Rule: shares are fractions of `DENOMINATOR` and round up, so that a slice is large enough. Every position with an open
price is reduced by the same share, rounded up to whole lots, at the mark. Discount and penalty round up and never take
equity below zero. The liquidator's part of a penalty rounds down, and the fund receives the rest. No price changes
because of a slice. This module must not know who takes a slice, nor when.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, PPM, mul_div_down, mul_div_up
from clearing.context.block_context import DENOMINATOR, BlockContext
from clearing.liquidation.takeover import instrument_mark, open_positions, position_room
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.stale_options import margin_at_floor
from clearing.schema.receipts.liquidation import CashSplit, ReducedPosition
from clearing.schema.transfers import TransferCode
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import Holdings, current_arrays
from clearing.state.ledger import balance, cash_currency
from clearing.trades.balance_limits import beyond_balance_limit
from clearing.trades.novation import is_position_too_large


def restoring_share(
    equity: int, initial: int, notional: int, *, cost_ppm: int, fixed: int = 0, rounding: int = 0
) -> int:
    """A share f (rounded up) with equity - cost(f) >= (1 - f) x (initial - fixed) + fixed.

    When every position is reduced alike, the requirement of positions falls at least in proportion, because it is
    convex; `fixed`, the requirement of the collateral alone, stays. So f = (I - E) / (I - C - p N) for initial I,
    equity E, fixed requirement C, cost rate p and notional N; the smallest such share where the requirement is linear.
    Everything when equity is zero or costs consume what is freed. `rounding`: micros by which a requirement after
    credit may be rounded up.
    """
    missing = (initial + rounding - equity) * PPM
    freed = (initial - fixed) * PPM - cost_ppm * notional
    if equity <= 0:
        return DENOMINATOR
    if missing <= 0:
        return 0
    return mul_div_up(missing, DENOMINATOR, freed) if freed > missing else DENOMINATOR


def step_size(left: int, step_ppm: int, whole: int, limit: int) -> int:
    """How much of `left` one step takes: a share of it, all of it up to `whole`, never more than `limit`
    (0: no limit)."""
    size = left if left <= whole else min(mul_div_up(left, step_ppm, PPM), left)
    return min(size, limit) if limit else size


def disposal_steps(total: int, step_ppm: int, whole: int, limit: int) -> Iterator[int]:
    """The steps in which `total` is taken when nothing else happens; they sum to it."""
    left = total
    while left > 0:
        size = step_size(left, step_ppm, whole, limit)
        yield size
        left -= size


def slice_costs(value: int, discount_ppm: int, penalty_ppm: int, spare: int) -> tuple[int, int]:
    """Discount and penalty of one position of a slice, each rounded up; together at most `spare`, the discount first.

    `spare`: the account's equity, less what its earlier positions cost; at least 0.
    """
    discount = min(mul_div_up(value, discount_ppm, PPM), spare)
    return discount, min(mul_div_up(value, penalty_ppm, PPM), spare - discount)


def receipt_micros(micros: int) -> int:
    """An unbounded amount, such as the notional of a whole portfolio, capped to the range of a receipt."""
    return min(micros, MONEY_MAX)


def share_rounded_up(part: int, whole: int) -> int:
    """`part` of `whole` as a share, rounded up; everything where `whole` is zero."""
    return min(mul_div_up(part, DENOMINATOR, whole), DENOMINATOR) if whole > 0 else DENOMINATOR


@dataclass(slots=True)
class LiquidationSlice:
    """The plan of handing over a share. `holdings_after` is what the account keeps."""

    fraction: int
    """As a fraction of `DENOMINATOR`."""
    holdings_after: Holdings
    positions: list[ReducedPosition] = field(default_factory=list)
    discounts: dict[int, int] = field(default_factory=dict)
    penalties: dict[int, int] = field(default_factory=dict)
    """Discounts and penalties by index of the cash group."""
    notional: int = 0

    def paid(self, context: BlockContext) -> tuple[CashSplit, ...]:
        """Discount and penalty by cash group, and the split of the penalty."""
        share = context.terms.crisis.liquidation.bidder_share_ppm
        return tuple(
            CashSplit(
                cash_group=context.terms.cash_groups[at],
                discount=self.discounts[at],
                penalty=penalty,
                penalty_to_taker=mul_div_down(penalty, share, PPM),
            )
            for at, penalty in sorted(self.penalties.items())
        )


def penalty_fund_account(context: BlockContext, liquidated: int = HOUSE_ACCOUNT) -> int:
    """The account that gets the fund's part of penalties: the backstop; the house where there is none or it
    is liquidated."""
    backstop = context.terms.crisis.liquidation.backstop_account
    return backstop if backstop != liquidated and backstop else HOUSE_ACCOUNT


def cut_slice(
    context: BlockContext, holdings: Holdings, margin: AccountMargin, fraction: int, taker: int, discount_ppm: int = 0
) -> LiquidationSlice:
    """The slice of a share: lots of every position within the taker's position limit, and their costs."""
    result, spare = LiquidationSlice(fraction, holdings.copy()), max(margin.equity, 0)
    arrays = current_arrays(context.state)
    for instrument, lots in open_positions(context, holdings):
        size = min(mul_div_up(abs(lots), fraction, DENOMINATOR), position_room(context, taker, instrument.id, lots))
        taken = size if lots > 0 else -size
        if not taken:
            continue
        at, mark = context.terms.array_index[instrument.id], instrument_mark(context, instrument.id)
        value, received = notional_micros(instrument, taken, mark), int(arrays.values[at, 0]) * taken
        discount, penalty = slice_costs(value, discount_ppm, context.terms.market.liquidation_penalty_ppm, spare)
        spare -= discount + penalty
        group = context.terms.cash_groups.index(instrument.cash_group)
        result.positions.append(ReducedPosition(instrument.id, taken, lots, mark, received))
        result.discounts[group] = result.discounts.get(group, 0) + discount
        result.penalties[group] = result.penalties.get(group, 0) + penalty
        result.notional += value
        result.holdings_after.lots[at] -= taken
        result.holdings_after.cash[group] += received - discount - penalty
    return result


def taker_holdings_after(
    context: BlockContext, before: Holdings, liquidation_slice: LiquidationSlice, *, fund: bool
) -> Holdings:
    """The taker's holdings afterwards. `fund`: it gets the fund's part of the penalty, too."""
    after = before.copy()
    for position in liquidation_slice.positions:
        at = context.terms.array_index[position.instrument]
        after.lots[at] += position.lots
        after.cash[_cash_group_of(context, position.instrument)] -= position.received
    for split in liquidation_slice.paid(context):
        earned = split.penalty if fund else split.penalty_to_taker
        after.cash[context.terms.cash_groups.index(split.cash_group)] += split.discount + earned
    return after


def can_take_slice(
    context: BlockContext, before: Holdings, after: Holdings, liquidation_slice: LiquidationSlice
) -> bool:
    """Whether a taker may have the holdings `after`: at initial margin, within cash and position limits."""
    limit = context.terms.risk.cash_limit_micros
    cash = zip(before.cash, after.cash, strict=True)
    if any(claim < min(-limit, was) for was, claim in cash):
        return False
    if beyond_balance_limit(before.cash, after.cash) is not None:
        return False
    for position in liquidation_slice.positions:
        at = context.terms.array_index[position.instrument]
        grows = abs(after.lots[at]) > abs(before.lots[at])
        if grows and is_position_too_large(context, context.terms.instruments[position.instrument], after):
            return False
    return margin_at_floor(context, after).initial_ok


def transfer_slice(
    context: BlockContext, account: int, taker: int, liquidation_slice: LiquidationSlice, value_code: TransferCode
) -> None:
    """Write a slice: lots and option values, the discount, and the penalty to taker and fund."""
    transfer, fund = context.journal.transfer, penalty_fund_account(context, account)
    for position in liquidation_slice.positions:
        context.positions.add(account, position.instrument, -position.lots)
        context.positions.add(taker, position.instrument, position.lots)
        payer, payee = (taker, account) if position.received >= 0 else (account, taker)
        currency = cash_currency(context.terms.instruments[position.instrument].cash_group)
        transfer(payer, payee, currency, abs(position.received), value_code, position.instrument)
    for split in liquidation_slice.paid(context):
        currency = cash_currency(split.cash_group)
        transfer(account, taker, currency, split.discount, TransferCode.SLICE_DISCOUNT, account)
        transfer(account, taker, currency, split.penalty_to_taker, TransferCode.PENALTY_TO_TAKER, account)
        rest = split.penalty - split.penalty_to_taker
        transfer(account, fund, currency, rest, TransferCode.PENALTY_TO_FUND, account)
    cash = [balance(context.state, account, cash_currency(group)) for group in context.terms.cash_groups]
    context.check_as_planned(account, cash, liquidation_slice.holdings_after.cash)
    context.liquidation_budget.notional += liquidation_slice.notional
    context.touched_accounts.update((account, taker))


def _cash_group_of(context: BlockContext, instrument: int) -> int:
    return context.terms.cash_groups.index(context.terms.instruments[instrument].cash_group)
