"""The stress set: recorded and hypothetical scenarios beside genesis's, and how the fund covers them.

Rule: a historical move is that of two days' closes, hour by hour, from the hour with the largest move of BTC on; ETH's
is over the same hours. Rounded away from zero to 0.01 %. A risk group of another name moves as BTC does. Volatilities
stay. Losses and cover are those of `lab.drills.reverse_stress`. Source: btc_eth_1h_2018_2022.csv of the repository
benjaminpo/crypto-price, MIT.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from clearing.base.codec import U63
from clearing.state.state import State
from lab.drills.reverse_stress import cover_of, losses_in, sizing_needs
from member.api.types import Body

REFERENCE = "BTC"


@dataclass(frozen=True, slots=True)
class SetScenario:
    """Moves in hundredths of a per cent, by the name of the risk group."""

    name: str
    kind: str
    """historical or hypothetical."""
    points: Mapping[str, int]
    begins: str = ""
    """First hour of a historical one, in UTC."""
    hours: int = 0

    def of_group(self, group: str) -> int:
        """The move of a risk group."""
        return self.points.get(group, self.points[REFERENCE])


STRESS_SET: tuple[SetScenario, ...] = (
    SetScenario("November 2018", "historical", {"BTC": -2_359, "ETH": -2_806}, "2018-11-18T22:00", 48),
    SetScenario("October 2019", "historical", {"BTC": 3_583, "ETH": 2_215}, "2019-10-24T01:00", 48),
    SetScenario("March 2020", "historical", {"BTC": -4_812, "ETH": -5_084}, "2020-03-11T01:00", 48),
    SetScenario("May 2021", "historical", {"BTC": -2_470, "ETH": -3_315}, "2021-05-17T12:00", 48),
    SetScenario("March 2020 and a half", "hypothetical", {"BTC": -7_218, "ETH": -7_626}),
    SetScenario("everything up by half", "hypothetical", {"BTC": 5_000, "ETH": 5_000}),
    SetScenario("BTC alone falls by half", "hypothetical", {"BTC": -5_000, "ETH": 0}),
    SetScenario("ETH alone falls by half", "hypothetical", {"BTC": 0, "ETH": -5_000}),
    SetScenario("apart: BTC down, ETH up", "hypothetical", {"BTC": -4_000, "ETH": 4_000}),
    SetScenario("apart: BTC up, ETH down", "hypothetical", {"BTC": 4_000, "ETH": -4_000}),
)


class StressResult(Body, frozen=True):
    """One scenario: what the largest one and two members lose beyond margin, and what nobody in the fund bears."""

    name: str
    kind: str
    """historical, hypothetical, or genesis: one that sizes the fund."""
    moves: tuple[tuple[str, int], ...]
    """(risk group, hundredths of a per cent); empty for genesis's."""
    members: tuple[U63, ...]
    """The two whose joint default leaves most."""
    lost_by_one: U63
    lost_by_two: U63
    uncovered_by_one: U63
    uncovered_by_two: U63


def stress_results(state: State) -> tuple[StressResult, ...]:
    """Genesis's scenarios, then the set."""
    groups = tuple(group.name for group in state.terms.risk.groups)
    found = [_result(state, name, "genesis", (), losses) for name, losses in sizing_needs(state).shortfalls]
    moves = [tuple((group, each.of_group(group)) for group in groups) for each in STRESS_SET]
    losses_by_scenario = losses_in(state, [dict(each) for each in moves])
    found += [
        _result(state, scenario.name, scenario.kind, of_groups, losses)
        for scenario, of_groups, losses in zip(STRESS_SET, moves, losses_by_scenario, strict=True)
    ]
    return tuple(found)


def _result(
    state: State, name: str, kind: str, moves: tuple[tuple[str, int], ...], losses: Mapping[int, int]
) -> StressResult:
    cover = cover_of(state)
    one, two = cover.worst(losses, 1), cover.worst(losses, 2)
    largest = sorted(losses.values(), reverse=True)
    return StressResult(
        name=name,
        kind=kind,
        moves=moves,
        members=two,
        lost_by_one=sum(largest[:1]),
        lost_by_two=sum(largest[:2]),
        uncovered_by_one=cover.uncovered(losses, one),
        uncovered_by_two=cover.uncovered(losses, two),
    )
