"""Liquidations explained: what was for sale, who took which share at which discount, and the cost to the account.

Rule: every share, sum and split is recomputed from the receipt's own inputs and from earlier receipts of the same
liquidation. Money that left the account is followed to its recipients.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from clearing.base.units import PPM
from clearing.schema.receipts import collateral
from clearing.schema.receipts import margin_calls as calls
from clearing.schema.receipts.liquidation import (
    BackstopTakeover,
    Liquidated,
    LiquidationDeferred,
    LiquidationEnded,
    LiquidationOpened,
    LiquidationStepTaken,
    ReducedPosition,
    SliceSold,
    TakenOverPosition,
)
from clearing.schema.receipts.margin_calls import MarginCalled, MarginRestored
from clearing.schema.terms.margin_calls import CallTerms
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
    signed,
)
from member.explaining.liquidation_sizes import sizing_lines, step_lines
from member.explaining.margin_calls import (
    CallTimes,
    call_lapsed,
    call_met,
    deadline_set,
    early_called,
    margin_called,
    margin_restored,
)


@dataclass(slots=True)
class LiquidationHistory:
    """What earlier receipts stated of the liquidations under way, by account."""

    listing: Listing
    opened: dict[int, LiquidationOpened] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    """Whose liquidation was seen from its beginning."""
    steps: dict[int, int] = field(default_factory=dict)
    fills: dict[int, int] = field(default_factory=dict)
    times: CallTimes = field(default_factory=CallTimes)
    height: int = 0

    @property
    def calls(self) -> CallTerms | None:
        """The terms of calls in force, where they are known."""
        return self.listing.rates.calls if self.listing.rates is not None else None


def explain_liquidations(receipts: Iterable[ReceiptAt], listing: Callable[[int], Listing]) -> list[ExplainedReceipt]:
    """All receipts of calls and liquidations, in order; `listing`: the terms in force at a height."""
    return explain_all(receipts, listing, LiquidationHistory(Listing()), _EXPLAINERS)


def _opened(receipt: LiquidationOpened, history: LiquidationHistory) -> Explanation:
    history.opened[receipt.account] = receipt
    history.steps[receipt.account] = history.fills[receipt.account] = 0
    history.whole.add(receipt.account)
    lines = [
        plain_line(f"equity {receipt.equity}, maintenance {receipt.maintenance}, initial margin {receipt.initial}")
    ]
    lines += [
        plain_line(f"for sale: {history.listing.instrument(instrument)} {signed(lots)} lots")
        for instrument, lots in receipt.positions
    ]
    rates = f"{per_cent(receipt.start_ppm)} to {per_cent(receipt.end_ppm)}"
    heights = f"heights {receipt.first_height} to {receipt.last_height}"
    lines.append(plain_line(f"at the mark, less a discount that rises evenly from {rates} over {heights}"))
    return f"slices of {called(receipt.account)} are for sale", lines


def _slice_sold(receipt: SliceSold, history: LiquidationHistory) -> Explanation:
    history.fills[receipt.account] = history.fills.get(receipt.account, 0) + 1
    lines = _discount(receipt, history)
    lines += sizing_lines(receipt.sizing)
    rates = history.listing.rates
    if rates is not None:
        text = f"what it costs, in millionths = penalty {rates.penalty_ppm} + discount {receipt.discount_ppm}"
        lines.append(equality_line(text, receipt.sizing.cost_ppm, rates.penalty_ppm + receipt.discount_ppm))
        most = min(rates.liquidation.slice_max_ppm * 1000, receipt.sizing.share)
        text = f"allowed = the smaller of that and {per_cent(rates.liquidation.slice_max_ppm)}"
        if receipt.allowed_share < most and rates.liquidation.block_notional_max:
            lines.append(plain_line(f"{text} = {most}; the block had room for {receipt.allowed_share} only"))
        else:
            lines.append(equality_line(text, receipt.allowed_share, most))
    smaller = min(receipt.requested_share, receipt.allowed_share)
    text = f"share = the smaller of {receipt.requested_share} requested and {receipt.allowed_share} allowed"
    text += f", of {receipt.denominator}"
    lines.append(equality_line(text, receipt.fraction, smaller))
    lines += _reduced(receipt, history.listing)
    lines += _costs(receipt, history.listing, receipt.discount_ppm)
    lines += _splits(receipt, called(receipt.bidder), called(receipt.fund))
    lines += _equity(receipt, sum(split.discount + split.penalty for split in receipt.paid))
    return f"{called(receipt.bidder)} took a slice of {called(receipt.account)}", lines


def _discount(receipt: SliceSold, history: LiquidationHistory) -> list[Line]:
    """The path of the auction at this height; while prices were not open it stood still, so it may be behind."""
    opened = history.opened.get(receipt.account)
    if opened is not None and opened.opened_height != receipt.opened_height:
        return [equality_line("the sale opened at height", receipt.opened_height, opened.opened_height)]
    if opened is None:
        return [plain_line(f"discount {per_cent(receipt.discount_ppm)} of the notional")]
    span, start, rise = opened.last_height - opened.first_height, opened.start_ppm, opened.end_ppm - opened.start_ppm
    elapsed = history.height - opened.first_height
    found, past = _path(span, start, rise, min(elapsed, span), receipt.discount_ppm)
    late = elapsed - past
    lines = [plain_line(f"the path stood still for {late} blocks, while prices were not open")] if late else []
    text = f"discount in millionths = {start} + {rise} x {past} / {span}, rounded down" if span else "discount"
    return [*lines, equality_line(text, receipt.discount_ppm, found)]


def _path(span: int, start: int, rise: int, latest: int, stated: int) -> tuple[int, int]:
    """The discount, and how many blocks of the path had passed: the newest place with the stated one, if any."""
    latest = max(latest, 0)
    now = start + rise * latest // span if span else start
    wanted = stated - start
    if span <= 0 or rise <= 0 or wanted < 0:
        return now, latest
    # Of the places with rise x place / span in [wanted, wanted + 1), the newest that is not ahead.
    first, last = -(-wanted * span // rise), -(-(wanted + 1) * span // rise) - 1
    return (stated, min(last, latest)) if first <= min(last, latest) else (now, latest)


def _step_taken(receipt: LiquidationStepTaken, history: LiquidationHistory) -> Explanation:
    if receipt.step == 1 and (receipt.account not in history.opened or history.steps[receipt.account]):
        # Without a sale it begins here; a default ends an earlier one without a receipt.
        history.opened.pop(receipt.account, None)
        history.whole.add(receipt.account)
        history.steps[receipt.account] = history.fills[receipt.account] = 0
    history.steps[receipt.account] = history.steps.get(receipt.account, 0) + 1
    lines = step_lines(receipt, history.listing)
    if receipt.account in history.whole:
        lines.append(equality_line("steps before, and this one", receipt.step, history.steps[receipt.account]))
    return f"step {receipt.step} on {called(receipt.account)}", lines


def _backstop_took(receipt: BackstopTakeover, history: LiquidationHistory) -> Explanation:
    lines = [
        condition_line(
            f"share {receipt.fraction} is within the {receipt.wanted} wanted", receipt.fraction <= receipt.wanted
        )
    ]
    lines += _reduced(receipt, history.listing)
    lines += _costs(receipt, history.listing, 0)
    taker = called(receipt.backstop)
    lines += _splits(receipt, taker, taker)
    lines += _equity(receipt, sum(split.discount + split.penalty for split in receipt.paid))
    return f"{taker}, the backstop, took over from {called(receipt.account)}", lines


def _liquidated(receipt: Liquidated, history: LiquidationHistory) -> Explanation:
    lines = [
        plain_line(f"equity {receipt.equity}, maintenance {receipt.maintenance}, initial margin {receipt.initial}")
    ]
    share, denominator = receipt.fraction
    lines += [_rounded(position, share, denominator, history.listing) for position in receipt.positions]
    lines += _notional(receipt.positions, receipt.notional, history.listing)
    penalty = _charged(receipt, history.listing, 0)
    if penalty is not None:
        rate = per_cent(history.listing.rates.penalty_ppm) if history.listing.rates else ""
        text = f"penalty = {rate} of each notional, rounded up, at most the equity there is"
        lines.append(equality_line(text, receipt.penalty, sum(charge[1] for charge in penalty.values())))
    for bought in receipt.collateral:
        text = f"the house bought {bought.units} of {currency_name(bought.currency)} at {bought.micros_per_unit}"
        lines.append(equality_line(text, bought.paid, bought.units * bought.micros_per_unit))
    covered = sum(micros for _, micros in receipt.deficits)
    lines += [
        plain_line(f"the house paid the deficit of {micros} in cash group {group}")
        for group, micros in receipt.deficits
    ]
    text = f"equity after = {receipt.equity} - {receipt.penalty} + {covered}"
    lines.append(equality_line(text, receipt.equity_after, receipt.equity - receipt.penalty + covered))
    return f"the house took over from {called(receipt.account)}", lines


def _deferred(receipt: LiquidationDeferred, _: LiquidationHistory) -> Explanation:
    reason = receipt.reason.name.lower().replace("_", " ")
    text = f"{receipt.reached} done in this block of {receipt.limit}, {receipt.requested} more requested"
    return f"{called(receipt.account)} is deferred: {reason}", [plain_line(text)]


def _ended(receipt: LiquidationEnded, history: LiquidationHistory) -> Explanation:
    account = receipt.account
    lines: list[Line] = []
    if account in history.opened:
        opened = history.opened[account].opened_height
        lines.append(equality_line("the sale opened at height", receipt.opened_height, opened))
    if account in history.whole:
        lines.append(equality_line("steps before", receipt.steps, history.steps.get(account, 0)))
        lines.append(equality_line("slices before", receipt.fills, history.fills.get(account, 0)))
    if receipt.failed:
        lines.append(plain_line(f"nothing is left to take: equity {receipt.equity}, initial margin {receipt.initial}"))
    else:
        text = f"equity {receipt.equity} covers initial margin {receipt.initial}"
        lines.append(condition_line(text, receipt.equity >= receipt.initial))
    for kept in (history.opened, history.steps, history.fills):
        kept.pop(account, None)
    history.whole.discard(account)
    return f"the liquidation of {called(account)} is over", lines


def _reduced(receipt: SliceSold | BackstopTakeover, listing: Listing) -> list[Line]:
    lines = [_rounded(position, receipt.fraction, receipt.denominator, listing) for position in receipt.positions]
    return lines + _notional(receipt.positions, receipt.notional, listing)


def _rounded(each: ReducedPosition | TakenOverPosition, share: int, denominator: int, listing: Listing) -> Line:
    size = -(-abs(each.of_lots) * share // denominator)
    found = size if each.of_lots > 0 else -size
    name, value = listing.instrument(each.instrument), f" for {signed(each.received)}" if each.received else ""
    text = f"{name}: {signed(each.of_lots)} x {share} / {denominator}, up, at mark {each.mark_ticks}{value}"
    return equality_line(text, each.lots, found)


def _notional(positions: Iterable[ReducedPosition | TakenOverPosition], stated: int, listing: Listing) -> list[Line]:
    parts = [listing.notional(position.instrument, position.lots, position.mark_ticks) for position in positions]
    if None in parts:
        return []
    return [equality_line("notional = lots x mark, together", stated, sum(part or 0 for part in parts))]


def _charged(
    receipt: SliceSold | BackstopTakeover | Liquidated, listing: Listing, discount_ppm: int
) -> dict[int, tuple[int, int]] | None:
    """Discount and penalty by cash group: each rounded up for each position, as long as there is equity."""
    if listing.rates is None:
        return None
    spare, found = max(receipt.equity, 0), dict[int, tuple[int, int]]()
    for position in receipt.positions:
        value = listing.notional(position.instrument, position.lots, position.mark_ticks)
        if value is None:
            return None
        discount = min(-(-value * discount_ppm // PPM), spare)
        penalty = min(-(-value * listing.rates.penalty_ppm // PPM), spare - discount)
        spare -= discount + penalty
        group = listing.cash_groups[position.instrument]
        before = found.get(group, (0, 0))
        found[group] = (before[0] + discount, before[1] + penalty)
    return found


def _costs(receipt: SliceSold | BackstopTakeover, listing: Listing, discount_ppm: int) -> list[Line]:
    charged = _charged(receipt, listing, discount_ppm)
    if charged is None or listing.rates is None:
        return []
    lines = []
    for split in receipt.paid:
        discount, penalty = charged.get(split.cash_group, (0, 0))
        group, limits = f"cash group {split.cash_group}", "of each notional, rounded up, at most the equity there is"
        if discount_ppm:
            lines.append(
                equality_line(f"{group}: discount {per_cent(discount_ppm)} {limits}", split.discount, discount)
            )
        rate = per_cent(listing.rates.penalty_ppm)
        lines.append(equality_line(f"{group}: penalty {rate} {limits}", split.penalty, penalty))
    return lines


def _splits(receipt: SliceSold | BackstopTakeover, taker: str, fund: str) -> list[Line]:
    """Who got what left the account."""
    lines, share = [], receipt.bidder_share_ppm
    for split in receipt.paid:
        group, rest = f"cash group {split.cash_group}", split.penalty - split.penalty_to_taker
        text = f"{group}: of the penalty {split.penalty} {taker} gets {per_cent(share)}, rounded down"
        lines.append(equality_line(text, split.penalty_to_taker, split.penalty * share // PPM))
        got = split.discount + split.penalty_to_taker
        lines.append(
            plain_line(f"{group}: {taker} got {got}; {fund} got the rest of the penalty, remainder included: {rest}")
        )
    return lines


def _equity(receipt: SliceSold | BackstopTakeover, cost: int) -> list[Line]:
    text = f"equity after = {receipt.equity} - {cost} of discount and penalty"
    lines = [equality_line(text, receipt.equity_after, receipt.equity - cost)]
    return [*lines, plain_line(f"initial margin {receipt.initial} before, {receipt.initial_after} after")]


def _cash_called(receipt: collateral.CashCalled, _: LiquidationHistory) -> Explanation:
    lines = [plain_line(f"cash group {group}: {micros} owed") for group, micros in receipt.owed]
    title = f"{called(receipt.account)} must bring cash until height {receipt.deadline_height}"
    return title, lines


def _cash_call_met(receipt: collateral.CashCallMet, _: LiquidationHistory) -> Explanation:
    return f"{called(receipt.account)} is within the cash limit again", []


def _auction_opened(receipt: collateral.AuctionOpened, _: LiquidationHistory) -> Explanation:
    heights = f"heights {receipt.first_height} to {receipt.last_height}"
    return f"collateral of {called(receipt.account)} is for sale at a falling price, {heights}", []


def _collateral_sold(receipt: collateral.CollateralSold, _: LiquidationHistory) -> Explanation:
    text = f"{receipt.units} units at {receipt.micros_per_unit}"
    lines = [equality_line(text, receipt.paid, receipt.units * receipt.micros_per_unit)]
    return f"{called(receipt.recipient)} bought collateral of {called(receipt.account)}", lines


def _early_called(receipt: calls.EarlyCalled, history: LiquidationHistory) -> Explanation:
    title, lines = early_called(receipt, history.listing)
    return title, lines + history.times.early(receipt, history.height, history.calls)


def _deadline_set(receipt: calls.CallDeadlineSet, history: LiquidationHistory) -> Explanation:
    title, lines = deadline_set(receipt, history.listing)
    return title, lines + history.times.deadline(receipt, history.height, history.calls)


def _call_lapsed(receipt: calls.CallLapsed, history: LiquidationHistory) -> Explanation:
    title, lines = call_lapsed(receipt, history.listing)
    return title, lines + history.times.lapsed(receipt, history.height)


def _call_met(receipt: calls.CallMet, history: LiquidationHistory) -> Explanation:
    title, lines = call_met(receipt, history.listing)
    return title, lines + history.times.met(receipt)


def _by_listing(explain: Callable[[Any, Listing], Explanation]) -> Callable[[Any, LiquidationHistory], Explanation]:
    return lambda receipt, history: explain(receipt, history.listing)


_EXPLAINERS: dict[type, Callable[[Any, LiquidationHistory], Explanation]] = {
    MarginCalled: _by_listing(margin_called),
    MarginRestored: _by_listing(margin_restored),
    calls.EarlyCalled: _early_called,
    calls.CallDeadlineSet: _deadline_set,
    calls.CallMet: _call_met,
    calls.CallLapsed: _call_lapsed,
    LiquidationOpened: _opened,
    SliceSold: _slice_sold,
    LiquidationStepTaken: _step_taken,
    BackstopTakeover: _backstop_took,
    Liquidated: _liquidated,
    LiquidationDeferred: _deferred,
    LiquidationEnded: _ended,
    collateral.CashCalled: _cash_called,
    collateral.CashCallMet: _cash_call_met,
    collateral.AuctionOpened: _auction_opened,
    collateral.CollateralSold: _collateral_sold,
}
