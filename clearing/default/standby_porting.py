"""Bulk porting: when a default is declared, clients that named a standby member are ported to it in the same block.

Rule: clients are ported in the order of their accounts, each as it is, as far as the standby may take them: it is
active and meets its own calls, has room for the accounts, and stays within what the default fund was sized for; the
client covers the margin for porting. A client that is not ported stays with the defaulter, as without a standby. It
must not know why the default was declared.
"""

import msgspec

from clearing.accounts.lifecycle import accounts_of_member
from clearing.accounts.porting import transfer_membership
from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.context.member_status import member_status
from clearing.context.stress_exposure import check_stress_joining
from clearing.default.porting_margin import call_ported, covers_porting_margin
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.default import PortedToStandby, StandbyNotTaken
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.genesis import AccountKind
from clearing.state.indexes import MEMBER_ACCOUNTS, holders

AT = "standby_porting"


def port_to_standbys(context: BlockContext, number: int) -> None:
    """Port the clients of a default that was just declared, as far as their standby members may take them."""
    if not context.terms.crisis.default.standby_porting:
        return
    state, gone = context.state, set[int]()
    default = state.defaults[number]
    for account in default.client_accounts:
        standby = state.standbys.get(account)
        if standby is None:
            continue
        refusal = _check_standby(context, account, standby.standby)
        if refusal is not None:
            context.receipts.append(StandbyNotTaken(number, account, standby.standby, int(refusal.code)))
            continue
        children = state.accounts[account].children
        moved = transfer_membership(context, account, standby.standby)
        gone.update(moved)
        context.touched_accounts.update(moved)
        context.receipts.append(PortedToStandby(number, account, standby.standby, children))
        call_ported(context, moved)
    if gone:
        left = tuple(account for account in default.client_accounts if account not in gone)
        state.defaults.put(number, msgspec.structs.replace(default, client_accounts=left))


def _check_standby(context: BlockContext, account: int, standby: int) -> Rejected | None:
    """Whether a standby member may take a client and its sub-accounts over now."""
    state = context.state
    accounts = (account, *state.accounts[account].children)
    if member_status(state, standby) is not MemberStatus.ACTIVE:
        return reject(ClearingCode.MEMBER_NOT_ACTIVE, AT, account=account, member=standby)
    if _is_called(context, standby):
        return reject(ClearingCode.STANDBY_CALLED, AT, account=account, member=standby)
    counts, limit = accounts_of_member(state, standby), context.terms.market.member_accounts_max
    if counts.open + len(accounts) > limit:
        return reject(ClearingCode.ACCOUNTS_FULL, AT, member=standby, held=counts.open, limit=limit)
    if not all(covers_porting_margin(context.state, each) for each in accounts):
        return reject(ClearingCode.NOT_RESCUABLE, AT, account=account)
    return check_stress_joining(context, AT, accounts, standby)


def _is_called(context: BlockContext, member: int) -> bool:
    """Whether one of the member's own accounts is under a margin call, a cash call or a restriction."""
    state = context.state
    return any(
        state.accounts[account].called_height > 0 or account in state.cash_calls or account in state.restrictions
        for account in holders(state, MEMBER_ACCOUNTS, member)
        if state.accounts[account].kind is not AccountKind.CLIENT
    )
