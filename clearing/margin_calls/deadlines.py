"""The deadline of a margin call: set below the trigger, met at initial margin, lapsed when its time is over.

Rule: the time runs from the first call below the trigger, and is not granted again before initial margin is restored.
An earlier early call shortens it at most as genesis allows. An account far below maintenance has no time. Without
deadlines in genesis nothing is recorded and every account below the trigger is due at once. It must not know how an
account is liquidated.
"""

import msgspec

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.liquidation.trigger import Congestion, call_deadline
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.receipts.margin_calls import CallDeadlineSet, CallLapsed, CallMet
from clearing.schema.records.margin_calls import CallKind, MarginCallRecord


def is_urgent(context: BlockContext, margin: AccountMargin) -> bool:
    """Whether an account, with this margin at the mark, is so far below maintenance that it has no time."""
    return margin.equity * PPM < margin.maintenance * context.terms.crisis.calls.urgent_ppm


def advance_call(
    context: BlockContext, account: int, margin: AccountMargin, trigger: int, congestion: Congestion, *, urgent: bool
) -> bool:
    """Advance the call of an account below its trigger by a block. Returns whether its time is over."""
    terms = context.terms.crisis.calls
    call = context.state.margin_calls.get(account)
    if call is None and not terms.deadline_blocks:
        return True
    if call is None or call.kind is CallKind.EARLY:
        call = _open_call(context, account, margin, trigger, congestion, call)
    if not call.lapsed and (urgent or context.block.height >= call.deadline_height):
        call = lapse_call(
            context, account, margin, trigger, call, urgent=urgent and context.block.height < call.deadline_height
        )
    return call.lapsed


def _open_call(
    context: BlockContext,
    account: int,
    margin: AccountMargin,
    trigger: int,
    congestion: Congestion,
    early: MarginCallRecord | None,
) -> MarginCallRecord:
    """Open a margin call. After an early call it keeps that call's deadline, or the minimum time of genesis."""
    height, terms = context.block.height, context.terms.crisis.calls
    deadline = call_deadline(context, terms.deadline_blocks, congestion)
    opened = height
    if early is not None:
        opened = early.opened_height
        deadline = min(deadline, max(early.deadline_height, height + terms.early_leaves_blocks))
    call = MarginCallRecord(CallKind.MARGIN, opened, deadline)
    context.state.margin_calls.put(account, call)
    context.receipts.append(
        CallDeadlineSet(
            account=account,
            equity=margin.equity,
            trigger=trigger,
            maintenance=margin.maintenance,
            initial=margin.initial,
            opened_height=opened,
            deadline_height=deadline,
            delay_ms=congestion.delay_ms,
            congestion_steps=congestion.steps,
        )
    )
    return call


def lapse_call(
    context: BlockContext,
    account: int,
    margin: AccountMargin,
    trigger: int,
    call: MarginCallRecord,
    *,
    urgent: bool = False,
) -> MarginCallRecord:
    """Record that a call's time is over."""
    lapsed = msgspec.structs.replace(call, lapsed=True)
    context.state.margin_calls.put(account, lapsed)
    context.receipts.append(
        CallLapsed(
            account=account,
            kind=call.kind,
            equity=margin.equity,
            trigger=trigger,
            maintenance=margin.maintenance,
            opened_height=call.opened_height,
            deadline_height=call.deadline_height,
            urgent=urgent,
        )
    )
    return lapsed


def meet_call(context: BlockContext, account: int, margin: AccountMargin, probability_ppm: int = 0) -> None:
    """End the call of an account that meets it."""
    call = context.state.margin_calls.get(account)
    if call is not None:
        context.state.margin_calls.remove(account)
        context.receipts.append(CallMet(account, call.kind, margin.equity, margin.initial, probability_ppm))
