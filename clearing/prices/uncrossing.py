"""Uncrossing: the one price at which a call auction trades most, and who trades with whom at it.

Rule: pure functions of whole numbers. Most lots first, then the least left over, then nearest to the reference, then
the lower price. Better prices trade first, then earlier orders, then lower accounts. It must not know the state.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """What one account wants: positive lots to buy, negative to sell, at `ticks` or better."""

    account: int
    lots: int
    ticks: int
    height: int
    """When it was taken in."""


@dataclass(frozen=True, slots=True)
class Uncrossed:
    """The auction's price. `surplus`: lots that want to trade at it and cannot, positive on the buying side."""

    ticks: int
    lots: int
    surplus: int


def uncross(orders: Iterable[Order], reference_ticks: int) -> Uncrossed | None:
    """The price, one of the orders' own; None when nobody meets. Quadratic: callers bound how many orders there are."""
    listed, best = tuple(orders), None
    for ticks in sorted({each.ticks for each in listed}):
        wanted = sum(each.lots for each in listed if each.lots > 0 and each.ticks >= ticks)
        offered = -sum(each.lots for each in listed if each.lots < 0 and each.ticks <= ticks)
        lots = min(wanted, offered)
        rank = (-lots, abs(wanted - offered), abs(ticks - reference_ticks), ticks)
        if lots > 0 and (best is None or rank < best[0]):
            best = rank, Uncrossed(ticks, lots, wanted - offered)
    return best[1] if best else None


def pairs(orders: Sequence[Order], uncrossed: Uncrossed) -> list[tuple[int, int, int]]:
    """(buyer, seller, lots) of all that trades, in order of priority; the lots sum to those of the auction."""
    buys = sorted(
        (each for each in orders if each.lots > 0 and each.ticks >= uncrossed.ticks),
        key=lambda each: (-each.ticks, each.height, each.account),
    )
    sells = sorted(
        (each for each in orders if each.lots < 0 and each.ticks <= uncrossed.ticks),
        key=lambda each: (each.ticks, each.height, each.account),
    )
    left = uncrossed.lots
    matched: list[tuple[int, int, int]] = []
    open_buys, open_sells = [each.lots for each in buys], [-each.lots for each in sells]
    buy = sell = 0
    while left:
        lots = min(left, open_buys[buy], open_sells[sell])
        matched.append((buys[buy].account, sells[sell].account, lots))
        left -= lots
        open_buys[buy] -= lots
        open_sells[sell] -= lots
        buy += open_buys[buy] == 0
        sell += open_sells[sell] == 0
    return matched
