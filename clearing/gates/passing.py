"""What becomes of withdrawals that wait: released when their time has come, taken back by their owner, or called back.

Rule: at its time a withdrawal has to pass the same gates as one that is asked for then, but for its size: the account
covers its initial margin without it. One that does not pass is tried again for as long as genesis says, and given back
then. While it waits, an account that falls below its initial margin gets back what it needs, the newest first, before
it is called, and one of a defaulter gets back everything. A token beyond its band comes back only once it is judged,
but in a default: else its owner would hand its loss to the group.
"""

from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.chains import chain_is_live
from clearing.codes import ClearingCode, reject
from clearing.collateral.listing import asset_now, is_suspect, is_suspended
from clearing.default.status import check_member_leaving, is_in_default
from clearing.gates.deficits import check_reserve, forget_taken_out, note_back, worths
from clearing.gates.giving_back import give_back
from clearing.gates.rates import forget_windows
from clearing.gates.receipts import GivenBackWhy
from clearing.gates.records import Waiting
from clearing.gates.requests import WithdrawalCancellation
from clearing.gates.unpaid import give_back_unpaid
from clearing.gates.waiting import dequeue
from clearing.governance.leaving import is_leaving
from clearing.holdings import arrays_of, holdings_of, margin_of, surely_margined
from clearing.ledger import can_hold, currency_of
from clearing.receipts import WithdrawalReleased
from clearing.requests import check_account, check_nonce, check_owner, check_time, use_nonce
from clearing.run import Run
from clearing.withdrawals import check_leaving

AT = "withdrawal_cancellation"


def cancel_withdrawal(run: Run, _: int, request: WithdrawalCancellation) -> Rejected | None:
    """Give a withdrawal that waits back to its account, at its owner's word."""
    refusal = (
        check_time(run, AT, request.not_after_ms)
        or check_account(run, AT, request.account)
        or check_nonce(run, AT, request.account, request.nonce)
        or check_owner(run, AT, request.account, request.digest(run.terms.network), request.signature)
    )
    if refusal is not None:
        return refusal
    waiting = run.state.waiting.get(request.number)
    if waiting is None or waiting.account != request.account:
        return reject(ClearingCode.NO_SUCH_WAITING_WITHDRAWAL, AT, account=request.account, number=request.number)
    if is_suspect(run.state, waiting.asset):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, AT, asset=waiting.asset)
    use_nonce(run, request.account, request.nonce)
    _take_back(run, request.number, waiting, GivenBackWhy.CANCELLED)
    return None


def call_back(run: Run) -> None:
    """Before calls: what waits of accounts below initial margin comes back, the newest first, until it is covered."""
    by_account: dict[int, list[tuple[int, Waiting]]] = {}
    for number, waiting in run.state.waiting.ordered():
        if is_in_default(run.state, waiting.account):
            _take_back(run, number, waiting, GivenBackWhy.DEFAULT)
        elif not is_suspect(run.state, waiting.asset):
            by_account.setdefault(waiting.account, []).append((number, waiting))
    for account in sorted(by_account):
        queue = by_account[account]
        while queue and not _is_covered(run, account):
            _take_back(run, *queue.pop(), GivenBackWhy.MARGIN)


def call_back_all(run: Run, accounts: tuple[int, ...]) -> None:
    """Give everything back that waits of these accounts: one of them has just failed."""
    for number, waiting in list(run.state.waiting.ordered()):
        if waiting.account in accounts:
            _take_back(run, number, waiting, GivenBackWhy.DEFAULT)


def call_back_from(run: Run, chain_id: int, vault: bytes) -> None:
    """Give everything back that waits for a vault which is about to pay nothing more; it was never promised there.

    A token beyond its band stays what its owner asked for: its loss is not the group's.
    """
    for number, waiting in list(run.state.waiting.ordered()):
        asset = run.terms.assets[waiting.asset]
        if (asset.chain_id, asset.vault) == (chain_id, vault) and not is_suspect(run.state, asset.id):
            _take_back(run, number, waiting, GivenBackWhy.LAPSED, int(ClearingCode.VAULT_LEAVES))


def tend_gates(run: Run) -> None:
    """Before releases: what was not paid comes back, what has waited long enough is let go, old counts are dropped."""
    give_back_unpaid(run)
    forget_windows(run)
    forget_taken_out(run)
    let_go, grace = [], run.terms.genesis.crisis.gates.waiting_grace_blocks
    for number, waiting in list(run.state.waiting.ordered()):
        if run.block.height < waiting.due_height:
            continue
        refusal = check_passing(run, waiting)
        if refusal is None:
            dequeue(run, number, waiting, taken_back=False)
            let_go.append(_released(run, waiting))
        elif run.block.height >= waiting.due_height + grace and not is_suspect(run.state, waiting.asset):
            _take_back(run, number, waiting, GivenBackWhy.LAPSED, int(refusal.code))
    run.accepted[:0] = let_go


def check_passing(run: Run, waiting: Waiting) -> Rejected | None:
    """The gates of a withdrawal that has left its account already."""
    at, account = "withdrawal", waiting.account
    asset = asset_now(run.state, run.terms.assets[waiting.asset])
    if not can_hold(run.state, account):
        return reject(ClearingCode.UNKNOWN_ACCOUNT, at, account=account)
    if asset.is_cash and is_suspended(run.state, asset.cash_group):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, at, cash_group=asset.cash_group)
    if not chain_is_live(run, run.terms.chains[asset.chain_id]):
        return reject(ClearingCode.CHAIN_SILENT, at, chain_id=asset.chain_id)
    if is_leaving(run.state, asset.chain_id, asset.vault):
        return reject(ClearingCode.VAULT_LEAVES, at, chain_id=asset.chain_id, vault=asset.vault)
    return (
        check_member_leaving(run, at, account)
        or check_leaving(run, at, account, currency_of(asset), 0)
        or check_reserve(run, at, account)
    )


def _is_covered(run: Run, account: int) -> bool:
    held, arrays = holdings_of(run.state, account), arrays_of(run.state)
    if not any(held.lots) and all(claim >= 0 for claim in held.cash):
        return True
    return surely_margined(arrays, held) or margin_of(arrays, held).initial_ok


def _take_back(run: Run, number: int, waiting: Waiting, why: GivenBackWhy, code: int = 0) -> None:
    dequeue(run, number, waiting, taken_back=True)
    amount = int.from_bytes(waiting.amount, "big")
    before, _ = worths(run, waiting.account)
    give_back(run, number, waiting.account, waiting.asset, amount, why, code)
    note_back(run, waiting.account, before, waiting.accepted_height)


def _released(run: Run, waiting: Waiting) -> WithdrawalReleased:
    asset = asset_now(run.state, run.terms.assets[waiting.asset])
    amount = int.from_bytes(waiting.amount, "big")
    return WithdrawalReleased(
        nonce=0,
        account=waiting.account,
        asset=asset.id,
        units=asset.to_units(amount)[0],
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        to=waiting.to,
        amount=u256(amount),
        not_after_s=(run.time_ms + run.terms.market.withdrawal_valid_ms) // 1000,
    )
