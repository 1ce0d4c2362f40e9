"""Risk arrays: the value of one lot of each instrument and one unit of each token in every scenario.

Rule: integers, common to all accounts, so equity in a scenario is linear in the holdings. Marked instruments enter as
gain or loss against their settled mark; column 0 is zero, or variation margin would count twice. Premium-paid options
and collateral enter at full value. The plan of a listing is made once and reused for every price. This module must not
know accounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec
import numpy as np

from clearing.base.errors import Bug
from clearing.margin.risk_arrays.bulk_rows import (
    InstrumentBlock,
    RevaluedBlock,
    block_marks,
    build_block,
    marked_values,
    option_rows,
)
from clearing.margin.risk_arrays.bulk_token_rows import bulk_token_row
from clearing.margin.risk_arrays.charge_rates import Tariff, build_tariff
from clearing.margin.risk_arrays.exact_products import (
    GroupMatrix,
    Integers,
    Joined,
    group_matrix,
    joined_matrix,
)
from clearing.margin.risk_arrays.net_charges import ChargeRows, charge_rows, charges_of, sensitivity_parameters
from clearing.margin.risk_arrays.net_matrices import NetMatrix, net_matrix
from clearing.margin.risk_arrays.reference_arrays import COEFFICIENT_MAX
from clearing.margin.risk_arrays.token_rows import TokenRows, least_values, tokens_inside
from clearing.pricing.averages import NO_AVERAGES, Averages
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, Instrument


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPlan:
    """The row of each instrument, and the groups of rows computed together."""

    instruments: tuple[Instrument, ...]
    """Ordered by id."""
    cash_groups: tuple[CashGroup, ...]
    """Ordered by id."""
    parameters: RiskParameters
    blocks: tuple[InstrumentBlock, ...]
    """Ordered by risk group and feed; every instrument is in exactly one."""
    sensitivities: "ArrayPlan | None" = None
    """The same listing under the scenarios of sensitivities, where a group has charges on its net amounts."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array: instruments, scenarios with the base."""
        return len(self.instruments), 1 + self.parameters.column_count

    def fits(
        self, instruments: Sequence[Instrument], cash_groups: Sequence[CashGroup], parameters: RiskParameters
    ) -> bool:
        """Whether this is the plan of this listing, given in order."""
        return (
            (self.instruments is instruments or self.instruments == tuple(instruments))
            and (self.cash_groups is cash_groups or self.cash_groups == tuple(cash_groups))
            and (self.parameters is parameters or self.parameters == parameters)
        )

    def on_surfaces(
        self, instruments: Sequence[Instrument], cash_groups: Sequence[CashGroup], parameters: RiskParameters
    ) -> "ArrayPlan | None":
        """The plan of this listing where only smiles, curves and volatilities of groups differ; None for another."""
        alike = _differ_in_surfaces(self.parameters, parameters)
        if not (alike and self.fits(instruments, cash_groups, self.parameters)):
            return None
        groups = {group.id: group for group in parameters.groups}
        blocks = tuple(
            block if block.group == groups[block.group.id] else replace(block, group=groups[block.group.id])
            for block in self.blocks
        )
        own = self.sensitivities
        if own is not None:
            own = own.on_surfaces(instruments, cash_groups, sensitivity_parameters(parameters))
        return replace(self, parameters=parameters, blocks=blocks, sensitivities=own)


def _differ_in_surfaces(one: RiskParameters, other: RiskParameters) -> bool:
    """Whether nothing else differs but smiles, curves and volatilities of risk groups."""
    if len(one.groups) != len(other.groups):
        return False
    for was, now in zip(one.groups, other.groups, strict=True):
        if was is not now and was != msgspec.structs.replace(
            now, surface=was.surface, curve=was.curve, volatility_ppm=was.volatility_ppm
        ):
            return False
    return msgspec.structs.replace(one, groups=other.groups) == other


def _plan_arrays(
    instruments: Sequence[Instrument], cash_groups: Sequence[CashGroup], parameters: RiskParameters
) -> ArrayPlan:
    """Plan the arrays of a listing. Raises Bug when an instrument is in no risk group."""
    listed = tuple(sorted(instruments, key=lambda instrument: instrument.id))
    groups = {group.id: group for group in parameters.groups}
    ungrouped = [instrument.name for instrument in listed if instrument.group not in groups]
    if ungrouped:
        raise Bug(f"instruments {ungrouped} are in no risk group")
    numbered: dict[tuple[int, int], list[tuple[int, Instrument]]] = {}
    for row, instrument in enumerate(listed):
        numbered.setdefault((instrument.group, instrument.feed), []).append((row, instrument))
    charged = any(any(charges_of(group)) for group in parameters.groups)
    return ArrayPlan(
        instruments=listed,
        cash_groups=tuple(sorted(cash_groups, key=lambda group: group.id)),
        parameters=parameters,
        blocks=tuple(
            build_block(groups[group], feed, rows, parameters) for (group, feed), rows in sorted(numbered.items())
        ),
        sensitivities=_plan_arrays(listed, cash_groups, sensitivity_parameters(parameters)) if charged else None,
    )


def _sorted_tokens(assets: Sequence[Asset]) -> tuple[Asset, ...]:
    """Collateral tokens only, ordered by id."""
    return tuple(sorted((asset for asset in assets if not asset.is_cash), key=lambda asset: asset.id))


ArrayInputs = tuple[int, int, tuple[int, ...]]
"""Index (0: none), time where it matters, and marks of one block: its rows depend only on these and on the surface of
its group."""
_UNPRICED: ArrayInputs = (0, 0, ())
_NET_BEFORE, _MATRICES_BEFORE, _MOVED_GROUPS = "net_before", "net_matrices_before", "moved_groups"
_JOINT_BEFORE = "joint_before"
"""What arrays keep of those that they follow."""


@dataclass(frozen=True, eq=False)
class RiskArrays:
    """One block's arrays. S scenarios, m instruments, k collateral tokens, c cash groups, g risk groups."""

    instruments: tuple[Instrument, ...]
    """Ordered by id."""
    assets: tuple[Asset, ...]
    """Collateral tokens only, ordered by id."""
    cash_groups: tuple[CashGroup, ...]
    values: Integers
    """[m, 1 + S + H] micros a lot; column 0 is the base scenario, the last H are those of history."""
    token_values: Integers
    """[k] micros a clearing unit, after haircut, rounded down; 0 while there is no price."""
    priced: tuple[bool, ...]
    """[m] whether the instrument's feed has a price; without one its values are zero and it must not be traded."""
    parameters: RiskParameters
    index_ticks: tuple[int, ...] = ()
    """[m] index of each instrument's feed, 0 without a price; charges on size are fractions of it. Optional where the
    parameters have no such charge."""

    plan: ArrayPlan | None = None
    """How the arrays were built; None where made by hand."""
    inputs: tuple[ArrayInputs, ...] = ()
    """What each block of the plan was built from."""
    averages: Averages = field(default_factory=dict)
    """Of options that settle at an average, as of these rows."""
    token_rows: TokenRows = ()
    """Values of the tokens that move in the scenarios of a risk group."""
    token_index: tuple[int, ...] = ()
    """[k] index of each token's feed from which `token_rows` were built, 0 without a price."""

    @property
    def groups(self) -> tuple[RiskGroup, ...]:
        """Risk groups, ordered by id."""
        return self.parameters.groups

    @property
    def scenarios(self) -> int:
        """How many scenarios of grids besides the base: those of a group's worst loss."""
        return int(self.values.shape[1]) - 1 - len(self.parameters.history.scenarios)

    @property
    def own_values(self) -> Integers:
        """[m, 1 + S] the values without the columns of history."""
        return self.values[:, : 1 + self.scenarios]

    def members(self, group: RiskGroup) -> tuple[int, ...]:
        """Indices of the instruments of one risk group, rising."""
        return tuple(at for at, instrument in enumerate(self.instruments) if instrument.group == group.id)

    def tokens_of(self, group: RiskGroup) -> tuple[int, ...]:
        """Indices of the tokens that move in one risk group's scenarios, rising."""
        return tokens_inside(self.assets, self.token_rows, group)

    @cached_property
    def matrices(self) -> tuple[GroupMatrix, ...]:
        """Each group's array in the form for products with lots and units; computed once."""
        return tuple(self.matrix_of(group, self.members(group), self.own_values) for group in self.groups)

    def matrix_of(self, group: RiskGroup, members: tuple[int, ...], values: Integers) -> GroupMatrix:
        """The group's matrix from the `values` of instruments, over the same columns."""
        tokens = self.tokens_of(group)
        if not tokens:
            return group_matrix(values, members)
        rows = np.array([self.token_rows[at] for at in tokens], np.int64)
        return group_matrix(values, members, tokens, rows[:, : values.shape[1]])

    @cached_property
    def tariff(self) -> Tariff:
        """Every other coefficient of the requirement; computed once."""
        values = least_values(self.token_prices, self.token_rows)
        return build_tariff(self.instruments, self.index_ticks, self.assets, values, self.parameters, self.net)

    @cached_property
    def net(self) -> tuple[ChargeRows, ...]:
        """Charges on net amounts of groups; computed once, those of groups that did not move are reused."""
        plan = self.plan.sensitivities if self.plan is not None else None
        if plan is None:
            return ()
        known: tuple[ChargeRows, ...] = vars(self).get(_NET_BEFORE, ())
        moved = vars(self).get(_MOVED_GROUPS)
        charged = {
            group.id
            for number, group in enumerate(self.groups)
            if (moved is None or number in moved) and any(charges_of(group))
        }
        own = tuple(
            given if block.group.id in charged else _UNPRICED
            for block, given in zip(plan.blocks, self.inputs, strict=True)
        )
        values, _ = _values(plan, own, self.averages, None)
        times = [0] * len(self.instruments)
        for block, (_, time_ms, _) in zip(plan.blocks, own, strict=True):
            for row in block.rows:
                times[row] = time_ms
        return charge_rows(self.groups, self.instruments, values.tolist(), times, known, moved)

    @cached_property
    def net_matrices(self) -> tuple[NetMatrix, ...]:
        """Charges on net amounts in the form for products with lots, one for each group that has any; computed once."""
        if not self.tariff.net:
            return ()
        before: tuple[NetMatrix, ...] = vars(self).get(_MATRICES_BEFORE, ())
        found = {tuple(map(id, matrix.charges)): matrix for matrix in before}  # the same objects: they did not move
        by_group: dict[int, list[ChargeRows]] = {}
        for charge in self.tariff.net:
            by_group.setdefault(charge.group, []).append(charge)
        return tuple(found.get(tuple(map(id, own))) or net_matrix(own) for own in by_group.values())

    @cached_property
    def joint_matrix(self) -> GroupMatrix:
        """The joint scenarios over all instruments; computed once."""
        columns = [scenario.columns for scenario in self.tariff.joint.scenarios]
        known: tuple[JointCredit, Joined] | None = vars(self).get(_JOINT_BEFORE)
        before = known[1] if known is not None and known[0] == self.tariff.joint else None
        return joined_matrix(self.wide_matrices, columns, len(self.instruments), before)

    @cached_property
    def wide_matrices(self) -> tuple[GroupMatrix, ...]:
        """As `matrices`, with the columns of history; computed once."""
        if not self.tariff.historical:
            return self.matrices
        return tuple(self.matrix_of(group, self.members(group), self.values) for group in self.groups)

    @cached_property
    def token_prices(self) -> list[int]:
        """[k] `token_values` as Python integers; computed once, must not be changed."""
        prices: list[int] = self.token_values.tolist()
        return prices

    @cached_property
    def rows(self) -> list[list[int]]:
        """[m][1 + S] `values` as Python integers; computed once, must not be changed."""
        rows: list[list[int]] = self.values.tolist()
        return rows


def build_risk_arrays(
    instruments: Sequence[Instrument],
    assets: Sequence[Asset],
    cash_groups: Sequence[CashGroup],
    marks: Mapping[int, int],
    index: Mapping[int, int],
    parameters: RiskParameters,
    time_ms: int,
    *,
    times: Mapping[int, int] | None = None,
    averages: Averages = NO_AVERAGES,
    before: RiskArrays | None = None,
) -> RiskArrays:
    """Build all arrays from the settled `marks` (by instrument id) and the `index` (by feed id), both in ticks.

    Options are valued as of `time_ms`, or of their feed's entry in `times`, those in `averages` at their average. An
    instrument without a settled mark counts as marked at the index. With the arrays `before`, only rows whose index,
    mark, time or surface moved are computed; the result is the same. Raises Bug when a price is out of range or an
    entry reaches 2^62: prices and parameters are checked on input.
    """
    plan = before.plan if before is not None else None
    if plan is None or not plan.fits(instruments, cash_groups, parameters):
        plan = plan.on_surfaces(instruments, cash_groups, parameters) if plan is not None else None
        if plan is None:
            plan, before = _plan_arrays(instruments, cash_groups, parameters), None
    for feed, ticks in sorted(index.items()):
        if not 0 < ticks <= INDEX_TICKS_MAX:
            raise Bug(f"index of feed {feed} is {ticks} ticks, outside [1, {INDEX_TICKS_MAX}]")
    clock = times or {}
    inputs = tuple(_inputs(block, marks, index, clock.get(block.feed, time_ms)) for block in plan.blocks)
    values, moved = _values(plan, inputs, averages, before)
    tokens = _sorted_tokens(assets)
    token_values = [
        unit_value_after_haircut(token, index[token.feed]) if token.feed in index else 0 for token in tokens
    ]
    used, token_index = _index_ticks(plan, inputs), tuple(index.get(token.feed, 0) for token in tokens)
    token_rows = _token_rows(tokens, token_index, plan, before)
    if max(map(abs, token_values), default=0) > COEFFICIENT_MAX:
        raise Bug(f"a token value reaches 2^62: {token_values}")
    built = RiskArrays(
        instruments=plan.instruments,
        assets=tokens,
        cash_groups=plan.cash_groups,
        values=values,
        token_values=np.array(token_values, np.int64),
        priced=tuple(map(bool, used)),
        parameters=plan.parameters,
        index_ticks=used,
        plan=plan,
        inputs=inputs,
        averages=averages,
        token_rows=token_rows,
        token_index=token_index,
    )
    vars(built)["token_prices"] = token_values
    if before is not None:
        _keep_unchanged(built, before, moved)
    return built


def _token_rows(
    tokens: tuple[Asset, ...], used: tuple[int, ...], plan: ArrayPlan, before: RiskArrays | None
) -> TokenRows:
    """The rows of all tokens at the `used` indices. With `before`, of the same parameters, only what moved is
    computed."""
    if not any(token.scenarios.group for token in tokens):
        return ()
    if before is None or len(before.token_rows) != len(tokens):
        return tuple(_token_row(token, ticks, plan) for token, ticks in zip(tokens, used, strict=True))
    old = zip(before.assets, before.token_index, before.token_rows, strict=True)
    return tuple(
        row if ticks == was_ticks and (token is was or token == was) else _token_row(token, ticks, plan)
        for token, ticks, (was, was_ticks, row) in zip(tokens, used, old, strict=True)
    )


def _token_row(token: Asset, ticks: int, plan: ArrayPlan) -> tuple[int, ...]:
    row = bulk_token_row(token, ticks, plan.parameters, plan.blocks)
    if max(row, default=0) > COEFFICIENT_MAX:
        raise Bug(f"a value of token {token.name} reaches 2^62")
    return row


def _index_ticks(plan: ArrayPlan, inputs: Sequence[ArrayInputs]) -> tuple[int, ...]:
    """[m] the index that each instrument's row was built from, 0 without one."""
    used = [0] * len(plan.instruments)
    for block, (ticks, _, _) in zip(plan.blocks, inputs, strict=True):
        for row in block.rows:
            used[row] = ticks
    return tuple(used)


def _inputs(block: InstrumentBlock, marks: Mapping[int, int], index: Mapping[int, int], time_ms: int) -> ArrayInputs:
    ticks = index.get(block.feed, 0)
    if not ticks:
        return _UNPRICED
    timed = block.options.expiries or block.group.charges.basis
    return ticks, time_ms if timed else 0, block_marks(block, ticks, marks, time_ms)


def _values(
    plan: ArrayPlan, inputs: tuple[ArrayInputs, ...], averages: Averages, before: RiskArrays | None
) -> tuple[Integers, list[InstrumentBlock]]:
    """[m, 1 + S] all rows, and the blocks that were computed; the others are reused from `before`."""
    old: Sequence[ArrayInputs | None] = before.inputs if before is not None else [None] * len(inputs)
    turned = _turned_blocks(plan, averages, before)
    moved = [at for at, (was, now) in enumerate(zip(old, inputs, strict=True)) if was != now or at in turned]
    if before is not None and not moved:
        return before.values, []
    values = before.values.copy() if before is not None else np.zeros(plan.shape, np.int64)
    valued: list[RevaluedBlock] = []
    for at in moved:
        block, (ticks, time_ms, marks) = plan.blocks[at], inputs[at]
        if not ticks:
            values[block.marked_rows] = values[block.options.rows] = 0
            continue
        was = old[at]
        if marks and (was is None or (was[0], was[2]) != (ticks, marks)):
            values[block.marked_rows] = marked_values(block, marks)
        if block.options.expiries:
            valued.append(RevaluedBlock(block, ticks, time_ms, averages))
    for revalued, rows in zip(valued, option_rows(valued), strict=True):
        values[revalued.block.options.rows] = rows
    values.setflags(write=False)
    return values, [plan.blocks[at] for at in moved]


def _turned_blocks(plan: ArrayPlan, averages: Averages, before: RiskArrays | None) -> set[int]:
    """The blocks with options whose group has another surface than before, or whose averages have moved."""
    if before is None or before.plan is None:
        return set()
    moved = {option for option, known in averages.items() if before.averages.get(option) != known}
    moved |= before.averages.keys() - averages.keys()
    if before.plan is plan and not moved:
        return set()
    pairs = zip(before.plan.blocks, plan.blocks, strict=True)
    turned = {at for at, (was, now) in enumerate(pairs) if was.group is not now.group and now.options.expiries}
    return turned | {at for at, block in enumerate(plan.blocks) if not moved.isdisjoint(block.options.ids)}


def _keep_unchanged(built: RiskArrays, before: RiskArrays, moved: Sequence[InstrumentBlock]) -> None:
    """Reuse what was derived from rows that did not move."""
    known = vars(before)
    groups = {block.group.id for block in moved} | _groups_of_moved_tokens(built, before)
    if "matrices" in known:
        vars(built)["matrices"] = _reused(built, built.own_values, before.matrices, groups)
    if "wide_matrices" in known and before.wide_matrices is not before.matrices:
        vars(built)["wide_matrices"] = _reused(built, built.values, before.wide_matrices, groups)
    if "joint_matrix" in known:
        joined = Joined(before.joint_matrix, before.wide_matrices)
        vars(built)[_JOINT_BEFORE] = before.tariff.joint, joined
    if "rows" in known:
        rows = list(before.rows)
        for block in moved:
            for row in block.rows:
                rows[row] = built.values[row].tolist()
        vars(built)["rows"] = rows
    if "net" in known:
        numbers = {group.id: number for number, group in enumerate(built.groups)}
        vars(built)[_NET_BEFORE] = before.net
        vars(built)[_MATRICES_BEFORE] = known.get("net_matrices", ())
        vars(built)[_MOVED_GROUPS] = frozenset(numbers[block.group.id] for block in moved)
    if "tariff" in known and before.assets == built.assets and not built.parameters.charges_on_value:
        vars(built)["tariff"] = before.tariff


def _reused(
    built: RiskArrays, values: Integers, before: Sequence[GroupMatrix], groups: set[int]
) -> tuple[GroupMatrix, ...]:
    """A matrix for each group: anew of these `groups`, as `before` of the others."""
    return tuple(
        built.matrix_of(group, matrix.members, values) if group.id in groups else matrix
        for group, matrix in zip(built.groups, before, strict=True)
    )


def _groups_of_moved_tokens(built: RiskArrays, before: RiskArrays) -> set[int]:
    """Risk groups in whose scenarios a token has another row than before; all of them where other tokens move."""
    if len(built.token_rows) != len(before.token_rows):
        return {group.id for group in built.groups}
    both = zip(built.assets, built.token_rows, before.assets, before.token_rows, strict=bool(built.token_rows))
    moved = [(token, was) for token, row, was, old in both if row is not old or token.scenarios != was.scenarios]
    return {token.scenarios.group for pair in moved for token in pair}
