"""Whose lots a receipt moved, and how many, where it says so by itself.

Rule: exactly what the receipt says, both sides; receipts that do not name both sides are not here.
"""

from collections.abc import Callable, Iterator
from typing import Any

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.default.receipts import Deleveraged, EstatePooled, TakenByHouse, TornUp
from clearing.liquidation.receipts import BackstopTook, SliceSold
from clearing.receipts import Liquidated, Receipt

Moved = tuple[int, int, int]
"""(account, instrument, signed lots that came)."""


def lots_moved(receipt: Receipt) -> Iterator[Moved]:
    """Every account's change by this receipt; nothing for other kinds."""
    tell = _TELL.get(type(receipt).__name__)
    if tell is not None:
        yield from tell(receipt)


def _passed(giver: int, taker: int, instrument: int, lots: int) -> Iterator[Moved]:
    yield giver, instrument, -lots
    yield taker, instrument, lots


def _to(taker: Callable[[Any], int]) -> Callable[[Any], Iterator[Moved]]:
    def moved(receipt: Any) -> Iterator[Moved]:
        for each in receipt.positions:
            yield from _passed(receipt.account, taker(receipt), each.instrument, each.lots)

    return moved


def _pooled(receipt: EstatePooled) -> Iterator[Moved]:
    for instrument, lots in receipt.positions:
        yield from _passed(receipt.account, receipt.estate, instrument, lots)


def _deleveraged(receipt: Deleveraged) -> Iterator[Moved]:
    for account, _, _, _, lots, _ in receipt.by:
        yield from _passed(receipt.account, account, receipt.instrument, lots)


def _torn_up(receipt: TornUp) -> Iterator[Moved]:
    for account, lots, _ in receipt.positions:
        yield account, receipt.instrument, -lots


_TELL: dict[str, Callable[[Any], Iterator[Moved]]] = {
    Liquidated.__name__: _to(lambda _: HOUSE_ACCOUNT),
    SliceSold.__name__: _to(lambda receipt: int(receipt.bidder)),
    BackstopTook.__name__: _to(lambda receipt: int(receipt.backstop)),
    TakenByHouse.__name__: _to(lambda _: HOUSE_ACCOUNT),
    EstatePooled.__name__: _pooled,
    Deleveraged.__name__: _deleveraged,
    TornUp.__name__: _torn_up,
}
EXACT = tuple(_TELL)
"""Kinds of receipts that say all of it."""
