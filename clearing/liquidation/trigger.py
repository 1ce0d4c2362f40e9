"""The margin trigger: the equity below which an account is called for margin, and how much time it then has.

Rule: in normal times maintenance margin and the terms' deadline. Where collateral takes longer to arrive, the call
comes earlier and lasts longer, in steps by the inclusion delay that the state observes, and never above initial margin.
This module must not know what follows when the time is over.
"""

from typing import NamedTuple

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.price_ranges.delays import inclusion_delay_ms
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.margin_calls import CallTerms


class Congestion(NamedTuple):
    """How late collateral is in this block, and by how many steps that extends deadlines and raises triggers."""

    delay_ms: int
    steps: int


def current_congestion(context: BlockContext) -> Congestion:
    """Congestion as observed so far; zero where genesis has no congestion terms."""
    terms = context.terms.crisis.calls
    if not (terms.congestion_step_blocks or terms.congestion_step_ppm):
        return Congestion(0, 0)
    delay = inclusion_delay_ms(context.state, context.time_ms)
    return Congestion(delay, congestion_steps(terms, delay))


def congestion_steps(terms: CallTerms, delay_ms: int) -> int:
    """Begun steps of delay beyond normal, capped."""
    beyond = max(delay_ms - terms.congestion_ms, 0)
    return min(-(-beyond // terms.congestion_step_ms), terms.congestion_steps_max)


def maintenance_trigger(risk: RiskParameters, initial: int, widened_ppm: int) -> int:
    """Maintenance margin plus `widened_ppm` of it, rounded up, at most the initial margin.

    Equity is in whole micros, so it is below this exactly when it is below the unrounded level.
    """
    level = -(-initial * risk.maintenance_numerator * (PPM + widened_ppm) // (risk.maintenance_denominator * PPM))
    return min(level, initial) if widened_ppm else level


def call_trigger(context: BlockContext, margin: AccountMargin, congestion: Congestion) -> int:
    """The account's trigger in this block, in micros; raised only where a call gives time.

    The delay may be this network's own, without blocks; nobody is liquidated for that.
    """
    terms = context.terms.crisis.calls
    widened = congestion.steps * terms.congestion_step_ppm if terms.deadline_blocks else 0
    return maintenance_trigger(context.terms.risk, margin.initial, widened)


def call_deadline(context: BlockContext, blocks: int, congestion: Congestion) -> int:
    """The deadline of an account called in this block with this many blocks: the first block without time."""
    return context.block.height + blocks + congestion.steps * context.terms.crisis.calls.congestion_step_blocks
