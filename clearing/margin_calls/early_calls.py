"""Early calls: an account is called while it still has margin, when a breach within the horizon is likely.

Rule: equity moves like a Brownian motion without drift, so it touches a barrier within the horizon with probability 2
(1 - Phi(headroom / deviation)). All roundings make a breach more likely. The deviation is the sum over risk groups of
worst loss x deviation of the price / range. The receipt states every input.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clearing.base.units import MONEY_MAX, PPM
from clearing.context.block_context import BlockContext
from clearing.context.member_status import is_in_default
from clearing.liquidation.trigger import Congestion, call_deadline, call_trigger
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.exact_products import exact_product, exact_sum
from clearing.margin_calls.deadlines import lapse_call, meet_call
from clearing.price_ranges.delays import inclusion_delay_ms, report_age_ms
from clearing.price_ranges.history import deviation_over, first_variance
from clearing.price_ranges.update import group_variance
from clearing.prices.stale_options import margin_for_calls, too_old_longs
from clearing.schema.receipts.margin_calls import EarlyCalled, GroupDeviation
from clearing.schema.records.margin_calls import CallKind, MarginCallRecord
from clearing.state.effective_parameters import effective_risk_group


class GroupForecast(NamedTuple):
    """The deviation of one risk group's price over the horizon, and the range to which losses refer."""

    group: int
    range_ppm: int
    variance: int
    horizon_ms: int
    deviation_nano: int


class Forecast(NamedTuple):
    """Forecasts of all risk groups in this block, in their order."""

    delay_ms: int
    groups: tuple[GroupForecast, ...]


def price_forecast(context: BlockContext) -> Forecast:
    """Deviations over the horizon of early calls plus the delay, capped as for ranges.

    While ranges do not move, the variance is the one for which the first raw range is that of genesis.
    """
    ranges, terms = context.terms.genesis.ranges, context.terms.crisis.calls
    delay = inclusion_delay_ms(context.state, context.time_ms)
    interval = ranges.interval_ms or ranges.horizon_ms
    groups = []
    for group in context.terms.risk.groups:
        age = report_age_ms(context.state, group.feed, context.time_ms)
        if ranges.enabled:
            variance = group_variance(context.state, group)
            age = max(age, variance.age_ms)
        else:
            variance = first_variance(group.range_ppm, ranges.multiple_ppm, ranges.horizon_ms, interval)
        horizon = terms.early_horizon_ms + min(delay + age, ranges.lateness_ms_max)
        deviation = deviation_over(variance.variance, horizon, interval)
        in_force = effective_risk_group(context.state, group).range_ppm
        groups.append(GroupForecast(group.id, in_force, variance.variance, horizon, deviation))
    return Forecast(delay, tuple(groups))


def check_early_calls(
    context: BlockContext, book: MarginBook, checked_accounts: Sequence[int], congestion: Congestion
) -> None:
    """Call accounts of `looked_at` with a likely breach early; end or lapse open early calls."""
    terms = context.terms.crisis.calls
    under_way = [account for account, call in list(context.state.margin_calls.ordered()) if call.kind is CallKind.EARLY]
    if not terms.early_ppm and not under_way:
        return
    outlook = price_forecast(context)
    for account in under_way:
        _follow_early_call(context, book, account, outlook, congestion)
    if not terms.early_ppm:
        return
    likely = _candidates(book, checked_accounts, outlook, terms.early_ppm)
    for account in sorted({*likely, *_counted_at_floor(context, book, checked_accounts)}):
        if account not in context.state.margin_calls and not is_in_default(context.state, account):
            margin = margin_for_calls(context.state, account, book.margin(account))
            _consider_early_call(context, account, margin, outlook, congestion)


def _counted_at_floor(context: BlockContext, book: MarginBook, accounts: Sequence[int]) -> list[int]:
    """Those of these accounts for which calls count another margin than the book's."""
    longs = too_old_longs(context.state, book, accounts)
    return [account for at, account in enumerate(accounts) if any(lots[at] for lots in longs.values())]


def _follow_early_call(
    context: BlockContext, book: MarginBook, account: int, outlook: Forecast, congestion: Congestion
) -> None:
    """End an early call when a breach is no longer likely; lapse it when its time is over."""
    terms, call = context.terms.crisis.calls, context.state.margin_calls[account]
    if account not in book:  # emptied and closed
        meet_call(context, account, AccountMargin(0, (), 0, 0, maintenance_ok=True))
        return
    margin = margin_for_calls(context.state, account, book.margin(account))
    trigger = call_trigger(context, margin, congestion)
    probability = breach_probability_ppm(
        margin.equity - trigger,
        sum(group_deviation.deviation_micros for group_deviation in group_deviations(margin, outlook)),
    )
    if not terms.early_ppm or probability < terms.early_release_ppm or not margin.initial:
        meet_call(context, account, margin, probability)
    elif context.block.height >= call.deadline_height and not call.lapsed:
        lapse_call(context, account, margin, trigger, call)


def _consider_early_call(
    context: BlockContext, account: int, margin: AccountMargin, outlook: Forecast, congestion: Congestion
) -> None:
    """Call the account early when its breach probability is at the threshold and its trigger is covered."""
    terms = context.terms.crisis.calls
    trigger = call_trigger(context, margin, congestion)
    parts = group_deviations(margin, outlook)
    deviation = sum(part.deviation_micros for part in parts)
    probability = breach_probability_ppm(margin.equity - trigger, deviation)
    if margin.equity < trigger or probability < terms.early_ppm:
        return
    deadline = call_deadline(context, terms.early_blocks, congestion)
    context.state.margin_calls.put(account, MarginCallRecord(CallKind.EARLY, context.block.height, deadline))
    context.receipts.append(
        EarlyCalled(
            account=account,
            equity=margin.equity,
            trigger=trigger,
            initial=margin.initial,
            deviation=min(deviation, MONEY_MAX),
            probability_ppm=probability,
            threshold_ppm=terms.early_ppm,
            delay_ms=outlook.delay_ms,
            groups=parts,
            deadline_height=deadline,
        )
    )


def group_deviations(margin: AccountMargin, outlook: Forecast) -> tuple[GroupDeviation, ...]:
    """The contribution of every risk group with a loss to the deviation of an account's equity."""
    return tuple(
        GroupDeviation(
            group=forecast.group,
            loss=loss,
            range_ppm=forecast.range_ppm,
            variance=forecast.variance,
            horizon_ms=forecast.horizon_ms,
            deviation_nano=forecast.deviation_nano,
            deviation_micros=min(loss_deviation(loss, forecast.deviation_nano, forecast.range_ppm), MONEY_MAX),
        )
        for loss, forecast in zip(margin.group_losses, outlook.groups, strict=True)
        if loss
    )


def _candidates(book: MarginBook, accounts: Sequence[int], outlook: Forecast, threshold_ppm: int) -> list[int]:
    """The accounts that may be at the threshold, computed together, with initial margin as an upper bound of the
    trigger.

    Deviations round up more coarsely than in `group_deviations`, so no account is missed; `_consider_early_call`
    decides.
    """
    if not accounts:
        return []
    batch = book.totals(accounts)
    terms = [np.full(len(accounts), len(outlook.groups), np.int64)]
    for at, forecast in enumerate(outlook.groups):
        share_ppm = -(-forecast.deviation_nano * 1000 // forecast.range_ppm)
        terms.append(-(exact_product(-share_ppm, batch.losses[:, at]) // 1_000_000))
    deviation = exact_sum(terms, len(accounts))
    spare = exact_sum([batch.equity, -batch.initial], len(accounts))
    near = exact_product(10, spare) < exact_product(deviation_steps_within(threshold_ppm), deviation)
    loses = np.asarray(batch.initial > 0, np.bool_)
    return [accounts[at] for at in np.flatnonzero(np.asarray(near, np.bool_) & loses).tolist()]


STEPS_PER_DEVIATION = 10

# fmt: off
BREACH_PROBABILITIES_PPM = (
    1_000_000, 920_345, 841_481, 764_178, 689_157, 617_076, 548_507, 483_928, 423_711, 368_121,
    317_311, 271_333, 230_140, 193_601, 161_514, 133_615, 109_599, 89_131, 71_861, 57_434,
    45_501, 35_729, 27_807, 21_449, 16_396, 12_420, 9_323, 6_934, 5_111, 3_732,
    2_700, 1_936, 1_375, 967, 674, 466, 319, 216, 145, 97,
    64, 42, 27, 18, 11, 7, 5, 3, 2, 1,
    1,
)
# fmt: on
"""2 (1 - Phi(z)) in millionths, rounded up, at z = 0, 0.1, ... 5."""


def breach_probability_ppm(headroom: int, deviation: int) -> int:
    """Probability that a loss reaches `headroom` within the horizon, in millionths, rounded up.

    Both in micros. 1 without headroom, 0 without any deviation; beyond five deviations the last entry.
    """
    if headroom <= 0:
        return PPM
    if deviation <= 0:
        return 0
    at, rest = divmod(headroom * STEPS_PER_DEVIATION, deviation)
    if at >= len(BREACH_PROBABILITIES_PPM) - 1:
        return BREACH_PROBABILITIES_PPM[-1]
    high, low = BREACH_PROBABILITIES_PPM[at], BREACH_PROBABILITIES_PPM[at + 1]
    return high - (high - low) * rest // deviation


def deviation_steps_within(threshold_ppm: int) -> int:
    """Tenths of a deviation beyond which the probability is certainly below the threshold. Threshold > 0."""
    return next(
        (at for at, ppm in enumerate(BREACH_PROBABILITIES_PPM) if ppm < threshold_ppm), len(BREACH_PROBABILITIES_PPM)
    )


def loss_deviation(loss: int, deviation_nano: int, range_ppm: int) -> int:
    """The loss at one deviation of the price, where a move by the whole range costs `loss`: in
    proportion, rounded up."""
    return -(-loss * deviation_nano // (range_ppm * 1000))
