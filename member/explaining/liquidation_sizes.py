"""Liquidation sizes explained: the share that restores initial margin, and the step that is taken of it.

Rule: the arithmetic of `clearing.liquidation.slices` is written again from its definition and never called.
"""

from clearing.base.units import PPM
from clearing.schema.receipts.liquidation import LiquidationStepTaken, SliceSizing
from member.explaining.formatting import Line, Listing, condition_line, equality_line, per_cent, plain_line

WHOLE = 10**9
"""Shares are of so many parts."""


def sizing_lines(sizing: SliceSizing) -> list[Line]:
    """A share f with E - p f N = C + (1 - f) (I - C): (I - E) / (I - C - p N), rounded up."""
    missing = sizing.initial + sizing.rounding - sizing.equity
    freed = (sizing.initial - sizing.fixed) * PPM - sizing.cost_ppm * sizing.notional
    lines = [
        plain_line(
            f"missing = initial margin {sizing.initial} + {sizing.rounding} - equity {sizing.equity} = {missing}"
        ),
        plain_line(
            f"freed by everything = ({sizing.initial} - {sizing.fixed}) - {sizing.notional}"
            f" x {per_cent(sizing.cost_ppm)} = {freed} / {PPM}"
        ),
    ]
    if sizing.equity <= 0 or freed <= missing * PPM:
        return [*lines, equality_line("equity is gone, or costs eat what is freed: everything", sizing.share, WHOLE)]
    found = max(-(-missing * PPM * WHOLE // freed), 0)
    text = f"what restores initial margin = {missing} x {PPM} / {freed} of {WHOLE}, rounded up"
    return [*lines, equality_line(text, sizing.share, found)]


def step_lines(receipt: LiquidationStepTaken, listing: Listing) -> list[Line]:
    """How far a step goes, and why no further."""
    lines = sizing_lines(receipt.sizing)
    if receipt.needed != receipt.sizing.share:
        text = "that would not suffice, for requirements are rounded and cash is owed: everything"
        lines.append(condition_line(text, receipt.needed == receipt.denominator))
    lines += _of_the_step(receipt, listing)
    return [*lines, plain_line(f"no step before height {receipt.next_height}")]


def _of_the_step(receipt: LiquidationStepTaken, listing: Listing) -> list[Line]:
    whole = receipt.sizing.notional
    if listing.rates is None:
        text = f"{receipt.taken} is no more than the {receipt.needed} needed"
        return [condition_line(text, receipt.taken <= receipt.needed)]
    left = -(-whole * receipt.needed // receipt.denominator)
    size, text = _size_of(receipt.step, left, listing)
    lines = [equality_line(f"notional of the step = {text}", receipt.step_notional, size)]
    share = receipt.needed if size == left else min(-(-size * receipt.denominator // whole), receipt.needed)
    text = f"share = {size} of {whole}, rounded up, of {receipt.denominator}"
    if receipt.taken < share and listing.rates.liquidation.block_notional_max:
        return [*lines, plain_line(f"{text} = {share}; the block had room for {receipt.taken} only")]
    return [*lines, equality_line(text, receipt.taken, share)]


def _size_of(step: int, left: int, listing: Listing) -> tuple[int, str]:
    terms = listing.rates.liquidation if listing.rates else None
    if terms is None or left <= terms.whole_notional or terms.step_ppm == PPM:
        size, text = left, f"all that is left, {left}"
    else:
        size = min(-(-left * terms.step_ppm // PPM), left)
        text = f"{per_cent(terms.step_ppm)} of the {left} that are left, rounded up"
    if terms is not None and step > terms.steps_max:
        return left, f"all that is left, {left}, after {terms.steps_max} steps"
    most = terms.step_notional_max if terms is not None else 0
    return (min(size, most), f"{text}, {most} at most") if most else (size, text)
