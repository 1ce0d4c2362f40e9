"""Steps that pay positions: variation margin, premium and funding, time averages, final settlement.

Rule: the arithmetic is the state machine's own (`clearing.settlement`); here are only units and
paths. What accounts are paid and what is left over sum to zero whenever the positions do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from clearing.base.errors import RemoteFault
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, InstrumentKind
from clearing.settlement.funding import (
    PPB,
    VOLUME_MAX,
    funding_payments,
    funding_rate_ppb,
    next_premium_ppb,
    perpetual_mark_ticks,
    premium_ppb,
)
from clearing.settlement.settlement_prices import (
    TimeAverage,
    extend_average,
    needed_ms,
    settlement_payments,
    settlement_value_ticks,
)
from lab.models.numbers import exact_rational
from lab.runs.settle_file import Average, FundingStep, PositionInput, PremiumStep, Settle, VariationMargin
from lab.runs.units import Units, money, positive, require, whole

Results: TypeAlias = Mapping[str, dict[str, Any]]
TIME_MAX = 2**53

KINDS = {
    "perpetual": InstrumentKind.PERPETUAL,
    "future": InstrumentKind.FUTURE,
    "forward": InstrumentKind.FORWARD,
    "call": InstrumentKind.CALL,
    "put": InstrumentKind.PUT,
}


@dataclass(frozen=True, slots=True)
class Payment:
    """What one account receives; negative: pays."""

    account: str
    size: Fraction
    amount: Fraction


def variation_margin(step: VariationMargin, units: Units, at: str) -> dict[str, Any]:
    """Lots times the change of the mark times the value of a tick, exact."""
    require(units.instrument.kind in ("perpetual", "future", "forward"), f"{at}.instrument", step.instrument)
    mark, previous = units.ticks(step.mark, f"{at}.mark"), units.ticks(step.previous, f"{at}.previous")
    lots = _lots(step.positions, units, at)
    carried = settlement_payments(lots, mark, previous, units.micros_per_tick)
    paid, sizes = dict[str, int](), dict[str, int]()
    for position, size, amount in zip(step.positions, lots, carried, strict=True):
        _add(paid, position.account, amount)
        _add(sizes, position.account, size)
    of_trades = []
    for number, trade in enumerate(step.trades):
        size = units.lots(trade.size, f"{at}.trades[{number}].size")
        require(size > 0, f"{at}.trades[{number}].size", str(trade.size))
        price = units.ticks(trade.price, f"{at}.trades[{number}].price")
        amount, _ = settlement_payments([size, -size], mark, price, units.micros_per_tick)
        of_trades.append({"buyer": trade.buyer, "seller": trade.seller, "buyer_receives": money(amount)})
        for account, sign in ((trade.buyer, 1), (trade.seller, -1)):
            _add(paid, account, sign * amount)
            _add(sizes, account, sign * size)
    payments = [Payment(account, sizes[account] * units.lot, money(paid[account])) for account in sorted(paid)]
    return {"payments": payments, "trades": of_trades, "sum": money(sum(paid.values()))}


def premium(step: PremiumStep, units: Units, at: str) -> dict[str, Any]:
    """The moving average of the premium and the mark."""
    index = units.ticks(step.index, f"{at}.index")
    require(index > 0, f"{at}.index", str(step.index))
    require(step.cap_ppm <= 1_000_000, f"{at}.cap_ppm", str(step.cap_ppm))
    require(0 < step.window_ms <= TIME_MAX and step.elapsed_ms <= TIME_MAX, f"{at}.window_ms", str(step.window_ms))
    depth = units.lots(step.depth, f"{at}.depth")
    require(depth > 0, f"{at}.depth", str(step.depth))
    weighted = volume = 0
    trades = []
    for number, trade in enumerate(step.trades):
        size = units.lots(trade.size, f"{at}.trades[{number}].size")
        require(size > 0, f"{at}.trades[{number}].size", str(trade.size))
        size = min(size, VOLUME_MAX - volume)
        premium = premium_ppb(units.ticks(trade.price, f"{at}.trades[{number}].price"), index, step.cap_ppm)
        trades.append({"premium_ppb": premium, "counted": size * units.lot})
        weighted, volume = weighted + premium * size, volume + size
    after = next_premium_ppb(step.before_ppb, weighted, volume, depth, step.elapsed_ms, step.window_ms)
    mark = units.price(perpetual_mark_ticks(index, after, step.cap_ppm))
    return {"trades": trades, "premium_ppb": after, "mark": mark}


def funding(step: FundingStep, units: Units, results: Results, at: str) -> dict[str, Any]:
    """The rate and what each position receives."""
    require(units.instrument.kind == "perpetual", f"{at}.instrument", step.instrument)
    index = units.ticks(step.index, f"{at}.index")
    require(0 < step.period_ms <= TIME_MAX and step.covered_ms <= TIME_MAX, f"{at}.period_ms", str(step.period_ms))
    average = step.premium_ppb
    if average is None and step.premium_of:
        found = results.get(step.premium_of, {}).get("premium_ppb")
        require(isinstance(found, int), f"{at}.premium_of", step.premium_of)
        average = found
    if step.rate is None:
        rate = funding_rate_ppb(average or 0, step.interest_ppm, step.dampener_ppm, step.cap_ppm)
    else:
        rate = whole(exact_rational(step.rate) * PPB, f"{at}.rate", -PPB, PPB)
    lots = _lots(step.positions, units, at)
    paid, left = funding_payments(lots, index, units.micros_per_tick, rate, step.covered_ms, step.period_ms)
    payments = [
        Payment(position.account, size * units.lot, money(amount))
        for position, size, amount in zip(step.positions, lots, paid, strict=True)
    ]
    return {"premium_ppb": average or 0, "rate": Fraction(rate, PPB), "payments": payments, "remainder": money(left)}


def average(step: Average, at: str) -> dict[str, Any]:
    """The time-averaged price, rounded down to the tick."""
    tick = positive(step.tick, f"{at}.tick")
    require(step.start_ms < step.end_ms <= TIME_MAX, f"{at}.end_ms", str(step.end_ms))
    require(step.coverage_ppm <= 1_000_000, f"{at}.coverage_ppm", str(step.coverage_ppm))
    sums = TimeAverage()
    parts = []
    for number, price in enumerate(step.prices):
        following = step.prices[number + 1].time_ms if number + 1 < len(step.prices) else step.end_ms
        require(price.time_ms < following or number + 1 == len(step.prices), f"{at}.prices[{number}].time_ms", "rising")
        ticks = whole(exact_rational(price.price) / tick, f"{at}.prices[{number}].price", 0, INDEX_TICKS_MAX)
        before = sums.covered_ms
        sums = extend_average(sums, ticks, price.time_ms, min(following, step.end_ms), step.start_ms, step.hold_ms)
        parts.append({"price": price.price, "counted_ms": sums.covered_ms - before})
    needed = needed_ms(step.end_ms - step.start_ms, step.coverage_ppm)
    enough = sums.covered_ms > 0 and sums.covered_ms >= needed
    average = {"parts": parts, "covered_ms": sums.covered_ms, "needed_ms": needed, "enough": enough}
    return {**average, "price": tick * sums.ticks if sums.covered_ms else None}


def settle(step: Settle, units: Units, results: Results, at: str) -> dict[str, Any]:
    """What a lot is worth at the price, and what each position receives."""
    kind = KINDS[units.instrument.kind]
    require(kind is not InstrumentKind.PERPETUAL, f"{at}.instrument", step.instrument)
    if step.price is not None:
        ticks = units.ticks(step.price, f"{at}.price")
    else:
        found = results.get(step.price_of, {})
        price: Fraction | None = found.get("price")
        if price is None or not found.get("enough", False):
            raise RemoteFault(ClearingCode.BAD_STEP, f"{at}.price_of", value=step.price_of)
        ticks = whole(price / units.tick, f"{at}.price_of", 0, INDEX_TICKS_MAX)
    previous = units.ticks(step.previous, f"{at}.previous")
    option = kind in (InstrumentKind.CALL, InstrumentKind.PUT)
    require(not option or previous == 0, f"{at}.previous", str(step.previous))
    worth = settlement_value_ticks(kind, ticks, units.strike_ticks)
    lots = _lots(step.positions, units, at)
    paid = settlement_payments(lots, worth, previous, units.micros_per_tick)
    payments = [
        Payment(position.account, size * units.lot, money(amount))
        for position, size, amount in zip(step.positions, lots, paid, strict=True)
    ]
    more: dict[str, Any] = {"exercised": worth > 0} if option else {}
    if step.deliver:
        require(kind is InstrumentKind.FORWARD, f"{at}.deliver", units.instrument.kind)
        cash = settlement_payments(lots, 0, ticks, units.micros_per_tick)
        more["delivery"] = [
            {
                "account": payment.account,
                "underlying": payment.size * exact_rational(units.instrument.multiplier),
                "cash": money(amount),
            }
            for payment, amount in zip(payments, cash, strict=True)
        ]
    summed = money(sum(paid))
    return {"price": units.price(ticks), "worth": units.price(worth), **more, "payments": payments, "sum": summed}


def _lots(positions: Sequence[PositionInput], units: Units, at: str) -> list[int]:
    return [units.lots(position.size, f"{at}.positions[{number}].size") for number, position in enumerate(positions)]


def _add(sums: dict[str, int], key: str, by: int) -> None:
    sums[key] = sums.get(key, 0) + by
