"""Resolution of defaults: from the failed accounts to the end of every default, stage by stage.

Rule: bids and porting run until their heights. Then everything left is closed, the loss is allocated, assessments are
taken at their deadline, and gains bear the rest. A default has ended by the height that its declaration states.
Nobody can stop it.
"""

import msgspec

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import NO_DEFAULTS, account_deficits, defaults_under_way
from clearing.default.declaration import declare_defaults
from clearing.default.default_auction import sell_portfolio
from clearing.default.deleveraging import AutoDeleveragingRanking, close_positions
from clearing.default.estate import settle_own_debts
from clearing.default.loss_allocation import (
    allocate_funded_layers,
    allocate_late_estate,
    allocate_remainder,
    call_assessments,
    collect_assessments,
)
from clearing.default.variation_gains import (
    close_gains_windows,
    drop_gains_windows,
    open_gains_windows,
    record_position_changes,
)
from clearing.default_fund.contributions import call_replenishment
from clearing.prices.price_status import can_close_out
from clearing.schema.receipts.default import ClientClosedOut, DefaultEnded, MemberStatusChanged
from clearing.schema.records.default import DefaultPhase, DefaultRecord, MemberStatus, MemberStatusRecord
from clearing.schema.terms.default import STEPS_PER_BLOCK
from clearing.state.holdings import current_holdings, held_feeds, positions_of
from clearing.state.ledger import balance, cash_currency


def resolve_defaults(run: BlockContext) -> None:
    """Declare defaults and take those under way one block further. Costs nothing where there is no trouble."""
    if not run.terms.crisis.default.enabled and not defaults_under_way(run.state):
        drop_gains_windows(run)
        return
    open_gains_windows(run)
    record_position_changes(run)
    declare_defaults(run)
    steps = STEPS_PER_BLOCK
    for number, _ in defaults_under_way(run.state):
        steps -= _advance_default(run, number, steps)
    record_position_changes(run)
    close_gains_windows(run, {held.member for _, held in defaults_under_way(run.state)})


def _advance_default(run: BlockContext, number: int, steps: int) -> int:
    """One block of one default, which takes no more than so many steps, but at its deadline; how many it took."""
    height, held = run.block.height, run.state.defaults[number]
    if height > held.deadline_height:
        raise Bug(f"default {number} goes on after block {held.deadline_height}, by which it was to end")
    last, took = height == held.deadline_height, 0
    if held.phase is DefaultPhase.OPEN:
        if held.auction_height == height:
            held = sell_portfolio(run, number, held)
            run.state.defaults.put(number, held)
        early = height < max(held.auction_height, held.porting_height) or _waits_for_prices(run, held)
        if (early or steps < 1) and not last:
            return 0
        held, took = _close_default(run, number, held), 1
    if height >= held.assessment_height and (steps > took or last):
        _end_default(run, number, collect_assessments(run, number, allocate_late_estate(run, number, held)))
        took += 1
    return took


def _waits_for_prices(run: BlockContext, held: DefaultRecord) -> bool:
    """Whether prices of what is to be closed are not open, and there is still time to wait for them."""
    last = max(held.auction_height, held.porting_height) + run.terms.crisis.default.halt_blocks
    if run.block.height >= min(last, held.deadline_height):
        return False
    feeds = {
        feed
        for each in (*held.own_accounts, *held.client_accounts)
        for feed in held_feeds(run.state, current_holdings(run.state, each))
    }
    return not all(can_close_out(run.state, feed) for feed in feeds)


def _close_default(run: BlockContext, number: int, held: DefaultRecord) -> DefaultRecord:
    """Close all positions, let clients pay what is theirs, share the loss; assess members for what is left."""
    ranks = AutoDeleveragingRanking(run, held)
    for account in held.own_accounts:
        close_positions(run, number, account, ranks)
    for account in held.client_accounts:
        if positions_of(run.state, account).lots:
            close_positions(run, number, account, ranks)
            groups = run.terms.cash_groups
            cash = tuple((group, balance(run.state, account, cash_currency(group))) for group in groups)
            run.receipts.append(ClientClosedOut(number, account, cash))
        settle_own_debts(run, number, account)
    held = allocate_funded_layers(run, number, held)
    terms, height = run.terms.crisis.default, run.block.height
    due = min(height + terms.assessment_blocks, held.deadline_height) if held.assessed else height
    held = msgspec.structs.replace(held, phase=DefaultPhase.ASSESSING, assessment_height=due)
    run.state.defaults.put(number, held)
    if held.assessed:
        call_assessments(run, number, held)
    return held


def _end_default(run: BlockContext, number: int, held: DefaultRecord) -> None:
    """Let gains bear what is left, and end the default: its member has defaulted, survivors are called again."""
    run.state.defaults.put(number, held)
    held, rest = allocate_remainder(run, number, held)
    state, height, terms = run.state, run.block.height, run.terms.crisis.default
    if account_deficits(state, (*held.own_accounts, *held.client_accounts)):
        raise Bug(f"default {number} ends while something is still owed")
    ended = msgspec.structs.replace(held, phase=DefaultPhase.ENDED, ended_height=height)
    state.defaults.put(number, ended)
    clock = state.default_counters.get(0) or NO_DEFAULTS
    under_way = tuple(each for each in clock.open if each != number)
    state.default_counters.put(0, msgspec.structs.replace(clock, under_way=under_way))
    state.member_statuses.put(held.member, MemberStatusRecord(MemberStatus.DEFAULTED, height, number))
    run.receipts.append(MemberStatusChanged(held.member, MemberStatus.DEFAULTING, MemberStatus.DEFAULTED, number))
    replenish = height + terms.replenishment_blocks if terms.replenishment_blocks else 0
    used = held.contributions_used if replenish else ()
    called = tuple((member, call_replenishment(run, member, micros, replenish)) for member, micros in used)
    run.touched_accounts.update((*held.own_accounts, *held.client_accounts, HOUSE_ACCOUNT))
    run.receipts.append(
        DefaultEnded(
            number=number,
            member=held.member,
            loss=held.loss_borne + rest,
            by_layer=held.borne_by_layer,
            house=rest,
            replenished=tuple(each for each in called if each[1]),
            replenishment_height=replenish,
        )
    )
