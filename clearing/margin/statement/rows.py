"""The requirement as slots and linear rows, which the solvency proof is about.

Rule: these rows and `requirement.account_margin` are the same rule; property tests check that they are equal. With the
least auxiliary values that their rows allow, every row is satisfied if and only if maintenance margin and cash limits
are. Coefficients stay below 2^62, on which the proof's soundness depends. It must not know how rows are proven.

Slots: cash groups, collateral tokens, instruments (each by id), one maximum r_g per risk group, then those of
`clearing.margin.statement.auxiliary_slots`, then those of `clearing.margin.statement.stress`.

Rows: `loss:<group>:<s>`  r_g + sum over j of (A[j][s] - A[j][0]) q_j >= 0, for each scenario s >= 1, j an instrument of
the group or a token that moves in its scenarios;
`maintenance`  den * (cash + token values + sum A[j][0] q_j) - num * sum of charged slots (+ shortfall) >= 0;
`cash-limit:<group>`  cash + limit (+ shortfall) >= 0; then those of the auxiliary slots; last those of stress, which
are not part of the requirement.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from clearing.base.errors import Bug
from clearing.base.ids import Hash32, NetworkId
from clearing.margin.risk_arrays.reference_arrays import COEFFICIENT_MAX, ValuedListing
from clearing.margin.statement.auxiliary_slots import (
    AUXILIARY_KINDS,
    Places,
    auxiliary_row_count,
    auxiliary_rows,
    auxiliary_slots,
    auxiliary_values,
    charged_slots,
    places_of,
)
from clearing.margin.statement.snapshot import (
    AccountHoldings,
    CoverTerms,
    CustodyTerm,
    PriceUsed,
    PublicTotal,
    RiskSnapshot,
    RiskStatement,
    Row,
    RowKind,
    Slot,
    SlotKind,
)
from clearing.margin.statement.stress import NO_STRESS, StressArrays, stress_rows, stress_slots
from clearing.schema.risk.parameters import RiskGroup, RiskParameters

if TYPE_CHECKING:
    from clearing.margin.requirement.account_margin import AccountMargin
    from clearing.margin.risk_arrays.arrays import RiskArrays

CONSTANT_MAX = 2**63 - 1


def build_statement(
    arrays: ValuedListing,
    parameters: RiskParameters,
    *,
    network: NetworkId,
    height: int,
    epoch: int,
    state_root: Hash32,
    prices: Iterable[PriceUsed],
    totals: Iterable[PublicTotal],
    custody: Iterable[CustodyTerm],
    shortfalls: Mapping[int, int],
    stress: StressArrays = NO_STRESS,
    rules: bytes = b"",
    assumptions: Sequence[str] = (),
    cover: CoverTerms | None = None,
) -> RiskStatement:
    """The public statement of one height. Raises Bug when a coefficient reaches 2^62 or the totals miss a slot.

    `shortfalls`: by account, of the accounts that are listed as called or defaulting; see `_shortfall` for the unit.
    `rules`: the encoded `clearing.margin.statement.rulebook.Rulebook`, from which slots, rows and prices follow.
    """
    public = tuple(sorted(totals, key=lambda total: total.slot))
    if [total.slot for total in public] != list(range(_holding_slots(arrays))):
        raise Bug("public totals must name every slot but the auxiliary ones once")
    return RiskStatement(
        network=network,
        height=height,
        epoch=epoch,
        state_root=state_root,
        scenarios=arrays.scenarios,
        groups=tuple(group.name for group in arrays.groups),
        slots=build_slots(arrays, stress),
        rows=build_rows(arrays, parameters, stress),
        prices=tuple(sorted(prices, key=lambda price: price.name)),
        totals=public,
        custody=tuple(sorted(custody, key=lambda term: (term.chain_id, term.vault, term.token))),
        shortfalls=tuple(sorted(shortfalls.items())),
        rules=rules,
        assumptions=tuple(assumptions),
        cover=() if cover is None else (cover,),
    )


def build_snapshot(statement: RiskStatement, accounts: Iterable[AccountHoldings]) -> RiskSnapshot:
    """The statement with every account's holdings, ordered by account.

    Raises Bug when an account is included twice, does not have one value for each slot except the group maxima, has
    another shortfall than listed, or when the holdings do not sum to the public totals.
    """
    auxiliary = sum(slot.kind in AUXILIARY_KINDS for slot in statement.slots)
    ordered = tuple(sorted(accounts, key=lambda entry: entry.account))
    if len({entry.account for entry in ordered}) != len(ordered):
        raise Bug("an account is in the snapshot twice")
    listed = dict(statement.shortfalls)
    for entry in ordered:
        if len(entry.values) != len(statement.totals):
            raise Bug(f"account {entry.account} has {len(entry.values)} values for {len(statement.totals)} slots")
        if len(entry.auxiliary) != auxiliary:
            raise Bug(f"account {entry.account} has {len(entry.auxiliary)} auxiliary values for {auxiliary} slots")
        if entry.shortfall != listed.get(entry.account, 0):
            raise Bug(f"account {entry.account} is short by {entry.shortfall}, listed {listed.get(entry.account, 0)}")
    for total in statement.totals:
        summed = sum(entry.values[total.slot] for entry in ordered)
        if summed != total.total:
            raise Bug(f"slot {statement.slots[total.slot].name} sums to {summed}, stated {total.total}")
    return RiskSnapshot(statement=statement, accounts=ordered)


def build_slots(arrays: ValuedListing, stress: StressArrays = NO_STRESS) -> tuple[Slot, ...]:
    """All slots in order."""
    return (
        *(Slot(f"cash:{group.name}", SlotKind.CASH) for group in arrays.cash_groups),
        *(Slot(f"token:{asset.chain_id}:{asset.name}", SlotKind.TOKEN) for asset in arrays.assets),
        *(Slot(f"position:{instrument.name}", SlotKind.POSITION) for instrument in arrays.instruments),
        *(Slot(f"max:{group.name}", SlotKind.GROUP_MAX, group.id) for group in arrays.groups),
        *auxiliary_slots(arrays),
        *stress_slots(stress),
    )


def build_rows(arrays: ValuedListing, parameters: RiskParameters, stress: StressArrays = NO_STRESS) -> tuple[Row, ...]:
    """All rows in order: losses by group and scenario, auxiliary ones, maintenance, cash limits by group, stress."""
    return tuple(rows_in_order(arrays, parameters, stress))


def count_rows(arrays: ValuedListing, stress: StressArrays = NO_STRESS) -> int:
    """How many rows there are; it follows from the listing and its tariff, without a value of any scenario."""
    losses = len(arrays.groups) * arrays.scenarios
    return losses + auxiliary_row_count(arrays) + 1 + len(arrays.cash_groups) + len(stress.names)


def rows_in_order(arrays: ValuedListing, parameters: RiskParameters, stress: StressArrays = NO_STRESS) -> Iterator[Row]:
    """As `build_rows`, one row after another, for who compares them and stops at the first that differs."""
    places = places_of(arrays)
    losses = (row for at, group in enumerate(arrays.groups) for row in _loss_rows(arrays, group, places.maxima + at))
    limits = (
        Row(f"cash-limit:{group.name}", RowKind.AT_LEAST_ZERO, ((at, 1),), parameters.cash_limit_micros, shortfall=True)
        for at, group in enumerate(arrays.cash_groups)
    )
    maintenance = (_maintenance_row(arrays, parameters, places) for _ in range(1))
    stressed = stress_rows(stress, len(arrays.cash_groups), len(build_slots(arrays)))
    for row in chain(losses, auxiliary_rows(arrays, places), maintenance, limits, stressed):
        largest = max((abs(coefficient) for _, coefficient in row.coefficients), default=0)
        if largest > COEFFICIENT_MAX:
            raise Bug(f"a coefficient of row {row.name} is {largest}, at least 2^62")
        if abs(row.constant) > CONSTANT_MAX:
            raise Bug(f"the constant of row {row.name} is {row.constant}, at least 2^63")
        yield row


def _shortfall(arrays: "RiskArrays", margin: "AccountMargin", cash: Sequence[int]) -> int:
    """The smallest shortfall that satisfies the account's rows; 0 for an account that needs none.

    Unit: that of the rows to which it is added. In the maintenance row that is micros divided by the maintenance
    denominator, so the account lacks `shortfall / denominator` micros of equity there; in a cash row it is micros.
    """
    parameters = arrays.parameters
    needed = parameters.maintenance_numerator * margin.initial - parameters.maintenance_denominator * margin.equity
    overdrawn = (-claim - parameters.cash_limit_micros for claim in cash)
    return max(0, needed, *overdrawn)


def account_holdings(
    arrays: "RiskArrays",
    account: int,
    cash: Sequence[int],
    tokens: Sequence[int],
    positions: Sequence[int],
    owner: bytes = bytes(20),
    sealed_seed: bytes = b"",
) -> AccountHoldings:
    """One account as in the snapshot: holdings, shortfall, and the least auxiliary values."""
    margin = _holdings_margin(arrays, cash, tokens, positions)
    return AccountHoldings(
        account=account,
        values=(*cash, *tokens, *positions),
        shortfall=_shortfall(arrays, margin, cash),
        auxiliary=auxiliary_values(arrays, margin, tokens, positions),
        owner=owner,
        sealed_seed=sealed_seed,
    )


def _holdings_margin(
    arrays: "RiskArrays", cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
) -> "AccountMargin":
    from clearing.margin.requirement.account_margin import account_margin

    return account_margin(arrays, cash, tokens, positions)


def _holding_slots(arrays: ValuedListing) -> int:
    return len(arrays.cash_groups) + len(arrays.assets) + len(arrays.instruments)


def _loss_rows(arrays: ValuedListing, group: RiskGroup, maximum: int) -> Iterable[Row]:
    tokens = len(arrays.cash_groups)
    first = tokens + len(arrays.assets)
    held: list[tuple[int, Sequence[int]]] = [(tokens + at, arrays.token_rows[at]) for at in arrays.tokens_of(group)]
    held += [(first + at, arrays.rows[at]) for at in arrays.members(group)]
    for scenario in range(1, 1 + arrays.scenarios):
        changes = ((slot, values[scenario] - values[0]) for slot, values in held)
        coefficients = (*((slot, change) for slot, change in changes if change), (maximum, 1))
        yield Row(f"loss:{group.name}:{scenario}", RowKind.AT_LEAST_ZERO, coefficients)


def _maintenance_row(arrays: ValuedListing, parameters: RiskParameters, places: Places) -> Row:
    values = [1] * len(arrays.cash_groups) + arrays.token_prices + [row[0] for row in arrays.rows]
    holdings = ((slot, parameters.maintenance_denominator * value) for slot, value in enumerate(values))
    charged = ((slot, -parameters.maintenance_numerator) for slot in charged_slots(arrays, places))
    ordered = tuple((slot, value) for slot, value in (*holdings, *charged) if value)
    return Row("maintenance", RowKind.AT_LEAST_ZERO, ordered, shortfall=True)
