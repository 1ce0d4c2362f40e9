"""Closing positions at the last mark: by the house as far as its capital carries them, else against who gains most.

Rule: no mark moves, nobody trades: lots change hands at the mark, options for their value. Those deleveraged are ranked
by profit x leverage, the highest first, then by account. It must not know who bears what is still owed afterwards.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, POSITION_MAX
from clearing.default.ranks import Ranks
from clearing.default.receipts import Deleveraged, Moved, TakenByHouse, TornUp
from clearing.holdings import arrays_of, book_of, holdings_of, margin_of
from clearing.ledger import cash_currency
from clearing.run import Run
from clearing.transfers import TransferCode


def move(run: Run, giver: int, taker: int, instrument: int, lots: int) -> Moved:
    """Pass signed lots from one account to another at the mark; what an option is worth is paid for it."""
    listed = run.terms.instruments[instrument]
    run.positions.add(giver, instrument, -lots)
    run.positions.add(taker, instrument, lots)
    value = option_value(run, instrument) * lots
    payer, payee = (taker, giver) if value >= 0 else (giver, taker)
    currency = cash_currency(listed.cash_group)
    run.journal.transfer(payer, payee, currency, abs(value), TransferCode.DEFAULT_OPTION_VALUE, instrument)
    run.touched.update((giver, taker))
    return Moved(instrument, lots, run.state.marks[instrument].ticks, -value)


def option_value(run: Run, instrument: int) -> int:
    """Micros that a lot is worth at the mark: an option's value; nothing where gains are paid as they arise."""
    if run.terms.instruments[instrument].is_marked:
        return 0
    return int(arrays_of(run.state).values[run.terms.position_of[instrument], 0])


def close_positions(run: Run, number: int, account: int, ranks: Ranks) -> None:
    """End all positions of an account at the last marks. `ranks`: of its default, in this block."""
    if book_of(run.state, account).lots and not _house_takes(run, number, account):
        for position in book_of(run.state, account).lots:
            deleverage(run, number, account, position, ranks)


def _house_takes(run: Run, number: int, account: int) -> bool:
    """Let the house take everything over if it covers initial margin afterwards."""
    after, positions = holdings_of(run.state, HOUSE_ACCOUNT), book_of(run.state, account).lots
    for instrument, lots in positions:
        at = run.terms.position_of[instrument]
        group = run.terms.cash_groups.index(run.terms.instruments[instrument].cash_group)
        after.lots[at] += lots
        after.cash[group] -= option_value(run, instrument) * lots
        if abs(after.lots[at]) > POSITION_MAX:
            return False
    if not margin_of(arrays_of(run.state), after).initial_ok:
        return False
    taken = tuple(move(run, account, HOUSE_ACCOUNT, instrument, lots) for instrument, lots in positions)
    run.receipts.append(TakenByHouse(number, account, taken))
    return True


def deleverage(run: Run, number: int, account: int, position: tuple[int, int], ranks: Ranks) -> None:
    """End an (instrument, lots) against those on the other side, ranked; the book is matched, so they have enough."""
    instrument, lots = position
    side, left, by = ranks.against(instrument, lots), lots, []
    while left and (asked := side.take()) is not None:
        size = min(abs(left), abs(asked.lots))
        moved = move(run, account, asked.account, instrument, size if left > 0 else -size)
        side.put_back(asked.account)
        left -= moved.lots
        worth = min(asked.worth, MONEY_MAX)
        by.append((asked.account, _bounded(asked.profit), asked.equity, worth, moved.lots, moved.received))
    ticks = run.state.marks[instrument].ticks
    run.receipts.append(Deleveraged(number, account, instrument, lots - left, ticks, tuple(by)))


def _bounded(value: int) -> int:
    return max(min(value, MONEY_MAX), -MONEY_MAX)


def tear_up(run: Run, number: int, instrument: int) -> None:
    """End everybody's positions in an instrument at the last mark; long and short lots are as many."""
    listed = run.terms.instruments[instrument]
    positions = run.positions.holders(instrument)
    value = option_value(run, instrument)
    amounts = [(account, lots * value) for account, lots in positions]
    run.journal.settle(amounts, cash_currency(listed.cash_group), TransferCode.TORN_UP, instrument)
    for account, lots in positions:
        run.positions.add(account, instrument, -lots)
        run.touched.add(account)
    told = tuple((account, lots, lots * value) for account, lots in positions)
    run.receipts.append(TornUp(number, instrument, run.state.marks[instrument].ticks, told))
