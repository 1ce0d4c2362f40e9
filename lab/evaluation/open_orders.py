"""Open orders in a scan: in every scenario exactly those are filled whose fill makes the loss larger.

Rule: a fill is at the worse of the order's own price and the mark, so a limit that the market has not reached gives
nothing. Nothing is netted between orders that a scenario does not fill together. It must not know levels of margin.

Formula: with l_s the loss of the positions in scenario s, q_o the signed size of order o, u_s what a size of 1 gains in
s, and c_o what a fill at the order's price costs at once, the loss is

    l_s + sum over o of max(0, c_o - q_o u_s)

which is the maximum over all subsets of filled orders, for each scenario by itself. Source: Derive ("Open Orders
Margin", docs.lyra.finance/docs/open-orders-margin) margins the "worst subset" of an account's open orders, premiums
included, and groups orders by the signs of delta and vega to find it; here every subset counts in every scenario.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lab.evaluation.values import ZERO, InstrumentQuote
from lab.models.numbers import exact_rational
from lab.models.portfolio import PortfolioAccount


@dataclass(frozen=True, slots=True)
class OrderFill:
    """One order as it would be filled."""

    quote: InstrumentQuote
    size: Fraction
    """Positive buys."""
    cost: Fraction
    """What the fill loses at once, at a price worse than the mark; at least 0."""

    @property
    def unit(self) -> Fraction:
        """The size times the multiplier."""
        return self.size * self.quote.multiplier


@dataclass(frozen=True, slots=True)
class OrderLosses:
    """One order in every scenario."""

    instrument: str
    size: Fraction
    """Positive buys."""
    losses: tuple[Fraction, ...]
    """What its fill adds to the loss; 0 where the scenario does not fill it."""


def order_fills(account: PortfolioAccount, quotes: Mapping[str, InstrumentQuote]) -> list[OrderFill]:
    """The account's orders, in their order."""
    fills = []
    for order in account.orders:
        quote, sign = quotes[order.instrument], 1 if order.side == "buy" else -1
        price = quote.mark if order.price is None else exact_rational(order.price)
        worse = max(sign * (price - quote.mark), ZERO)
        size = exact_rational(order.size)
        fills.append(OrderFill(quote, sign * size, size * quote.multiplier * worse))
    return fills


def expiry_extremes(
    fills: Sequence[OrderFill], then: Sequence[Fraction], base: Fraction, factor: Fraction, weight: Fraction
) -> tuple[Fraction, Fraction]:
    """The least and the largest gain of an expiry's options over all subsets of its `fills`.

    `then` are the values in the scenario of a size of 1, `base` the gain without orders, `factor` the static discount
    on values in the scenario. Costs count against the least gain and, as a loss either way, towards the largest.
    """
    low = high = base
    for fill, value in zip(fills, then, strict=True):
        gain = (factor * value - fill.quote.value) * fill.unit * weight
        low += min(gain - fill.cost, ZERO)
        high += max(gain + fill.cost, ZERO)
    return low, high
