"""Bilateral trades: one trade, or a bundle of several, that two members agreed outside and both signed.

Rule: each side signs by its trade key or by a session key that covers the trade. In a bundle, each trade has the
outcome that a `Trade` of the same terms would have at its place: a refused one has a receipt and does not stop the
others.
"""

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_expiry
from clearing.schema.blocks.receipt import receipt_values
from clearing.schema.receipts.trades import BundledTradeRefused
from clearing.schema.requests.trades import BundledTrade, Trade, TradeBundle
from clearing.settlement.mark_to_market import traded_notional
from clearing.trades.novation import (
    AT,
    TradeTerms,
    check_instrument_price,
    check_sides,
    check_trade_terms,
    clear_trade,
)
from clearing.trades.session_keys import SessionUse, check_session, check_trader, use_session
from clearing.trades.trade_ids import bilateral_key, check_bilateral, use_bilateral

BUNDLE = "trade_bundle"


def novate_trade(context: BlockContext, index: int, trade: Trade) -> Rejected | None:
    """Novate the bilateral trade at `index` of the block, or refuse it and change nothing."""
    terms = TradeTerms(
        trade.venue, trade.venue_trade_id, trade.buyer, trade.seller, trade.instrument, trade.lots, trade.ticks
    )
    refusal = (
        check_bilateral(context, AT, bilateral_key(trade.venue, trade.venue_trade_id, trade.buyer, trade.seller))
        or check_trade_terms(context, AT, terms)
        or check_expiry(context, AT, trade.not_after_ms)
        or check_instrument_price(context, AT, trade.instrument)
        or check_sides(context, AT, trade.buyer, trade.seller)
    )
    if refusal is not None:
        return refusal
    digest = trade.digest(context.terms.network)
    sides = ((trade.buyer, trade.buyer_signature), (trade.seller, trade.seller_signature))
    sessions = _check_signatures(context, AT, digest, sides)
    if isinstance(sessions, Rejected):
        return sessions
    return _clear_signed(context, index, terms, sessions, trade.not_after_ms)


def novate_bundle(context: BlockContext, index: int, bundle: TradeBundle) -> Rejected | None:
    """Novate the trades of the bundle at `index` of the block, in order, each by itself.

    The bundle as a whole is refused, and changes nothing, when all its trades were novated before, when it has expired,
    or when a side does not exist or did not sign.
    """
    trades = [_terms_of(bundle, trade) for trade in bundle.trades]
    keys = [bilateral_key(trade.venue, trade.venue_trade_id, trade.buyer, trade.seller) for trade in trades]
    # Before the signatures: who has a bundle could have it checked again and again until its not-after.
    used = [check_bilateral(context, BUNDLE, key) for key in keys]
    refusal = (
        (used[0] if None not in used else None)
        or check_expiry(context, BUNDLE, bundle.not_after_ms)
        or check_sides(context, BUNDLE, bundle.account, bundle.counterparty)
    )
    if refusal is not None:
        return refusal
    digest = bundle.digest(context.terms.network)
    sides = ((bundle.account, bundle.signature), (bundle.counterparty, bundle.counterparty_signature))
    sessions = _check_signatures(context, BUNDLE, digest, sides)
    if isinstance(sessions, Rejected):
        return sessions
    for number, (trade, key) in enumerate(zip(trades, keys, strict=True)):
        refusal = (
            check_bilateral(context, AT, key)
            or check_trade_terms(context, AT, trade)
            or check_instrument_price(context, AT, trade.instrument)
            or _clear_signed(context, index, trade, sessions, bundle.not_after_ms)
        )
        if refusal is not None:
            context.receipts.append(_refused(index, number, trade, refusal))
    return None


def _terms_of(bundle: TradeBundle, trade: BundledTrade) -> TradeTerms:
    """The terms of one trade of a bundle."""
    sides = (bundle.account, bundle.counterparty) if trade.lots > 0 else (bundle.counterparty, bundle.account)
    return TradeTerms(bundle.venue, trade.venue_trade_id, *sides, trade.instrument, abs(trade.lots), trade.ticks)


def _check_signatures(
    context: BlockContext, at: str, digest: bytes, sides: tuple[tuple[int, bytes], ...]
) -> Rejected | tuple[SessionUse, ...]:
    """Check the signature of each (account, signature). Returns the session keys among the signers."""
    sessions = []
    for account, signature in sides:
        signer = check_trader(context, at, account, digest, signature)
        if isinstance(signer, Rejected):
            return signer
        if signer is not None:
            sessions.append(signer)
    return tuple(sessions)


def _clear_signed(
    context: BlockContext, index: int, trade: TradeTerms, sessions: tuple[SessionUse, ...], not_after_ms: int
) -> Rejected | None:
    """Novate a trade of which limits, price band and margin have still to be checked, or refuse it and change nothing.

    `sessions`: the session keys that signed it.
    """
    micros = 0
    if sessions:
        micros = traded_notional(context.terms.instruments[trade.instrument], trade.lots, trade.ticks)
    for session in sessions:
        refusal = check_session(context, AT, session, trade.lots, micros)
        if refusal is not None:
            return refusal
    refusal = clear_trade(context, index, trade)
    if refusal is not None:
        return refusal
    for session in sessions:
        use_session(context, session, micros)
    use_bilateral(context, bilateral_key(trade.venue, trade.venue_trade_id, trade.buyer, trade.seller), not_after_ms)
    return None


def _refused(index: int, number: int, trade: TradeTerms, refusal: Rejected) -> BundledTradeRefused:
    return BundledTradeRefused(
        index=index,
        number=number,
        venue=trade.venue,
        venue_trade_id=trade.venue_trade_id,
        buyer=trade.buyer,
        seller=trade.seller,
        code=int(refusal.code),
        at=refusal.at,
        values=receipt_values(refusal),
    )
