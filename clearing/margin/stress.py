"""Stress scenarios: what an account lacks when markets move further than margin provides for.

Rule: a stress scenario is a scenario like those of margin, with larger moves, of all risk groups at once; tokens priced
by a group's feed fall and rise with it and keep their haircut. What an account lacks is what its whole equity falls
below zero by, its margin being part of its equity. No part of the requirement: it only sizes the default fund. It must
not know members or the fund.

`uncovered:<name>`  u >= 0
`stress:<name>`     u + cash + token values + sum of instrument values, all in that scenario, >= 0
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from clearing.assets import Asset
from clearing.base.errors import Bug
from clearing.base.units import PPM
from clearing.instruments import INDEX_TICKS_MAX
from clearing.margin.joint import JointCredit
from clearing.margin.parameters import RiskParameters
from clearing.margin.plain import COEFFICIENT_MAX, Priced, build_plain_arrays
from clearing.margin.scenario_rows import shocked_index
from clearing.margin.snapshot import Row, RowKind, Slot, SlotKind


@dataclass(frozen=True, slots=True)
class StressArrays:
    """What one lot and one clearing unit are worth in every stress scenario, in micros."""

    names: tuple[str, ...] = ()
    instruments: tuple[tuple[int, ...], ...] = ()
    """[S][m]: of a marked instrument the gain or loss against its mark, of an option its value."""
    tokens: tuple[tuple[int, ...], ...] = ()
    """[S][k]"""


NO_STRESS = StressArrays()


def build_stress(priced: Priced) -> StressArrays:
    """The columns of `build_plain_arrays` under a grid of stress scenarios."""
    parameters = priced.parameters
    if not parameters.stress:
        return NO_STRESS
    arrays = build_plain_arrays(replace(priced, parameters=_grid_of(parameters)))
    numbers = range(len(parameters.stress))
    return StressArrays(
        names=tuple(each.name for each in parameters.stress),
        instruments=tuple(tuple(row[1 + number] for row in arrays.rows) for number in numbers),
        tokens=tuple(
            tuple(_token_value(token, priced.index, parameters, number) for token in arrays.assets)
            for number in numbers
        ),
    )


def stressed_equity(
    stress: StressArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
) -> list[int]:
    """What an account's holdings are worth in every stress scenario, in micros."""
    claims, held = sum(cash), [(at, lots) for at, lots in enumerate(positions) if lots]
    return [
        claims
        + sum(value * units for value, units in zip(of_tokens, tokens, strict=True))
        + sum(of_lots[at] * lots for at, lots in held)
        for of_lots, of_tokens in zip(stress.instruments, stress.tokens, strict=True)
    ]


def uncovered_losses(
    stress: StressArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
) -> list[int]:
    """What an account lacks in every stress scenario: the least values of its UNCOVERED slots."""
    return [max(0, -worth) for worth in stressed_equity(stress, cash, tokens, positions)]


def stress_slots(stress: StressArrays) -> tuple[Slot, ...]:
    """One for every scenario, in order."""
    return tuple(Slot(f"uncovered:{name}", SlotKind.UNCOVERED) for name in stress.names)


def stress_rows(stress: StressArrays, cash_groups: int, first: int) -> Iterable[Row]:
    """One for every scenario, in order; the first UNCOVERED slot is number `first`."""
    for number, name in enumerate(stress.names):
        worth = (*[1] * cash_groups, *stress.tokens[number], *stress.instruments[number])
        coefficients = (*((slot, value) for slot, value in enumerate(worth) if value), (first + number, 1))
        yield Row(f"stress:{name}", RowKind.AT_LEAST_ZERO, coefficients)


def _grid_of(parameters: RiskParameters) -> RiskParameters:
    """The parameters with stress scenarios as every group's grid, and nothing besides."""
    groups = tuple(
        msgspec.structs.replace(group, scenarios=tuple(stress.moves[at] for stress in parameters.stress))
        for at, group in enumerate(parameters.groups)
    )
    return msgspec.structs.replace(
        parameters,
        groups=groups,
        scenarios=groups[0].scenarios if groups else parameters.scenarios,
        joint=JointCredit(),
        charges=(),
        concentration=(),
        stress=(),
        default_fund_micros=0,
    )


def _token_value(token: Asset, index: Mapping[int, int], parameters: RiskParameters, number: int) -> int:
    """Micros a unit in one stress scenario, rounded down; where groups on its feed move apart, the least."""
    if token.feed not in index:
        return 0
    base = token.unit_value(index[token.feed])
    found = []
    for group, move in zip(parameters.groups, parameters.stress[number].moves, strict=True):
        if group.feed == token.feed:
            moved = min(shocked_index(index[token.feed], group.range_ppm, move), INDEX_TICKS_MAX)
            found.append(base + (token.unit_value(moved) - base) * move.weight_ppm // PPM)
    value = min(found, default=base)
    if value > COEFFICIENT_MAX:
        raise Bug(f"a token value reaches 2^62: {value}")
    return value
