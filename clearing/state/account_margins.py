"""The margins of all accounts of a state, kept in a `MarginBook` that is brought up to date by what was written.

Rule: what has to be looked at anew follows from the records that were written and the arrays that moved, not from a
list that somebody might forget to fill. A fork's book is a fork of its parent's, made when first asked for; the state
folds it in when the fork is decided. It must not know why money moved.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.margin.requirement.book_columns import has_same_listing
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.state.holdings import current_arrays, positions_of
from clearing.state.ledger import balance, can_hold, cash_currency, token_currency
from clearing.state.state import State


def margin_book(state: State) -> MarginBook:
    """The book of this state, equal to `account_margin` of all that it holds. The house has no margin.

    Costs what was written since the last call, and the holders of what moved; the whole state when there was no book
    yet or when another instrument, asset or group was listed. Not to be changed by the caller, but for `remargin`.
    Raises LocalFault STALE_FORK when another fork was decided.
    """
    state.check_current()
    return _current_arrays(state)


def _current_arrays(state: State) -> MarginBook:
    arrays = current_arrays(state)
    below = _current_arrays(state.parent) if state.parent is not None else None
    book = state.margin_book
    if book is None and below is not None and has_same_listing(below.arrays, arrays):
        book = state.margin_book = below.fork()
    if book is None or not has_same_listing(book.arrays, arrays):
        return _rebuilt_book(state, arrays)
    _apply_writes(state, book)
    book.reprice(arrays)
    return book


def _apply_writes(state: State, book: MarginBook) -> None:
    """Read anew the balances and positions that were written since they were last read."""
    rows = _currency_rows(book)
    # In any order: what the book answers does not depend on it.
    book.put_money(
        [
            (account, rows[currency], balance(state, account, currency))
            for account, currency in state.balances.take_write_log()
            if currency in rows and (account in book or _has_margin(state, account))
        ]
    )
    books = state.books.take_write_log()
    # Also of an account that was emptied and closed in one block: what the book still has of it must go.
    book.put_lots(
        [(each, positions_of(state, each).lots) for each in books if each in book or _has_margin(state, each)]
    )


def _rebuilt_book(state: State, arrays: RiskArrays) -> MarginBook:
    """A book of its own, from all records."""
    book = state.margin_book = MarginBook(arrays)
    rows = _currency_rows(book)
    state.balances.take_write_log()
    state.books.take_write_log()
    book.put_money(
        [
            (account, rows[currency], record.credits - record.debits)
            for (account, currency), record in state.balances.ordered()
            if currency in rows and _has_margin(state, account)
        ]
    )
    book.put_lots([(each, held.lots) for each, held in state.books.ordered() if _has_margin(state, each)])
    return book


def _has_margin(state: State, account: int) -> bool:
    return account != HOUSE_ACCOUNT and can_hold(state, account)


def _currency_rows(book: MarginBook) -> dict[int, int]:
    """Row of the book's table by currency."""
    cash, tokens = book.money_rows
    rows = {cash_currency(group): row for group, row in cash.items()}
    return rows | {token_currency(asset): row for asset, row in tokens.items()}
