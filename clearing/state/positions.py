"""Positions: netted lots per account and instrument, and the check that the book is matched.

Rule: every long lot has a short one. A rule that adds lots to one account takes them from another in the same block. It
must not know prices.
"""

from bisect import bisect_left
from typing import NamedTuple

from clearing.base.errors import Bug
from clearing.base.units import POSITION_MAX
from clearing.schema.records.accounts import Book
from clearing.state.holdings import position_lots, positions_of
from clearing.state.indexes import INSTRUMENT_HOLDERS, holders, set_holder
from clearing.state.state import State


class LotsChange(NamedTuple):
    """Signed lots added to a position."""

    account: int
    instrument: int
    lots: int


class PositionLedger:
    """Writes the positions of one block into a state, and checks that they net to zero per instrument."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._drift: dict[int, int] = {}
        self._changes: list[LotsChange] = []
        self.moved: list[int] = []
        """The account of every change so far, in order."""

    def add(self, account: int, instrument: int, lots: int) -> None:
        """Net signed `lots` into a position. Raises Bug at |position| >= 2^39; callers refuse before."""
        entries = list(positions_of(self._state, account).lots)
        at = bisect_left(entries, (instrument, -POSITION_MAX - 1))
        is_open = at < len(entries) and entries[at][0] == instrument
        after = lots + (entries[at][1] if is_open else 0)
        if abs(after) > POSITION_MAX:
            raise Bug(f"position of account {account} in instrument {instrument} would be {after}")
        entries[at : at + is_open] = [(instrument, after)] if after else []
        if bool(after) is not is_open:
            set_holder(self._state, INSTRUMENT_HOLDERS, instrument, account, holds=after != 0)
        if entries:
            self._state.books.put(account, Book(tuple(entries)))
        else:
            self._state.books.remove(account)
        self._drift[instrument] = self._drift.get(instrument, 0) + lots
        self._changes.append(LotsChange(account, instrument, lots))
        self.moved.append(account)

    def take_changes(self) -> list[LotsChange]:
        """Everything added since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    def holders(self, instrument: int) -> tuple[tuple[int, int], ...]:
        """(account, lots) of every account with a position, ordered by account."""
        found = []
        for account in holders(self._state, INSTRUMENT_HOLDERS, instrument):
            lots = position_lots(self._state, account, instrument)
            found.append((account, lots))
        return tuple(found)

    def check_matched(self) -> None:
        """Raise Bug unless this block's changes net to zero per instrument."""
        for instrument, drift in sorted(self._drift.items()):
            if drift:
                raise Bug(f"positions in instrument {instrument} drifted by {drift} lots in one block")
