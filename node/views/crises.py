"""What is under way: slices for sale, defaults that have not ended, and what their receipts' arithmetic needs.

Rule: reads a decided state, decides nothing. What can be bid for is told as far as a bid needs it.
"""

from clearing.default.records import Phase
from clearing.default.unresolved import defaults_under_way
from clearing.holdings import book_of
from clearing.liquidation.path import discount_ppm
from clearing.prices.degradation import may_close_out
from clearing.state.state import State
from node.api.crisis_shapes import DefaultUnderWay, InstrumentTicks, SlicePosition, SliceSale

SALES_MAX = 256
"""Sales that one page tells of."""


def instrument_ticks(state: State) -> tuple[InstrumentTicks, ...]:
    """All instruments, ordered by id."""
    return tuple(
        InstrumentTicks(
            instrument=each.id, name=each.name, micros_per_tick=str(each.micros_per_tick), cash_group=each.cash_group
        )
        for each in state.terms.instruments.values()
    )


def slice_sales(state: State) -> tuple[SliceSale, ...]:
    """What can be bid for in the next block, by account: of very many those that end first.

    Whole portfolios are told to every member, on the thread that agrees on blocks, when it is needed most.
    """
    terms, height = state.terms.crisis.liquidation, state.now.height + 1
    open_ = [
        (record.last_height, account, record)
        for account, record in state.liquidations.ordered()
        if record.first_height <= height <= record.last_height
    ]
    ending = sorted(open_, key=lambda each: each[:2])[:SALES_MAX]
    return tuple(
        SliceSale(
            account=account,
            opened_height=record.opened_height,
            discount_ppm=discount_ppm(terms.start_ppm, terms.end_ppm, record.first_height, last, height),
            slice_max_ppm=terms.slice_max_ppm,
            last_height=last,
            positions=_positions(state, account),
        )
        for last, account, record in sorted(ending, key=lambda each: each[1])
    )


def under_way(state: State) -> tuple[DefaultUnderWay, ...]:
    """Defaults that have not ended, ordered by number."""
    return tuple(
        DefaultUnderWay(
            number=number,
            member=held.member,
            phase=Phase(held.phase).name.lower(),
            declared_height=held.declared_height,
            auction_height=held.auction_height,
            porting_height=held.porting_height,
            deadline_height=held.deadline_height,
            slices=state.terms.crisis.default.auction_slices,
            positions=_positions(state, held.estate) if held.own else (),
        )
        for number, held in defaults_under_way(state)
    )


def _positions(state: State, account: int) -> tuple[SlicePosition, ...]:
    """Those whose prices are open."""
    listed = state.terms.instruments
    return tuple(
        SlicePosition(instrument=instrument, lots=str(lots))
        for instrument, lots in book_of(state, account).lots
        if may_close_out(state, listed[instrument].feed)
    )
