"""The margin requirement of accounts: equity, worst loss of each risk group, initial and maintenance margin.

Rule: `account_margin` is the definition, in Python integers. Every faster path (`batch_margin`, `MarginBook`) must
equal it exactly and never refuse a holding for its size. The requirement is the sum over risk groups of the worst
scenario's loss, with full offset inside a group, plus the terms of `terms`. This module must not know how a breach is
handled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearing.margin.requirement.add_ons import TermsBatch, margin_terms_batch
from clearing.margin.requirement.requirement_terms import NO_MARGIN_TERMS, MarginTerms, account_terms, plain_terms
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.exact_products import Exact, Integers, exact_product, exact_sum, value_and_loss
from clearing.schema.risk.parameters import RiskParameters


@dataclass(frozen=True, slots=True)
class AccountMargin:
    """One account's margin, in micros."""

    equity: int
    """Cash, collateral after haircut and the full value of premium-paid options."""
    group_losses: tuple[int, ...]
    """Worst loss of each risk group over the scenarios, at least 0, in the groups' order: of positions and of the
    tokens that move in them."""
    initial: int
    """The requirement: group losses and terms combined."""
    maintenance: int
    """The maintenance fraction of it, rounded up; for display, because `maintenance_ok` compares exactly."""
    maintenance_ok: bool
    """equity * denominator >= initial * numerator."""
    terms: MarginTerms = NO_MARGIN_TERMS

    @property
    def initial_ok(self) -> bool:
        """Whether equity covers initial margin."""
        return self.equity >= self.initial


def compose_margin(
    equity: int, group_losses: Sequence[int], parameters: RiskParameters, terms: MarginTerms = NO_MARGIN_TERMS
) -> AccountMargin:
    """Combine the parts of one account's margin."""
    initial = terms.requirement(group_losses)
    numerator, denominator = parameters.maintenance_numerator, parameters.maintenance_denominator
    return AccountMargin(
        equity=equity,
        group_losses=tuple(group_losses),
        initial=initial,
        maintenance=-(-initial * numerator // denominator),
        maintenance_ok=equity * denominator >= initial * numerator,
        terms=terms,
    )


def account_margin(
    arrays: RiskArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
) -> AccountMargin:
    """Margin of one account from its cash per group, units per collateral token and lots per instrument.

    All in the order of `arrays`. Raises ValueError when a length differs.
    """
    _check_lengths(arrays, len(cash), len(tokens), len(positions))
    equity = sum(cash)
    equity += sum(value * units for value, units in zip(arrays.token_prices, tokens, strict=True))
    losses: list[int] = []
    scenario_losses: list[list[int]] = []
    for matrix in arrays.matrices:
        values = [0] * arrays.values.shape[1]
        for at in matrix.members:
            lots = positions[at]
            if lots:
                values = [total + value * lots for total, value in zip(values, arrays.rows[at], strict=True)]
        equity += values[0]
        for at in matrix.tokens:  # their base value is in equity already
            units, row = tokens[at], arrays.token_rows[at]
            if units:
                values = [total + value * units for total, value in zip(values, row, strict=True)]
        scenario_losses.append([values[0] - value for value in values[1:]])
        losses.append(max(0, *scenario_losses[-1][: arrays.scenarios]))
    by_column = [[0, *losses_of_group] for losses_of_group in scenario_losses]
    members = [matrix.members for matrix in arrays.matrices]
    terms = account_terms(arrays.tariff, losses, by_column, members, positions, tokens)
    return compose_margin(equity, losses, arrays.parameters, terms)


def surely_covered(arrays: RiskArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> bool:
    """Whether equity covers the requirement even without credit between groups.

    True only where `account_margin` has `initial_ok`; False is inconclusive. Arguments as there.
    """
    return spare_without_credit(arrays, cash, tokens, positions) >= 0


def spare_without_credit(
    arrays: RiskArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
) -> int:
    """Equity minus the requirement without credit between groups, in micros: never more than with it.

    Where history is required, which may exceed the sum of the groups, equity minus the whole requirement.
    For the many accounts that are far from their margin, at half the cost of `account_margin`. Arguments as there.
    """
    if arrays.tariff.historical:
        margin = account_margin(arrays, cash, tokens, positions)
        return margin.equity - margin.initial
    _check_lengths(arrays, len(cash), len(tokens), len(positions))
    equity = sum(cash)
    equity += sum(value * units for value, units in zip(arrays.token_prices, tokens, strict=True) if units)
    losses: list[int] = []
    for matrix in arrays.matrices:
        values: list[int] = []
        for at in matrix.members:
            lots = positions[at]
            if lots and values:
                values = [total + value * lots for total, value in zip(values, arrays.rows[at], strict=True)]
            elif lots:
                values = [value * lots for value in arrays.rows[at]]
        if values:
            equity += values[0]
        for at in matrix.tokens:
            units, row = tokens[at], arrays.token_rows[at]
            if units:
                before = values or [0] * len(row)
                values = [total + value * units for total, value in zip(before, row, strict=True)]
        losses.append(values[0] - min(values) if values else 0)
    members = [matrix.members for matrix in arrays.matrices]
    return equity - plain_terms(arrays.tariff, members, positions, tokens).requirement(losses)


def add_ons(arrays: RiskArrays, losses: Exact, lots: Integers, tokens: Integers, *, with_net: bool = True) -> Exact:
    """[n] the requirement beyond the sum of group losses, in micros; negative where inter-group credit prevails.

    `losses` [g, n], `lots` [m, n] and `tokens` [k, n], in the order of `arrays`; `with_net` as in `margin_terms_batch`.
    """
    return margin_terms_batch(arrays, losses, lots, tokens, with_net=with_net).add_ons


@dataclass(frozen=True, slots=True, eq=False)
class MarginBatch:
    """Margins of n accounts. Arrays are int64, or Python integers (dtype object) where int64 could overflow."""

    equity: Exact
    """[n] micros."""
    losses: Exact
    """[n, g] micros."""
    initial: Exact
    """[n] micros."""
    parameters: RiskParameters
    terms: TermsBatch | None = None
    """None: nothing is added to the sum of the losses."""

    @property
    def initial_ok(self) -> NDArray[np.bool_]:
        """[n] whether equity covers initial margin."""
        return np.asarray(self.equity >= self.initial, np.bool_)

    @property
    def maintenance_ok(self) -> NDArray[np.bool_]:
        """[n] whether equity covers maintenance margin, compared exactly."""
        return covers_maintenance(self.equity, self.initial, self.parameters)

    def account(self, at: int) -> AccountMargin:
        """The margin of account number `at` of the batch."""
        terms = NO_MARGIN_TERMS if self.terms is None else self.terms.at(at)
        return compose_margin(int(self.equity[at]), [int(loss) for loss in self.losses[at]], self.parameters, terms)


def covers_maintenance(equity: Exact, initial: Exact, parameters: RiskParameters) -> NDArray[np.bool_]:
    """equity * denominator >= initial * numerator, elementwise and exactly."""
    equity_side = exact_product(parameters.maintenance_denominator, equity)
    requirement_side = exact_product(parameters.maintenance_numerator, initial)
    return np.asarray(equity_side >= requirement_side, np.bool_)


def batch_margin(arrays: RiskArrays, cash: Integers, tokens: Integers, positions: Integers) -> MarginBatch:
    """Margins of n accounts: `cash` [n, c], `tokens` [n, k], `positions` [n, m], all int64 in the order of `arrays`.

    Exactly `account_margin` of every row, whatever the sizes (|positions| < 2^39). Raises ValueError when a shape
    differs.
    """
    _check_lengths(arrays, cash.shape[1], tokens.shape[1], positions.shape[1])
    count = positions.shape[0]
    terms: list[Exact] = [cash[:, at] for at in range(cash.shape[1])]
    terms += [exact_product(int(value), tokens[:, at]) for at, value in enumerate(arrays.token_values)]
    losses: list[Exact] = []
    for matrix in arrays.matrices:
        lots, units = (
            np.ascontiguousarray(of.T[list(at)]) for of, at in ((positions, matrix.members), (tokens, matrix.tokens))
        )
        value, loss, _ = value_and_loss(matrix, lots, units)
        terms.append(value)
        losses.append(loss)
    stacked = np.stack(losses, axis=1) if losses else np.zeros((count, 0), np.int64)
    added = margin_terms_batch(arrays, stacked.T, positions.T, tokens.T)
    initial = exact_sum([*losses, added.add_ons], count)
    return MarginBatch(exact_sum(terms, count), stacked, initial, arrays.parameters, added)


def _check_lengths(arrays: RiskArrays, cash: int, tokens: int, positions: int) -> None:
    given = (cash, tokens, positions)
    wanted = (len(arrays.cash_groups), len(arrays.assets), len(arrays.instruments))
    if given != wanted:
        raise ValueError(f"cash, tokens and positions have {given} entries, the arrays {wanted}")
