"""Who is deleveraged before whom: the other side of each instrument, ranked by profit x leverage, the highest first.

Rule: profits and equities are worked out once for a default and a side, however many accounts are closed, since neither
changes when lots pass at the mark; what somebody holds is looked at anew. It must not know whose positions end.
"""

from heapq import heapify, heappop, heappush
from typing import NamedTuple

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.default.gains import all_gains, note_shifts
from clearing.default.records import DefaultHeld
from clearing.holdings import arrays_of, holdings_of, lots_of, margin_of
from clearing.margins import margin_book
from clearing.run import Run
from clearing.settling.mark_to_market import notional
from clearing.state.indexes import INSTRUMENT, holders

RANK_SCALE = 10**9


class Ranked(NamedTuple):
    """One account's turn, with all that its rank follows from."""

    account: int
    profit: int
    equity: int
    worth: int
    lots: int


class Ranks:
    """Of one default in one block, by instrument and side."""

    def __init__(self, run: Run, held: DefaultHeld) -> None:
        self._run, self._held = run, held
        self._sides: dict[tuple[int, bool], Side] = {}
        self._gains: dict[int, dict[int, int]] | None = None

    def against(self, instrument: int, lots: int) -> "Side":
        """Those on the other side of a position, as they are now."""
        key = (instrument, lots > 0)
        if self._gains is None:
            note_shifts(self._run)
            self._gains = all_gains(self._run.state, self._held.margined_height, self._held.marks)
        if key not in self._sides:
            self._sides[key] = Side(self._run, self._gains.get(instrument, {}), instrument, short=lots > 0)
        side = self._sides[key]
        # Between two accounts the house may have taken positions over.
        side.look_at_house()
        return side


class Side:
    """All who hold an instrument short, or long."""

    def __init__(self, run: Run, profits: dict[int, int], instrument: int, *, short: bool) -> None:
        self._run, self._instrument, self._short = run, instrument, short
        self._ticks = run.state.marks[instrument].ticks
        self._profits = profits
        accounts = [each for each in holders(run.state, INSTRUMENT, instrument) if self._lots(each)]
        self._equities = _equities(run, accounts)
        self._queue = [(self._rank(self._seen(each)), each) for each in accounts]
        heapify(self._queue)

    def take(self) -> Ranked | None:
        """Whose turn it is; None: nobody is left. Whoever is asked and keeps lots has to be put back."""
        while self._queue:
            rank, account = heappop(self._queue)
            if not self._lots(account):
                continue
            seen = self._seen(account)
            if self._rank(seen) == rank:
                return seen
            heappush(self._queue, (self._rank(seen), account))
        return None

    def put_back(self, account: int) -> None:
        """Rank an account anew by what it still holds."""
        if self._lots(account):
            heappush(self._queue, (self._rank(self._seen(account)), account))

    def look_at_house(self) -> None:
        """Rank the house by what it holds now."""
        if self._lots(HOUSE_ACCOUNT):
            self._equities |= _equities(self._run, [HOUSE_ACCOUNT])
            self.put_back(HOUSE_ACCOUNT)

    def _lots(self, account: int) -> int:
        """What the account holds on this side."""
        lots = lots_of(self._run.state, account, self._instrument)
        return lots if (lots < 0) is self._short else 0

    def _seen(self, account: int) -> Ranked:
        lots = self._lots(account)
        worth = notional(self._run.terms.instruments[self._instrument], lots, self._ticks)
        return Ranked(account, self._profits.get(account, 0), self._equities[account], worth, lots)

    @staticmethod
    def _rank(seen: Ranked) -> int:
        return -(seen.profit * seen.worth * RANK_SCALE // max(seen.equity, 1))


def _equities(run: Run, accounts: list[int]) -> dict[int, int]:
    """Equity of each account; the house's by itself, as the book of margins has everybody's but its own."""
    book = margin_book(run.state)
    known = [each for each in accounts if each in book]
    found = dict(zip(known, book.margins(known).equity.tolist(), strict=True)) if known else {}
    for each in accounts:
        if each not in found:
            found[each] = margin_of(arrays_of(run.state), holdings_of(run.state, each)).equity
    return found
