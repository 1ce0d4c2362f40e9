"""The scenario scan: the worst loss of a book over a grid of moves, with every scenario's loss kept.

Rule: gains and losses offset fully within the scope of the term, and not beyond; a loss is positive here. Static
discount and the two-sided skew are per expiry, where they are not linear. It must not know levels of margin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm, sqrt

from clearing.pricing import elementary
from lab.evaluation.open_orders import OrderFill, OrderLosses, expiry_extremes
from lab.evaluation.values import DAY_SECONDS, ONE, ZERO, InstrumentQuote, log_moneyness, shocked_value
from lab.models.numbers import Number, exact_rational, from_float, require_short
from lab.models.scan_terms import GridPoint, Scan, ScanRange, StaticDiscount, TermScaling, grid_points

NO_RANGE = ScanRange()


@dataclass(frozen=True, slots=True)
class PositionLosses:
    """One position in every scenario."""

    instrument: str
    losses: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What offsets, in every scenario."""

    of: str
    """The group, the instrument or "all"."""
    losses: tuple[Fraction, ...]
    """By scenario, from the first; a gain is negative."""
    basis: Fraction | None
    """Loss in the basis scenario."""
    worst_scenario: int
    """From 1; 0 when no scenario loses, one more than count for it when the basis is worst."""
    worst_loss: Fraction
    """At least 0."""
    positions: tuple[PositionLosses, ...]
    orders: tuple[OrderLosses, ...] = ()
    """Those that offset here; of options only where the term is linear in them."""


@dataclass(frozen=True, slots=True)
class _UnitGains:
    """Gains of a size of 1 in every scenario, over one denominator: sums of many are then sums of integers."""

    numerators: tuple[int, ...]
    denominator: int


@dataclass(slots=True)
class _OffsetUnit:
    """One offset unit while it is gathered."""

    linear: list[tuple[Fraction, _UnitGains]] = field(default_factory=list)
    """Sizes of what is linear."""
    expiries: dict[tuple[str, int], list[tuple[InstrumentQuote, Fraction]]] = field(default_factory=dict)
    """Options by group and expiry, sizes times multiplier, where the term is not linear in them."""
    positions: list[PositionLosses] = field(default_factory=list)
    fills: list[OrderFill] = field(default_factory=list)
    """Orders of what is linear."""
    expiry_fills: dict[tuple[str, int], list[OrderFill]] = field(default_factory=dict)
    """Orders of options by group and expiry."""

    def gains(self, width: int) -> list[Fraction]:
        """Sum of what is linear."""
        common = lcm(*(unit.denominator * size.denominator for size, unit in self.linear))
        require_short(common)
        sums = [0] * width
        for size, unit in self.linear:
            factor = size.numerator * (common // (unit.denominator * size.denominator))
            sums = [sofar + factor * gain for sofar, gain in zip(sums, unit.numerators, strict=True)]
        return [Fraction(total, common) for total in sums]


class ScenarioScanner:
    """A scan term over one market; values of instruments in scenarios are computed once for all accounts."""

    def __init__(self, scan: Scan, quotes: Mapping[str, InstrumentQuote], option_decimals: int) -> None:
        self._scan = scan
        self._quotes = quotes
        self._decimals = option_decimals
        self._points = grid_points(scan)
        self._is_linear = scan.static_discount is None and not scan.skew_each_expiry_loses
        self._values: dict[str, tuple[Fraction, ...]] = {}
        self._units: dict[str, _UnitGains] = {}

    def width(self, instruments: Sequence[str]) -> int:
        """How many scenarios there are: as many as points, or as given arrays have numbers."""
        given = [len(self._quotes[instrument].contract.scanning) for instrument in instruments]
        return len(self._points) or max(given, default=0)

    def scan(self, sizes: Mapping[str, Fraction], fills: Sequence[OrderFill] = ()) -> tuple[ScanResult, ...]:
        """The results of what offsets, ordered; `sizes` by instrument are those the term selects.

        The instrument of every order in `fills` must be among them.
        """
        books: dict[str, _OffsetUnit] = {}
        width = self.width(sorted(sizes))
        for instrument in sorted(sizes):
            quote = self._quotes[instrument]
            self._add(books.setdefault(self._scope(quote), _OffsetUnit()), quote, Fraction(sizes[instrument]))
        for fill in fills if self._scan.orders == "worst" else ():
            self._add_fill(books[self._scope(fill.quote)], fill)
        return tuple(self._result(of, books[of], width) for of in sorted(books))

    def values(self, instrument: str) -> tuple[Fraction, ...]:
        """Value of a size of 1, before the multiplier, in every scenario."""
        if instrument not in self._values:
            quote = self._quotes[instrument]
            self._values[instrument] = tuple(self._value(quote, point) for point in self._points)
        return self._values[instrument]

    def _scope(self, quote: InstrumentQuote) -> str:
        """What an instrument offsets in."""
        contract = quote.contract
        return {"group": contract.group, "instrument": contract.id, "all": "all"}[self._scan.offset]

    def _unit(self, quote: InstrumentQuote) -> _UnitGains:
        contract = quote.contract
        if contract.id not in self._units:
            if contract.scanning:
                sign = 1 if contract.scanning_tells == "gain" else -1
                gains = [exact_rational(loss) * sign for loss in contract.scanning]
            else:
                moved = zip(self.values(contract.id), self._points, strict=True)
                gains = [
                    (value - quote.value) * quote.multiplier * exact_rational(point.weight) for value, point in moved
                ]
            common = lcm(*(gain.denominator for gain in gains))
            require_short(common)
            numerators = tuple(gain.numerator * (common // gain.denominator) for gain in gains)
            self._units[contract.id] = _UnitGains(numerators, common)
        return self._units[contract.id]

    def _add(self, offset_unit: _OffsetUnit, quote: InstrumentQuote, size: Fraction) -> None:
        unit, contract = self._unit(quote), quote.contract
        below = unit.denominator * size.denominator
        losses = tuple(Fraction(-size.numerator * numerator, below) for numerator in unit.numerators)
        offset_unit.positions.append(PositionLosses(contract.id, losses))
        if self._linear_in(quote):
            offset_unit.linear.append((size, unit))
        if self._counts_by_expiry(quote):
            expiry = (contract.group, contract.seconds)
            offset_unit.expiries.setdefault(expiry, []).append((quote, size * quote.multiplier))

    def _add_fill(self, offset_unit: _OffsetUnit, fill: OrderFill) -> None:
        if self._linear_in(fill.quote):
            offset_unit.fills.append(fill)
        if self._counts_by_expiry(fill.quote):
            expiry = (fill.quote.contract.group, fill.quote.contract.seconds)
            offset_unit.expiry_fills.setdefault(expiry, []).append(fill)

    def _linear_in(self, quote: InstrumentQuote) -> bool:
        return bool(quote.contract.scanning) or not quote.is_option or self._is_linear

    def _counts_by_expiry(self, quote: InstrumentQuote) -> bool:
        """Whether an option's expiry matters: for what is not linear, and in the basis scenario."""
        by_model = quote.is_option and not quote.contract.scanning
        return by_model and not (self._is_linear and self._scan.basis is None)

    def _order_losses(self, fill: OrderFill) -> OrderLosses:
        """See the formula of `lab.evaluation.open_orders`."""
        unit = self._unit(fill.quote)
        gains = (fill.size * Fraction(numerator, unit.denominator) for numerator in unit.numerators)
        losses = tuple(max(fill.cost - gain, ZERO) for gain in gains)
        return OrderLosses(fill.quote.contract.id, fill.size, losses)

    def _result(self, of: str, offset_unit: _OffsetUnit, width: int) -> ScanResult:
        gains = offset_unit.gains(width)
        orders = tuple(self._order_losses(fill) for fill in offset_unit.fills)
        for order in orders:
            gains = [gain - loss for gain, loss in zip(gains, order.losses, strict=True)]
        for expiry, options in sorted(offset_unit.expiries.items()) if not self._is_linear else ():
            fills = offset_unit.expiry_fills.get(expiry, [])
            for at, point in enumerate(self._points):
                gains[at] += self._expiry_gain(options, fills, at, point)
        losses = tuple(-gain for gain in gains)
        basis = self._basis(offset_unit)
        own = losses[: max(width - self._scan.joint_points, 0)]
        candidates = own if basis is None else (*own, basis)
        worst = max(candidates, default=ZERO)
        number = candidates.index(worst) + 1 if worst > 0 else 0
        return ScanResult(of, losses, basis, number, max(worst, ZERO), tuple(offset_unit.positions), orders)

    def _expiry_gain(
        self,
        options: Sequence[tuple[InstrumentQuote, Fraction]],
        fills: Sequence[OrderFill],
        at: int,
        point: GridPoint,
    ) -> Fraction:
        """The least gain over all subsets of `fills`; exact but for two cases, in which it may be less.

        The two: a factor on positive values above that on negative ones, and a static discount where gains count as
        losses. The gain is then no longer concave in what is filled, and is bounded factor by factor.
        """
        now = sum((quote.value * unit for quote, unit in options), ZERO)
        then = sum((self.values(quote.contract.id)[at] * unit for quote, unit in options), ZERO)
        weight = exact_rational(point.weight)
        factors = (ONE, ONE)
        if self._scan.static_discount is not None:
            terms, quote = self._scan.static_discount, options[0][0]
            factors = (
                static_discount(terms, quote, ONE, self._decimals),
                static_discount(terms, quote, -ONE, self._decimals),
            )
        moved = [self.values(fill.quote.contract.id)[at] for fill in fills]
        extremes = [expiry_extremes(fills, moved, (factor * then - now) * weight, factor, weight) for factor in factors]
        concave = factors[0] <= factors[1]
        lowest = (min if concave else max)(low for low, _ in extremes)
        highest = (min if concave else max)(high for _, high in extremes)
        loses = point.skew != "none" and self._scan.skew_each_expiry_loses
        return min(lowest, -highest) if loses else lowest

    def _basis(self, offset_unit: _OffsetUnit) -> Fraction | None:
        basis = self._scan.basis
        if basis is None:
            return None
        loss = sum((fill.cost for fill in offset_unit.fills if not self._counts_by_expiry(fill.quote)), ZERO)
        for expiry, options in sorted(offset_unit.expiries.items()):
            fills = offset_unit.expiry_fills.get(expiry, [])
            now = sum((quote.value * unit for quote, unit in options), ZERO)
            weight = exact_rational(basis.add) + exact_rational(basis.multiply) * options[0][0].years
            gains = [-sum((fill.cost for fill in fills), ZERO)]
            for move in (exact_rational(basis.up), exact_rational(basis.down)):
                then = sum((self._moved(quote, move) * unit for quote, unit in options), ZERO)
                moved = [self._moved(fill.quote, move) for fill in fills]
                gains.append(expiry_extremes(fills, moved, (then - now) * weight, ONE, weight)[0])
            loss -= min(gains)
        return loss

    def _moved(self, quote: InstrumentQuote, move: Fraction) -> Fraction:
        return shocked_value(quote, 1 + move, quote.volatility, self._decimals)

    def _value(self, quote: InstrumentQuote, point: GridPoint) -> Fraction:
        at = scan_range(self._scan, quote.contract.group)
        volatility = self._volatility(quote, point, at) if quote.is_option else ZERO
        return shocked_value(quote, price_factor(point, at, quote.index), volatility, self._decimals)

    def _volatility(self, quote: InstrumentQuote, point: GridPoint, at: ScanRange) -> Fraction:
        direction = exact_rational(point.volatility)
        down = at.volatility_up if at.volatility_down is None else at.volatility_down
        shock = direction * exact_rational(at.volatility_up if direction >= 0 else down)
        if direction and self._scan.term_scaling is not None:
            shock *= scaled_range(self._scan.term_scaling, quote)
        now = quote.volatility
        moved = now * (1 + shock) if self._scan.volatility_moves == "relative" else now + shock
        if direction > 0:
            moved = max(moved, exact_rational(self._scan.volatility_min))
        moved = max(moved, ZERO)
        if point.skew != "none":
            moved *= self._skew(quote, point)
        return max(moved, ZERO)

    def _skew(self, quote: InstrumentQuote, point: GridPoint) -> Fraction:
        shock = self._scan.skew
        tilts = point.skew.startswith("linear")
        root = from_float(sqrt(float(quote.years)), 12)
        cap = exact_rational(shock.linear_cap if tilts else shock.absolute_cap)
        cap += root * exact_rational(shock.linear_cap_per_root_year if tilts else shock.absolute_cap_per_root_year)
        width = max(exact_rational(shock.width), root * exact_rational(shock.width_per_root_year))
        moneyness = log_moneyness(exact_rational(quote.contract.strike), quote.forward)
        part = (moneyness if tilts else abs(moneyness)) * cap / width
        part = -part if point.skew.endswith("_down") else part
        return max(1 + min(max(part, -abs(cap)), abs(cap)), ZERO)


def scan_range(scan: Scan, group: str) -> ScanRange:
    """The range of a group: its own, else the one for all, else a move of 1 is the whole price."""
    own = [scan_range for scan_range in scan.ranges if scan_range.group == group]
    common = [scan_range for scan_range in scan.ranges if scan_range.group == ""]
    return (own or common or [NO_RANGE])[0]


def price_factor(point: GridPoint, at: ScanRange, index: Fraction) -> Fraction:
    """What a scenario multiplies the price by; a log-normal one at twelve decimals."""
    move = exact_rational(point.price)
    if point.of_price:
        return 1 + move
    if at.lognormal is not None:
        years = exact_rational(at.lognormal.days) / 365
        deviation = float(exact_rational(at.lognormal.volatility)) * sqrt(float(years))
        return from_float(elementary.exp(float(move) * deviation), 12)
    move *= exact_rational(at.price)
    if at.absolute:
        move = move / index if index else ZERO
    return 1 + move


def static_discount(terms: StaticDiscount, quote: InstrumentQuote, value: Fraction, decimals: int) -> Fraction:
    """The factor on the value of one expiry's options in a scenario; `quote` is any of them."""
    base: Number
    base, rate = (
        (terms.base, -exact_rational(terms.rate))
        if value >= 0
        else (terms.short_base, exact_rational(terms.short_rate))
    )
    growth = from_float(elementary.exp(float(rate * quote.years)), decimals) if rate else ONE
    factor = exact_rational(base) * growth
    return min(factor, 1 / quote.discount) if value < 0 and terms.short_up_to_forward else factor


def scaled_range(scaling: TermScaling | None, quote: InstrumentQuote) -> Fraction:
    """The factor on a volatility range at an instrument's time to expiry, at 12 decimals."""
    if scaling is None:
        return ONE
    days = max(Fraction(quote.contract.seconds, DAY_SECONDS), exact_rational(scaling.days_min))
    short = quote.contract.seconds <= exact_rational(scaling.days) * DAY_SECONDS
    power = exact_rational(scaling.short_power if short else scaling.long_power)
    return from_float(_power_of(float(exact_rational(scaling.days) / days), float(power)), 12)


def _power_of(base: float, power: float) -> float:
    """base^power for base > 0, by our own exp and ln."""
    return elementary.exp(power * elementary.log(base))
