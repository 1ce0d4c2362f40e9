"""Receipts of own accounts, and the masked series of calls, liquidations, defaults and the default fund."""

from collections.abc import Callable

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.unresolved_losses import defaults_under_way
from clearing.liquidation.auction import auction_discount_ppm
from clearing.prices.price_status import can_close_out
from clearing.schema.records.default import DefaultPhase
from clearing.state.holdings import positions_of
from clearing.state.state import State
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
    named,
)
from member.explaining.receipt_index import Masks, masked
from node.api.calls import NUMBER, PAGED, ApiCall, Parameter, Routes, member_of, own_account, page_of

routes = Routes()
SALES_MAX = 256
"""Sales on one page."""


@routes.get("/v1/receipts", Parameter("account", "query", NUMBER, "account id"), *PAGED, signed=True, refusals=(403,))
def receipts(call: ApiCall) -> ReceiptPage:
    """What happened to an own account, page by page."""
    # Other accounts are masked here too: the same receipt is masked in the series of all, and one name in clear
    # would give away all the others.
    page, following = _page(call, own_account(call))
    return ReceiptPage(receipts=page, next=following)


@routes.get("/v1/liquidations", *PAGED, signed=True)
def liquidations(call: ApiCall) -> LiquidationPage:
    """Margin calls and liquidations, page by page, and slices for sale. Accounts of other members are masked."""
    page, following = _page(call, Series.LIQUIDATIONS)
    return LiquidationPage(
        receipts=page,
        next=following,
        instruments=instrument_ticks(call.state),
        sales=slice_sales(call.state, masks_of(call.state, call.signer)),
    )


@routes.get("/v1/fund/receipts", *PAGED, signed=True)
def fund_receipts(call: ApiCall) -> FundPage:
    """Sizing, calls, payments and draws of the default fund. Accounts of other members are masked."""
    page, following = _page(call, Series.FUND)
    return FundPage(receipts=page, next=following, instruments=instrument_ticks(call.state))


@routes.get("/v1/defaults", *PAGED, signed=True)
def defaults(call: ApiCall) -> DefaultPage:
    """Defaults and who bore their losses, page by page, and what is under way. Accounts of others are masked."""
    page, following = _page(call, Series.DEFAULTS)
    return DefaultPage(
        receipts=page, next=following, instruments=instrument_ticks(call.state), under_way=under_way(call.state)
    )


def _page(call: ApiCall, key: int) -> tuple[tuple[ReceiptView, ...], str]:
    """Receipts of an account or of a series, masked for the signer, and the `after` of the next page."""
    asked = page_of(call)
    found = call.view.receipts(key, asked)
    masks = masks_of(call.state, call.signer)
    page = tuple(receipt_view(ReceiptAt(at.height, at.index, masked(at.receipt, masks))) for at in found)
    return page, f"{found[-1].height}:{found[-1].index}" if len(found) == asked.limit else ""


def masks_of(state: State, address: bytes) -> Masks:
    """The names under which the member with this key sees accounts: its own and public ones in clear, others masked."""
    member = member_of(state, address)
    public = (HOUSE_ACCOUNT, state.terms.crisis.liquidation.backstop_account)

    def in_clear(account: int) -> bool:
        record = state.accounts.get(account)
        return account in public or (record is not None and record.member == member)

    return Masks(state.salt, in_clear)


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


def slice_sales(state: State, name: Callable[[int], int]) -> tuple[SliceSale, ...]:
    """What can be bid for in the next block, by account: of very many those that end first. `name`: of an account, as
    its reader sees it.

    The limit: every member may ask for whole portfolios on the thread that agrees on blocks, in a crisis most of all.
    """
    terms, height = state.terms.crisis.liquidation, state.now.height + 1
    open_ = [
        (record.last_height, account, record)
        for account, record in state.liquidations.ordered()
        if record.first_height <= height <= record.last_height
    ]
    ending = sorted(open_, key=lambda sale: sale[:2])[:SALES_MAX]
    return tuple(
        SliceSale(
            account=name(account),
            opened_height=record.opened_height,
            discount_ppm=auction_discount_ppm(terms.start_ppm, terms.end_ppm, record.first_height, last, height),
            slice_max_ppm=terms.slice_max_ppm,
            last_height=last,
            positions=_positions(state, account),
        )
        for last, account, record in sorted(ending, key=lambda sale: sale[1])
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
            reveal_height=default.reveal_height,
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
    """A receipt in JSON's terms; `kind` is its type's name."""
    return ReceiptView(height=at.height, index=at.index, kind=type(at.receipt).__name__, details=named(at.receipt))
