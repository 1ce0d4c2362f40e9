"""The days of `StatementDays` as a record: a node that restarts goes on with the statements that it had.

Rule: what the state has is not saved again: balances and positions of the day that lasts. A record of another height
than the state's is refused, and one whose transfers do not lead to the state's balances. Amounts are in base units.
"""

from clearing.base.codec import I64, U32, U63, Wire
from clearing.base.errors import BaseCode, RemoteFault
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.records.accounts import Book
from clearing.schema.transfers import TransferCode
from clearing.state.state import State
from member.statements.days import DAYS_KEPT, LINES_KEPT_MAX, Day, PositionChange, StatementDays, Sum


class SavedSum(Wire, frozen=True):
    """See `Sum`; of an account's (currency, code, cause)."""

    currency: U63
    code: TransferCode
    cause: U63
    credits: U63
    debits: U63
    count: U63
    first: tuple[U63, I64]
    last: tuple[U63, I64]


class SavedChange(Wire, frozen=True):
    """See `PositionChange`."""

    at: tuple[U63, I64]
    kind: str
    instrument: U32
    lots: I64
    trade: TradeNovated | None


class SavedMargin(Wire, frozen=True):
    """What a statement shows of a margin."""

    account: U63
    equity: I64
    initial: I64
    maintenance: I64
    maintenance_ok: bool


class SavedDay(Wire, frozen=True):
    """See `Day`. `closing`, `closing_books` and `margins` are empty while the day lasts."""

    day: U63
    whole: bool
    over: bool
    first_height: U63
    last_height: U63
    time_ms: U63
    opening: tuple[tuple[U63, U63, I64], ...]
    closing: tuple[tuple[U63, U63, I64], ...]
    books: tuple[tuple[U63, Book], ...]
    closing_books: tuple[tuple[U63, Book], ...]
    lines: tuple[tuple[U63, tuple[SavedSum, ...]], ...]
    changes: tuple[tuple[U63, tuple[SavedChange, ...]], ...]
    left_out: tuple[U63, ...]
    marks: tuple[tuple[U32, I64], ...]
    margins: tuple[SavedMargin, ...]


class SavedDays(Wire, frozen=True):
    """All that is kept after `height`, where `epoch` closed."""

    epoch: U63
    height: U63
    since: I64
    days: tuple[SavedDay, ...]


def save_days(days: StatementDays, epoch: int) -> SavedDays:
    """The record of what is kept now. Linear in the lines."""
    return SavedDays(epoch, days.height, days.since, tuple(_save_day(each) for each in days.kept))


def resume_days(
    saved: SavedDays, state: State, kept: int = DAYS_KEPT, lines_max: int | None = LINES_KEPT_MAX
) -> StatementDays:
    """Go on from a record; `state` is the one after its height, the rest is that of `StatementDays`.

    Raises RemoteFault MALFORMED for a record of another state.
    """
    if saved.height != state.now.height:
        raise RemoteFault(BaseCode.MALFORMED, "statements", height=saved.height, state=state.now.height)
    days = StatementDays(
        state, kept=kept, lines_max=lines_max, resumed=(saved.since, [_load_day(each) for each in saved.days])
    )
    for day in saved.days[-1:]:
        sums = {(account, currency): amount for account, currency, amount in day.opening}
        for account, lines in day.lines:
            for line in lines:
                key = account, line.currency
                sums[key] = sums.get(key, 0) + line.credits - line.debits
        for (account, currency), amount in sums.items():
            if account not in day.left_out and amount != days.balance(account, currency):
                raise RemoteFault(
                    BaseCode.MALFORMED, "statements", account=account, currency=currency, balance=amount, day=day.day
                )
    return days


def _save_day(day: Day) -> SavedDay:
    return SavedDay(
        day=day.day,
        whole=day.whole,
        over=day.over,
        first_height=day.first_height,
        last_height=day.last_height,
        time_ms=day.time_ms,
        opening=_amounts(day.opening),
        closing=_amounts(day.closing) if day.over else (),
        books=tuple(sorted(day.books.items())),
        closing_books=tuple(sorted(day.closing_books.items())) if day.over else (),
        lines=tuple(
            (
                account,
                tuple(
                    SavedSum(*key, line.credits, line.debits, line.count, line.first, line.last)
                    for key, line in lines.items()
                ),
            )
            for account, lines in sorted(day.lines.items())
        ),
        changes=tuple(
            (
                account,
                tuple(SavedChange(each.at, each.kind, each.instrument, each.lots, each.trade) for each in changes),
            )
            for account, changes in sorted(day.changes.items())
        ),
        left_out=tuple(sorted(day.left_out)),
        marks=tuple(sorted(day.marks.items())),
        margins=tuple(
            SavedMargin(account, each.equity, each.initial, each.maintenance, each.maintenance_ok)
            for account, each in sorted(day.closing_margins().items())
        )
        if day.over
        else (),
    )


def _amounts(table: dict[tuple[int, int], int]) -> tuple[tuple[int, int, int], ...]:
    return tuple((account, currency, amount) for (account, currency), amount in sorted(table.items()))


def _load_day(saved: SavedDay) -> Day:
    day = Day(
        saved.day,
        saved.whole,
        {(account, currency): amount for account, currency, amount in saved.opening},
        dict(saved.books),
        lines={
            account: {(each.currency, each.code, each.cause): _sum(each) for each in of} for account, of in saved.lines
        },
        changes={
            account: [PositionChange(each.at, each.kind, each.instrument, each.lots, each.trade) for each in of]
            for account, of in saved.changes
        },
        left_out=set(saved.left_out),
        closing={(account, currency): amount for account, currency, amount in saved.closing},
        closing_books=dict(saved.closing_books),
        first_height=saved.first_height,
        last_height=saved.last_height,
        time_ms=saved.time_ms,
        over=saved.over,
        marks=dict(saved.marks),
    )
    if saved.over:
        day.shown_margins = {
            each.account: AccountMargin(each.equity, (), each.initial, each.maintenance, each.maintenance_ok)
            for each in saved.margins
        }
    return day


def _sum(saved: SavedSum) -> Sum:
    return Sum(saved.credits, saved.debits, saved.count, saved.first, saved.last)
