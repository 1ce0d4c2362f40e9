"""The default fund explained: its size and the reason, every contribution, calls, payments, draws and returns.

Rule: sizes and contributions are recomputed from the receipt's own figures; a member in default keeps its
contribution, which is then stated and not recomputed. Contributions are followed from receipt to receipt.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from clearing.base.units import PPM
from clearing.schema.receipts.default import MemberStatusChanged
from clearing.schema.receipts.default_fund import (
    FundCalled,
    FundDebited,
    FundDrawn,
    FundPaid,
    FundReductionStarted,
    FundReturned,
    FundSized,
    ReturnCause,
)
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.default import MICROS_MAX, FundSizing
from member.api.receipts import ReceiptAt
from member.explaining.close_out import currency_name
from member.explaining.formatting import (
    ExplainedReceipt,
    Explanation,
    Line,
    Listing,
    called,
    condition_line,
    equality_line,
    explain_all,
    per_cent,
    plain_line,
)

TAKES_PART = (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)


@dataclass(slots=True)
class FundBalances:
    """What earlier receipts stated: each member's status and contribution."""

    listing: Listing
    height: int = 0
    status: dict[int, MemberStatus] = field(default_factory=dict)
    has: dict[int, int] = field(default_factory=dict)


def explain_fund(receipts: Iterable[ReceiptAt], listing: Callable[[int], Listing]) -> list[ExplainedReceipt]:
    """All receipts of the fund, in order; `listing`: the terms in force at a height."""
    history = FundBalances(Listing())
    explained = explain_all(receipts, listing, history, _EXPLAINERS)
    return [receipt for receipt in explained if receipt.kind != MemberStatusChanged.__name__]


def _status(receipt: MemberStatusChanged, balances: FundBalances) -> Explanation:
    balances.status[receipt.member] = receipt.after
    return "", []


def _sized(receipt: FundSized, balances: FundBalances) -> Explanation:
    lines: list[Line] = []
    asked = [0]
    for scenario in receipt.scenarios:
        losses = [micros for _, micros in scenario.shortfalls]
        who = (
            ", ".join(f"member {member} is short of {micros}" for member, micros in scenario.shortfalls)
            or "no shortfall"
        )
        lines.append(condition_line(f"{scenario.name}: {who}", losses == sorted(losses, reverse=True)))
        first, second, third = [*losses, 0, 0, 0][:3]
        lines.append(equality_line(f"{scenario.name}: the two largest together", scenario.cover_two, first + second))
        text = f"{scenario.name}: the larger of the largest and the next two"
        lines.append(equality_line(text, scenario.largest_or_next_two, max(first, second + third)))
        asked.append(scenario.cover_two if receipt.sizing is FundSizing.COVER_TWO else scenario.largest_or_next_two)
    rest = max(max(asked) - receipt.house_micros, 0)
    size = min(-(-rest * (PPM + receipt.buffer_ppm) // PPM), MICROS_MAX)
    more = f"{per_cent(receipt.buffer_ppm)} more, rounded up"
    text = f"size = ({max(asked)} - the house's {receipt.house_micros}) and {more}"
    lines.append(equality_line(text, receipt.sizes[-1], size))
    lines.append(
        equality_line(f"target = the largest of the last {len(receipt.sizes)}", receipt.target, max(receipt.sizes))
    )
    lines += _parts(receipt, balances)
    balances.has = {part.member: part.micros for part in receipt.parts}
    return f"the fund has to be {receipt.target} in epoch {receipt.epoch}", lines


def _parts(receipt: FundSized, balances: FundBalances) -> list[Line]:
    """Each member's contribution: the minimum, or a share of the rest by exposure, rounded up to the step."""
    taking = [part for part in receipt.parts if balances.status.get(part.member, MemberStatus.ACTIVE) in TAKES_PART]
    weights = {part.member: part.exposure for part in taking}
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
    for contribution in receipt.parts:
        name = f"member {contribution.member}"
        if contribution.member not in weights:
            text = f"{name} takes no part now: {contribution.required} required, {contribution.micros} there"
            lines.append(plain_line(text))
            continue
        shares = contribution.member in open_
        part = -(-rest * weights[contribution.member] // whole) if shares else minimum
        why = f"{rest} x {weights[contribution.member]} / {whole}, up" if shares else f"the minimum, {minimum}"
        text = f"{name}: {why}, up to a multiple of {step}"
        lines.append(equality_line(text, contribution.required, -(-part // step) * step))
    return lines


def _called(receipt: FundCalled, balances: FundBalances) -> Explanation:
    lines = _balance_lines(receipt.member, receipt.contributed, balances)
    missing = max(receipt.required - receipt.contributed, 0)
    text = f"required {receipt.required} - {receipt.contributed} there"
    if receipt.replenishment:
        lines.append(plain_line(f"{text} = {missing}; the fund had been drawn on"))
    else:
        lines.append(equality_line(text, receipt.micros, missing))
    lines.append(plain_line(f"{called(receipt.account)} is debited at height {receipt.deadline}"))
    return f"member {receipt.member} is called for {receipt.micros}", lines


def _paid(receipt: FundPaid, balances: FundBalances) -> Explanation:
    before = balances.has.get(receipt.member)
    lines = []
    if before is not None:
        lines.append(equality_line(f"has = {before} + {receipt.micros}", receipt.contributed, before + receipt.micros))
    balances.has[receipt.member] = receipt.contributed
    lapsed = ", and the deadline has passed" if receipt.lapsed else ""
    lines.append(plain_line(f"missing of what it was called for: {receipt.missing}{lapsed}"))
    return f"member {receipt.member} paid {receipt.micros} by {called(receipt.account)}", lines


def _debited(receipt: FundDebited, balances: FundBalances) -> Explanation:  # noqa: ARG001
    text = f"the least of {receipt.missing} missing and equity {receipt.equity} - {receipt.maintenance} maintenance"
    lines = [equality_line(text, receipt.micros, min(receipt.missing, receipt.equity - receipt.maintenance))]
    if receipt.equity - receipt.micros < receipt.initial:
        lines.append(
            plain_line(f"the account is then below its initial margin of {receipt.initial}, and called like any")
        )
    return f"{called(receipt.account)} of member {receipt.member} is debited {receipt.micros}", lines


def _reduces(receipt: FundReductionStarted, balances: FundBalances) -> Explanation:
    lines = _balance_lines(receipt.member, receipt.contributed, balances)
    lines.append(plain_line(f"debited above maintenance margin and sold for until height {receipt.until_height}"))
    return f"the grace of member {receipt.member} is over, {receipt.missing} missing", lines


def _returned(receipt: FundReturned, balances: FundBalances) -> Explanation:
    before = balances.has.get(receipt.member)
    gave = receipt.surrendered if receipt.cause is ReturnCause.TOKEN_LEFT_GROUP else receipt.amount
    lines = []
    if before is not None:
        lines.append(equality_line(f"has = {before} - {gave}", receipt.contributed, before - gave))
    balances.has[receipt.member] = receipt.contributed
    if receipt.cause is ReturnCause.BEYOND_PART:
        good = receipt.contributed >= receipt.required
        lines.append(condition_line(f"what is left covers the {receipt.required} required", good))
    what = f"{receipt.amount} of {currency_name(receipt.currency)}"
    return f"member {receipt.member} got {what} back on {called(receipt.account)}", lines


def _drawn(receipt: FundDrawn, balances: FundBalances) -> Explanation:
    before = balances.has.get(receipt.member)
    lines = []
    if before is not None:
        lines.append(equality_line(f"left = {before} - {receipt.micros}", receipt.left, before - receipt.micros))
    balances.has[receipt.member] = receipt.left
    return f"{receipt.micros} of member {receipt.member}'s part bear a loss of member {receipt.cause}", lines


def _balance_lines(member: int, stated: int, balances: FundBalances) -> list[Line]:
    """A member has what it had after the last receipt that stated it."""
    known = balances.has.get(member)
    balances.has[member] = stated
    return [] if known is None else [equality_line(f"member {member} has, as stated before", stated, known)]


_EXPLAINERS: dict[type, Callable[[Any, FundBalances], Explanation]] = {
    MemberStatusChanged: _status,
    FundSized: _sized,
    FundCalled: _called,
    FundPaid: _paid,
    FundDebited: _debited,
    FundReductionStarted: _reduces,
    FundReturned: _returned,
    FundDrawn: _drawn,
}
