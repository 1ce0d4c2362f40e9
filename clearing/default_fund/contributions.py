"""Contributions to the default fund: each member's contribution, draws on it, and its next review.

Rule: only this module and `clearing.default_fund.payments` change a contribution, by the journal and with a receipt. It
never falls below zero. A draw goes to the house account, which bears the loss. This module must not know whose turn it
is.
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
    """The last sizing; an empty one before the first."""
    return state.fund_sizes.get(0) or NO_FUND_SIZE


def fund_currency(state: State) -> int:
    """The currency of the present contributions."""
    return cash_currency(current_fund_size(state).cash_group)


def can_members_pay(state: State) -> bool:
    """Whether a token of the fund's cash group is left; otherwise nobody could pay a call, and calls wait."""
    group = current_fund_size(state).cash_group
    return group in state.terms.cash_groups and bool(cash_tokens(state, group))


def is_contributing(state: State, member: int) -> bool:
    """Whether a member contributes, is called and is paid back: it is neither in default nor defaulted, and
    has not left."""
    return member_status(state, member) in (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)


def contribution_account(state: State, member: int, preferred: int = 0) -> int | None:
    """The account that pays a member's contribution and receives returns: `preferred` while it is its own, else its
    lowest.

    Linear in the accounts without a preferred one. None where it has only clients' accounts, or none at all.
    """
    if preferred and _is_own_account(state, member, preferred):
        return preferred
    return lowest_own_accounts(state).get(member)


def lowest_own_accounts(state: State) -> dict[int, int]:
    """The lowest own account of each member with at least one; linear in the accounts."""
    return {member: accounts[0] for member, accounts in own_accounts_by_member(state).items()}


def _is_own_account(state: State, member: int, account: int) -> bool:
    record = state.accounts.get(account)
    is_own = record is not None and record.member == member and record.kind is AccountKind.HOUSE
    return is_own and can_hold(state, account)


def call_contribution(
    context: BlockContext,
    member: int,
    contribution: ContributionRecord,
    micros: int,
    deadline: int,
    *,
    replenishment: bool = False,
) -> None:
    """Record a call of `micros`, schedule its deadline, and report it."""
    called = msgspec.structs.replace(contribution, called=micros, deadline=deadline, reduction_started=False)
    context.state.contributions.put(member, called)
    schedule_review(context.state, deadline)
    context.receipts.append(
        FundCalled(
            member, contribution.account, micros, contribution.required, contribution.micros, deadline, replenishment
        )
    )


def schedule_review(state: State, height: int) -> None:
    """Schedule a review of the fund at this height at the latest."""
    size = current_fund_size(state)
    if height and (not size.next_review_height or height < size.next_review_height):
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_review_height=height))


def update_next_review(context: BlockContext) -> None:
    """Find the height of the next review, after everything due was done."""
    state = context.state
    due: list[int] = []
    for _, record in state.contributions.ordered():
        due += (context.block.height + 1 if record.reduction_started else record.deadline, record.return_height)
    nearest = max(min((height for height in due if height), default=0), context.block.height + 1) if any(due) else 0
    size = current_fund_size(state)
    if size.next_review_height != nearest:
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_review_height=nearest))


def contribution_micros(state: State, member: int) -> int:
    """A member's contribution in micros, including what is about to be returned."""
    record = state.contributions.get(member)
    return record.micros if record else 0


def required_contribution(state: State, member: int) -> int:
    """A member's required contribution in micros; 0 before the first sizing. In default it is unchanged."""
    record = state.contributions.get(member)
    return record.required if record else 0


def contributing_and_owing(state: State) -> tuple[int, ...]:
    """Members with a contribution or a required one, in order; in default or not."""
    return tuple(member for member, _ in state.contributions.ordered())


def draw_contribution(context: BlockContext, member: int, micros: int, cause: int) -> None:
    """Draw on a member's contribution to bear a loss; the cash goes to the house account. `cause`: the defaulter's id.

    Raises Bug for more than the contribution, or a negative amount.
    """
    record = context.state.contributions.get(member)
    if record is None or not 0 <= micros <= record.micros:
        raise Bug(f"draw of {micros} on the contribution {record.micros if record else 0} of member {member}")
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
    """Call a member for what is missing of its contribution, up to `micros`. Returns its open call.

    An open call of at least that much stays; otherwise everything is due at the new deadline. Nobody is called while no
    token of the fund's cash group is left, nor a member that no longer contributes.
    """
    record = context.state.contributions.get(member)
    missing = min(max(record.required - record.micros, 0), micros) if record else 0
    if record is None or not is_contributing(context.state, member):
        return 0
    if missing <= record.called or not can_members_pay(context.state):
        return record.called
    call_contribution(context, member, record, missing, deadline_height, replenishment=True)
    return missing
