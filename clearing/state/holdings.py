"""Holdings: the contents of an account in the order of the risk arrays, and its margin.

Rule: reads only. `clearing.margin` computes the margin; this module collects its inputs.
"""

from dataclasses import dataclass

from clearing.margin.requirement.account_margin import AccountMargin, account_margin, surely_covered
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.schema.records.accounts import Book
from clearing.schema.records.prices import FeedStatus, PriceStatus
from clearing.state.effective_parameters import effective_assets, effective_parameters
from clearing.state.ledger import asset_of_currency, balance, cash_currency, token_currency
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
        marks = {instrument: mark.ticks for instrument, mark in state.marks.ordered()}
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
            marks,
            index,
            effective_parameters(state),
            state.now.arrays_time_ms,
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
    lots = dict.fromkeys(terms.instruments, 0)
    for instrument, position in positions_of(state, account).lots:
        lots[instrument] = position
    return Holdings(
        [balance(state, account, cash_currency(group)) for group in terms.cash_groups],
        [balance(state, account, token_currency(token.id)) for token in terms.tokens],
        list(lots.values()),
    )


def add_to_holdings(state: State, holdings: Holdings, currency: int, units: int) -> None:
    """Add units of a currency to holdings."""
    cash = state.terms.cash_groups
    if currency in cash:
        holdings.cash[cash.index(currency)] += units
    else:
        holdings.tokens[[token.id for token in state.terms.tokens].index(asset_of_currency(currency))] += units


def holdings_margin(arrays: RiskArrays, holdings: Holdings) -> AccountMargin:
    """Margin of these holdings."""
    return account_margin(arrays, holdings.cash, holdings.tokens, holdings.lots)


def is_certainly_margined(arrays: RiskArrays, holdings: Holdings) -> bool:
    """True only where `holdings_margin` has `initial_ok`, at less cost. False is inconclusive."""
    return surely_covered(arrays, holdings.cash, holdings.tokens, holdings.lots)


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
