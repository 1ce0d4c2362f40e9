"""Restricted accounts: those that had used what the house lent against a deposit which its chain undid.

Rule: until its time is over and while it owes cash, a restricted account reduces risk and takes deposits, no more.
"""

from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.collateral.receipts import RestrictionLifted
from clearing.ledger import balance, cash_currency
from clearing.run import Run
from clearing.state.records import Restriction, SoftCredit
from clearing.state.state import State


def is_restricted(state: State, account: int) -> bool:
    """Whether the account is restricted."""
    return account in state.restrictions


def check_restricted(run: Run, at: str, account: int) -> Rejected | None:
    """Refuse what a restricted account may not do."""
    held = run.state.restrictions.get(account)
    if held is None:
        return None
    return reject(ClearingCode.ACCOUNT_RESTRICTED, at, account=account, until_height=held.until_height)


def restrict(run: Run, key: tuple[int, bytes, int], credit: SoftCredit) -> int:
    """Restrict an account for a deposit that was undone; returns until when. A later one prolongs an earlier."""
    until = run.block.height + run.terms.genesis.soft_credit.restriction_blocks
    run.state.restrictions.put(credit.account, Restriction(until, *key))
    return until


def lift_restrictions(run: Run) -> None:
    """Lift those whose time is over and who owe no cash."""
    for account, held in list(run.state.restrictions.ordered()):
        owes = any(balance(run.state, account, cash_currency(group)) < 0 for group in run.terms.cash_groups)
        if run.block.height >= held.until_height and not owes:
            run.state.restrictions.remove(account)
            run.receipts.append(RestrictionLifted(account))
