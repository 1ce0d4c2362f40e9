"""Risk parameters: risk groups, the scenario grid, joint scenarios and margin levels, as governance data.

Rule: data only; all ratios are integers. The base scenario, in which nothing moves, is column 0 and implicit. The
listed scenarios are columns 1, 2 and so on; those of `history` come after all grids. A joint scenario names one column
for every risk group; one of grids never loses more than the sum of the group losses. Expected shortfall convention:
every scenario counts `count` times, the `tail` worst are summed, and the sum is divided by `tail` and rounded up; a
part of the next worst may count, too. This module must not know prices or holdings.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import gcd

from clearing.base.codec import U32, U63, Wire
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.units import PPM
from clearing.schema.risk.charges import Check, ConcentrationTier, LotCharge, charge_checks
from clearing.schema.risk.group_charges import GroupCharges, group_charge_checks
from clearing.schema.risk.history import HistoricalRequirement, history_checks
from clearing.schema.risk.live_surface import ExpiryCarry, carry_checks
from clearing.schema.risk.scenarios import SCENARIOS_MAX as SCENARIOS_MAX
from clearing.schema.risk.scenarios import Scenario as Scenario
from clearing.schema.risk.scenarios import scenario_checks
from clearing.schema.risk.volatility_surface import VolPillar, VolShock, shock_checks, surface_checks

STRESS_MAX = 16
_NAME_SHOWN = 64
"""Characters of a name in the place of a fault: a stranger's name may be long."""


class RiskGroup(Wire, frozen=True):
    """Instruments on one underlying, whose gains and losses offset fully within each scenario."""

    id: U32
    name: str
    feed: U32
    range_ppm: U32
    """Price scan range: the fraction of the index that a move of 1 stands for."""
    volatility_ppm: U32
    """Annualised volatility at which options are marked: 1_000_000 is 100 %."""
    volatility_range_ppm: U32
    """Volatility scan range in points, added to or subtracted from the volatility; a fraction of it under
    `shock.relative`."""
    short_option_ppm: U32 = 0
    """Short-option minimum: this fraction of the notional at the index, for each short lot of an option."""
    surface: tuple[VolPillar, ...] = ()
    """Smiles by rising time to expiry. Without any, every option has `volatility_ppm`."""
    shock: VolShock = VolShock()
    """How scenarios shift volatility."""
    scenarios: tuple[Scenario, ...] = ()
    """The group's own grid; empty: the network's."""
    curve: tuple[ExpiryCarry, ...] = ()
    """Forwards and rates by rising expiry of a live surface, which `surface` then has the smiles of; none in genesis.
    Without any, the index is carried and options are discounted at `RiskParameters.rate_ppm`."""
    charges: GroupCharges = GroupCharges()
    """Charges on the group's net amounts: basis between expiries, delta and vega."""


def _span_sixteen() -> tuple[Scenario, ...]:
    moves = ((0, 1), (1, 3), (-1, 3), (2, 3), (-2, 3), (1, 1), (-1, 1))
    grid = tuple(Scenario(num, den, direction) for num, den in moves for direction in (1, -1))
    return (*grid, Scenario(2, 1, 0, 350_000), Scenario(-2, 1, 0, 350_000))


SPAN_SIXTEEN: tuple[Scenario, ...] = _span_sixteen()
"""SPAN's order: 0, +1/3, -1/3, +2/3, -2/3, +1, -1 of the range, each with volatility up then down; then plus and minus
twice the range of which 35 % counts, volatility unchanged. Source: the published SPAN scanning array."""


class StressScenario(Wire, frozen=True):
    """An extreme but plausible state of all markets at once, which sizes the default fund; no part of margin."""

    name: str
    moves: tuple[Scenario, ...]
    """One for each risk group, in the groups' order. Tokens priced by a group's feed move with it."""


class JointScenario(Wire, frozen=True):
    """A simultaneous move of all risk groups, counted `count` times."""

    columns: tuple[U32, ...]
    """Column of the grid for each risk group, in the groups' order; 0: nothing moves."""
    count: U32 = 1


class JointCredit(Wire, frozen=True):
    """The credit between risk groups: how far joint scenarios replace the sum of group losses. Without
    scenarios: none."""

    scenarios: tuple[JointScenario, ...] = ()
    """Ordered by columns, each set of columns once."""
    tail: U32 = 1
    """k: how many of the worst losses, counting repetitions, are averaged."""
    weight_ppm: U32 = 800_000
    """The requirement for groups is this fraction of the joint loss plus the rest of the plain sum."""
    keep_largest: bool = True
    """Whether the joint loss is at least the largest group's requirement. An average of the worst losses is below the
    worst, so without this an account in a single group gets a credit between groups."""
    tail_part_ppm: U32 = 0
    """The part of one more of the worst losses that counts: the average is over `tail` and this part."""

    @property
    def averaged(self) -> tuple[int, int]:
        """(whole, scale): the average is over `whole` losses where each scenario comes `scale` times its count."""
        common = gcd(self.tail_part_ppm, PPM)
        scale = PPM // common
        return self.tail * scale + self.tail_part_ppm // common, scale


class RiskParameters(Wire, frozen=True):
    """Everything that turns prices into risk arrays and risk arrays into a requirement."""

    groups: tuple[RiskGroup, ...]
    """Ordered by id."""
    scenarios: tuple[Scenario, ...] = SPAN_SIXTEEN
    maintenance_numerator: U32 = 4
    maintenance_denominator: U32 = 5
    """Maintenance margin is this fraction of initial margin."""
    cash_limit_micros: U63 = 0
    """How negative an account's cash in one group may be while collateral covers it."""
    rate_ppm: U32 = 0
    """Annual rate of the linear carry of dated instruments."""
    joint: JointCredit = JointCredit()
    """Credit between risk groups."""
    charges: tuple[LotCharge, ...] = ()
    """Ordered by instrument, each at most once."""
    concentration: tuple[ConcentrationTier, ...] = ()
    """Ordered by asset and threshold."""
    stress: tuple[StressScenario, ...] = ()
    """In these the default fund must cover the two largest members' uncovered losses; empty: it is not tested."""
    default_fund_micros: U63 = 0
    """The fund, part of the house account's own capital."""
    averaged_options: bool = False
    """Whether options that settle at a time average are valued by what that average is so far."""
    futures_on_curve: bool = False
    """Whether futures and forwards are marked at the forward that their group's `curve` states for their expiry."""
    history: HistoricalRequirement = HistoricalRequirement()
    """Past joint moves as columns of their own, whose expected shortfall the requirement for groups is at least;
    instead of `joint`."""

    def grid(self, group: RiskGroup) -> tuple[Scenario, ...]:
        """The scenarios of one group: its own, else the network's."""
        return group.scenarios or self.scenarios

    def mark_curve(self, group: RiskGroup) -> tuple[ExpiryCarry, ...]:
        """The curve that the group's futures and forwards are marked off; empty: the index is carried at `rate_ppm`."""
        return group.curve if self.futures_on_curve else ()

    @property
    def charges_on_value(self) -> bool:
        """Whether there are charges on the value of lots or tokens, beyond scenarios."""
        of_groups = any(group.short_option_ppm or group.charges != GroupCharges() for group in self.groups)
        return bool(self.charges or self.concentration or of_groups)

    @property
    def width(self) -> int:
        """How many scenarios the longest grid has, besides the base."""
        return max([len(self.scenarios), *(len(group.scenarios) for group in self.groups)])

    @property
    def column_count(self) -> int:
        """How many columns an array has besides the base: those of grids, then one for each historical scenario."""
        return self.width + len(self.history.scenarios)

    def historical_columns(self, group: RiskGroup) -> tuple[Scenario, ...]:
        """The group's moves in the historical scenarios, in order."""
        if not self.history.scenarios:
            return ()
        number = [each.id for each in self.groups].index(group.id)
        return tuple(scenario.moves[number].column for scenario in self.history.scenarios)

    @property
    def joint_in_force(self) -> JointCredit:
        """The joint scenarios over the columns of arrays: those of history, where there are any, else of `joint`."""
        history, count = self.history, len(self.groups)
        if not history.scenarios:
            return self.joint
        return JointCredit(
            scenarios=tuple(
                JointScenario((column,) * count, scenario.count)
                for column, scenario in enumerate(history.scenarios, start=1 + self.width)
            ),
            tail=history.tail,
            weight_ppm=history.weight_ppm,
            keep_largest=history.keep_largest,
            tail_part_ppm=history.tail_part_ppm,
        )


def check_parameters(parameters: RiskParameters) -> None:
    """Check order, counts and ranges. Raises LocalFault OUT_OF_RANGE naming the field, with 64 characters of a name."""
    for field, value, ok in _parameter_checks(parameters):  # one at a time: a stranger's file may ask for millions
        if not ok:
            raise LocalFault(BaseCode.OUT_OF_RANGE, f"parameters.{field}", value=value)


def _parameter_checks(parameters: RiskParameters) -> Iterator[Check]:
    groups, scenarios = parameters.groups, parameters.scenarios
    yield from (
        ("groups", len(groups), all(a.id < b.id for a, b in pairwise(groups)) and all(g.id >= 1 for g in groups)),
        ("groups.name", len(groups), len({group.name for group in groups}) == len(groups)),
        ("scenarios", len(scenarios), 1 <= len(scenarios) <= SCENARIOS_MAX),
        ("maintenance_numerator", parameters.maintenance_numerator, parameters.maintenance_numerator >= 1),
        (
            "maintenance_denominator",
            parameters.maintenance_denominator,
            parameters.maintenance_numerator <= parameters.maintenance_denominator <= 1000,
        ),
        ("cash_limit_micros", parameters.cash_limit_micros, parameters.cash_limit_micros < 2**62),
        ("rate_ppm", parameters.rate_ppm, parameters.rate_ppm <= PPM),
    )
    for group in groups:
        yield from _group_checks(group)
    yield from scenario_checks("scenarios", scenarios)
    for group in groups:
        at = f"groups.{group.name[:_NAME_SHOWN]}"
        yield f"{at}.short_option_ppm", group.short_option_ppm, group.short_option_ppm <= PPM
    yield from charge_checks(parameters.charges, parameters.concentration)
    yield from joint_checks(parameters.joint, [len(group.scenarios or scenarios) for group in groups])
    yield from history_checks(parameters.history, len(groups))
    known = len(parameters.joint.scenarios)
    yield "joint.scenarios", known, not (known and parameters.history.scenarios)
    yield from _stress_checks(parameters)


def _group_checks(group: RiskGroup) -> Iterator[Check]:
    at = f"groups.{group.name[:_NAME_SHOWN]}"
    yield f"{at}.range_ppm", group.range_ppm, 1 <= group.range_ppm <= PPM
    yield f"{at}.volatility_ppm", group.volatility_ppm, 1 <= group.volatility_ppm <= 100 * PPM
    yield f"{at}.volatility_range_ppm", group.volatility_range_ppm, group.volatility_range_ppm <= 100 * PPM
    shape, shock = surface_checks(group.surface, group.volatility_ppm), shock_checks(group.shock)
    for checks in (shape, shock, carry_checks(group.curve), group_charge_checks(group.charges)):
        for field, value, good in checks:
            yield f"{at}.{field}", value, good
    yield from scenario_checks(f"{at}.scenarios", group.scenarios)


def _stress_checks(parameters: RiskParameters) -> Iterator[Check]:
    listed, fund = parameters.stress, parameters.default_fund_micros
    unique_names = len({stress.name for stress in listed}) == len(listed) and all(stress.name for stress in listed)
    yield "stress", len(listed), len(listed) <= STRESS_MAX and unique_names
    yield "default_fund_micros", fund, fund < 2**62 and (bool(listed) or not fund)
    for stress in listed:
        at = f"stress.{stress.name[:_NAME_SHOWN]}.moves"
        yield at, len(stress.moves), len(stress.moves) == len(parameters.groups)
        yield from scenario_checks(at, stress.moves)


JOINT_SCENARIOS_MAX = 256
JOINT_COUNT_MAX = 2**20
"""Limit of the sum of a set's counts."""


def collapse(columns: Iterable[tuple[int, ...]]) -> tuple[JointScenario, ...]:
    """Joint scenarios in order, each set of columns once, with its number of occurrences."""
    return tuple(
        JointScenario(columns_of_groups, count) for columns_of_groups, count in sorted(Counter(columns).items())
    )


def joint_checks(joint: JointCredit, columns: Sequence[int]) -> Iterator[Check]:
    """Checks of joint scenarios over groups whose grids have these numbers of `columns` (besides the base)."""
    listed = joint.scenarios
    total = sum(scenario.count for scenario in listed)
    ordered = all(a.columns < b.columns for a, b in pairwise(listed))
    yield "joint.scenarios", len(listed), len(listed) <= JOINT_SCENARIOS_MAX and ordered
    yield "joint.count", total, all(scenario.count for scenario in listed) and total <= JOINT_COUNT_MAX
    whole, scale = joint.averaged
    yield "joint.tail", joint.tail, joint.tail >= 1 and (not listed or whole <= total * scale)
    yield "joint.tail_part_ppm", joint.tail_part_ppm, joint.tail_part_ppm < PPM
    yield "joint.weight_ppm", joint.weight_ppm, 1 <= joint.weight_ppm < PPM
    for number, scenario in enumerate(listed, start=1):
        fits = len(scenario.columns) == len(columns) and all(
            column <= last for column, last in zip(scenario.columns, columns, strict=False)
        )
        yield f"joint.scenarios.{number}.columns", len(scenario.columns), fits


def tail_threshold(losses: Sequence[int], counts: Sequence[int], tail: int) -> int:
    """The `tail`-th worst loss, counting repetitions: the t at which Rockafellar-Uryasev's sum is least.

    Source: Rockafellar and Uryasev (2000), ES = min over t of t + sum of max(0, loss - t) / k.
    """
    left = tail
    for loss, count in sorted(zip(losses, counts, strict=True), reverse=True):
        left -= count
        if left <= 0:
            return loss
    raise ValueError(f"fewer scenarios than the {tail} that are averaged")


def tail_sum(losses: Sequence[int], counts: Sequence[int], tail: int) -> int:
    """Sum of the `tail` worst losses: expected shortfall times `tail`, exactly."""
    left, total = tail, 0
    for loss, count in sorted(zip(losses, counts, strict=True), reverse=True):
        if count >= left:
            return total + loss * left
        total += loss * count
        left -= count
    raise ValueError(f"fewer scenarios than the {tail} that are averaged")
