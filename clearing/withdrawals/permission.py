"""Permission to withdraw: the checks before money may leave an account, and the transfer that takes it out.

Rule: an accepted withdrawal leaves the account at once, so nothing is withdrawn twice or counts as collateral
meanwhile. It needs initial margin afterwards, the account's own positive balance, and the inventory of its chain. The
withdrawal controls may delay it before release. Who signs for the account's money is in
`clearing.context.request_checks`, which members may take money out in `clearing.context.member_status`.
"""

from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX
from clearing.collateral.asset_halts import check_not_halted
from clearing.collateral.cash_tokens import current_asset, is_cash_group_suspended
from clearing.collateral.skew import settle_skew_fee, skew_fee
from clearing.context.block_context import BlockContext
from clearing.context.house_limits import check_ring_fence
from clearing.context.member_status import check_member_leaving, check_restriction
from clearing.context.request_checks import check_request, owner_key, use_nonce
from clearing.prices.stale_options import stale_options
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.requests.withdrawals import LimitedWithdrawal, Withdrawal
from clearing.schema.terms.assets import Asset
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import (
    add_to_holdings,
    current_arrays,
    current_holdings,
    feed_status,
    feeds_of_holdings,
    holdings_margin,
)
from clearing.state.ledger import balance, currency_of, external_account, inventory_units, soft_credit_of
from clearing.validators.chain_attestations import is_chain_live
from clearing.withdrawals.deficit_reserve import check_deficit_reserve, equity_and_total, record_value_withdrawn
from clearing.withdrawals.delay_queue import check_delay_queue, delay_withdrawal
from clearing.withdrawals.detached_vaults import is_detaching
from clearing.withdrawals.inflow_delay import check_inflow
from clearing.withdrawals.rate_limits import (
    check_withdrawal_rate,
    in_genesis_units,
    must_be_delayed,
    record_usage,
    withdrawal_limits,
)
from clearing.withdrawals.refunds import count_released_amount
from clearing.withdrawals.unpriced_tokens import drop_unpriced_tokens, is_priced


def request_withdrawal(context: BlockContext, request: Withdrawal | LimitedWithdrawal) -> Rejected | None:
    """Accept or refuse one request. An accepted one is released at the end of the block, or delayed."""
    at = "withdrawal"
    listed = context.terms.assets.get(request.asset)
    if listed is None:
        return reject(ClearingCode.UNKNOWN_ASSET, at, asset=request.asset)
    asset = current_asset(context.state, listed)
    if not 0 < request.units <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, units=request.units)
    if not any(request.to):
        return reject(ClearingCode.BAD_RECIPIENT, at, to=request.to)
    fee = skew_fee(context, asset, -request.units) if asset.is_cash else 0
    leaving = currency_of(asset), request.units + max(fee, 0)
    refusal = (
        check_request(context, at, request)
        or check_member_leaving(context, at, request.account)
        or check_can_leave(context, at, request.account, *leaving)
        or check_deficit_reserve(context, at, request.account, leaving)
        or check_inflow(context, at, request.account, leaving)
        or check_way_out(context, at, asset, request.units)
    )
    if refusal is not None:
        return refusal
    if isinstance(request, LimitedWithdrawal) and fee > request.fee_max:
        return reject(ClearingCode.FEE_ABOVE_LIMIT, at, fee=fee, limit=request.fee_max)
    limits, owner = withdrawal_limits(context, asset.id), owner_key(context.state, request.account)
    size = in_genesis_units(context, asset, request.units)
    is_delayed = limits is not None and must_be_delayed(context, limits, owner, size)
    refusal = (check_withdrawal_rate(context, at, limits, owner, size) if limits else None) or (
        check_delay_queue(context, at, request.account, owner) if is_delayed else None
    )
    if refusal is not None:
        return refusal
    _debit_account(context, request, asset, fee)
    if limits is not None and is_delayed:
        delay_withdrawal(context, limits, owner, request.account, asset, request.units, request.to, request.nonce)
    else:
        context.accepted_withdrawals.append(
            release_receipt(context, asset, request.account, request.units, request.to, asset.to_amount(request.units))
        )
    if limits is not None:
        record_usage(context, limits, owner, size, prompt=not is_delayed)
    return None


def _debit_account(context: BlockContext, request: Withdrawal | LimitedWithdrawal, asset: Asset, fee: int) -> None:
    """Move the money out of its account, for the vault to pay."""
    before = equity_and_total(context, request.account)
    use_nonce(context, request.account, request.nonce)
    context.journal.transfer(
        request.account,
        external_account(asset.id),
        currency_of(asset),
        request.units,
        TransferCode.WITHDRAWAL,
        request.nonce,
    )
    settle_skew_fee(context, request.account, asset, -request.units, fee, request.nonce)
    count_released_amount(context, asset, asset.to_amount(request.units))
    record_value_withdrawn(context, request.account, before)
    context.touched_accounts.add(request.account)


def release_receipt(
    context: BlockContext, asset: Asset, account: int, units: int, to: bytes, amount: int
) -> WithdrawalReleased:
    """What is released: `units` (clearing units) of the asset, `amount` in its base units; the nonce is given later."""
    return WithdrawalReleased(
        nonce=0,
        account=account,
        asset=asset.id,
        units=units,
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        to=to,
        amount=u256(amount),
        not_after_s=(context.time_ms + context.terms.market.withdrawal_valid_ms) // 1000,
    )


def check_way_out(context: BlockContext, at: str, asset: Asset, units: int = 0) -> Rejected | None:
    """Whether cash group, inventory, chain and vault of an asset let `units` leave; 0 if they have left the ledger.

    No withdrawals from a cash group while one of its tokens is beyond its band: speed must not decide who gains.
    """
    if asset.is_cash and is_cash_group_suspended(context.state, asset.cash_group):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, at, cash_group=asset.cash_group)
    refusal = check_not_halted(context.state, at, asset.id)
    if refusal is not None:
        return refusal
    if units > 0 and units > (inventory := inventory_units(context.state, asset)):
        return reject(ClearingCode.CHAIN_INVENTORY_TOO_SMALL, at, units=units, inventory=inventory)
    if not is_chain_live(context, context.terms.chains[asset.chain_id]):
        return reject(ClearingCode.CHAIN_SILENT, at, chain_id=asset.chain_id)
    if is_detaching(context.state, asset.chain_id, asset.vault):
        return reject(ClearingCode.VAULT_LEAVES, at, chain_id=asset.chain_id, vault=asset.vault)
    return None


def check_can_leave(
    context: BlockContext, at: str, account: int, currency: int, units: int, gains: tuple[int, int] | None = None
) -> Rejected | None:
    """Whether an account may pay out `units` of a currency: its own money, with initial margin covered afterwards.

    `gains`: (currency, units) received at the same time. Soft credit is not the account's own and covers nothing that
    leaves. With positions, all their prices must be open. Tokens without an open price count for nothing: anybody may
    have deposited them. Without positions, all collateral is free.
    """
    refusal = check_restriction(context, at, account)
    if refusal is not None:
        return refusal
    available = balance(context.state, account, currency)
    if available < units:
        return reject(ClearingCode.BALANCE_TOO_SMALL, at, units=units, balance=available)
    after = current_holdings(context.state, account)
    add_to_holdings(context.state, after, currency, -units)
    if gains is not None:
        add_to_holdings(context.state, after, *gains)
    if account == HOUSE_ACCOUNT:
        refusal = check_ring_fence(context.state, at, after, (currency, units))
        if refusal is not None:
            return refusal
    else:
        for index, group in enumerate(context.terms.cash_groups):
            loan = soft_credit_of(context.state, account, group)
            if group == currency and available - loan < units:
                return reject(ClearingCode.SOFT_CREDIT_IS_LENT, at, units=units, balance=available, lent=loan)
            after.cash[index] -= loan
    if not any(after.lots) and all(claim >= 0 for claim in after.cash):
        return None
    unpriced = drop_unpriced_tokens(context.state, after)
    for feed in sorted(feeds_of_holdings(context.state, after)):
        if not is_priced(context.state, feed):
            return _price_not_open(context, at, feed)
    for option in stale_options(context, after):
        return reject(ClearingCode.SURFACE_STALE, at, account=account, instrument=option)
    margin = holdings_margin(current_arrays(context.state), after)
    if not margin.initial_ok:
        if unpriced:
            return _price_not_open(context, at, unpriced)
        return reject(
            ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, at, account=account, equity=margin.equity, initial=margin.initial
        )
    return None


def _price_not_open(context: BlockContext, at: str, feed: int) -> Rejected:
    return reject(ClearingCode.PRICE_NOT_OPEN, at, feed=feed, status=feed_status(context.state, feed).name)
