"""`KnownSpares`: whether an account surely covers its margin, from what it had to spare a few trades ago.

Rule: the same answer as `surely_covered`, which is the definition. A lot of an instrument changes what an account has
to spare by no more than a bound that the risk arrays give: its worst value in any scenario, its short-option minimum,
its charges and its part in charges on net amounts. So what is known of some holdings answers for all that are near
enough; else they are computed, and known from then on. Nothing is announced when money or positions move, because
holdings are compared with holdings.
"""

from collections.abc import Sequence
from functools import cached_property
from operator import mul, sub
from typing import NamedTuple

from clearing.margin.requirement.account_margin import spare_without_credit
from clearing.margin.risk_arrays.arrays import RiskArrays


class KnownHoldings(NamedTuple):
    """Holdings of one account, and what they have to spare."""

    cash: int
    tokens: tuple[int, ...]
    lots: tuple[int, ...]
    spare: int


class KnownSpares:
    """Of one block's arrays; shared by all forks that have the same arrays."""

    def __init__(self, arrays: RiskArrays) -> None:
        self.arrays = arrays
        self._known: dict[int, KnownHoldings] = {}

    def surely_covered(
        self, account: int, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
    ) -> bool:
        """As `account_margin.surely_covered`. `account` only says whose earlier holdings are near."""
        known = self._known.get(account)
        if known is not None and known.tokens == tuple(tokens):
            moved = map(abs, map(sub, positions, known.lots))
            if known.spare + sum(cash) - known.cash >= sum(map(mul, self.lot_bounds, moved)):
                return True
        spare = spare_without_credit(self.arrays, cash, tokens, positions)
        self._known[account] = KnownHoldings(sum(cash), tuple(tokens), tuple(positions), spare)
        return spare >= 0

    def holdings_of(self, account: int) -> KnownHoldings | None:
        """What the next answer for an account is compared with."""
        return self._known.get(account)

    @cached_property
    def lot_bounds(self) -> list[int]:
        """[m] micros by which one lot more or less changes the spare amount at most."""
        tariff = self.arrays.tariff
        bounds = [
            max(map(abs, row)) + short + rate + max((slope for slope, _ in impact.lines), default=0)
            for row, short, rate, impact in zip(
                self.arrays.rows, tariff.short_rates, tariff.lot_rates, tariff.impact, strict=True
            )
        ]
        for charge in tariff.net:
            for place, member in enumerate(charge.members):
                bounds[member] += max(abs(coefficients[place]) for coefficients, _ in charge.rows)
        return bounds
