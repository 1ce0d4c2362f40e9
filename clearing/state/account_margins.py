"""`margin_book`: the margins of all accounts of a state, updated from what was written.

Rule: the records written and the arrays that moved determine what is recomputed; no rule maintains a list. A fork's
book is a fork of its parent's, made on first use. Deciding the fork merges the book. It must not know why money moved.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.margin.requirement.book_columns import has_same_listing
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.state.holdings import current_arrays, positions_of
from clearing.state.ledger import balance, can_hold, cash_currency, token_currency
from clearing.state.state import State


def margin_book(state: State) -> MarginBook:
    """The margin book of this state, equal to `account_margin` of every account. The house has no margin.

    Cost: what was written since the last call, and the holders of what moved; the whole state when there is no book yet
    or when an instrument, asset or group was listed. Callers must not change it, except for `remargin`. Raises
    LocalFault STALE_FORK when another fork was decided.
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
    """Update the balances and positions written since the last call."""
    rows = _currency_rows(book)
    # In any order: the results of the book do not depend on it.
    book.put_money(
        [
            (account, rows[currency], balance(state, account, currency))
            for account, currency in state.balances.take_write_log()
            if currency in rows and (account in book or _has_margin(state, account))
        ]
    )
    books = state.books.take_write_log()
    # Includes accounts emptied and closed in one block: their entries must leave the book.
    book.put_lots(
        [
            (account, positions_of(state, account).lots)
            for account in books
            if account in book or _has_margin(state, account)
        ]
    )


def _rebuilt_book(state: State, arrays: RiskArrays) -> MarginBook:
    """A new book, built from all records."""
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
    book.put_lots([(account, record.lots) for account, record in state.books.ordered() if _has_margin(state, account)])
    return book


def _has_margin(state: State, account: int) -> bool:
    return account != HOUSE_ACCOUNT and can_hold(state, account)


def _currency_rows(book: MarginBook) -> dict[int, int]:
    """Row of the book's table for each currency."""
    cash, tokens = book.money_rows
    rows = {cash_currency(group): row for group, row in cash.items()}
    return rows | {token_currency(asset): row for asset, row in tokens.items()}
