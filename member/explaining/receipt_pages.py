"""Receipts to be explained, in order, from the pages of a node's API.

Rule: of a node's answers only the inputs of receipts are used; every figure is recomputed.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any, Protocol

from clearing.base.errors import RemoteFault
from clearing.schema.receipts.default import LossAllocated
from clearing.schema.receipts.default_fund import FundDrawn
from member.api.receipts import InstrumentTicks, ReceiptAt, ReceiptView, receipts_of
from member.codes import NodeCode
from member.explaining.formatting import ExplainedReceipt, Listing
from member.explaining.receipt_index import accounts_named

PAGES_MAX = 1000


class Page(Protocol):
    """One page of a series."""

    @property
    def receipts(self) -> tuple[ReceiptView, ...]:
        """In order."""
        ...

    @property
    def next(self) -> str:
        """Empty at the end."""
        ...

    @property
    def instruments(self) -> tuple[InstrumentTicks, ...]:
        """All of them."""
        ...


class ReceiptSeries:
    """Receipts in order, and the listing of each height."""

    def __init__(self) -> None:
        self.receipts: list[ReceiptAt] = []
        self._listings: dict[int, Listing] = {}
        self._newest = Listing()

    def listing(self, height: int) -> Listing:
        """What was in force at a height."""
        return self._listings.get(height, self._newest)

    def note(self, receipts: Iterable[ReceiptAt], listing: Listing) -> None:
        """More receipts, with the terms that they were made by."""
        for receipt in receipts:
            self.receipts.append(receipt)
            self._listings[receipt.height] = listing
        self._newest = listing


async def receipts_of_pages(ask: Callable[[str], Awaitable[Page]], kinds: Collection[type[Any]]) -> ReceiptSeries:
    """All pages of a node. Raises RemoteFault NODE_ANSWER when they do not end, or go back."""
    found, after, names = ReceiptSeries(), "", {kind.__name__: kind for kind in kinds}
    for _ in range(PAGES_MAX):
        page = await ask(after)
        receipts = receipts_of(page.receipts, names)
        places = [(receipt.height, receipt.index) for receipt in (*found.receipts[-1:], *receipts)]
        if places != sorted(set(places)):
            raise RemoteFault(NodeCode.NODE_ANSWER, "receipts", why="not in order", after=after)
        found.note(receipts, _listing(page.instruments))
        after = page.next
        if not after:
            return found
    raise RemoteFault(NodeCode.NODE_ANSWER, "receipts", why="the pages do not end")


def receipts_of_account(receipts: Iterable[ReceiptAt], account: int | None) -> list[ReceiptAt]:
    """The receipts that name the account; all of them where none is given."""
    return [receipt for receipt in receipts if account is None or account in accounts_named(receipt.receipt)]


def receipts_of_default(receipts: Iterable[ReceiptAt], number: int | None) -> list[ReceiptAt]:
    """The receipts of one default, with the draws on the fund for it; all of them where no number is given."""
    every = list(receipts)
    losses = {
        (receipt.height, receipt.receipt.member)
        for receipt in every
        if isinstance(receipt.receipt, LossAllocated) and receipt.receipt.number == number
    }

    def belongs(at: ReceiptAt) -> bool:
        if isinstance(at.receipt, FundDrawn):
            return (at.height, at.receipt.cause) in losses
        return number in (getattr(at.receipt, "number", None), getattr(at.receipt, "default", None))

    return [receipt for receipt in every if number is None or belongs(receipt)]


def _listing(instruments: Iterable[InstrumentTicks]) -> Listing:
    listed = tuple(instruments)
    return Listing(
        {entry.instrument: entry.name for entry in listed},
        {entry.instrument: int(entry.micros_per_tick) for entry in listed},
        {entry.instrument: entry.cash_group for entry in listed},
    )


def only(explained: Iterable[ExplainedReceipt], receipts: Iterable[ReceiptAt]) -> list[ExplainedReceipt]:
    """The explanations of these receipts. All are explained first: a receipt is compared with earlier ones."""
    places = {(receipt.height, receipt.index) for receipt in receipts}
    return [receipt for receipt in explained if (receipt.height, receipt.index) in places]
