"""Calls for stress exposure that has grown since the last sizing.

Rule: trades and withdrawals that let a member lack more than the fund was sized for are refused
(`clearing.context.stress_exposure`), and so are clients that would join it. Prices and bids in a default can still make
it lack more. Then what it lacks more, cash that may leave not counted, is added to its required contribution and called
with the time of any call. Once it is paid, the fund is larger by as much, and so is what the member may lack. The next
sizing starts anew. A member with an open call is not called again. Each block looks at one member, in turn: a member's
accounts are few, all accounts are many.
"""

import msgspec

from clearing.context.block_context import BlockContext
from clearing.context.stress_exposure import allowance, covers_growth, stress_arrays, stress_exposures
from clearing.default_fund.contributions import (
    call_contribution,
    can_members_pay,
    current_fund_size,
    fund_currency,
    is_contributing,
)
from clearing.default_fund.sizing import member_shortfalls
from clearing.schema.terms.default import MICROS_MAX
from clearing.state.holdings import margin_book
from clearing.state.indexes import MEMBER_ACCOUNTS, holders


def call_stress_growth(context: BlockContext) -> None:
    """Phase 11, after the sizing: call the member whose turn it is, if it lacks more than the fund was sized for."""
    state, size = context.state, current_fund_size(context.state)
    terms = context.terms.crisis.fund
    if not (terms.enabled and terms.cover_growth) or not size.height or size.height == context.block.height:
        return
    allowances = [member for member, _ in state.fund_allowances.ordered()]
    if not allowances or not can_members_pay(state):
        return
    member = allowances[context.block.height % len(allowances)]
    contribution = state.contributions.get(member)
    if contribution is None or contribution.called or not covers_growth(context, member):
        return
    grown = _uncovered_growth(context, member)
    if not grown or not is_contributing(state, member):
        return
    record = state.fund_allowances[member]
    required = min(contribution.required + grown, MICROS_MAX)
    missing = max(required - contribution.micros, 0)
    grown = required - contribution.required
    state.fund_allowances.put(member, msgspec.structs.replace(record, called=record.called + grown))
    contribution = msgspec.structs.replace(contribution, required=required, return_height=0)
    state.contributions.put(member, contribution)
    if missing:
        call_contribution(context, member, contribution, missing, context.block.height + terms.call_blocks)


def _uncovered_growth(context: BlockContext, member: int) -> int:
    """Micros that a member lacks beyond its allowance without the cash that may leave, in the scenarios in which it
    lacks more even with it; the largest."""
    state = context.state
    allowed = allowance(state, member)
    lacking = stress_exposures(context).lacking(member)
    if all(lacks <= most for lacks, most in zip(lacking, allowed, strict=True)):
        return 0
    book = margin_book(state)
    known = [account for account in holders(state, MEMBER_ACCOUNTS, member) if account in book]
    short = member_shortfalls(state, stress_arrays(state), known, fund_currency(state)).get(member)
    if short is None:
        return 0
    beyond = (missing - most for missing, lacks, most in zip(short, lacking, allowed, strict=True) if lacks > most)
    return max(0, *beyond)
