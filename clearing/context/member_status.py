"""Member status and account restrictions: who may do what, and which accounts belong to whom.

Rule: one status record per member; without one it is active. Every request that adds risk or takes money out is checked
here first. An account is restricted after its chain reverted a deposit whose soft credit it had used. Until the
restriction ends and while it owes cash, it may only reduce risk and deposit.
"""

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.affiliation import OwnerFamilies
from clearing.context.block_context import AccountsOfMember, BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.collateral import RestrictionLifted
from clearing.schema.receipts.default import MemberStatusChanged
from clearing.schema.records.accounts import RestrictionRecord
from clearing.schema.records.collateral import SoftCreditRecord
from clearing.schema.records.default import MemberStatus, MemberStatusRecord
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX, AccountKind
from clearing.state.ledger import balance, cash_currency
from clearing.state.state import State


def is_restricted(state: State, account: int) -> bool:
    """Whether the account is restricted."""
    return account in state.restrictions


def check_restriction(context: BlockContext, at: str, account: int) -> Rejected | None:
    """Refuse a request that a restricted account may not make."""
    restriction = context.state.restrictions.get(account)
    if restriction is None:
        return None
    return reject(ClearingCode.ACCOUNT_RESTRICTED, at, account=account, until_height=restriction.until_height)


def restrict_account(context: BlockContext, key: tuple[int, bytes, int], credit: SoftCreditRecord) -> int:
    """Restrict an account after its deposit was reverted; returns the end height. A later restriction
    replaces an earlier."""
    until = context.block.height + context.terms.genesis.soft_credit.restriction_blocks
    context.state.restrictions.put(credit.account, RestrictionRecord(until, *key))
    return until


def lift_restrictions(context: BlockContext) -> None:
    """Lift restrictions whose time is over, of accounts that owe no cash."""
    for account, restriction in list(context.state.restrictions.ordered()):
        owes = any(balance(context.state, account, cash_currency(group)) < 0 for group in context.terms.cash_groups)
        if context.block.height >= restriction.until_height and not owes:
            context.state.restrictions.remove(account)
            context.receipts.append(RestrictionLifted(account))


def member_status(state: State, member: int) -> MemberStatus:
    """The member's status."""
    record = state.member_statuses.get(member)
    return record.status if record else MemberStatus.ACTIVE


def status_of_account(state: State, account: int) -> MemberStatus:
    """The status of a known account's member."""
    return member_status(state, state.accounts[account].member)


def check_member_active(context: BlockContext, at: str, account: int) -> Rejected | None:
    """Refuse what only active members may do: add risk, bid, open accounts, give mandates."""
    member = context.state.accounts[account].member
    status = member_status(context.state, member)
    if status is MemberStatus.ACTIVE:
        return None
    return reject(ClearingCode.MEMBER_NOT_ACTIVE, at, account=account, member=member, status=status.name)


def check_member_reducing(context: BlockContext, at: str, account: int) -> Rejected | None:
    """Refuse any request of a member that is neither active nor restricted, including risk reduction."""
    status = status_of_account(context.state, account)
    if status is MemberStatus.ACTIVE or status is MemberStatus.RESTRICTED:
        return None
    return check_member_active(context, at, account)


def check_member_leaving(context: BlockContext, at: str, account: int) -> Rejected | None:
    """Refuse to release money from accounts of a member that is not active, except for clients with their own keys.

    After a default, what is left in an own account may leave; `check_can_leave` checks margin and debts. After a member
    has left, late credits to its clients may leave with the member's key, because no other key can move them.
    """
    record = context.state.accounts[account]
    status = member_status(context.state, record.member)
    signed_by_client = (
        record.kind is AccountKind.CLIENT and any(record.key) and not is_in_default(context.state, account)
    )
    own_after_default = status is MemberStatus.DEFAULTED and record.kind is not AccountKind.CLIENT
    if signed_by_client or own_after_default or status is MemberStatus.LEFT:
        return None
    return check_member_active(context, at, account)


def is_restricted_to_reducing(state: State, account: int) -> bool:
    """Whether an account may only reduce its risk, because of the status of its member."""
    return status_of_account(state, account) is not MemberStatus.ACTIVE


def is_in_default(state: State, account: int) -> bool:
    """Whether the account is a defaulter's own while its default is open: it is then neither called nor liquidated."""
    record = state.accounts[account]
    status = state.member_statuses.get(record.member)
    if record.member == HOUSE_MEMBER or status is None or status.status is not MemberStatus.DEFAULTING:
        return False
    return record.kind is not AccountKind.CLIENT or is_in_estate(state, account)


def is_in_estate(state: State, account: int) -> bool:
    """Whether the account was merged into the estate of its member's last default, as its own or an affiliate's."""
    status = state.member_statuses.get(state.accounts[account].member)
    default = state.defaults.get(status.default) if status is not None and status.default else None
    return default is not None and account in default.own_accounts


def set_member_status(context: BlockContext, member: int, status: MemberStatus) -> None:
    """Set a member's status; no change when it has it already. The house is always active."""
    before = context.state.member_statuses.get(member) or MemberStatusRecord(MemberStatus.ACTIVE, 0)
    if before.status is status or member == HOUSE_MEMBER:
        return
    context.state.member_statuses.put(member, MemberStatusRecord(status, context.block.height, before.default))
    context.receipts.append(MemberStatusChanged(member, before.status, status, before.default))


def restrict_member(context: BlockContext, member: int) -> None:
    """Restrict an active member, for example when it has not paid its contribution."""
    if member_status(context.state, member) is MemberStatus.ACTIVE:
        set_member_status(context, member, MemberStatus.RESTRICTED)


def lift_member_restriction(context: BlockContext, member: int) -> None:
    """Make a restricted member active again."""
    if member_status(context.state, member) is MemberStatus.RESTRICTED:
        set_member_status(context, member, MemberStatus.ACTIVE)


def accounts_by_member(state: State, families: OwnerFamilies | None = None) -> dict[int, AccountsOfMember]:
    """Own accounts and clients' of every member that has any, each ordered.

    With `families`, affiliated clients' accounts are on their member's side: listed with its own.
    """
    found: dict[int, tuple[list[int], list[int]]] = {}
    for account, record in state.accounts.ordered():
        if account < MEMBER_ACCOUNTS_MAX:
            is_client = record.kind is AccountKind.CLIENT
            if is_client and families is not None:
                is_client = not families.is_on_members_side(account)
            found.setdefault(record.member, ([], []))[is_client].append(account)
    return {member: AccountsOfMember(tuple(own), tuple(clients)) for member, (own, clients) in found.items()}


def sides_by_member(context: BlockContext) -> dict[int, AccountsOfMember]:
    """The same as a default divides them, as of the first request in the block: with affiliates on their member's
    side where genesis pools them."""
    if not context.accounts_by_member:
        families = context.families if context.terms.crisis.default.pool_affiliates else None
        context.accounts_by_member = accounts_by_member(context.state, families)
    return context.accounts_by_member


def backed_members(context: BlockContext, account: int) -> tuple[int, ...]:
    """The members whose shortfalls a known account must leave money for, ordered: its own member on whose side it is,
    and where genesis pools affiliates, those that it is affiliated with."""
    record = context.state.accounts[account]
    if context.terms.crisis.default.pool_affiliates:
        return tuple(sorted(context.families.backed_members(account)))
    return () if record.kind is AccountKind.CLIENT else (record.member,)


def is_on_members_side(context: BlockContext, account: int) -> bool:
    """Whether a default of its member would merge a known account into the estate."""
    if context.state.accounts[account].kind is not AccountKind.CLIENT:
        return True
    return context.terms.crisis.default.pool_affiliates and context.families.is_on_members_side(account)


def own_accounts_by_member(state: State) -> dict[int, tuple[int, ...]]:
    """Own accounts of every member with at least one, ordered."""
    return {member: accounts.own for member, accounts in accounts_by_member(state).items() if accounts.own}
