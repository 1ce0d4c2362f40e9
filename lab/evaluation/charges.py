"""Terms that look at one position at a time: fractions of notional, slippage plus factor, charges on size, impact.

Rule: each gives an amount per position and keeps what it was made of; exact but for the rounding that the term names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from lab.evaluation.values import ONE, ZERO, InstrumentQuote
from lab.models.numbers import exact_rational, rounded
from lab.models.terms import Convex, MarginFraction, OpenInterest, OptionFormula, PerSize, Slippage


@dataclass(frozen=True, slots=True)
class InstrumentExposure:
    """One instrument in an account: the position and the orders that may still trade."""

    quote: InstrumentQuote
    size: Fraction
    buys: Fraction = ZERO
    sells: Fraction = ZERO
    buy_value: Fraction = ZERO
    """Sum of size times own price of the buy orders."""
    sell_value: Fraction = ZERO

    @property
    def after_buys(self) -> Fraction:
        """The position when all buy orders are filled and no sell order is."""
        return self.size + self.buys

    @property
    def after_sells(self) -> Fraction:
        """The position when all sell orders are filled and no buy order is."""
        return self.size - self.sells

    @property
    def largest_size(self) -> Fraction:
        """The larger of both, unsigned: no fill of orders makes the position larger."""
        return max(abs(self.after_buys), abs(self.after_sells))

    @property
    def notional(self) -> Fraction:
        """What a size of 1 is worth at the mark."""
        return self.quote.mark * self.quote.multiplier


@dataclass(frozen=True, slots=True)
class FractionAmount:
    """A margin fraction of one position."""

    instrument: str
    notional: Fraction
    open_interest_scale: Fraction
    """0 at the lower bound, 1 at the upper."""
    fraction: Fraction
    """After scaling."""
    amount: Fraction


@dataclass(frozen=True, slots=True)
class SideAmount:
    """Slippage plus factor of one side."""

    open_size: Fraction
    orders: Fraction
    slippage_by_factor: Fraction
    slippage_by_exit: Fraction | None
    slippage: Fraction
    factor_on_open: Fraction
    factor_on_orders: Fraction
    amount: Fraction


@dataclass(frozen=True, slots=True)
class SlippageAmount:
    """Both sides; the larger counts."""

    instrument: str
    long: SideAmount
    short: SideAmount
    increment: Fraction
    amount: Fraction


@dataclass(frozen=True, slots=True)
class FormulaAmount:
    """A short option by formula."""

    instrument: str
    short: Fraction
    out_of_the_money: Fraction
    per_contract: Fraction
    """Before the multiplier."""
    amount: Fraction


@dataclass(frozen=True, slots=True)
class SizeAmount:
    """A charge on size."""

    instrument: str
    """Or group, seconds to expiry and strike, where shorts are counted naked."""
    size: Fraction
    per_size: Fraction
    amount: Fraction


def margin_fraction(term: MarginFraction, exposure: InstrumentExposure) -> FractionAmount:
    """|worse size| times the mark times the fraction, which open interest may raise."""
    size = abs(exposure.size)
    if term.with_orders:
        size = exposure.largest_size
    notional = abs(size * exposure.notional)
    scale = open_interest_scale(term.open_interest, exact_rational(exposure.quote.contract.open_interest))
    fraction = exact_rational(term.fraction)
    fraction += scale * max(ONE - fraction, ZERO)
    if term.fraction_decimals is not None:
        fraction = rounded(fraction, term.fraction_decimals, "down")
    amount = rounded(notional * fraction, term.decimals, term.rounding)
    return FractionAmount(exposure.quote.contract.id, notional, scale, fraction, amount)


def open_interest_scale(terms: OpenInterest | None, open_interest: Fraction) -> Fraction:
    """0 up to the lower bound, rising linearly to 1 at the upper."""
    if terms is None or exact_rational(terms.upper) == 0:
        return ZERO
    lower, upper = exact_rational(terms.lower), exact_rational(terms.upper)
    if open_interest >= upper:
        return ONE
    return (open_interest - lower) / (upper - lower) if open_interest > lower else ZERO


def slippage_plus_factor(term: Slippage, exposure: InstrumentExposure) -> SlippageAmount:
    """The larger of the long and the short side; see `Slippage`."""
    contract = exposure.quote.contract
    long_exit = None if contract.exit_long is None else exposure.quote.mark - exact_rational(contract.exit_long)
    short_exit = None if contract.exit_short is None else exact_rational(contract.exit_short) - exposure.quote.mark
    reach_long, reach_short = exposure.size + exposure.buys > 0, exposure.size - exposure.sells < 0
    long = _side_amount(
        term,
        exposure,
        (max(exposure.size, ZERO), exposure.buys, exposure.buy_value) if reach_long else (ZERO, ZERO, ZERO),
        exact_rational(term.factor_long),
        long_exit,
    )
    short = _side_amount(
        term,
        exposure,
        (max(-exposure.size, ZERO), exposure.sells, exposure.sell_value) if reach_short else (ZERO, ZERO, ZERO),
        exact_rational(term.factor_short),
        short_exit,
    )
    increment = exact_rational(term.increment)
    amount = rounded(max(long.amount, short.amount) + increment, term.decimals, term.rounding)
    return SlippageAmount(contract.id, long, short, increment, amount)


def _side_amount(
    term: Slippage,
    exposure: InstrumentExposure,
    sizes: tuple[Fraction, Fraction, Fraction],
    factor: Fraction,
    gap: Fraction | None,
) -> SideAmount:
    size, orders, orders_value = sizes
    unit = exposure.notional
    by_factor = unit * (exact_rational(term.linear) * size + exact_rational(term.quadratic) * size * size)
    by_exit = None if gap is None or term.auction else max(gap, ZERO) * exposure.quote.multiplier * size
    cost = max(by_factor if by_exit is None else min(by_factor, by_exit), ZERO)
    on_open = unit * factor * size
    worth = orders_value * exposure.quote.multiplier if term.auction else unit * orders
    return SideAmount(size, orders, by_factor, by_exit, cost, on_open, worth * factor, cost + on_open + worth * factor)


def option_formula(term: OptionFormula, exposure: InstrumentExposure) -> FormulaAmount:
    """The requirement of one short option."""
    quote, short = exposure.quote, max(-exposure.after_sells, ZERO)
    strike = exact_rational(quote.contract.strike)
    call = quote.contract.kind == "call"
    out_of_the_money = max(strike - quote.index if call else quote.index - strike, ZERO)
    lower = term.lower if call or term.lower_put is None else term.lower_put
    per_lot = max(exact_rational(term.upper) * quote.index - out_of_the_money, exact_rational(lower) * quote.index)
    per_lot = max(per_lot, exact_rational(term.value_share) * quote.mark)
    amount = rounded(short * quote.multiplier * per_lot, term.decimals, term.rounding) if quote.is_option else ZERO
    return FormulaAmount(quote.contract.id, short, out_of_the_money, per_lot, amount)


def per_size(term: PerSize, exposures: Sequence[InstrumentExposure]) -> list[tuple[str, SizeAmount]]:
    """(group, charge) of each position, or of each strike where shorts are counted naked."""
    if term.count == "naked_short":
        return _naked_shorts(term, exposures)
    found = []
    for book in exposures:
        long, short = max(book.after_buys, ZERO), max(-book.after_sells, ZERO)
        size = {"gross": book.largest_size, "long": long, "short": short}[term.count]
        rate = _size_rate(term, book.quote)
        found.append((book.quote.contract.group, SizeAmount(book.quote.contract.id, size, rate, size * rate)))
    return found


def _size_rate(term: PerSize, quote: InstrumentQuote) -> Fraction:
    price = {"index": quote.index, "mark": quote.mark, "strike": exact_rational(quote.contract.strike)}[term.price]
    return exact_rational(term.fraction) * price * quote.multiplier + exact_rational(term.amount)


def _naked_shorts(term: PerSize, exposures: Sequence[InstrumentExposure]) -> list[tuple[str, SizeAmount]]:
    strikes: dict[tuple[str, int, Fraction], list[InstrumentExposure]] = {}
    for book in exposures:
        contract = book.quote.contract
        if book.quote.is_option:
            strikes.setdefault((contract.group, contract.seconds, exact_rational(contract.strike)), []).append(book)
    found = []
    for (group, seconds, strike), options in sorted(strikes.items()):
        short = sum((max(-option.after_sells, ZERO) for option in options), ZERO)
        long = sum((max(option.after_sells, ZERO) for option in options), ZERO)
        naked = max(short - long, ZERO)
        rate = _size_rate(term, options[0].quote)
        found.append((group, SizeAmount(f"{group} {seconds} s {strike}", naked, rate, naked * rate)))
    return found


def convex(term: Convex, exposure: InstrumentExposure) -> SizeAmount:
    """The largest of the lines at |size| or at the notional, at least 0."""
    size = abs(exposure.largest_size * exposure.notional) if term.of == "notional" else exposure.largest_size
    lines = [exact_rational(secant.slope) * size + exact_rational(secant.intercept) for secant in term.secants]
    amount = max(*lines, ZERO) if size else ZERO
    return SizeAmount(exposure.quote.contract.id, size, amount / size if size else ZERO, amount)


def position_amounts(
    term: MarginFraction | Slippage | OptionFormula | PerSize | Convex, exposures: Sequence[InstrumentExposure]
) -> list[tuple[str, FractionAmount | SlippageAmount | FormulaAmount | SizeAmount]]:
    """(group, amount) of each position that the term is about."""
    if isinstance(term, PerSize):
        return list(per_size(term, exposures))
    if isinstance(term, MarginFraction):
        return [(each.quote.contract.group, margin_fraction(term, each)) for each in exposures]
    if isinstance(term, Slippage):
        return [(each.quote.contract.group, slippage_plus_factor(term, each)) for each in exposures]
    if isinstance(term, OptionFormula):
        return [(each.quote.contract.group, option_formula(term, each)) for each in exposures if each.quote.is_option]
    return [(each.quote.contract.group, convex(term, each)) for each in exposures]
