"""Add-ons of many accounts at once: the requirement beyond the sum of group losses.

Rule: exactly `account_terms` of every account; int64 under a checked bound, Python integers beyond. This is a hot loop
on plain arrays, and costs nothing without charges. This module must not know prices.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearing.margin.requirement.requirement_terms import NO_MARGIN_TERMS, MarginTerms
from clearing.margin.risk_arrays.charge_rates import Tariff
from clearing.margin.risk_arrays.exact_products import (
    INT64_EXACT,
    Exact,
    Integers,
    exact_product,
    exact_sum,
    largest_of,
    losses_by_scenario,
    real_losses,
)
from clearing.schema.risk.charges import Lines

if TYPE_CHECKING:
    from clearing.margin.risk_arrays.arrays import RiskArrays

ACCOUNTS_AT_ONCE = 256
"""Accounts whose losses in all joint scenarios are in memory together: what stays in the cache is searched at once."""


@dataclass(frozen=True, slots=True, eq=False)
class TermsBatch:
    """`MarginTerms` of n accounts, in micros; None for a term that the tariff does not have."""

    option_minimums: Exact | None
    """[g, n]."""
    joint: Exact | None
    credit: Exact | None
    charges: Exact | None
    impact: Exact | None
    concentration: Exact | None
    add_ons: Exact
    """[n] requirement less the sum of group losses; negative where the credit exceeds everything else."""
    net: Exact | None = None
    """[charges on net amounts, n]."""

    def at(self, account: int) -> MarginTerms:
        """The terms of account number `account`."""
        parts = (self.joint, self.credit, self.charges, self.impact, self.concentration)
        if self.option_minimums is None and self.net is None and all(part is None for part in parts):
            return NO_MARGIN_TERMS
        minimums = () if self.option_minimums is None else tuple(map(int, self.option_minimums[:, account]))
        net = () if self.net is None else tuple(map(int, self.net[:, account]))
        joint, credit, charges, impact, concentration = (0 if part is None else int(part[account]) for part in parts)
        return MarginTerms(minimums, joint, credit, charges, impact, concentration, net)

    def take(self, accounts: Integers) -> "TermsBatch":
        """The terms of the accounts with these numbers, in that order."""

        def chosen(part: Exact | None) -> Exact | None:
            return None if part is None else part[..., accounts]

        return TermsBatch(
            option_minimums=chosen(self.option_minimums),
            joint=chosen(self.joint),
            credit=chosen(self.credit),
            charges=chosen(self.charges),
            impact=chosen(self.impact),
            concentration=chosen(self.concentration),
            add_ons=self.add_ons[accounts],
            net=chosen(self.net),
        )


def margin_terms_batch(
    arrays: "RiskArrays", losses: Exact, lots: Integers, tokens: Integers, *, with_net: bool = True
) -> TermsBatch:
    """Terms of n accounts from group losses [g, n], lots [m, n] (|q| < 2^39) and units [k, n], in the arrays' order.

    `with_net` False: without charges on net amounts, for who knows them.
    """
    count, tariff = lots.shape[1], arrays.tariff
    if tariff.is_off:
        return TermsBatch(None, None, None, None, None, None, np.zeros(count, np.int64))
    minimums = _option_minimums(arrays, lots) if tariff.has_short_rates else None
    parts: list[Exact] = []
    if minimums is not None:
        parts += list(_required(losses, minimums) - losses)
    joint = credit = None
    if tariff.credits_groups:
        full = exact_sum([*losses, *parts], count)
        joint = _joint_losses_of(arrays, lots, tokens)
        if minimums is not None:
            joint = np.maximum(joint, exact_sum(list(minimums), count))
        if tariff.joint.keep_largest:
            joint = np.maximum(joint, _required(losses, minimums).max(axis=0, initial=0))
        plain, weight, whole = tariff.credit_weights
        weighted = exact_sum([exact_product(plain, full), exact_product(weight, joint)], count)
        groups = -(-weighted // whole)
        if tariff.historical:
            groups = np.maximum(groups, joint)
        credit = full - groups
        parts.append(-credit)
    charges = _lot_charges(tariff, lots)
    impact = _lines(tariff.impact, np.abs(lots))
    concentration = _lines(tariff.concentration, tokens)
    parts += [part for part in (charges, impact, concentration) if part is not None]
    net = _net_charges(arrays, lots) if tariff.net and with_net else None
    if net is not None:
        parts += list(net)
    return TermsBatch(minimums, joint, credit, charges, impact, concentration, exact_sum(parts, count), net)


def _net_charges(arrays: "RiskArrays", lots: Integers) -> Exact:
    """[charges, n] in the tariff's order."""
    found = [matrix.at(lots) for matrix in arrays.net_matrices]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _joint_losses_of(arrays: "RiskArrays", lots: Integers, tokens: Integers) -> Exact:
    """[n] expected shortfall over the joint scenarios, at least 0, rounded up."""
    tariff, matrix = arrays.tariff, arrays.joint_matrix
    units = tokens[list(matrix.tokens)]
    counts = np.array(tariff.joint_counts, np.int64)
    found: list[Exact] = []
    for start in range(0, max(lots.shape[1], 1), ACCOUNTS_AT_ONCE):
        part = slice(start, start + ACCOUNTS_AT_ONCE)
        losses: Exact | None = real_losses(matrix, lots[:, part], units[:, part])
        if losses is None:
            losses = np.ascontiguousarray(losses_by_scenario(matrix, lots[:, part], units[:, part])[1:].T)
        found.append(_shortfall(losses, counts, tariff.averaged_losses))
    return found[0] if len(found) == 1 else np.concatenate(found)


def _shortfall(losses: Exact, counts: Integers, tail: int) -> Exact:
    """[n] mean of the `tail` worst of losses [n, N], each as often as its count; at least 0, rounded up.

    `losses` are integers, in float64 too, and are overwritten. An account's are side by side, to be searched faster.
    """
    largest, count = int(largest_of(losses)), len(losses)
    wide = largest * tail >= INT64_EXACT
    if wide:
        losses = (losses.astype(np.int64) if losses.dtype == np.float64 else losses).astype(object)
    accounts = np.arange(count)
    left = np.full(count, tail, np.int64)
    total: Exact = np.zeros(count, object if wide else np.int64)
    # Take the worst remaining loss until every account's tail is full: mostly a few rounds, at most one per scenario.
    for _ in counts:
        if not left.any():
            break
        worst = losses.argmax(axis=1)
        taken = np.minimum(counts[worst], left)
        total += losses[accounts, worst].astype(total.dtype) * taken
        left -= taken
        losses[accounts, worst] = -largest - 1
    if left.any():
        raise ValueError(f"fewer scenarios than the {tail} that are averaged")
    mean: Exact = -(-total // tail)
    return np.asarray(np.maximum(mean, 0))


def _option_minimums(arrays: "RiskArrays", lots: Integers) -> Exact:
    """[g, n] short-option minimums."""
    rates, count = arrays.tariff.short_rates, lots.shape[1]
    rows = []
    for matrix in arrays.matrices:
        short = [(rates[at], np.maximum(-lots[at], 0)) for at in matrix.members if rates[at]]
        rows.append(exact_sum([exact_product(rate, short_lots) for rate, short_lots in short], count))
    return np.stack(rows)


def _required(losses: Exact, minimums: Exact | None) -> Exact:
    """[g, n] the larger of loss and minimum."""
    return losses if minimums is None else np.maximum(losses, minimums)


def _lot_charges(tariff: Tariff, lots: Integers) -> Exact | None:
    """[n] charges by lot."""
    charged = [
        exact_product(rate, np.abs(position)) for rate, position in zip(tariff.lot_rates, lots, strict=True) if rate
    ]
    return exact_sum(charged, lots.shape[1]) if charged else None


def _lines(tariffs: tuple[Lines, ...], sizes: Integers) -> Exact | None:
    """[n] sum of the charges on each row of `sizes`."""
    found: list[Exact] = []
    for charge_lines, size in zip(tariffs, sizes, strict=True):
        if not charge_lines.lines:
            continue
        largest: Exact = np.zeros(size.size, np.int64)
        for slope, intercept in charge_lines.lines:
            largest = np.maximum(largest, _less_constant(exact_product(slope, size), intercept))
        found.append(largest)
    return exact_sum(found, sizes.shape[1]) if found else None


def _less_constant(one: Exact, constant: int) -> Exact:
    if largest_of(one) + constant < INT64_EXACT:
        return one - constant
    wide: Exact = one.astype(object) - constant
    return wide
