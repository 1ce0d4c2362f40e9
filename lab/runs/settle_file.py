"""The step types that a file of `crossclear settle run` may contain.

Rule: data only. Prices are multiples of the tick, sizes of the lot and money of a micro, as in the network; what does
not fit is refused, never rounded. A step may use the price of an earlier one by its name.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from clearing.base.codec import U8, U32, U63, Wire
from lab.models.numbers import Number
from lab.models.portfolio import Name
from lab.models.scan_terms import Reference

Note = Annotated[str, msgspec.Meta(max_length=2000)]


class SettledInstrument(Wire, frozen=True):
    """What is settled."""

    id: Name
    kind: Literal["perpetual", "future", "call", "put", "forward"]
    tick: Number = "0.01"
    lot: Number = 1
    """Contracts in one lot."""
    multiplier: Number = 1
    """What a price of 1 is worth for one contract; tick * lot * multiplier is a whole number of micros."""
    strike: Number = 0


class PositionInput(Wire, frozen=True):
    """A position in contracts, signed."""

    account: Name
    size: Number


class TradeInput(Wire, frozen=True):
    """A trade since the last mark."""

    buyer: Name
    seller: Name
    size: Number
    price: Number


class VariationMargin(Wire, frozen=True, tag_field="kind", tag="variation_margin"):
    """Carried positions are paid from the previous mark to this one, new trades from their price."""

    name: Name
    instrument: Name
    previous: Number
    mark: Number
    positions: tuple[PositionInput, ...] = ()
    """Carried, before the trades."""
    trades: tuple[TradeInput, ...] = ()


class PremiumTrade(Wire, frozen=True):
    """A trade of a perpetual, which states its premium."""

    price: Number
    size: Number


class PremiumStep(Wire, frozen=True, tag_field="kind", tag="premium"):
    """The moving average of a perpetual's premium over its index, and the mark out of it."""

    name: Name
    instrument: Name
    index: Number
    trades: tuple[PremiumTrade, ...] = ()
    before_ppb: Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)] = 0
    """The average before, in 10^-9."""
    cap_ppm: U32 = 50_000
    depth: Number = 100
    """Contracts at the index that the trades are averaged with."""
    elapsed_ms: U63 = 60_000
    window_ms: U63 = 3_600_000


class FundingStep(Wire, frozen=True, tag_field="kind", tag="funding"):
    """Longs pay shorts the rate on the index value, or the other way round."""

    name: Name
    instrument: Name
    index: Number
    positions: tuple[PositionInput, ...]
    premium_ppb: Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)] | None = None
    """Average premium; default: that of the step named by `premium_of`, or none."""
    premium_of: Reference = ""
    rate: Number | None = None
    """Of a period, instead of the premium's."""
    interest_ppm: U32 = 100
    dampener_ppm: U32 = 500
    cap_ppm: U32 = 7_500
    covered_ms: U63 = 28_800_000
    period_ms: U63 = 28_800_000


class PricedAt(Wire, frozen=True):
    """A price that stood from a time on."""

    time_ms: U63
    price: Number


class Average(Wire, frozen=True, tag_field="kind", tag="average"):
    """The time average of an index before expiry."""

    name: Name
    prices: tuple[PricedAt, ...]
    """By rising time."""
    start_ms: U63
    end_ms: U63
    hold_ms: U63 = 10_000
    """No price counts for longer."""
    coverage_ppm: U32 = 500_000
    """So much of the window must be covered."""
    tick: Number = "0.01"


class Settle(Wire, frozen=True, tag_field="kind", tag="settle"):
    """Final settlement: a future or forward from its last mark to the price, an option its intrinsic value."""

    name: Name
    instrument: Name
    positions: tuple[PositionInput, ...]
    price: Number | None = None
    price_of: Reference = ""
    """The step whose average is the price, where none is given."""
    previous: Number = 0
    """The last mark; of options 0, for their premium was paid."""
    deliver: bool = False
    """Whether a forward's underlying is exchanged for cash at the price, besides."""


class ShareInput(Wire, frozen=True):
    """A party and its weight, gain, claim or limit."""

    of: Name
    amount: Number


class Allocate(Wire, frozen=True, tag_field="kind", tag="allocate"):
    """Split a total by weights."""

    name: Name
    total: Number
    weights: tuple[ShareInput, ...]
    rule: Literal["largest_fraction", "last_takes_rest"] = "largest_fraction"
    """Where the units go that rounding down leaves: one each to the largest fractions, or all to the last."""
    decimals: U8 = 6


class ShareLoss(Wire, frozen=True, tag_field="kind", tag="share_loss"):
    """Gains are paid out of what was collected: in full if it suffices, else in proportion."""

    name: Name
    collected: Number
    gains: tuple[ShareInput, ...]
    rule: Literal["largest_fraction", "last_takes_rest"] = "last_takes_rest"
    decimals: U8 = 6


class HaircutGains(Wire, frozen=True, tag_field="kind", tag="haircut_gains"):
    """A shortfall is taken off gains in proportion."""

    name: Name
    shortfall: Number
    gains: tuple[ShareInput, ...]
    decimals: U8 = 6


class LayerInput(Wire, frozen=True):
    """One layer of a waterfall."""

    name: Name
    amount: Number | None = None
    """Most it bears; default: all that is left."""
    weights: tuple[ShareInput, ...] = ()
    """Who shares what it bears."""


class LossWaterfallStep(Wire, frozen=True, tag_field="kind", tag="waterfall"):
    """A loss runs through layers in their order."""

    name: Name
    loss: Number
    layers: tuple[LayerInput, ...]
    decimals: U8 = 6


class ScenarioLossInput(Wire, frozen=True):
    """Losses over margin in one stress scenario."""

    name: Name
    losses: tuple[Number, ...]
    """One for each member."""


class FundSizeStep(Wire, frozen=True, tag_field="kind", tag="fund_size"):
    """Size of a default fund: over all scenarios, the largest loss or the second and third together; and cover-2."""

    name: Name
    scenarios: tuple[ScenarioLossInput, ...]


class SkewFee(Wire, frozen=True, tag_field="kind", tag="skew_fee"):
    """What moving a cash group's inventory on one chain costs, negative for a rebate."""

    name: Name
    inventory: tuple[ShareInput, ...]
    """By token; in the settlement unit."""
    token: Name
    change: Number
    rate_ppm: U32
    depth: Number
    band: Number = 0
    weights: tuple[U32, ...] = ()
    """Of the balance aimed at; default: equal."""


class Interest(Wire, frozen=True, tag_field="kind", tag="interest"):
    """Simple interest on settlement cash: what is owed rounds up, what is received rounds down."""

    name: Name
    balances: tuple[ShareInput, ...]
    elapsed_ms: U63
    debit_ppm: U32 = 0
    credit_ppm: U32 = 0


class HaircutPart(Wire, frozen=True):
    """One reason for a haircut."""

    of: Name
    ppm: U32


class HaircutStep(Wire, frozen=True, tag_field="kind", tag="haircut"):
    """The haircut in force out of its parts, and what a holding counts for."""

    name: Name
    parts: tuple[HaircutPart, ...]
    amount: Number
    price: Number
    step_ppm: U32 = 10_000
    """The sum is rounded up to a multiple of this, to 100 % at most."""
    rate: Number = 1
    """Of a yield-bearing token."""
    rate_haircut_ppm: U32 = 0


class PriceReportInput(Wire, frozen=True):
    """What one validator reports."""

    power: U63
    price: Number


class MedianStep(Wire, frozen=True, tag_field="kind", tag="median"):
    """The lower median by stake, after outliers were dropped."""

    name: Name
    reports: tuple[PriceReportInput, ...]
    deviations: U32 = 0
    """Reports further away than so many median absolute deviations are dropped; 0: none is."""
    floor_ppm: U32 = 0
    tick: Number = "0.01"


class VarianceStep(Wire, frozen=True, tag_field="kind", tag="ewma_variance"):
    """variance = decay * variance + (1 - decay) * return^2, for each return; rounded up."""

    name: Name
    variance: Number
    returns: tuple[Number, ...]
    decay: Number = "0.94"
    decimals: U8 = 9
    """Of the returns; the variance has twice as many."""


class Rescale(Wire, frozen=True, tag_field="kind", tag="fhs_rescale"):
    """Filtered historical simulation: each return times the deviation now over that of its time, away from zero."""

    name: Name
    returns: tuple[Number, ...]
    deviations: tuple[Number, ...]
    deviation: Number
    decimals: U8 = 9
    """Of returns and deviations."""


class Shortfall(Wire, frozen=True, tag_field="kind", tag="expected_shortfall"):
    """The mean of the worst losses, up at the decimals."""

    name: Name
    losses: tuple[Number, ...]
    tail: U32
    decimals: U8 = 6


Step: TypeAlias = (
    VariationMargin
    | PremiumStep
    | FundingStep
    | Average
    | Settle
    | Allocate
    | ShareLoss
    | HaircutGains
    | LossWaterfallStep
    | FundSizeStep
    | SkewFee
    | HaircutStep
    | Interest
    | MedianStep
    | VarianceStep
    | Rescale
    | Shortfall
)


class SettleRun(Wire, frozen=True):
    """The input of `crossclear settle run`."""

    format: Literal["crossclear.settle.v1"]
    steps: tuple[Step, ...]
    instruments: tuple[SettledInstrument, ...] = ()
    note: Note = ""
    """For people."""
