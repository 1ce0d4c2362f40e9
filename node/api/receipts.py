"""Receipts of own accounts, and the masked series of calls, liquidations, defaults and the default fund."""

from collections.abc import Sequence

from clearing.context.unresolved_losses import defaults_under_way
from clearing.liquidation.auction import auction_discount_ppm
from clearing.prices.price_status import can_close_out
from clearing.schema.records.default import DefaultPhase
from clearing.state.holdings import positions_of
from clearing.state.state import State
from member.api.receipt_json import named
from member.api.receipts import (
    DefaultPage,
    DefaultUnderWay,
    FundPage,
    InstrumentTicks,
    LiquidationPage,
    ReceiptAt,
    ReceiptPage,
    ReceiptView,
    Series,
    SlicePosition,
    SliceSale,
)
from member.explaining.masking import Masks, masked
from node.api.calls import ApiCall, own_account, page_of


def liquidations(call: ApiCall) -> object:
    """One page of calls and liquidations."""
    receipts, more = _page(call, Series.LIQUIDATIONS)
    view = call.view
    return LiquidationPage(
        receipts=receipts, next=more, instruments=tuple(view.instrument_ticks()), sales=tuple(view.slice_sales())
    )


def defaults(call: ApiCall) -> object:
    """One page of defaults."""
    receipts, more = _page(call, Series.DEFAULTS)
    view = call.view
    return DefaultPage(
        receipts=receipts,
        next=more,
        instruments=tuple(view.instrument_ticks()),
        under_way=tuple(view.defaults_under_way()),
    )


def fund_receipts(call: ApiCall) -> object:
    """One page of the default fund."""
    receipts, more = _page(call, Series.FUND)
    return FundPage(receipts=receipts, next=more, instruments=tuple(call.view.instrument_ticks()))


def _page(call: ApiCall, series: Series) -> tuple[tuple[ReceiptView, ...], str]:
    after, limit = page_of(call)
    found: Sequence[ReceiptAt] = call.view.crisis_receipts(series, after, limit)
    masks = call.view.masks(call.signer)
    told = tuple(receipt_view(ReceiptAt(each.height, each.index, masked(each.receipt, masks))) for each in found)
    return told, f"{found[-1].height}:{found[-1].index}" if len(found) == limit else ""


SALES_MAX = 256
"""Sales that one page tells of."""


def instrument_ticks(state: State) -> tuple[InstrumentTicks, ...]:
    """All instruments, ordered by id."""
    return tuple(
        InstrumentTicks(
            instrument=instrument.id,
            name=instrument.name,
            micros_per_tick=str(instrument.micros_per_tick),
            cash_group=instrument.cash_group,
        )
        for instrument in state.terms.instruments.values()
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
            discount_ppm=auction_discount_ppm(terms.start_ppm, terms.end_ppm, record.first_height, last, height),
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
            member=default.member,
            phase=DefaultPhase(default.phase).name.lower(),
            declared_height=default.declared_height,
            auction_height=default.auction_height,
            porting_height=default.porting_height,
            deadline_height=default.deadline_height,
            slices=state.terms.crisis.default.auction_slices,
            positions=_positions(state, default.estate) if default.own_accounts else (),
        )
        for number, default in defaults_under_way(state)
    )


def _positions(state: State, account: int) -> tuple[SlicePosition, ...]:
    """Those whose prices are open."""
    listed = state.terms.instruments
    return tuple(
        SlicePosition(instrument=instrument, lots=str(lots))
        for instrument, lots in positions_of(state, account).lots
        if can_close_out(state, listed[instrument].feed)
    )


def receipt_view(at: ReceiptAt) -> ReceiptView:
    """A receipt as the API shows it; `kind` is its type's name."""
    return ReceiptView(height=at.height, index=at.index, kind=type(at.receipt).__name__, details=named(at.receipt))


def receipts(call: ApiCall) -> object:
    """One page of receipts."""
    wanted = own_account(call)
    after, limit = page_of(call)
    found = call.view.receipts(wanted, after, limit)
    more = f"{found[-1].height}:{found[-1].index}" if len(found) == limit else ""
    masks = call.view.masks(call.signer)
    return ReceiptPage(receipts=tuple(receipt_view(_others_masked(each, masks)) for each in found), next=more)


def _others_masked(at: ReceiptAt, masks: Masks) -> ReceiptAt:
    """Who is one of those that a liquidation or default concerns learns no other's account by it: the same receipt
    stands masked in the series of all, so that one name in clear would tell whose all the others are."""
    return ReceiptAt(at.height, at.index, masked(at.receipt, masks))
