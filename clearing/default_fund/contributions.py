"""Contributions to the default fund: each member's part, draws on it, and when it must be looked at again.

Rule: a part changes here and in `clearing.default_fund.payments` only, by the journal and with a receipt. It never
falls below zero. What is drawn goes to the house account, which bears the loss. This module must not know whose turn
it is.
"""

import msgspec

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.collateral.cash_tokens import cash_tokens
from clearing.context.block_context import BlockContext
from clearing.context.member_status import member_status, own_accounts_by_member
from clearing.schema.receipts.default_fund import FundCalled, FundDrawn
from clearing.schema.records.default import ContributionRecord, FundSizeRecord, MemberStatus
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import FUND_ACCOUNT, can_hold, cash_currency
from clearing.state.state import State

NO_FUND_SIZE = FundSizeRecord(epoch=0, height=0, target=0, recent_sizes=(), cash_group=0)


def current_fund_size(state: State) -> FundSizeRecord:
    """The last sizing; none yet: of nothing."""
    return state.fund_sizes.get(0) or NO_FUND_SIZE


def fund_currency(state: State) -> int:
    """The currency of the contributions that there are."""
    return cash_currency(current_fund_size(state).cash_group)


def can_members_pay(state: State) -> bool:
    """Whether any token of the fund's cash group is left: else nobody could meet a call, and calls wait."""
    group = current_fund_size(state).cash_group
    return group in state.terms.cash_groups and bool(cash_tokens(state, group))


def is_contributing(state: State, member: int) -> bool:
    """Whether a member contributes, is called and is paid back: neither in default nor out of one, nor gone."""
    return member_status(state, member) in (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)


def contribution_account(state: State, member: int, preferred: int = 0) -> int | None:
    """The account that a member pays from and is paid back to: `preferred` while it is its own, else its lowest own.

    Linear in the accounts when there is no preferred one. None where it has only clients' accounts, or none at all.
    """
    if preferred and _is_own_account(state, member, preferred):
        return preferred
    return lowest_own_accounts(state).get(member)


def lowest_own_accounts(state: State) -> dict[int, int]:
    """The lowest account of its own of each member that has one; linear in the accounts."""
    return {member: accounts[0] for member, accounts in own_accounts_by_member(state).items()}


def _is_own_account(state: State, member: int, account: int) -> bool:
    record = state.accounts.get(account)
    good = record is not None and record.member == member and record.kind is AccountKind.HOUSE
    return good and can_hold(state, account)


def call_contribution(
    context: BlockContext,
    member: int,
    contribution: ContributionRecord,
    micros: int,
    deadline: int,
    *,
    replenishment: bool = False,
) -> None:
    """Write down that a member is called for `micros`, have its deadline noticed, and tell of it."""
    called = msgspec.structs.replace(contribution, called=micros, deadline=deadline, reduction_started=False)
    context.state.contributions.put(member, called)
    schedule_review(context.state, deadline)
    context.receipts.append(
        FundCalled(
            member, contribution.account, micros, contribution.required, contribution.micros, deadline, replenishment
        )
    )


def schedule_review(state: State, height: int) -> None:
    """Have the fund looked at in the block of this height at the latest."""
    size = current_fund_size(state)
    if height and (not size.next_review_height or height < size.next_review_height):
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_review_height=height))


def update_next_review(context: BlockContext) -> None:
    """Find the height at which the fund is to be looked at next, after what was due was done."""
    state = context.state
    due: list[int] = []
    for _, record in state.contributions.ordered():
        due += (context.block.height + 1 if record.reduction_started else record.deadline, record.return_height)
    nearest = max(min((each for each in due if each), default=0), context.block.height + 1) if any(due) else 0
    size = current_fund_size(state)
    if size.next_review_height != nearest:
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_review_height=nearest))


def contribution_micros(state: State, member: int) -> int:
    """Micros that a member has in the fund; those that are on their way back to it included."""
    record = state.contributions.get(member)
    return record.micros if record else 0


def required_contribution(state: State, member: int) -> int:
    """Micros that a member has to have in the fund; 0 before the first sizing. In default it stays what it was."""
    record = state.contributions.get(member)
    return record.required if record else 0


def contributing_and_owing(state: State) -> tuple[int, ...]:
    """Members who have or owe a part, in order; in default or not."""
    return tuple(member for member, _ in state.contributions.ordered())


def draw_contribution(context: BlockContext, member: int, micros: int, cause: int) -> None:
    """Take of a member's part what bears a loss; it goes to the house account. `cause`: the defaulter's id.

    Raises Bug for more than there is, or less than nothing.
    """
    record = context.state.contributions.get(member)
    if record is None or not 0 <= micros <= record.micros:
        raise Bug(f"{micros} is drawn of {record.micros if record else 0} that member {member} has in the fund")
    if not micros:
        return
    left = record.micros - micros
    context.journal.transfer(
        FUND_ACCOUNT, HOUSE_ACCOUNT, fund_currency(context.state), micros, TransferCode.FUND_DRAWN, cause
    )
    context.state.contributions.put(member, msgspec.structs.replace(record, micros=left))
    context.touched_accounts.add(HOUSE_ACCOUNT)
    context.receipts.append(FundDrawn(member, record.account, micros, left, cause))


def call_replenishment(context: BlockContext, member: int, micros: int, deadline_height: int) -> int:
    """Call a member for what is missing to its part, but for no more than `micros`; what it is called for now.

    A call that it has not met goes on when it asks for as much; else all of it is due at the new deadline. Nobody is
    called while no token of the fund's cash group is left, nor who is no member in good standing any more.
    """
    record = context.state.contributions.get(member)
    missing = min(max(record.required - record.micros, 0), micros) if record else 0
    if record is None or not is_contributing(context.state, member):
        return 0
    if missing <= record.called or not can_members_pay(context.state):
        return record.called
    call_contribution(context, member, record, missing, deadline_height, replenishment=True)
    return missing
