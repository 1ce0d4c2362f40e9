"""`MarginBook`: the margins of all accounts, kept up to date by recomputing only what a change touches.

Rule: derived and rebuildable; at any time equal to `account_margin` of every account. Prices mark the risk groups whose
arrays moved, holdings mark their account; the next question works through all that is marked at once. Holdings are
numpy columns here (int64, one row per instrument, instruments of a risk group together): this is the hot loop, and no
object is made per account. It must not know why a holding changed nor what a breach leads to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType

import numpy as np

from clearing.base.errors import BaseCode, LocalFault
from clearing.base.units import MONEY_MAX, POSITION_MAX
from clearing.margin.arrays import RiskArrays
from clearing.margin.kernel import Exact, Integers, exact_product, exact_sum, value_and_loss
from clearing.margin.requirement import AccountMargin, MarginBatch, covers_maintenance, margin_of


@dataclass(frozen=True, slots=True)
class HoldingsChange:
    """What to add to an account's holdings, by cash group id, asset id and instrument id."""

    cash: Mapping[int, int]
    tokens: Mapping[int, int]
    lots: Mapping[int, int]


class MarginBook:
    """Holdings and margins of many accounts under the newest risk arrays."""

    def __init__(self, arrays: RiskArrays) -> None:
        self._arrays = arrays
        self._matrices = arrays.matrices
        self._columns: dict[int, int] = {}
        self._ids = np.zeros(0, np.int64)
        # Rows of a group are adjacent, so that a group's lots are one block of memory.
        self._bounds: list[slice] = []
        order: list[int] = []
        for matrix in self._matrices:
            self._bounds.append(slice(len(order), len(order) + len(matrix.members)))
            order += matrix.members
        self._order = np.array(order, np.intp)
        self._row_of = {arrays.instruments[at].id: row for row, at in enumerate(order)}
        self._group_of = {
            arrays.instruments[at].id: number for number, m in enumerate(self._matrices) for at in m.members
        }
        self._cash_row = {group.id: at for at, group in enumerate(arrays.cash_groups)}
        self._token_row = {asset.id: at for at, asset in enumerate(arrays.assets)}
        groups = len(self._matrices)
        self._cash = np.zeros((len(arrays.cash_groups), 0), np.int64)
        self._tokens = np.zeros((len(arrays.assets), 0), np.int64)
        self._lots = np.zeros((len(order), 0), np.int64)
        self._collateral: Exact = np.zeros(0, np.int64)
        self._values: Exact = np.zeros((groups, 0), np.int64)
        self._losses: Exact = np.zeros((groups, 0), np.int64)
        self._equity: Exact = np.zeros(0, np.int64)
        self._initial: Exact = np.zeros(0, np.int64)
        self._covered = np.zeros(0, np.bool_)
        self._holds = np.zeros((groups, 0), np.bool_)
        self._moved_groups: set[int] = set()
        self._moved_tokens = False
        self._changed_lots: list[set[int]] = [set() for _ in range(groups)]
        self._changed_money: set[int] = set()
        self._touched: list[Integers] = []

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def arrays(self) -> RiskArrays:
        """The arrays last given to `reprice`."""
        return self._arrays

    def reprice(self, arrays: RiskArrays) -> None:
        """Take new arrays of the same instruments, assets and groups; marks only the groups whose numbers differ.

        Raises LocalFault when what is listed differs: then build a new book.
        """
        old = self._arrays
        if (
            arrays.instruments != old.instruments
            or arrays.assets != old.assets
            or arrays.cash_groups != old.cash_groups
            or [group.id for group in arrays.groups] != [group.id for group in old.groups]
            or arrays.scenarios != old.scenarios
        ):
            raise LocalFault(BaseCode.OUT_OF_RANGE, "margin book", why="arrays list other instruments or assets")
        self._moved_tokens |= not np.array_equal(arrays.token_values, old.token_values)
        for number, (before, after) in enumerate(zip(old.matrices, arrays.matrices, strict=True)):
            if not np.array_equal(before.exact, after.exact):
                self._moved_groups.add(number)
        self._arrays, self._matrices = arrays, arrays.matrices

    def put(self, account: int, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> None:
        """Set an account's holdings, in the order of the arrays; a new account is added.

        Raises ValueError when a length differs, LocalFault when a value is out of its range.
        """
        _check_range(cash, tokens, positions)
        if (len(cash), len(tokens), len(positions)) != (len(self._cash), len(self._tokens), len(self._lots)):
            raise ValueError(f"{len(cash)}, {len(tokens)}, {len(positions)} holdings do not fit the arrays")
        column = self._column(account)
        self._cash[:, column] = cash
        self._tokens[:, column] = tokens
        self._lots[:, column] = np.array(positions, np.int64)[self._order]
        for number in range(len(self._matrices)):
            self._note_lots(number, column)
        self._changed_money.add(column)

    def change(self, account: int, change: HoldingsChange) -> None:
        """Add to an account's holdings; a new account starts from nothing. Raises LocalFault out of range."""
        column = self._column(account)
        money = [(self._cash, self._cash_row[each], by) for each, by in change.cash.items()]
        money += [(self._tokens, self._token_row[each], by) for each, by in change.tokens.items()]
        after = [int(held[row, column]) + by for held, row, by in money]
        lots = {each: int(self._lots[self._row_of[each], column]) + by for each, by in change.lots.items()}
        _check_range(after, (), tuple(lots.values()))
        for (held, row, _), value in zip(money, after, strict=True):
            held[row, column] = value
            self._changed_money.add(column)
        for each, value in lots.items():
            self._lots[self._row_of[each], column] = value
            self._note_lots(self._group_of[each], column)

    def preview(self, account: int, change: HoldingsChange) -> AccountMargin:
        """The margin that `account` would have after `change`; nothing is kept. An unknown account holds nothing."""
        self._refresh()
        column = self._columns.get(account)
        if column is None:
            equity, losses = 0, [0] * len(self._matrices)
        else:
            equity, losses = int(self._equity[column]), [int(loss) for loss in self._losses[:, column]]
        equity += sum(change.cash.values())
        equity += sum(int(self._arrays.token_values[self._token_row[each]]) * by for each, by in change.tokens.items())
        for number in sorted({self._group_of[each] for each in change.lots}):
            bounds = self._bounds[number]
            held = np.zeros((bounds.stop - bounds.start, 1), np.int64)
            if column is not None:
                held[:, 0] = self._lots[bounds, column]
                equity -= int(self._values[number, column])
            for each, by in change.lots.items():
                if self._group_of[each] == number:
                    held[self._row_of[each] - bounds.start, 0] += by
            value, loss = value_and_loss(self._matrices[number], held)
            equity += int(value[0])
            losses[number] = int(loss[0])
        return margin_of(equity, losses, self._arrays.parameters)

    def remargin(self) -> list[int]:
        """Recompute all that is marked; the ids of the accounts recomputed since the last call, rising."""
        self._refresh()
        if not self._touched:
            return []
        columns = self._union(self._touched)
        self._touched.clear()
        ids: list[int] = np.sort(self._ids[columns]).tolist()
        return ids

    def margin(self, account: int) -> AccountMargin:
        """The margin of one account. Raises KeyError for an unknown account."""
        self._refresh()
        column = self._columns[account]
        losses = [int(loss) for loss in self._losses[:, column]]
        return margin_of(int(self._equity[column]), losses, self._arrays.parameters)

    def margins(self, accounts: Sequence[int]) -> MarginBatch:
        """The margins of `accounts`, in that order. Raises KeyError for an unknown one."""
        self._refresh()
        columns = np.array([self._columns[account] for account in accounts], np.intp)
        return MarginBatch(
            equity=self._equity[columns],
            losses=self._losses[:, columns].T,
            initial=self._initial[columns],
            parameters=self._arrays.parameters,
        )

    def below_maintenance(self) -> list[int]:
        """Ids of all accounts whose equity does not cover maintenance margin, rising."""
        self._refresh()
        ids: list[int] = np.sort(self._ids[: len(self)][~self._covered[: len(self)]]).tolist()
        return ids

    def _refresh(self) -> None:
        """Work through everything that is marked."""
        touched: list[Integers] = []
        for number, matrix in enumerate(self._matrices):
            columns = self._columns_to_do(number)
            if columns.size == 0:
                continue
            value, loss = value_and_loss(matrix, self._at(self._lots[self._bounds[number]], columns))
            self._values = self._written(self._values, number, columns, value)
            self._losses = self._written(self._losses, number, columns, loss)
            touched.append(columns)
        money = self._money_to_do()
        if money.size:
            self._collateral = self._written(self._collateral, ..., money, self._collateral_of(money))
            touched.append(money)
        self._moved_groups.clear()
        self._moved_tokens = False
        self._changed_money.clear()
        for changed in self._changed_lots:
            changed.clear()
        if touched:
            columns = self._union(touched)
            self._total(columns)
            self._touched.append(columns)

    def _column(self, account: int) -> int:
        column = self._columns.get(account)
        if column is not None:
            return column
        column = self._columns[account] = len(self._columns)
        if column >= self._covered.size:
            more = max(64, column)
            grow = ((0, 0), (0, more))
            self._cash, self._tokens, self._lots = (np.pad(a, grow) for a in (self._cash, self._tokens, self._lots))
            self._values, self._losses = np.pad(self._values, grow), np.pad(self._losses, grow)
            self._holds = np.pad(self._holds, grow)
            self._collateral, self._equity, self._initial, self._ids = (
                np.pad(a, (0, more)) for a in (self._collateral, self._equity, self._initial, self._ids)
            )
            self._covered = np.pad(self._covered, (0, more), constant_values=True)
        self._ids[column] = account
        self._changed_money.add(column)
        return column

    def _note_lots(self, number: int, column: int) -> None:
        self._changed_lots[number].add(column)
        self._holds[number, column] = self._lots[self._bounds[number], column].any()

    def _columns_to_do(self, number: int) -> Integers:
        changed = self._changed_lots[number]
        if number not in self._moved_groups:
            return np.array(sorted(changed), np.int64)
        holders = np.flatnonzero(self._holds[number, : len(self)])
        if not changed:
            return holders
        return np.union1d(holders, np.array(sorted(changed), np.int64))

    def _money_to_do(self) -> Integers:
        changed = np.array(sorted(self._changed_money), np.int64)
        if not self._moved_tokens:
            return changed
        return np.union1d(changed, np.flatnonzero(self._tokens[:, : len(self)].any(axis=0)))

    def _collateral_of(self, columns: Integers) -> Exact:
        """[n] cash and tokens after haircut."""
        terms: list[Exact] = list(self._at(self._cash, columns))
        for value, units in zip(self._arrays.token_values.tolist(), self._at(self._tokens, columns), strict=True):
            terms.append(exact_product(value, units))
        return exact_sum(terms, columns.size)

    def _total(self, columns: Integers) -> None:
        """Put equity, initial margin and coverage of some accounts together from their terms."""
        worth = [self._at(self._collateral, columns), *self._at(self._values, columns)]
        equity = exact_sum(worth, columns.size)
        initial = exact_sum(list(self._at(self._losses, columns)), columns.size)
        self._equity = self._written(self._equity, ..., columns, equity)
        self._initial = self._written(self._initial, ..., columns, initial)
        self._covered[columns] = covers_maintenance(equity, initial, self._arrays.parameters)

    def _at(self, table: Exact, columns: Integers) -> Exact:
        """The columns of a table; not copied when they are all."""
        whole = columns.size == len(self)
        return table[..., : len(self)] if whole else table.take(columns, axis=-1)

    def _written(self, table: Exact, row: int | EllipsisType, columns: Integers, values: Exact) -> Exact:
        """`table` with `values` written; turned into Python integers first if those need it."""
        if values.dtype == object and table.dtype != object:
            table = table.astype(object)
        whole = columns.size == len(self)
        table[row, slice(0, len(self)) if whole else columns] = values
        return table

    def _union(self, several: list[Integers]) -> Integers:
        """All columns that are in any of the lists, rising; each list rises and repeats nothing."""
        longest = max(several, key=len)
        if len(several) == 1 or longest.size == len(self):
            return longest
        marked = np.zeros(len(self), np.bool_)
        for columns in several:
            marked[columns] = True
        return np.flatnonzero(marked)


def _check_range(cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> None:
    """Raise LocalFault when a holding does not fit its slot; the ledger refuses such holdings before."""
    for name, values, most in (
        ("cash", cash, MONEY_MAX),
        ("tokens", tokens, MONEY_MAX),
        ("lots", positions, POSITION_MAX),
    ):
        for value in values:
            if abs(value) > most:
                raise LocalFault(BaseCode.OUT_OF_RANGE, f"margin book {name}", value=value, most=most)
