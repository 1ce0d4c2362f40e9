"""Members' parts as the state holds them: where each is paid from, and when the next has to be looked at.

Rule: a part changes here and in `clearing.fund.use` and `.payments` only; money moves by the journal, with a receipt.
"""

import msgspec

from clearing.accounts.by_member import own_accounts_by_member
from clearing.accounts.kinds import AccountKind
from clearing.collateral.listing import cash_tokens
from clearing.default.records import MemberStatus
from clearing.default.status import member_status
from clearing.fund.receipts import FundCalled
from clearing.fund.records import Contribution, FundSize
from clearing.ledger import can_hold, cash_currency
from clearing.run import Run
from clearing.state.state import State

NO_SIZE = FundSize(epoch=0, height=0, target=0, sizes=(), cash_group=0)


def size_in_force(state: State) -> FundSize:
    """The last sizing; none yet: of nothing."""
    return state.fund_sizes.get(0) or NO_SIZE


def fund_currency(state: State) -> int:
    """The currency of the contributions that there are."""
    return cash_currency(size_in_force(state).cash_group)


def can_be_brought(state: State) -> bool:
    """Whether any token of the fund's cash group is left: else nobody could meet a call, and calls wait."""
    group = size_in_force(state).cash_group
    return group in state.terms.cash_groups and bool(cash_tokens(state, group))


def takes_part(state: State, member: int) -> bool:
    """Whether a member contributes, is called and is paid back: neither in default nor out of one, nor gone."""
    return member_status(state, member) in (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)


def own_account(state: State, member: int, preferred: int = 0) -> int | None:
    """The account that a member pays from and is paid back to: `preferred` while it is its own, else its lowest own.

    Linear in the accounts when there is no preferred one. None where it has only clients' accounts, or none at all.
    """
    if preferred and _is_own(state, member, preferred):
        return preferred
    return own_accounts(state).get(member)


def own_accounts(state: State) -> dict[int, int]:
    """The lowest account of its own of each member that has one; linear in the accounts."""
    return {member: accounts[0] for member, accounts in own_accounts_by_member(state).items()}


def _is_own(state: State, member: int, account: int) -> bool:
    record = state.accounts.get(account)
    good = record is not None and record.member == member and record.kind is AccountKind.HOUSE
    return good and can_hold(state, account)


def put_call(
    run: Run, member: int, record: Contribution, micros: int, deadline: int, *, replenishment: bool = False
) -> None:
    """Write down that a member is called for `micros`, have its deadline noticed, and tell of it."""
    called = msgspec.structs.replace(record, called=micros, deadline=deadline, reducing=False)
    run.state.contributions.put(member, called)
    look_at(run.state, deadline)
    run.receipts.append(
        FundCalled(member, record.account, micros, record.required, record.micros, deadline, replenishment)
    )


def look_at(state: State, height: int) -> None:
    """Have the fund looked at in the block of this height at the latest."""
    size = size_in_force(state)
    if height and (not size.next_height or height < size.next_height):
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_height=height))


def set_next_height(run: Run) -> None:
    """Find the height at which the fund is to be looked at next, after what was due was done."""
    state = run.state
    due: list[int] = []
    for _, record in state.contributions.ordered():
        due += (run.block.height + 1 if record.reducing else record.deadline, record.return_height)
    nearest = max(min((each for each in due if each), default=0), run.block.height + 1) if any(due) else 0
    size = size_in_force(state)
    if size.next_height != nearest:
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_height=nearest))
