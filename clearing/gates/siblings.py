"""A member's other accounts: who cannot cover one of its own takes nothing out of another that would have to pay.

Rule: every account is margined by itself, but a default takes all of a member's own, and what its clients cannot pay is
the member's debt, too. So what is missing to initial margin where maintenance is not covered, and what clients owe
beyond all they have, stays in the account that money leaves from, until it is mended there. It moves no money.
"""

from clearing.accounts.by_member import accounts_by_member
from clearing.accounts.kinds import AccountKind
from clearing.base.ids import HOUSE_MEMBER
from clearing.holdings import arrays_of, holdings_of, margin_of, surely_margined
from clearing.ledger import balance, cash_currency
from clearing.run import Run, Short


def short_siblings(run: Run, account: int, mends: int) -> list[Short]:
    """Which other accounts of the same member have to be left money for; ordered, its own first.

    Asked of a member's own accounts only. `mends`: the account that what leaves is brought to; where that is one of
    them, nothing has to be left.
    """
    record = run.state.accounts[account]
    asked = run.terms.crisis.default.enabled and record.kind is not AccountKind.CLIENT
    if not asked or record.member == HOUSE_MEMBER:
        return []
    if record.member not in run.short_siblings:
        run.short_siblings[record.member] = _found_short(run, record.member)
    own, clients = run.short_siblings[record.member]
    now = [_short(run, each.account) for each in own if each.account != account]
    short = [*(each for each in now if each is not None), *clients]
    return [] if any(each.account == mends for each in short) else short


def _found_short(run: Run, member: int) -> tuple[tuple[Short, ...], tuple[Short, ...]]:
    """All that are short, own and clients', at the block's prices: no request makes another account so.

    Clients may be many: what is brought to one of them is noticed in the next block.
    """
    if not run.by_member:
        run.by_member = accounts_by_member(run.state)
    own, clients = (
        tuple(each for account in accounts if (each := _short(run, account)) is not None)
        for accounts in run.by_member.get(member, ((), ()))
    )
    return own, clients


def _short(run: Run, account: int) -> Short | None:
    """Of an own account below maintenance margin what is missing to initial; of a client what is beyond all it has."""
    record = run.state.accounts.get(account)
    if record is None:
        return None
    owes = any(balance(run.state, account, cash_currency(group)) < 0 for group in run.terms.cash_groups)
    is_client = record.kind is AccountKind.CLIENT
    if not owes and (is_client or account not in run.state.books):
        return None
    held, arrays = holdings_of(run.state, account), arrays_of(run.state)
    if surely_margined(arrays, held):
        return None
    margin = margin_of(arrays, held)
    missing = -margin.equity if is_client else 0 if margin.maintenance_ok else margin.initial - margin.equity
    return Short(account, margin.equity, margin.initial, missing) if missing > 0 else None
