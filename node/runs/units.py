"""Numbers of a file in the whole units of the network.

Rule: what does not fit a unit, or is out of range, is refused with the path; nothing is rounded on the way in.
"""

from fractions import Fraction

from clearing.base.errors import RemoteFault
from clearing.base.units import MONEY_MAX, POSITION_MAX
from clearing.codes import ClearingCode
from clearing.instruments import INDEX_TICKS_MAX, MICROS_PER_TICK_MAX
from clearing.models.numbers import DECIMALS_MAX, Number, exact, shown
from node.runs.steps import SettledInstrument

MICROS = 6


class Units:
    """The units of one instrument. Raises RemoteFault BAD_STEP where it makes no sense."""

    def __init__(self, instrument: SettledInstrument, at: str) -> None:
        self.instrument = instrument
        self.tick = positive(instrument.tick, f"{at}.tick")
        self.lot = positive(instrument.lot, f"{at}.lot")
        micros = self.tick * self.lot * positive(instrument.multiplier, f"{at}.multiplier") * 10**MICROS
        require(micros.denominator == 1 and micros <= MICROS_PER_TICK_MAX, f"{at}.multiplier", shown(micros))
        self.micros_per_tick = micros.numerator
        self.strike_ticks = self.ticks(instrument.strike, f"{at}.strike")
        require((self.strike_ticks > 0) is (instrument.kind in ("call", "put")), f"{at}.strike", str(instrument.strike))

    def ticks(self, price: Number, at: str) -> int:
        """A price in ticks, from 0 to the largest index."""
        return whole(exact(price) / self.tick, at, 0, INDEX_TICKS_MAX)

    def lots(self, size: Number, at: str) -> int:
        """A size in lots."""
        return whole(exact(size) / self.lot, at, -POSITION_MAX, POSITION_MAX)

    def price(self, ticks: int) -> Fraction:
        """Ticks as a price."""
        return self.tick * ticks


def units(number: Number, decimals: int, at: str, least: int | None = None) -> int:
    """A number in units of 10^-decimals, at least `least`; by default any that money can be."""
    require(decimals <= DECIMALS_MAX, at, str(decimals))
    return whole(exact(number) * 10**decimals, at, -(10**60) if least is None else least, 10**60)


def micros(number: Number, at: str, least: int | None = None) -> int:
    """Money in micros."""
    return whole(exact(number) * 10**MICROS, at, -MONEY_MAX if least is None else least, MONEY_MAX)


def money(micros_: int) -> Fraction:
    """Micros in the settlement unit."""
    return Fraction(micros_, 10**MICROS)


def whole(value: Fraction, at: str, least: int, most: int) -> int:
    """A fraction that must be an integer within bounds."""
    require(value.denominator == 1 and least <= value <= most, at, shown(value))
    return value.numerator


def positive(number: Number, at: str) -> Fraction:
    """A number above zero."""
    value = exact(number)
    require(value > 0, at, str(number))
    return value


def require(good: bool, at: str, value: str) -> None:
    """Raise RemoteFault BAD_STEP unless good."""
    if not good:
        raise RemoteFault(ClearingCode.BAD_STEP, at, value=value)
