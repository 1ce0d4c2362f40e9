"""Suspending a venue, for when its key or its book can no longer be trusted.

Rule: the venue itself or the house may stop it at once; only the house lets it go on, for a stolen key could sign that
too. What is held already stays binding. A request names how often the venue was switched before, so it works once.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.codes import ClearingCode, reject
from clearing.requests import check_key, check_time
from clearing.run import Run
from clearing.trades.ids import venue_state
from clearing.trades.receipts import VenueSwitched
from clearing.trades.requests import VenueSwitch

AT = "venue_switch"


def switch_venue(run: Run, index: int, request: VenueSwitch) -> Rejected | None:
    """Suspend a venue, or let it go on."""
    venue = run.terms.venues.get(request.venue)
    if venue is None:
        return reject(ClearingCode.UNKNOWN_VENUE, AT, venue=request.venue)
    refusal = check_time(run, AT, request.not_after_ms)
    if refusal is not None:
        return refusal
    state = venue_state(run, venue.id)
    if request.revision != state.revision or request.suspended == state.suspended:
        return reject(ClearingCode.WRONG_REVISION, AT, revision=request.revision, present=state.revision)
    digest = request.digest(run.terms.network)
    house = run.state.members[HOUSE_MEMBER].trade_address
    refusal = check_key(AT, house, digest, request.signature, venue=venue.id)
    if refusal is not None and request.suspended:
        refusal = check_key(AT, venue.signer, digest, request.signature, venue=venue.id)
    if refusal is not None:
        return refusal
    run.state.venues.put(
        venue.id, msgspec.structs.replace(state, suspended=request.suspended, revision=state.revision + 1)
    )
    run.receipts.append(VenueSwitched(index, venue.id, request.suspended))
    return None
