"""Transfers between accounts: cash and tokens of one member, and swaps of claims between two accounts.

Rule: a transfer passes the checks of a withdrawal: the account owns the money, and initial margin is covered
afterwards. Inflow that waits goes along. A swap needs both signatures over the same digest. Each side gives its own
money, none that waits, and covers initial margin with what it receives. No inventory moves, so no chain and no fee is
involved.
"""

from clearing.accounts.lifecycle import check_segregation
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.collateral.cash_tokens import current_asset
from clearing.context.block_context import BlockContext, ValueMoved
from clearing.context.member_status import check_member_active, check_member_reducing
from clearing.context.request_checks import check_request, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import CashTransferred, TokensTransferred
from clearing.schema.receipts.collateral import ClaimsSwapped
from clearing.schema.requests.accounts import CashTransfer, ClaimSwap, TokenTransfer
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import market_value
from clearing.state.ledger import cash_currency, token_currency
from clearing.trades.balance_limits import check_received
from clearing.withdrawals.deficit_reserve import check_deficit_reserve
from clearing.withdrawals.inflow_delay import carry_inflow, check_inflow, equities_before
from clearing.withdrawals.permission import check_can_leave


def transfer_cash(context: BlockContext, index: int, request: CashTransfer) -> Rejected | None:
    """Move cash, or refuse and change nothing."""
    at, group, micros = "cash_transfer", request.cash_group, request.micros
    if group not in context.terms.cash_groups:
        return reject(ClearingCode.UNKNOWN_CASH_GROUP, at, cash_group=group)
    if not 0 < micros <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, micros=micros)
    refusal = _transfer(context, at, request, cash_currency(group), micros, TransferCode.CASH_TRANSFER)
    if refusal is not None:
        return refusal
    context.receipts.append(CashTransferred(index, request.account, request.recipient, group, micros, request.nonce))
    return None


def transfer_tokens(context: BlockContext, index: int, request: TokenTransfer) -> Rejected | None:
    """Move tokens, or refuse and change nothing."""
    at, units = "token_transfer", request.units
    asset = context.terms.assets.get(request.asset)
    if asset is None or current_asset(context.state, asset).is_cash:
        return reject(ClearingCode.UNKNOWN_ASSET, at, asset=request.asset)
    if not 0 < units <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, units=units)
    refusal = _transfer(context, at, request, token_currency(asset.id), units, TransferCode.TOKEN_TRANSFER)
    if refusal is not None:
        return refusal
    context.receipts.append(
        TokensTransferred(index, request.account, request.recipient, asset.id, units, request.nonce)
    )
    return None


def _transfer(
    context: BlockContext,
    at: str,
    request: CashTransfer | TokenTransfer,
    currency: int,
    amount: int,
    code: TransferCode,
) -> Rejected | None:
    """Check both accounts and the request, then move `amount` of a currency."""
    account, recipient = request.account, request.recipient
    if account == recipient:
        return reject(ClearingCode.SAME_ACCOUNT, at, account=account)
    refusal = check_request(context, at, request)
    if refusal is not None:
        return refusal
    owners = [context.state.accounts[side].member for side in (account, recipient)]
    if owners[0] != owners[1]:
        return reject(ClearingCode.NOT_OWN_ACCOUNT, at, member=owners[0], recipient=owners[1])
    giver, taker = (context.state.accounts[side] for side in (account, recipient))
    # A client with a key may withdraw its money whatever its member's status. So an inactive member may not pay it.
    to_keyed_client = giver.kind is AccountKind.HOUSE and any(taker.key)
    check_giver = check_member_active if to_keyed_client else check_member_reducing
    within = giver.kind is AccountKind.HOUSE and taker.kind is AccountKind.HOUSE
    refusal = (
        check_segregation(context, at, account, recipient)
        or check_giver(context, at, account)
        or check_received(context, at, recipient, currency, amount)
        or check_can_leave(context, at, account, currency, amount)
        or check_deficit_reserve(context, at, account, (currency, amount), own_transfer=within, paid_into=recipient)
    )
    if refusal is not None:
        return refusal
    use_nonce(context, account, request.nonce)
    moved = market_value(context.state, currency, amount)
    context.values_moved.append(ValueMoved(account, recipient, moved, own=True))
    before = equities_before(context, account, recipient)
    context.journal.transfer(account, recipient, currency, amount, code, request.nonce)
    carry_inflow(context, account, recipient, before)
    context.touched_accounts.update((account, recipient))
    return None


AT = "claim_swap"


def swap_claims(context: BlockContext, index: int, request: ClaimSwap) -> Rejected | None:
    """Exchange two claims, or refuse and change nothing."""
    given = (request.given_currency, request.given_units)
    taken = (request.taken_currency, request.taken_units)
    refusal = (
        _check_swap(context, request)
        or _check_clients(context, request)
        or check_member_active(context, AT, request.account)
        or check_member_active(context, AT, request.recipient)
        or check_received(context, AT, request.account, *taken)
        or check_received(context, AT, request.recipient, *given)
        or check_can_leave(context, AT, request.account, *given, gains=taken)
        or check_can_leave(context, AT, request.recipient, *taken, gains=given)
        or check_deficit_reserve(context, AT, request.account, given, (taken[0], -taken[1]))
        or check_deficit_reserve(context, AT, request.recipient, taken, (given[0], -given[1]))
        or check_inflow(context, AT, request.account, given)
        or check_inflow(context, AT, request.recipient, taken)
    )
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    moved = market_value(context.state, *given) - market_value(context.state, *taken)
    context.values_moved.append(ValueMoved(request.account, request.recipient, moved, own=False))
    code, cause = TransferCode.CLAIM_SWAPPED, request.nonce
    context.journal.transfer(request.account, request.recipient, *given, code, cause)
    context.journal.transfer(request.recipient, request.account, *taken, code, cause)
    context.touched_accounts.update((request.account, request.recipient))
    context.receipts.append(ClaimsSwapped(index, request.account, request.recipient, *given, *taken))
    return None


def _check_clients(context: BlockContext, request: ClaimSwap) -> Rejected | None:
    """A swap between a member and its own clients must respect segregation."""
    accounts = context.state.accounts
    if accounts[request.account].member != accounts[request.recipient].member:
        return None
    return check_segregation(context, AT, request.account, request.recipient) or check_segregation(
        context, AT, request.recipient, request.account
    )


def _check_swap(context: BlockContext, request: ClaimSwap) -> Rejected | None:
    known = {*context.terms.cash_groups, *(token_currency(token.id) for token in context.terms.tokens)}
    for currency, units in (
        (request.given_currency, request.given_units),
        (request.taken_currency, request.taken_units),
    ):
        if currency not in known:
            return reject(ClearingCode.UNKNOWN_CURRENCY, AT, currency=currency)
        if not 0 < units <= MONEY_MAX:
            return reject(ClearingCode.BAD_SIZE, AT, units=units)
    if request.given_currency == request.taken_currency:
        return reject(ClearingCode.UNKNOWN_CURRENCY, AT, currency=request.taken_currency, why="given and taken")
    if request.account == request.recipient:
        return reject(ClearingCode.SAME_ACCOUNT, AT, account=request.account)
    return check_request(context, AT, request)
