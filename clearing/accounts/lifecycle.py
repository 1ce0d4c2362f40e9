"""Opening and closing of accounts: house and client accounts and sub-accounts, each margined on its own.

Rule: every account is margined alone: its collateral covers only its own positions. A sub-account or an isolated group
is therefore an ordinary account. A client's account never pays for another's loss, its own member's house account
included. A client's money moves only to accounts of the same client, or where the client's own key sends it. An id is
assigned once: a closed account's id is never reused.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active
from clearing.context.request_checks import check_request, use_nonce
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import AccountClosed, AccountOpened
from clearing.schema.records.accounts import Account, MemberAccounts
from clearing.schema.requests.accounts import AccountClosing, AccountOpening
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX, OPENED_ACCOUNTS, AccountKind
from clearing.state.indexes import CALLED_ACCOUNTS, MEMBER_ACCOUNTS, set_holder
from clearing.state.ledger import balance, cash_currency, remove_account_balances, token_currency
from clearing.state.state import State
from clearing.trades.consent import end_delegations
from clearing.withdrawals.delay_queue import delayed_withdrawals_of

ACCOUNTS_OPENED_MAX = 2**16
"""Limit of accounts that one member opens over its lifetime."""
_MEMBERS_WITH_IDS_MAX = (MEMBER_ACCOUNTS_MAX - OPENED_ACCOUNTS) // ACCOUNTS_OPENED_MAX
NO_KEY = bytes(20)


def opened_id(member: int, number: int) -> int:
    """The id of the `number`-th account (from 0) that a member opens. Known in advance, so that
    deposits can name it."""
    return OPENED_ACCOUNTS + member * ACCOUNTS_OPENED_MAX + number


def accounts_of_member(state: State, member: int) -> MemberAccounts:
    """How many accounts a member has opened and has now; before the first change, the number in genesis."""
    record = state.member_accounts.get(member)
    if record is not None:
        return record
    terms = next((listed for listed in state.terms.genesis.members if listed.id == member), None)
    return MemberAccounts(0, len(terms.accounts) if terms else 0)


def open_account(context: BlockContext, index: int, request: AccountOpening) -> Rejected | None:
    """Open a new, empty account of the member that owns `request.account`."""
    at = "account_opening"
    refusal = _check_request(context, at, request)
    if refusal is not None:
        return refusal
    member = context.state.accounts[request.account].member
    counts = accounts_of_member(context.state, member)
    limit = context.terms.market.member_accounts_max
    if counts.open >= limit or counts.opened >= ACCOUNTS_OPENED_MAX or member >= _MEMBERS_WITH_IDS_MAX:
        return reject(ClearingCode.ACCOUNTS_FULL, at, member=member, held=counts.open, opened=counts.opened)
    key = request.key
    if request.parent:
        refusal = _check_parent(context, at, member, request)
        if refusal is not None:
            return refusal
        key = context.state.accounts[request.parent].key
    elif any(key) and request.kind is not AccountKind.CLIENT:
        return reject(ClearingCode.BAD_PARENT, at, why="only a client has a key of its own")
    use_nonce(context, request.account, request.nonce)
    account = opened_id(member, counts.opened)
    context.state.accounts.put(account, Account(member, request.kind, parent=request.parent, key=key))
    set_holder(context.state, MEMBER_ACCOUNTS, member, account, holds=True)
    context.state.member_accounts.put(member, MemberAccounts(counts.opened + 1, counts.open + 1))
    if request.parent:
        _set_children(context, request.parent, (*context.state.accounts[request.parent].children, account))
    context.receipts.append(
        AccountOpened(
            index=index,
            account=account,
            member=member,
            kind=int(request.kind),
            parent=request.parent,
            key=key,
            named_account=request.account,
            nonce=request.nonce,
        )
    )
    return None


def close_account(context: BlockContext, index: int, request: AccountClosing) -> Rejected | None:
    """Close an empty account that was opened by request."""
    at = "account_closing"
    refusal = _check_request(context, at, request) or _check_empty(context, at, request.account)
    if refusal is not None:
        return refusal
    account = request.account
    record = context.state.accounts[account]
    counts = accounts_of_member(context.state, record.member)
    context.state.member_accounts.put(record.member, MemberAccounts(counts.opened, counts.open - 1))
    if record.parent:
        siblings = context.state.accounts[record.parent].children
        _set_children(context, record.parent, tuple(sibling for sibling in siblings if sibling != account))
    end_delegations(context, account)
    remove_account_balances(context.state, account)
    set_holder(context.state, CALLED_ACCOUNTS, 0, account, holds=False)
    set_holder(context.state, MEMBER_ACCOUNTS, record.member, account, holds=False)
    context.state.accounts.remove(account)
    context.state.nonces.remove(account)
    context.state.standbys.remove(account)
    context.state.sealed_seeds.remove(account)
    context.receipts.append(AccountClosed(index, account, record.member))
    return None


def check_segregation(context: BlockContext, at: str, account: int, recipient: int) -> Rejected | None:
    """Whether money may move between two accounts of one member, given whose money it is.

    1. Into a client's account it may always move.
    2. Out of a client's account without a key it may move to the same client: between the account and its sub-accounts.
    3. Out of a client's account with a key it may move to any account of the member, because the client signed
       (`clearing.context.request_checks.owner_key`).
    """
    giver, taker = context.state.accounts[account], context.state.accounts[recipient]
    if giver.kind is not AccountKind.CLIENT or any(giver.key):
        return None
    same_client = taker.kind is AccountKind.CLIENT and (giver.parent or account) == (taker.parent or recipient)
    if not same_client:
        return reject(ClearingCode.CLIENT_MONEY, at, account=account, recipient=recipient)
    return None


def _check_request(context: BlockContext, at: str, request: AccountOpening | AccountClosing) -> Rejected | None:
    return check_request(context, at, request) or check_member_active(context, at, request.account)


def _check_parent(context: BlockContext, at: str, member: int, request: AccountOpening) -> Rejected | None:
    """A parent is an account of the same member and kind and not a sub-account. The new account has no other key."""
    parent = context.state.accounts.get(request.parent)
    fits = parent is not None and (parent.member, parent.kind, parent.parent) == (member, request.kind, 0)
    if parent is None or not fits or request.key not in (NO_KEY, parent.key):
        return reject(ClearingCode.BAD_PARENT, at, parent=request.parent)
    return None


def _check_empty(context: BlockContext, at: str, account: int) -> Rejected | None:
    if account < OPENED_ACCOUNTS or account == HOUSE_ACCOUNT:
        return reject(ClearingCode.NOT_CLOSABLE, at, account=account)
    state = context.state
    currencies = [cash_currency(group) for group in context.terms.cash_groups]
    currencies += [token_currency(token.id) for token in context.terms.tokens]
    left = {currency: amount for currency in currencies if (amount := balance(state, account, currency))}
    if left:
        currency, amount = next(iter(left.items()))
        return reject(ClearingCode.ACCOUNT_NOT_EMPTY, at, account=account, currency=currency, balance=amount)
    book, pending_trades = state.books.get(account), state.pending_counts.get(account) or 0
    positions, children = len(book.lots) if book else 0, len(state.accounts[account].children)
    pending = _pending_items(context, account)
    if positions or pending_trades or children or pending:
        counts = {"positions": positions, "held": pending_trades, "children": children, "pending": pending}
        return reject(ClearingCode.ACCOUNT_NOT_EMPTY, at, account=account, **counts)
    return None


def _pending_items(context: BlockContext, account: int) -> int:
    """How many processes of the account are open: soft credit, a restriction, calls, a liquidation, auction orders,
    delayed withdrawals, gains that open defaults may need."""
    state = context.state
    loans = sum((account, group) in state.loans for group in context.terms.cash_groups)
    orders = sum((instrument, account) in state.auction_orders for instrument in context.terms.instruments)
    waiting = len(delayed_withdrawals_of(state, account))
    gains = sum((number, account) in state.gains_liabilities for number, _ in defaults_under_way(state))
    calls = gains + (account in state.cash_calls) + (account in state.margin_calls) + (account in state.liquidations)
    return loans + orders + waiting + calls + (account in state.restrictions)


def _set_children(context: BlockContext, account: int, children: tuple[int, ...]) -> None:
    record = context.state.accounts[account]
    context.state.accounts.put(account, msgspec.structs.replace(record, children=children))
