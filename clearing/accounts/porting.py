"""Porting: a client's account moves to another member with its positions, cash, collateral and sub-accounts.

Rule: nothing of the client's is closed, moved or priced. Only the member changes, so the margin is the same before and
after, and covered. The present member, the new member and, where it has a key, the client sign. Mandates end, because
the old member gave them. Pending trades continue, because they bind the client.
"""

import msgspec

from clearing.accounts.affiliates import carry_affiliations
from clearing.accounts.lifecycle import accounts_of_member
from clearing.base.errors import Rejected
from clearing.context.affiliation import owner_of
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active, member_status
from clearing.context.request_checks import check_request, check_signature_by, check_signer, use_nonce
from clearing.context.stress_exposure import check_stress_joining, port_exposure
from clearing.prices.stale_options import margin_at_floor
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import AccountPorted
from clearing.schema.records.accounts import MemberAccounts
from clearing.schema.records.default import MemberStatus
from clearing.schema.requests.accounts import AccountPorting
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import current_holdings
from clearing.state.indexes import MEMBER_ACCOUNTS, set_holder
from clearing.trades.consent import end_delegations

AT = "account_porting"


def port_account(context: BlockContext, index: int, request: AccountPorting) -> Rejected | None:
    """Move the account and its sub-accounts to another member."""
    refusal = (
        check_request(context, AT, request)
        or check_member_active(context, AT, request.account)
        or _check_portable(context, request)
        or _check_consents(context, request)
        or _check_covered(context, request)
        or _check_growth(context, request)
    )
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    record = context.state.accounts[request.account]
    moved = transfer_membership(context, request.account, request.to_member)
    pending_trades = sum(context.state.pending_counts.get(account) or 0 for account in moved)
    context.receipts.append(
        AccountPorted(index, request.account, record.member, request.to_member, record.children, pending_trades)
    )
    return None


def _check_portable(context: BlockContext, request: AccountPorting) -> Rejected | None:
    record = context.state.accounts[request.account]
    if request.to_member not in context.state.members:
        return reject(ClearingCode.UNKNOWN_MEMBER, AT, member=request.to_member)
    accounts = (request.account, *record.children)
    called = [account for account in accounts if _is_under_call(context, account)]
    if record.kind is not AccountKind.CLIENT or record.parent or record.member == request.to_member or called:
        return reject(
            ClearingCode.NOT_PORTABLE,
            AT,
            account=request.account,
            kind=record.kind.name,
            parent=record.parent,
            called=len(called),
        )
    if member_status(context.state, request.to_member) is not MemberStatus.ACTIVE:
        return reject(ClearingCode.MEMBER_NOT_ACTIVE, AT, account=request.account, member=request.to_member)
    counts, limit = accounts_of_member(context.state, request.to_member), context.terms.market.member_accounts_max
    if counts.open + 1 + len(record.children) > limit:
        return reject(ClearingCode.ACCOUNTS_FULL, AT, member=request.to_member, held=counts.open, limit=limit)
    return None


def _is_under_call(context: BlockContext, account: int) -> bool:
    """Whether the account is under a margin call, a cash call or a restriction, which its member must resolve first."""
    state = context.state
    return state.accounts[account].called_height > 0 or account in state.cash_calls or account in state.restrictions


def _check_covered(context: BlockContext, request: AccountPorting) -> Rejected | None:
    """Initial margin is covered at the block's prices; otherwise the member would pass on a debt that it has to pay."""
    for account in (request.account, *context.state.accounts[request.account].children):
        margin = margin_at_floor(context, current_holdings(context.state, account))
        if not margin.initial_ok:
            return reject(
                ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN,
                AT,
                account=account,
                equity=margin.equity,
                initial=margin.initial,
            )
    return None


def _check_growth(context: BlockContext, request: AccountPorting) -> Rejected | None:
    """The new member stays within what the default fund was sized for."""
    accounts = (request.account, *context.state.accounts[request.account].children)
    return check_stress_joining(context, AT, accounts, request.to_member)


def _check_consents(context: BlockContext, request: AccountPorting) -> Rejected | None:
    digest = request.digest(context.terms.network)
    taker = context.state.members[request.to_member].trade_address
    refusal = check_signer(context, AT, request.account, digest, request.signature) or check_signature_by(
        AT, taker, digest, request.member_signature, member=request.to_member
    )
    key = context.state.accounts[request.account].key
    if refusal is None and any(key):
        refusal = check_signature_by(AT, key, digest, request.client_signature, client=request.account)
    return refusal


def transfer_membership(context: BlockContext, account: int, to_member: int) -> tuple[int, ...]:
    """Move an account and its sub-accounts to another member and return them. Their mandates end."""
    record, owner = context.state.accounts[account], owner_of(context.state, account)
    moved = (account, *record.children)
    _adjust_account_count(context, record.member, -len(moved))
    _adjust_account_count(context, to_member, len(moved))
    for moved_account in moved:
        before = context.state.accounts[moved_account]
        context.state.accounts.put(moved_account, msgspec.structs.replace(before, member=to_member))
        set_holder(context.state, MEMBER_ACCOUNTS, before.member, moved_account, holds=False)
        set_holder(context.state, MEMBER_ACCOUNTS, to_member, moved_account, holds=True)
        end_delegations(context, moved_account)
        if not any(before.key):
            context.state.sealed_seeds.remove(moved_account)  # another address owns the account from now on
        port_exposure(context, moved_account, record.member)
    carry_affiliations(context, account, owner)
    context.state.standbys.remove(account)
    return moved


def _adjust_account_count(context: BlockContext, member: int, by: int) -> None:
    counts = accounts_of_member(context.state, member)
    context.state.member_accounts.put(member, MemberAccounts(counts.opened, counts.open + by))
