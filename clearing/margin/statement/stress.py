"""Stress scenarios and cover 2: shortfalls of accounts in larger moves, and those of the two largest members.

Rule: a stress scenario moves all risk groups at once, further than margin provides for; it is not part of the
requirement. Tokens priced by a group's feed move with it and keep the haircut in force, which for tokens inside the
scenarios covers no move. A token that falls along with a group falls here by the same share. An account's shortfall is
how far its whole equity falls below zero. A member's shortfall is the sum of its accounts' shortfalls: one client's
surplus never pays for another.

Slot `uncovered:<name>` is u >= 0; row `stress:<name>` states u + cash + token values + sum of instrument values, all in
that scenario, >= 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from clearing.base.errors import Bug
from clearing.base.units import PPM
from clearing.margin.risk_arrays.reference_arrays import (
    COEFFICIENT_MAX,
    PricedListing,
    build_reference_arrays,
    shocked_index,
)
from clearing.margin.risk_arrays.token_rows import fallen_value
from clearing.margin.statement.snapshot import AccountHoldings, CoverTerms, Row, RowKind, Slot, SlotKind
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.risk.history import HistoricalRequirement
from clearing.schema.risk.parameters import JointCredit, RiskParameters
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.instruments import INDEX_TICKS_MAX


@dataclass(frozen=True, slots=True)
class StressArrays:
    """The value of one lot and one clearing unit in every stress scenario, in micros."""

    names: tuple[str, ...] = ()
    instruments: tuple[tuple[int, ...], ...] = ()
    """[S][m]: of a marked instrument the gain or loss against its mark, of an option its value."""
    tokens: tuple[tuple[int, ...], ...] = ()
    """[S][k]"""


NO_STRESS = StressArrays()


def build_stress(priced: PricedListing) -> StressArrays:
    """The columns of `build_reference_arrays` under a grid of stress scenarios."""
    parameters = priced.parameters
    if not parameters.stress:
        return NO_STRESS
    arrays = build_reference_arrays(replace(priced, parameters=_grid_of(parameters)))
    numbers = range(len(parameters.stress))
    return StressArrays(
        names=tuple(scenario.name for scenario in parameters.stress),
        instruments=tuple(tuple(row[1 + number] for row in arrays.rows) for number in numbers),
        tokens=tuple(
            tuple(_token_value(token, priced.index, parameters, number) for token in arrays.assets)
            for number in numbers
        ),
    )


def stressed_equity(
    stress: StressArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
) -> list[int]:
    """The value of an account's holdings in every stress scenario, in micros."""
    claims, open_positions = sum(cash), [(at, lots) for at, lots in enumerate(positions) if lots]
    return [
        claims
        + sum(value * units for value, units in zip(of_tokens, tokens, strict=True))
        + sum(of_lots[at] * lots for at, lots in open_positions)
        for of_lots, of_tokens in zip(stress.instruments, stress.tokens, strict=True)
    ]


def uncovered_losses(
    stress: StressArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
) -> list[int]:
    """An account's shortfall in every stress scenario: the least values of its UNCOVERED slots."""
    return [max(0, -equity) for equity in stressed_equity(stress, cash, tokens, positions)]


def stress_slots(stress: StressArrays) -> tuple[Slot, ...]:
    """One slot for every scenario, in order."""
    return tuple(Slot(f"uncovered:{name}", SlotKind.UNCOVERED) for name in stress.names)


def stress_rows(stress: StressArrays, cash_groups: int, first: int) -> Iterable[Row]:
    """One row for every scenario, in order; the first UNCOVERED slot is number `first`."""
    for number, name in enumerate(stress.names):
        values = (*[1] * cash_groups, *stress.tokens[number], *stress.instruments[number])
        coefficients = (*((slot, value) for slot, value in enumerate(values) if value), (first + number, 1))
        yield Row(f"stress:{name}", RowKind.AT_LEAST_ZERO, coefficients)


def _grid_of(parameters: RiskParameters) -> RiskParameters:
    """The parameters with stress scenarios as every group's grid, and no other charges."""
    groups = tuple(
        msgspec.structs.replace(group, scenarios=tuple(stress.moves[at] for stress in parameters.stress))
        for at, group in enumerate(parameters.groups)
    )
    return msgspec.structs.replace(
        parameters,
        groups=groups,
        scenarios=groups[0].scenarios if groups else parameters.scenarios,
        joint=JointCredit(),
        history=HistoricalRequirement(),
        charges=(),
        concentration=(),
        stress=(),
        default_fund_micros=0,
    )


def _token_value(token: Asset, index: Mapping[int, int], parameters: RiskParameters, number: int) -> int:
    """Micros a unit in one stress scenario, rounded down; where groups with which it moves differ, the lowest."""
    if token.feed not in index:
        return 0
    base = unit_value_after_haircut(token, index[token.feed])
    found = []
    for group, move in zip(parameters.groups, parameters.stress[number].moves, strict=True):
        if group.feed == token.feed:
            moved = min(shocked_index(index[token.feed], group.range_ppm, move), INDEX_TICKS_MAX)
            found.append(base + (unit_value_after_haircut(token, moved) - base) * move.weight_ppm // PPM)
        if group.id == token.scenarios.group and token.scenarios.fall_share_ppm:
            found.append(fallen_value(base, token.scenarios.fall_share_ppm, group.range_ppm, move))
    value = min(found, default=base)
    if value > COEFFICIENT_MAX:
        raise Bug(f"a token value reaches 2^62: {value}")
    return value


DEFICIT_MAX = 2**63 - 1


def build_cover_terms(
    stress: StressArrays,
    sizes: tuple[int, int],
    accounts: Sequence[AccountHoldings],
    members: Mapping[int, int],
    fund_account: int,
    fund: int,
) -> CoverTerms:
    """The public terms. `sizes`: cash groups and tokens; `members`: the member of each account; `fund` in micros.

    Raises Bug when the fund's account is not among the accounts.
    """
    shortfalls: dict[int, list[int]] = {}
    in_force: int | None = None
    for account in accounts:
        cash, tokens, positions = _split_values(account.values, sizes)
        if account.account == fund_account:
            in_force = max(0, min(fund, sum(cash), *stressed_equity(stress, cash, tokens, positions)))
            continue
        own = uncovered_losses(stress, cash, tokens, positions)
        before = shortfalls.get(members[account.account], [0] * len(own))
        shortfalls[members[account.account]] = [a + b for a, b in zip(before, own, strict=True)]
    if in_force is None:
        raise Bug(f"the fund's account {fund_account} is not among the accounts")
    needed = [largest_two(losses) for losses in zip(*shortfalls.values(), strict=True)] or [0] * len(stress.names)
    return CoverTerms(
        fund=in_force,
        fund_account=fund_account,
        members=tuple(
            (account.account, members[account.account]) for account in accounts if account.account != fund_account
        ),
        deficits=tuple(min(max(0, need - in_force), DEFICIT_MAX) for need in needed),
    )


def largest_two(losses: Iterable[int]) -> int:
    """Sum of the two largest, or of all where there are fewer."""
    return sum(sorted(losses, reverse=True)[:2])


def _split_values(values: Sequence[int], sizes: tuple[int, int]) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    cash, tokens = sizes
    return values[:cash], values[cash : cash + tokens], values[cash + tokens :]
