"""Withdrawals: asked for, gated, released into the withdrawals tree, confirmed when the vault has paid.

Rule: what is accepted leaves the account at once, so nothing can be withdrawn twice or count as collateral meanwhile.
A withdrawal needs initial margin afterwards, the account's own positive balance, and the inventory of its chain; it may
have to wait (`clearing.gates`) before it is released.
"""

import msgspec

from clearing.assets import Asset
from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX
from clearing.chains import chain_is_live
from clearing.codes import ClearingCode, reject
from clearing.collateral.listing import asset_now, is_suspended
from clearing.collateral.requests import LimitedWithdrawal
from clearing.collateral.restrictions import check_restricted
from clearing.collateral.skew import fee_of, settle_fee
from clearing.collateral.soft_credit import lent
from clearing.default.status import check_member_leaving
from clearing.gates.deficits import check_reserve, note_taken_out, worths
from clearing.gates.giving_back import count_released
from clearing.gates.rates import check_rate, gate_of, in_genesis_units, must_wait, note_use
from clearing.gates.waiting import check_queue, enqueue
from clearing.governance.leaving import is_leaving
from clearing.holdings import add_units, arrays_of, feed_status, feeds_of, holdings_of, margin_of
from clearing.ledger import balance, currency_of, external_account, held
from clearing.prices.degradation import is_dead
from clearing.prices.receipts import FeedStatus
from clearing.receipts import WithdrawalReleased
from clearing.requests import check_account, check_nonce, check_owner, check_time, owner_key, use_nonce
from clearing.run import Run
from clearing.state.records import Released
from clearing.state.state import State
from clearing.transactions import Withdrawal
from clearing.transfers import TransferCode
from clearing.withdrawals_tree import append, leaf_hash, proof_nodes


def request_withdrawal(run: Run, request: Withdrawal | LimitedWithdrawal) -> Rejected | None:
    """Accept or refuse one request; accepted, it is released at the end of the block."""
    at = "withdrawal"
    listed = run.terms.assets.get(request.asset)
    if listed is None:
        return reject(ClearingCode.UNKNOWN_ASSET, at, asset=request.asset)
    asset = asset_now(run.state, listed)
    if not 0 < request.units <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, units=request.units)
    if not any(request.to):
        return reject(ClearingCode.BAD_RECIPIENT, at, to=request.to)
    fee = fee_of(run, asset, -request.units) if asset.is_cash else 0
    leaving = currency_of(asset), request.units + max(fee, 0)
    refusal = (
        check_time(run, at, request.not_after_ms)
        or check_account(run, at, request.account)
        or check_nonce(run, at, request.account, request.nonce)
        or check_owner(run, at, request.account, request.digest(run.terms.network), request.signature)
        or check_member_leaving(run, at, request.account)
        or check_leaving(run, at, request.account, *leaving)
        or check_reserve(run, at, request.account, leaving)
        or _check_group(run, at, asset)
    )
    if refusal is not None:
        return refusal
    inventory = held(run.state, asset)
    if request.units > inventory:
        return reject(ClearingCode.CHAIN_INVENTORY_TOO_SMALL, at, units=request.units, inventory=inventory)
    if not chain_is_live(run, run.terms.chains[asset.chain_id]):
        return reject(ClearingCode.CHAIN_SILENT, at, chain_id=asset.chain_id)
    if is_leaving(run.state, asset.chain_id, asset.vault):
        return reject(ClearingCode.VAULT_LEAVES, at, chain_id=asset.chain_id, vault=asset.vault)
    if isinstance(request, LimitedWithdrawal) and fee > request.fee_max:
        return reject(ClearingCode.FEE_ABOVE_LIMIT, at, fee=fee, limit=request.fee_max)
    gate, owner = gate_of(run, asset.id), owner_key(run.state, request.account)
    size = in_genesis_units(run, asset, request.units)
    waits = gate is not None and must_wait(run, gate, owner, size)
    refusal = (check_rate(run, at, gate, owner, size) if gate else None) or (
        check_queue(run, at, request.account, owner) if waits else None
    )
    if refusal is not None:
        return refusal
    _take_out(run, request, asset, fee)
    if gate is not None and waits:
        enqueue(run, gate, owner, request.account, asset, request.units, request.to, request.nonce)
    else:
        run.accepted.append(_released(run, request, asset))
    if gate is not None:
        note_use(run, gate, owner, size, prompt=not waits)
    return None


def _take_out(run: Run, request: Withdrawal | LimitedWithdrawal, asset: Asset, fee: int) -> None:
    """Let the money leave its account for the vault to pay."""
    before = worths(run, request.account)
    use_nonce(run, request.account, request.nonce)
    run.journal.transfer(
        request.account,
        external_account(asset.id),
        currency_of(asset),
        request.units,
        TransferCode.WITHDRAWAL,
        request.nonce,
    )
    settle_fee(run, request.account, asset, -request.units, fee, request.nonce)
    count_released(run, asset.id, asset.to_amount(request.units))
    note_taken_out(run, request.account, before)
    run.touched.add(request.account)


def _released(run: Run, request: Withdrawal | LimitedWithdrawal, asset: Asset) -> WithdrawalReleased:
    return WithdrawalReleased(
        nonce=0,
        account=request.account,
        asset=asset.id,
        units=request.units,
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        to=request.to,
        amount=u256(asset.to_amount(request.units)),
        not_after_s=(run.time_ms + run.terms.market.withdrawal_valid_ms) // 1000,
    )


def _check_group(run: Run, at: str, asset: Asset) -> Rejected | None:
    """Nothing is withdrawn of a cash group while a token of it is beyond its band: no one may gain by being quick."""
    if asset.is_cash and is_suspended(run.state, asset.cash_group):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, at, cash_group=asset.cash_group)
    return None


def check_leaving(
    run: Run, at: str, account: int, currency: int, units: int, gains: tuple[int, int] | None = None
) -> Rejected | None:
    """Whether an account may let go of `units` of a currency: its own, and initial margin covered afterwards.

    `gains`: (currency, units) of what comes in for it at once. Soft credit is not the account's own and covers nothing
    that leaves. With positions, every price that the account depends on must be open; without, collateral is simply its
    own.
    """
    refusal = check_restricted(run, at, account)
    if refusal is not None:
        return refusal
    have = balance(run.state, account, currency)
    if have < units:
        return reject(ClearingCode.BALANCE_TOO_SMALL, at, units=units, balance=have)
    after = holdings_of(run.state, account)
    add_units(run.state, after, currency, -units)
    if gains is not None:
        add_units(run.state, after, *gains)
    if account != HOUSE_ACCOUNT:
        for index, group in enumerate(run.terms.cash_groups):
            loan = lent(run.state, account, group)
            if group == currency and have - loan < units:
                return reject(ClearingCode.SOFT_CREDIT_IS_LENT, at, units=units, balance=have, lent=loan)
            after.cash[index] -= loan
    if not any(after.lots) and all(claim >= 0 for claim in after.cash):
        return None
    for feed in sorted(feeds_of(run.state, after)):
        # What a dead feed prices counts for nothing and cannot get worse; waiting for it would freeze everything else.
        if (status := feed_status(run.state, feed)) != FeedStatus.OPEN and not is_dead(run.state, feed):
            return reject(ClearingCode.PRICE_NOT_OPEN, at, feed=feed, status=status.name)
    margin = margin_of(arrays_of(run.state), after)
    if not margin.initial_ok:
        return reject(
            ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, at, account=account, equity=margin.equity, initial=margin.initial
        )
    return None


def release(run: Run) -> None:
    """Step 7: what was accepted enters the tree, in order of acceptance."""
    nonce = withdrawals_count(run.state)
    for accepted in run.accepted:
        leaf = leaf_hash(
            accepted.chain_id,
            accepted.vault,
            nonce,
            accepted.token,
            accepted.to,
            int.from_bytes(accepted.amount, "big"),
            accepted.not_after_s,
        )
        released = Released(
            account=accepted.account,
            asset=accepted.asset,
            units=accepted.units,
            chain_id=accepted.chain_id,
            vault=accepted.vault,
            token=accepted.token,
            to=accepted.to,
            amount=accepted.amount,
            not_after_s=accepted.not_after_s,
            leaf=leaf,
        )
        run.state.withdrawals.put(nonce, released)
        append(run.state, nonce, leaf)
        run.receipts.append(msgspec.structs.replace(accepted, nonce=nonce))
        nonce += 1
    clock = run.state.now
    run.state.clock.put(0, msgspec.structs.replace(clock, withdrawals=nonce))


def withdrawals_count(state: State) -> int:
    """How many withdrawals were released so far: the nonce of the next."""
    return state.now.withdrawals


def confirm(state: State, nonce: int) -> None:
    """Note that a released withdrawal was seen executed."""
    state.withdrawals.put(nonce, msgspec.structs.replace(state.withdrawals[nonce], executed=True))


def withdrawal_proof(state: State, nonce: int) -> tuple[Released, tuple[bytes, ...]] | None:
    """A released withdrawal and the 32 siblings of its leaf against this state's root; None when there is none."""
    released = state.withdrawals.get(nonce)
    return None if released is None else (released, proof_nodes(state, nonce))
