"""`StatementDays`: balances, transfers and positions of accounts, added up by day.

Rule: opening balance plus transfers is the closing balance, for every account and currency, and every balance that a
block wrote is compared with what was added up. Days are those of block time in UTC. It keeps the last few days, and
knows which of them it saw whole. Its lines are bounded: of accounts with the most of them it leaves out a day's lines,
and says of which. It must not know how a statement looks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from heapq import nlargest

from clearing.base.errors import Bug
from clearing.base.units import DAY_MS
from clearing.margin.requirement.account_margin import AccountMargin, MarginBatch
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.default import PortfolioSold
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.records.accounts import Book
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from clearing.schema.transfers import Transfer, TransferCode
from clearing.state.holdings import margin_book
from clearing.state.ledger import balance
from clearing.state.state import State
from member.explaining.receipt_index import receipt_accounts
from member.statements.receipt_moves import EXACT, RECEIPT_OF_TRANSFER, SECOND_RECEIPT_OF_TRANSFER, lots_moved

DAYS_KEPT = 2
LINES_KEPT_MAX = 200_000
"""Of all accounts and days together: some 80 MB. A trade is three to seven lines."""
LINES_LEFT_PERCENT = 75
"""So many of them are kept when there are more."""
MOVES_LOTS = (
    "PortfolioSold",
    "Settled",
    "Delivered",
    "DeliveryFailed",
    "AccountPorted",
    "ClientRescued",
    "PortedToStandby",
)
"""Receipts of position changes without a trade that do not state the accounts and the lots."""

At = tuple[int, int]
"""Height, and the receipt's number in its block; -1: there is no receipt."""
LineKey = tuple[int, TransferCode, int]
"""Currency, code, cause."""


@dataclass(slots=True)
class Sum:
    """Transfers of one currency, code and cause within a day."""

    credits: int
    debits: int
    count: int
    first: At
    last: At


@dataclass(frozen=True, slots=True)
class PositionChange:
    """Lots that came or went, by a trade or otherwise."""

    at: At
    kind: str
    """The receipt's kind; "" where there is none."""
    instrument: int
    lots: int
    trade: TradeNovated | None = None


@dataclass(slots=True)
class Day:
    """One day of all accounts. While it lasts, closing figures are those of the newest block."""

    day: int
    """Days since 1970 in UTC."""
    whole: bool
    """Whether all of its blocks were seen."""
    opening: dict[tuple[int, int], int]
    """(account, currency) to the balance."""
    books: dict[int, Book]
    lines: dict[int, dict[LineKey, Sum]] = field(default_factory=dict)
    changes: dict[int, list[PositionChange]] = field(default_factory=dict)
    left_out: set[int] = field(default_factory=set)
    """Accounts whose lines and changes are not kept, because there were too many. Their balances and books are."""
    closing: dict[tuple[int, int], int] = field(default_factory=dict)
    closing_books: dict[int, Book] = field(default_factory=dict)
    first_height: int = 0
    last_height: int = 0
    time_ms: int = 0
    """Of the last block."""
    over: bool = False
    marks: dict[int, int] = field(default_factory=dict)
    margined: list[int] = field(default_factory=list)
    margins: Callable[[], MarginBatch] | None = None
    """Of `margined`, computed on demand: each block might be a day's last."""
    shown_margins: dict[int, AccountMargin] | None = None
    """By account, of a day that is over; None until they are asked for."""

    def size(self, accounts: Iterable[int]) -> int:
        """How many lines these accounts' statements have."""
        return sum(len(self.lines.get(account, ())) + len(self.changes.get(account, ())) for account in accounts)

    def excerpt(self, accounts: Sequence[int]) -> "Day":
        """The same of some accounts, as values that later blocks do not change."""
        wanted = frozenset(accounts)
        return replace(
            self,
            opening={key: value for key, value in self.opening.items() if key[0] in wanted},
            closing={key: value for key, value in self.closing.items() if key[0] in wanted},
            books={account: book for account, book in self.books.items() if account in wanted},
            closing_books={account: book for account, book in self.closing_books.items() if account in wanted},
            lines={
                account: {key: replace(line) for key, line in self.lines[account].items()}
                for account in accounts
                if account in self.lines
            },
            changes={account: list(self.changes[account]) for account in accounts if account in self.changes},
        )

    def margin(self, account: int) -> AccountMargin | None:
        """At the close; None for an account that was always empty, and the house."""
        if self.shown_margins is not None:
            return self.shown_margins.get(account)
        if self.margins is None or account not in self.rows:
            return None
        return self.margins().account(self.rows[account])

    def closing_margins(self) -> dict[int, AccountMargin]:
        """By account. Of a day that is over they are computed once, and what they came from is given up."""
        if self.shown_margins is None:
            batch = self.margins() if self.margins is not None else None
            found = {} if batch is None else {account: batch.account(row) for account, row in self.rows.items()}
            if not self.over:
                return found
            self.shown_margins, self.margins = found, None
        return self.shown_margins

    @property
    def rows(self) -> dict[int, int]:
        """The row of an account in `margins`."""
        return {account: at for at, account in enumerate(self.margined)}


class StatementDays:
    """Adds up the decided blocks. `accounts`: those to follow, None for all accounts of members."""

    def __init__(
        self,
        state: State,
        accounts: frozenset[int] | None = None,
        kept: int = DAYS_KEPT,
        lines_max: int | None = LINES_KEPT_MAX,
        resumed: tuple[int, Sequence[Day]] | None = None,
    ) -> None:
        """`lines_max` None keeps all lines, for a reader that wants one statement. `resumed`: `since` and `kept` of the
        one that stood at the height of `state` before."""
        self._accounts, self._kept, self._lines_max = accounts, kept, lines_max
        self._lines = 0
        self._balances = {
            key: record.credits - record.debits for key, record in state.balances.ordered() if self._follows(key[0])
        }
        self._books = {account: book for account, book in state.books.ordered() if self._follows(account)}
        self._days: dict[int, Day] = {}
        self._height = state.now.height
        self._arrays: RiskArrays | None = None
        self._margined: list[int] = []
        self._margins: Callable[[], MarginBatch] | None = None
        # A day is seen whole from its first block on: the one before is of an earlier day, or genesis.
        self.since = state.now.time_ms // DAY_MS if state.now.height else -1
        """The day of the height that it began with, which is not whole; -1: it began with genesis."""
        if resumed is not None:
            self.since = resumed[0]
            self._days = {day.day: day for day in resumed[1]}
            self._lines = sum(day.size({*day.lines, *day.changes}) for day in resumed[1])
            for day in resumed[1][-1:]:  # perhaps its last block was added up
                self._margin_at_close(day, state)

    def decided(self, time_ms: int, result: BlockResult, state: State) -> None:
        """Add a decided block; `state` is the one after it. Raises Bug when balances are not what was added up."""
        if result.height != self._height + 1:
            raise Bug(f"statements follow height {self._height}, not {result.height}")
        day = self._day_of(time_ms)
        day.last_height = self._height = result.height
        day.time_ms = time_ms
        receipts = _ReceiptsOfAccount(result)
        touched: set[tuple[int, int]] = set()
        for transfer in result.transfers:
            for account, credit in ((transfer.debit, 0), (transfer.credit, transfer.amount)):
                if self._follows(account):
                    self._add(day, account, transfer, credit, receipts)
                    touched.add((account, transfer.currency))
        for account, currency in touched:
            if balance(state, account, currency) != self._balances[account, currency]:
                raise Bug(f"the balance of account {account} in currency {currency} is not the sum of its transfers")
        moved = self._follow_positions(day, state, receipts)
        self._margin_at_close(day, state, same=not (touched or moved))
        day.marks = {instrument: mark.ticks for instrument, mark in state.marks.ordered()}
        if self._lines_max is not None and self._lines > self._lines_max:
            self._leave_out(self._lines_max * LINES_LEFT_PERCENT // 100)

    def day(self, number: int) -> Day | None:
        """A day that is kept, by days since 1970."""
        found = self._days.get(number)
        if found is not None and not found.over:
            found.closing, found.closing_books = self._balances, self._books
        return found

    @property
    def height(self) -> int:
        """The newest that was added up."""
        return self._height

    @property
    def kept(self) -> tuple[Day, ...]:
        """The days, rising."""
        return tuple(self._days.values())

    def balance(self, account: int, currency: int) -> int:
        """As added up to now."""
        return self._balances.get((account, currency), 0)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The days that are kept, rising."""
        return tuple(self._days)

    def _follows(self, account: int) -> bool:
        return account in self._accounts if self._accounts is not None else account < MEMBER_ACCOUNTS_MAX

    def _day_of(self, time_ms: int) -> Day:
        number = time_ms // DAY_MS
        found = self._days.get(number)
        if found is not None:
            return found
        for before in self._days.values():
            if not before.over:
                before.over, before.closing, before.closing_books = True, dict(self._balances), dict(self._books)
        day = self._days[number] = Day(number, number > self.since, dict(self._balances), dict(self._books))
        day.first_height = self._height + 1
        while len(self._days) > self._kept:
            gone = self._days.pop(next(iter(self._days)))
            self._lines -= gone.size({*gone.lines, *gone.changes})
        return day

    def _margin_at_close(self, day: Day, state: State, *, same: bool = False) -> None:
        """What margins would be if the day ended here; `same`: holdings are those of the block before."""
        book = margin_book(state)
        if not same or self._margins is None or book.arrays is not self._arrays:
            self._arrays = book.arrays
            self._margined = [account for account in book.accounts() if self._follows(account)]
            self._margins = cache(book.margins_when_asked(self._margined))
        day.margined, day.margins = self._margined, self._margins

    def _leave_out(self, left: int) -> None:
        """Forget lines of the accounts and days that have the most, until so many are left."""
        sizes = [
            (day.size((account,)), number, account)
            for number, day in self._days.items()
            for account in {*day.lines, *day.changes}
        ]
        for size, number, account in nlargest(len(sizes), sizes):
            if self._lines <= left:
                return
            day = self._days[number]
            day.lines.pop(account, None)
            day.changes.pop(account, None)
            day.left_out.add(account)
            self._lines -= size

    def _add(self, day: Day, account: int, transfer: Transfer, credit: int, receipts: "_ReceiptsOfAccount") -> None:
        debit = transfer.amount - credit
        key = (account, transfer.currency)
        self._balances[key] = self._balances.get(key, 0) + credit - debit
        if account in day.left_out:
            return
        lines = day.lines.setdefault(account, {})
        line = lines.get((transfer.currency, transfer.code, transfer.cause))
        if line is None:
            at = receipts.of_transfer(transfer, account)
            lines[transfer.currency, transfer.code, transfer.cause] = Sum(credit, debit, 1, at, at)
            self._lines += 1
            return
        line.credits += credit
        line.debits += debit
        line.count += 1
        if line.last[0] != receipts.height:
            line.last = receipts.of_transfer(transfer, account)

    def _follow_positions(self, day: Day, state: State, receipts: "_ReceiptsOfAccount") -> bool:
        """Note every book that is not the record it was; whether there was one."""
        # A decided state has all records at hand; asking for them in order would cost more than all the rest.
        decided = state.books.parent is None
        now = state.books.own_records if decided else dict(state.books.ordered())
        changed = [
            account for account, book in now.items() if book is not self._books.get(account) and self._follows(account)
        ]
        changed += [account for account in self._books if now.get(account) is None]
        for account in sorted(changed):
            before, after = self._books.pop(account, None), now.get(account)
            lots_before, lots_after = dict(before.lots if before else ()), dict(after.lots if after else ())
            moved = {
                instrument: lots_after.get(instrument, 0) - lots_before.get(instrument, 0)
                for instrument in sorted({*lots_before, *lots_after})
            }
            found = receipts.position_changes(account, moved) if account not in day.left_out else []
            if found:
                day.changes.setdefault(account, []).extend(found)
                self._lines += len(found)
            if after is not None:
                self._books[account] = after
        return bool(changed)


class _ReceiptsOfAccount:
    """The receipts of one block, found by kind, account and cause."""

    def __init__(self, result: BlockResult) -> None:
        self.height = result.height
        self._receipts = result.receipts
        self._of_all: dict[tuple[TransferCode, int], At] = {}

    @cached_property
    def _by_kind(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for at, receipt in enumerate(self._receipts):
            found.setdefault(type(receipt).__name__, []).append(at)
        return found

    @cached_property
    def _accounts(self) -> list[tuple[int, ...]]:
        """The accounts that each receipt names."""
        return [receipt_accounts(receipt) for receipt in self._receipts]

    @cached_property
    def _by_cause(self) -> dict[tuple[str, int], list[int]]:
        """Receipts by kind and the field that a transfer's cause names."""
        found: dict[tuple[str, int], list[int]] = {}
        for kind, name in sorted(set(RECEIPT_OF_TRANSFER.values())):
            for at in self._by_kind.get(kind, ()) if name else ():
                found.setdefault((kind, getattr(self._receipts[at], name)), []).append(at)
        return found

    @cached_property
    def _by_account(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for at, accounts in enumerate(self._accounts):
            for account in accounts:
                found.setdefault(account, []).append(at)
        return found

    @cached_property
    def _stated_changes(self) -> dict[int, list[PositionChange]]:
        """By account, every position change that receipts state."""
        found: dict[int, list[PositionChange]] = {}
        for kind in EXACT:
            for at in self._by_kind.get(kind, ()):
                for account, instrument, lots in lots_moved(self._receipts[at]):
                    change = PositionChange((self.height, at), kind, instrument, lots)
                    found.setdefault(account, []).append(change)
        return {account: sorted(changes, key=lambda each: each.at) for account, changes in found.items()}

    def of_transfer(self, transfer: Transfer, account: int) -> At:
        """Where the receipt behind one side of a transfer is."""
        key = (transfer.code, transfer.cause)
        known = self._of_all.get(key)
        if known is not None:
            return known
        kind, name = RECEIPT_OF_TRANSFER.get(transfer.code, ("", ""))
        candidates = self._by_cause.get((kind, transfer.cause), []) if name else []
        sides = {transfer.debit, transfer.credit}
        if len(candidates) > 1:
            # Two venues may use one trade id: then the receipt that names a side is meant.
            candidates = sorted(candidates, key=lambda each: sides.isdisjoint(self._accounts[each]))
        for at in candidates:
            if not self._accounts[at]:  # it is about all transfers of this code and cause
                self._of_all[key] = (self.height, at)
            return self.height, at
        kinds = (kind, SECOND_RECEIPT_OF_TRANSFER.get(transfer.code, kind))
        for at in self._by_account.get(account, ()):
            if not kind or type(self._receipts[at]).__name__ in kinds:
                return self.height, at
        return self.height, -1

    def position_changes(self, account: int, moved: Mapping[int, int]) -> list[PositionChange]:
        """The trades of an account in this block, and what else changed its positions."""
        rest, found = dict(moved), []
        for at in self._by_account.get(account, ()):
            receipt = self._receipts[at]
            if not isinstance(receipt, TradeNovated):
                continue
            lots = receipt.lots if receipt.buyer == account else -receipt.lots
            rest[receipt.instrument] = rest.get(receipt.instrument, 0) - lots
            place = (self.height, at)
            found.append(PositionChange(place, "TradeNovated", receipt.instrument, lots, receipt))
        for change in self._stated_changes.get(account, ()):
            rest[change.instrument] = rest.get(change.instrument, 0) - change.lots
            found.append(change)
        for instrument, lots in sorted(rest.items()):
            if lots:
                at = self._other(account, instrument)
                kind = type(self._receipts[at]).__name__ if at >= 0 else ""
                found.append(PositionChange((self.height, at), kind, instrument, lots))
        return found

    def _other(self, account: int, instrument: int) -> int:
        """The receipt of what moved lots without a trade: one that names the account, else the instrument."""
        named = [at for kind in MOVES_LOTS for at in self._by_kind.get(kind, ())]
        for at in named:
            if account in receipt_accounts(self._receipts[at]):
                return at
        for at in named:
            if instrument in _instruments_of(self._receipts[at]):
                return at
        return -1


def _instruments_of(receipt: Receipt) -> set[int]:
    if isinstance(receipt, PortfolioSold):
        return {position.instrument for position in receipt.positions}
    return {getattr(receipt, "instrument", 0)}
