"""Auto-deleveraging: positions close at the last mark, first against the house, then against ranked accounts.

Rule: no mark moves and there are no trades: lots change accounts at the mark, options for their value. The house takes
over as far as its capital covers the margin. Accounts on the other side of each instrument are ranked by profit x
leverage, highest first, then by account. Profits and equities are computed once for a default and a side. This module
must not know who bears what is still owed afterwards.
"""

from heapq import heapify, heappop, heappush
from typing import NamedTuple

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, POSITION_MAX
from clearing.context.block_context import BlockContext
from clearing.context.house_limits import TakenLots, house_excess
from clearing.default.recovery_claims import note_positions
from clearing.default.variation_gains import gains_since, record_position_changes
from clearing.schema.receipts.default import Deleveraged, HouseTakeover, MovedPosition
from clearing.schema.records.default import DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import (
    current_arrays,
    current_holdings,
    holdings_margin,
    margin_book,
    position_lots,
    positions_of,
)
from clearing.state.indexes import INSTRUMENT_HOLDERS, holders
from clearing.state.ledger import cash_currency


def pass_position(context: BlockContext, giver: int, taker: int, instrument: int, lots: int) -> MovedPosition:
    """Move signed lots from one account to another at the mark; an option's value is paid for it."""
    listed = context.terms.instruments[instrument]
    context.positions.add(giver, instrument, -lots)
    context.positions.add(taker, instrument, lots)
    value = option_value(context, instrument) * lots
    payer, payee = (taker, giver) if value >= 0 else (giver, taker)
    currency = cash_currency(listed.cash_group)
    context.journal.transfer(payer, payee, currency, abs(value), TransferCode.DEFAULT_OPTION_VALUE, instrument)
    context.touched_accounts.update((giver, taker))
    return MovedPosition(instrument, lots, context.state.marks[instrument].ticks, -value)


def option_value(context: BlockContext, instrument: int) -> int:
    """The value of a lot at the mark in micros: an option's value; 0 where gains are settled in cash."""
    if context.terms.instruments[instrument].is_marked:
        return 0
    return int(current_arrays(context.state).values[context.terms.array_index[instrument], 0])


class AutoDeleveragingRanking:
    """The rankings of one default in one block, by instrument and side."""

    def __init__(self, context: BlockContext, default: DefaultRecord) -> None:
        self._context, self._default = context, default
        self._sides: dict[tuple[int, bool], RankedSide] = {}
        self._gains: dict[int, dict[int, int]] | None = None

    def against(self, instrument: int, lots: int) -> "RankedSide":
        """The accounts on the other side of a position, as they are now."""
        key = (instrument, lots > 0)
        if self._gains is None:
            record_position_changes(self._context)
            self._gains = gains_since(
                self._context.state, self._default.last_margined_height, self._default.last_margined_marks
            )
        if key not in self._sides:
            self._sides[key] = RankedSide(self._context, self._gains.get(instrument, {}), instrument, short=lots > 0)
        side = self._sides[key]
        # The house may have taken positions over since the last account.
        side.rerank_house()
        return side


def close_positions(context: BlockContext, number: int, account: int, ranks: AutoDeleveragingRanking) -> None:
    """Close all positions of an account at the last marks. `ranks`: of its default, in this block."""
    if positions_of(context.state, account).lots and not _house_takeover(context, number, account):
        for position in positions_of(context.state, account).lots:
            _deleverage(context, number, account, position, ranks)


def _house_takeover(context: BlockContext, number: int, account: int) -> bool:
    """Let the house take all positions over, if it covers initial margin afterwards."""
    after, positions = current_holdings(context.state, HOUSE_ACCOUNT), positions_of(context.state, account).lots
    for instrument, lots in positions:
        at = context.terms.array_index[instrument]
        group = context.terms.cash_groups.index(context.terms.instruments[instrument].cash_group)
        after.lots[at] += lots
        after.cash[group] -= option_value(context, instrument) * lots
        if abs(after.lots[at]) > POSITION_MAX:
            return False
    if not holdings_margin(current_arrays(context.state), after).initial_ok:
        return False
    values = ((instrument, lots, option_value(context, instrument) * lots) for instrument, lots in positions)
    if account == HOUSE_ACCOUNT or house_excess(context.state, tuple(TakenLots(*each) for each in values)):
        return False
    taken = tuple(pass_position(context, account, HOUSE_ACCOUNT, instrument, lots) for instrument, lots in positions)
    context.receipts.append(HouseTakeover(number, account, taken))
    note_positions(context, number, taken)
    return True


def _deleverage(
    context: BlockContext, number: int, account: int, position: tuple[int, int], ranks: AutoDeleveragingRanking
) -> None:
    """Close an (instrument, lots) against the ranked other side. The book is matched, so their lots suffice."""
    instrument, lots = position
    side, left, counterparties = ranks.against(instrument, lots), lots, []
    while left and (ranked := side.next_ranked()) is not None:
        size = min(abs(left), abs(ranked.lots))
        moved = pass_position(context, account, ranked.account, instrument, size if left > 0 else -size)
        side.rerank(ranked.account)
        left -= moved.lots
        notional = min(ranked.notional, MONEY_MAX)
        counterparties.append(
            (ranked.account, _bounded_micros(ranked.profit), ranked.equity, notional, moved.lots, moved.received)
        )
    ticks = context.state.marks[instrument].ticks
    context.receipts.append(Deleveraged(number, account, instrument, lots - left, ticks, tuple(counterparties)))


def _bounded_micros(value: int) -> int:
    return max(min(value, MONEY_MAX), -MONEY_MAX)


RANK_DENOMINATOR = 10**9


def leverage_rank(profit: int, notional: int, equity: int) -> int:
    """Profit x leverage, in micros times `RANK_DENOMINATOR`, rounded down; the highest closes first."""
    return profit * notional * RANK_DENOMINATOR // max(equity, 1)


class RankedAccount(NamedTuple):
    """One account's turn, with the inputs of its rank."""

    account: int
    profit: int
    equity: int
    notional: int
    lots: int


class RankedSide:
    """All accounts short in an instrument, or long."""

    def __init__(self, context: BlockContext, profits: dict[int, int], instrument: int, *, short: bool) -> None:
        self._context, self._instrument, self._short = context, instrument, short
        self._ticks = context.state.marks[instrument].ticks
        self._profits = profits
        accounts = [holder for holder in holders(context.state, INSTRUMENT_HOLDERS, instrument) if self._lots(holder)]
        self._equities = _equities(context, accounts)
        self._queue = [(self._rank(self._ranked(account)), account) for account in accounts]
        heapify(self._queue)

    def next_ranked(self) -> RankedAccount | None:
        """The next account; None when none is left. The caller must `rerank` an account that keeps lots."""
        while self._queue:
            rank, account = heappop(self._queue)
            if not self._lots(account):
                continue
            ranked = self._ranked(account)
            if self._rank(ranked) == rank:
                return ranked
            heappush(self._queue, (self._rank(ranked), account))
        return None

    def rerank(self, account: int) -> None:
        """Rank an account again by its present lots."""
        if self._lots(account):
            heappush(self._queue, (self._rank(self._ranked(account)), account))

    def rerank_house(self) -> None:
        """Rank the house by its present lots."""
        if self._lots(HOUSE_ACCOUNT):
            self._equities |= _equities(self._context, [HOUSE_ACCOUNT])
            self.rerank(HOUSE_ACCOUNT)

    def _lots(self, account: int) -> int:
        """The account's lots on this side."""
        lots = position_lots(self._context.state, account, self._instrument)
        return lots if (lots < 0) is self._short else 0

    def _ranked(self, account: int) -> RankedAccount:
        lots = self._lots(account)
        notional = notional_micros(self._context.terms.instruments[self._instrument], lots, self._ticks)
        return RankedAccount(account, self._profits.get(account, 0), self._equities[account], notional, lots)

    @staticmethod
    def _rank(ranked: RankedAccount) -> int:
        return -leverage_rank(ranked.profit, ranked.notional, ranked.equity)


def _equities(context: BlockContext, accounts: list[int]) -> dict[int, int]:
    """Equity of each account. The house's is computed separately, because the margin book excludes it."""
    book = margin_book(context.state)
    known = [account for account in accounts if account in book]
    found = dict(zip(known, book.margins(known).equity.tolist(), strict=True)) if known else {}
    for account in accounts:
        if account not in found:
            found[account] = holdings_margin(
                current_arrays(context.state), current_holdings(context.state, account)
            ).equity
    return found
