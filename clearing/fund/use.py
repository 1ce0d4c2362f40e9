"""The one door through which contributions are read and used: who has how much, drawing on it, calling for more.

Rule: a part never falls below zero, and what is drawn goes to the house account, which bears the loss. It must not know
why, nor whose turn it is.
"""

import msgspec

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.fund.receipts import FundCalled, FundDrawn
from clearing.fund.records import Contribution
from clearing.ledger import FUND_ACCOUNT, cash_currency
from clearing.receipts import TransferCode
from clearing.run import Run
from clearing.state.state import State


def contribution(state: State, member: int) -> int:
    """Micros that a member has in the fund; those that are on their way back to it included."""
    record = state.contributions.get(member)
    return record.micros if record else 0


def required(state: State, member: int) -> int:
    """Micros that a member has to have in the fund; 0 before the first sizing and for those who are not members now."""
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
    currency = cash_currency(run.terms.crisis.fund.cash_group)
    left = record.micros - micros
    run.journal.transfer(FUND_ACCOUNT, HOUSE_ACCOUNT, currency, micros, TransferCode.FUND_DRAWN, cause)
    run.state.contributions.put(member, msgspec.structs.replace(record, micros=left))
    run.touched.add(HOUSE_ACCOUNT)
    run.receipts.append(FundDrawn(member, micros, left, cause))


def call_replenishment(run: Run, member: int, micros: int, deadline_height: int) -> int:
    """Call a member for what is missing to its part, but for no more than `micros`; what it is called for now.

    A call that it has not met stays, with its own deadline, when it asks for as much.
    """
    record = run.state.contributions.get(member)
    missing = min(max(record.required - record.micros, 0), micros) if record else 0
    if record is None or missing <= record.called:
        return record.called if record else 0
    put_call(run, member, record, missing, deadline_height, replenishment=True)
    return missing


def put_call(
    run: Run, member: int, record: Contribution, micros: int, deadline: int, *, replenishment: bool = False
) -> None:
    """Write down that a member is called for `micros`, and have its deadline noticed."""
    state = run.state
    state.contributions.put(member, msgspec.structs.replace(record, called=micros, deadline=deadline))
    size = state.fund_sizes[0]
    nearest = min(each for each in (size.next_height, deadline) if each)
    state.fund_sizes.put(0, msgspec.structs.replace(size, next_height=nearest))
    run.receipts.append(
        FundCalled(member, record.account, micros, record.required, record.micros, deadline, replenishment)
    )
