"""Page "Verification", section "With a genesis". A genesis is a mapping of its compared parts by name."""

from typing import Any

from tests.vectors.proofs.runner import options, rules, tables
from tests.vectors.proofs.runner.encoding import need

PPM = 10**6
Record = dict[str, Any]
FIXED = ("chain_id", "vault", "token", "balances")
MOVING = ("range_ppm", "volatility_ppm", "volatility_range_ppm")
KINDS = {
    "feeds": "array of `Feed`",
    "cash_groups": "array of `CashGroup`",
    "assets": "array of `Asset`",
    "instruments": "array of `Instrument`",
    "risk": "`RiskParameters`",
    "ranges": "`RangeParameters`",
}
"""The types of the compared parts."""
SURFACES = "array of `SurfaceTerms`"
"""Of `surfaces`, which a genesis without live surfaces need not have."""
DYNAMIC = (
    *("range_share_ppm", "volatility_ppm", "liquidity_ppm", "finality_ppm"),
    *("confidence_share_ppm", "outage_ms"),
)


def collateral_of(asset: Record) -> Record:
    """What a guarded asset becomes."""
    depeg = asset["depeg"]
    named = {name: depeg[name] for name in ("unit_decimals", "feed", "feed_tokens", "haircut_ppm")}
    cap = asset["cap_units"] // 10 ** (asset["unit_decimals"] - depeg["unit_decimals"])
    plain = {field.name: tables.default_of("DepegTerms", field) for field in tables.fields("DepegTerms")}
    return asset | named | {"cash_group": 0, "cap_units": cap, "depeg": plain}


def guarded(asset: Record) -> bool:
    return bool(asset["cash_group"] and asset["depeg"]["feed"])


def tokens_of(genesis: Record) -> list[Record]:
    found = [collateral_of(asset) if guarded(asset) else asset for asset in genesis["assets"]]
    return [asset for asset in found if not asset["cash_group"]]


def check_custody(statement: Record, genesis: Record) -> None:
    groups = {group["id"]: group["name"] for group in genesis["cash_groups"]}
    assets = [*genesis["assets"], *(collateral_of(asset) for asset in genesis["assets"] if guarded(asset))]
    listed = []
    for asset in assets:
        cash, unit = asset["cash_group"], 10 ** (asset["token_decimals"] - asset["unit_decimals"])
        name = f"cash:{groups[cash]}" if cash else f"token:{asset['chain_id']}:{asset['name']}"
        listed.append(([asset[field] for field in FIXED], unit, name))
    for term in statement["custody"]:
        slot = statement["slots"][term["slot"]]["name"]
        need(([term[name] for name in FIXED], term["unit"], slot) in listed, "CUSTODY_UNLISTED", slot)
    stated = {(term["chain_id"], term["token"]) for term in statement["custody"]}
    wanted = {(asset["chain_id"], asset["token"]) for asset in assets}
    need(wanted <= stated, "CUSTODY_UNLISTED", "missing")


def check_rules(statement: Record, genesis: Record, certified_ms: int, network: bytes) -> Record:
    """Check `rules` with a genesis; returns the rulebook."""
    book = rules.check(statement, certified_ms, genesis["time_ms"])

    def same(what: str, good: bool) -> None:
        need(good, "RULES_DIFFER", what)

    same("network", statement["network"] == network)
    same("instruments", book["instruments"] == genesis["instruments"])
    same("cash groups", book["cash_groups"] == genesis["cash_groups"])
    named = sorted((feed["id"], feed["name"]) for feed in genesis["feeds"])
    same("feeds", [(feed["feed"], feed["name"]) for feed in book["feeds"]] == named)
    tokens = tokens_of(genesis)
    same("tokens", len(tokens) == len(book["tokens"]))
    for k, (token, listed) in enumerate(zip(book["tokens"], tokens, strict=True)):
        terms, haircut = listed["scenarios"], token["haircut_ppm"]
        same("token", token | {"rate_ticks": 0, "haircut_ppm": listed["haircut_ppm"]} == listed)
        base = terms["haircut_ppm"] if terms["group"] else listed["haircut_ppm"]
        share = rules.missing_share(statement, len(book["cash_groups"]) + k)
        step = listed["haircut"]["step_ppm"]
        least = min(-(-(base + share) // step) * step, PPM) if share else base
        moves = any(listed["haircut"][name] for name in DYNAMIC)
        same("haircut", haircut == least or (moves and haircut > least))
    parameters = without_live_surfaces(book["parameters"], genesis, book["time_ms"])
    same_parameters(parameters, genesis["risk"], genesis["ranges"])
    return book


def without_live_surfaces(stated: Record, genesis: Record, now: int) -> Record:
    """The parameters with the genesis's own values in the place of each live surface, which is checked."""
    fixed, terms = genesis["risk"]["groups"], {each["group"]: each for each in genesis.get("surfaces", ())}
    if len(stated["groups"]) != len(fixed):
        return stated
    groups = []
    for group, own in zip(stated["groups"], fixed, strict=True):
        live = group["curve"] and group["id"] in terms
        if live:
            check_surface(group, terms[group["id"]], genesis, now)
        kept = ("surface", "curve", "volatility_ppm") if live else ()
        groups.append(group | {name: own[name] for name in kept})
    return stated | {"groups": groups}


def check_surface(group: Record, terms: Record, genesis: Record, now: int) -> None:
    def within(what: str, good: bool) -> None:
        need(good, "RULES_DIFFER", f"{what} of a surface")

    curve, surface, rate = group["curve"], group["surface"], genesis["risk"]["rate_ppm"]
    within("volatility", group["volatility_ppm"] == PPM)
    within("expiry", curve[0]["expiry_ms"] > now)
    tenors = sorted({max(each["expiry_ms"] - now, 3_600_000) for each in curve})
    within("smiles", [pillar["tenor_ms"] for pillar in surface] == tenors)
    for pillar in surface:
        within("level", terms["level_min_ppm"] <= pillar["level_ppm"] <= terms["level_max_ppm"])
        within("skew", abs(pillar["skew_ppm"]) <= terms["skew_max_ppm"])
        within("wing", pillar["wing_ppm"] <= terms["wing_max_ppm"])
    for each in curve:
        within("rate", abs(each["rate_ppm"]) <= terms["rate_max_ppm"])
        n = options.forward_of(10**9, each["expiry_ms"], rate, now)
        m = options.forward_of(10**9, each["expiry_ms"], rate, genesis["time_ms"])
        low, high = n * (PPM - terms["basis_max_ppm"]) // PPM, m * (PPM + terms["basis_max_ppm"]) // PPM
        within("forward", low <= each["forward_ppb"] <= high)


def same_parameters(stated: Record, fixed: Record, ranges: Record) -> None:
    def same(what: str, good: bool) -> None:
        need(good, "RULES_DIFFER", what)

    if not ranges["interval_ms"]:
        same("parameters", stated == fixed)
        return
    same("groups", len(stated["groups"]) == len(fixed["groups"]))
    still = dict.fromkeys(MOVING, 0)
    for group, own in zip(stated["groups"], fixed["groups"], strict=True):
        same("group", group | still == own | still)
        inside = ranges["range_min_ppm"] <= group["range_ppm"] <= ranges["range_max_ppm"]
        same("range", group["range_ppm"] == own["range_ppm"] or inside)
        weight = ranges["volatility_weight_ppm"]
        lowest = max(own["volatility_ppm"] * (PPM - weight) // PPM, 1)
        same("volatility", group["volatility_ppm"] >= lowest if weight else group["volatility_ppm"] == lowest)
        shift, least = group["volatility_range_ppm"], own["volatility_range_ppm"]
        same("volatility range", shift >= least if ranges["volatility_multiple_ppm"] else shift == least)
    apart = {"groups": 0, "joint": 0, "history": 0}
    same("parameters", stated | apart == fixed | apart)
    for part, most in (("joint", ranges["joint_scenarios"]), ("history", ranges["historical_scenarios"])):
        joint = stated[part]
        if joint == fixed[part]:
            continue
        count = sum(each["count"] for each in joint["scenarios"])
        known = most and ranges["window_min"] <= count <= ranges["window"]
        same(part, bool(known) and len(joint["scenarios"]) <= most + 1)
        exact, fraction = count * ranges["joint_tail_ppm"], 0
        whole = max(-(-exact // PPM), 1)
        if ranges["joint_tail_exact"]:
            whole, fraction = (exact // PPM, exact % PPM) if exact >= PPM else (1, 0)
        same(part, (joint["tail"], joint["tail_part_ppm"]) == (whole, fraction))
        moving = {"scenarios": 0, "tail": 0, "tail_part_ppm": 0}
        same(part, joint | moving == fixed[part] | moving)
