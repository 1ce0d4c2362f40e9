"""Cash calls: an account that owes more cash than the limit gets a deadline, then its collateral is sold.

Rule: while equity covers maintenance margin:

1. Nothing is sold before the deadline.
2. Then members may buy collateral in a Dutch auction, whose price falls block by block from the value without haircut
   to the value after haircut.
3. For what is still owed the house buys collateral after haircut.

Nobody buys on credit or more than settles the debt. An account below maintenance margin gets no time.
"""

from collections.abc import Sequence

import msgspec

from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX, PPM, mul_div_up
from clearing.collateral.cash_tokens import current_asset, is_cash_group_suspended
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active
from clearing.context.request_checks import check_request, use_nonce
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.collateral import AuctionOpened, CashCalled, CashCallMet, CollateralSold
from clearing.schema.records.collateral import CashCallRecord
from clearing.schema.records.prices import FeedStatus
from clearing.schema.requests.auctions import CollateralBid
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.collateral import CashCallTerms
from clearing.schema.transfers import TransferCode
from clearing.state.effective_parameters import effective_asset
from clearing.state.holdings import Holdings
from clearing.state.ledger import balance, cash_currency, token_currency
from clearing.state.state import State
from clearing.withdrawals.deficit_reserve import check_commitments
from clearing.withdrawals.permission import check_can_leave


def exceeds_cash_limit(context: BlockContext, cash: Sequence[int]) -> bool:
    """Whether any claim is below the cash limit of an account."""
    limit = context.terms.risk.cash_limit_micros
    return any(claim < -limit for claim in cash)


def advance_cash_call(context: BlockContext, account: int, holdings: Holdings) -> bool:
    """Advance the account's cash call by a block. Returns whether it still has time to bring or raise cash.

    Called once a block for every account that owes too much.
    """
    terms = _call_terms(context, holdings.cash)
    if not terms.deadline_blocks:
        return False
    height = context.block.height
    call = context.state.cash_calls.get(account)
    if call is None:
        call = CashCallRecord(height, height + terms.deadline_blocks)
        context.state.cash_calls.put(account, call)
        context.receipts.append(CashCalled(account, _cash_owed(context, holdings.cash), call.deadline_height))
    if height < call.deadline_height:
        return True
    if not call.auction_height and terms.auction_blocks and any(holdings.tokens):
        owed = sum(micros for _, micros in _cash_owed(context, holdings.cash))
        call = CashCallRecord(call.opened_height, call.deadline_height, height + 1, owed)
        context.state.cash_calls.put(account, call)
        context.receipts.append(AuctionOpened(account, height + 1, height + terms.auction_blocks))
    return call.auction_height != 0 and height < call.auction_height + terms.auction_blocks - 1


def end_met_cash_calls(context: BlockContext) -> None:
    """End the calls of accounts that are within the limit again, for whatever reason."""
    for account, _ in list(context.state.cash_calls.ordered()):
        if not exceeds_cash_limit(
            context,
            [balance(context.state, account, cash_currency(cash_group)) for cash_group in context.terms.cash_groups],
        ):
            context.state.cash_calls.remove(account)
            context.receipts.append(CashCallMet(account))


def _call_terms(context: BlockContext, cash: Sequence[int]) -> CashCallTerms:
    """The call terms with the shortest deadline among the groups in which too much is owed."""
    limit = context.terms.risk.cash_limit_micros
    owing = [group.call for group, claim in zip(context.terms.cash_terms.values(), cash, strict=True) if claim < -limit]
    return min(owing, key=lambda terms: terms.deadline_blocks, default=CashCallTerms())


def _cash_owed(context: BlockContext, cash: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple((group, -claim) for group, claim in zip(context.terms.cash_groups, cash, strict=True) if claim < 0)


AT = "collateral_bid"


def bid_for_collateral(context: BlockContext, index: int, request: CollateralBid) -> Rejected | None:
    """Fill the bid at `index` of the block at the auction's price, or refuse it and change nothing."""
    refusal = _check_bid(context, request)
    if refusal is not None:
        return refusal
    call = context.state.cash_calls.get(request.seller)
    owed = -balance(context.state, request.seller, cash_currency(request.cash_group))
    if call is None or not is_sale_open(context.state, call, request.cash_group, context.block.height) or owed <= 0:
        return reject(ClearingCode.NO_SUCH_AUCTION, AT, seller=request.seller, cash_group=request.cash_group)
    token = current_asset(context.state, context.terms.assets[request.asset])
    price = auction_price(context.state, call, request.cash_group, token, context.block.height)
    seller_units = balance(context.state, request.seller, token_currency(token.id))
    if not price or not seller_units:
        return reject(ClearingCode.NOTHING_FOR_SALE, AT, seller=request.seller, asset=token.id)
    if request.micros_per_unit < price:
        return reject(ClearingCode.BID_BELOW_PRICE, AT, micros_per_unit=request.micros_per_unit, price=price)
    units = min(request.units, units_for_sale(context.state, call, request.seller, request.cash_group, token, price))
    paid = units * price
    gains = (token_currency(token.id), units)
    leaves = (cash_currency(request.cash_group), paid)
    refusal = check_can_leave(context, AT, request.account, *leaves, gains) or check_commitments(
        context, AT, request.account, leaves, (gains[0], -units)
    )
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    _fill_bid(context, index, request, units, price)
    return None


def _check_bid(context: BlockContext, request: CollateralBid) -> Rejected | None:
    if (
        request.asset not in context.terms.assets
        or current_asset(context.state, context.terms.assets[request.asset]).is_cash
    ):
        return reject(ClearingCode.UNKNOWN_ASSET, AT, asset=request.asset)
    if request.cash_group not in context.terms.cash_groups:
        return reject(ClearingCode.UNKNOWN_CASH_GROUP, AT, cash_group=request.cash_group)
    if not 0 < request.units <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, AT, units=request.units)
    if is_cash_group_suspended(context.state, request.cash_group):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, AT, cash_group=request.cash_group)
    if request.account == request.seller:
        return reject(ClearingCode.SAME_ACCOUNT, AT, account=request.account)
    return check_request(context, AT, request) or check_member_active(context, AT, request.account)


def is_sale_open(state: State, call: CashCallRecord, group: int, height: int) -> bool:
    """Whether the account's collateral is for sale in the block at `height`."""
    blocks = state.terms.cash_terms[group].call.auction_blocks
    return call.auction_height != 0 and call.auction_height <= height < call.auction_height + blocks


def auction_price(state: State, call: CashCallRecord, group: int, token: Asset, height: int) -> int:
    """Micros a unit in that block, rounded down but never below the value after haircut; 0 without open prices."""
    feeds = [state.feeds.get(feed) for feed in token.feeds]
    if any(feed is None or feed.status != FeedStatus.OPEN for feed in feeds):
        return 0
    index = state.feeds[token.feed].ticks
    counted = effective_asset(state, token)
    whole = msgspec.structs.replace(counted.at_best, rate_ticks=counted.rate_ticks)
    first, last = unit_value_after_haircut(whole, index), unit_value_after_haircut(counted, index)
    elapsed = height - call.auction_height
    return first - -(-(first - last) * elapsed // state.terms.cash_terms[group].call.auction_blocks)


def units_for_sale(state: State, call: CashCallRecord, seller: int, group: int, token: Asset, price: int) -> int:
    """The most units that one bid may buy at a price: a slice, the balance, and what settles the debt."""
    owed = max(-balance(state, seller, cash_currency(group)), 0)
    slice_units = mul_div_up(-(-call.auction_owed // price), state.terms.cash_terms[group].call.slice_ppm, PPM)
    return min(balance(state, seller, token_currency(token.id)), -(-owed // price), slice_units)


def _fill_bid(context: BlockContext, index: int, request: CollateralBid, units: int, price: int) -> None:
    seller, buyer = request.seller, request.account
    paid, currency = units * price, cash_currency(request.cash_group)
    token = token_currency(request.asset)
    context.journal.transfer(seller, buyer, token, units, TransferCode.COLLATERAL_AUCTIONED, seller)
    context.journal.transfer(buyer, seller, currency, paid, TransferCode.AUCTION_PAID, seller)
    context.touched_accounts.update((seller, buyer))
    context.receipts.append(CollateralSold(index, seller, buyer, request.asset, request.cash_group, units, price, paid))
