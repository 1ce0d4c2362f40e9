"""`ObservedDay`: what a day's blocks add up to: exposures, stress losses, variation margin, calls, tests, defaults.

Rule: it sees every block of the day, and the one before. Members' accounts only: the house is no participant. Amounts
in micros.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import DAY_MS, PPM, mul_div_up
from clearing.context.affiliation import OwnerFamilies
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default import (
    ClientClosedOut,
    ClientRescued,
    DefaultDeclared,
    DefaultEnded,
    PortedToStandby,
)
from clearing.schema.receipts.default_fund import FundSized
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays, margin_book
from clearing.state.ledger import FUND_ACCOUNT
from clearing.state.state import State
from lab.disclosures.resources import prefunded_micros
from lab.drills.reverse_stress import sizing_needs

VARIATION = frozenset({TransferCode.VARIATION_MARGIN, TransferCode.TRADE_VARIATION})


@dataclass(frozen=True, slots=True)
class Window:
    """The beginning of a back-testing window."""

    time_ms: int
    lots: Mapping[int, tuple[tuple[int, int], ...]]
    """Positions by account."""
    initial: Mapping[int, int]
    marks: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class EndedDefault:
    """A default that ended in the day."""

    number: int
    member: int
    loss: int
    by_layer: tuple[tuple[int, int], ...]
    initial: int | None
    """Of the member before the declaration; None: that block was not observed."""


@dataclass(slots=True)
class Worst:
    """The largest stress loss, and its largest excess over the prefunded resources at that time."""

    micros: int = 0
    excess: int = 0

    def note(self, micros: int, resources: int) -> None:
        """One more observation."""
        self.micros, self.excess = max(self.micros, micros), max(self.excess, micros - resources)


@dataclass(slots=True)
class ObservedDay:
    """One day, by days since 1970 in UTC."""

    day: int
    first_height: int = 0
    last_height: int = 0
    stress_one: Worst = field(default_factory=Worst)
    stress_two: Worst = field(default_factory=Worst)
    exposure_one: int = 0
    exposure_two: int = 0
    variation_by_member: dict[int, int] = field(default_factory=dict)
    """Net over the day; negative: paid."""
    variation_by_block: int = 0
    """What accounts paid net in each block, together."""
    variation_largest_block: int = 0
    calls_micros: int = 0
    observations: int = 0
    uncovered: list[int] = field(default_factory=list)
    """Losses beyond initial margin, one for each breach."""
    opening_index: dict[int, int] = field(default_factory=dict)
    lowest_index: dict[int, int] = field(default_factory=dict)
    opening_haircuts: dict[int, int] = field(default_factory=dict)
    """Millionths by token."""
    withdrawn: dict[int, int] = field(default_factory=dict)
    """Units by cash token."""
    withdrawn_largest_block: dict[int, int] = field(default_factory=dict)
    ended: list[EndedDefault] = field(default_factory=list)
    closed_out: int = 0
    ported: int = 0
    _initial_before: dict[int, int] = field(default_factory=dict)
    """Initial margin by member after the last block that was seen."""
    _declared: dict[int, int] = field(default_factory=dict)
    """Initial margin of its member before each default's declaration."""
    _window: Window | None = None
    _last: tuple[int, Mapping[int, int]] = (0, {})
    """Time and marks of the last block."""

    def decided(self, time_ms: int, result: BlockResult, state: State) -> None:
        """One more block, in order; `state` is the one after it. Blocks of other days are context only."""
        for receipt in result.receipts:
            if isinstance(receipt, DefaultDeclared) and receipt.member in self._initial_before:
                self._declared[receipt.number] = self._initial_before[receipt.member]
        margins = _margins(state)
        if time_ms // DAY_MS == self.day:
            self._observe(time_ms, result, state, margins)
        self._initial_before = _by_member(state, {account: initial for account, (_, initial) in margins.items()})
        if time_ms // DAY_MS <= self.day:
            self._note_opening(state)

    def close(self, state: State) -> None:
        """After the day's last block: the stress of the close, and the end of the last window."""
        for _, shortfalls in sizing_needs(state).shortfalls:
            self._note_stress(shortfalls, state)
        time_ms, marks = self._last
        if self._window is not None and time_ms > self._window.time_ms:
            self._end_window(self._window, marks, state)

    def _note_opening(self, state: State) -> None:
        """Index and haircuts before the day's first block; a feed that opens later has its first index."""
        for feed, record in state.feeds.ordered():
            if record.status != FeedStatus.UNOPENED and (not self.first_height or feed not in self.opening_index):
                self.opening_index[feed] = record.ticks
        if not self.first_height:
            self.opening_haircuts = covered_falls_ppm(state)
        for token, covered_ppm in covered_falls_ppm(state).items():
            self.opening_haircuts.setdefault(token, covered_ppm)

    def _observe(self, time_ms: int, result: BlockResult, state: State, margins: dict[int, tuple[int, int]]) -> None:
        self.first_height, self.last_height = self.first_height or result.height, result.height
        for feed, record in state.feeds.ordered():
            if record.status != FeedStatus.UNOPENED:
                self.lowest_index[feed] = min(self.lowest_index.get(feed, record.ticks), record.ticks)
        below = _by_member(state, {account: max(-equity, 0) for account, (equity, _) in margins.items()})
        largest = sorted(with_affiliates(state, below).values(), reverse=True)[:2]
        self.exposure_one = max(self.exposure_one, sum(largest[:1]))
        self.exposure_two = max(self.exposure_two, sum(largest))
        self._add_variation(result, state)
        self._add_receipts(result, state)
        self._test_margins(time_ms, state, margins)

    def _add_variation(self, result: BlockResult, state: State) -> None:
        net: dict[int, int] = {}
        for transfer in result.transfers:
            if transfer.code in VARIATION:
                net[transfer.debit] = net.get(transfer.debit, 0) - transfer.amount
                net[transfer.credit] = net.get(transfer.credit, 0) + transfer.amount
        paid = 0
        for account, micros in net.items():
            member = _participant(state, account)
            if member is not None:
                self.variation_by_member[member] = self.variation_by_member.get(member, 0) + micros
                paid += max(-micros, 0)
        self.variation_by_block += paid
        self.variation_largest_block = max(self.variation_largest_block, paid)

    def _add_receipts(self, result: BlockResult, state: State) -> None:
        released: dict[int, int] = {}
        for receipt in result.receipts:
            if isinstance(receipt, MarginCalled) and _participant(state, receipt.account) is not None:
                self.calls_micros += max(receipt.initial - receipt.equity, 0)
            elif isinstance(receipt, WithdrawalReleased) and state.terms.assets[receipt.asset].is_cash:
                released[receipt.asset] = released.get(receipt.asset, 0) + receipt.units
            elif isinstance(receipt, FundSized):
                for scenario in receipt.scenarios:
                    self._note_stress(dict(scenario.shortfalls), state)
            elif isinstance(receipt, DefaultEnded):
                initial = self._declared.get(receipt.number)
                self.ended.append(EndedDefault(receipt.number, receipt.member, receipt.loss, receipt.by_layer, initial))
            self.closed_out += isinstance(receipt, ClientClosedOut)
            self.ported += isinstance(receipt, ClientRescued | PortedToStandby)
        for asset, units in released.items():
            self.withdrawn[asset] = self.withdrawn.get(asset, 0) + units
            self.withdrawn_largest_block[asset] = max(self.withdrawn_largest_block.get(asset, 0), units)

    def _note_stress(self, losses: Mapping[int, int], state: State) -> None:
        """The losses of the members in one scenario; at least the two largest."""
        of_members = {member: micros for member, micros in losses.items() if member != HOUSE_MEMBER}
        largest, resources = (
            sorted(with_affiliates(state, of_members).values(), reverse=True)[:2],
            prefunded_micros(state),
        )
        self.stress_one.note(sum(largest[:1]), resources)
        self.stress_two.note(sum(largest), resources)

    def _test_margins(self, time_ms: int, state: State, margins: dict[int, tuple[int, int]]) -> None:
        marks = {instrument: mark.ticks for instrument, mark in state.marks.ordered()}
        self._last = (time_ms, marks)
        window = self._window
        if window is not None and time_ms < window.time_ms + state.terms.genesis.ranges.horizon_ms:
            return
        if window is not None:
            self._end_window(window, marks, state)
        lots = {account: book.lots for account, book in state.books.ordered() if account in margins and book.lots}
        self._window = Window(time_ms, lots, {account: margins[account][1] for account in lots}, marks)

    def _end_window(self, window: Window, marks: Mapping[int, int], state: State) -> None:
        listed = state.terms.instruments
        for account, lots in window.lots.items():
            loss = sum(
                size
                * (window.marks[instrument] - marks.get(instrument, window.marks[instrument]))
                * listed[instrument].micros_per_tick
                for instrument, size in lots
                if instrument in window.marks and instrument in listed
            )
            self.observations += 1
            if loss > window.initial[account]:
                self.uncovered.append(loss - window.initial[account])

    def fell_below_haircut(self, feed: int, haircut_ppm: int) -> bool:
        """Whether an index fell, from the opening to its lowest, by more than a haircut."""
        opening = self.opening_index.get(feed, 0)
        return (opening - self.lowest_index.get(feed, opening)) * PPM > opening * haircut_ppm


def covered_falls_ppm(state: State) -> dict[int, int]:
    """By token, the fall of its price that margin provides for, rounded down: its haircut, and with tokens that move in
    the scenarios what the worst scenario takes as well."""
    found = {}
    arrays = current_arrays(state)
    for at, token in enumerate(arrays.assets):
        row = arrays.token_rows[at] if arrays.token_rows else ()
        left_ppm = PPM - token.haircut_ppm
        if row and row[0]:
            left_ppm = mul_div_up(min(row), left_ppm, row[0])
        found[token.id] = PPM - left_ppm
    return found


def with_affiliates(state: State, figures: Mapping[int, int]) -> dict[int, int]:
    """Members' figures added up by group of affiliates, under its lowest member."""
    families, found = OwnerFamilies(state), dict[int, int]()
    for member, micros in figures.items():
        first = families.members_like(member).member
        found[first] = found.get(first, 0) + micros
    return found


def _participant(state: State, account: int) -> int | None:
    """The member of a participant's account; None for the house's and for accounts of the ledger."""
    record = state.accounts.get(account) if account < MEMBER_ACCOUNTS_MAX else None
    return record.member if record is not None and record.member != HOUSE_MEMBER else None


def _margins(state: State) -> dict[int, tuple[int, int]]:
    """(equity, initial margin) of every participant's account with holdings."""
    book = margin_book(state)
    accounts = [each for each in book.accounts() if each != FUND_ACCOUNT and _participant(state, each) is not None]
    batch = book.margins(accounts)
    return dict(zip(accounts, zip(batch.equity.tolist(), batch.initial.tolist(), strict=True), strict=True))


def _by_member(state: State, figures: Mapping[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for account, micros in figures.items():
        member = state.accounts[account].member
        found[member] = found.get(member, 0) + micros
    return found
