"""Price bounds: no mark lies outside of what the rulebook allows beside its index.

Rule: the engine's own bounds, in integers: a perpetual's mark is within its premium's cap of the index and at least one
tick; a future's is at least the index, less what its averaging window has already covered, and at most the index
carried over its whole life, both widened to the forward where futures are marked off the curve; an option's is at most
the index (call) or the strike (put), on a live surface at most the forward or the strike, twice that at a rate below
zero; inside its averaging window at most the average if the rest is that high. An option that has expired and waits for
its price keeps its last mark, under a surface that nobody states any more: a put's is at most twice the strike, a
call's has no bound. Where a feed is settled,
instruments on it count for nothing. An instrument without a mark, such as one settled for good, counts at its index or
forward, which is within its bounds, so nothing is compared. What these bounds leave open is the quorum's word
(`proofs.verify.attestations`). It must not know how prices are formed.
"""

from typing import TYPE_CHECKING

from clearing.base.units import PPM
from clearing.schema.risk.known_average import blended_ticks
from clearing.schema.terms.instruments import Instrument, InstrumentKind, forward_ticks
from proofs.errors import ProofCode, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clearing.margin.statement.rulebook import Rulebook
    from clearing.schema.risk.live_surface import ExpiryCarry


def check_price_bounds(book: "Rulebook", *, listed_ms: int = 0) -> None:
    """Compare every mark with the index of its instrument's feed.

    No mark is later than the rulebook's own time: whatever changes a mark, settlement at expiry too, values everything
    anew. The header's time, which a quorum may set beyond an expiry, frees no mark. `listed_ms`: no instrument was
    listed before this; 0 where nobody knows.
    Raises VerificationFailed PRICE_OUT_OF_BOUNDS naming the instrument, mark, index and bounds.
    """
    marks = {mark.instrument: mark.ticks for mark in book.marks}
    index, averages = book.index, book.known_averages
    curves = {group.id: group.curve for group in book.parameters.groups if group.curve}
    for instrument in book.instruments:
        mark, ticks = marks.get(instrument.id), index.get(instrument.feed, 0)
        if mark is None or not ticks:
            continue
        curve = curves.get(instrument.group, ()) if book.parameters.futures_on_curve else ()
        lowest, highest = mark_bounds(
            instrument, ticks, book.parameters.rate_ppm, latest_ms=book.time_ms, listed_ms=listed_ms, curve=curve
        )
        on_curve = instrument.is_option and not instrument.expired(book.time_ms) and instrument.group in curves
        if on_curve and highest is not None:
            highest = _highest_on_curve(instrument, ticks, curves[instrument.group], book.time_ms)
        if instrument.kind is InstrumentKind.CALL and highest is not None and instrument.id in averages:
            highest = max(highest, blended_ticks(averages[instrument.id], highest))
        if mark < lowest or (highest is not None and mark > highest):
            raise VerificationFailed(
                ProofCode.PRICE_OUT_OF_BOUNDS,
                f"mark of {instrument.name[:64]}",
                stated=mark,
                index=ticks,
                lowest=lowest,
                highest="none" if highest is None else highest,
            )


def _highest_on_curve(option: Instrument, index_ticks: int, curve: "Sequence[ExpiryCarry]", latest_ms: int) -> int:
    """The highest mark of an option ahead on a live surface, at this index and at any time up to the latest.

    A forward between the curve's expiries changes with time, but not beyond them. No discount is above two.
    """
    from clearing.schema.risk.carry import carried_ticks, carry_to
    from clearing.schema.risk.live_surface import PPB

    carry = carry_to(curve, option.expiry_ms, 0, latest_ms)
    forwards = [index_ticks, carried_ticks(index_ticks, carry)]
    if all(quoted.expiry_ms != option.expiry_ms for quoted in curve):
        forwards += [index_ticks * quoted.forward_ppb // PPB for quoted in curve]
    value = max(forwards) if option.kind is InstrumentKind.CALL else option.strike_ticks
    return value if carry.rate_ppm >= 0 else 2 * value


def mark_bounds(
    instrument: Instrument,
    index_ticks: int,
    rate_ppm: int,
    *,
    latest_ms: int,
    listed_ms: int = 0,
    curve: "Sequence[ExpiryCarry]" = (),
) -> tuple[int, int | None]:
    """(lowest, highest) mark in ticks at an index; None: the rulebook has no upper bound, because past prices count.

    `curve`: that futures and forwards are marked off, where they are.
    """
    if instrument.kind is InstrumentKind.PERPETUAL:
        # The distance rounds towards zero, as in `clearing.settlement.funding.perpetual_mark_ticks`.
        distance = index_ticks * instrument.funding.premium_cap_ppm // PPM
        return max(index_ticks - distance, 1), index_ticks + distance
    expired = instrument.expired(latest_ms)
    if instrument.kind is InstrumentKind.CALL:
        return 0, None if expired else index_ticks
    if instrument.kind is InstrumentKind.PUT:
        return 0, instrument.strike_ticks * (2 if expired else 1)
    covered_ms = min(max(latest_ms - (instrument.expiry_ms - instrument.averaging_ms), 0), instrument.averaging_ms)
    if expired or covered_ms:
        left_ms = 0 if expired else instrument.averaging_ms - covered_ms
        lowest = min(index_ticks, _forward_of(instrument, index_ticks, curve, latest_ms))
        return max(lowest * left_ms // max(instrument.averaging_ms, 1), 1), None
    forward = _forward_of(instrument, index_ticks, curve, latest_ms)
    highest = forward_ticks(index_ticks, instrument.expiry_ms, rate_ppm, listed_ms)
    return min(index_ticks, forward), max(highest, forward)


def _forward_of(future: Instrument, index_ticks: int, curve: "Sequence[ExpiryCarry]", latest_ms: int) -> int:
    """The forward that a curve states for a future's expiry; the index where it states none."""
    from clearing.schema.risk.carry import future_ticks

    return future_ticks(index_ticks, curve, future.expiry_ms, 0, latest_ms)
