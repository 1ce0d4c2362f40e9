"""Swaps of claims by signed agreement: a token on one chain for it on another, or a cash group's claim for a token.

Rule: both sides signed the same words; each gives what is its own and covers initial margin with what it gets. No
inventory moves, so no chain and no fee is concerned.
"""

from clearing.accounts.lifecycle import check_client_money
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.codes import ClearingCode, reject
from clearing.collateral.receipts import ClaimsSwapped
from clearing.collateral.requests import ClaimSwap
from clearing.default.status import check_member
from clearing.gates.deficits import check_reserve
from clearing.ledger import token_currency
from clearing.requests import check_account, check_nonce, check_owner, check_time, use_nonce
from clearing.run import Run
from clearing.transfers import TransferCode
from clearing.withdrawals import check_leaving

AT = "claim_swap"


def swap(run: Run, index: int, request: ClaimSwap) -> Rejected | None:
    """Exchange two claims, or refuse and change nothing."""
    given = (request.given_currency, request.given_units)
    taken = (request.taken_currency, request.taken_units)
    refusal = (
        _check_form(run, request)
        or _check_clients(run, request)
        or check_member(run, AT, request.account)
        or check_member(run, AT, request.recipient)
        or check_leaving(run, AT, request.account, *given, gains=taken)
        or check_leaving(run, AT, request.recipient, *taken, gains=given)
        or check_reserve(run, AT, request.account, given, (taken[0], -taken[1]))
        or check_reserve(run, AT, request.recipient, taken, (given[0], -given[1]))
    )
    if refusal is not None:
        return refusal
    use_nonce(run, request.account, request.nonce)
    code, cause = TransferCode.CLAIM_SWAPPED, request.nonce
    run.journal.transfer(request.account, request.recipient, *given, code, cause)
    run.journal.transfer(request.recipient, request.account, *taken, code, cause)
    run.touched.update((request.account, request.recipient))
    run.receipts.append(ClaimsSwapped(index, request.account, request.recipient, *given, *taken))
    return None


def _check_clients(run: Run, request: ClaimSwap) -> Rejected | None:
    """A member does not swap with its own clients behind their backs."""
    accounts = run.state.accounts
    if accounts[request.account].member != accounts[request.recipient].member:
        return None
    return check_client_money(run, AT, request.account, request.recipient) or check_client_money(
        run, AT, request.recipient, request.account
    )


def _check_form(run: Run, request: ClaimSwap) -> Rejected | None:
    known = {*run.terms.cash_groups, *(token_currency(token.id) for token in run.terms.tokens)}
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
    digest = request.digest(run.terms.network)
    return (
        check_time(run, AT, request.not_after_ms)
        or check_account(run, AT, request.account)
        or check_account(run, AT, request.recipient)
        or check_nonce(run, AT, request.account, request.nonce)
        or check_owner(run, AT, request.account, digest, request.signature)
        or check_owner(run, AT, request.recipient, digest, request.recipient_signature)
    )
