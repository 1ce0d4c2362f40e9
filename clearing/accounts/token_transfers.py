"""Collateral tokens between two accounts of one member.

Rule: as for cash: what leaves is the account's own, and initial margin is covered afterwards.
"""

from clearing.accounts.lifecycle import check_client_money
from clearing.accounts.requests import TokenTransfer
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.codes import ClearingCode, reject
from clearing.collateral.listing import asset_now
from clearing.ledger import token_currency
from clearing.receipts import TransferCode
from clearing.requests import check_account, check_nonce, check_owner, check_time, use_nonce
from clearing.run import Run
from clearing.trades.receipts import TokensTransferred
from clearing.withdrawals import check_leaving

AT = "token_transfer"


def transfer_tokens(run: Run, index: int, request: TokenTransfer) -> Rejected | None:
    """Move tokens, or refuse and change nothing."""
    asset = run.terms.assets.get(request.asset)
    if asset is None or asset_now(run.state, asset).is_cash:
        return reject(ClearingCode.UNKNOWN_ASSET, AT, asset=request.asset)
    if not 0 < request.units <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, AT, units=request.units)
    if request.account == request.recipient:
        return reject(ClearingCode.SAME_ACCOUNT, AT, account=request.account)
    refusal = (
        check_time(run, AT, request.not_after_ms)
        or check_account(run, AT, request.account)
        or check_account(run, AT, request.recipient)
        or check_nonce(run, AT, request.account, request.nonce)
        or check_owner(run, AT, request.account, request.digest(run.terms.network), request.signature)
    )
    if refusal is not None:
        return refusal
    owners = [run.state.accounts[each].member for each in (request.account, request.recipient)]
    if owners[0] != owners[1]:
        return reject(ClearingCode.NOT_OWN_ACCOUNT, AT, member=owners[0], recipient=owners[1])
    currency = token_currency(asset.id)
    refusal = check_client_money(run, AT, request.account, request.recipient) or check_leaving(
        run, AT, request.account, currency, request.units
    )
    if refusal is not None:
        return refusal
    use_nonce(run, request.account, request.nonce)
    code = TransferCode.TOKEN_TRANSFER
    run.journal.transfer(request.account, request.recipient, currency, request.units, code, request.nonce)
    run.touched.update((request.account, request.recipient))
    run.receipts.append(
        TokensTransferred(index, request.account, request.recipient, asset.id, request.units, request.nonce)
    )
    return None
