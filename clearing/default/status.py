"""How members stand, and what those who do not stand well may not do.

Rule: one record a member; none means active. Asked before every request that grows risk or takes money out. It must
not know why a member came to stand so.
"""

from clearing.accounts.kinds import AccountKind
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.codes import ClearingCode, reject
from clearing.default.receipts import StatusChanged
from clearing.default.records import MemberStatus, Standing
from clearing.run import Run
from clearing.state.state import State


def member_status(state: State, member: int) -> MemberStatus:
    """How the member stands."""
    record = state.standings.get(member)
    return record.status if record else MemberStatus.ACTIVE


def status_of_account(state: State, account: int) -> MemberStatus:
    """How the member of a known account stands."""
    return member_status(state, state.accounts[account].member)


def check_member(run: Run, at: str, account: int) -> Rejected | None:
    """Refuse what a member may not do that is not active: grow risk, bid, open accounts, give mandates."""
    member = run.state.accounts[account].member
    status = member_status(run.state, member)
    if status is MemberStatus.ACTIVE:
        return None
    return reject(ClearingCode.MEMBER_NOT_ACTIVE, at, account=account, member=member, status=status.name)


def check_member_reducing(run: Run, at: str, account: int) -> Rejected | None:
    """Refuse anything in the name of a member that is neither active nor restricted, less risk included."""
    return None if status_of_account(run.state, account) is MemberStatus.RESTRICTED else check_member(run, at, account)


def check_member_leaving(run: Run, at: str, account: int) -> Rejected | None:
    """Refuse to let money out of accounts whose member is not active, but for clients who sign with their own keys.

    After a default, what is left in an account is its owner's; margin and debts are looked at by `check_leaving`. What
    comes late to a client of a member that has left can be taken out by nobody else, nor can anybody take it over.
    """
    record = run.state.accounts[account]
    status = member_status(run.state, record.member)
    signed_by_client = record.kind is AccountKind.CLIENT and any(record.key)
    own_after_default = status is MemberStatus.DEFAULTED and record.kind is not AccountKind.CLIENT
    if signed_by_client or own_after_default or status is MemberStatus.LEFT:
        return None
    return check_member(run, at, account)


def is_bound(state: State, account: int) -> bool:
    """Whether an account may only reduce its risk, because of how its member stands."""
    return status_of_account(state, account) is not MemberStatus.ACTIVE


def is_in_default(state: State, account: int) -> bool:
    """Whether the account is a defaulter's own, and its default under way: it is not called or liquidated meanwhile."""
    record = state.accounts[account]
    if record.kind is AccountKind.CLIENT or record.member == HOUSE_MEMBER:
        return False
    return member_status(state, record.member) is MemberStatus.DEFAULTING


def set_status(run: Run, member: int, status: MemberStatus) -> None:
    """Let a member stand so from now on; nothing when it does already. Raises nothing; the house is always active."""
    before = run.state.standings.get(member) or Standing(MemberStatus.ACTIVE, 0)
    if before.status is status or member == HOUSE_MEMBER:
        return
    run.state.standings.put(member, Standing(status, run.block.height, before.default))
    run.receipts.append(StatusChanged(member, before.status, status, before.default))


def restrict_member(run: Run, member: int) -> None:
    """Restrict an active member, such as one that did not bring its contribution."""
    if member_status(run.state, member) is MemberStatus.ACTIVE:
        set_status(run, member, MemberStatus.RESTRICTED)


def lift_restriction(run: Run, member: int) -> None:
    """Let a restricted member be active again."""
    if member_status(run.state, member) is MemberStatus.RESTRICTED:
        set_status(run, member, MemberStatus.ACTIVE)
