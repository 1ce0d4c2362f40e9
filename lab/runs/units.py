"""Numbers of a run file in the whole units of the network, and results as JSON values.

Rule: exact: a fraction is a string that reads back to the same number. It must not know which results there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

import msgspec

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.units import MONEY_MAX, POSITION_MAX
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, MICROS_PER_TICK_MAX
from lab.models.named import to_named
from lab.models.numbers import DECIMALS_MAX, Number, exact_rational, printed
from lab.runs.settle_file import SettledInstrument


def as_json(value: Any) -> Any:
    """Dataclasses and structs as objects, fractions as strings, everything else as JSON has it."""
    if isinstance(value, Fraction):
        return printed(value)
    if isinstance(value, msgspec.Struct):
        return to_named(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    return value


def check_names(names: Sequence[str], at: str, limit: int) -> None:
    """Raises RemoteFault: OVERSIZE for too many entries of a run file, BAD_STEP for two of one name."""
    if len(names) > limit:
        raise RemoteFault(BaseCode.OVERSIZE, at, items=len(names), limit=limit)
    require(len(set(names)) == len(names), at, "a name appears twice")


def step_result(step: Any, result: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a step as a JSON object, under the step's name and kind."""
    return {"name": step.name, "kind": str(type(step).__struct_config__.tag), **as_json(result)}


MICROS = 6


class Units:
    """The units of one instrument. Raises RemoteFault BAD_STEP where it makes no sense."""

    def __init__(self, instrument: SettledInstrument, at: str) -> None:
        self.instrument = instrument
        self.tick = positive(instrument.tick, f"{at}.tick")
        self.lot = positive(instrument.lot, f"{at}.lot")
        micros = self.tick * self.lot * positive(instrument.multiplier, f"{at}.multiplier") * 10**MICROS
        require(micros.denominator == 1 and micros <= MICROS_PER_TICK_MAX, f"{at}.multiplier", printed(micros))
        self.micros_per_tick = micros.numerator
        self.strike_ticks = self.ticks(instrument.strike, f"{at}.strike")
        require((self.strike_ticks > 0) is (instrument.kind in ("call", "put")), f"{at}.strike", str(instrument.strike))

    def ticks(self, price: Number, at: str) -> int:
        """A price in ticks, from 0 to the largest index."""
        return whole(exact_rational(price) / self.tick, at, 0, INDEX_TICKS_MAX)

    def lots(self, size: Number, at: str) -> int:
        """A size in lots."""
        return whole(exact_rational(size) / self.lot, at, -POSITION_MAX, POSITION_MAX)

    def price(self, ticks: int) -> Fraction:
        """Ticks as a price."""
        return self.tick * ticks


def units(number: Number, decimals: int, at: str, least: int | None = None) -> int:
    """A number in units of 10^-decimals, at least `least`; by default any that money can be."""
    require(decimals <= DECIMALS_MAX, at, str(decimals))
    return whole(exact_rational(number) * 10**decimals, at, -(10**60) if least is None else least, 10**60)


def micros(number: Number, at: str, least: int | None = None) -> int:
    """Money in micros."""
    return whole(exact_rational(number) * 10**MICROS, at, -MONEY_MAX if least is None else least, MONEY_MAX)


def money(micros_: int) -> Fraction:
    """Micros in the settlement unit."""
    return Fraction(micros_, 10**MICROS)


def whole(value: Fraction, at: str, least: int, most: int) -> int:
    """A fraction that must be an integer within bounds."""
    require(value.denominator == 1 and least <= value <= most, at, printed(value))
    return value.numerator


def positive(number: Number, at: str) -> Fraction:
    """A number above zero."""
    value = exact_rational(number)
    require(value > 0, at, str(number))
    return value


def require(good: bool, at: str, value: str) -> None:
    """Raise RemoteFault BAD_STEP unless good."""
    if not good:
        raise RemoteFault(ClearingCode.BAD_STEP, at, value=value)
