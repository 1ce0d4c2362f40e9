"""Early calls: an account is warned while its margin is still there, when a breach within the horizon is likely.

Rule: the deviation of equity is the sum over risk groups of worst loss x deviation of the price / range: all groups at
their worst together, volatility and variance as the state has them in this block. The receipt tells every input. It
must not know how an account is called for margin, nor touch one that is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clearing.base.units import MONEY_MAX
from clearing.calls.breach import loss_deviation, steps_within, touch_ppm
from clearing.calls.deadlines import lapse, meet
from clearing.calls.receipts import EarlyCalled, GroupDeviation
from clearing.calls.records import CallKind, MarginDeadline
from clearing.calls.trigger import Congestion, deadline_of, trigger_of
from clearing.default.status import is_in_default
from clearing.margin.book import MarginBook
from clearing.margin.kernel import exact_product, exact_sum
from clearing.margin.requirement import AccountMargin
from clearing.ranges.delays import inclusion_delay, report_age
from clearing.ranges.effective import effective_group
from clearing.ranges.update import variance_of
from clearing.ranges.variance import deviation_over, first_variance
from clearing.run import Run


class GroupOutlook(NamedTuple):
    """How far one risk group's price may move within the horizon, and the range that losses stand for."""

    group: int
    range_ppm: int
    variance: int
    horizon_ms: int
    deviation_nano: int


class Outlook(NamedTuple):
    """Of all risk groups in this block, in their order."""

    delay_ms: int
    groups: tuple[GroupOutlook, ...]


def outlook_of(run: Run) -> Outlook:
    """Deviations over the horizon of early calls and what lateness adds to it, capped as for ranges.

    While ranges do not move, the variance is that with which the first raw range is the one of genesis.
    """
    ranges, terms = run.terms.genesis.ranges, run.terms.crisis.calls
    delay = inclusion_delay(run.state, run.time_ms)
    interval = ranges.interval_ms or ranges.horizon_ms
    groups = []
    for group in run.terms.risk.groups:
        age = report_age(run.state, group.feed, run.time_ms)
        if ranges.enabled:
            held = variance_of(run.state, group)
            age = max(age, held.age_ms)
        else:
            held = first_variance(group.range_ppm, ranges.multiple_ppm, ranges.horizon_ms, interval)
        horizon = terms.early_horizon_ms + min(delay + age, ranges.lateness_ms_max)
        deviation = deviation_over(held.variance, horizon, interval)
        in_force = effective_group(run.state, group).range_ppm
        groups.append(GroupOutlook(group.id, in_force, held.variance, horizon, deviation))
    return Outlook(delay, tuple(groups))


def call_early(run: Run, book: MarginBook, looked_at: Sequence[int], congestion: Congestion) -> None:
    """Call early who is likely to breach, of `looked_at`; take back and lapse the early calls under way."""
    terms = run.terms.crisis.calls
    under_way = [account for account, held in list(run.state.margin_calls.ordered()) if held.kind is CallKind.EARLY]
    if not terms.early_ppm and not under_way:
        return
    outlook = outlook_of(run)
    for account in under_way:
        _follow(run, book, account, outlook, congestion)
    if not terms.early_ppm:
        return
    for account in _candidates(book, looked_at, outlook, terms.early_ppm):
        if account not in run.state.margin_calls and not is_in_default(run.state, account):
            _judge(run, account, book.margin(account), outlook, congestion)


def _follow(run: Run, book: MarginBook, account: int, outlook: Outlook, congestion: Congestion) -> None:
    """Take an early call back when a breach is no longer likely; note when its time is over."""
    terms, held = run.terms.crisis.calls, run.state.margin_calls[account]
    if account not in book:  # emptied and closed
        meet(run, account, AccountMargin(0, (), 0, 0, maintenance_ok=True))
        return
    margin = book.margin(account)
    trigger = trigger_of(run, margin, congestion)
    probability = touch_ppm(margin.equity - trigger, sum(each.deviation_micros for each in parts_of(margin, outlook)))
    if not terms.early_ppm or probability < terms.early_release_ppm or not margin.initial:
        meet(run, account, margin, probability)
    elif run.block.height >= held.deadline_height and not held.lapsed:
        lapse(run, account, margin, trigger, held)


def _judge(run: Run, account: int, margin: AccountMargin, outlook: Outlook, congestion: Congestion) -> None:
    """Call the account early when its probability of a breach is at the threshold and its trigger is covered."""
    terms = run.terms.crisis.calls
    trigger = trigger_of(run, margin, congestion)
    parts = parts_of(margin, outlook)
    deviation = sum(each.deviation_micros for each in parts)
    probability = touch_ppm(margin.equity - trigger, deviation)
    if margin.equity < trigger or probability < terms.early_ppm:
        return
    deadline = deadline_of(run, terms.early_blocks, congestion)
    run.state.margin_calls.put(account, MarginDeadline(CallKind.EARLY, run.block.height, deadline))
    run.receipts.append(
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


def parts_of(margin: AccountMargin, outlook: Outlook) -> tuple[GroupDeviation, ...]:
    """What every risk group with a loss brings to the deviation of an account's equity."""
    return tuple(
        GroupDeviation(
            group=each.group,
            loss=loss,
            range_ppm=each.range_ppm,
            variance=each.variance,
            horizon_ms=each.horizon_ms,
            deviation_nano=each.deviation_nano,
            deviation_micros=min(loss_deviation(loss, each.deviation_nano, each.range_ppm), MONEY_MAX),
        )
        for loss, each in zip(margin.group_losses, outlook.groups, strict=True)
        if loss
    )


def _candidates(book: MarginBook, accounts: Sequence[int], outlook: Outlook, threshold_ppm: int) -> list[int]:
    """Those that may be at the threshold, all at once: with the initial margin for the trigger, which is no higher.

    Deviations are rounded up more coarsely than `parts_of` does, so nobody is missed; `_judge` has the last word.
    """
    if not accounts:
        return []
    batch = book.margins(accounts)
    terms = [np.full(len(accounts), len(outlook.groups), np.int64)]
    for at, each in enumerate(outlook.groups):
        share_ppm = -(-each.deviation_nano * 1000 // each.range_ppm)
        terms.append(-(exact_product(-share_ppm, batch.losses[:, at]) // 1_000_000))
    deviation = exact_sum(terms, len(accounts))
    spare = exact_sum([batch.equity, -batch.initial], len(accounts))
    near = exact_product(10, spare) < exact_product(steps_within(threshold_ppm), deviation)
    loses = np.asarray(batch.initial > 0, np.bool_)
    return [accounts[at] for at in np.flatnonzero(np.asarray(near, np.bool_) & loses).tolist()]
