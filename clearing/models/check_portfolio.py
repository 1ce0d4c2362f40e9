"""Whether a portfolio makes sense by itself: names, references, ranges.

Rule: what is wrong is refused with its path.
"""

from collections.abc import Iterator
from fractions import Fraction

from clearing.codes import ClearingCode
from clearing.models.findings import (
    ENTRIES_MAX,
    POINTS_MAX,
    POSITIONS_MAX,
    SECONDS_MAX,
    SMALLEST,
    VOLATILITY_MAX,
    Finding,
    refuse,
    size_of,
    unique,
)
from clearing.models.numbers import exact
from clearing.models.portfolio import Account, Collateral, Contract, Group, Portfolio


def check_portfolio(portfolio: Portfolio, at: str = "portfolio") -> None:
    """Names, references inside the portfolio, ranges. Raises RemoteFault BAD_PORTFOLIO with the path."""
    refuse(ClearingCode.BAD_PORTFOLIO, _of_portfolio(portfolio), at)


def _of_portfolio(portfolio: Portfolio) -> Iterator[Finding]:
    groups = {each.id for each in portfolio.groups}
    instruments = {each.id for each in portfolio.instruments}
    tokens = {each.id for each in portfolio.collateral}
    for name in ("groups", "instruments", "collateral", "accounts"):
        listed = getattr(portfolio, name)
        yield name, len(listed), len(listed) <= ENTRIES_MAX
        yield from unique(name, [each.id for each in listed])
    held = sum(
        len(each.positions) + len(each.orders) + len(each.collateral) + len(each.given) for each in portfolio.accounts
    )
    yield "accounts", held, held <= POSITIONS_MAX
    for number, group in enumerate(portfolio.groups):
        yield from _of_group(f"groups[{number}]", group)
    for number, contract in enumerate(portfolio.instruments):
        yield f"instruments[{number}].group", contract.group, contract.group in groups
        yield from _of_contract(f"instruments[{number}]", contract)
    for number, token in enumerate(portfolio.collateral):
        yield f"collateral[{number}].group", token.group, not token.group or token.group in groups
        yield from _of_collateral(f"collateral[{number}]", token)
    for number, account in enumerate(portfolio.accounts):
        yield from _of_account(f"accounts[{number}]", account, groups, instruments, tokens)


def _of_group(at: str, group: Group) -> Iterator[Finding]:
    yield from size_of(f"{at}.price", group.price, 0)
    yield f"{at}.rate", str(group.rate), abs(exact(group.rate)) <= Fraction(1, 100) or 0 <= exact(group.rate) <= 10
    yield f"{at}.volatility", str(group.volatility), 0 <= exact(group.volatility) <= VOLATILITY_MAX
    yield from unique(f"{at}.smiles", [str(each.seconds_to_expiry) for each in group.smiles])
    for number, smile in enumerate(group.smiles):
        yield f"{at}.smiles[{number}].level", str(smile.level), 0 <= exact(smile.level) <= VOLATILITY_MAX
        yield f"{at}.smiles[{number}].skew", str(smile.skew), abs(exact(smile.skew)) <= VOLATILITY_MAX
        yield f"{at}.smiles[{number}].curvature", str(smile.curvature), abs(exact(smile.curvature)) <= VOLATILITY_MAX


def _of_contract(at: str, each: Contract) -> Iterator[Finding]:
    yield from size_of(f"{at}.multiplier", each.multiplier, SMALLEST)
    dated = each.kind not in ("perpetual", "spot")
    seconds = each.seconds_to_expiry
    yield f"{at}.seconds_to_expiry", seconds, seconds <= SECONDS_MAX and (dated or seconds == 0)
    option = each.kind in ("call", "put")
    yield f"{at}.strike", str(each.strike), (exact(each.strike) > 0 or bool(each.scanning)) if option else True
    yield from size_of(f"{at}.strike", each.strike, 0)
    for name in ("mark", "forward", "open_interest", "exit_long", "exit_short"):
        value = getattr(each, name)
        if value is not None:
            yield from size_of(f"{at}.{name}", value, 0)
    if each.discount is not None:
        yield f"{at}.discount", str(each.discount), 0 < exact(each.discount) <= 10
    if each.volatility is not None:
        yield f"{at}.volatility", str(each.volatility), 0 <= exact(each.volatility) <= VOLATILITY_MAX
    if each.delta is not None:
        yield from size_of(f"{at}.delta", each.delta)
    yield f"{at}.scanning", len(each.scanning), len(each.scanning) <= POINTS_MAX
    for number, loss in enumerate(each.scanning):
        yield from size_of(f"{at}.scanning[{number}]", loss)


def _of_collateral(at: str, each: Collateral) -> Iterator[Finding]:
    yield from size_of(f"{at}.price", each.price, 0)
    yield from size_of(f"{at}.rate", each.rate, 0)
    yield f"{at}.rate_haircut", str(each.rate_haircut), 0 <= exact(each.rate_haircut) <= 1
    if each.cap is not None:
        yield from size_of(f"{at}.cap", each.cap, 0)
    for number, haircut in enumerate(each.haircuts):
        yield f"{at}.haircuts[{number}].fraction", str(haircut.fraction), 0 <= exact(haircut.fraction) <= 1
    above = Fraction(-1)
    for number, tier in enumerate(each.concentration):
        yield f"{at}.concentration[{number}].above", str(tier.above), exact(tier.above) > above
        yield f"{at}.concentration[{number}].fraction", str(tier.fraction), 0 <= exact(tier.fraction) <= 1
        above = exact(tier.above)


def _of_account(at: str, each: Account, groups: set[str], instruments: set[str], tokens: set[str]) -> Iterator[Finding]:
    yield from size_of(f"{at}.cash", each.cash)
    yield from unique(f"{at}.collateral", [holding.collateral for holding in each.collateral])
    for number, holding in enumerate(each.collateral):
        yield f"{at}.collateral[{number}].collateral", holding.collateral, holding.collateral in tokens
        yield from size_of(f"{at}.collateral[{number}].amount", holding.amount, 0)
    for number, position in enumerate(each.positions):
        path = f"{at}.positions[{number}]"
        yield f"{path}.instrument", position.instrument, position.instrument in instruments
        yield from size_of(f"{path}.size", position.size)
        yield from size_of(f"{path}.funding", position.funding)
        if position.entry is not None:
            yield from size_of(f"{path}.entry", position.entry)
    for number, order in enumerate(each.orders):
        path = f"{at}.orders[{number}]"
        yield f"{path}.instrument", order.instrument, order.instrument in instruments
        yield from size_of(f"{path}.size", order.size, 0)
        if order.price is not None:
            yield from size_of(f"{path}.price", order.price, 0)
    yield from unique(f"{at}.given", [given.group for given in each.given])
    for number, given in enumerate(each.given):
        path = f"{at}.given[{number}]"
        yield f"{path}.group", given.group, given.group in groups
        yield from size_of(f"{path}.scan", given.scan)
        if given.price_risk is not None:
            yield from size_of(f"{path}.price_risk", given.price_risk, 0)
        yield from size_of(f"{path}.delta", given.delta)
        yield from size_of(f"{path}.calendar_spreads", given.calendar_spreads, 0)
        yield from size_of(f"{path}.short_options", given.short_options, 0)
