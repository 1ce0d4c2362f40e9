"""The last stage of a liquidation: the house takes over at the mark, which does not move by it.

Rule: a share of every position with an open price, each rounded up to whole lots; then collateral for debts. Nothing is
liquidated on a feed that is stale or halted. Nor is an account liquidated that cannot lose more than it paid, or that
holdings on such a feed might still cover; a negligible holding does not count. A receipt contains all inputs, so that
the outcome can be recomputed by hand. It must not know when and how much is to be taken.
"""

from dataclasses import dataclass, field

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, POSITION_MAX, PPM, mul_div_up
from clearing.context.block_context import DENOMINATOR, BlockContext
from clearing.context.house_limits import TakenLots, house_excess
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.price_status import any_too_old, can_close_out, can_close_out_position, is_settled_for_good
from clearing.pricing.value_after_haircut import value_before_haircut_up
from clearing.schema.receipts.liquidation import CollateralBought, Liquidated, TakenOverPosition
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.instruments import Instrument
from clearing.schema.transfers import TransferCode
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import Holdings, current_arrays, feeds_of_holdings, holdings_margin, position_lots
from clearing.state.ledger import balance, cash_currency, token_currency


@dataclass(slots=True)
class TakeoverPlan:
    """The plan of taking over a fraction. `holdings_after` is what the account keeps."""

    fraction: int
    """As a fraction of `DENOMINATOR`."""
    holdings_after: Holdings
    positions_taken: list[TakenOverPosition] = field(default_factory=list)
    penalties: dict[int, int] = field(default_factory=dict)
    """Penalties by index of the cash group."""
    notional: int = 0
    collateral_bought: list[CollateralBought] = field(default_factory=list)
    deficits: list[tuple[int, int]] = field(default_factory=list)


def may_liquidate(context: BlockContext, holdings: Holdings) -> bool:
    """Whether the account could lose more than it has paid for, and prices that are not open could not change that."""
    if has_unpriced_holdings(context, holdings) and not _is_certainly_liquidatable(context, holdings):
        return False
    return is_at_risk(context, holdings)


def is_at_risk(context: BlockContext, holdings: Holdings) -> bool:
    """Whether the account could lose more than it has paid for: it owes cash, or has marked or short positions."""
    owed = any(claim < 0 for claim in holdings.cash)
    instruments = context.terms.instruments.values()
    risky = any(
        lots < 0 or (lots and instrument.is_marked) for instrument, lots in zip(instruments, holdings.lots, strict=True)
    )
    return owed or risky


def has_unpriced_holdings(context: BlockContext, holdings: Holdings) -> bool:
    """Whether a feed that is not open, or a surface too old to liquidate at, prices some of these holdings."""
    feeds_open = all(_is_open(context, feed) for feed in feeds_of_holdings(context.state, holdings))
    return not feeds_open or any_too_old(context.state, holdings)


def _is_open(context: BlockContext, feed: int) -> bool:
    return can_close_out(context.state, feed)


def _is_certainly_liquidatable(context: BlockContext, holdings: Holdings) -> bool:
    """Whether something can be taken over, and maintenance is not covered even at prices far in the account's favour.

    Holdings without an open price then need no margin: positions gain their whole notional at the last index (or
    strike), and tokens count for twice their last value without haircut, on a settled feed for nothing.
    """
    best = holdings.copy()
    taken = False
    for at, instrument in enumerate(context.terms.instruments.values()):
        if can_close_out_position(context.state, instrument):
            taken = taken or holdings.lots[at] != 0
            continue
        best.cash[0] += notional_micros(
            instrument, holdings.lots[at], max(_index(context, instrument.feed), instrument.strike_ticks)
        )
        best.lots[at] = 0
    for at, token in enumerate(context.terms.tokens):
        if not _is_priced(context, token):
            counted = current_arrays(context.state).assets[at]
            dead = any(is_settled_for_good(context.state, feed) for feed in token.feeds)
            best.cash[0] += (
                0 if dead else value_before_haircut_up(counted, 2 * holdings.tokens[at], _index(context, token.feed))
            )
            best.tokens[at] = 0
    return taken and not holdings_margin(current_arrays(context.state), best).maintenance_ok


def _is_priced(context: BlockContext, token: Asset) -> bool:
    return all(_is_open(context, feed) for feed in token.feeds)


def _index(context: BlockContext, feed: int) -> int:
    return context.state.feeds[feed].ticks


def plan_takeover(context: BlockContext, holdings: Holdings, margin: AccountMargin, fraction: int) -> TakeoverPlan:
    """The plan of taking `fraction` of every position (each rounded up to whole lots)."""
    plan = TakeoverPlan(fraction, holdings.copy())
    arrays = current_arrays(context.state)
    spare = max(margin.equity, 0)
    for instrument, lots in open_positions(context, holdings):
        at = context.terms.array_index[instrument.id]
        size = min(
            mul_div_up(abs(lots), fraction, DENOMINATOR), position_room(context, HOUSE_ACCOUNT, instrument.id, lots)
        )
        taken = size if lots > 0 else -size
        if not taken:
            continue
        mark = instrument_mark(context, instrument.id)
        received = int(arrays.values[at, 0]) * taken
        group = context.terms.cash_groups.index(instrument.cash_group)
        value = notional_micros(instrument, taken, mark)
        penalty = min(mul_div_up(value, context.terms.market.liquidation_penalty_ppm, PPM), spare)
        spare -= penalty
        plan.positions_taken.append(TakenOverPosition(instrument.id, taken, lots, mark, received))
        plan.penalties[group] = plan.penalties.get(group, 0) + penalty
        plan.notional += value
        plan.holdings_after.lots[at] -= taken
        plan.holdings_after.cash[group] += received - penalty
    _buy_collateral(context, plan)
    return plan


def _buy_collateral(context: BlockContext, plan: TakeoverPlan) -> None:
    """Let the house buy what brings negative cash to zero: claims on other cash groups at par, then tokens in order.

    While positions remain, only cash below the limit is raised; without positions nothing may be owed. Units round up
    and are paid in full, so the account's equity does not change.
    """
    limit = context.terms.risk.cash_limit_micros if any(plan.holdings_after.lots) else 0
    values = current_arrays(context.state).token_values.tolist()
    for at, group in enumerate(context.terms.cash_groups):
        if plan.holdings_after.cash[at] >= -limit:
            continue
        for other, currency in enumerate(context.terms.cash_groups):
            spare = min(max(plan.holdings_after.cash[other], 0), -plan.holdings_after.cash[at])
            if spare > 0:
                plan.holdings_after.cash[other] -= spare
                _bought_collateral(plan, at, group, cash_currency(currency), spare, 1)
        for index, token in enumerate(context.terms.tokens):
            owed = max(-plan.holdings_after.cash[at], 0)
            value = values[index] if _is_priced(context, token) else 0
            units = min(-(-owed // value), plan.holdings_after.tokens[index]) if value else 0
            if units > 0:
                plan.holdings_after.tokens[index] -= units
                _bought_collateral(plan, at, group, token_currency(token.id), units, value)


def _bought_collateral(
    plan: TakeoverPlan, at: int, group: int, currency: int, units: int, micros_per_unit: int
) -> None:
    plan.holdings_after.cash[at] += units * micros_per_unit
    plan.collateral_bought.append(CollateralBought(currency, units, group, micros_per_unit, units * micros_per_unit))


def final_deficit(context: BlockContext, plan: TakeoverPlan) -> int:
    """Micros owed when nothing is left that could pay them; 0 while something is."""
    if any(plan.holdings_after.lots) or has_unpriced_holdings(context, plan.holdings_after):
        return 0
    return sum(-claim for claim in plan.holdings_after.cash if claim < 0)


def cover_deficit(context: BlockContext, plan: TakeoverPlan) -> None:
    """Let the house's capital pay what is still owed when nothing is left."""
    for at, group in enumerate(context.terms.cash_groups):
        if plan.holdings_after.cash[at] < 0:
            plan.deficits.append((group, -plan.holdings_after.cash[at]))
            plan.holdings_after.cash[at] = 0


def execute_takeover(context: BlockContext, account: int, margin: AccountMargin, plan: TakeoverPlan) -> Holdings:
    """Execute a plan, with its receipt. Returns the account's holdings afterwards."""
    _write_plan(context, account, plan)
    left = holdings_margin(current_arrays(context.state), plan.holdings_after)
    context.receipts.append(
        Liquidated(
            account=account,
            equity=margin.equity,
            initial=margin.initial,
            maintenance=margin.maintenance,
            fraction=(plan.fraction, DENOMINATOR),
            positions=tuple(plan.positions_taken),
            notional=min(plan.notional, MONEY_MAX),
            penalty=sum(plan.penalties.values()),
            collateral=tuple(plan.collateral_bought),
            deficits=tuple(plan.deficits),
            equity_after=left.equity,
            initial_after=left.initial,
        )
    )
    return plan.holdings_after


def _write_plan(context: BlockContext, account: int, plan: TakeoverPlan) -> None:
    """Write the plan: lots and option values, penalties, collateral against cash, deficits."""
    groups, transfer = context.terms.cash_groups, context.journal.transfer
    _count_for_house(context, plan)
    for taken in plan.positions_taken:
        context.positions.add(account, taken.instrument, -taken.lots)
        context.positions.add(HOUSE_ACCOUNT, taken.instrument, taken.lots)
        payer, payee = (HOUSE_ACCOUNT, account) if taken.received >= 0 else (account, HOUSE_ACCOUNT)
        currency = cash_currency(context.terms.instruments[taken.instrument].cash_group)
        value = abs(taken.received)
        transfer(payer, payee, currency, value, TransferCode.LIQUIDATION_OPTION_VALUE, taken.instrument)
    for at, penalty in sorted(plan.penalties.items()):
        currency = cash_currency(groups[at])
        transfer(account, HOUSE_ACCOUNT, currency, penalty, TransferCode.LIQUIDATION_PENALTY, account)
    for bought in plan.collateral_bought:
        transfer(account, HOUSE_ACCOUNT, bought.currency, bought.units, TransferCode.COLLATERAL_BOUGHT, account)
        currency = cash_currency(bought.cash_group)
        transfer(HOUSE_ACCOUNT, account, currency, bought.paid, TransferCode.COLLATERAL_PAID, account)
    for group, micros in plan.deficits:
        transfer(HOUSE_ACCOUNT, account, cash_currency(group), micros, TransferCode.DEFICIT_COVERED, account)
    context.check_as_planned(
        account, [balance(context.state, account, cash_currency(group)) for group in groups], plan.holdings_after.cash
    )


def _count_for_house(context: BlockContext, plan: TakeoverPlan) -> None:
    """Count the penalties that pay for the house's disposal, and the lots that are beyond its limits."""
    takeovers = context.house_takeovers
    takeovers.penalties += sum(plan.penalties.values())
    taken = tuple(TakenLots(each.instrument, each.lots, each.received) for each in plan.positions_taken)
    for instrument, lots in house_excess(context.state, taken):
        takeovers.excess[instrument] = takeovers.excess.get(instrument, 0) + lots


def open_positions(context: BlockContext, holdings: Holdings) -> list[tuple[Instrument, int]]:
    """Positions that can be taken over, because their price is open."""
    instruments = context.terms.instruments.values()
    listed = zip(instruments, holdings.lots, strict=True)
    return [
        (instrument, lots) for instrument, lots in listed if lots and can_close_out_position(context.state, instrument)
    ]


def position_room(context: BlockContext, taker: int, instrument: int, lots: int) -> int:
    """How many lots of this direction an account can still take, the house included."""
    own = position_lots(context.state, taker, instrument)
    return POSITION_MAX - (own if lots > 0 else -own)


def instrument_mark(context: BlockContext, instrument: int) -> int:
    """The mark in ticks, at which everything is handed over."""
    return context.state.marks[instrument].ticks
