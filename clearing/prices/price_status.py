"""Price status: what a feed without an open price may still be used for, until its instruments settle.

Rule: the status falls with the number of blocks, by one step or several, and rises only with an open price.

1. A stale feed may be used to reduce and to liquidate within its grace period.
2. A halted feed may be used for nothing at once, because its last price is known to be wrong.
3. After `settle_blocks` its instruments settle at the last good price, and its tokens count for nothing.

While an instrument is halted, positions may only be reduced. This module must not know how prices are agreed on.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.prices import PriceStatusChanged
from clearing.schema.records.prices import FeedState, FeedStatus, PriceStatus
from clearing.schema.terms.instruments import Instrument
from clearing.schema.terms.prices import PriceTerms
from clearing.state.holdings import Holdings, position_lots
from clearing.state.indexes import CURRENCY_HOLDERS, holders
from clearing.state.ledger import token_currency
from clearing.state.state import State


def price_status(feed_state: FeedState, height: int, terms: PriceTerms) -> PriceStatus:
    """The price status of a feed after the block at `height`."""
    if feed_state.status in (FeedStatus.OPEN, FeedStatus.UNOPENED):
        return PriceStatus.USABLE
    blocks = height - feed_state.since_height
    if terms.settle_blocks and blocks >= terms.settle_blocks:
        return PriceStatus.SETTLED
    in_grace = feed_state.status == FeedStatus.STALE and blocks < terms.grace_blocks
    return max(feed_state.price_status, PriceStatus.NO_NEW_RISK if in_grace else PriceStatus.NO_LIQUIDATION)


def update_price_status(context: BlockContext, feed: int) -> None:
    """Record the price status of a feed decided in this block, with a receipt when it changed."""
    feed_state = context.state.feeds[feed]
    status = price_status(feed_state, context.block.height, context.terms.market.prices)
    if status == feed_state.price_status:
        return
    context.state.feeds.put(feed, msgspec.structs.replace(feed_state, price_status=status))
    context.receipts.append(PriceStatusChanged(feed, status, feed_state.ticks, feed_state.since_height))
    if status == PriceStatus.SETTLED:
        for token in context.terms.tokens_of_feed[feed]:
            context.touched_accounts.update(holders(context.state, CURRENCY_HOLDERS, token_currency(token.id)))
        context.rebuild_arrays()


def can_close_out(state: State, feed: int) -> bool:
    """Whether a feed's price may be used to reduce and liquidate: open, or stale within its grace period."""
    feed_state = state.feeds.get(feed)
    return (
        feed_state is not None
        and feed_state.status != FeedStatus.UNOPENED
        and feed_state.price_status <= PriceStatus.NO_NEW_RISK
    )


def option_status(state: State, instrument: Instrument) -> PriceStatus:
    """What a risk group's surface lets an option be used for; an instrument of another kind always is usable."""
    if not instrument.is_option or instrument.group not in state.terms.surfaces:
        return PriceStatus.USABLE
    surface = state.surfaces.get(instrument.group)
    return PriceStatus.NO_NEW_RISK if surface is None else surface.status


def can_close_out_position(state: State, instrument: Instrument) -> bool:
    """Whether an instrument may be reduced and liquidated: its feed may, and for an option its surface."""
    return can_close_out(state, instrument.feed) and option_status(state, instrument) <= PriceStatus.NO_NEW_RISK


def any_too_old(state: State, holdings: Holdings) -> bool:
    """Whether some of these positions are options whose surface is too old to liquidate at."""
    if not state.terms.surfaces:
        return False
    listed = zip(state.terms.instruments.values(), holdings.lots, strict=True)
    return any(lots and option_status(state, instrument) > PriceStatus.NO_NEW_RISK for instrument, lots in listed)


def is_settled_for_good(state: State, feed: int) -> bool:
    """Whether the feed's instruments were settled at the last good price, so that its tokens count for nothing."""
    feed_state = state.feeds.get(feed)
    return feed_state is not None and feed_state.price_status == PriceStatus.SETTLED


def check_tradable(context: BlockContext, at: str, instrument: Instrument) -> Rejected | None:
    """Whether an instrument may be traded: not settled, its feed open or stale within its grace period."""
    mark, feed_state = context.state.marks.get(instrument.id), context.state.feeds.get(instrument.feed)
    if mark is not None and mark.settled:
        return reject(ClearingCode.INSTRUMENT_SETTLED, at, instrument=instrument.id)
    if feed_state is None or feed_state.status == FeedStatus.UNOPENED:
        return reject(ClearingCode.PRICE_MISSING, at, feed=instrument.feed, status=FeedStatus.UNOPENED.name)
    if feed_state.price_status > PriceStatus.NO_NEW_RISK:
        return reject(ClearingCode.PRICE_NOT_OPEN, at, feed=instrument.feed, status=feed_state.status.name)
    if option_status(context.state, instrument) > PriceStatus.NO_NEW_RISK:
        return reject(ClearingCode.SURFACE_CLOSED, at, instrument=instrument.id, group=instrument.group)
    return None


def check_reducing(
    context: BlockContext, at: str, instrument: Instrument, buyer: int, seller: int, lots: int
) -> Rejected | None:
    """While feed or surface is not fresh, or the instrument halted, both positions may only move towards zero."""
    halted = halt_end_height(context.state, instrument.id)
    priced = context.state.feeds[instrument.feed].price_status == PriceStatus.USABLE
    if priced and not halted and option_status(context.state, instrument) == PriceStatus.USABLE:
        return None
    for account, change in ((buyer, lots), (seller, -lots)):
        before = position_lots(context.state, account, instrument.id)
        if before * change >= 0 or abs(change) > abs(before):
            if halted:
                return reject(ClearingCode.INSTRUMENT_HALTED, at, instrument=instrument.id, until_height=halted)
            if priced:
                return reject(ClearingCode.SURFACE_STALE, at, account=account, group=instrument.group, lots=before)
            return reject(ClearingCode.ONLY_REDUCING, at, account=account, feed=instrument.feed, lots=before)
    return None


def halt_end_height(state: State, instrument: int) -> int:
    """The height at which trading in a halted instrument resumes; 0: it is not halted."""
    halt = state.halts.get(instrument)
    return halt.until_height if halt is not None and halt.until_height > state.now.height else 0
