"""Forced disposal: the house sells what it took over to members, and what they leave is closed at the mark.

Rule:

1. Lots beyond the house's limits are closed in the block in which it took them over.
2. All other positions are for sale from the next block on, at the mark less a discount that rises from 0. Discounts
   are paid out of penalties that the house received for its inventory, so nobody gains by being liquidated for them.
3. After the last block what is left is closed against the accounts on the other side with the highest leverage.

No mark moves. Lots whose price is not open wait. This module must not know where the inventory came from.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, POSITION_MAX, PPM, mul_div_down
from clearing.collateral.cash_tokens import is_cash_group_suspended
from clearing.context.block_context import BlockContext
from clearing.context.house_limits import is_house_in_default
from clearing.context.member_status import check_member_active, check_restriction
from clearing.context.request_checks import check_request, use_nonce
from clearing.context.stress_exposure import check_stress_growth
from clearing.default.deleveraging import RankedSide, option_value, pass_position
from clearing.default.recoveries import advance_recoveries, count_sale, offered_token, token_price
from clearing.default.variation_gains import record_position_changes
from clearing.prices.price_status import can_close_out_position
from clearing.prices.stale_options import margin_at_floor
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.house import InventoryClosed, InventoryOffered, InventorySold
from clearing.schema.records.recoveries import InventorySaleRecord
from clearing.schema.requests.auctions import InventoryBid
from clearing.schema.terms.instruments import Instrument
from clearing.schema.transfers import TransferCode
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import current_holdings, position_lots, positions_of
from clearing.state.indexes import INSTRUMENT_HOLDERS, holders
from clearing.state.ledger import balance, cash_currency, soft_credit_of, token_currency
from clearing.trades.balance_limits import check_balances
from clearing.trades.novation import is_position_too_large
from clearing.withdrawals.deficit_reserve import check_commitments, committed_micros, keeps_committed
from clearing.withdrawals.permission import check_can_leave

AT = "inventory_bid"


def manage_inventory(context: BlockContext) -> None:
    """Close what is beyond the house's limits, advance its disposal and all recoveries by a block."""
    for instrument, lots in sorted(context.house_takeovers.excess.items()):
        _close_lots(context, instrument, lots)
    _advance_disposal(context)
    advance_recoveries(context)
    if context.terms.crisis.default.enabled:
        record_position_changes(context)


def _advance_disposal(context: BlockContext) -> None:
    """Open the sale of the house's positions, close what it left, and delete it once there are none."""
    house, height, sales = context.terms.crisis.house, context.block.height, context.state.inventory_sales
    sale, lots = sales.get(0), positions_of(context.state, HOUSE_ACCOUNT).lots
    if not lots or not house.disposal_blocks or is_house_in_default(context.state):
        if sale is not None:
            sales.remove(0)
        return
    penalties = context.house_takeovers.penalties
    if sale is None:
        sale = InventorySaleRecord(height, height + 1, height + house.disposal_blocks)
        offered = (sale.first_height, sale.last_height, house.disposal_end_ppm, penalties)
        context.receipts.append(InventoryOffered(*offered, lots))
    sale = msgspec.structs.replace(sale, penalties_left=min(sale.penalties_left + penalties, MONEY_MAX))
    if height >= sale.last_height:
        for instrument, position in lots:
            if can_close_out_position(context.state, context.terms.instruments[instrument]):
                _close_lots(context, instrument, position)
    if positions_of(context.state, HOUSE_ACCOUNT).lots:
        sales.put(0, sale)
    else:
        sales.remove(0)


def _close_lots(context: BlockContext, instrument: int, lots: int) -> None:
    """Close up to so many signed lots of the house at the mark against the accounts with the highest leverage."""
    own = position_lots(context.state, HOUSE_ACCOUNT, instrument)
    left = min(abs(lots), abs(own)) * (1 if own > 0 else -1) if own * lots > 0 else 0
    if not left:
        return
    side, closed, counterparties = _by_leverage(context, instrument, short=left > 0), left, []
    while left and (ranked := side.next_ranked()) is not None:
        size = min(abs(left), abs(ranked.lots))
        moved = pass_position(context, HOUSE_ACCOUNT, ranked.account, instrument, size if left > 0 else -size)
        side.rerank(ranked.account)
        left -= moved.lots
        notional = min(ranked.notional, MONEY_MAX)
        counterparties.append((ranked.account, ranked.equity, notional, moved.lots, moved.received))
    ticks = context.state.marks[instrument].ticks
    context.receipts.append(InventoryClosed(instrument, closed - left, ticks, tuple(counterparties)))


def _by_leverage(context: BlockContext, instrument: int, *, short: bool) -> RankedSide:
    """The accounts on one side, by notional / equity: everybody's profit counts as 1."""
    profits = dict.fromkeys(holders(context.state, INSTRUMENT_HOLDERS, instrument), 1)
    return RankedSide(context, profits, instrument, short=short)


def bid_for_inventory(context: BlockContext, index: int, request: InventoryBid) -> Rejected | None:
    """Sell to the bidder at the price of the block, or refuse and change nothing."""
    if not 0 < request.size <= MONEY_MAX or (request.instrument == 0) is (request.asset == 0):
        return reject(ClearingCode.BAD_SIZE, AT, size=request.size, instrument=request.instrument, asset=request.asset)
    refusal = check_request(context, AT, request)
    if refusal is None and request.account == HOUSE_ACCOUNT:
        refusal = reject(ClearingCode.SAME_ACCOUNT, AT, account=request.account)
    refusal = (
        refusal or check_member_active(context, AT, request.account) or check_restriction(context, AT, request.account)
    )
    if refusal is not None:
        return refusal
    return _sell_lots(context, index, request) if request.instrument else _sell_token(context, index, request)


def _sell_lots(context: BlockContext, index: int, request: InventoryBid) -> Rejected | None:
    sale, height = context.state.inventory_sales.get(0), context.block.height
    listed, own = context.terms.instruments.get(request.instrument), 0
    if listed is not None:
        own = position_lots(context.state, HOUSE_ACCOUNT, listed.id)
    if sale is None or listed is None or not own or not sale.first_height <= height <= sale.last_height:
        return reject(ClearingCode.NO_INVENTORY_SALE, AT, instrument=request.instrument)
    if not can_close_out_position(context.state, listed):
        return reject(ClearingCode.PRICE_NOT_OPEN, AT, feed=listed.feed)
    size = min(request.size, abs(own))
    lots, ticks = (size if own > 0 else -size), context.state.marks[listed.id].ticks
    notional, ppm = notional_micros(listed, lots, ticks), _discount_ppm(context, sale)
    discount = min(mul_div_down(notional, ppm, PPM), sale.penalties_left)
    if discount < mul_div_down(notional, request.limit, PPM):
        return reject(ClearingCode.DISCOUNT_TOO_SMALL, AT, discount_ppm=request.limit, discount=discount)
    refusal = _check_buyer(context, request.account, listed, lots, discount)
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    moved = pass_position(context, HOUSE_ACCOUNT, request.account, listed.id, lots)
    currency, code = cash_currency(listed.cash_group), TransferCode.INVENTORY_DISCOUNT
    context.journal.transfer(HOUSE_ACCOUNT, request.account, currency, discount, code, listed.id)
    left = msgspec.structs.replace(sale, penalties_left=sale.penalties_left - discount)
    context.state.inventory_sales.put(0, left)
    context.receipts.append(
        InventorySold(
            index=index,
            account=request.account,
            instrument=listed.id,
            asset=0,
            lots=moved.lots,
            mark_ticks=ticks,
            received=moved.received,
            discount_ppm=ppm,
            discount=discount,
            micros_per_unit=0,
            number=0,
        )
    )
    return None


def _discount_ppm(context: BlockContext, sale: InventorySaleRecord) -> int:
    """The discount of this block: 0 in the first, evenly up to its end in the last; rounded down."""
    span, end = sale.last_height - sale.first_height, context.terms.crisis.house.disposal_end_ppm
    return end * (context.block.height - sale.first_height) // span if span else 0


def _check_buyer(context: BlockContext, account: int, listed: Instrument, lots: int, discount: int) -> Rejected | None:
    """The buyer is at initial margin afterwards, without soft credit, keeps what it is committed to, and stays within
    its cash, balance and position limits. Its member lacks no more under stress than the fund was sized for."""
    after = current_holdings(context.state, account)
    before = list(after.cash)
    lent = [soft_credit_of(context.state, account, group) for group in context.terms.cash_groups]
    after.cash = [has - part for has, part in zip(before, lent, strict=True)]
    at, group = context.terms.array_index[listed.id], context.terms.cash_groups.index(listed.cash_group)
    grows = abs(after.lots[at] + lots) > abs(after.lots[at])
    after.lots[at] += lots
    after.cash[group] += discount - option_value(context, listed.id) * lots
    limit = context.terms.risk.cash_limit_micros
    owes = any(claim < min(-limit, was) for claim, was in zip(after.cash, before, strict=True))
    large = abs(after.lots[at]) > POSITION_MAX or (grows and is_position_too_large(context, listed, after))
    refusal = check_balances(AT, account, before, after.cash)
    if refusal is not None:
        return refusal
    margin, committed = margin_at_floor(context, after), committed_micros(context, account)
    covered = margin.initial_ok and (not committed or keeps_committed(context, after, 0, committed))
    if covered and not owes and not large:
        after.cash = [has + part for has, part in zip(after.cash, lent, strict=True)]
        return check_stress_growth(context, AT, account, lambda: after)
    values = {"equity": margin.equity, "initial": margin.initial, "reserve": committed}
    return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, AT, account=account, **values)


def _sell_token(context: BlockContext, index: int, request: InventoryBid) -> Rejected | None:
    """Sell units that the house took in a default, those of the earliest default that still offers some."""
    offered = offered_token(context, request.asset)
    if offered is None:
        return reject(ClearingCode.NO_INVENTORY_SALE, AT, asset=request.asset)
    number, at, token = offered
    price = token_price(context, token)
    if request.limit < price:
        return reject(ClearingCode.BID_BELOW_PRICE, AT, micros_per_unit=request.limit, price=price)
    units = min(request.size, token.units, balance(context.state, HOUSE_ACCOUNT, token_currency(token.asset)))
    if units <= 0:
        return reject(ClearingCode.NO_INVENTORY_SALE, AT, asset=request.asset)
    group = context.terms.crisis.fund.cash_group or context.terms.cash_groups[0]
    if is_cash_group_suspended(context.state, group):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, AT, cash_group=group)
    leaves, gains = (cash_currency(group), units * price), (token_currency(token.asset), units)
    refusal = check_can_leave(context, AT, request.account, *leaves, gains) or check_commitments(
        context, AT, request.account, leaves, (gains[0], -units)
    )
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    transfer = context.journal.transfer
    transfer(HOUSE_ACCOUNT, request.account, *gains, TransferCode.INVENTORY_SOLD, number)
    transfer(request.account, HOUSE_ACCOUNT, *leaves, TransferCode.INVENTORY_PAID, number)
    context.touched_accounts.update((HOUSE_ACCOUNT, request.account))
    count_sale(context, number, at, units, units * price)
    context.receipts.append(
        InventorySold(
            index=index,
            account=request.account,
            instrument=0,
            asset=token.asset,
            lots=units,
            mark_ticks=0,
            received=-units * price,
            discount_ppm=0,
            discount=0,
            micros_per_unit=price,
            number=number,
        )
    )
    return None
