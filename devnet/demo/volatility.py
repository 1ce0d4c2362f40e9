"""What prices and implied volatility did in a demonstration, and the early calls that followed from volatility.

Rule: out of replayed blocks alone. An early call follows from volatility when the surface that was agreed first, with
the same prices and positions, makes a breach a third less likely or still less. Where blocks are few, prices fall far
between two of them, so that a call may be due on either surface.
"""

from dataclasses import dataclass, field

import msgspec

from clearing.base.units import PPM
from clearing.liquidation.trigger import maintenance_trigger
from clearing.margin_calls.early_calls import breach_probability_ppm, loss_deviation
from clearing.schema.receipts.margin_calls import EarlyCalled
from clearing.schema.receipts.surfaces import SurfaceApplied
from clearing.schema.records.surfaces import SurfaceState
from clearing.schema.risk.live_surface import ExpiryQuote
from clearing.schema.terms.assets import Feed
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.state import State
from node.agreement.application import DecidedHeight


class PriceLine(msgspec.Struct, frozen=True):
    """The index of one feed, in ticks."""

    feed: str
    first_ticks: int
    lowest_ticks: int
    lowest_height: int

    @property
    def fall_ppm(self) -> int:
        """From the first price to the lowest one, as a fraction of the first, rounded down."""
        return (self.first_ticks - self.lowest_ticks) * PPM // self.first_ticks


class VolatilityLine(msgspec.Struct, frozen=True):
    """The nearest expiry's volatility at the money of one risk group, in millionths a year."""

    group: str
    first_ppm: int
    highest_ppm: int
    highest_height: int


class EarlyCallLine(msgspec.Struct, frozen=True):
    """One early call, beside what it would have been on the first surfaces."""

    account: int
    height: int
    equity_micros: int
    probability_ppm: int
    threshold_ppm: int
    first_equity_micros: int
    first_probability_ppm: int

    @property
    def follows_from_volatility(self) -> bool:
        """Whether volatility makes at least a third of the probability."""
        return 3 * self.first_probability_ppm <= 2 * self.probability_ppm


@dataclass(slots=True)
class SurfaceWatch:
    """Takes in each decided height."""

    prices: dict[int, PriceLine] = field(default_factory=dict)
    """By feed."""
    first: dict[int, tuple[ExpiryQuote, ...]] = field(default_factory=dict)
    """By risk group."""
    highest: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Level and height, by risk group."""
    early: list[EarlyCallLine] = field(default_factory=list)

    def note(self, decided: DecidedHeight) -> None:
        """One height with its state."""
        height = decided.header.height
        for feed in decided.state.terms.genesis.feeds:
            record = decided.state.feeds.get(feed.id)
            if record is not None and record.ticks:
                self._note_price(feed, record.ticks, height)
        for receipt in decided.result.receipts:
            if isinstance(receipt, SurfaceApplied):
                self.first.setdefault(receipt.group, receipt.expiries)
                level = receipt.expiries[0].level_ppm
                self.highest[receipt.group] = max(self.highest.get(receipt.group, (0, 0)), (level, height))
            elif isinstance(receipt, EarlyCalled):
                self.early.append(self._beside_first(decided.state, height, receipt))

    def _note_price(self, feed: Feed, ticks: int, height: int) -> None:
        line = self.prices.get(feed.id)
        if line is None:
            self.prices[feed.id] = PriceLine(feed.name, ticks, ticks, height)
        elif ticks < line.lowest_ticks:
            self.prices[feed.id] = msgspec.structs.replace(line, lowest_ticks=ticks, lowest_height=height)

    def volatility(self, state: State) -> tuple[VolatilityLine, ...]:
        """Of each group that had a live surface."""
        names = {group.id: group.name for group in state.terms.risk.groups}
        return tuple(
            VolatilityLine(names[group], quotes[0].level_ppm, *self.highest[group])
            for group, quotes in sorted(self.first.items())
        )

    def _beside_first(self, state: State, height: int, receipt: EarlyCalled) -> EarlyCallLine:
        calm = state.fork()
        for group, quotes in sorted(self.first.items()):
            calm.surfaces.put(group, SurfaceState(quotes, state.now.time_ms))
        calm.arrays_cache = calm.previous_arrays = None
        margin = holdings_margin(current_arrays(calm), current_holdings(calm, receipt.account))
        losses = dict(zip((group.id for group in state.terms.risk.groups), margin.group_losses, strict=True))
        deviation = sum(
            loss_deviation(losses[part.group], part.deviation_nano, part.range_ppm) for part in receipt.groups
        )
        headroom = margin.equity - maintenance_trigger(state.terms.risk, margin.initial, 0)
        return EarlyCallLine(
            account=receipt.account,
            height=height,
            equity_micros=receipt.equity,
            probability_ppm=receipt.probability_ppm,
            threshold_ppm=receipt.threshold_ppm,
            first_equity_micros=margin.equity,
            first_probability_ppm=breach_probability_ppm(headroom, deviation),
        )
