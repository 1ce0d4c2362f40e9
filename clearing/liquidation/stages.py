"""The stages of a liquidation: slices for sale among members, then the backstop, then the house, in steps.

Rule: no more than brings the account back to initial margin, else everything; each step within the caps of step and
block, with a cool-down after it. Without terms in genesis everything needed is taken over by the house at once. An
account that only owes cash loses collateral first. What is owed when nothing is left is the house's loss, or default's
business. It must not know why the account's time is over.
"""

import msgspec

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.context.liquidation_progress import DENOMINATOR, Failure, FailureReason
from clearing.liquidation.backstop import backstop_takeover
from clearing.liquidation.sizing import receipt_micros, restoring_share, share_rounded_up, step_size
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


def liquidate_account(run: BlockContext, account: int, held: Holdings, margin: AccountMargin) -> Holdings:
    """Take the liquidation of an account one block further; returns what it is left with."""
    terms, needed, record = run.terms.crisis.liquidation, DENOMINATOR, run.state.liquidations.get(account)
    if record is not None and run.block.height < max(record.last_height, record.next_height):
        return held
    if margin.equity >= call_trigger(run, margin, current_congestion(run)) and record is None:
        plan = plan_takeover(run, held, margin, 0)
        if _collateral_suffices(run, plan):
            return _execute_plan(run, account, margin, plan)
    else:
        needed = size_liquidation(run, held, margin).share
        if needed < DENOMINATOR and not _restores_margin(run, plan_takeover(run, held, margin, needed)):
            needed = DENOMINATOR
    if not has_stages(terms) or not needed or not open_positions(run, held):
        return _take_over_share(run, account, held, margin, needed)
    return _advance_sale(run, account, held, margin, needed)


def has_stages(terms: LiquidationTerms) -> bool:
    """Whether anything comes before the house, or the house takes over in steps."""
    stepped = terms.step_ppm < PPM or terms.step_notional_max or terms.cooldown_blocks or terms.block_notional_max
    return bool(terms.auction_blocks or terms.backstop_account or stepped or terms.insolvent_to_default)


def size_liquidation(run: BlockContext, held: Holdings, margin: AccountMargin, discount_ppm: int = 0) -> SliceSizing:
    """The share of every position, rounded up, after whose handing over the account is at initial margin; with inputs.

    Where a requirement is not convex, or cash stays owed, that share may not suffice.
    """
    whole = open_notional(run, held)
    cost = run.terms.market.liquidation_penalty_ppm + discount_ppm
    fixed, rounding = margin.terms.concentration, 1 if margin.terms.credit else 0
    share = restoring_share(margin.equity, margin.initial, whole, cost_ppm=cost, fixed=fixed, rounding=rounding)
    return SliceSizing(margin.equity, margin.initial, receipt_micros(whole), cost, fixed, rounding, share)


def open_notional(run: BlockContext, held: Holdings) -> int:
    """Of all positions with an open price, at the mark."""
    return sum(notional_micros(each, lots, instrument_mark(run, each.id)) for each, lots in open_positions(run, held))


def close_liquidation(run: BlockContext, account: int, margin: AccountMargin, *, failed: bool) -> None:
    """Forget a liquidation that is over."""
    record = run.state.liquidations.get(account)
    if record is not None:
        run.state.liquidations.remove(account)
        ended = (record.opened_height, record.steps, record.fills, margin.equity, margin.initial, failed)
        run.receipts.append(LiquidationEnded(account, *ended))


def pause_liquidation(run: BlockContext, account: int, held: Holdings, margin: AccountMargin) -> None:
    """Put off what an account's liquidation has still to sell: while prices are not open, its path stands still.

    Where nothing is left that could be lost there is nothing to wait for.
    """
    record = run.state.liquidations.get(account)
    if not is_at_risk(run, held):
        close_liquidation(run, account, margin, failed=False)
    elif record is not None and run.block.height <= record.last_height:
        later = {"first_height": record.first_height + 1, "last_height": record.last_height + 1}
        run.state.liquidations.put(account, msgspec.structs.replace(record, **later))


def _advance_sale(run: BlockContext, account: int, held: Holdings, margin: AccountMargin, needed: int) -> Holdings:
    """Open the auction; after it let backstop and house take a step."""
    height, terms = run.block.height, run.terms.crisis.liquidation
    record = run.state.liquidations.get(account) or open_sale(run, account, held, margin)
    if height < record.last_height:
        return held
    sizing = size_liquidation(run, held, margin)
    whole = open_notional(run, held)
    left = -(-whole * needed // DENOMINATOR)
    size = step_size(left, terms.step_ppm, terms.whole_notional, terms.step_notional_max)
    if record.steps >= terms.steps_max:
        size = left
    share = needed if size == left else min(share_rounded_up(size, whole), needed)
    share = run.liquidation_budget.share_within(share, whole, terms.block_notional_max)
    if not share and needed:
        return _defer(run, account, held, whole)
    record = msgspec.structs.replace(record, steps=record.steps + 1, next_height=height + 1 + terms.cooldown_blocks)
    run.state.liquidations.put(account, record)
    run.receipts.append(
        LiquidationStepTaken(
            account, record.steps, sizing, needed, share, DENOMINATOR, receipt_micros(size), record.next_height
        )
    )
    after = backstop_takeover(run, account, held, margin, share, record.steps)
    if after is not held:
        margin = holdings_margin(current_arrays(run.state), after)
        share = _house_share(share, whole, whole - open_notional(run, after))
        if margin.initial_ok or not share:
            run.liquidation_budget.accounts += 1
            return after
    return _take_over_share(run, account, after, margin, share)


def _house_share(share: int, whole: int, taken: int) -> int:
    """What is left of a share of `whole` for the house after the backstop took some, of what remains."""
    left = -(-whole * share // DENOMINATOR) - taken
    return share_rounded_up(left, whole - taken) if left > 0 else 0


def open_sale(run: BlockContext, account: int, held: Holdings, margin: AccountMargin) -> LiquidationRecord:
    """Begin: offer slices from the next block on, where genesis has auctions."""
    terms, height = run.terms.crisis.liquidation, run.block.height
    record = LiquidationRecord(height, height + 1, height + terms.auction_blocks, height)
    run.state.liquidations.put(account, record)
    if terms.auction_blocks:
        run.liquidation_budget.accounts += 1
        run.receipts.append(
            LiquidationOpened(
                account=account,
                equity=margin.equity,
                initial=margin.initial,
                maintenance=margin.maintenance,
                opened_height=height,
                first_height=record.first_height,
                last_height=record.last_height,
                start_ppm=terms.start_ppm,
                end_ppm=terms.end_ppm,
                positions=tuple((each.id, lots) for each, lots in open_positions(run, held)),
            )
        )
    return record


def _take_over_share(run: BlockContext, account: int, held: Holdings, margin: AccountMargin, share: int) -> Holdings:
    """Let the house take over a share, within the caps of the block."""
    terms = run.terms.crisis.liquidation
    if _is_for_default(run, account, margin):
        return _fail_account(run, account, held, margin, FailureReason.DEFICIT)
    whole = open_notional(run, held)
    within = run.liquidation_budget.share_within(share, whole, terms.block_notional_max)
    if share and not within:
        return _defer(run, account, held, whole)
    plan = plan_takeover(run, held, margin, within)
    loss = final_deficit(run, plan)
    if not run.liquidation_budget.allows_loss(loss, terms.block_loss_max):
        told = map(receipt_micros, (run.liquidation_budget.loss, terms.block_loss_max, loss))
        run.receipts.append(LiquidationDeferred(account, DeferralReason.BLOCK_LOSS, *told))
        return held
    run.liquidation_budget.loss += loss
    run.liquidation_budget.notional += plan.notional
    return _execute_plan(run, account, margin, plan)


def _defer(run: BlockContext, account: int, held: Holdings, whole: int) -> Holdings:
    most = run.terms.crisis.liquidation.block_notional_max
    run.receipts.append(
        LiquidationDeferred(
            account, DeferralReason.BLOCK_NOTIONAL, *map(receipt_micros, (run.liquidation_budget.notional, most, whole))
        )
    )
    return held


def _is_for_default(run: BlockContext, account: int, margin: AccountMargin) -> bool:
    """Whether positions of an account without equity stay for the auction of its member's default."""
    crisis, record = run.terms.crisis, run.state.accounts[account]
    asked = crisis.default.enabled and crisis.liquidation.insolvent_to_default
    return asked and margin.equity < 0 and record.kind is AccountKind.HOUSE


def _execute_plan(run: BlockContext, account: int, margin: AccountMargin, plan: TakeoverPlan) -> Holdings:
    """Carry a plan out; what is owed at the end is covered by the house, or the account fails."""
    run.liquidation_budget.accounts += 1
    owed, enabled = final_deficit(run, plan), run.terms.crisis.default.enabled
    if owed and not enabled:
        cover_deficit(run, plan)
    after = execute_takeover(run, account, margin, plan) if _has_effect(plan) else plan.holdings_after
    left = holdings_margin(current_arrays(run.state), after)
    if owed and enabled:
        return _fail_account(run, account, after, left, FailureReason.DEFICIT)
    if owed:
        close_liquidation(run, account, left, failed=True)
    stuck = not _has_effect(plan) and any(after.lots) and not has_unpriced_holdings(run, after)
    if stuck and enabled and not left.initial_ok:
        return _fail_account(run, account, after, left, FailureReason.CALL_LAPSED)
    return after


def _has_effect(plan: TakeoverPlan) -> bool:
    return bool(plan.positions_taken or plan.collateral_bought or plan.deficits)


def _fail_account(
    run: BlockContext, account: int, held: Holdings, margin: AccountMargin, reason: FailureReason
) -> Holdings:
    """Hand the account on to default."""
    close_liquidation(run, account, margin, failed=True)
    run.failures.append(Failure(account, reason))
    return held


def _collateral_suffices(run: BlockContext, plan: TakeoverPlan) -> bool:
    """Whether collateral alone brings what is owed: the account keeps its positions, maintenance being covered."""
    return (
        not _plan_deficit(run, plan) and holdings_margin(current_arrays(run.state), plan.holdings_after).maintenance_ok
    )


def _restores_margin(run: BlockContext, plan: TakeoverPlan) -> bool:
    """Whether the account would owe no more than the limit, and be back at initial margin."""
    return not _plan_deficit(run, plan) and holdings_margin(current_arrays(run.state), plan.holdings_after).initial_ok


def _plan_deficit(run: BlockContext, plan: TakeoverPlan) -> bool:
    return any(claim < -run.terms.risk.cash_limit_micros for claim in plan.holdings_after.cash)
