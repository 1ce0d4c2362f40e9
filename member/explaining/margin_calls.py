"""Margin calls explained: the shortfall, the probability of a breach, the deadline, and what lapsed."""

import math
from dataclasses import dataclass, field
from math import isqrt

from clearing.base.units import PPM
from clearing.schema.receipts.margin_calls import (
    CallDeadlineSet,
    CallLapsed,
    CallMet,
    EarlyCalled,
    GroupDeviation,
    MarginCalled,
    MarginRestored,
)
from clearing.schema.records.margin_calls import CallKind
from clearing.schema.terms.margin_calls import CallTerms
from member.explaining.formatting import (
    Explanation,
    Line,
    Listing,
    called,
    condition_line,
    equality_line,
    per_cent,
    plain_line,
)


@dataclass(slots=True)
class CallTimes:
    """(height of the first call, deadline) of the calls under way, by account."""

    under_way: dict[int, tuple[int, int]] = field(default_factory=dict)

    def early(self, receipt: EarlyCalled, height: int, terms: CallTerms | None) -> list[Line]:
        """An early call has a deadline of its own."""
        self.under_way[receipt.account] = (height, receipt.deadline_height)
        if terms is None:
            return []
        # A call that widens nothing still states the delay, which is part of the horizon of its probability.
        steps = _steps(terms, receipt.delay_ms)
        found = height + terms.early_blocks + steps * terms.congestion_step_blocks
        text = f"time until height {height} + {terms.early_blocks} + {steps} x {terms.congestion_step_blocks}"
        return [equality_line(text, receipt.deadline_height, found)]

    def deadline(self, receipt: CallDeadlineSet, height: int, terms: CallTerms | None) -> list[Line]:
        """A margin call has time of its own, of which an early one may take some."""
        before = self.under_way.get(receipt.account)
        self.under_way[receipt.account] = (receipt.opened_height, receipt.deadline_height)
        if terms is None:
            return []
        steps = _steps(terms, receipt.delay_ms)
        lines = [equality_line(f"steps for a delay of {receipt.delay_ms} ms", receipt.congestion_steps, steps)]
        found = height + terms.deadline_blocks + steps * terms.congestion_step_blocks
        text = f"time until height {height} + {terms.deadline_blocks} + {steps} x {terms.congestion_step_blocks}"
        if receipt.opened_height != height:
            if before is None or before[0] != receipt.opened_height:
                return [*lines, condition_line(f"{text}, or less", receipt.deadline_height <= found)]
            least = max(before[1], height + terms.early_leaves_blocks)
            found, text = min(found, least), f"{text}, but no more than {least}, for it was called early"
        return [*lines, equality_line(text, receipt.deadline_height, found)]

    def lapsed(self, receipt: CallLapsed, height: int) -> list[Line]:
        """A call lapses at its deadline, and earlier only where it is urgent."""
        over = height >= receipt.deadline_height
        word = "has not been" if receipt.urgent else "is"
        lines = [
            condition_line(
                f"its deadline, height {receipt.deadline_height}, {word} reached", over is not receipt.urgent
            )
        ]
        before = self.under_way.get(receipt.account)
        if before is not None and before[0] == receipt.opened_height:
            lines.append(equality_line("the deadline stated before", receipt.deadline_height, before[1]))
        return lines

    def met(self, receipt: CallMet) -> list[Line]:
        """The call is over."""
        self.under_way.pop(receipt.account, None)
        return []


def _steps(terms: CallTerms, delay_ms: int) -> int:
    """Begun steps of delay beyond the normal; none where they widen nothing."""
    if not (terms.congestion_step_blocks or terms.congestion_step_ppm):
        return 0
    return min(-(-max(delay_ms - terms.congestion_ms, 0) // terms.congestion_step_ms), terms.congestion_steps_max)


TENTHS_MAX = 50
"""Beyond five deviations the last entry counts."""


def margin_called(receipt: MarginCalled, listing: Listing) -> Explanation:
    """Below initial margin, or owing too much cash."""
    lines = [plain_line(f"equity {receipt.equity}, initial margin {receipt.initial}: only what reduces risk passes")]
    if listing.rates is not None:
        numerator, denominator = listing.rates.maintenance
        found = -(-receipt.initial * numerator // denominator)
        text = f"maintenance = {receipt.initial} x {numerator} / {denominator}, rounded up"
        lines.append(equality_line(text, receipt.maintenance, found))
    return f"{called(receipt.account)} is called for margin", lines


def margin_restored(receipt: MarginRestored, _: Listing) -> Explanation:
    """At initial margin again."""
    good = receipt.equity >= receipt.initial
    return (
        f"{called(receipt.account)} is no longer called",
        [condition_line(f"equity {receipt.equity} covers initial margin {receipt.initial}", good)],
    )


def early_called(receipt: EarlyCalled, listing: Listing) -> Explanation:
    """A breach is likely."""
    lines: list[Line] = []
    for group in receipt.groups:
        lines += _group(group, listing)
    whole = sum(group.deviation_micros for group in receipt.groups)
    lines.append(equality_line("deviation of equity = the groups' together", receipt.deviation, whole))
    headroom = receipt.equity - receipt.trigger
    lines.append(plain_line(f"headroom = equity {receipt.equity} - trigger {receipt.trigger} = {headroom}"))
    found = breach_ppm(headroom, receipt.deviation)
    text = f"probability = 2 (1 - Phi({headroom} / {receipt.deviation})), up, in millionths"
    lines.append(equality_line(text, receipt.probability_ppm, found))
    reached = receipt.probability_ppm >= receipt.threshold_ppm
    lines.append(condition_line(f"that is at the threshold of {per_cent(receipt.threshold_ppm)} or above", reached))
    lines.append(
        plain_line(f"the slowest chain takes {receipt.delay_ms} ms; time until height {receipt.deadline_height}")
    )
    return f"{called(receipt.account)} is called early: a breach is likely", lines


def _group(each: GroupDeviation, listing: Listing) -> list[Line]:
    lines = []
    if listing.rates is not None:
        interval = listing.rates.observation_ms
        squared = -(-each.variance * each.horizon_ms // interval)
        found = isqrt(squared - 1) + 1 if squared else 0
        text = f"group {each.group}: deviation = sqrt({each.variance} x {each.horizon_ms} / {interval}), up, x 10^-9"
        lines.append(equality_line(text, each.deviation_nano, found))
    text = f"group {each.group}: {each.loss} x {each.deviation_nano} x 10^-9 / {each.range_ppm} x 10^-6, rounded up"
    found = -(-each.loss * each.deviation_nano // (each.range_ppm * 1000))
    return [*lines, equality_line(text, each.deviation_micros, found)]


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


def deadline_set(receipt: CallDeadlineSet, listing: Listing) -> Explanation:
    """Below the trigger, with time."""
    lines = [
        condition_line(
            f"equity {receipt.equity} is below the trigger {receipt.trigger}", receipt.equity < receipt.trigger
        )
    ]
    if listing.rates is not None:
        terms, (numerator, denominator) = listing.rates.calls, listing.rates.maintenance
        # Without time to pay there is nothing that slow chains would take of it.
        widened = receipt.congestion_steps * terms.congestion_step_ppm if terms.deadline_blocks else 0
        found = -(-receipt.initial * numerator * (PPM + widened) // (denominator * PPM))
        text = f"trigger = {receipt.initial} x {numerator} / {denominator} x {PPM + widened} / {PPM}, rounded up"
        if widened:
            found, text = min(found, receipt.initial), text + ", initial margin at most"
        lines.append(equality_line(text, receipt.trigger, found))
    lines.append(
        plain_line(
            f"collateral takes {receipt.delay_ms} ms to arrive: {receipt.congestion_steps} steps beyond the normal"
        )
    )
    lines.append(plain_line(f"called first at height {receipt.opened_height}, time until {receipt.deadline_height}"))
    return f"{called(receipt.account)} has a deadline", lines


def call_met(receipt: CallMet, _: Listing) -> Explanation:
    """What was asked for is there."""
    if receipt.kind is CallKind.EARLY:
        text = f"a breach has a probability of {per_cent(receipt.probability_ppm)} now"
        return f"{called(receipt.account)}: the early call is withdrawn", [plain_line(text)]
    good = receipt.equity >= receipt.initial
    return (
        f"{called(receipt.account)} has met its call",
        [condition_line(f"equity {receipt.equity} covers initial margin {receipt.initial}", good)],
    )


def call_lapsed(receipt: CallLapsed, listing: Listing) -> Explanation:
    """No more time."""
    if not receipt.urgent:
        lines = [plain_line(f"time was until height {receipt.deadline_height}, from {receipt.opened_height} on")]
    elif listing.rates is not None:
        urgent = listing.rates.calls.urgent_ppm
        good = receipt.equity * PPM < receipt.maintenance * urgent
        share = f"{per_cent(urgent)} of maintenance {receipt.maintenance}"
        lines = [condition_line(f"equity {receipt.equity} is below {share}: there is no more time", good)]
    else:
        lines = [plain_line(f"equity {receipt.equity} is far below maintenance {receipt.maintenance}: no more time")]
    return f"{called(receipt.account)}: the call has lapsed", lines
