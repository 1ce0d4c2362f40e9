"""The stages of a liquidation: slices for sale among members, then the backstop, then the house, in steps.

Rule: no more than brings the account back to initial margin, else everything; each step within the caps of step and
block, with a cool-down after it. Without terms in genesis everything needed is taken over by the house at once. An
account that only owes cash loses collateral first. What is owed when nothing is left is the house's loss, or default's
business. It must not know why the account's time is over.
"""

import msgspec

from clearing.accounts.kinds import AccountKind
from clearing.base.units import PPM
from clearing.calls.failures import Failure, FailureReason
from clearing.calls.trigger import congestion_of, trigger_of
from clearing.holdings import Holdings, arrays_of, margin_of
from clearing.liquidation.backstop import back
from clearing.liquidation.receipts import (
    LiquidationEnded,
    LiquidationOpened,
    LiquidationWaits,
    Sizing,
    StepTaken,
    WaitReason,
)
from clearing.liquidation.records import Liquidation
from clearing.liquidation.sizing import DENOMINATOR, restoring_share, share_of, step_of, told_micros
from clearing.liquidation.takeover import (
    Plan,
    cover,
    is_at_risk,
    make_plan,
    mark_of,
    open_positions,
    owed_at_the_end,
    suspended,
    take_over,
)
from clearing.liquidation.terms import LiquidationTerms
from clearing.margin.requirement import AccountMargin
from clearing.run import Run
from clearing.settling.mark_to_market import notional


def liquidate(run: Run, account: int, held: Holdings, margin: AccountMargin) -> Holdings:
    """Take the liquidation of an account one block further; returns what it is left with."""
    terms, needed, record = run.terms.crisis.liquidation, DENOMINATOR, run.state.liquidations.get(account)
    if record is not None and run.block.height < max(record.last_height, record.next_height):
        return held
    if margin.equity >= trigger_of(run, margin, congestion_of(run)) and record is None:
        plan = make_plan(run, held, margin, 0)
        if _only_cash_was_missing(run, plan):
            return _finish(run, account, margin, plan)
    else:
        needed = size_up(run, held, margin).share
        if needed < DENOMINATOR and not _restores(run, make_plan(run, held, margin, needed)):
            needed = DENOMINATOR
    if not is_staged(terms) or not needed or not open_positions(run, held):
        return _take(run, account, held, margin, needed)
    return _step(run, account, held, margin, needed)


def is_staged(terms: LiquidationTerms) -> bool:
    """Whether anything comes before the house, or the house takes over in steps."""
    stepped = terms.step_ppm < PPM or terms.step_notional_max or terms.cooldown_blocks or terms.block_notional_max
    return bool(terms.auction_blocks or terms.backstop_account or stepped or terms.insolvent_to_default)


def size_up(run: Run, held: Holdings, margin: AccountMargin, discount_ppm: int = 0) -> Sizing:
    """The share of every position, rounded up, after whose handing over the account is at initial margin; with inputs.

    Where a requirement is not convex, or cash stays owed, that share may not suffice.
    """
    whole = whole_notional(run, held)
    cost = run.terms.market.liquidation_penalty_ppm + discount_ppm
    fixed, rounding = margin.terms.concentration, 1 if margin.terms.credit else 0
    share = restoring_share(margin.equity, margin.initial, whole, cost_ppm=cost, fixed=fixed, rounding=rounding)
    return Sizing(margin.equity, margin.initial, told_micros(whole), cost, fixed, rounding, share)


def whole_notional(run: Run, held: Holdings) -> int:
    """Of all positions with an open price, at the mark."""
    return sum(notional(each, lots, mark_of(run, each.id)) for each, lots in open_positions(run, held))


def end_liquidation(run: Run, account: int, margin: AccountMargin, *, failed: bool) -> None:
    """Forget a liquidation that is over."""
    record = run.state.liquidations.get(account)
    if record is not None:
        run.state.liquidations.remove(account)
        ended = (record.opened_height, record.steps, record.fills, margin.equity, margin.initial, failed)
        run.receipts.append(LiquidationEnded(account, *ended))


def pause(run: Run, account: int, held: Holdings, margin: AccountMargin) -> None:
    """Put off what an account's liquidation has still to sell: while prices are not open, its path stands still.

    Where nothing is left that could be lost there is nothing to wait for.
    """
    record = run.state.liquidations.get(account)
    if not is_at_risk(run, held):
        end_liquidation(run, account, margin, failed=False)
    elif record is not None and run.block.height <= record.last_height:
        later = {"first_height": record.first_height + 1, "last_height": record.last_height + 1}
        run.state.liquidations.put(account, msgspec.structs.replace(record, **later))


def _step(run: Run, account: int, held: Holdings, margin: AccountMargin, needed: int) -> Holdings:
    """Open the auction; after it let backstop and house take a step."""
    height, terms = run.block.height, run.terms.crisis.liquidation
    record = run.state.liquidations.get(account) or open_sale(run, account, held, margin)
    if height < record.last_height:
        return held
    sizing = size_up(run, held, margin)
    whole = whole_notional(run, held)
    left = -(-whole * needed // DENOMINATOR)
    size = step_of(left, terms.step_ppm, terms.whole_notional, terms.step_notional_max)
    if record.steps >= terms.steps_max:
        size = left
    share = needed if size == left else min(share_of(size, whole), needed)
    share = run.liquidated.share_within(share, whole, terms.block_notional_max)
    if not share and needed:
        return _wait(run, account, held, whole)
    record = msgspec.structs.replace(record, steps=record.steps + 1, next_height=height + 1 + terms.cooldown_blocks)
    run.state.liquidations.put(account, record)
    run.receipts.append(
        StepTaken(account, record.steps, sizing, needed, share, DENOMINATOR, told_micros(size), record.next_height)
    )
    after = back(run, account, held, margin, share, record.steps)
    if after is not held:
        margin = margin_of(arrays_of(run.state), after)
        share = _rest(share, whole, whole - whole_notional(run, after))
        if margin.initial_ok or not share:
            run.liquidated.accounts += 1
            return after
    return _take(run, account, after, margin, share)


def _rest(share: int, whole: int, taken: int) -> int:
    """What is left of a share of `whole` for the house after the backstop took some, of what remains."""
    left = -(-whole * share // DENOMINATOR) - taken
    return share_of(left, whole - taken) if left > 0 else 0


def open_sale(run: Run, account: int, held: Holdings, margin: AccountMargin) -> Liquidation:
    """Begin: offer slices from the next block on, where genesis has auctions."""
    terms, height = run.terms.crisis.liquidation, run.block.height
    record = Liquidation(height, height + 1, height + terms.auction_blocks, height)
    run.state.liquidations.put(account, record)
    if terms.auction_blocks:
        run.liquidated.accounts += 1
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


def _take(run: Run, account: int, held: Holdings, margin: AccountMargin, share: int) -> Holdings:
    """Let the house take over a share, within the caps of the block."""
    terms = run.terms.crisis.liquidation
    if _is_for_default(run, account, margin):
        return _fail(run, account, held, margin, FailureReason.DEFICIT)
    whole = whole_notional(run, held)
    within = run.liquidated.share_within(share, whole, terms.block_notional_max)
    if share and not within:
        return _wait(run, account, held, whole)
    plan = make_plan(run, held, margin, within)
    loss = owed_at_the_end(run, plan)
    if not run.liquidated.may_lose(loss, terms.block_loss_max):
        told = map(told_micros, (run.liquidated.loss, terms.block_loss_max, loss))
        run.receipts.append(LiquidationWaits(account, WaitReason.BLOCK_LOSS, *told))
        return held
    run.liquidated.loss += loss
    run.liquidated.notional += plan.notional
    return _finish(run, account, margin, plan)


def _wait(run: Run, account: int, held: Holdings, whole: int) -> Holdings:
    most = run.terms.crisis.liquidation.block_notional_max
    run.receipts.append(
        LiquidationWaits(account, WaitReason.BLOCK_NOTIONAL, *map(told_micros, (run.liquidated.notional, most, whole)))
    )
    return held


def _is_for_default(run: Run, account: int, margin: AccountMargin) -> bool:
    """Whether positions of an account without equity stay for the auction of its member's default."""
    crisis, record = run.terms.crisis, run.state.accounts[account]
    asked = crisis.default.enabled and crisis.liquidation.insolvent_to_default
    return asked and margin.equity < 0 and record.kind is AccountKind.HOUSE


def _finish(run: Run, account: int, margin: AccountMargin, plan: Plan) -> Holdings:
    """Carry a plan out; what is owed at the end is covered by the house, or the account fails."""
    run.liquidated.accounts += 1
    owed, enabled = owed_at_the_end(run, plan), run.terms.crisis.default.enabled
    if owed and not enabled:
        cover(run, plan)
    after = take_over(run, account, margin, plan) if _does_something(plan) else plan.after
    left = margin_of(arrays_of(run.state), after)
    if owed and enabled:
        return _fail(run, account, after, left, FailureReason.DEFICIT)
    if owed:
        end_liquidation(run, account, left, failed=True)
    stuck = not _does_something(plan) and any(after.lots) and not suspended(run, after)
    if stuck and enabled and not left.initial_ok:
        return _fail(run, account, after, left, FailureReason.CALL_LAPSED)
    return after


def _does_something(plan: Plan) -> bool:
    return bool(plan.taken or plan.bought or plan.deficits)


def _fail(run: Run, account: int, held: Holdings, margin: AccountMargin, reason: FailureReason) -> Holdings:
    """Hand the account on to default."""
    end_liquidation(run, account, margin, failed=True)
    run.failures.append(Failure(account, reason))
    return held


def _only_cash_was_missing(run: Run, plan: Plan) -> bool:
    """Whether collateral alone brings what is owed: the account keeps its positions, maintenance being covered."""
    return not _owes(run, plan) and margin_of(arrays_of(run.state), plan.after).maintenance_ok


def _restores(run: Run, plan: Plan) -> bool:
    """Whether the account would owe no more than the limit, and be back at initial margin."""
    return not _owes(run, plan) and margin_of(arrays_of(run.state), plan.after).initial_ok


def _owes(run: Run, plan: Plan) -> bool:
    return any(claim < -run.terms.risk.cash_limit_micros for claim in plan.after.cash)
