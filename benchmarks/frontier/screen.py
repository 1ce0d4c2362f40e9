"""A fast evaluator of calls and forced sales in many months at once, with the market depth of `depth.py`.

Rule: calls, early calls and members are those of `benchmarks.early_calls.model`. A sale is open from the block after
the one that begins it; in each block its discount rises as `clearing.liquidation.auction` says; dealers whose wanted
discount is reached take what their appetite allows, in proportion to what accounts have to sell. After the auction the
house takes what is left, at the mark. An account without equity is sold at once, however its discount stands: dealers
take no more, and its losses run on. Neither contributions to a fund nor clients' members pay for it, so a shortfall
here is an upper bound of the loss to others, as far as accounts are alike. Floats: nothing here is replicated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.early_calls.history import Floats, Months
from benchmarks.early_calls.model import APART, NEVER, Books, Rules
from benchmarks.frontier.depth import BLOCKS_OF_RANGE, Depth, appetites, stress_of, wanted_discounts
from benchmarks.march2020.hours import BLOCKS
from clearing.base.units import PPM
from clearing.margin_calls.early_calls import BREACH_PROBABILITIES_PPM, STEPS_PER_DEVIATION
from clearing.schema.terms.genesis import CrisisParameters

OWN_DISCOUNT = 0.002
"""What a member that sells by itself gets less than the mark in a calm hour; as much more as dealers want."""


@dataclass(frozen=True, slots=True)
class Sale:
    """How slices are sold."""

    blocks: int
    start: float
    end: float
    penalty: float


@dataclass(slots=True)
class Screened:
    """By month; shares of the notional of all books when opened."""

    names: tuple[str, ...]
    margin: Floats
    """Initial margin of the books as opened, mean of all hours."""
    asked: Floats
    """The same, or the equity below which an early call comes, where that is more."""
    insolvency: Floats
    """What accounts owed beyond all that was there, each at its worst block, whether or not it came back."""
    house: Floats
    """Notional that the house took over because no bid did."""
    house_loss: Floats
    """What the house lost with it at the worst block; it keeps it to the end of the month."""
    forced: Floats
    """Notional sold by force."""
    costs: Floats
    """Discounts and penalties."""
    own: Floats
    """Notional that members sold themselves."""
    lowest: Floats
    """The lowest equity of any account that had positions, as a share of its own notional when opened."""
    growth: Floats
    """The largest factor by which a range grew within five days."""

    @classmethod
    def together(cls, parts: Sequence["Screened"]) -> "Screened":
        """All months."""
        names = tuple(name for part in parts for name in part.names)
        rest = [name for name in cls.__slots__ if name != "names"]
        return cls(names, *(np.concatenate([getattr(part, name) for part in parts]) for name in rest))


def rules_of(crisis: CrisisParameters, maintenance: float) -> Rules:
    """Calls as the screen has them, from terms in blocks of five minutes."""
    calls = crisis.calls
    return Rules(
        deadline=calls.deadline_blocks,
        maintenance=maintenance,
        urgent=calls.urgent_ppm / PPM,
        early=calls.early_ppm / PPM,
        horizon=calls.early_horizon_ms / 3_600_000,
        early_blocks=calls.early_blocks,
        leaves=calls.early_leaves_blocks,
    )


def sale_of(crisis: CrisisParameters, penalty_ppm: int) -> Sale:
    """The auction, from terms in blocks of five minutes."""
    sale = crisis.liquidation
    return Sale(max(sale.auction_blocks, 1), sale.start_ppm / PPM, sale.end_ppm / PPM, penalty_ppm / PPM)


def screen(months: Months, seeds: Sequence[int], rules: Rules, sale: Sale, depth: Depth) -> Screened:
    """All books of these seeds through all months."""
    world = DeepBooks(months, seeds, rules, sale, depth)
    for at in range(1, months.prices.shape[1]):
        world.block(at)
    return world.screened()


class DeepBooks(Books):
    """m months of n books, in markets of limited depth."""

    def __init__(self, months: Months, seeds: Sequence[int], rules: Rules, sale: Sale, depth: Depth) -> None:
        super().__init__(months, seeds, rules)
        self.sale, self.depth = sale, depth
        self.whole = np.full(len(months.prices), self.worth.sum())
        self.opened_units = self.units.copy()
        self.inventory = np.zeros((len(months.prices), len(depth.discounts)))
        self.stress = np.ones(len(months.prices))
        self.house, self.house_worst = np.zeros(len(months.prices)), np.zeros(len(months.prices))
        self.house_units, self.house_result = np.zeros((len(months.prices), 2)), np.zeros(len(months.prices))
        self.lowest = np.full(self.equity.shape, np.inf)

    def block(self, at: int) -> None:
        recent = self.months.prices[:, max(at + 1 - BLOCKS_OF_RANGE, 0) : at + 1]
        self.stress = stress_of(self.depth, recent)
        self.inventory *= self.depth.kept
        self.house_result += (self.house_units * (self.months.prices[:, at] - self.price[:, 0])).sum(axis=1)
        self.house_worst = np.minimum(self.house_worst, self.house_result)
        super().block(at)

    def _arrive(self, at: int) -> None:
        active = (self.units != 0).any(axis=2)  # after the move of prices, before cash that answers calls
        self.lowest = np.where(active, np.minimum(self.lowest, self.equity), self.lowest)
        here = self.due <= at
        if not here.any():
            return
        own = here & (self.sent == 0) & (self.opened == NEVER)
        quarter = np.where(own, self._notional() / 4, 0)
        self.equity += np.where(here, self.sent, 0) - OWN_DISCOUNT * self.stress[:, None] * quarter
        self.own_sales += quarter
        self.units = np.where(own[..., None], self.units * 0.75, self.units)
        self.due[here] = NEVER
        self.sent[here] = 0

    def _sell(self, at: int) -> None:
        on_sale = (self.opened < at) & (self.units != 0).any(axis=2)
        if not on_sale.any():
            return
        steps = np.where(on_sale, np.minimum(at - self.opened, self.sale.blocks), 1)
        rise = (self.sale.end - self.sale.start) / max(self.sale.blocks - 1, 1)
        discount = self.sale.start + rise * (steps - 1)
        initial, notional = self._initial((at - 1) // BLOCKS), self._notional()
        needed = np.where(on_sale, self._share(initial, notional, discount), 0.0)
        sold = needed * self._filled(needed * notional, discount)
        left = on_sale & (at - self.opened >= self.sale.blocks)
        taken = np.where(left & (self.equity > 0), needed - sold, 0.0)
        self.house += (taken * notional).sum(axis=1)
        self.house_units += (taken[..., None] * self.units).sum(axis=1)
        paid = (discount + self.sale.penalty) * sold * notional + self.sale.penalty * taken * notional
        cost = np.minimum(paid, np.maximum(self.equity, 0))
        self.equity -= cost
        self.costs += cost
        self.house_result += np.where(taken > 0, np.minimum(cost, self.sale.penalty * taken * notional), 0).sum(axis=1)
        share = sold + taken
        self.forced += share * notional
        self.units = self.units * (1 - share)[..., None]
        some = share > 0
        self.sales += some & (at - self.last_sale > APART)
        self.last_sale[some] = at
        gone = on_sale & (share > 1 - 1e-9)
        self.units[gone] = 0
        self.missing[gone] += np.maximum(-self.equity[gone], 0)
        self.equity[gone] = np.maximum(self.equity[gone], 0)
        self.opened[gone] = NEVER

    def _share(self, initial: Floats, notional: Floats, discount: Floats) -> Floats:
        """Of every position, what restores initial margin; everything where nothing less does."""
        freed, lacking = initial - (discount + self.sale.penalty) * notional, initial - self.equity
        enough = (freed > lacking) & (self.equity > 0)
        share: Floats = np.where(enough, np.clip(lacking / np.where(enough & (freed > 0), freed, 1), 0, 1), 1.0)
        return share

    def _filled(self, offered: Floats, discount: Floats) -> Floats:
        """Of what is offered, the part that dealers take: those content with each account's discount."""
        wanted = wanted_discounts(self.depth, self.stress, self.inventory, self.whole)
        sizes = appetites(self.depth, self.stress, self.inventory, self.whole)
        left, filled = offered.copy(), np.zeros(offered.shape)
        for dealer in range(wanted.shape[1]):
            open_to = np.where(discount >= wanted[:, dealer, None], left, 0.0)
            total = open_to.sum(axis=1)
            part = np.minimum(sizes[:, dealer] / np.where(total > 0, total, 1), 1.0)[:, None] * open_to
            self.inventory[:, dealer] += part.sum(axis=1)
            left -= part
            filled += part
        share: Floats = filled / np.where(offered > 0, offered, 1)
        return share

    def screened(self) -> Screened:
        """What happened; who owes at the end owes."""
        whole = self.whole
        insolvency = np.maximum(-np.minimum(self.lowest, self.equity), 0).sum(axis=1)
        margin = self._of_opened(self.months.ranges).sum(axis=1).mean(axis=1)
        return Screened(
            names=self.months.names,
            margin=margin / whole,
            asked=self._asked().mean(axis=1) / whole,
            insolvency=insolvency / whole,
            house=self.house / whole,
            house_loss=-self.house_worst / whole,
            forced=self.forced.sum(axis=1) / whole,
            costs=self.costs.sum(axis=1) / whole,
            own=self.own_sales.sum(axis=1) / whole,
            lowest=(self.lowest / self.worth).min(axis=1),
            growth=growth_within(self.months.ranges, 120),
        )

    def _of_opened(self, parts: Floats) -> Floats:
        """[m, n, h] of the books as opened: parts of the price, summed over underlyings."""
        hourly = self.months.prices[:, 1::BLOCKS] * parts
        sums: Floats = np.einsum("mnu,mhu->mnh", np.abs(self.opened_units), hourly)
        return sums

    def _asked(self) -> Floats:
        """[m, h] of all books together."""
        initial = self._of_opened(self.months.ranges)
        if self.rules.early:
            away = np.interp(-self.rules.early * PPM, -np.array(BREACH_PROBABILITIES_PPM), np.arange(_STEPS))
            near = self._of_opened(self.months.deviations) * self.rules.horizon**0.5 * away / STEPS_PER_DEVIATION
            initial = np.maximum(initial, self.rules.maintenance * initial + near)
        together: Floats = initial.sum(axis=1)
        return together


_STEPS = len(BREACH_PROBABILITIES_PPM)


def growth_within(ranges: Floats, hours: int) -> Floats:
    """[m] the largest factor by which the range of an underlying grew within so many hours."""
    least = ranges.copy()
    for lag in range(1, min(hours, ranges.shape[1])):
        least[:, lag:] = np.minimum(least[:, lag:], ranges[:, :-lag])
    grown: Floats = (ranges / least).max(axis=(1, 2))
    return grown
