"""After a default: client takeovers, readmission and exit of members.

Rule: a client is taken over as it is, positions and money, with its own signature, or the house's where it has no key.
The defaulter does not sign. The new member stays within what the default fund was sized for, as in any porting. A
readmitted member owes nothing and has paid its fund contribution. A leaving member has no positions left, and no
clients whose money only it could withdraw. Nobody leaves between a loss and its allocation.
"""

import msgspec

from clearing.accounts.lifecycle import accounts_of_member
from clearing.accounts.porting import transfer_membership
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.member_status import is_in_estate, member_status, set_member_status
from clearing.context.request_checks import check_request, check_signature_by, use_nonce
from clearing.context.stress_exposure import check_stress_joining
from clearing.context.unresolved_losses import defaults_under_way, insolvent_micros
from clearing.default.declaration import accounts_of_members
from clearing.default.porting_margin import call_ported, covers_porting_margin
from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.default import ClientRescued, MemberLeft, MemberReadmitted
from clearing.schema.records.default import MemberStatus
from clearing.schema.requests.default import ClientRescue, MemberExit, MemberReadmission
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import positions_of
from clearing.state.ledger import balance, cash_currency, token_currency

RESCUE, READMISSION, EXIT = "client_rescue", "member_readmission", "member_exit"


def rescue_client(context: BlockContext, index: int, request: ClientRescue) -> Rejected | None:
    """Move a defaulter's client and its sub-accounts to the member that takes them over, or refuse."""
    refusal = (
        check_request(context, RESCUE, request)
        or _check_parties(context, request)
        or _check_signatures(context, request)
        or _check_rescue(context, request)
        or _check_growth(context, request)
    )
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    record = context.state.accounts[request.account]
    moved = transfer_membership(context, request.account, request.to_member)
    default = context.state.defaults[request.number]
    clients = tuple(account for account in default.client_accounts if account not in moved)
    context.state.defaults.put(request.number, msgspec.structs.replace(default, client_accounts=clients))
    context.touched_accounts.update(moved)
    context.receipts.append(ClientRescued(index, request.number, request.account, request.to_member, record.children))
    call_ported(context, moved)
    return None


def _check_parties(context: BlockContext, request: ClientRescue) -> Rejected | None:
    """The default is of the account's member, and the new member exists. Margins are checked after the signatures."""
    state, record = context.state, context.state.accounts[request.account]
    default = state.defaults.get(request.number)
    if (
        default is None
        or default.member != record.member
        or state.member_statuses[record.member].default != request.number
    ):
        return reject(ClearingCode.NO_SUCH_DEFAULT, RESCUE, number=request.number, account=request.account)
    if request.to_member not in state.members:
        return reject(ClearingCode.UNKNOWN_MEMBER, RESCUE, member=request.to_member)
    return None


def _check_rescue(context: BlockContext, request: ClientRescue) -> Rejected | None:
    """A top client account that covers the margin for porting, and a member that may take it over."""
    state, record = context.state, context.state.accounts[request.account]
    status = member_status(state, request.to_member)
    short = [account for account in (request.account, *record.children) if not covers_porting_margin(state, account)]
    in_default = member_status(state, record.member) in (MemberStatus.DEFAULTING, MemberStatus.DEFAULTED)
    client = record.kind is AccountKind.CLIENT and not record.parent and not is_in_estate(state, request.account)
    eligible = in_default and client and status is MemberStatus.ACTIVE
    if not eligible or short or request.to_member == record.member:
        return reject(
            ClearingCode.NOT_RESCUABLE,
            RESCUE,
            account=request.account,
            kind=record.kind.name,
            status=status.name,
            short=len(short),
        )
    counts, limit = accounts_of_member(state, request.to_member), context.terms.market.member_accounts_max
    if counts.open + 1 + len(record.children) > limit:
        return reject(ClearingCode.ACCOUNTS_FULL, RESCUE, member=request.to_member, held=counts.open, limit=limit)
    return None


def _check_growth(context: BlockContext, request: ClientRescue) -> Rejected | None:
    """A later call for the growth would leave it to others until it is paid."""
    accounts = (request.account, *context.state.accounts[request.account].children)
    return check_stress_joining(context, RESCUE, accounts, request.to_member)


def _check_signatures(context: BlockContext, request: ClientRescue) -> Rejected | None:
    """The receiving member signs, and the client; the house signs for a client without a key."""
    digest, state = request.digest(context.terms.network), context.state
    taker = state.members[request.to_member].trade_address
    key = state.accounts[request.account].key
    other = key if any(key) else state.members[HOUSE_MEMBER].trade_address
    return check_signature_by(
        RESCUE, taker, digest, request.member_signature, member=request.to_member
    ) or check_signature_by(RESCUE, other, digest, request.client_signature, client=request.account)


def readmit_member(context: BlockContext, index: int, request: MemberReadmission) -> Rejected | None:
    """Make a defaulted member active again, if it and the house sign."""
    state = context.state
    refusal = check_request(context, READMISSION, request) or check_signature_by(
        READMISSION,
        state.members[HOUSE_MEMBER].trade_address,
        request.digest(context.terms.network),
        request.house_signature,
        member=HOUSE_MEMBER,
    )
    if refusal is not None:
        return refusal
    record, status_record = state.accounts[request.account], state.member_statuses.get(request.member)
    own, _ = accounts_of_members(state, request.member)
    owing = sum(
        balance(state, account, cash_currency(group)) < 0 for account in own for group in context.terms.cash_groups
    )
    missing = max(required_contribution(state, request.member) - contribution_micros(state, request.member), 0)
    defaulted = status_record is not None and status_record.status is MemberStatus.DEFAULTED
    matches = status_record is not None and status_record.default == request.number and record.member == request.member
    if not defaulted or not matches or owing or missing:
        return reject(
            ClearingCode.NOT_READMITTABLE,
            READMISSION,
            member=request.member,
            status=member_status(state, request.member).name,
            number=request.number,
            owing=owing,
            missing=missing,
        )
    set_member_status(context, request.member, MemberStatus.ACTIVE)
    context.receipts.append(MemberReadmitted(index, request.member, request.number))
    return None


def leave_membership(context: BlockContext, index: int, request: MemberExit) -> Rejected | None:
    """Release a member without positions, debts or clients, while no default is open or about to be declared. It may
    withdraw its money afterwards."""
    refusal = check_request(context, EXIT, request)
    if refusal is not None:
        return refusal
    state, member = context.state, context.state.accounts[request.account].member
    status = member_status(state, member)
    if member in context.exit_checked_members:
        why = "another request to leave was checked in this block"
        return reject(ClearingCode.CANNOT_LEAVE, EXIT, member=member, status=status.name, why=why)
    context.exit_checked_members.add(member)
    own, clients = accounts_of_members(state, member)
    positions = sum(bool(positions_of(state, account).lots) for account in (*own, *clients))
    owing = sum(
        balance(state, account, cash_currency(group)) < 0 for account in own for group in context.terms.cash_groups
    )
    money = sum(_needs_member_signature(context, account) for account in clients)
    pending_trades = sum(state.pending_counts.get(account) or 0 for account in (*own, *clients))
    excluded = status in (MemberStatus.DEFAULTING, MemberStatus.LEFT) or member == HOUSE_MEMBER
    # A member that may still have to bear a share stays until that is over.
    under_way, insolvent = len(defaults_under_way(state)), insolvent_micros(state)
    losses = under_way or insolvent > 0
    if excluded or member != request.member or positions or owing or money or pending_trades or losses:
        return reject(
            ClearingCode.CANNOT_LEAVE,
            EXIT,
            member=member,
            status=status.name,
            positions=positions,
            owing=owing,
            clients=money,
            held=pending_trades,
            defaults=under_way,
            insolvent=insolvent,
        )
    use_nonce(context, request.account, request.nonce)
    set_member_status(context, member, MemberStatus.LEFT)
    context.receipts.append(MemberLeft(index, member))
    return None


def _needs_member_signature(context: BlockContext, account: int) -> bool:
    """Whether a client's account has money that its own key alone cannot withdraw.

    A client with a key can withdraw its money without its member, so its balance does not prevent the member's exit.
    """
    lent_to = any((account, group) in context.state.loans for group in context.terms.cash_groups)
    return lent_to or (_has_money(context, account) and not any(context.state.accounts[account].key))


def _has_money(context: BlockContext, account: int) -> bool:
    currencies = [cash_currency(group) for group in context.terms.cash_groups]
    currencies += [token_currency(token.id) for token in context.terms.tokens]
    return any(balance(context.state, account, currency) for currency in currencies)
