"""Options without a fresh surface: what they count for when an account takes new risk or pays out.

Rule: a stale quote never creates credit. New risk of any kind must be covered with long options at most at their
intrinsic value in every scenario, and short ones at their full mark. Nothing leaves an account with options on a stale
surface, as with positions whose price is not open. Margin calls and liquidation count the mark: a missing quote calls
nobody. It moves no money.
"""

from clearing.context.block_context import BlockContext
from clearing.margin.risk_arrays.floor_rows import arrays_at_floor
from clearing.prices.price_status import option_status
from clearing.schema.records.prices import PriceStatus
from clearing.state.holdings import Holdings, current_arrays, holdings_margin


def stale_options(context: BlockContext, holdings: Holdings) -> tuple[int, ...]:
    """The options without a fresh surface among positions, by id."""
    if not context.terms.surfaces:
        return ()
    listed = zip(context.terms.instruments.values(), holdings.lots, strict=True)
    return tuple(
        instrument.id
        for instrument, lots in listed
        if lots and option_status(context.state, instrument) != PriceStatus.USABLE
    )


def is_covered_at_floor(context: BlockContext, holdings: Holdings) -> bool:
    """Whether initial margin is covered with the long ones among stale options at their floor."""
    position = context.terms.array_index
    longs = [option for option in stale_options(context, holdings) if holdings.lots[position[option]] > 0]
    if not longs:
        return True
    return holdings_margin(arrays_at_floor(current_arrays(context.state), longs), holdings).initial_ok
