"""Routes that tell of calls, liquidations, defaults and the default fund, and what can be bid for in them.

Rule: any member may ask; accounts of other members are masked, amounts are not. Everything comes from the view.
"""

from collections.abc import Sequence

from node.api.crisis_shapes import DefaultPage, FundPage, LiquidationPage
from node.api.handlers import Call, page_of
from node.api.render import receipt_view
from node.api.shapes import ReceiptView
from node.api.view import ReceiptAt, Series
from node.explaining.concerned import masked


def liquidations(call: Call) -> object:
    """One page of calls and liquidations."""
    receipts, more = _page(call, Series.LIQUIDATIONS)
    view = call.view
    return LiquidationPage(
        receipts=receipts, next=more, instruments=tuple(view.instrument_ticks()), sales=tuple(view.slice_sales())
    )


def defaults(call: Call) -> object:
    """One page of defaults."""
    receipts, more = _page(call, Series.DEFAULTS)
    view = call.view
    return DefaultPage(
        receipts=receipts,
        next=more,
        instruments=tuple(view.instrument_ticks()),
        under_way=tuple(view.defaults_under_way()),
    )


def fund_receipts(call: Call) -> object:
    """One page of the default fund."""
    receipts, more = _page(call, Series.FUND)
    return FundPage(receipts=receipts, next=more, instruments=tuple(call.view.instrument_ticks()))


def _page(call: Call, series: Series) -> tuple[tuple[ReceiptView, ...], str]:
    after, limit = page_of(call)
    found: Sequence[ReceiptAt] = call.view.crisis_receipts(series, after, limit)
    masks = call.view.masks(call.signer)
    told = tuple(receipt_view(ReceiptAt(each.height, each.index, masked(each.receipt, masks))) for each in found)
    return told, f"{found[-1].height}:{found[-1].index}" if len(found) == limit else ""
