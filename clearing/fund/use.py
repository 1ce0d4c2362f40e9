"""The one door through which contributions are read and used: who has how much, drawing on it, calling for more.

Rule: a part never falls below zero, and what is drawn goes to the house account, which bears the loss. It must not know
why, nor whose turn it is.
"""

import msgspec

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.fund.parts import can_be_brought, fund_currency, put_call, takes_part
from clearing.fund.receipts import FundDrawn
from clearing.ledger import FUND_ACCOUNT
from clearing.run import Run
from clearing.state.state import State
from clearing.transfers import TransferCode


def contribution(state: State, member: int) -> int:
    """Micros that a member has in the fund; those that are on their way back to it included."""
    record = state.contributions.get(member)
    return record.micros if record else 0


def required(state: State, member: int) -> int:
    """Micros that a member has to have in the fund; 0 before the first sizing. In default it stays what it was."""
    record = state.contributions.get(member)
    return record.required if record else 0


def contributors(state: State) -> tuple[int, ...]:
    """Members who have or owe a part, in order; in default or not."""
    return tuple(member for member, _ in state.contributions.ordered())


def draw(run: Run, member: int, micros: int, cause: int) -> None:
    """Take of a member's part what bears a loss; it goes to the house account. `cause`: the defaulter's id.

    Raises Bug for more than there is, or less than nothing.
    """
    record = run.state.contributions.get(member)
    if record is None or not 0 <= micros <= record.micros:
        raise Bug(f"{micros} is drawn of {record.micros if record else 0} that member {member} has in the fund")
    if not micros:
        return
    left = record.micros - micros
    run.journal.transfer(FUND_ACCOUNT, HOUSE_ACCOUNT, fund_currency(run.state), micros, TransferCode.FUND_DRAWN, cause)
    run.state.contributions.put(member, msgspec.structs.replace(record, micros=left))
    run.touched.add(HOUSE_ACCOUNT)
    run.receipts.append(FundDrawn(member, record.account, micros, left, cause))


def call_replenishment(run: Run, member: int, micros: int, deadline_height: int) -> int:
    """Call a member for what is missing to its part, but for no more than `micros`; what it is called for now.

    A call that it has not met goes on when it asks for as much; else all of it is due at the new deadline. Nobody is
    called while no token of the fund's cash group is left, nor who is no member in good standing any more.
    """
    record = run.state.contributions.get(member)
    missing = min(max(record.required - record.micros, 0), micros) if record else 0
    if record is None or not takes_part(run.state, member):
        return 0
    if missing <= record.called or not can_be_brought(run.state):
        return record.called
    put_call(run, member, record, missing, deadline_height, replenishment=True)
    return missing
