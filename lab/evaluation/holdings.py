"""The holdings of an account, valued: positions, unpaid gains, collateral after haircuts.

Rule: what counts for an account rounds down. It must not know what is required.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lab.evaluation.charges import InstrumentExposure
from lab.evaluation.values import ONE, ZERO, InstrumentQuote
from lab.models.numbers import exact_rational, rounded
from lab.models.portfolio import Collateral, Holding, PortfolioAccount, PortfolioPosition


@dataclass(frozen=True, slots=True)
class PositionValue:
    """One position, priced."""

    instrument: str
    size: Fraction
    index: Fraction
    forward: Fraction
    years: Fraction
    discount: Fraction
    volatility: Fraction
    price: Fraction
    """By the model."""
    mark: Fraction
    """What it is carried at."""
    delta: Fraction
    """Of the whole position."""
    notional: Fraction
    unrealised: Fraction
    """Gains that are not paid yet; of a premium-paid position its whole value."""
    funding: Fraction
    equity: Fraction
    """What the position adds to equity."""


@dataclass(frozen=True, slots=True)
class CollateralValue:
    """One holding of collateral."""

    collateral: str
    amount: Fraction
    counted: Fraction
    """Of the amount, up to the cap."""
    before_haircut: Fraction
    haircuts: Mapping[str, Fraction]
    """The sum of the fractions, by level of margin."""
    concentration: Fraction
    """What the concentration tiers take off besides, before the other haircuts."""
    values: Mapping[str, Fraction]
    """What counts, by level of margin, rounded down."""


def instrument_exposures(
    account: PortfolioAccount, quotes: Mapping[str, InstrumentQuote]
) -> dict[str, InstrumentExposure]:
    """Position and orders of each instrument that the account has any of."""
    ids = {position.instrument for position in account.positions} | {order.instrument for order in account.orders}
    books = {}
    for instrument in sorted(ids):
        buys = [order for order in account.orders if order.instrument == instrument and order.side == "buy"]
        sells = [order for order in account.orders if order.instrument == instrument and order.side == "sell"]
        quote = quotes[instrument]
        books[instrument] = InstrumentExposure(
            quote,
            sum(
                (exact_rational(position.size) for position in account.positions if position.instrument == instrument),
                ZERO,
            ),
            sum((exact_rational(buy.size) for buy in buys), ZERO),
            sum((exact_rational(sell.size) for sell in sells), ZERO),
            sum(
                (
                    exact_rational(buy.size) * (quote.mark if buy.price is None else exact_rational(buy.price))
                    for buy in buys
                ),
                ZERO,
            ),
            sum(
                (
                    exact_rational(sell.size) * (quote.mark if sell.price is None else exact_rational(sell.price))
                    for sell in sells
                ),
                ZERO,
            ),
        )
    return books


def position_value(position: PortfolioPosition, quote: InstrumentQuote) -> PositionValue:
    """One position: premium-paid ones at their mark, marked ones with the gain since the entry price."""
    size, funding = exact_rational(position.size), exact_rational(position.funding)
    unit = size * quote.multiplier
    if position.entry is not None and quote.contract.kind != "spot":
        unrealised = unit * (quote.mark - exact_rational(position.entry))
    else:
        unrealised = unit * quote.mark if quote.has_value else ZERO
    return PositionValue(
        instrument=position.instrument,
        size=size,
        index=quote.index,
        forward=quote.forward,
        years=quote.years,
        discount=quote.discount,
        volatility=quote.volatility,
        price=quote.value,
        mark=quote.mark,
        delta=size * quote.delta,
        notional=abs(unit * quote.mark),
        unrealised=unrealised,
        funding=funding,
        equity=unrealised + funding,
    )


def collateral_value(
    holding: Holding, terms: Collateral, levels: Sequence[str], decimals: int | None
) -> CollateralValue:
    """Amount * rate * (1 - rate haircut) * price, less concentration tiers, less the haircuts of each level.

    Values are rounded down at so many decimals; None: not at all.
    """
    amount = exact_rational(holding.amount)
    counted = amount if terms.cap is None else min(amount, exact_rational(terms.cap))
    unit = exact_rational(terms.price) * exact_rational(terms.rate) * (1 - exact_rational(terms.rate_haircut))
    taken, tiers = ZERO, list(terms.concentration)
    for at, tier in enumerate(tiers):
        end = exact_rational(tiers[at + 1].above) if at + 1 < len(tiers) else counted
        taken += max(min(counted, end) - exact_rational(tier.above), ZERO) * exact_rational(tier.fraction)
    haircuts = {
        level: min(
            sum((exact_rational(haircut.fraction) for haircut in terms.haircuts if haircut.level in ("", level)), ZERO),
            ONE,
        )
        for level in levels
    }
    after = {level: (counted - taken) * unit * (1 - haircut) for level, haircut in haircuts.items()}
    values = after if decimals is None else {level: rounded(value, decimals, "down") for level, value in after.items()}
    return CollateralValue(holding.collateral, amount, counted, counted * unit, haircuts, taken * unit, values)
