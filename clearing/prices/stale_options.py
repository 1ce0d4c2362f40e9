"""Options without a fresh surface: what they count for when an account takes risk or pays out, and when it is called.

Rule: a stale quote never creates credit, and sells nothing by itself. Short options always count at their full mark.

1. New risk of any kind must be covered with long options at most at their intrinsic value in every scenario.
2. Nothing leaves an account with options on a stale surface, as with positions whose price is not open.
3. For calls the mark counts within the grace of the surface. Once the surface is too old to liquidate at, long options
   count at most at their intrinsic value: the account is called, and its time begins.
4. Liquidation and default count the mark, at which positions change hands. An account that it covers is not sold.

It moves no money.
"""

from collections.abc import Sequence

import numpy as np

from clearing.context.block_context import BlockContext
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.exact_products import Integers, exact_product, exact_sum
from clearing.margin.risk_arrays.floor_rows import arrays_at_floor, most_lost
from clearing.prices.price_status import option_status
from clearing.schema.records.prices import PriceStatus
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.state import State

ROUNDING = 2
"""Micros by which a credit between groups may be rounded otherwise at the floor."""


def stale_options(context: BlockContext, holdings: Holdings) -> tuple[int, ...]:
    """The options without a fresh surface among positions, by id."""
    if not context.terms.surfaces:
        return ()
    listed = zip(context.terms.instruments.values(), holdings.lots, strict=True)
    return tuple(
        instrument.id
        for instrument, lots in listed
        if lots and option_status(context.state, instrument) != PriceStatus.USABLE
    )


def is_covered_at_floor(context: BlockContext, holdings: Holdings) -> bool:
    """Whether the long ones among stale options, at their floor, leave initial margin covered where the mark does."""
    options = stale_options(context, holdings)
    return not _longs(context.state, holdings, options) or margin_at_floor(context, holdings).initial_ok


def margin_at_floor(context: BlockContext, holdings: Holdings) -> AccountMargin:
    """The margin for new risk: with the long ones among stale options at their floor."""
    return _margin_with(context.state, holdings, stale_options(context, holdings))


def margin_for_calls(
    state: State, account: int, margin: AccountMargin, holdings: Holdings | None = None
) -> AccountMargin:
    """The margin at which an account is called. `margin`: at the mark. `holdings`: by default those in the state."""
    options = _too_old_options(state)
    if not options:
        return margin
    own = current_holdings(state, account) if holdings is None else holdings
    return _margin_with(state, own, options) if _longs(state, own, options) else margin


def margins_for_calls(state: State, book: MarginBook, accounts: Sequence[int]) -> dict[int, AccountMargin]:
    """`margin_for_calls` of those of these accounts that it leaves below initial margin, because they are long options
    whose surface is too old.

    Cost: a bound for all of them at once; the margin itself of those that it does not clear.
    """
    longs = too_old_longs(state, book, accounts)
    if not longs:
        return {}
    lost = exact_sum(
        [exact_product(most_lost(book.arrays, option), lots) for option, lots in longs.items()], len(accounts)
    )
    totals = book.totals(accounts)
    spare = exact_sum([totals.equity, -totals.initial, -lost], len(accounts))
    near = np.flatnonzero(np.asarray((lost > 0) & (spare < ROUNDING), np.bool_)).tolist()
    found = {accounts[at]: margin_for_calls(state, accounts[at], book.margin(accounts[at])) for at in near}
    return {account: margin for account, margin in found.items() if not margin.initial_ok}


def too_old_longs(state: State, book: MarginBook, accounts: Sequence[int]) -> dict[int, Integers]:
    """Long lots [n] of these accounts, 0 for none, by option whose surface is too old to liquidate at."""
    options = _too_old_options(state)
    if not options or not accounts:
        return {}
    return {option: np.maximum(lots, 0) for option, lots in zip(options, book.lots(accounts, options), strict=True)}


def _too_old_options(state: State) -> tuple[int, ...]:
    """The listed options whose surface is too old to liquidate at, by id."""
    if not state.terms.surfaces:
        return ()
    listed = state.terms.instruments.values()
    return tuple(each.id for each in listed if option_status(state, each) > PriceStatus.NO_NEW_RISK)


def _longs(state: State, holdings: Holdings, options: Sequence[int]) -> tuple[int, ...]:
    """Those of these options that are long."""
    return tuple(option for option in options if holdings.lots[state.terms.array_index[option]] > 0)


def _margin_with(state: State, holdings: Holdings, options: Sequence[int]) -> AccountMargin:
    """The margin with the long ones among these options at their floor."""
    arrays, longs = current_arrays(state), _longs(state, holdings, options)
    return holdings_margin(arrays_at_floor(arrays, longs) if longs else arrays, holdings)
