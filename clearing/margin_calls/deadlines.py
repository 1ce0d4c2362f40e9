"""The deadline of a margin call: opened below the trigger, met at initial margin, and lapsed when its time is over.

Rule: the time runs from the first call below the trigger and is not given again before initial margin is restored; an
early call before it takes off at most what genesis lets it. Whoever falls far below maintenance has none left. Without
deadlines in genesis nothing is kept and everybody below the trigger is due at once. It must not know how an account is
liquidated.
"""

import msgspec

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.liquidation.trigger import Congestion, call_deadline
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.receipts.margin_calls import CallDeadlineSet, CallLapsed, CallMet
from clearing.schema.records.margin_calls import CallKind, MarginCallRecord


def advance_call(
    context: BlockContext, account: int, margin: AccountMargin, trigger: int, congestion: Congestion
) -> bool:
    """Take the call of an account below its trigger one block further; whether its time is over."""
    terms = context.terms.crisis.calls
    held = context.state.margin_calls.get(account)
    if held is None and not terms.deadline_blocks:
        return True
    if held is None or held.kind is CallKind.EARLY:
        held = _open_call(context, account, margin, trigger, congestion, held)
    urgent = margin.equity * PPM < margin.maintenance * terms.urgent_ppm
    if not held.lapsed and (urgent or context.block.height >= held.deadline_height):
        held = lapse_call(
            context, account, margin, trigger, held, urgent=urgent and context.block.height < held.deadline_height
        )
    return held.lapsed


def _open_call(
    context: BlockContext,
    account: int,
    margin: AccountMargin,
    trigger: int,
    congestion: Congestion,
    early: MarginCallRecord | None,
) -> MarginCallRecord:
    """Call for margin; where an early call came before, with the time that it left, or what genesis leaves at least."""
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
    """Note that a call's time is over."""
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
    """End the call of an account that has what was asked for."""
    call = context.state.margin_calls.get(account)
    if call is not None:
        context.state.margin_calls.remove(account)
        context.receipts.append(CallMet(account, call.kind, margin.equity, margin.initial, probability_ppm))
