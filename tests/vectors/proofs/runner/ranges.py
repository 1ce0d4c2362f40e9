"""Page "The rulebook", section "Ranges"."""

from itertools import pairwise
from typing import Any

from tests.vectors.proofs.runner import tables
from tests.vectors.proofs.runner.encoding import need

PPM, YEAR, DAY, HOUR = 10**6, 31_536_000_000, 86_400_000, 3_600_000
Record = dict[str, Any]


def good(holds: bool, why: str) -> None:
    need(holds, "BAD_STATEMENT", why)


def rises(items: list[Any]) -> bool:
    return all(a < b for a, b in pairwise(items))


def check_ranges(book: Record) -> None:
    parameters = book["parameters"]
    groups, network = parameters["groups"], parameters["scenarios"]
    ids = [group["id"] for group in groups]
    good(rises(ids) and min(ids, default=1) >= 1, "groups")
    good(len({group["name"] for group in groups}) == len(groups), "groups")
    good(1 <= len(network) <= 64, "scenarios")
    num, den = parameters["maintenance_numerator"], parameters["maintenance_denominator"]
    good(1 <= num <= den <= 1000, "maintenance")
    good(parameters["cash_limit_micros"] < 2**62 and parameters["rate_ppm"] <= PPM, "cash limit")
    check_scenarios(network)
    for group in groups:
        good(1 <= group["range_ppm"] <= PPM and 1 <= group["volatility_ppm"] <= 10**8, "group")
        good(group["volatility_range_ppm"] <= 10**8 and group["short_option_ppm"] <= PPM, "group")
        good(len(group["scenarios"]) <= 64, "group")
        check_scenarios(group["scenarios"])
        check_shock(group["shock"])
        check_surface(group["surface"], group["volatility_ppm"])
        check_curve(group["curve"])
        check_group_charges(group["charges"])
    check_charges(parameters)
    check_joint(parameters["joint"], [len(group["scenarios"] or network) for group in groups])
    check_history(parameters["history"], len(groups), len(parameters["joint"]["scenarios"]))
    stress = parameters["stress"]
    names = [each["name"] for each in stress]
    good(len(stress) <= 16 and len(set(names)) == len(names) and all(names), "stress")
    good(parameters["default_fund_micros"] < 2**62 and bool(stress or not parameters["default_fund_micros"]), "fund")
    for each in stress:
        good(len(each["moves"]) == len(groups), "stress")
        check_scenarios(each["moves"])
    check_instruments(book["instruments"])
    for token in book["tokens"]:
        yields = token["yields"]
        good(token["cash_group"] == 0 and token["unit_decimals"] <= token["token_decimals"], "token")
        good(token["haircut_ppm"] <= PPM and yields["haircut_ppm"] <= PPM, "token")
        good(token["feed_tokens"] >= 1 and yields["unit_ticks"] >= 1, "token")
        terms = token["scenarios"]
        good(terms["haircut_ppm"] <= PPM and terms["fall_share_ppm"] <= 3 * PPM, "token")
        good(bool(terms["group"]) or not any(terms.values()), "token")


def check_group_charges(charges: Record) -> None:
    good(len(charges["basis"]) <= 8, "basis")
    for move in charges["basis"]:
        points = move["points"]
        good(1 <= len(points) <= 16 and rises([point["tenor_ms"] for point in points]), "basis points")
        good(all(p["tenor_ms"] <= 10 * YEAR and abs(p["shift_ppm"]) <= PPM for p in points), "basis points")
        good(abs(move["perpetual_ppm"]) <= PPM, "shift of perpetuals")
    for charge in (charges["delta"], charges["vega"]):
        good(charge["rate_ppm"] <= PPM and charge["depth_micros"] <= 2**50, "net charge")
        good(charge["linear_impact_ppm"] <= PPM and charge["root_impact_ppm"] <= PPM, "net charge")
        sizes = charge["sizes_ppm"]
        good(1 <= len(sizes) <= 8 and sizes[0] > 0 and rises(sizes) and sizes[-1] <= 32 * PPM, "sizes")


def check_scenarios(scenarios: list[Record]) -> None:
    for s in scenarios:
        good(1 <= s["move_denominator"] <= 1000, "scenario")
        good(abs(s["move_numerator"]) <= 3 * s["move_denominator"] and s["weight_ppm"] <= PPM, "scenario")
        signs = (s["volatility_direction"], s["skew_linear"], s["skew_absolute"])
        good(all(sign in (-1, 0, 1) for sign in signs), "scenario")
        stated = s["volatility_ppm"]
        good(-PPM <= stated <= 10 * PPM and not (stated and s["volatility_direction"]), "scenario")


def check_shock(shock: Record) -> None:
    good(max(shock["short_power_ppm"], shock["long_power_ppm"], shock["down_ppm"]) <= PPM, "shock")
    good(HOUR <= shock["tenor_min_ms"] <= 365 * DAY and shock["up_floor_ppm"] <= 10**8, "shock")
    good(max(shock["skew_linear_ppm"], shock["skew_absolute_ppm"]) <= 500_000, "shock")
    good(10**5 <= shock["skew_width_ppm"] <= 10**8, "shock")


def check_surface(pillars: list[Record], v: int) -> None:
    good(len(pillars) <= 64 and rises([pillar["tenor_ms"] for pillar in pillars]), "surface")
    for p in pillars:
        good(HOUR <= p["tenor_ms"] <= 10 * YEAR and 1 <= p["level_ppm"] <= 10**7, "pillar")
        good(abs(p["skew_ppm"]) <= 990_000 and p["wing_ppm"] <= 2 * PPM, "pillar")
    if not pillars:
        return
    wing, skew = max(p["wing_ppm"] for p in pillars), max(abs(p["skew_ppm"]) for p in pillars)
    good(wing**2 * (PPM + skew) <= 4 * 10**18, "butterfly")
    for i, p in enumerate(pillars):
        tenor = max(p["tenor_ms"], YEAR) if i == len(pillars) - 1 else p["tenor_ms"]
        slope = p["wing_ppm"] * p["level_ppm"] * v * (PPM + abs(p["skew_ppm"]))
        good(slope**2 * tenor < 16 * 10**48 * YEAR, "butterfly")
    for near, far in pairwise(pillars):
        a, b = (p["level_ppm"] ** 2 * p["tenor_ms"] for p in (near, far))
        good(a <= b, "calendar")
        for sign in (1, -1):
            reach = [p["wing_ppm"] * (PPM + sign * p["skew_ppm"]) for p in (near, far)]
            good(reach[0] ** 2 * a <= reach[1] ** 2 * b, "calendar")
        good(far["wing_ppm"] ** 2 * a <= near["wing_ppm"] ** 2 * b, "calendar")


def check_curve(curve: list[Record]) -> None:
    good(len(curve) <= 64 and rises([each["expiry_ms"] for each in curve]), "curve")
    for each in curve:
        good(1 <= each["expiry_ms"] <= 2**62 - 1 and 1 <= each["forward_ppb"] <= 10**12, "curve")
        good(abs(each["rate_ppm"]) <= PPM, "curve")


def check_charges(parameters: Record) -> None:
    charges, tiers = parameters["charges"], parameters["concentration"]
    good(rises([charge["instrument"] for charge in charges]), "charges")
    good(rises([(tier["asset"], tier["above_units"]) for tier in tiers]), "concentration")
    for charge in charges:
        good(charge["contingency_ppm"] + charge["slippage_ppm"] <= PPM, "charge")
        good(charge["depth_lots"] <= 2**39 - 1, "charge")
        good(max(charge["linear_impact_ppm"], charge["root_impact_ppm"]) <= PPM, "charge")
        good(1 <= len(charge["sizes_ppm"]) <= 8 and rises([0, *charge["sizes_ppm"]]), "charge")
    for asset in {tier["asset"] for tier in tiers}:
        good(sum(tier["haircut_ppm"] for tier in tiers if tier["asset"] == asset) <= PPM, "concentration")


def check_joint(joint: Record, columns: list[int]) -> None:
    listed = joint["scenarios"]
    total = sum(scenario["count"] for scenario in listed)
    good(len(listed) <= 256 and rises([scenario["columns"] for scenario in listed]), "joint")
    good(all(scenario["count"] for scenario in listed) and total <= 2**20, "joint")
    averaged = joint["tail"] * PPM + joint["tail_part_ppm"]
    good(joint["tail"] >= 1 and (not listed or averaged <= total * PPM), "joint")
    good(joint["tail_part_ppm"] < PPM, "joint")
    good(1 <= joint["weight_ppm"] <= 999_999, "joint")
    for scenario in listed:
        good(len(scenario["columns"]) == len(columns), "joint")
        good(all(a <= b for a, b in zip(scenario["columns"], columns, strict=True)), "joint")


def check_history(history: Record, groups: int, joint: int) -> None:
    listed = history["scenarios"]
    total = sum(scenario["count"] for scenario in listed)
    sizes = [[(m["price_ppm"], m["volatility_ppm"]) for m in scenario["moves"]] for scenario in listed]
    good(len(listed) <= 256 and rises(sizes) and not (listed and joint), "history")
    good(all(scenario["count"] for scenario in listed) and total <= 2**20, "history")
    averaged = history["tail"] * PPM + history["tail_part_ppm"]
    good(history["tail"] >= 1 and (not listed or averaged <= total * PPM), "history")
    good(history["tail_part_ppm"] < PPM and 1 <= history["weight_ppm"] <= 999_999, "history")
    for each in sizes:
        good(len(each) == groups, "history")
        good(all(abs(price) <= 3 * PPM and -PPM <= level <= 10 * PPM for price, level in each), "history")


def check_instruments(instruments: list[Record]) -> None:
    good(rises([each["id"] for each in instruments]), "instruments")
    good(len({each["name"] for each in instruments}) == len(instruments), "instruments")
    for each in instruments:
        kind = tables.members("InstrumentKind")[each["kind"]]
        dated, option = kind != "PERPETUAL", kind in ("CALL", "PUT")
        good(1 <= each["id"] <= 2**32 - 2 and 1 <= each["micros_per_tick"] <= 2**16, "instrument")
        good((each["expiry_ms"] > 0) is dated and (each["strike_ticks"] > 0) is option, "instrument")
        good(each["strike_ticks"] <= 2**40 - 1 and 1 <= each["band_ppm"] <= PPM, "instrument")
        good(each["cash_group"] >= 1 and each["averaging_ms"] <= DAY, "instrument")
        good(dated or each["averaging_ms"] == 0, "instrument")
        good(each["delivery_asset"] == 0 or kind == "FORWARD", "instrument")
        check_funding(each["funding"], dated)


def check_funding(terms: Record, dated: bool) -> None:
    if dated:
        plain = {field.name: tables.default_of("FundingTerms", field) for field in tables.fields("FundingTerms")}
        good(terms == plain, "funding")
        return
    week, half = 7 * DAY, 500_000
    premium, paid = terms["premium_cap_ppm"] > 0, terms["interval_ms"] > 0
    by_trades, cover = premium and terms["premium_feed"] == 0, terms["wash_cover_ppm"]
    good(terms["premium_cap_ppm"] <= half and terms["window_ms"] <= week, "funding")
    good((terms["window_ms"] > 0) is premium and (terms["depth_lots"] > 0) is by_trades, "funding")
    good(terms["depth_lots"] < 2**32 and terms["interval_ms"] <= week, "funding")
    good(1 <= terms["period_ms"] <= week and terms["rate_cap_ppm"] <= half, "funding")
    good((terms["rate_cap_ppm"] > 0) is paid, "funding")
    good(terms["rate_cap_ppm"] * terms["interval_ms"] <= PPM * terms["period_ms"], "funding")
    good(max(terms["interest_ppm"], terms["dampener_ppm"]) <= half, "funding")
    good(premium or not terms["premium_feed"], "funding")
    good(cover == 0 or (by_trades and PPM <= cover <= 10**9), "funding")
