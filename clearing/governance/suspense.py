"""Money in suspense: a vote gives what arrived for an account that does not exist to one that does.

Rule: only out of the suspense account, only what is there, only to a member's account. Nothing else moves by a vote.
"""

from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.governance.amendments import SuspenseAssignment
from clearing.governance.receipts import SuspenseAssigned
from clearing.ledger import SUSPENSE_ACCOUNT, balance, can_hold
from clearing.run import Run
from clearing.state.state import State
from clearing.transfers import TransferCode

AT = "suspense"


def check_suspense(state: State, amendment: SuspenseAssignment) -> Rejected | None:
    """Whether so much is in suspense, and there is such an account."""
    if not can_hold(state, amendment.account):
        return reject(ClearingCode.UNKNOWN_ACCOUNT, AT, account=amendment.account)
    have = balance(state, SUSPENSE_ACCOUNT, amendment.currency)
    if not 0 < amendment.units <= have:
        return reject(ClearingCode.BALANCE_TOO_SMALL, AT, units=amendment.units, balance=have)
    return None


def assign_suspense(run: Run, amendment: SuspenseAssignment) -> None:
    """Move it. The caller has checked it."""
    account, currency, units = amendment.account, amendment.currency, amendment.units
    run.journal.transfer(SUSPENSE_ACCOUNT, account, currency, units, TransferCode.SUSPENSE_ASSIGNED, account)
    run.touched.add(account)
    run.receipts.append(SuspenseAssigned(account, currency, units))
