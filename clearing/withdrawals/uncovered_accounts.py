"""Uncovered accounts of a member: what does not cover them stays in the account that money would leave from.

Rule: every account is margined alone, but a default uses all of a member's own accounts and its affiliates', and what
its clients cannot pay is the member's debt. So two amounts stay in the account that money leaves from: the shortfall to
initial margin where maintenance is not covered, and what clients owe beyond all they have. An affiliate under another
member leaves them too. It moves no money, and it refuses nothing: `clearing.withdrawals.deficit_reserve` does.
"""

from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import AccountsOfMember, BlockContext, UncoveredAccount, UncoveredAccounts
from clearing.context.member_status import backed_members, is_on_members_side, sides_by_member
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, is_still_margined
from clearing.state.ledger import balance, cash_currency


def uncovered_accounts(context: BlockContext, account: int, paid_into: int) -> list[UncoveredAccount]:
    """The member's other accounts whose shortfall the paying account must be able to cover; its own accounts first.

    Applies only to payments out of a member's own accounts, and of affiliates of members. Empty if `paid_into`, the
    receiving account, is one of these accounts.
    """
    if not context.terms.crisis.default.enabled:
        return []
    short: list[UncoveredAccount] = []
    for member in backed_members(context, account):
        if member == HOUSE_MEMBER:
            continue
        if member not in context.uncovered_accounts:
            context.uncovered_accounts[member] = _find_uncovered(context, member)
        own, clients = context.uncovered_accounts[member]
        now = [_shortfall(context, other.account) for other in own if other.account != account]
        short += [uncovered for uncovered in now if uncovered is not None]
        short += [uncovered for uncovered in clients if uncovered.account != account]
    return [] if any(uncovered.account == paid_into for uncovered in short) else short


def _find_uncovered(context: BlockContext, member: int) -> UncoveredAccounts:
    """All uncovered accounts, own and clients', at the block's prices: no request can make another account uncovered.

    Clients may be many: money brought to one of them is noticed in the next block.
    """
    own, clients = (
        tuple(uncovered for account in accounts if (uncovered := _shortfall(context, account)) is not None)
        for accounts in sides_by_member(context).get(member, AccountsOfMember())
    )
    return UncoveredAccounts(own, clients)


def _shortfall(context: BlockContext, account: int) -> UncoveredAccount | None:
    """The shortfall to initial margin of an own account below maintenance margin; for a client, its debt
    beyond all it has."""
    record = context.state.accounts.get(account)
    if record is None:
        return None
    owes = any(balance(context.state, account, cash_currency(group)) < 0 for group in context.terms.cash_groups)
    is_client = not is_on_members_side(context, account)
    if not owes and (is_client or account not in context.state.books):
        return None
    holdings = current_holdings(context.state, account)
    if is_still_margined(context.state, account, holdings):
        return None
    margin = holdings_margin(current_arrays(context.state), holdings)
    missing = -margin.equity if is_client else 0 if margin.maintenance_ok else margin.initial - margin.equity
    return UncoveredAccount(account, margin.equity, margin.initial, missing) if missing > 0 else None
