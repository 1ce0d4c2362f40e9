"""The default fund in words: how large it has to be and why, everybody's part, calls, payments, what was drawn.

Rule: sizes and parts are computed anew from the receipt's own figures; a member in default keeps the part it had, so
that its part is told and not computed. What a member has is followed from receipt to receipt.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from clearing.base.units import PPM
from clearing.default.receipts import StatusChanged
from clearing.default.records import MemberStatus
from clearing.fund.receipts import (
    FundCalled,
    FundDebited,
    FundDrawn,
    FundPaid,
    FundReduces,
    FundReturned,
    FundSized,
    ReturnCause,
)
from clearing.fund.terms import MICROS_MAX, Sizing
from clearing.receipts import Receipt
from node.api.view import ReceiptAt
from node.explaining.estates import currency_name
from node.explaining.lines import Line, Told, equal, holds, sensible, tell
from node.explaining.telling import Listing, called, per_cent

Words = tuple[str, list[Line]]
TAKES_PART = (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)


@dataclass(slots=True)
class Purse:
    """What earlier receipts said: who stands how, and what each member has."""

    status: dict[int, MemberStatus] = field(default_factory=dict)
    has: dict[int, int] = field(default_factory=dict)


def tell_fund(receipts: Iterable[ReceiptAt], _: Callable[[int], Listing]) -> list[Told]:
    """All receipts of the fund, in order."""
    purse, told = Purse(), []
    for at in receipts:
        if isinstance(at.receipt, StatusChanged):
            purse.status[at.receipt.member] = at.receipt.after
        elif type(at.receipt) in _TELL:
            title, lines = _words(at.receipt, purse)
            kind = type(at.receipt).__name__
            told.append(Told(height=at.height, index=at.index, kind=kind, title=title, lines=tuple(lines)))
    return told


def _words(receipt: Receipt, purse: Purse) -> Words:
    return sensible(lambda: _TELL[type(receipt)](receipt, purse))


def _sized(receipt: FundSized, purse: Purse) -> Words:
    lines: list[Line] = []
    asked = [0]
    for each in receipt.scenarios:
        losses = [micros for _, micros in each.lacking]
        who = ", ".join(f"member {member} lacks {micros}" for member, micros in each.lacking) or "nobody lacks anything"
        lines.append(holds(f"{each.name}: {who}", losses == sorted(losses, reverse=True)))
        first, second, third = [*losses, 0, 0, 0][:3]
        lines.append(equal(f"{each.name}: the two largest together", each.cover_two, first + second))
        text = f"{each.name}: the larger of the largest and the next two"
        lines.append(equal(text, each.largest_or_next_two, max(first, second + third)))
        asked.append(each.cover_two if receipt.sizing is Sizing.COVER_TWO else each.largest_or_next_two)
    rest = max(max(asked) - receipt.house_micros, 0)
    size = min(-(-rest * (PPM + receipt.buffer_ppm) // PPM), MICROS_MAX)
    more = f"{per_cent(receipt.buffer_ppm)} more, rounded up"
    text = f"size = ({max(asked)} - the house's {receipt.house_micros}) and {more}"
    lines.append(equal(text, receipt.sizes[-1], size))
    lines.append(equal(f"target = the largest of the last {len(receipt.sizes)}", receipt.target, max(receipt.sizes)))
    lines += _parts(receipt, purse)
    purse.has = {each.member: each.micros for each in receipt.parts}
    return f"the fund has to be {receipt.target} in epoch {receipt.epoch}", lines


def _parts(receipt: FundSized, purse: Purse) -> list[Line]:
    """Everybody's part: the minimum, or a share of the rest by exposure; up to the step."""
    taking = [each for each in receipt.parts if purse.status.get(each.member, MemberStatus.ACTIVE) in TAKES_PART]
    weights = {each.member: each.exposure for each in taking}
    weights = weights if any(weights.values()) else dict.fromkeys(weights, 1)
    minimum, step, rest = receipt.minimum_micros, receipt.step_micros, receipt.target
    open_ = set(weights)
    while open_:
        whole = sum(weights[member] for member in open_)
        low = {member for member in open_ if rest * weights[member] < minimum * whole or not whole}
        if not low:
            break
        rest, open_ = max(rest - minimum * len(low), 0), open_ - low
    whole = sum(weights[member] for member in open_)
    lines: list[Line] = []
    for each in receipt.parts:
        name = f"member {each.member}"
        if each.member not in weights:
            lines.append(tell(f"{name} takes no part now: {each.required} required, {each.micros} there"))
            continue
        shares = each.member in open_
        part = -(-rest * weights[each.member] // whole) if shares else minimum
        why = f"{rest} x {weights[each.member]} / {whole}, up" if shares else f"the minimum, {minimum}"
        text = f"{name}: {why}, up to a multiple of {step}"
        lines.append(equal(text, each.required, -(-part // step) * step))
    return lines


def _called(receipt: FundCalled, purse: Purse) -> Words:
    lines = _has(receipt.member, receipt.has, purse)
    missing = max(receipt.required - receipt.has, 0)
    text = f"required {receipt.required} - {receipt.has} there"
    if receipt.replenishment:
        lines.append(tell(f"{text} = {missing}; the fund had been drawn on"))
    else:
        lines.append(equal(text, receipt.micros, missing))
    lines.append(tell(f"{called(receipt.account)} is debited at height {receipt.deadline}"))
    return f"member {receipt.member} is called for {receipt.micros}", lines


def _paid(receipt: FundPaid, purse: Purse) -> Words:
    before = purse.has.get(receipt.member)
    lines = []
    if before is not None:
        lines.append(equal(f"has = {before} + {receipt.micros}", receipt.has, before + receipt.micros))
    purse.has[receipt.member] = receipt.has
    lapsed = ", and the deadline has passed" if receipt.lapsed else ""
    lines.append(tell(f"missing of what it was called for: {receipt.missing}{lapsed}"))
    return f"member {receipt.member} paid {receipt.micros} by {called(receipt.account)}", lines


def _debited(receipt: FundDebited, purse: Purse) -> Words:  # noqa: ARG001
    text = f"the least of {receipt.missing} missing and equity {receipt.equity} - {receipt.maintenance} maintenance"
    lines = [equal(text, receipt.micros, min(receipt.missing, receipt.equity - receipt.maintenance))]
    if receipt.equity - receipt.micros < receipt.initial:
        lines.append(tell(f"the account is then below its initial margin of {receipt.initial}, and called like any"))
    return f"{called(receipt.account)} of member {receipt.member} is debited {receipt.micros}", lines


def _reduces(receipt: FundReduces, purse: Purse) -> Words:
    lines = _has(receipt.member, receipt.has, purse)
    lines.append(tell(f"debited above maintenance margin and sold for until height {receipt.until_height}"))
    return f"the grace of member {receipt.member} is over, {receipt.missing} missing", lines


def _returned(receipt: FundReturned, purse: Purse) -> Words:
    before = purse.has.get(receipt.member)
    gave = receipt.gave_up if receipt.cause is ReturnCause.TOKEN_LEFT_GROUP else receipt.amount
    lines = []
    if before is not None:
        lines.append(equal(f"has = {before} - {gave}", receipt.has, before - gave))
    purse.has[receipt.member] = receipt.has
    if receipt.cause is ReturnCause.BEYOND_PART:
        good = receipt.has >= receipt.required
        lines.append(holds(f"what is left covers the {receipt.required} required", good))
    what = f"{receipt.amount} of {currency_name(receipt.currency)}"
    return f"member {receipt.member} got {what} back on {called(receipt.account)}", lines


def _drawn(receipt: FundDrawn, purse: Purse) -> Words:
    before = purse.has.get(receipt.member)
    lines = []
    if before is not None:
        lines.append(equal(f"left = {before} - {receipt.micros}", receipt.left, before - receipt.micros))
    purse.has[receipt.member] = receipt.left
    return f"{receipt.micros} of member {receipt.member}'s part bear a loss of member {receipt.cause}", lines


def _has(member: int, stated: int, purse: Purse) -> list[Line]:
    """What a member has is what it had after the last receipt that told of it."""
    known = purse.has.get(member)
    purse.has[member] = stated
    return [] if known is None else [equal(f"member {member} has, as told before", stated, known)]


_TELL: dict[type, Callable[[Any, Purse], Words]] = {
    FundSized: _sized,
    FundCalled: _called,
    FundPaid: _paid,
    FundDebited: _debited,
    FundReduces: _reduces,
    FundReturned: _returned,
    FundDrawn: _drawn,
}
