"""How explanations name accounts and instruments, and the terms that their arithmetic needs."""

from dataclasses import dataclass, field

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.genesis.effective_terms import Terms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.ledger import FUND_ACCOUNT, ROUNDING_ACCOUNT
from member.explaining.masking import MASKED

_ROLES = {HOUSE_ACCOUNT: "the house", FUND_ACCOUNT: "the default fund", ROUNDING_ACCOUNT: "the rounding account"}


@dataclass(frozen=True, slots=True)
class Rates:
    """Terms in force that receipts do not repeat."""

    penalty_ppm: int
    maintenance: tuple[int, int]
    calls: CallTerms
    liquidation: LiquidationTerms
    observation_ms: int
    """The interval that variances are of."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Instruments by id, and the rates, where they are known."""

    names: dict[int, str] = field(default_factory=dict)
    micros_per_tick: dict[int, int] = field(default_factory=dict)
    cash_groups: dict[int, int] = field(default_factory=dict)
    """Of instruments."""
    rates: Rates | None = None

    def instrument(self, instrument: int) -> str:
        """Its name, or its number."""
        return self.names.get(instrument, f"instrument {instrument}")

    def notional(self, instrument: int, lots: int, ticks: int) -> int | None:
        """Micros of the absolute value of lots at a price; None for an instrument that is not known."""
        each = self.micros_per_tick.get(instrument)
        return None if each is None else abs(lots) * ticks * each


def listing_of(terms: Terms) -> Listing:
    """The listing of the terms in force."""
    ranges = terms.genesis.ranges
    return Listing(
        {instrument.id: instrument.name for instrument in terms.instruments.values()},
        {instrument.id: instrument.micros_per_tick for instrument in terms.instruments.values()},
        {instrument.id: instrument.cash_group for instrument in terms.instruments.values()},
        Rates(
            terms.market.liquidation_penalty_ppm,
            (terms.risk.maintenance_numerator, terms.risk.maintenance_denominator),
            terms.crisis.calls,
            terms.crisis.liquidation,
            ranges.interval_ms or ranges.horizon_ms,
        ),
    )


def called(account: int) -> str:
    """The name of an account."""
    if account >= MASKED:
        return f"account ~{account - MASKED:010x}"
    return _ROLES.get(account, f"account {account}")


def per_cent(ppm: int) -> str:
    """Millionths as a percentage."""
    whole, rest = divmod(abs(ppm), PPM // 100)
    digits = f"{rest:04d}".rstrip("0")
    return ("-" if ppm < 0 else "") + str(whole) + (f".{digits}" if digits else "") + " %"


def signed(amount: int) -> str:
    """A number with its sign; zero has none."""
    return f"{amount:+d}" if amount else "0"
