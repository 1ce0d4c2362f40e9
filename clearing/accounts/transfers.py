"""Cash and collateral tokens between two accounts of one member.

Rule: the gates of a withdrawal: what leaves is the account's own, and initial margin is covered afterwards.
"""

from clearing.accounts.kinds import AccountKind
from clearing.accounts.lifecycle import check_client_money
from clearing.accounts.requests import TokenTransfer
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.codes import ClearingCode, reject
from clearing.collateral.listing import asset_now
from clearing.default.status import check_member, check_member_reducing
from clearing.gates.deficits import check_reserve
from clearing.ledger import cash_currency, token_currency
from clearing.receipts import CashTransferred
from clearing.requests import check_account, check_nonce, check_owner, check_time, use_nonce
from clearing.run import Run
from clearing.trades.receipts import TokensTransferred
from clearing.transactions import CashTransfer
from clearing.transfers import TransferCode
from clearing.withdrawals import check_leaving


def transfer_cash(run: Run, index: int, request: CashTransfer) -> Rejected | None:
    """Move cash, or refuse and change nothing."""
    at, group, micros = "cash_transfer", request.cash_group, request.micros
    if group not in run.terms.cash_groups:
        return reject(ClearingCode.UNKNOWN_CASH_GROUP, at, cash_group=group)
    if not 0 < micros <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, micros=micros)
    refusal = _move(run, at, request, cash_currency(group), micros, TransferCode.CASH_TRANSFER)
    if refusal is not None:
        return refusal
    run.receipts.append(CashTransferred(index, request.account, request.recipient, group, micros, request.nonce))
    return None


def transfer_tokens(run: Run, index: int, request: TokenTransfer) -> Rejected | None:
    """Move tokens, or refuse and change nothing."""
    at, units = "token_transfer", request.units
    asset = run.terms.assets.get(request.asset)
    if asset is None or asset_now(run.state, asset).is_cash:
        return reject(ClearingCode.UNKNOWN_ASSET, at, asset=request.asset)
    if not 0 < units <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, units=units)
    refusal = _move(run, at, request, token_currency(asset.id), units, TransferCode.TOKEN_TRANSFER)
    if refusal is not None:
        return refusal
    run.receipts.append(TokensTransferred(index, request.account, request.recipient, asset.id, units, request.nonce))
    return None


def _move(
    run: Run, at: str, request: CashTransfer | TokenTransfer, currency: int, amount: int, code: TransferCode
) -> Rejected | None:
    """Check both accounts and the request, then move `amount` of a currency."""
    account, recipient = request.account, request.recipient
    if account == recipient:
        return reject(ClearingCode.SAME_ACCOUNT, at, account=account)
    refusal = (
        check_time(run, at, request.not_after_ms)
        or check_account(run, at, account)
        or check_account(run, at, recipient)
        or check_nonce(run, at, account, request.nonce)
        or check_owner(run, at, account, request.digest(run.terms.network), request.signature)
    )
    if refusal is not None:
        return refusal
    owners = [run.state.accounts[each].member for each in (account, recipient)]
    if owners[0] != owners[1]:
        return reject(ClearingCode.NOT_OWN_ACCOUNT, at, member=owners[0], recipient=owners[1])
    giver, taker = (run.state.accounts[each] for each in (account, recipient))
    # A client with a key may take its money out whatever its member did: a member that may not, pays it no more.
    out = giver.kind is AccountKind.HOUSE and any(taker.key)
    may_give = check_member if out else check_member_reducing
    within = giver.kind is AccountKind.HOUSE and taker.kind is AccountKind.HOUSE
    refusal = (
        check_client_money(run, at, account, recipient)
        or may_give(run, at, account)
        or check_leaving(run, at, account, currency, amount)
        or check_reserve(run, at, account, (currency, amount), within=within, mends=recipient)
    )
    if refusal is not None:
        return refusal
    use_nonce(run, account, request.nonce)
    run.journal.transfer(account, recipient, currency, amount, code, request.nonce)
    run.touched.update((account, recipient))
    return None
