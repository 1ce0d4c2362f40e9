"""Holdings: the contents of accounts in the order of the risk arrays, and their margins, single and as a book.

Rule: `clearing.margin` computes margins; this module collects its inputs and writes no record. Of the book, the
records written and the arrays that moved determine what is recomputed; no rule maintains a list. A fork's book is a
fork of its parent's, made on first use. Deciding the fork merges the book. It must not know why money moved.
"""

from dataclasses import dataclass

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.margin.requirement.account_margin import AccountMargin, account_margin, surely_covered
from clearing.margin.requirement.book_columns import has_same_listing
from clearing.margin.requirement.known_spares import KnownSpares
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.pricing.value_after_haircut import value_before_haircut_up
from clearing.schema.records.accounts import Book
from clearing.schema.records.prices import FeedStatus, PriceStatus
from clearing.state.effective_parameters import effective_assets, effective_parameters, known_averages, living_marks
from clearing.state.ledger import asset_of_currency, balance, can_hold, cash_currency, token_currency
from clearing.state.state import State

EMPTY_BOOK = Book(())


@dataclass(slots=True)
class Holdings:
    """Mutable copy of one account's holdings: cash by group, units by token, lots by instrument, in arrays' order."""

    cash: list[int]
    tokens: list[int]
    lots: list[int]

    def copy(self) -> "Holdings":
        """An independent copy."""
        return Holdings(list(self.cash), list(self.tokens), list(self.lots))


def current_arrays(state: State) -> RiskArrays:
    """Risk arrays of this state, built on first use and after each move of a mark."""
    if state.arrays_cache is None:
        terms = state.terms
        index = {
            feed: feed_state.ticks
            for feed, feed_state in state.feeds.ordered()
            if feed_state.status != FeedStatus.UNOPENED and feed_state.price_status != PriceStatus.SETTLED
        }
        genesis = terms.genesis
        state.arrays_cache = build_risk_arrays(
            genesis.instruments,
            effective_assets(state),
            genesis.cash_groups,
            living_marks(state),
            index,
            effective_parameters(state),
            state.now.arrays_time_ms,
            averages=known_averages(state),
            before=state.previous_arrays,
        )
        state.previous_arrays = state.arrays_cache
    return state.arrays_cache


def position_lots(state: State, account: int, instrument: int) -> int:
    """Signed lots of one position."""
    return next((lots for listed, lots in positions_of(state, account).lots if listed == instrument), 0)


def positions_of(state: State, account: int) -> Book:
    """All positions of an account."""
    return state.books.get(account) or EMPTY_BOOK


def current_holdings(state: State, account: int) -> Holdings:
    """All holdings of an account."""
    terms = state.terms
    lots = [0] * len(terms.instruments)
    for instrument, position in positions_of(state, account).lots:
        lots[terms.array_index[instrument]] = position
    return Holdings(
        [balance(state, account, cash_currency(group)) for group in terms.cash_groups],
        [balance(state, account, token_currency(token.id)) for token in terms.tokens],
        lots,
    )


def add_to_holdings(state: State, holdings: Holdings, currency: int, units: int) -> None:
    """Add units of a currency to holdings."""
    cash = state.terms.cash_groups
    if currency in cash:
        holdings.cash[cash.index(currency)] += units
    else:
        holdings.tokens[[token.id for token in state.terms.tokens].index(asset_of_currency(currency))] += units


def market_value(state: State, currency: int, units: int) -> int:
    """What these units are worth, in micros rounded up: cash at par, tokens at their last price without haircut.

    A haircut is no loss to who gives a token up and no gain to who takes it.
    """
    if currency in state.terms.cash_groups:
        return units
    at = [token.id for token in state.terms.tokens].index(asset_of_currency(currency))
    asset = current_arrays(state).assets[at]
    feed = state.feeds.get(asset.feed)
    return value_before_haircut_up(asset, units, feed.ticks) if feed is not None else 0


def holdings_margin(arrays: RiskArrays, holdings: Holdings) -> AccountMargin:
    """Margin of these holdings."""
    return account_margin(arrays, holdings.cash, holdings.tokens, holdings.lots)


def is_certainly_margined(arrays: RiskArrays, holdings: Holdings) -> bool:
    """True only where `holdings_margin` has `initial_ok`, at less cost. False is inconclusive."""
    return surely_covered(arrays, holdings.cash, holdings.tokens, holdings.lots)


def is_still_margined(state: State, account: int, holdings: Holdings) -> bool:
    """The same for an account that is asked for often, at still less cost: it is known what it had to spare."""
    arrays = current_arrays(state)
    if state.known_spares is None or state.known_spares.arrays is not arrays:
        state.known_spares = KnownSpares(arrays)
    return state.known_spares.surely_covered(account, holdings.cash, holdings.tokens, holdings.lots)


def feeds_of_holdings(state: State, holdings: Holdings) -> set[int]:
    """Feeds on which the value of these holdings depends."""
    terms = state.terms
    feeds = {
        instrument.feed for instrument, lots in zip(terms.instruments.values(), holdings.lots, strict=True) if lots
    }
    tokens = zip(terms.tokens, holdings.tokens, strict=True)
    return feeds | {feed for token, units in tokens if units for feed in token.feeds}


def feed_status(state: State, feed: int) -> FeedStatus:
    """What the feed's price may be used for."""
    record = state.feeds.get(feed)
    return record.status if record else FeedStatus.UNOPENED


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
    """Update the balances and positions written since the last call: most states below a fork have none."""
    balances, books = state.balances.take_write_log(), state.books.take_write_log()
    if not balances and not books:
        return
    rows = _currency_rows(book)
    # In any order: the results of the book do not depend on it.
    book.put_money(
        [
            (account, rows[currency], balance(state, account, currency))
            for account, currency in balances
            if currency in rows and (account in book or _has_margin(state, account))
        ]
    )
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
