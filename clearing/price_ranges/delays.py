"""Delays: the inclusion delay of chains and the age of oracle reports, as observed by the state.

Rule: only block times and quorum facts are used. A silent chain counts as delayed for as long as it is silent. A
single slow withdrawal says little, because its owner may have waited, so the fastest of an epoch counts. Genesis caps
the sum.
"""

import msgspec

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed
from clearing.schema.records.prices import ChainDelayRecord, FeedStatus
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.state.state import State
from clearing.validators.chain_attestations import agreed_final_block
from clearing.validators.validator_sets import attesting_set


def next_average(average_ms: int, observed_ms: int, decay_ppm: int) -> int:
    """The next value of an exponentially weighted average, rounded up. The first observation is used unchanged."""
    if average_ms == 0:
        return observed_ms
    return -(-(average_ms * decay_ppm + observed_ms * (PPM - decay_ppm)) // PPM)


def observe_chains(context: BlockContext) -> None:
    """Record which chains advanced."""
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
    """Record how long the withdrawals confirmed in this block took. Call it after their receipts are written."""
    valid_ms = context.terms.market.withdrawal_valid_ms
    for receipt in context.receipts:
        if not isinstance(receipt, WithdrawalConfirmed):
            continue
        delay = context.state.chain_delays.get(receipt.chain_id)
        released = context.state.withdrawals.get(receipt.nonce)
        if delay is None or released is None:
            continue
        # The not-after is the release time plus the validity of genesis, in whole seconds.
        duration_ms = max(context.time_ms - (released.not_after_s * 1000 - valid_ms), 1)
        if delay.fastest_ms == 0 or duration_ms < delay.fastest_ms:
            context.state.chain_delays.put(receipt.chain_id, msgspec.structs.replace(delay, fastest_ms=duration_ms))


def close_delay_window(context: BlockContext) -> None:
    """At an epoch's end, add the fastest withdrawal of each chain to its average."""
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
    """Stake-weighted lower median of the age of a feed's reports; the age of its last price where there are none."""
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
    """Time to close out plus the capped delay and age."""
    return parameters.horizon_ms + min(delay_ms + age_ms, parameters.lateness_ms_max)
