"""Trade ids: how a trade is known, so that it is novated once and nobody can use up another's id.

Rule: a bilateral trade is known by its label, its id and its two accounts, and remembered until its not-after, past
which it cannot be shown again. A venue's trade is known by the venue and its id alone, because only the venue's
signature gets so far; a used id stays used for ever: it is a bit in a window that moves up with the ids, and what is
below the window is refused.
"""

from typing import TypeAlias

import msgspec

from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.run import Run
from clearing.state.indexes import remember_due
from clearing.state.records import IdsUsed, TradeSeen, VenueState
from clearing.trades.venues import ID_CHUNK, VenueTerms

TradeKey: TypeAlias = tuple[int, int, int, int]
"""(venue or label, trade id, lower account, higher account); both accounts 0 for a venue of genesis."""

_NEVER = VenueState()


def bilateral_key(label: int, trade_id: int, buyer: int, seller: int) -> TradeKey:
    """The key of a trade that its two sides signed."""
    return (label, trade_id, min(buyer, seller), max(buyer, seller))


def venue_key(venue: int, trade_id: int) -> TradeKey:
    """The key of a trade that a venue of genesis signed. No bilateral one is alike: their accounts differ."""
    return (venue, trade_id, 0, 0)


def check_bilateral(run: Run, at: str, key: TradeKey) -> Rejected | None:
    """The label is no venue's own, and the pair has not used the id for a trade that is held or could come again."""
    if key[0] in run.terms.venues:
        return reject(ClearingCode.VENUE_SIGNATURE_NEEDED, at, venue=key[0])
    if key in run.state.trades or key in run.state.held_trades:
        return reject(ClearingCode.TRADE_ALREADY_NOVATED, at, venue=key[0], venue_trade_id=key[1])
    return None


def use_bilateral(run: Run, key: TradeKey, not_after_ms: int) -> None:
    """Remember the trade for as long as it could be shown again."""
    run.state.trades.put(key, TradeSeen(not_after_ms))
    remember_due(run.state, key, not_after_ms)


def venue_state(run: Run, venue: int) -> VenueState:
    """What has changed about a venue since genesis."""
    return run.state.venues.get(venue) or _NEVER


def check_venue_id(run: Run, at: str, venue: VenueTerms, trade_id: int) -> Rejected | None:
    """The venue has not used the id, and it lies in its window: as far above the highest as below."""
    chunk, top = trade_id // ID_CHUNK, venue_state(run, venue.id).top_chunk
    if not top - venue.id_chunks < chunk <= top + venue.id_chunks:
        return reject(
            ClearingCode.TRADE_ID_OUTSIDE_WINDOW,
            at,
            venue_trade_id=trade_id,
            lowest=max((top - venue.id_chunks + 1) * ID_CHUNK, 0),
            highest=(top + venue.id_chunks + 1) * ID_CHUNK - 1,
        )
    used = run.state.venue_ids.get((venue.id, chunk))
    if used is not None and int.from_bytes(used.bits, "big") >> trade_id % ID_CHUNK & 1:
        return reject(ClearingCode.TRADE_ALREADY_NOVATED, at, venue=venue.id, venue_trade_id=trade_id)
    return None


def use_venue_id(run: Run, venue: VenueTerms, trade_id: int) -> None:
    """Use up an id that `check_venue_id` passed; moves the window up and forgets what falls out of it."""
    chunk = trade_id // ID_CHUNK
    used = run.state.venue_ids.get((venue.id, chunk))
    bits = int.from_bytes(used.bits, "big") if used else 0
    run.state.venue_ids.put((venue.id, chunk), IdsUsed(u256(bits | 1 << trade_id % ID_CHUNK)))
    state = venue_state(run, venue.id)
    if chunk <= state.top_chunk:
        return
    for old in range(max(state.top_chunk - venue.id_chunks + 1, 0), max(chunk - venue.id_chunks + 1, 0)):
        if (venue.id, old) in run.state.venue_ids:
            run.state.venue_ids.remove((venue.id, old))
    run.state.venues.put(venue.id, msgspec.structs.replace(state, top_chunk=chunk))
