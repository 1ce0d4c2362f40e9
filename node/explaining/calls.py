"""Margin calls in words: who is short of what, how likely a breach is, and until when it may be mended.

Rule: probabilities and deviations are computed anew from the normal distribution and the variances in the receipt,
not by the rulebook's functions.
"""

import math
from math import isqrt

from clearing.base.units import PPM
from clearing.calls.receipts import CallLapsed, CallMet, DeadlineSet, EarlyCalled, GroupDeviation
from clearing.calls.records import CallKind
from clearing.receipts import MarginCalled, MarginRestored
from node.explaining.lines import Line, equal, holds, tell
from node.explaining.telling import Listing, called, per_cent

TENTHS_MAX = 50
"""Beyond five deviations the last entry counts."""
Words = tuple[str, list[Line]]


def margin_called(receipt: MarginCalled, listing: Listing) -> Words:
    """Below initial margin, or owing too much cash."""
    lines = [tell(f"equity {receipt.equity}, initial margin {receipt.initial}: only what reduces risk passes")]
    if listing.rates is not None:
        numerator, denominator = listing.rates.maintenance
        found = -(-receipt.initial * numerator // denominator)
        text = f"maintenance = {receipt.initial} x {numerator} / {denominator}, rounded up"
        lines.append(equal(text, receipt.maintenance, found))
    return f"{called(receipt.account)} is called for margin", lines


def margin_restored(receipt: MarginRestored, _: Listing) -> Words:
    """At initial margin again."""
    good = receipt.equity >= receipt.initial
    return (
        f"{called(receipt.account)} is called no more",
        [holds(f"equity {receipt.equity} covers initial margin {receipt.initial}", good)],
    )


def early_called(receipt: EarlyCalled, listing: Listing) -> Words:
    """A breach is likely."""
    lines: list[Line] = []
    for each in receipt.groups:
        lines += _group(each, listing)
    whole = sum(each.deviation_micros for each in receipt.groups)
    lines.append(equal("deviation of equity = the groups' together", receipt.deviation, whole))
    headroom = receipt.equity - receipt.trigger
    lines.append(tell(f"headroom = equity {receipt.equity} - trigger {receipt.trigger} = {headroom}"))
    found = breach_ppm(headroom, receipt.deviation)
    text = f"probability = 2 (1 - Phi({headroom} / {receipt.deviation})), up, in millionths"
    lines.append(equal(text, receipt.probability_ppm, found))
    reached = receipt.probability_ppm >= receipt.threshold_ppm
    lines.append(holds(f"that is at the threshold of {per_cent(receipt.threshold_ppm)} or above", reached))
    lines.append(tell(f"the slowest chain takes {receipt.delay_ms} ms; time until height {receipt.deadline_height}"))
    return f"{called(receipt.account)} is called early: a breach is likely", lines


def _group(each: GroupDeviation, listing: Listing) -> list[Line]:
    lines = []
    if listing.rates is not None:
        interval = listing.rates.observation_ms
        squared = -(-each.variance * each.horizon_ms // interval)
        found = isqrt(squared - 1) + 1 if squared else 0
        text = f"group {each.group}: deviation = sqrt({each.variance} x {each.horizon_ms} / {interval}), up, x 10^-9"
        lines.append(equal(text, each.deviation_nano, found))
    text = f"group {each.group}: {each.loss} x {each.deviation_nano} x 10^-9 / {each.range_ppm} x 10^-6, rounded up"
    found = -(-each.loss * each.deviation_nano // (each.range_ppm * 1000))
    return [*lines, equal(text, each.deviation_micros, found)]


def breach_ppm(headroom: int, deviation: int) -> int:
    """2 (1 - Phi(headroom / deviation)) in millionths: up at tenths of a deviation, on the chord between them."""
    if headroom <= 0:
        return PPM
    if deviation <= 0:
        return 0
    tenth, rest = divmod(10 * headroom, deviation)
    if tenth >= TENTHS_MAX:
        return _touch(TENTHS_MAX)
    return _touch(tenth) - (_touch(tenth) - _touch(tenth + 1)) * rest // deviation


def _touch(tenths: int) -> int:
    return math.ceil(PPM * math.erfc(tenths / 10 / math.sqrt(2)))


def deadline_set(receipt: DeadlineSet, listing: Listing) -> Words:
    """Below the trigger, with time."""
    lines = [holds(f"equity {receipt.equity} is below the trigger {receipt.trigger}", receipt.equity < receipt.trigger)]
    if listing.rates is not None:
        terms, (numerator, denominator) = listing.rates.calls, listing.rates.maintenance
        # Without time to pay there is nothing that slow chains would take of it.
        widened = receipt.congestion_steps * terms.congestion_step_ppm if terms.deadline_blocks else 0
        found = -(-receipt.initial * numerator * (PPM + widened) // (denominator * PPM))
        text = f"trigger = {receipt.initial} x {numerator} / {denominator} x {PPM + widened} / {PPM}, rounded up"
        if widened:
            found, text = min(found, receipt.initial), text + ", initial margin at most"
        lines.append(equal(text, receipt.trigger, found))
    lines.append(
        tell(f"collateral takes {receipt.delay_ms} ms to arrive: {receipt.congestion_steps} steps beyond the normal")
    )
    lines.append(tell(f"called first at height {receipt.opened_height}, time until {receipt.deadline_height}"))
    return f"{called(receipt.account)} has a deadline", lines


def call_met(receipt: CallMet, _: Listing) -> Words:
    """What was asked for is there."""
    if receipt.kind is CallKind.EARLY:
        text = f"a breach has a probability of {per_cent(receipt.probability_ppm)} now"
        return f"{called(receipt.account)}: the early call is taken back", [tell(text)]
    good = receipt.equity >= receipt.initial
    return (
        f"{called(receipt.account)} has met its call",
        [holds(f"equity {receipt.equity} covers initial margin {receipt.initial}", good)],
    )


def call_lapsed(receipt: CallLapsed, listing: Listing) -> Words:
    """No more time."""
    if not receipt.urgent:
        lines = [tell(f"time was until height {receipt.deadline_height}, from {receipt.opened_height} on")]
    elif listing.rates is not None:
        urgent = listing.rates.calls.urgent_ppm
        good = receipt.equity * PPM < receipt.maintenance * urgent
        share = f"{per_cent(urgent)} of maintenance {receipt.maintenance}"
        lines = [holds(f"equity {receipt.equity} is below {share}: there is no more time", good)]
    else:
        lines = [tell(f"equity {receipt.equity} is far below maintenance {receipt.maintenance}: no more time")]
    return f"{called(receipt.account)}: the call has lapsed", lines
