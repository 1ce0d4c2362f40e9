"""Resolution of defaults: from failed accounts to the end of every default, stage by stage.

Rule: stages in order:

1. Bids and porting run until their heights.
2. All positions are closed, and the loss is allocated.
3. Assessments are debited at their deadline, and gains bear the rest.

A default ends by the height that its declaration states. Nobody can stop it.
"""

import msgspec

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import NO_DEFAULTS, account_deficits, defaults_under_way
from clearing.default.affiliate_gains import take_affiliate_gains
from clearing.default.declaration import declare_defaults
from clearing.default.default_auction import sell_portfolio
from clearing.default.deleveraging import AutoDeleveragingRanking, close_positions
from clearing.default.estate import settle_own_debts
from clearing.default.house_default import declare_house_default
from clearing.default.house_recovery import pool_tokens
from clearing.default.loss_allocation import (
    allocate_funded_layers,
    allocate_late_estate,
    allocate_remainder,
    call_assessments,
    collect_assessments,
)
from clearing.default.recoveries import start_recovery
from clearing.default.variation_gains import (
    close_gains_windows,
    drop_gains_windows,
    open_gains_windows,
    record_position_changes,
)
from clearing.default_fund.contributions import call_replenishment
from clearing.prices.price_status import any_too_old, can_close_out
from clearing.schema.receipts.default import ClientClosedOut, DefaultEnded, MemberStatusChanged
from clearing.schema.records.default import DefaultPhase, DefaultRecord, MemberStatus, MemberStatusRecord
from clearing.schema.terms.default import STEPS_PER_BLOCK
from clearing.state.holdings import current_holdings, feeds_of_holdings, positions_of
from clearing.state.ledger import balance, cash_currency


def resolve_defaults(context: BlockContext) -> None:
    """Declare defaults and advance open ones by a block. Costs nothing without called members and defaults."""
    if not context.terms.crisis.default.enabled and not defaults_under_way(context.state):
        drop_gains_windows(context)
        return
    open_gains_windows(context)
    record_position_changes(context)
    declare_defaults(context)
    declare_house_default(context)
    steps = STEPS_PER_BLOCK
    for number, _ in defaults_under_way(context.state):
        steps -= _advance_default(context, number, steps)
    record_position_changes(context)
    close_gains_windows(context, {default.member for _, default in defaults_under_way(context.state)})


def _advance_default(context: BlockContext, number: int, steps: int) -> int:
    """Advance one default by a block, with at most `steps` steps except at its deadline. Returns the steps used."""
    height, default = context.block.height, context.state.defaults[number]
    if height > default.deadline_height:
        raise Bug(f"default {number} goes on after block {default.deadline_height}, by which it was to end")
    is_deadline, used = height == default.deadline_height, 0
    if default.phase is DefaultPhase.OPEN:
        if default.auction_height == height:
            default = sell_portfolio(context, number, default)
            context.state.defaults.put(number, default)
        early = height < max(default.auction_height, default.porting_height) or _waits_for_prices(context, default)
        if (early or steps < 1) and not is_deadline:
            return 0
        default, used = _close_default(context, number, default), 1
    if height >= default.assessment_height and (steps > used or is_deadline):
        _end_default(
            context, number, collect_assessments(context, number, allocate_late_estate(context, number, default))
        )
        used += 1
    return used


def _waits_for_prices(context: BlockContext, default: DefaultRecord) -> bool:
    """Whether positions to be closed have prices that are not open, and there is still time to wait for them."""
    last = max(default.auction_height, default.porting_height) + context.terms.crisis.default.halt_blocks
    if context.block.height >= min(last, default.deadline_height):
        return False
    accounts = (*default.own_accounts, *default.client_accounts)
    holdings = [current_holdings(context.state, account) for account in accounts]
    feeds = {feed for each in holdings for feed in feeds_of_holdings(context.state, each)}
    too_old = any(any_too_old(context.state, each) for each in holdings)
    return too_old or not all(can_close_out(context.state, feed) for feed in feeds)


def _close_default(context: BlockContext, number: int, default: DefaultRecord) -> DefaultRecord:
    """Close all positions, let clients pay their own debts, allocate the loss, and assess members for the rest."""
    ranks = AutoDeleveragingRanking(context, default)
    for account in default.own_accounts:
        close_positions(context, number, account, ranks)
    for account in default.client_accounts:
        if positions_of(context.state, account).lots:
            close_positions(context, number, account, ranks)
            groups = context.terms.cash_groups
            cash = tuple((group, balance(context.state, account, cash_currency(group))) for group in groups)
            context.receipts.append(ClientClosedOut(number, account, cash))
        settle_own_debts(context, number, account)
    take_affiliate_gains(context, number, default)
    default = allocate_funded_layers(context, number, default)
    terms, height = context.terms.crisis.default, context.block.height
    due = min(height + terms.assessment_blocks, default.deadline_height) if default.assessed else height
    default = msgspec.structs.replace(default, phase=DefaultPhase.ASSESSING, assessment_height=due)
    context.state.defaults.put(number, default)
    if default.assessed:
        call_assessments(context, number, default)
    return default


def _end_default(context: BlockContext, number: int, default: DefaultRecord) -> None:
    """Allocate the rest to gains, and end the default: its member has defaulted, survivors are called for
    replenishment."""
    context.state.defaults.put(number, default)
    default, rest = allocate_remainder(context, number, default)
    state, height, terms = context.state, context.block.height, context.terms.crisis.default
    if default.member != HOUSE_MEMBER and account_deficits(state, (*default.own_accounts, *default.client_accounts)):
        raise Bug(f"default {number} ends while something is still owed")
    ended = msgspec.structs.replace(default, phase=DefaultPhase.ENDED, ended_height=height)
    state.defaults.put(number, ended)
    clock = state.default_counters.get(0) or NO_DEFAULTS
    under_way = tuple(other for other in clock.open if other != number)
    state.default_counters.put(0, msgspec.structs.replace(clock, open=under_way))
    after = MemberStatus.ACTIVE if default.member == HOUSE_MEMBER else MemberStatus.DEFAULTED
    state.member_statuses.put(default.member, MemberStatusRecord(after, height, number))
    context.receipts.append(MemberStatusChanged(default.member, MemberStatus.DEFAULTING, after, number))
    if default.member == HOUSE_MEMBER:
        pool_tokens(context, number)
    start_recovery(context, number)
    replenish = height + terms.replenishment_blocks if terms.replenishment_blocks else 0
    used = default.contributions_used if replenish else ()
    called = tuple((member, call_replenishment(context, member, micros, replenish)) for member, micros in used)
    context.touched_accounts.update((*default.own_accounts, *default.client_accounts, HOUSE_ACCOUNT))
    context.receipts.append(
        DefaultEnded(
            number=number,
            member=default.member,
            loss=default.loss_borne + rest,
            by_layer=default.borne_by_layer,
            house=rest,
            replenished=tuple(call for call in called if call[1]),
            replenishment_height=replenish,
        )
    )
