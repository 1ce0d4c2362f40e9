"""What a simulation changes, as a member writes it: NAME=VALUE in units of currency, token, or underlying.

Rule: names and units are those of the `Listing`, and exact. Every refusal is a ValueError that begins with the text.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from clearing.base.units import MONEY_MAX
from clearing.schema.terms.instruments import Instrument
from member.api.margin import (
    MOVE_PPM_MAX,
    MOVE_PPM_MIN,
    POINTS_PPM_MAX,
    CashShock,
    IndexShock,
    TokenShock,
    TradeShock,
    VolatilityShock,
)
from member.notation.amounts import MICROS_DECIMALS, parse_amount, parse_percent, percent
from member.notation.listing import Listing

T = TypeVar("T")


def index_shock(listing: Listing, text: str) -> IndexShock:
    """`BTC=-12.5`: the index of a feed, in per cent of it."""

    def read(name: str, value: str) -> IndexShock:
        feed, move = listing.feed(name), parse_percent(value)
        if not MOVE_PPM_MIN <= move <= MOVE_PPM_MAX:
            raise ValueError(f"expected a move between {percent(MOVE_PPM_MIN)} and {percent(MOVE_PPM_MAX)}")
        return IndexShock(feed=feed.id, move_ppm=move)

    return _pair(text, read)


def volatility_shock(listing: Listing, text: str) -> VolatilityShock:
    """`BTC=+10`: points added to the volatility of a risk group."""

    def read(name: str, value: str) -> VolatilityShock:
        group, points = listing.risk_group(name), parse_percent(value)
        if abs(points) > POINTS_PPM_MAX:
            raise ValueError(f"expected points between {percent(-POINTS_PPM_MAX)} and {percent(POINTS_PPM_MAX)}")
        return VolatilityShock(group=group.id, points_ppm=points)

    return _pair(text, read)


def trade_shock(listing: Listing, text: str) -> TradeShock:
    """`BTC-PERP=-0.5@30000.5`: units of the underlying, negative to sell, at a price in currency or at the mark."""
    return _pair(text, lambda name, value: _trade(listing.instrument(name), value, listing.lots, listing.ticks))


def lots_shock(listing: Listing, text: str) -> TradeShock:
    """`BTC-PERP=-20@790000`: the same in lots, at a price in ticks or at the mark."""

    def lots(_: Instrument, value: str) -> int:
        return _whole(value, "lots")

    def ticks(_: Instrument, value: str) -> int:
        return _whole(value, "ticks")

    return _pair(text, lambda name, value: _trade(listing.instrument(name), value, lots, ticks))


def cash_shock(listing: Listing, text: str) -> CashShock:
    """`USD=-1000.5`: currency paid in, negative to withdraw."""

    def read(name: str, value: str) -> CashShock:
        group, micros = listing.cash_group(name), parse_amount(value, MICROS_DECIMALS)
        return CashShock(cash_group=group.id, amount_micros=_counted(micros, value))

    return _pair(text, read)


def token_shock(listing: Listing, text: str) -> TokenShock:
    """`WETH@base=-2.5`: tokens of collateral paid in, negative to withdraw."""

    def read(name: str, value: str) -> TokenShock:
        asset = listing.asset(name)
        if asset.is_cash:
            currency = listing.cash_group(str(asset.cash_group)).name
            raise ValueError(f"{asset.name} is cash of {currency}: give it with --cash")
        return TokenShock(asset=asset.id, amount_units=_counted(listing.ledger_units(asset, value), value))

    return _pair(text, read)


def once(given: Sequence[str], read: Callable[[str], T], field: str) -> tuple[T, ...]:
    """What is read of each text. Raises ValueError when two name the same in this field."""
    found: dict[object, T] = {}
    for text in given:
        shock = read(text)
        if getattr(shock, field) in found:
            raise ValueError(f"{text}: given twice")
        found[getattr(shock, field)] = shock
    return tuple(found.values())


def _pair(text: str, read: Callable[[str, str], T]) -> T:
    name, equals, value = text.rpartition("=")
    try:
        if not equals:
            raise ValueError("expected NAME=VALUE")
        return read(name, value)
    except ValueError as error:
        raise ValueError(f"{text[:80]}: {error}") from None


def _trade(
    instrument: Instrument,
    value: str,
    lots_of: Callable[[Instrument, str], int],
    ticks_of: Callable[[Instrument, str], int],
) -> TradeShock:
    size, at, price = value.partition("@")
    lots, ticks = lots_of(instrument, size), ticks_of(instrument, price) if at else None
    if lots == 0:
        raise ValueError(f"expected a size other than 0, got {size}")
    if ticks is not None and ticks <= 0:
        raise ValueError(f"expected a price above 0, got {price}")
    return TradeShock(
        instrument=instrument.id,
        lots=_counted(lots, size),
        price_ticks=None if ticks is None else _counted(ticks, price),
    )


def _whole(text: str, of: str) -> int:
    try:
        return parse_amount(text, 0)
    except ValueError:
        raise ValueError(f"expected a whole number of {of}, got {text[:80]}") from None


def _counted(number: int, text: str) -> str:
    """As the API takes it. Raises ValueError beyond what the ledger counts to."""
    if abs(number) > MONEY_MAX:
        raise ValueError(f"{text} is more than the ledger counts")
    return str(number)
