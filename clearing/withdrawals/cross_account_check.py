"""The cross-account check: who cannot cover one account takes nothing out of another that would have to pay.

Rule: every account is margined by itself, but a default takes all of a member's own accounts, and what its clients
cannot pay is the member's debt. So what is missing to initial margin where maintenance is not covered, and what
clients owe beyond all they have, stays in the account that money leaves from. It moves no money.
"""

from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext, UncoveredAccount
from clearing.context.member_status import accounts_by_member
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, is_certainly_margined
from clearing.state.ledger import balance, cash_currency


def uncovered_accounts(context: BlockContext, account: int, mends: int) -> list[UncoveredAccount]:
    """Which other accounts of the same member have to be left money for; ordered, its own first.

    Asked of a member's own accounts only. `mends`: the account that what leaves is brought to; where that is one of
    them, nothing has to be left.
    """
    record = context.state.accounts[account]
    asked = context.terms.crisis.default.enabled and record.kind is not AccountKind.CLIENT
    if not asked or record.member == HOUSE_MEMBER:
        return []
    if record.member not in context.uncovered_accounts:
        context.uncovered_accounts[record.member] = _find_uncovered(context, record.member)
    own, clients = context.uncovered_accounts[record.member]
    now = [_shortfall(context, each.account) for each in own if each.account != account]
    short = [*(each for each in now if each is not None), *clients]
    return [] if any(each.account == mends for each in short) else short


def _find_uncovered(
    context: BlockContext, member: int
) -> tuple[tuple[UncoveredAccount, ...], tuple[UncoveredAccount, ...]]:
    """All that are short, own and clients', at the block's prices: no request makes another account so.

    Clients may be many: what is brought to one of them is noticed in the next block.
    """
    if not context.accounts_by_member:
        context.accounts_by_member = accounts_by_member(context.state)
    own, clients = (
        tuple(each for account in accounts if (each := _shortfall(context, account)) is not None)
        for accounts in context.accounts_by_member.get(member, ((), ()))
    )
    return own, clients


def _shortfall(context: BlockContext, account: int) -> UncoveredAccount | None:
    """Of an own account below maintenance margin what is missing to initial; of a client what is beyond all it has."""
    record = context.state.accounts.get(account)
    if record is None:
        return None
    owes = any(balance(context.state, account, cash_currency(group)) < 0 for group in context.terms.cash_groups)
    is_client = record.kind is AccountKind.CLIENT
    if not owes and (is_client or account not in context.state.books):
        return None
    holdings, arrays = current_holdings(context.state, account), current_arrays(context.state)
    if is_certainly_margined(arrays, holdings):
        return None
    margin = holdings_margin(arrays, holdings)
    missing = -margin.equity if is_client else 0 if margin.maintenance_ok else margin.initial - margin.equity
    return UncoveredAccount(account, margin.equity, margin.initial, missing) if missing > 0 else None
