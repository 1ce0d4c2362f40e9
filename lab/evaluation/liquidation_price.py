"""The prices of one group at which an account falls below a level of margin: every band of them.

Rule: searched with the same evaluation that gives the margin, never a second formula. Marks, forwards, exit prices and
collateral of the group move in proportion to the price; everything else stays, entry prices too: a position without one
was entered at today's mark. Where the margin is piecewise linear in the price its pieces are found exactly, else the
result says that there may be more bands.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import msgspec

from clearing.base.codec import U8, Wire
from clearing.base.errors import RemoteFault
from clearing.schema.codes import ClearingCode
from lab.evaluation.evaluate import AccountResult, Evaluator
from lab.evaluation.linear_pieces import PRICE_BITS_MAX, Sample, corners, is_piecewise_linear, linear_pieces, roots
from lab.evaluation.price_bands import Excesses, PriceBand, price_bands, with_extremes
from lab.evaluation.scan import price_factor
from lab.evaluation.values import ZERO, InstrumentQuote, instrument_quotes
from lab.models.numbers import Number, exact_rational, printed
from lab.models.portfolio import PREMIUM_PAID, Collateral, Contract, Group, Name, Portfolio, PortfolioAccount
from lab.models.scan_terms import Reference, Scan, ScanRange, grid_points
from lab.models.terms import RiskModel

UP_TO = 5
"""Prices are searched from nothing up to so many times today's."""
DECIMALS_MAX = 12
EVALUATIONS_MIN, EVALUATIONS_MAX = 140, 600
"""Evaluations of the account for one search: fewer for a large one."""


class AskLiquidationPrice(Wire, frozen=True):
    """At which prices is the level not covered any more?"""

    account: Name
    group: Name
    level: Reference = "maintenance"
    decimals: U8 = 2


@dataclass(frozen=True, slots=True)
class ModelLiquidationPrice:
    """The prices that do not cover the level."""

    account: str
    group: str
    level: str
    price: Fraction
    covered: bool
    """Whether today's price covers the level; if not, the band around it is among `short_of_margin`."""
    below: Fraction | None
    """The highest such price below today's; None where there is none, and where today's is not covered."""
    above: Fraction | None
    """The lowest such price above today's, up to five times it."""
    short_of_margin: tuple[PriceBand, ...]
    """Every band of such prices that was found, rising; a band that reaches five times today's price is cut there."""
    complete: bool
    """Whether there are no others, up to roundings: the margin is piecewise linear in the price."""
    searched: tuple[Fraction, ...]
    """If complete: the prices between which the excess is linear. Else: all prices that were tried for another band."""
    statement: str


@dataclass(frozen=True, slots=True)
class _Search:
    """One account in a market whose one price moves."""

    model: RiskModel
    portfolio: Portfolio
    account: PortfolioAccount
    ask: AskLiquidationPrice
    today: Fraction

    def result(self, price: Fraction, *, exact: bool = False) -> AccountResult:
        """The account's margin at a price."""
        moved = _moved_market(self.portfolio, self.ask.group, price, self.today)
        return Evaluator(self.model, moved, exact=exact).account(self.account)

    def excess(self, price: Fraction) -> Fraction:
        """Equity less requirement, rounded as the model says."""
        return self.result(price).level(self.ask.level).excess

    def sample(self, price: Fraction) -> Sample:
        """The margin without roundings, and its corners."""
        result = self.result(price, exact=True)
        found = corners(result, self.model, self.ask.group, price)
        return Sample(price, result.level(self.ask.level).excess, found)


def liquidation_price(
    model: RiskModel,
    portfolio: Portfolio,
    ask: AskLiquidationPrice,
    at: str,
    evaluations: int = EVALUATIONS_MAX,
) -> ModelLiquidationPrice:
    """Search from nothing to five times today's price, with about so many evaluations of the account.

    Raises RemoteFault BAD_STEP when the ask names what is not there.
    """
    account = next((account for account in portfolio.accounts if account.id == ask.account), None)
    group = next((group for group in portfolio.groups if group.id == ask.group), None)
    if account is None or group is None or exact_rational(group.price or 0) <= 0:
        raise RemoteFault(ClearingCode.BAD_STEP, at, account=ask.account, group=ask.group)
    if ask.level not in [level.name for level in model.levels] or ask.decimals > DECIMALS_MAX:
        raise RemoteFault(ClearingCode.BAD_STEP, at, level=ask.level, decimals=ask.decimals)
    today, scale = exact_rational(group.price or 0), 10**ask.decimals
    kept = _kept(model, portfolio, account)
    quotes = instrument_quotes(kept, model.option_decimals)
    search = _Search(model, kept, with_entries(account, quotes), ask, today)
    linear = is_piecewise_linear(model, portfolio, account, ask.group)
    for_pieces = evaluations // 3 if linear else 0
    pieces = _by_pieces(search, scale, for_pieces) if linear else None
    excesses = Excesses(search.excess, evaluations - for_pieces)
    if pieces is not None:
        prices, tried = pieces, [ZERO, today, today * UP_TO, *_between(pieces)]
    else:
        prices = tried = _by_grid(search, excesses, quotes)
    bands = price_bands(excesses, tried, today, scale)
    covered = excesses.covered(today)
    below = [band.highest for band in bands if band.highest < today]
    above = [band.lowest for band in bands if band.lowest > today]
    return ModelLiquidationPrice(
        ask.account,
        ask.group,
        ask.level,
        today,
        covered=covered,
        below=max(below) if covered and below else None,
        above=min(above) if covered and above else None,
        short_of_margin=bands,
        complete=pieces is not None,
        searched=tuple(prices),
        statement=_statement(today, len(prices), complete=pieces is not None),
    )


def with_entries(account: PortfolioAccount, quotes: dict[str, InstrumentQuote]) -> PortfolioAccount:
    """The account with today's mark as the entry of marked positions that state none."""
    positions = tuple(
        msgspec.structs.replace(position, entry=_number(quotes[position.instrument].mark))
        if position.entry is None and quotes[position.instrument].contract.kind not in PREMIUM_PAID
        else position
        for position in account.positions
    )
    return msgspec.structs.replace(account, positions=positions)


def _by_pieces(search: _Search, scale: int, evaluations: int) -> list[Fraction] | None:
    """Prices between which the excess is linear and keeps its sign; None where they are too many, or too long."""
    low = min(Fraction(1, scale), search.today / UP_TO)
    pieces = linear_pieces(search.sample, low, search.today * UP_TO, evaluations)
    prices = sorted({*(sample.price for sample in pieces.samples), *roots(pieces)})
    short = all(price.denominator.bit_length() <= PRICE_BITS_MAX for price in prices)
    return prices if pieces.complete and short else None


def _between(prices: list[Fraction]) -> list[Fraction]:
    return [(one + other) / 2 for one, other in pairwise(prices)]


def _by_grid(search: _Search, excesses: Excesses, quotes: dict[str, InstrumentQuote]) -> list[Fraction]:
    """A grid over the whole range, strikes where they are reached in today's and in the moved market, and extremes."""
    today, evaluations = search.today, excesses.left
    steps = evaluations // 12
    near = [today * (steps + 2 * step) / (2 * steps) for step in range(steps + 1)]
    down = [today * step / (2 * steps) for step in range(steps)]
    up = [today * (3 * steps + 7 * step) / (2 * steps) for step in range(1, steps + 1)]
    strikes = _strikes(search, quotes)
    room = max(evaluations // 3 - 3 * steps, 1)
    chosen = strikes[:: -(-len(strikes) // room)] if strikes else []
    grid = sorted({ZERO, today, *near, *down, *up, *chosen})
    return with_extremes(excesses, grid, evaluations // 4)


def _strikes(search: _Search, quotes: dict[str, InstrumentQuote]) -> list[Fraction]:
    """Prices at which an option of the group is at the money, now first, then in each scenario of a scan."""
    own = {position.instrument for position in search.account.positions}
    options = [quote for name, quote in sorted(quotes.items()) if name in own and quote.is_option]
    levels = [
        exact_rational(quote.contract.strike) * quote.index / quote.forward
        for quote in options
        if quote.contract.group == search.ask.group and quote.forward > 0
    ]
    factors = {
        price_factor(point, next((at for at in term.ranges if not at.absolute), ScanRange(price=0)), search.today)
        for term in search.model.terms
        if isinstance(term, Scan)
        for point in grid_points(term)
    }
    moved = [level / factor for level in levels for factor in sorted(factors) if factor > 0 and factor != 1]
    return [
        price for price in dict.fromkeys([*levels, *_between(sorted(levels)), *moved]) if price < search.today * UP_TO
    ]


def _statement(today: Fraction, tried: int, *, complete: bool) -> str:
    reach = f"between 0 and {printed(today * UP_TO)}"
    if complete:
        return f"All bands {reach}: the margin is piecewise linear in the price, and each piece was found."
    return f"There may be more bands {reach}: {tried} prices were tried, and those between them were not."


def _kept(model: RiskModel, portfolio: Portfolio, account: PortfolioAccount) -> Portfolio:
    """The market without instruments that neither the account nor the model names."""
    own = {position.instrument for position in account.positions} | {order.instrument for order in account.orders}
    named = {instrument for term in model.terms for instrument in _instruments(term)}
    listed = tuple(instrument for instrument in portfolio.instruments if instrument.id in own | named)
    return msgspec.structs.replace(portfolio, instruments=listed, accounts=(account,))


def _moved_market(portfolio: Portfolio, group: str, price: Fraction, today: Fraction) -> Portfolio:
    price = max(price, ZERO)
    factor = price / today
    return msgspec.structs.replace(
        portfolio,
        groups=tuple(_moved_group(each, price) if each.id == group else each for each in portfolio.groups),
        instruments=tuple(_moved(each, factor) if each.group == group else each for each in portfolio.instruments),
        collateral=tuple(
            _moved_token(token, factor) if token.group == group else token for token in portfolio.collateral
        ),
    )


def _instruments(term: object) -> tuple[str, ...]:
    select = getattr(term, "select", None)
    return () if select is None else tuple(select.instruments)


def _moved_group(group: Group, price: Fraction) -> Group:
    return msgspec.structs.replace(group, price=_number(price))


def _moved(contract: Contract, factor: Fraction) -> Contract:
    changes = {
        name: _number(exact_rational(getattr(contract, name)) * factor)
        for name in ("mark", "forward", "exit_long", "exit_short")
        if getattr(contract, name) is not None
    }
    return msgspec.structs.replace(contract, **changes)


def _moved_token(token: Collateral, factor: Fraction) -> Collateral:
    return msgspec.structs.replace(token, price=_number(exact_rational(token.price) * factor))


def _number(value: Fraction) -> Number:
    return f"{value.numerator}/{value.denominator}"
