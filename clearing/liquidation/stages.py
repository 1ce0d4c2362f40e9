"""The stages of a liquidation: slices for sale among members, then the backstop, then the house, in steps.

Rule:

1. No more than restores initial margin is taken; everything where that does not suffice.
2. Each step is within the caps of step and block, with a cool-down after it.
3. Without terms in genesis the house takes over everything needed at once.
4. An account that only owes cash loses collateral first.
5. A debt left when nothing can be sold is the house's loss, or a failure for the default rules.
6. An account without equity is not for sale in slices, which would give its debt time to grow: a member's own account
   fails at once, with its positions, also out of a sale under way; a client's positions are taken over at once.

It must not know why the account's time is over.
"""

import msgspec

from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import PPM
from clearing.context.block_context import DENOMINATOR, BlockContext, Failure, FailureReason
from clearing.liquidation.backstop import backstop_takeover
from clearing.liquidation.slices import receipt_micros, restoring_share, share_rounded_up, step_size
from clearing.liquidation.takeover import (
    TakeoverPlan,
    cover_deficit,
    execute_takeover,
    final_deficit,
    has_unpriced_holdings,
    instrument_mark,
    is_at_risk,
    open_positions,
    plan_takeover,
)
from clearing.liquidation.trigger import call_trigger, current_congestion
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.receipts.liquidation import (
    DeferralReason,
    LiquidationDeferred,
    LiquidationEnded,
    LiquidationOpened,
    LiquidationStepTaken,
    SliceSizing,
)
from clearing.schema.records.margin_calls import LiquidationRecord
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.terms.margin_calls import LiquidationTerms
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import Holdings, current_arrays, holdings_margin


def liquidate_account(context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin) -> Holdings:
    """Advance the liquidation of an account by a block. Returns the account's holdings afterwards."""
    terms, needed, record = context.terms.crisis.liquidation, DENOMINATOR, context.state.liquidations.get(account)
    if is_for_default(context, margin):
        return _take_over_share(context, account, holdings, margin, DENOMINATOR)
    if record is not None and context.block.height < max(record.last_height, record.next_height):
        return holdings
    if margin.equity >= call_trigger(context, margin, current_congestion(context)) and record is None:
        plan = plan_takeover(context, holdings, margin, 0)
        if _collateral_suffices(context, plan):
            return _execute_plan(context, account, margin, plan)
    else:
        needed = size_liquidation(context, holdings, margin).share
        if needed < DENOMINATOR and not _restores_margin(context, plan_takeover(context, holdings, margin, needed)):
            needed = DENOMINATOR
    if not _has_stages(terms) or not needed or not open_positions(context, holdings):
        return _take_over_share(context, account, holdings, margin, needed)
    return _advance_sale(context, account, holdings, margin, needed)


def _has_stages(terms: LiquidationTerms) -> bool:
    """Whether other stages come before the house, or the house takes over in steps."""
    stepped = terms.step_ppm < PPM or terms.step_notional_max or terms.cooldown_blocks or terms.block_notional_max
    return bool(terms.auction_blocks or terms.backstop_account or stepped or terms.insolvent_to_default)


def size_liquidation(
    context: BlockContext, holdings: Holdings, margin: AccountMargin, discount_ppm: int = 0
) -> SliceSizing:
    """The share of every position, rounded up, that restores initial margin, with its inputs.

    Where a requirement is not convex, or cash stays owed, that share may not suffice.
    """
    whole = _open_notional(context, holdings)
    cost = context.terms.market.liquidation_penalty_ppm + discount_ppm
    rounded = margin.terms.credit or current_arrays(context.state).tariff.historical
    fixed, rounding = _collateral_requirement(context, holdings, margin), 1 if rounded else 0
    share = restoring_share(margin.equity, margin.initial, whole, cost_ppm=cost, fixed=fixed, rounding=rounding)
    return SliceSizing(
        margin.equity, margin.initial, receipt_micros(whole), cost, receipt_micros(fixed), rounding, share
    )


def _collateral_requirement(context: BlockContext, holdings: Holdings, margin: AccountMargin) -> int:
    """What the account's tokens need without any position: their concentration, and their loss in the scenarios."""
    arrays = current_arrays(context.state)
    if not any(row and units for row, units in zip(arrays.token_rows, holdings.tokens, strict=False)):
        return margin.terms.concentration
    alone = Holdings([0] * len(holdings.cash), list(holdings.tokens), [0] * len(holdings.lots))
    return holdings_margin(arrays, alone).initial


def _open_notional(context: BlockContext, holdings: Holdings) -> int:
    """Notional of all positions with an open price, at the mark."""
    return sum(
        notional_micros(instrument, lots, instrument_mark(context, instrument.id))
        for instrument, lots in open_positions(context, holdings)
    )


def close_liquidation(context: BlockContext, account: int, margin: AccountMargin, *, failed: bool) -> None:
    """Delete a liquidation that is over, with a receipt."""
    record = context.state.liquidations.get(account)
    if record is not None:
        context.state.liquidations.remove(account)
        ended = (record.opened_height, record.steps, record.fills, margin.equity, margin.initial, failed)
        context.receipts.append(LiquidationEnded(account, *ended))


def pause_liquidation(context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin) -> None:
    """Postpone an account's sale by a block: while prices are not open, its discount does not change.

    The liquidation of an account that cannot lose more ends.
    """
    record = context.state.liquidations.get(account)
    if not is_at_risk(context, holdings):
        close_liquidation(context, account, margin, failed=False)
    elif record is not None and context.block.height <= record.last_height:
        later = {"first_height": record.first_height + 1, "last_height": record.last_height + 1}
        context.state.liquidations.put(account, msgspec.structs.replace(record, **later))


def _advance_sale(
    context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin, needed: int
) -> Holdings:
    """Open the auction; after it let backstop and house take a step."""
    height, terms = context.block.height, context.terms.crisis.liquidation
    record = context.state.liquidations.get(account) or open_sale(context, account, holdings, margin)
    if height < record.last_height:
        return holdings
    sizing = size_liquidation(context, holdings, margin)
    whole = _open_notional(context, holdings)
    left = -(-whole * needed // DENOMINATOR)
    size = step_size(left, terms.step_ppm, terms.whole_notional, terms.step_notional_max)
    if record.steps >= terms.steps_max:
        size = left
    share = needed if size == left else min(share_rounded_up(size, whole), needed)
    share = context.liquidation_budget.share_within(share, whole, terms.block_notional_max)
    if not share and needed:
        return _defer(context, account, holdings, whole)
    record = msgspec.structs.replace(record, steps=record.steps + 1, next_height=height + 1 + terms.cooldown_blocks)
    context.state.liquidations.put(account, record)
    context.receipts.append(
        LiquidationStepTaken(
            account, record.steps, sizing, needed, share, DENOMINATOR, receipt_micros(size), record.next_height
        )
    )
    after = backstop_takeover(context, account, holdings, margin, share, record.steps)
    if after is not holdings:
        margin = holdings_margin(current_arrays(context.state), after)
        share = _house_share(share, whole, whole - _open_notional(context, after))
        if margin.initial_ok or not share:
            context.liquidation_budget.accounts += 1
            return after
    return _take_over_share(context, account, after, margin, share)


def _house_share(share: int, whole: int, taken: int) -> int:
    """The house's part of a share of `whole` after the backstop took some, as a share of what remains."""
    left = -(-whole * share // DENOMINATOR) - taken
    return share_rounded_up(left, whole - taken) if left > 0 else 0


def open_sale(context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin) -> LiquidationRecord:
    """Open a liquidation: offer slices from the next block on, where genesis has auctions."""
    terms, height = context.terms.crisis.liquidation, context.block.height
    liquidation = LiquidationRecord(height, height + 1, height + terms.auction_blocks, height)
    context.state.liquidations.put(account, liquidation)
    if terms.auction_blocks:
        context.liquidation_budget.accounts += 1
        context.receipts.append(
            LiquidationOpened(
                account=account,
                equity=margin.equity,
                initial=margin.initial,
                maintenance=margin.maintenance,
                opened_height=height,
                first_height=liquidation.first_height,
                last_height=liquidation.last_height,
                start_ppm=terms.start_ppm,
                end_ppm=terms.end_ppm,
                positions=tuple((instrument.id, lots) for instrument, lots in open_positions(context, holdings)),
            )
        )
    return liquidation


def _take_over_share(
    context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin, share: int
) -> Holdings:
    """Let the house take over a share, within the caps of the block."""
    terms = context.terms.crisis.liquidation
    record = context.state.accounts[account]
    # The house's other own accounts have no default: the house takes their positions over, and pays what they owe.
    is_members_own = record.kind is AccountKind.HOUSE and record.member != HOUSE_MEMBER
    if is_for_default(context, margin) and is_members_own:
        return _fail_account(context, account, holdings, margin, FailureReason.DEFICIT)
    whole = _open_notional(context, holdings)
    within = context.liquidation_budget.share_within(share, whole, terms.block_notional_max)
    if share and not within:
        return _defer(context, account, holdings, whole)
    plan = plan_takeover(context, holdings, margin, within)
    loss = final_deficit(context, plan)
    if not context.liquidation_budget.allows_loss(loss, terms.block_loss_max):
        amounts = map(receipt_micros, (context.liquidation_budget.loss, terms.block_loss_max, loss))
        context.receipts.append(LiquidationDeferred(account, DeferralReason.BLOCK_LOSS, *amounts))
        return holdings
    context.liquidation_budget.loss += loss
    context.liquidation_budget.notional += plan.notional
    return _execute_plan(context, account, margin, plan)


def _defer(context: BlockContext, account: int, holdings: Holdings, whole: int) -> Holdings:
    limit = context.terms.crisis.liquidation.block_notional_max
    context.receipts.append(
        LiquidationDeferred(
            account,
            DeferralReason.BLOCK_NOTIONAL,
            *map(receipt_micros, (context.liquidation_budget.notional, limit, whole)),
        )
    )
    return holdings


def is_for_default(context: BlockContext, margin: AccountMargin) -> bool:
    """Whether an account has no equity, and its loss is a matter of the default rules at once."""
    crisis = context.terms.crisis
    return margin.equity < 0 and crisis.default.enabled and crisis.liquidation.insolvent_to_default


def _execute_plan(context: BlockContext, account: int, margin: AccountMargin, plan: TakeoverPlan) -> Holdings:
    """Execute a plan. The house covers what is owed at the end, or the account fails."""
    context.liquidation_budget.accounts += 1
    owed, enabled = final_deficit(context, plan), context.terms.crisis.default.enabled
    if owed and not enabled:
        cover_deficit(context, plan)
    after = execute_takeover(context, account, margin, plan) if _has_effect(plan) else plan.holdings_after
    left = holdings_margin(current_arrays(context.state), after)
    if owed and enabled:
        return _fail_account(context, account, after, left, FailureReason.DEFICIT)
    if owed:
        close_liquidation(context, account, left, failed=True)
    stuck = not _has_effect(plan) and any(after.lots) and not has_unpriced_holdings(context, after)
    if stuck and enabled and not left.initial_ok:
        return _fail_account(context, account, after, left, FailureReason.CALL_LAPSED)
    return after


def _has_effect(plan: TakeoverPlan) -> bool:
    return bool(plan.positions_taken or plan.collateral_bought or plan.deficits)


def _fail_account(
    context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin, reason: FailureReason
) -> Holdings:
    """Report the account as failed, for the default rules."""
    close_liquidation(context, account, margin, failed=True)
    context.failures.append(Failure(account, reason))
    return holdings


def _collateral_suffices(context: BlockContext, plan: TakeoverPlan) -> bool:
    """Whether collateral alone pays the debt: the account keeps its positions, because maintenance is covered."""
    return (
        not _plan_deficit(context, plan)
        and holdings_margin(current_arrays(context.state), plan.holdings_after).maintenance_ok
    )


def _restores_margin(context: BlockContext, plan: TakeoverPlan) -> bool:
    """Whether the account's debt would be within the limit, and initial margin restored."""
    return (
        not _plan_deficit(context, plan)
        and holdings_margin(current_arrays(context.state), plan.holdings_after).initial_ok
    )


def _plan_deficit(context: BlockContext, plan: TakeoverPlan) -> bool:
    return any(claim < -context.terms.risk.cash_limit_micros for claim in plan.holdings_after.cash)
