"""`MarginBook`: the margins of all accounts, updated by recomputing only what a change touches.

Rule: derived and rebuildable; at any time equal to `account_margin` of every account. A price change marks the risk
groups whose arrays moved, a change of holdings marks its account. The next read recomputes all of them at once. A fork
has its own columns for what it touched and reads all others through, so its changes are never visible below. A book
with forks may only change by absorbing one of them. One int64 table, a column per account, rows as in `RiskLayout`:
this is the hot loop, and no object is made per account. It must not know why a holding changed nor what a breach leads
to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from clearing.base.errors import BaseCode, LocalFault
from clearing.margin.requirement.account_margin import (
    AccountMargin,
    MarginBatch,
    add_ons,
)
from clearing.margin.requirement.book_columns import (
    COLLATERAL,
    EQUITY,
    ID,
    TOTALS,
    WIDE,
    Columns,
    RiskLayout,
    Totals,
    check_range,
    defined_margin,
    gathered_batch,
    gathered_totals,
    has_same_listing,
    risk_layout,
)
from clearing.margin.requirement.changed_arrays import (
    changed_tokens,
    moved_in_history,
    recharged_instruments,
    requirement_inputs,
    same_matrix,
)
from clearing.margin.requirement.pending_columns import PendingColumns
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.exact_products import (
    Exact,
    Integers,
    collateral_values,
    exact_sum,
    value_and_loss,
)


@dataclass(frozen=True, slots=True)
class HoldingsChange:
    """Additions to an account's holdings, by cash group id, asset id and instrument id."""

    cash: Mapping[int, int]
    tokens: Mapping[int, int]
    lots: Mapping[int, int]


class MarginBook:
    """Holdings and margins of many accounts under the latest risk arrays."""

    def __init__(self, arrays: RiskArrays, below: "MarginBook | None" = None) -> None:
        self.take_arrays(arrays)
        self.below = below
        """The book that this one is a fork of."""
        self.layout: RiskLayout = below.layout if below is not None else risk_layout(arrays)
        self._money = len(self._matrices)
        """The row of money among those to recompute, after one for each risk group."""
        self._pending = PendingColumns()
        # Terms of at least this size make an account wide; smaller ones, two for each group and two, sum to less than
        # 2^62.
        self._wide_limit = 2**62 // (2 * len(self._matrices) + 2)
        self.columns: Columns = Columns(self.layout.rows, below.columns if below is not None else None)

    def __len__(self) -> int:
        return self.columns.size

    def __contains__(self, account: int) -> bool:
        return self.columns.find(account) is not None

    def accounts(self) -> list[int]:
        """All accounts, rising."""
        ids: list[int] = np.sort(self.columns.gather(np.arange(self.columns.size))[ID]).tolist()
        return ids

    @property
    def arrays(self) -> RiskArrays:
        """The arrays last given to `reprice`."""
        return self._arrays

    def fork(self) -> "MarginBook":
        """A fork of this book, which writes into itself."""
        self._refresh()
        return MarginBook(self._arrays, self)

    def absorb(self) -> None:
        """Merge this fork into the book below, which must have no other fork in use. This one then reads through."""
        self._refresh()
        self.columns.absorb()
        if self.below is not None:
            self.below.take_arrays(self._arrays)

    def take_arrays(self, arrays: RiskArrays) -> None:
        """Record that all columns are up to date under these arrays."""
        self._arrays, self._matrices, self._plain = arrays, arrays.matrices, arrays.tariff.is_off_beside_net
        self._net = {matrix.group: matrix for matrix in arrays.net_matrices}

    def reprice(self, arrays: RiskArrays) -> None:
        """Use new arrays of the same instruments, assets and groups; marks only the groups whose numbers differ.

        Raises LocalFault when the listing differs: then build a new book.
        """
        old = self._arrays
        if arrays is old:
            return
        if not has_same_listing(old, arrays):
            raise LocalFault(BaseCode.OUT_OF_RANGE, "margin book", why="arrays list other instruments or assets")
        if requirement_inputs(old) != requirement_inputs(arrays):
            self._pending.add(self._money, self.columns.own_columns(np.arange(self.columns.size)))
        else:
            for at in changed_tokens(old, arrays):
                row = self.layout.token_row[arrays.assets[at].id]
                self._pending.add_rising(self._money, self.columns.columns_with_values(row))
        charged = recharged_instruments(old.tariff, arrays.tariff)
        historical = moved_in_history(old, arrays)
        for number, (before, after) in enumerate(zip(old.matrices, arrays.matrices, strict=True)):
            unchanged = number not in historical and (before is after or same_matrix(before, after))
            if not unchanged or not charged.isdisjoint(after.members):
                row = self.layout.has_lots.start + number
                self._pending.add_rising(number, self.columns.columns_with_values(row))
        self.take_arrays(arrays)

    def put(self, account: int, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> None:
        """Set an account's holdings, in the order of the arrays; a new account is added.

        Raises ValueError when a length differs, LocalFault when a value is out of its range.
        """
        check_range(cash, tokens, positions)
        rows = self.layout
        fits = (len(cash), len(tokens), len(positions)) == (len(rows.cash_row), len(rows.token_row), len(rows.lots_row))
        if not fits:
            raise ValueError(f"{len(cash)}, {len(tokens)}, {len(positions)} holdings do not fit the arrays")
        column = self.columns.own_columns(np.array([self._slot(account)]))
        self.columns.holdings_written(range(rows.cash.start, rows.lots.stop))
        self.columns.table[rows.cash, column[0]] = cash
        self.columns.table[rows.tokens, column[0]] = np.array(tokens, np.int64)[rows.token_order]
        self.columns.table[rows.lots, column[0]] = np.array(positions, np.int64)[rows.order]
        self._update_holds(column)
        for row in range(self._money + 1):
            self._pending.add(row, column)

    def put_money(self, entries: Sequence[tuple[int, int, int]]) -> None:
        """Set many (account, row as in `money_rows`, amount) at once; new accounts are added. |amount| < 2^63."""
        if not entries:
            return
        slots = np.array([self._slot(account) for account, _, _ in entries], np.int64)
        columns = self.columns.columns_of(slots)
        self.columns.holdings_written({row for _, row, _ in entries})
        self.columns.table[[row for _, row, _ in entries], columns] = [amount for _, _, amount in entries]
        self._pending.add(self._money, columns)
        self._add_moving(np.array([row for _, row, _ in entries], np.intp), columns)

    def put_lots(self, books: Sequence[tuple[int, Iterable[tuple[int, int]]]]) -> None:
        """Set all positions, as (instrument id, lots), of many distinct accounts at once."""
        if not books:
            return
        columns = self.columns.columns_of(np.array([self._slot(account) for account, _ in books], np.int64))
        rows, at, lots = [], [], []
        for column, (_, positions) in zip(columns.tolist(), books, strict=True):
            for instrument, position in positions:
                rows.append(self.layout.lots_row[instrument])
                at.append(column)
                lots.append(position)
        part = self.layout.lots
        self.columns.holdings_written(range(part.start, part.stop))
        before = self.columns.table[part, columns]
        self.columns.table[part, columns] = 0
        self.columns.table[rows, at] = lots
        moved = self.columns.table[part, columns] != before
        for number, group in enumerate(self.layout.groups):
            changed = moved[group.start - part.start : group.stop - part.start].any(axis=0)
            self._pending.add(number, columns[changed])
        self._pending.add(self._money, columns)
        self._update_holds(columns)

    def change(self, account: int, change: HoldingsChange) -> None:
        """Add to an account's holdings; a new account starts from zero. Raises LocalFault out of range."""
        column = int(self.columns.own_columns(np.array([self._slot(account)]))[0])
        rows = self.layout
        money = [(rows.cash_row[group], by) for group, by in change.cash.items()]
        money += [(rows.token_row[asset], by) for asset, by in change.tokens.items()]
        after = [(row, int(self.columns.table[row, column]) + by) for row, by in money]
        lots = {
            instrument: int(self.columns.table[rows.lots_row[instrument], column]) + by
            for instrument, by in change.lots.items()
        }
        check_range([value for _, value in after], (), tuple(lots.values()))
        self.columns.holdings_written([*(row for row, _ in after), *map(rows.lots_row.__getitem__, lots)])
        for row, value in after:
            self.columns.table[row, column] = value
            self._pending.add(self._money, np.array([column]))
        self._add_moving(np.array([row for row, _ in after], np.intp), np.full(len(after), column))
        for instrument, value in lots.items():
            self.columns.table[rows.lots_row[instrument], column] = value
            self._pending.add(rows.group_of[instrument], np.array([column]))
        self._update_holds(np.array([column]))

    @property
    def money_rows(self) -> tuple[dict[int, int], dict[int, int]]:
        """Rows for `put_money`, by id of the cash group and of the asset."""
        return self.layout.cash_row, self.layout.token_row

    def remargin(self) -> list[int]:
        """Recompute everything marked. Returns the ids of the accounts recomputed since the last call, rising."""
        self._refresh()
        ids: list[int] = np.sort(self.columns.table[ID].take(self.columns.recomputed.columns())).tolist()
        self.columns.recomputed.clear()
        return ids

    def margin(self, account: int) -> AccountMargin:
        """The margin of one account, by the definition. Raises KeyError for an unknown account."""
        return defined_margin(self._arrays, self.layout, self.columns.gather(np.array([self._known(account)]))[:, 0])

    def margins(self, accounts: Sequence[int]) -> MarginBatch:
        """The margins of `accounts`, in that order. Raises KeyError for an unknown one."""
        return self.margins_when_asked(accounts)()

    def totals(self, accounts: Sequence[int]) -> Totals:
        """Of `accounts`, in that order, what `margins` has beside the terms. Raises KeyError for an unknown one."""
        return gathered_totals(self._read(accounts), self._arrays, self.layout)

    def lots(self, accounts: Sequence[int], instruments: Sequence[int]) -> Integers:
        """[instruments, accounts] signed lots, by id. Raises KeyError for an unknown account or instrument."""
        return self._read(accounts)[[self.layout.lots_row[instrument] for instrument in instruments]]

    def margins_when_asked(self, accounts: Sequence[int]) -> Callable[[], MarginBatch]:
        """A function that computes `margins` as of now when it is called: copying the holdings is cheap."""
        return partial(gathered_batch, self._read(accounts), self._arrays, self.layout)

    def short(self, accounts: Sequence[int], cash_limit: int) -> list[int]:
        """Those of `accounts` below initial margin, or with cash of a group below -`cash_limit`; in that order."""
        table = self._read(accounts)
        totals = gathered_totals(table, self._arrays, self.layout)
        owes = (table[self.layout.cash] < -cash_limit).any(axis=0)
        ids: list[int] = table[ID, np.flatnonzero((totals.equity < totals.initial) | owes)].tolist()
        return ids

    def below_zero(self, others: Sequence[int]) -> dict[int, int]:
        """Equity of each account with negative equity, among those recomputed since the last `remargin` and `others`.

        Rising by account. Linear in the accounts that the fork touched, without copying their holdings.
        """
        self._refresh()
        columns = self.columns.recomputed.columns()
        ids, wide, equity = (self.columns.table[row].take(columns) for row in (ID, WIDE, EQUITY))
        found = sorted({*ids[(equity < 0) | (wide != 0)].tolist(), *others})
        if not found:
            return {}
        equities = self.totals(found).equity.tolist()
        return {account: equity for account, equity in zip(found, equities, strict=True) if equity < 0}

    def _read(self, accounts: Sequence[int]) -> Integers:
        self._refresh()
        return self.columns.gather(np.array([self._known(account) for account in accounts], np.int64))

    def _known(self, account: int) -> int:
        slot = self.columns.find(account)
        if slot is None:
            raise KeyError(account)
        return slot

    def _slot(self, account: int) -> int:
        """The account's slot; a new account, without holdings yet, has its money marked."""
        slot = self.columns.find(account)
        if slot is None:
            slot = self.columns.slot(account)
            self._pending.add(self._money, self.columns.own_columns(np.array([slot])))
        return slot

    def _add_moving(self, rows: Integers, columns: Integers) -> None:
        """The groups in whose scenarios these rows' tokens move are pending; row and column are those of one entry."""
        for number, moving in enumerate(self.layout.moving):
            holders = np.unique(columns[(rows >= moving.start) & (rows < moving.stop)])
            if holders.size:
                self._pending.add(number, holders)
                self._update_holds(holders)

    def _update_holds(self, columns: Integers) -> None:
        """Write which groups these accounts hold, where that changed."""
        for number, (group, moving) in enumerate(zip(self.layout.groups, self.layout.moving, strict=True)):
            has_lots = self.columns.table[group, columns].any(axis=0)
            has_lots |= self.columns.table[moving, columns].any(axis=0)
            row = self.layout.has_lots.start + number
            if (self.columns.table[row, columns] != has_lots).any():
                self.columns.holdings_written([row])
                self.columns.table[row, columns] = has_lots

    def _refresh(self) -> None:
        """Recompute everything that is pending."""
        if not self._pending:
            return
        touched = self._pending.of_all_rows()
        was_wide = self.columns.table[WIDE].take(touched)
        if was_wide.any():
            wide = touched[was_wide != 0]
            self.columns.table[WIDE, wide] = 0
            for row in range(self._money + 1):
                self._pending.add(row, wide)  # values that did not fit are not stored, so all of them are recomputed
        for row in self._pending.rows():
            columns = self._pending.of(row)
            if row == self._money:
                self.columns.put(COLLATERAL, columns, self._narrow(columns, *self._collateral_of(columns)))
            else:
                lots, units = (self.columns.at(of[row], columns) for of in (self.layout.groups, self.layout.moving))
                value, loss, limit = value_and_loss(self._matrices[row], lots, units)
                self.columns.put(self.layout.values.start + row, columns, self._narrow(columns, value, limit))
                self.columns.put(self.layout.losses.start + row, columns, self._narrow(columns, loss, limit))
                self.columns.put(self.layout.charges.start + row, columns, self._charges_of(row, columns, lots))
        self._total(touched)
        self._pending.clear()
        self.columns.recomputed.add_rising(touched)

    def _charges_of(self, group: int, columns: Integers, lots: Integers) -> Integers | int:
        """[n] sum of the charges on net amounts of one risk group."""
        if group not in self._net:
            return 0
        charges = self._net[group].of_group(lots)
        return self._narrow(columns, exact_sum(list(charges), columns.size))

    def _collateral_of(self, columns: Integers) -> tuple[Exact, int]:
        """[n] cash and tokens after haircut, and what every one of them is below."""
        holdings = self.columns.at(slice(self.layout.cash.start, self.layout.tokens.stop), columns)
        prices = self._arrays.token_prices
        values = [1] * len(self.layout.cash_row) + [prices[at] for at in self.layout.token_order.tolist()]
        return collateral_values(holdings, values)

    def _total(self, columns: Integers) -> None:
        """Compute equity and initial margin of some accounts from their terms."""
        rows = self.layout
        terms = self.columns.at(slice(COLLATERAL, (rows.charges if self._net else rows.losses).stop), columns)
        required = terms[1 + self._money :]
        totals = np.empty((2, columns.size), np.int64)
        # No sum overflows, except those of wide accounts, which are not read.
        np.add.reduce(terms[: 1 + self._money], axis=0, out=totals[0])
        np.add.reduce(required, axis=0, out=totals[1])
        if not self._plain:
            lots = self.columns.at(rows.lots, columns)[rows.rank]
            units = self.columns.at(rows.tokens, columns)[rows.token_rank]
            added = add_ons(self._arrays, required[: self._money], lots, units, with_net=False)
            totals[1] += self._narrow(columns, added)
        self.columns.put(TOTALS, columns, totals)

    def _narrow(self, columns: Integers, values: Exact, limit: int | None = None) -> Integers:
        """`values`, which are absolutely below `limit` where that is known, as int64. One that is too large makes its
        account wide and becomes 0."""
        if limit is not None and limit <= self._wide_limit:
            return values
        fits = np.asarray((values > -self._wide_limit) & (values < self._wide_limit), np.bool_)
        if fits.all():
            return values.astype(np.int64, copy=False)
        self.columns.table[WIDE, columns[~fits]] = 1
        return np.where(fits, values, 0).astype(np.int64)
