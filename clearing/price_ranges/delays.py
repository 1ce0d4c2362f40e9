"""How late news is: the inclusion delay of chains and the age of oracle reports, as the state itself observes them.

Rule: only block times and what quorums said; a chain that stands still counts as late as it has been silent. One slow
withdrawal says little, its owner may have waited, so the fastest of an epoch counts. The sum is capped by genesis.
"""

import msgspec

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed
from clearing.schema.records.prices import ChainDelayRecord, FeedStatus
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.state.state import State
from clearing.validators.observed_chains import agreed_final_block
from clearing.validators.validator_sets import attesting_set


def next_average(average_ms: int, seen_ms: int, decay_ppm: int) -> int:
    """The next value of an exponentially weighted average, rounded up; the first value is taken as it is."""
    if average_ms == 0:
        return seen_ms
    return -(-(average_ms * decay_ppm + seen_ms * (PPM - decay_ppm)) // PPM)


def observe_chains(context: BlockContext) -> None:
    """Note which chains went on."""
    decay = context.terms.genesis.ranges.lateness_decay_ppm
    for chain_id in context.terms.chains:
        number = agreed_final_block(context.state, chain_id)
        delay = context.state.chain_delays.get(chain_id)
        if number == 0 or (delay is not None and number <= delay.final_block):
            continue
        if delay is None:
            context.state.chain_delays.put(chain_id, ChainDelayRecord(number, context.time_ms))
            continue
        gap = next_average(delay.gap_ms, context.time_ms - delay.since_ms, decay)
        context.state.chain_delays.put(
            chain_id, msgspec.structs.replace(delay, final_block=number, since_ms=context.time_ms, gap_ms=gap)
        )


def observe_withdrawals(context: BlockContext) -> None:
    """Note how long the withdrawals confirmed in this block took; called once their receipts are written."""
    valid_ms = context.terms.market.withdrawal_valid_ms
    for receipt in context.receipts:
        if not isinstance(receipt, WithdrawalConfirmed):
            continue
        delay = context.state.chain_delays.get(receipt.chain_id)
        released = context.state.withdrawals.get(receipt.nonce)
        if delay is None or released is None:
            continue
        # Its not-after is its release and the time that genesis gives, in whole seconds.
        took = max(context.time_ms - (released.not_after_s * 1000 - valid_ms), 1)
        if delay.fastest_ms == 0 or took < delay.fastest_ms:
            context.state.chain_delays.put(receipt.chain_id, msgspec.structs.replace(delay, fastest_ms=took))


def close_delay_window(context: BlockContext) -> None:
    """At an epoch's end let the fastest withdrawal of each chain count."""
    decay = context.terms.genesis.ranges.lateness_decay_ppm
    for chain_id in context.terms.chains:
        delay = context.state.chain_delays.get(chain_id)
        if delay is not None and delay.fastest_ms:
            paid = next_average(delay.paid_ms, delay.fastest_ms, decay)
            context.state.chain_delays.put(chain_id, msgspec.structs.replace(delay, paid_ms=paid, fastest_ms=0))


def inclusion_delay_ms(state: State, time_ms: int) -> int:
    """Milliseconds until collateral sent now would count, by the slowest chain; 0 while nothing was observed."""
    delays = [0]
    for chain_id in state.terms.chains:
        delay = state.chain_delays.get(chain_id)
        if delay is not None:
            delays.append(max(delay.gap_ms, delay.paid_ms, time_ms - delay.since_ms))
    return max(delays)


def report_age_ms(state: State, feed: int, time_ms: int) -> int:
    """Age of the youngest half of a feed's reports at most, by stake; of its last price where none is kept."""
    reports = []
    for validator in range(len(attesting_set(state).validators)):
        report = state.price_reports.get((feed, validator))
        if report is not None:
            reports.append((max(time_ms - report.time_ms, 0), report.power))
    feed_state = state.feeds.get(feed)
    if feed_state is not None and (not reports or feed_state.status is not FeedStatus.OPEN):
        return max(time_ms - feed_state.time_ms, 0)
    power, below = sum(weight for _, weight in reports), 0
    for age, weight in sorted(reports):
        below += weight
        if 2 * below >= power:
            return age
    return 0


def margin_horizon_ms(parameters: RangeParameters, delay_ms: int, age_ms: int) -> int:
    """Time to close out, and what delay and age add to it, capped."""
    return parameters.horizon_ms + min(delay_ms + age_ms, parameters.lateness_ms_max)
