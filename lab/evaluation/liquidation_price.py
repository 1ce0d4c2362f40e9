"""The price of one group at which an account falls below a level of margin, on either side of today's.

Rule: bisection with the same evaluation that gives the margin, never a second formula. Marks, forwards, exit prices
and collateral of the group move in proportion to the price; everything else stays. A margin need not be monotone in the
price: the search finds the first breach at its resolution, then refines it to the requested decimals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from clearing.base.codec import U8, Wire
from clearing.base.errors import RemoteFault
from clearing.schema.codes import ClearingCode
from lab.evaluation.evaluate import Evaluator
from lab.models.numbers import Number, exact_rational
from lab.models.portfolio import Collateral, Contract, Group, Name, Portfolio, PortfolioAccount
from lab.models.scan_terms import Reference
from lab.models.terms import RiskModel

STEPS_DOWN = 20
"""From today's price to nothing."""
STEPS_UP = 20
UP_TO = 5
"""Prices are searched up to so many times today's."""
DECIMALS_MAX = 12


class AskLiquidationPrice(Wire, frozen=True):
    """At which price is the level not covered any more?"""

    account: Name
    group: Name
    level: Reference = "maintenance"
    decimals: U8 = 2


@dataclass(frozen=True, slots=True)
class ModelLiquidationPrice:
    """The nearest prices that do not cover the level."""

    account: str
    group: str
    level: str
    price: Fraction
    covered: bool
    """Whether today's price covers the level; if not, no price is searched."""
    below: Fraction | None
    """The highest such price below today's; None where there is none."""
    above: Fraction | None
    """The lowest such price above today's, up to five times it."""


def liquidation_price(
    model: RiskModel, portfolio: Portfolio, ask: AskLiquidationPrice, at: str
) -> ModelLiquidationPrice:
    """Search both ways. Raises RemoteFault BAD_STEP when the ask names what is not there."""
    account = next((account for account in portfolio.accounts if account.id == ask.account), None)
    group = next((group for group in portfolio.groups if group.id == ask.group), None)
    if account is None or group is None or exact_rational(group.price) <= 0:
        raise RemoteFault(ClearingCode.BAD_STEP, at, account=ask.account, group=ask.group)
    if ask.level not in [level.name for level in model.levels] or ask.decimals > DECIMALS_MAX:
        raise RemoteFault(ClearingCode.BAD_STEP, at, level=ask.level, decimals=ask.decimals)
    price, scale = exact_rational(group.price), 10**ask.decimals
    covers = _covers(model, portfolio, account, ask)
    if not covers(price):
        return ModelLiquidationPrice(ask.account, ask.group, ask.level, price, covered=False, below=None, above=None)
    down = [price * (STEPS_DOWN - step) / STEPS_DOWN for step in range(1, STEPS_DOWN + 1)]
    up = [price * (STEPS_UP + step * (UP_TO - 1)) / STEPS_UP for step in range(1, STEPS_UP + 1)]
    return ModelLiquidationPrice(
        ask.account,
        ask.group,
        ask.level,
        price,
        covered=True,
        below=_search(covers, price, down, scale),
        above=_search(covers, price, up, scale),
    )


def _search(covers: Callable[[Fraction], bool], price: Fraction, steps: list[Fraction], scale: int) -> Fraction | None:
    """The price nearest to today's, in whole 1/scale, that is on the far side of the first breach."""
    good = price
    for step in steps:
        if covers(step):
            good = step
            continue
        sign = -1 if step < good else 1
        low, high = _units(good, scale, sign), _units(step, scale, sign)
        if not covers(Fraction(low, scale)):
            return Fraction(low, scale)
        while abs(high - low) > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if covers(Fraction(middle, scale)) else (low, middle)
        return Fraction(high, scale)
    return None


def _units(price: Fraction, scale: int, sign: int) -> int:
    """Whole units, away from today's price for the side that is searched."""
    scaled = price * scale
    return scaled.numerator // scaled.denominator if sign < 0 else -(-scaled.numerator // scaled.denominator)


def _covers(
    model: RiskModel, portfolio: Portfolio, account: PortfolioAccount, ask: AskLiquidationPrice
) -> Callable[[Fraction], bool]:
    own = {position.instrument for position in account.positions} | {order.instrument for order in account.orders}
    named = {instrument for term in model.terms for instrument in _instruments(term)}
    kept = tuple(instrument for instrument in portfolio.instruments if instrument.id in own | named)
    today = exact_rational(next(group for group in portfolio.groups if group.id == ask.group).price)

    def covers(price: Fraction) -> bool:
        factor = max(price, Fraction(0)) / today
        moved = msgspec.structs.replace(
            portfolio,
            groups=tuple(_moved_group(group, price) if group.id == ask.group else group for group in portfolio.groups),
            instruments=tuple(
                _moved(instrument, factor) if instrument.group == ask.group else instrument for instrument in kept
            ),
            collateral=tuple(
                _moved_token(token, factor) if token.group == ask.group else token for token in portfolio.collateral
            ),
            accounts=(account,),
        )
        return Evaluator(model, moved).account(account).level(ask.level).covered

    return covers


def _instruments(term: object) -> tuple[str, ...]:
    select = getattr(term, "select", None)
    return () if select is None else tuple(select.instruments)


def _moved_group(group: Group, price: Fraction) -> Group:
    return msgspec.structs.replace(group, price=_number(max(price, Fraction(0))))


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
