"""Steps that share amounts and judge history: allocations, losses, gains, waterfalls, fees, medians, variances.

Rule: whole units only; the arithmetic is the state machine's own. Every remainder is somebody's.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any

from clearing.base.units import PPM, allocate
from clearing.collateral.haircut_rates import total_haircut
from clearing.collateral.interest import interest_on
from clearing.collateral.skew import inventory_fee
from clearing.default.waterfall import allocate_collected
from clearing.price_ranges.history import expected_shortfall, next_variance, rescale_returns
from clearing.prices.index_prices import WeightedReport, filter_outliers
from clearing.schema.terms.collateral import InterestTerms, SkewTerms
from clearing.schema.terms.instruments import INDEX_TICKS_MAX
from lab.models.numbers import exact_rational, printed, require_short, rounded
from lab.runs.settle_file import (
    Allocate,
    FundSizeStep,
    HaircutGains,
    HaircutStep,
    Interest,
    LossWaterfallStep,
    MedianStep,
    Rescale,
    ShareInput,
    ShareLoss,
    Shortfall,
    SkewFee,
    VarianceStep,
)
from lab.runs.units import MICROS, micros, money, positive, require, units, whole

RETURN_DECIMALS_MAX = 15
YEARS_MAX_MS = 100 * 365 * 86_400_000


def allocation(step: Allocate, at: str) -> dict[str, Any]:
    """Shares that sum to the total."""
    total = units(step.total, step.decimals, f"{at}.total", 0)
    return _allocation_result(step.weights, _split(total, step.weights, step.rule, f"{at}.weights"), step.decimals)


def share_loss(step: ShareLoss, at: str) -> dict[str, Any]:
    """What each gain is paid, and what it is short by."""
    gains = _amounts(step.gains, step.decimals, f"{at}.gains")
    collected = units(step.collected, step.decimals, f"{at}.collected", 0)
    total = sum(gains)
    if collected < total and step.rule == "largest_fraction":
        paid = _split(collected, step.gains, step.rule, f"{at}.gains")
    else:
        paid = allocate_collected(collected, gains)
    scale = 10**step.decimals
    short = [
        {"of": share.of, "short": Fraction(gain - amount, scale)}
        for share, gain, amount in zip(step.gains, gains, paid, strict=True)
    ]
    surplus = Fraction(max(collected - total, 0), scale)
    return {**_allocation_result(step.gains, paid, step.decimals), "shortages": short, "surplus": surplus}


def haircut_gains(step: HaircutGains, at: str) -> dict[str, Any]:
    """What is left of each gain."""
    gains = _amounts(step.gains, step.decimals, f"{at}.gains")
    shortfall = units(step.shortfall, step.decimals, f"{at}.shortfall", 0)
    taken = min(shortfall, sum(gains))
    left = allocate(sum(gains) - taken, gains) if sum(gains) else [0] * len(gains)
    uncovered = Fraction(shortfall - taken, 10**step.decimals)
    return {**_allocation_result(step.gains, left, step.decimals), "uncovered": uncovered}


def waterfall(step: LossWaterfallStep, at: str) -> dict[str, Any]:
    """What each layer bears, and who in it."""
    left, layers = units(step.loss, step.decimals, f"{at}.loss", 0), []
    scale = 10**step.decimals
    for number, layer in enumerate(step.layers):
        path = f"{at}.layers[{number}]"
        most = left if layer.amount is None else units(layer.amount, step.decimals, f"{path}.amount", 0)
        borne = min(left, most)
        left -= borne
        result: dict[str, Any] = {"layer": layer.name, "borne": Fraction(borne, scale), "left": Fraction(left, scale)}
        if layer.weights:
            result |= _allocation_result(
                layer.weights, _split(borne, layer.weights, "largest_fraction", path), step.decimals
            )
        layers.append(result)
    return {"layers": layers, "uncovered": Fraction(left, scale)}


def fund_size(step: FundSizeStep, at: str) -> dict[str, Any]:
    """The larger of the largest loss and the next two, and the two largest, over all scenarios."""
    scenarios: list[dict[str, Any]] = []
    for number, scenario in enumerate(step.scenarios):
        require(len(scenario.losses) > 0, f"{at}.scenarios[{number}].losses", "0")
        ordered = sorted((max(exact_rational(loss), Fraction(0)) for loss in scenario.losses), reverse=True)
        first, rest = ordered[0], sum(ordered[1:3], Fraction(0))
        scenarios.append(
            {
                "scenario": scenario.name,
                "largest": first,
                "second_and_third": rest,
                "cover_2": sum(ordered[:2], Fraction(0)),
                "size": max(first, rest),
            }
        )
    require(bool(scenarios), f"{at}.scenarios", "0")
    size, cover = max(scenario["size"] for scenario in scenarios), max(scenario["cover_2"] for scenario in scenarios)
    return {"scenarios": scenarios, "size": size, "cover_2": cover, "fund": max(size, cover)}


def skew_fee(step: SkewFee, at: str) -> dict[str, Any]:
    """The fee in the settlement unit, rounded up; a rebate rounded down."""
    inventory = [micros(entry.amount, f"{at}.inventory[{number}]", 0) for number, entry in enumerate(step.inventory)]
    names = [entry.of for entry in step.inventory]
    require(step.token in names, f"{at}.token", step.token)
    weights = list(step.weights) or [1] * len(inventory)
    require(len(weights) == len(inventory) and sum(weights) > 0, f"{at}.weights", str(len(weights)))
    depth = micros(step.depth, f"{at}.depth", 1)
    terms = SkewTerms(step.rate_ppm, depth, micros(step.band, f"{at}.band", 0))
    where, change = names.index(step.token), micros(step.change, f"{at}.change")
    require(inventory[where] + change >= 0, f"{at}.change", str(step.change))
    return {"fee": money(inventory_fee(inventory, weights, terms, where, change))}


def haircut(step: HaircutStep, at: str) -> dict[str, Any]:
    """The haircut, and the value after it, rounded down to a micro."""
    require(0 < step.step_ppm <= PPM, f"{at}.step_ppm", str(step.step_ppm))
    require(step.rate_haircut_ppm <= PPM, f"{at}.rate_haircut_ppm", str(step.rate_haircut_ppm))
    ppm = total_haircut(tuple((part.of, part.ppm) for part in step.parts), step.step_ppm)
    amount, price = exact_rational(step.amount), exact_rational(step.price)
    for field, value in (("amount", amount), ("price", price), ("rate", exact_rational(step.rate))):
        require(0 <= value <= 10**24, f"{at}.{field}", printed(value))
    share = exact_rational(step.rate) * Fraction(PPM - step.rate_haircut_ppm, PPM)
    value = rounded(amount * price * share * Fraction(PPM - ppm, PPM), MICROS, "down")
    return {"haircut": Fraction(ppm, PPM), "before": amount * price * exact_rational(step.rate), "value": value}


def interest(step: Interest, at: str) -> dict[str, Any]:
    """What each balance earns; negative: owes; the rest is the house's."""
    require(0 < step.elapsed_ms <= YEARS_MAX_MS, f"{at}.elapsed_ms", str(step.elapsed_ms))
    terms = InterestTerms(step.elapsed_ms, step.debit_ppm, step.credit_ppm)
    balances = [micros(balance.amount, f"{at}.balances[{number}]") for number, balance in enumerate(step.balances)]
    paid = [interest_on(balance, terms, step.elapsed_ms) for balance in balances]
    payments = [
        {"of": balance.of, "amount": money(amount)} for balance, amount in zip(step.balances, paid, strict=True)
    ]
    return {"shares": payments, "house": money(-sum(paid))}


def median(step: MedianStep, at: str) -> dict[str, Any]:
    """The lower median by stake of what is kept."""
    tick = positive(step.tick, f"{at}.tick")
    reports = []
    for number, report in enumerate(step.reports):
        ticks = whole(exact_rational(report.price) / tick, f"{at}.reports[{number}].price", 1, INDEX_TICKS_MAX)
        reports.append(WeightedReport(number, report.power, ticks, 0))
    require(sum(report.power for report in reports) > 0, f"{at}.reports", str(len(reports)))
    first = filter_outliers(reports, step.deviations, step.floor_ppm)
    after = filter_outliers(first.used, 0, 0)
    return {
        "median_before": tick * first.median_ticks,
        "deviation": tick * first.deviation_ticks,
        "limit": tick * first.limit_ticks,
        "dropped": [report.validator for report in first.dropped],
        "price": tick * after.median_ticks,
    }


def variance(step: VarianceStep, at: str) -> dict[str, Any]:
    """The variance after each return."""
    require(step.decimals <= RETURN_DECIMALS_MAX, f"{at}.decimals", str(step.decimals))
    value = units(step.variance, 2 * step.decimals, f"{at}.variance", 0)
    decay = whole(exact_rational(step.decay) * PPM, f"{at}.decay", 0, PPM)
    after = []
    for number, change in enumerate(step.returns):
        moved = units(change, step.decimals, f"{at}.returns[{number}]")
        value = next_variance(value, moved, decay)
        after.append(Fraction(value, 10 ** (2 * step.decimals)))
    return {"variances": after, "variance": Fraction(value, 10 ** (2 * step.decimals))}


def rescaled(step: Rescale, at: str) -> dict[str, Any]:
    """The returns as they would be at today's deviation."""
    places = step.decimals
    require(len(step.returns) == len(step.deviations), f"{at}.deviations", str(len(step.deviations)))
    returns = [units(change, places, f"{at}.returns[{number}]") for number, change in enumerate(step.returns)]
    then = [
        units(deviation, places, f"{at}.deviations[{number}]", 1) for number, deviation in enumerate(step.deviations)
    ]
    now = units(step.deviation, places, f"{at}.deviation", 1)
    return {"returns": [Fraction(rescale_return, 10**places) for rescale_return in rescale_returns(returns, then, now)]}


def shortfall(step: Shortfall, at: str) -> dict[str, Any]:
    """The mean of the `tail` largest losses."""
    require(1 <= step.tail <= len(step.losses), f"{at}.tail", str(step.tail))
    losses = [units(loss, step.decimals, f"{at}.losses[{number}]") for number, loss in enumerate(step.losses)]
    return {"expected_shortfall": Fraction(expected_shortfall(losses, step.tail), 10**step.decimals)}


def _amounts(shares: Sequence[ShareInput], decimals: int, at: str) -> list[int]:
    return [units(share.amount, decimals, f"{at}[{number}].amount", 0) for number, share in enumerate(shares)]


def _split(total: int, shares: Sequence[ShareInput], rule: str, at: str) -> list[int]:
    """`total` by the shares' amounts, in any unit."""
    exacts = [exact_rational(share.amount) for share in shares]
    common = lcm(*(exact.denominator for exact in exacts))
    require_short(common)
    negative = [exact for exact in exacts if exact < 0]
    require(not negative and (sum(exacts) > 0 or total == 0), at, printed(negative[0] if negative else Fraction(0)))
    weights = [(exact * common).numerator for exact in exacts]
    if rule == "largest_fraction":
        return allocate(total, weights)
    whole_weight = sum(weights)
    parts = [total * weight // whole_weight if whole_weight else 0 for weight in weights[:-1]]
    return [*parts, total - sum(parts)]


def _allocation_result(shares: Sequence[ShareInput], amounts: Sequence[int], decimals: int) -> dict[str, Any]:
    scale = 10**decimals
    payments = [
        {"of": share.of, "amount": Fraction(amount, scale)} for share, amount in zip(shares, amounts, strict=True)
    ]
    return {"shares": payments, "sum": Fraction(sum(amounts), scale)}
