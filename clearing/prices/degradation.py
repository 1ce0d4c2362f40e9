"""The ladder of a feed without an open price: stale, no new risk, no liquidation, settled at the last good price.

Rule: down by blocks, one rung at a time or several, never up but by an open price. A stale feed serves to reduce and to
liquidate for its grace, then for nothing; a halted one for nothing at once, because its last good price is known to be
wrong. After `settle_blocks` its instruments settle at what was last good and its tokens count for nothing, so that
nobody hides behind a dead feed. It must not know how prices are agreed on.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.governance.halts import halted_until
from clearing.holdings import lots_of
from clearing.instruments import Instrument
from clearing.ledger import token_currency
from clearing.prices.receipts import FeedStatus, Rung, RungChanged
from clearing.prices.terms import PriceTerms
from clearing.run import Run
from clearing.state.indexes import CURRENCY, holders
from clearing.state.records import FeedState
from clearing.state.state import State


def rung_of(held: FeedState, height: int, terms: PriceTerms) -> Rung:
    """On which rung a feed stands after the block at `height`."""
    if held.status in (FeedStatus.OPEN, FeedStatus.UNOPENED):
        return Rung.USABLE
    blocks = height - held.since_height
    if terms.settle_blocks and blocks >= terms.settle_blocks:
        return Rung.SETTLED
    in_grace = held.status == FeedStatus.STALE and blocks < terms.grace_blocks
    return max(held.rung, Rung.NO_NEW_RISK if in_grace else Rung.NO_LIQUIDATION)


def step_down(run: Run, feed: int) -> None:
    """Note the rung of a feed that was decided in this block, with a receipt when it is another one."""
    held = run.state.feeds[feed]
    rung = rung_of(held, run.block.height, run.terms.market.prices)
    if rung == held.rung:
        return
    run.state.feeds.put(feed, msgspec.structs.replace(held, rung=rung))
    run.receipts.append(RungChanged(feed, rung, held.ticks, held.since_height))
    if rung == Rung.SETTLED:
        for token in run.terms.tokens_of_feed[feed]:
            run.touched.update(holders(run.state, CURRENCY, token_currency(token.id)))
        run.rebuild_arrays()


def may_close_out(state: State, feed: int) -> bool:
    """Whether a feed's price may be used to reduce and liquidate: open, or stale within its grace."""
    held = state.feeds.get(feed)
    return held is not None and held.status != FeedStatus.UNOPENED and held.rung <= Rung.NO_NEW_RISK


def is_dead(state: State, feed: int) -> bool:
    """Whether what the feed priced was settled, and what it still prices counts for nothing."""
    held = state.feeds.get(feed)
    return held is not None and held.rung == Rung.SETTLED


def check_tradable(run: Run, at: str, instrument: Instrument) -> Rejected | None:
    """Whether an instrument may be traded at all: not settled, its feed open or stale within its grace."""
    mark, held = run.state.marks.get(instrument.id), run.state.feeds.get(instrument.feed)
    if mark is not None and mark.settled:
        return reject(ClearingCode.INSTRUMENT_SETTLED, at, instrument=instrument.id)
    if held is None or held.status == FeedStatus.UNOPENED:
        return reject(ClearingCode.PRICE_MISSING, at, feed=instrument.feed, status=FeedStatus.UNOPENED.name)
    if held.rung > Rung.NO_NEW_RISK:
        return reject(ClearingCode.PRICE_NOT_OPEN, at, feed=instrument.feed, status=held.status.name)
    return None


def check_reducing(run: Run, at: str, instrument: Instrument, buyer: int, seller: int, lots: int) -> Rejected | None:
    """While the feed is not open, or the instrument halted, both sides' positions may only come nearer to zero."""
    halted = halted_until(run.state, instrument.id)
    if run.state.feeds[instrument.feed].rung == Rung.USABLE and not halted:
        return None
    for account, change in ((buyer, lots), (seller, -lots)):
        before = lots_of(run.state, account, instrument.id)
        if before * change >= 0 or abs(change) > abs(before):
            if halted:
                return reject(ClearingCode.INSTRUMENT_HALTED, at, instrument=instrument.id, until_height=halted)
            return reject(ClearingCode.ONLY_REDUCING, at, account=account, feed=instrument.feed, lots=before)
    return None
