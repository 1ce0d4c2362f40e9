"""Trade ids and venue switches: how a trade is identified, and how a venue is suspended.

Rule: a trade is novated once. A bilateral trade is identified by its label, its id and its two accounts until its
not-after. A venue's trade is identified by the venue and its id alone; a used id stays used. The venue or the house may
suspend a venue at once; only the house reinstates it. Pending trades stay binding.
"""

import msgspec

from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_expiry, check_signature_by
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import VenueSwitched
from clearing.schema.records.trades import NovatedTradeRecord, TradeKey, UsedTradeIdsRecord, VenueState
from clearing.schema.requests.trades import VenueSwitch
from clearing.schema.terms.genesis import ID_CHUNK, VenueTerms
from clearing.state.indexes import index_expiry

_NEVER = VenueState()


def bilateral_key(label: int, trade_id: int, buyer: int, seller: int) -> TradeKey:
    """The key of a trade that its two sides signed."""
    return (label, trade_id, min(buyer, seller), max(buyer, seller))


def venue_key(venue: int, trade_id: int) -> TradeKey:
    """The key of a trade that a venue of genesis signed. It differs from every bilateral key, whose accounts differ."""
    return (venue, trade_id, 0, 0)


def check_bilateral(context: BlockContext, at: str, key: TradeKey) -> Rejected | None:
    """The label is not a venue's, and the pair has not used the id for a trade that is pending or could
    be sent again."""
    if key[0] in context.terms.venues:
        return reject(ClearingCode.VENUE_SIGNATURE_NEEDED, at, venue=key[0])
    if key in context.state.novated_trades or key in context.state.pending_trades:
        return reject(ClearingCode.TRADE_ALREADY_NOVATED, at, venue=key[0], venue_trade_id=key[1])
    return None


def use_bilateral(context: BlockContext, key: TradeKey, not_after_ms: int) -> None:
    """Remember the trade for as long as it could be submitted again."""
    context.state.novated_trades.put(key, NovatedTradeRecord(not_after_ms))
    index_expiry(context.state, key, not_after_ms)


def current_venue_state(context: BlockContext, venue: int) -> VenueState:
    """The venue's state; the default before any change."""
    return context.state.venues.get(venue) or _NEVER


def check_venue_id(context: BlockContext, at: str, venue: VenueTerms, trade_id: int) -> Rejected | None:
    """The venue has not used the id, and it is in the venue's window, as far above the highest as below."""
    chunk, top = trade_id // ID_CHUNK, current_venue_state(context, venue.id).top_chunk
    if not top - venue.id_chunks < chunk <= top + venue.id_chunks:
        return reject(
            ClearingCode.TRADE_ID_OUTSIDE_WINDOW,
            at,
            venue_trade_id=trade_id,
            lowest=max((top - venue.id_chunks + 1) * ID_CHUNK, 0),
            highest=(top + venue.id_chunks + 1) * ID_CHUNK - 1,
        )
    used = context.state.used_trade_ids.get((venue.id, chunk))
    if used is not None and int.from_bytes(used.used_bits, "big") >> trade_id % ID_CHUNK & 1:
        return reject(ClearingCode.TRADE_ALREADY_NOVATED, at, venue=venue.id, venue_trade_id=trade_id)
    return None


def use_venue_id(context: BlockContext, venue: VenueTerms, trade_id: int) -> None:
    """Use an id that passed `check_venue_id`. Moves the window up and deletes records that leave it."""
    chunk = trade_id // ID_CHUNK
    used = context.state.used_trade_ids.get((venue.id, chunk))
    bits = int.from_bytes(used.used_bits, "big") if used else 0
    context.state.used_trade_ids.put((venue.id, chunk), UsedTradeIdsRecord(u256(bits | 1 << trade_id % ID_CHUNK)))
    state = current_venue_state(context, venue.id)
    if chunk <= state.top_chunk:
        return
    for old in range(max(state.top_chunk - venue.id_chunks + 1, 0), max(chunk - venue.id_chunks + 1, 0)):
        if (venue.id, old) in context.state.used_trade_ids:
            context.state.used_trade_ids.remove((venue.id, old))
    context.state.venues.put(venue.id, msgspec.structs.replace(state, top_chunk=chunk))


AT = "venue_switch"


def switch_venue(context: BlockContext, index: int, request: VenueSwitch) -> Rejected | None:
    """Suspend or reinstate a venue."""
    venue = context.terms.venues.get(request.venue)
    if venue is None:
        return reject(ClearingCode.UNKNOWN_VENUE, AT, venue=request.venue)
    refusal = check_expiry(context, AT, request.not_after_ms)
    if refusal is not None:
        return refusal
    state = current_venue_state(context, venue.id)
    if request.revision != state.revision or request.suspended == state.suspended:
        return reject(ClearingCode.WRONG_REVISION, AT, revision=request.revision, present=state.revision)
    digest = request.digest(context.terms.network)
    house = context.state.members[HOUSE_MEMBER].trade_address
    refusal = check_signature_by(AT, house, digest, request.signature, venue=venue.id)
    if refusal is not None and request.suspended:
        refusal = check_signature_by(AT, venue.signer, digest, request.signature, venue=venue.id)
    if refusal is not None:
        return refusal
    context.state.venues.put(
        venue.id, msgspec.structs.replace(state, suspended=request.suspended, revision=state.revision + 1)
    )
    context.receipts.append(VenueSwitched(index, venue.id, request.suspended))
    return None
