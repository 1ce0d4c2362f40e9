"""What instruments are worth, now and in a scenario.

Rule: marked instruments move in proportion to the price, options by Black-76 on the moved forward; a price moved below
nothing counts as nothing. Exact but for Black-76, whose float is quantised before anything is done with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from clearing.pricing import black76, elementary
from lab.models.numbers import exact_rational, from_float
from lab.models.portfolio import PREMIUM_PAID, YEAR_SECONDS, Contract, Group, Portfolio, PortfolioSmile

DAY_SECONDS = 86_400
ONE = Fraction(1)
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class InstrumentQuote:
    """One instrument and everything its value is made of, for a size of 1 before the multiplier."""

    contract: Contract
    index: Fraction
    forward: Fraction
    years: Fraction
    discount: Fraction
    volatility: Fraction
    value: Fraction
    """By the model: Black-76 for options, else the mark."""
    mark: Fraction
    """What it is carried at."""
    delta: Fraction
    """Of a size of 1, multiplier included."""

    @property
    def multiplier(self) -> Fraction:
        """What a price of 1 is worth for a size of 1."""
        return exact_rational(self.contract.multiplier)

    @property
    def is_option(self) -> bool:
        """A call or a put."""
        return self.contract.kind in ("call", "put")

    @property
    def has_value(self) -> bool:
        """Whether the position itself is worth something, because its price was paid."""
        return self.contract.kind in PREMIUM_PAID


def instrument_quotes(portfolio: Portfolio, option_decimals: int) -> dict[str, InstrumentQuote]:
    """Every instrument of a portfolio, by id. References must have been checked."""
    groups = {group.id: group for group in portfolio.groups}
    return {
        instrument.id: _instrument_quote(instrument, groups[instrument.group], option_decimals)
        for instrument in portfolio.instruments
    }


def _instrument_quote(contract: Contract, group: Group, option_decimals: int) -> InstrumentQuote:
    """One instrument as it is priced now."""
    index, rate = ZERO if group.price is None else exact_rational(group.price), exact_rational(group.rate)
    years = Fraction(contract.seconds, YEAR_SECONDS)
    forward = exact_rational(contract.forward) if contract.forward is not None else index * (1 + rate * years)
    discount = exact_rational(contract.discount) if contract.discount is not None else 1 / (1 + rate * years)
    is_option = contract.kind in ("call", "put")
    volatility = _volatility(contract, group, forward) if is_option else ZERO
    plain = index if contract.kind in ("perpetual", "spot") else forward
    value = option_value(contract, forward, volatility, discount, option_decimals) if is_option else plain
    mark = exact_rational(contract.mark) if contract.mark is not None else value
    if contract.delta is not None:
        delta = exact_rational(contract.delta)
    else:
        unit = _option_delta(contract, forward, volatility, discount, option_decimals) if is_option else ONE
        delta = unit * exact_rational(contract.multiplier)
    return InstrumentQuote(
        contract, index, forward, years, discount, volatility, mark if not is_option else value, mark, delta
    )


def shocked_value(quote: InstrumentQuote, factor: Fraction, volatility: Fraction, option_decimals: int) -> Fraction:
    """The value of a size of 1, before the multiplier, with the price times `factor` and another volatility."""
    factor = max(factor, ZERO)
    if not quote.is_option:
        return quote.value * factor
    return option_value(quote.contract, quote.forward * factor, volatility, quote.discount, option_decimals)


def option_value(
    contract: Contract, forward: Fraction, volatility: Fraction, discount: Fraction, decimals: int
) -> Fraction:
    """Black-76 at so many decimals, half to even."""
    strike = exact_rational(contract.strike)
    if forward <= 0 or strike <= 0:
        intrinsic = forward - strike if contract.kind == "call" else strike - forward
        return max(intrinsic, ZERO) * discount
    value = black76.call if contract.kind == "call" else black76.put
    years = float(contract.seconds) / float(YEAR_SECONDS)
    return from_float(value(float(forward), float(strike), float(volatility), years, float(discount)), decimals)


def _option_delta(
    contract: Contract, forward: Fraction, volatility: Fraction, discount: Fraction, decimals: int
) -> Fraction:
    """Change of the value per change of the forward: discount * Phi(d1), less the discount for a put."""
    strike = exact_rational(contract.strike)
    deviation = float(volatility) * sqrt(float(contract.seconds) / float(YEAR_SECONDS))
    if forward <= 0 or strike <= 0 or deviation <= 0.0:
        chance = ONE if forward > strike else ZERO
    else:
        moneyness = elementary.log(float(forward)) - elementary.log(float(strike))
        chance = from_float(elementary.normal_cdf(moneyness / deviation + 0.5 * deviation), decimals)
    return discount * (chance if contract.kind == "call" else chance - 1)


def _volatility(contract: Contract, group: Group, forward: Fraction) -> Fraction:
    if contract.volatility is not None:
        return exact_rational(contract.volatility)
    if not group.smiles:
        return ZERO if group.volatility is None else exact_rational(group.volatility)
    smiles = sorted(group.smiles, key=lambda each: each.seconds_to_expiry)
    seconds = contract.seconds
    below = [smile for smile in smiles if smile.seconds_to_expiry <= seconds]
    above = [smile for smile in smiles if smile.seconds_to_expiry >= seconds]
    moneyness = log_moneyness(exact_rational(contract.strike), forward)
    if not below or not above or below[-1] is above[0]:
        return _smile(below[-1] if below else above[0], moneyness)
    near, far = below[-1], above[0]
    low, high = _smile(near, moneyness), _smile(far, moneyness)
    share = Fraction(seconds - near.seconds_to_expiry, far.seconds_to_expiry - near.seconds_to_expiry)
    variance = low * low * near.seconds_to_expiry * (1 - share) + high * high * far.seconds_to_expiry * share
    return from_float(sqrt(float(variance / seconds)), 12)


def _smile(smile: PortfolioSmile, moneyness: Fraction) -> Fraction:
    volatility = (
        exact_rational(smile.level)
        + exact_rational(smile.skew) * moneyness
        + exact_rational(smile.curvature) * moneyness * moneyness
    )
    return max(volatility, ZERO)


def log_moneyness(strike: Fraction, forward: Fraction) -> Fraction:
    """ln(strike/forward) at 12 decimals; 0 where one of them is nothing."""
    if strike <= 0 or forward <= 0:
        return ZERO
    high, low = max(strike, forward), min(strike, forward)
    size = from_float(elementary.log_ratio(float(high), float(low)), 12)
    return size if strike >= forward else -size


def tier_deltas(
    quotes: Mapping[str, InstrumentQuote], sizes: Mapping[str, Fraction], group: str
) -> dict[str, Fraction]:
    """Net delta of each tier of a group, by rising expiry."""
    found: dict[str, Fraction] = {}
    ordered = sorted(sizes, key=lambda each: (quotes[each].contract.seconds, each))
    for instrument in ordered:
        contract = quotes[instrument].contract
        if contract.group == group:
            tier = contract.tier or str(contract.seconds)
            found[tier] = found.get(tier, ZERO) + sizes[instrument] * quotes[instrument].delta
    return found
