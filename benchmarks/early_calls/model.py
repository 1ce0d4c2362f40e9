"""Calls and forced sales of many books at once, month by month, without the network around them.

Rule: `Rules` are those of `clearing/margin_calls` and of a sale at one discount, means those of
`benchmarks.march2020.books`. Accounts are independent, as dealers take everything: a month is an array of books, and
all months are played together.
What the state machine does beyond this (rounding, blocks' caps, default) is left out; `docs/explanation/early-calls.md`
compares both on March 2020. Floats: nothing here is replicated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.early_calls.history import Floats, Months
from benchmarks.march2020.books import SEEDS_MAX, book_of_seed, has_client, means_of
from benchmarks.march2020.hours import BLOCKS
from clearing.base.units import PPM
from clearing.margin_calls.early_calls import BREACH_PROBABILITIES_PPM, STEPS_PER_DEVIATION

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
COST = 0.015
"""Of the notional that is sold: a discount of one per cent, a penalty of a half."""
SALE_BLOCKS = 2
"""From the block that opens a sale to the one whose discount brings buyers."""
SOLD_OFF = 0.002
"""What who sells by himself gets less than the mark."""
ROOM = 1.1
"""Who brings cash for a margin call brings it up to this part of the initial margin."""
CALM = 1.2
"""Who brings cash for an early call brings it this part of the way from the trigger to where it is taken back."""
APART = 12
"""Blocks without a forced sale after which the next one is another liquidation."""
NEVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Rules:
    """As `CallTerms`; blocks of five minutes, parts of one."""

    deadline: int = 12
    maintenance: float = 0.8
    urgent: float = 0.5
    early: float = 0.0
    """Probability of a breach within the horizon; taken back at half of it."""
    horizon: float = 1.0
    """Hours."""
    early_blocks: int = 24
    leaves: int = 100_000
    asks_below_initial: bool = True
    """Whether members act on the call below initial margin, which has no deadline; or only on calls that have one."""


@dataclass(slots=True)
class Tally:
    """By month."""

    liquidations: Integers
    """Forced sales of an account that had none for an hour."""
    accounts: Integers
    notional: Floats
    """Sold by force, of that of all books when opened."""
    shortfall: Floats
    """Owed beyond all that was there, of the initial margin of all books when opened."""
    costs: Floats
    """Penalties and discounts, likewise."""
    early_calls: Integers
    calls: Integers
    """With a deadline, for margin."""
    sold: Floats
    """Notional sold by members themselves, as that sold by force."""


def play(months: Months, seeds: Sequence[int], rules: Rules) -> Tally:
    """All books of these seeds through all months."""
    world = Books(months, seeds, rules)
    for at in range(1, months.prices.shape[1]):
        world.block(at)
    return world.tally()


class Books:
    """m months of n books. Money in dollars."""

    def __init__(self, months: Months, seeds: Sequence[int], rules: Rules) -> None:
        self.months, self.rules = months, rules
        steps = np.interp(
            -rules.early * PPM / 2, -np.array(BREACH_PROBABILITIES_PPM), np.arange(len(BREACH_PROBABILITIES_PPM))
        )
        self.released = float(steps) / STEPS_PER_DEVIATION
        """Deviations above the trigger at which an early call is taken back."""
        books = [book for seed in seeds for book in ((seed, seed + SEEDS_MAX) if has_client(seed) else (seed,))]
        means = [means_of(book) for book in books]
        count, prices = len(months.prices), months.prices[:, :1]
        worth = np.array([book_of_seed(book) for book in books], np.float64)
        shape = (count, len(books))
        self.units = worth[None] / prices
        self.worth = np.abs(worth).sum(axis=1)
        self.price = prices
        self.first = self._initial(0)
        self.equity = self.first * (1 + np.array([each.cushion_ppm / PPM for each in means]))
        self.reserve = self.first * np.array([each.reserve_ppm / PPM for each in means])
        self.delay = np.broadcast_to(np.array([each.delay_blocks for each in means]), shape)
        self.prudent = np.broadcast_to(np.array([each.is_prudent for each in means]), shape)
        self.due = np.full(shape, NEVER)
        """When what a member sent arrives, or its own sale is done."""
        self.sent = np.zeros(shape)
        self.kind = np.zeros(shape, np.int8)
        """0 no call, 1 early, 2 for margin."""
        self.deadline, self.asked = np.zeros(shape, np.int64), np.zeros(shape)
        self.lapsed = np.zeros(shape, np.bool_)
        self.opened = np.full(shape, NEVER)
        """The block in which a sale began."""
        self.last_sale = np.full(shape, -NEVER)
        self.sales, self.early_calls, self.calls = (np.zeros(shape, np.int64) for _ in range(3))
        self.forced, self.missing, self.costs, self.own_sales = (np.zeros(shape) for _ in range(4))

    def block(self, at: int) -> None:
        """Prices, cash, sales, calls, then what members do about them."""
        prices = self.months.prices[:, at : at + 1]
        self.equity += (self.units * (prices - self.price)).sum(axis=2)
        self.price = prices
        self._arrive(at)
        self._sell(at)
        initial = self._initial((at - 1) // BLOCKS)
        self._call(at, initial)
        self._call_early(at, initial)
        self._answer(at, initial)

    def _notional(self) -> Floats:
        total: Floats = (np.abs(self.units) * self.price).sum(axis=2)
        return total

    def _initial(self, hour: int) -> Floats:
        losses: Floats = (np.abs(self.units) * self.price * self.months.ranges[:, hour][:, None]).sum(axis=2)
        return losses

    def _deviation(self, at: int) -> Floats:
        hour = (at - 1) // BLOCKS
        sizes: Floats = (np.abs(self.units) * self.price * self.months.deviations[:, hour][:, None]).sum(axis=2)
        over: Floats = sizes * np.sqrt(self.rules.horizon)
        return over

    def _arrive(self, at: int) -> None:
        here = self.due <= at
        if not here.any():
            return
        own = here & (self.sent == 0) & (self.opened == NEVER)
        quarter = np.where(own, self._notional() / 4, 0)
        self.equity += np.where(here, self.sent, 0) - SOLD_OFF * quarter
        self.own_sales += quarter
        self.units = np.where(own[..., None], self.units * 0.75, self.units)
        self.due[here] = NEVER
        self.sent[here] = 0

    def _sell(self, at: int) -> None:
        """Sales that have found their discount: what brings the account to initial margin, or everything."""
        now = at - self.opened == SALE_BLOCKS
        if not now.any():
            return
        initial, notional = self._initial((at - 1) // BLOCKS), self._notional()
        freed, lacking = initial - COST * notional, initial - self.equity
        share = np.where(freed > lacking, lacking / np.where(freed > lacking, freed, 1), 1.0)
        share = np.where(now & (notional > 0), np.where(self.equity > 0, np.clip(share, 0, 1), 1.0), 0.0)
        cost = np.minimum(COST * share * notional, np.maximum(self.equity, 0))
        self.equity -= cost
        self.costs += cost
        self.forced += share * notional
        self.units = self.units * (1 - share)[..., None]
        some = share > 0
        self.sales += some & (at - self.last_sale > APART)
        self.last_sale[some] = at
        gone = now & (share == 1) & (self.equity <= 0)
        self.missing[gone] -= self.equity[gone]
        self.equity[gone] = 0
        self.opened[now] = NEVER

    def _call(self, at: int, initial: Floats) -> None:
        rules, trigger = self.rules, self.rules.maintenance * initial
        fine = self.equity >= initial
        self.opened[fine] = NEVER
        self.kind[fine & (self.kind == 2)] = 0
        below = (self.equity < trigger) & ~fine
        new = below & (self.kind != 2)
        full = at + rules.deadline
        after = np.minimum(full, np.maximum(self.deadline, at + rules.leaves))
        self.deadline = np.where(new, np.where(self.kind == 1, after, full), self.deadline)
        self.calls += new
        self.kind[new] = 2
        self.lapsed[new] = False
        margin = below & (self.kind == 2)
        self.lapsed |= margin & ((self.equity < rules.urgent * trigger) | (at >= self.deadline))
        self.opened[margin & self.lapsed & (self.opened == NEVER)] = at

    def _call_early(self, at: int, initial: Floats) -> None:
        rules = self.rules
        if not rules.early:
            return
        trigger, deviation = rules.maintenance * initial, self._deviation(at)
        headroom = self.equity - trigger
        chance = np.interp(
            headroom * STEPS_PER_DEVIATION / np.where(deviation > 0, deviation, 1),
            np.arange(len(BREACH_PROBABILITIES_PPM)),
            BREACH_PROBABILITIES_PPM,
        )
        chance = np.where(headroom <= 0, PPM, chance)
        self.kind[(self.kind == 1) & ((chance < rules.early * PPM / 2) | (initial == 0))] = 0
        new = (self.kind == 0) & (headroom >= 0) & (chance >= rules.early * PPM) & (initial > 0)
        self.kind[new] = 1
        self.deadline[new] = at + rules.early_blocks
        self.early_calls += new
        self.asked = trigger + CALM * self.released * deviation

    def _answer(self, at: int, initial: Floats) -> None:
        called = self.kind > 0
        if self.rules.asks_below_initial:
            called = called | (self.equity < initial)
        below = self.equity < initial if self.rules.asks_below_initial else self.kind == 2
        wanted = np.maximum(np.where(self.kind == 1, self.asked, 0), np.where(below, ROOM * initial, 0)) - self.equity
        able = called & (self.due == NEVER) & (wanted > 0) & (initial > 0)
        pays = able & (self.reserve > 0)
        amount = np.where(pays, np.minimum(wanted, self.reserve), 0)
        self.reserve -= amount
        self.sent = np.where(pays, amount, self.sent)
        acts = pays | (able & ~pays & self.prudent & (self.opened == NEVER))
        self.due = np.where(acts, at + self.delay, self.due)

    def tally(self) -> Tally:
        """What happened; who owes at the end owes."""
        missing = self.missing + np.maximum(-self.equity, 0)
        whole, first = self.worth.sum(), self.first.sum(axis=1)
        return Tally(
            liquidations=self.sales.sum(axis=1),
            accounts=(self.sales > 0).sum(axis=1),
            notional=self.forced.sum(axis=1) / whole,
            shortfall=missing.sum(axis=1) / first,
            costs=self.costs.sum(axis=1) / first,
            early_calls=self.early_calls.sum(axis=1),
            calls=self.calls.sum(axis=1),
            sold=self.own_sales.sum(axis=1) / whole,
        )
