"""Sizing of the default fund at the end of a block: sized once an epoch, and paid back with delay.

Rule: sized in the first block after an epoch closed, of the book as it then is. A call runs to its deadline whatever
is sized meanwhile; what is missing beyond it is called afterwards. What exceeds a member's part stays for a while,
can be drawn on, and is paid back when nothing is unresolved. This module must not know the waterfall.
"""

import msgspec

from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.member_status import lift_member_restriction, member_status
from clearing.context.unresolved_losses import defaults_under_way
from clearing.default_fund.contributions import (
    call_contribution,
    can_members_pay,
    contribution_account,
    current_fund_size,
    fund_currency,
    is_contributing,
    lowest_own_accounts,
    schedule_review,
    update_next_review,
)
from clearing.default_fund.cover_rules import (
    StressNeeds,
    contribution_exposure,
    contribution_parts,
    recent_sizes,
    required_fund_size,
    stress_size,
)
from clearing.default_fund.stress_losses import stress_needs
from clearing.schema.receipts.default_fund import ContributionSet, FundReturned, FundSized, ReturnCause
from clearing.schema.records.accounts import Account
from clearing.schema.records.default import ContributionRecord, FundSizeRecord, MemberStatus
from clearing.schema.terms.default import FundTerms
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import FUND_ACCOUNT
from clearing.state.state import State


def update_fund(run: BlockContext) -> None:
    """Step 6, after defaults: size the fund when an epoch has closed, and pay back what is due."""
    state, terms = run.state, run.terms.crisis.fund
    if terms.enabled and FUND_ACCOUNT not in state.accounts:
        state.accounts.put(FUND_ACCOUNT, Account(HOUSE_MEMBER, AccountKind.HOUSE))
    size = current_fund_size(state)
    if (terms.enabled or size.cash_group) and state.now.epoch > size.epoch:
        _size_fund(run, size, terms)
        update_next_review(run)
    if (
        current_fund_size(state).next_review_height == 0
        or run.block.height < current_fund_size(state).next_review_height
    ):
        return
    for member, record in list(state.contributions.ordered()):
        if record.return_height and run.block.height >= record.return_height:
            _return_excess(run, member, record)
    update_next_review(run)


def _size_fund(run: BlockContext, size: FundSizeRecord, terms: FundTerms) -> None:
    """Write down how large the fund has to be and everybody's part; call for what is missing, plan what goes back."""
    state = run.state
    # Another cash group than that of the money in the fund: that goes back first.
    on = terms.enabled and (size.cash_group in (0, terms.cash_group) or not _has_contributions(state))
    own = lowest_own_accounts(state)
    # A member with clients only has nothing of its own to pay with.
    members = [each for each, _ in state.members.ordered() if each in own and is_contributing(state, each)]
    figures = stress_needs(state, tuple(members) if on else (), terms.cash_group if on else 0)
    scenarios = tuple(stress_size(name, lacking) for name, lacking in figures.shortfalls)
    sizes = recent_sizes(
        size.recent_sizes, required_fund_size(scenarios, figures.house_micros, terms) if on else 0, terms
    )
    target = max(sizes) if on else 0
    group = terms.cash_group if on else size.cash_group if _has_contributions(state) else 0
    state.fund_sizes.put(
        0,
        FundSizeRecord(
            epoch=state.now.epoch,
            height=run.block.height,
            target=target,
            recent_sizes=sizes,
            cash_group=group,
            house_micros=figures.house_micros,
            scenario_sizes=tuple((each.cover_two, each.largest_or_next_two) for each in scenarios),
            next_review_height=size.next_review_height,
        ),
    )
    _set_contributions(run, target, figures, terms, own)
    run.receipts.append(
        FundSized(
            epoch=state.now.epoch,
            sizing=terms.sizing,
            scenarios=scenarios,
            house_micros=figures.house_micros,
            buffer_ppm=terms.buffer_ppm,
            sizes=sizes,
            target=target,
            minimum_micros=terms.minimum_micros,
            step_micros=terms.step_micros,
            exposure_memory_ppm=terms.exposure_memory_ppm,
            parts=tuple(
                ContributionSet(member, record.exposure, record.required, record.micros, figures.margins.get(member, 0))
                for member, record in state.contributions.ordered()
            ),
        )
    )
    for member, record in list(state.contributions.ordered()):
        _follow_contribution(run, member, record, terms)


def _has_contributions(state: State) -> bool:
    return any(record.micros for _, record in state.contributions.ordered())


def _set_contributions(
    run: BlockContext, target: int, figures: StressNeeds, terms: FundTerms, own: dict[int, int]
) -> None:
    """Those who take part get theirs; who is in default keeps what it had; who has left has nothing to bring."""
    state = run.state
    held = {member: state.contributions.get(member) or ContributionRecord(own[member], 0) for member in figures.margins}
    exposures = {
        member: contribution_exposure(held[member].exposure, margin, terms)
        for member, margin in figures.margins.items()
    }
    parts = contribution_parts(target, exposures, terms)
    for member, required in parts.items():
        record = msgspec.structs.replace(held[member], required=required, exposure=exposures[member])
        state.contributions.put(member, record)
    for member, record in list(state.contributions.ordered()):
        off = not parts and is_contributing(state, member)
        if off or member_status(state, member) is MemberStatus.LEFT or member not in state.members:
            state.contributions.put(member, msgspec.structs.replace(record, required=0, exposure=0))


def _follow_contribution(run: BlockContext, member: int, record: ContributionRecord, terms: FundTerms) -> None:
    """Call for what is missing, shorten a call that asks for more than that, and plan what goes back."""
    state, height = run.state, run.block.height
    missing = max(record.required - record.micros, 0)
    left = member_status(state, member) is MemberStatus.LEFT
    if not is_contributing(state, member):
        record = msgspec.structs.replace(record, called=0, deadline=0, lapsed=False, reducing=False)
    elif missing and not record.called and can_members_pay(state):
        call_contribution(run, member, record, missing, height + terms.call_blocks)
        record = state.contributions[member]
    elif missing < record.called:
        if record.lapsed and not missing:
            lift_member_restriction(run, member)
        deadline, lapsed = (record.deadline, record.lapsed) if missing else (0, False)
        reducing = record.reduction_started and missing > 0
        record = msgspec.structs.replace(record, called=missing, deadline=deadline, lapsed=lapsed, reducing=reducing)
    beyond = record.micros > record.required and (left or is_contributing(state, member))
    return_height = (record.return_height or height + terms.return_blocks) if beyond else 0
    if record.micros or record.required:
        state.contributions.put(member, msgspec.structs.replace(record, return_height=return_height))
        schedule_review(state, return_height)
    else:
        state.contributions.remove(member)


def _return_excess(run: BlockContext, member: int, record: ContributionRecord) -> None:
    """What is beyond a member's part, unless something is unresolved: then it waits for the next block."""
    state = run.state
    beyond = max(record.micros - record.required, 0)
    account = contribution_account(state, member, record.account)
    if beyond and account is None:
        later = run.block.height + run.terms.crisis.fund.return_blocks
        state.contributions.put(member, msgspec.structs.replace(record, return_height=later))
        return
    if beyond and defaults_under_way(state):
        return
    if beyond and account is not None:
        run.journal.transfer(FUND_ACCOUNT, account, fund_currency(state), beyond, TransferCode.FUND_RETURNED, member)
        run.touched_accounts.add(account)
        left = record.micros - beyond
        run.receipts.append(
            FundReturned(member, account, fund_currency(state), beyond, left, record.required, ReturnCause.BEYOND_PART)
        )
        record = msgspec.structs.replace(record, micros=left, account=account)
    if record.micros or record.required:
        state.contributions.put(member, msgspec.structs.replace(record, return_height=0))
    else:
        state.contributions.remove(member)
