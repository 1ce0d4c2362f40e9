"""Page "The rulebook": slots and rows out of parameters and prices, and their comparison."""

from itertools import pairwise
from math import gcd, isqrt
from typing import Any

from tests.vectors.proofs.runner import carries, options, tables
from tests.vectors.proofs.runner.custody import missing_ppm
from tests.vectors.proofs.runner.encoding import Reader, Refused, need, packed
from tests.vectors.proofs.runner.options import up
from tests.vectors.proofs.runner.ranges import check_ranges

PPM, NANO = 10**6, 10**9
SENSITIVITY_GRID = [
    {
        "move_numerator": top,
        "move_denominator": bottom,
        "volatility_direction": direction,
        "weight_ppm": PPM,
        "of_index": of_index,
        "skew_linear": 0,
        "skew_absolute": 0,
        "volatility_ppm": 0,
    }
    for top, bottom, direction, of_index in (
        (1, 100, 0, True),
        (-1, 100, 0, True),
        (1, 1, 0, True),
        (0, 1, 1, False),
        (0, 1, -1, False),
    )
]
ASSUMPTIONS = [
    "auction_liquidity",
    "cash_calls",
    "collateral_caps",
    "default_waterfall",
    "initial_margin",
    "interest_accrued",
    "price_formation",
    "soft_credit",
    "uncredited_deposits",
    "withdrawal_restrictions",
]
Record = dict[str, Any]
Lines = list[tuple[int, int]]
COEFFICIENT_MAX = 2**62 - 1


def check(statement: Record, certified_ms: int, listed_ms: int = 0) -> Record:
    """Check `rules`, without a genesis but for its time; returns the rulebook."""

    def holds(what: str, good: bool) -> None:
        need(good, "RULES_DIFFER", what)

    def same(what: str, stated: Any, computed: Any) -> None:
        holds(what, stated == computed)

    need(bool(statement["rules"]), "RULES_DIFFER", "no rulebook")
    book = read(statement["rules"], len(statement["slots"]))
    maker = Maker(book)
    maker.lay_slots()
    same("slots", [(slot["name"], slot["kind"], slot["group"]) for slot in statement["slots"]], maker.slots)
    same("number of rows", len(statement["rows"]), maker.row_count())
    stated = [
        (r["kind"], list(map(tuple, r["coefficients"])), r["constant"], r["shortfall"]) for r in statement["rows"]
    ]
    maker.price()
    maker.make_rows(stated)
    same("groups", statement["groups"], [group["name"] for group in book["parameters"]["groups"]])
    same("scenarios", statement["scenarios"], maker.width)
    same("prices", [(price["name"], price["ticks"]) for price in statement["prices"]], maker.prices())
    named = ASSUMPTIONS if book["parameters"]["stress"] else sorted([*ASSUMPTIONS, "default_fund"])
    same("assumptions", statement["assumptions"], named)
    listed = {feed["feed"]: feed for feed in book["feeds"]}
    wanted = [each["feed"] for each in (*book["instruments"], *book["tokens"])]
    wanted += [token["yields"]["feed"] for token in book["tokens"] if token["yields"]["feed"]]
    holds("feeds", set(wanted) <= set(listed))
    for token in book["tokens"]:
        rate = listed[token["yields"]["feed"]] if token["yields"]["feed"] else None
        ticks = rate["ticks"] if rate is not None and rate["used"] else 0
        same("rate", token["rate_ticks"], min(ticks, 100 * token["yields"]["unit_ticks"]))
    check_marks(book, book["time_ms"], listed_ms)
    for terms in statement["cover"]:
        most = book["parameters"]["default_fund_micros"]
        holds("fund", terms["fund_account"] == 0 and terms["fund"] <= most)
    first = len(book["cash_groups"])
    for k, token in enumerate(book["tokens"]):
        holds("haircut", token["haircut_ppm"] >= missing_share(statement, first + k))
    holds("time", book["time_ms"] <= certified_ms)
    return book


def settled_instruments(book: Record) -> list[int]:
    """Numbers of the instruments whose feed is not used."""
    settled = {feed["feed"] for feed in book["feeds"] if not feed["used"]}
    return [each["id"] for each in book["instruments"] if each["feed"] in settled]


def missing_share(statement: Record, slot: int) -> int:
    return max([0, *(missing_ppm(term) for term in statement["custody"] if term["slot"] == slot)])


def read(data: bytes, slots: int) -> Record:
    def good(holds: bool, why: str) -> None:
        need(holds, "BAD_STATEMENT", why)

    good(len(data) <= 2**20, "rulebook")
    try:
        book: Record = Reader(data).whole("`Rulebook`")
    except Refused as refused:
        raise Refused("BAD_STATEMENT", *refused.args) from None
    good(packed(Reader(data).anything()) == data, "not the shortest forms")
    parameters = book["parameters"]
    lists = (book["instruments"], book["cash_groups"], book["tokens"], parameters["groups"], parameters["stress"])
    good(book["version"] == 1 and sum(map(len, lists)) <= slots, "rulebook")
    names = [each["name"] for listed in (*lists, book["feeds"]) for each in listed]
    good(all(len(name.encode()) <= 256 for name in names), "a long name")
    of_feeds = [feed["name"] for feed in book["feeds"]]
    good(len(set(of_feeds)) == len(of_feeds), "two feeds of one name")
    check_ranges(book)
    groups = {group["id"] for group in parameters["groups"]}
    for name, key in (("feeds", "feed"), ("cash_groups", "id"), ("tokens", "id"), ("marks", "instrument")):
        numbers = [each[key] for each in book[name]]
        good(numbers == sorted(set(numbers)), name)
    good(all(each["group"] in groups for each in book["instruments"]), "groups")
    good(all(each["scenarios"]["group"] in {0, *groups} for each in book["tokens"]), "groups of tokens")
    known = {each["id"] for each in book["instruments"]}
    good(all(mark["instrument"] in known and mark["ticks"] <= 2**48 for mark in book["marks"]), "marks")
    good(all(int(feed["used"]) <= feed["ticks"] <= 2**40 - 1 for feed in book["feeds"]), "feeds")
    carries.check_averages(book)
    return book


def check_marks(book: Record, latest: int, listed_ms: int) -> None:
    """Section "Bounds of marks"."""
    index = {feed["feed"]: feed["ticks"] for feed in book["feeds"] if feed["used"]}
    marks = {mark["instrument"]: mark["ticks"] for mark in book["marks"]}
    curves = {group["id"]: group["curve"] for group in book["parameters"]["groups"]}
    averages = carries.known_averages(book)
    for each in book["instruments"]:
        if each["id"] in marks and each["feed"] in index:
            x = index[each["feed"]]
            curve = curves[each["group"]] if book["parameters"]["futures_on_curve"] else []
            low, high = bounds_of_mark(each, x, book["parameters"]["rate_ppm"], latest, listed_ms, curve)
            if carries.is_option(each) and high is not None:
                known = averages.get(each["id"])
                high = carries.highest_of_option(high, each, x, curves[each["group"]], known, latest)
            mark = marks[each["id"]]
            need(low <= mark and (high is None or mark <= high), "PRICE_OUT_OF_BOUNDS", each["name"])


def bounds_of_mark(
    each: Record, x: int, rate_ppm: int, latest: int, listed_ms: int, curve: list[Record]
) -> tuple[int, int | None]:
    kind = tables.members("InstrumentKind")[each["kind"]]
    expired = kind != "PERPETUAL" and latest >= each["expiry_ms"]
    if kind == "PERPETUAL":
        d = x * each["funding"]["premium_cap_ppm"] // PPM
        return max(x - d, 1), x + d
    if kind == "CALL":
        return 0, None if expired else x
    if kind == "PUT":
        return 0, each["strike_ticks"] * (2 if expired else 1)
    forward = carries.future_of(x, curve, each["expiry_ms"], 0, latest)
    a = each["averaging_ms"]
    c = min(max(latest - (each["expiry_ms"] - a), 0), a)
    if expired or c > 0:
        left = 0 if expired else a - c
        return max(min(x, forward) * left // max(a, 1), 1), None
    return min(x, forward), max(options.forward_of(x, each["expiry_ms"], rate_ppm, listed_ms), forward)


def shocked(x: int, range_ppm: int, s: Record) -> int:
    reach = PPM if s["of_index"] else range_ppm
    size = up(x * reach, abs(s["move_numerator"]), PPM * s["move_denominator"])
    return max(x + size if s["move_numerator"] > 0 else x - size, 1)


def token_value(token: Record, ticks: int) -> int:
    over = ticks * 10_000 * (PPM - token["haircut_ppm"])
    under = PPM * 10 ** token["unit_decimals"] * token["feed_tokens"]
    yields = token["yields"]
    if yields["feed"]:
        over *= token["rate_ticks"] * (PPM - yields["haircut_ppm"])
        under *= yields["unit_ticks"] * PPM
    return int(over // under)


def moved_value(token: Record, x: int, range_ppm: int, s: Record) -> int:
    """A unit's value where its own feed moves."""
    base = token_value(token, x)
    moved = min(shocked(x, range_ppm, s), 2**40 - 1)
    return base + (token_value(token, moved) - base) * s["weight_ppm"] // PPM


def fallen_value(base: int, share: int, range_ppm: int, s: Record) -> int:
    """A unit's value where it falls along with a group."""
    if s["move_numerator"] >= 0:
        return base
    reach = PPM if s["of_index"] else range_ppm
    fall = up(base * share * reach, s["weight_ppm"] * abs(s["move_numerator"]), 10**18 * s["move_denominator"])
    return max(base - fall, 0)


def lines_of(points: Lines) -> Lines:
    found, reached = [], 0
    for i, (size, slope) in enumerate(points):
        found.append((slope, slope * size - reached))
        after = points[i + 1][0] if i + 1 < len(points) else size
        reached += slope * (after - size)
    return [line for line in found if line[0]]


def away(product: int, whole: int) -> int:
    """product / whole, away from zero."""
    return up(product, 1, whole) if product >= 0 else product // whole


def shift_of(move: Record, instrument: Record, now: int) -> int:
    if not instrument["expiry_ms"]:
        return int(move["perpetual_ppm"])
    tenor, points = instrument["expiry_ms"] - now, move["points"]
    if tenor <= points[0]["tenor_ms"]:
        return int(points[0]["shift_ppm"])
    for near, far in pairwise(points):
        if tenor <= far["tenor_ms"]:
            rise = (far["shift_ppm"] - near["shift_ppm"]) * (tenor - near["tenor_ms"])
            return int(near["shift_ppm"] + rise // (far["tenor_ms"] - near["tenor_ms"]))
    return int(points[-1]["shift_ppm"])


class Maker:
    """Slots and rows of a rulebook."""

    def __init__(self, book: Record) -> None:
        self.book, self.parameters = book, book["parameters"]
        self.instruments, self.tokens, self.cash = book["instruments"], book["tokens"], book["cash_groups"]
        self.groups: list[Record] = self.parameters["groups"]
        self.index = {feed["feed"]: feed["ticks"] for feed in book["feeds"] if feed["used"]}
        self.marks = {mark["instrument"]: mark["ticks"] for mark in book["marks"]}
        self.averages = carries.known_averages(book)
        grids = [self.parameters["scenarios"], *(group["scenarios"] for group in self.groups)]
        self.width = max(map(len, grids))
        self.past: list[Record] = self.parameters["history"]["scenarios"]
        self.joint = self.parameters["joint"]
        if self.past:
            numbered = enumerate(self.past, start=1 + self.width)
            listed = [
                {"columns": [column] * len(self.groups), "count": scenario["count"]} for column, scenario in numbered
            ]
            self.joint = self.parameters["history"] | {"scenarios": listed}
        self.kinds = {name: number for number, name in tables.members("SlotKind").items()}
        (self.at_least_zero,) = (k for k, name in tables.members("RowKind").items() if name == "AT_LEAST_ZERO")

    def prices(self) -> list[tuple[str, int]]:
        names = {each["id"]: each["name"] for each in self.instruments}
        found = [
            (f"{'index' if feed['used'] else 'settled'}:{feed['name']}", feed["ticks"]) for feed in self.book["feeds"]
        ]
        found += [(f"mark:{names[mark['instrument']]}", mark["ticks"]) for mark in self.book["marks"]]
        return sorted(found, key=lambda price: price[0].encode())

    # Values.

    def moves_of(self, group: Record) -> list[Record]:
        """A group's moves of history, as scenarios."""
        place = self.groups.index(group)
        still = {"volatility_direction": 0, "weight_ppm": PPM, "of_index": True, "skew_linear": 0, "skew_absolute": 0}
        moves = [scenario["moves"][place] for scenario in self.past]
        return [
            still | {"move_numerator": m["price_ppm"], "move_denominator": PPM, "volatility_ppm": m["volatility_ppm"]}
            for m in moves
        ]

    def filled(self, row: list[int], grid: int) -> list[int]:
        """The row with V[0] for the scenarios that another group's grid has more, before those of history."""
        return row[: 1 + grid] + row[:1] * (self.width - grid) + row[1 + grid :]

    def row_of(self, instrument: Record, grid: list[Record], width: int) -> list[int]:
        """V[0] … V[S] of a lot."""
        x = self.index.get(instrument["feed"], 0)
        if not x:
            return [0] * (1 + width)
        group = next(group for group in self.groups if group["id"] == instrument["group"])
        kind = tables.members("InstrumentKind")[instrument["kind"]]
        rate, now = self.parameters["rate_ppm"], self.book["time_ms"]
        if kind in ("CALL", "PUT"):
            row = self._option_row(instrument, kind == "CALL", x, group, grid)
        else:
            dated = kind in ("FUTURE", "FORWARD")
            curve = carries.curve_of_futures(self.parameters, group)
            carried = carries.future_of(x, curve, instrument["expiry_ms"], rate, now) if dated else x
            mark = self.marks.get(instrument["id"], carried)
            gains = [(shocked(mark, group["range_ppm"], s) - mark) * instrument["micros_per_tick"] for s in grid]
            row = [0, *(gain * s["weight_ppm"] // PPM for gain, s in zip(gains, grid, strict=True))]
        return row + row[:1] * (1 + width - len(row))

    def _option_row(self, option: Record, is_call: bool, x: int, group: Record, grid: list[Record]) -> list[int]:
        now = self.book["time_ms"]
        tenor = option["expiry_ms"] - now
        carry = carries.carry_of(group["curve"], option["expiry_ms"], self.parameters["rate_ppm"], now)
        known = self.averages.get(option["id"])
        forward = float(options.settling_forward(known, carry.forward(x)))
        k = options.log_moneyness(forward, float(option["strike_ticks"]))
        vol = options.option_volatility(group, k, tenor)
        from_money = options.deviations(group, k, tenor)
        row = [options.option_value(option, is_call, x, vol, carry, now, known)]
        for s in grid:
            moved = options.scenario_volatility(group, vol, from_money, tenor, s)
            full = options.option_value(option, is_call, shocked(x, group["range_ppm"], s), moved, carry, now, known)
            row.append(row[0] + (full - row[0]) * s["weight_ppm"] // PPM)
        return row

    def token_row(self, token: Record) -> list[int]:
        """U[0] … U[S] of a unit; empty for a token without a row."""
        terms = token["scenarios"]
        if not terms["group"]:
            return []
        x, share = self.index.get(token["feed"], 0), terms["fall_share_ppm"]
        if not x:
            return [0] * (1 + self.width + len(self.past))
        group = next(group for group in self.groups if group["id"] == terms["group"])
        base, row = token_value(token, x), []
        grid = group["scenarios"] or self.parameters["scenarios"]
        for s in [*grid, *self.moves_of(group)]:
            if share:
                row.append(fallen_value(base, share, group["range_ppm"], s))
            else:
                row.append(moved_value(token, x, group["range_ppm"], s))
        return self.filled([base, *row], len(grid))

    def stressed_token(self, token: Record, number: int) -> int:
        if token["feed"] not in self.index:
            return 0
        x = self.index[token["feed"]]
        base, found = token_value(token, x), []
        for place, group in enumerate(self.groups):
            s, share = self.parameters["stress"][number]["moves"][place], token["scenarios"]["fall_share_ppm"]
            if group["feed"] == token["feed"]:
                found.append(moved_value(token, x, group["range_ppm"], s))
            if share and group["id"] == token["scenarios"]["group"]:
                found.append(fallen_value(base, share, group["range_ppm"], s))
        value = min(found, default=base)
        need(value <= COEFFICIENT_MAX, "BAD_STATEMENT", "token under stress")
        return value

    # Tariff.

    def notional(self, instrument: Record) -> int:
        return int(self.index.get(instrument["feed"], 0) * instrument["micros_per_tick"])

    def short_rate(self, instrument: Record) -> int:
        if tables.members("InstrumentKind")[instrument["kind"]] not in ("CALL", "PUT"):
            return 0
        group = next(group for group in self.groups if group["id"] == instrument["group"])
        return up(self.notional(instrument), group["short_option_ppm"], PPM)

    def size_lines(self, instrument: Record) -> Lines:
        charge = next((each for each in self.parameters["charges"] if each["instrument"] == instrument["id"]), None)
        if charge is None:
            return []
        notional = self.notional(instrument)
        rate = up(notional, charge["contingency_ppm"] + charge["slippage_ppm"], PPM)
        lines = self._impact_lines(charge, notional)
        if not lines:
            return [(rate, 0)] if rate else []
        return [(rate + slope, intercept) for slope, intercept in lines]

    def _impact_lines(self, charge: Record, notional: int) -> Lines:
        depth = charge["depth_lots"]
        if not depth or not (charge["linear_impact_ppm"] or charge["root_impact_ppm"]):
            return []
        points, start, reached, slope = [], 0, 0, 0
        for z in charge["sizes_ppm"]:
            end = up(depth, z, PPM)
            if end <= start:
                continue
            linear = up(charge["linear_impact_ppm"] * PPM, end, depth)
            square = up((charge["root_impact_ppm"] * PPM) ** 2, end, depth)
            root = isqrt(square) + (isqrt(square) ** 2 < square)
            impact = up(notional * end, linear + root, 10**12)
            slope = max(slope, -(-(impact - reached) // (end - start)))
            points.append((start, slope))
            reached += slope * (end - start)
            start = end
        return lines_of(points)

    def net_terms(self, group: Record) -> list[tuple[str, list[Any]]]:
        """(name, basis moves or lines) of the charges that are on."""
        charges = group["charges"]
        found: list[tuple[str, list[Any]]] = [("basis", charges["basis"])]
        for name in ("delta", "vega"):
            own = charges[name]
            rate = up(NANO, own["rate_ppm"], PPM)
            lines = self._impact_lines({**own, "depth_lots": own["depth_micros"]}, NANO)
            flat = [(rate, 0)] if rate else []
            found.append((name, [(rate + slope, intercept) for slope, intercept in lines] or flat))
        return [(name, of) for name, of in found if of]

    def concentration(self, token: Record, value: int) -> Lines:
        points, fraction = [], 0
        for tier in self.parameters["concentration"]:
            if tier["asset"] == token["id"]:
                fraction += tier["haircut_ppm"]
                points.append((tier["above_units"], up(value, fraction, PPM)))
        return lines_of(points)

    # Slots and rows.

    def slots_and_rows(self) -> tuple[list[Any], list[Any]]:
        """Slots as (name, kind, group), rows as (kind, coefficients, constant, shortfall)."""
        self.lay_slots()
        self.price()
        self.make_rows(None)
        return self.slots, self.rows

    def price(self) -> None:
        """All values, of scenarios and then under stress."""
        grids = {group["id"]: group["scenarios"] or self.parameters["scenarios"] for group in self.groups}
        moved = {group["id"]: grids[group["id"]] + self.moves_of(group) for group in self.groups}
        self.v = [
            self.filled(self.row_of(each, moved[each["group"]], len(moved[each["group"]])), len(grids[each["group"]]))
            for each in self.instruments
        ]
        moves = {
            group["id"]: [each["moves"][place] for each in self.parameters["stress"]]
            for place, group in enumerate(self.groups)
        }
        self.under = [self.row_of(each, moves[each["group"]], len(self.stress)) for each in self.instruments]
        numbers = range(len(self.stress))
        self.tokens_under = [[self.stressed_token(each, number) for each in self.tokens] for number in numbers]

    def make_rows(self, stated: list[Any] | None) -> None:
        """Each row is compared with the stated one before the next is made."""
        self.rows: list[Any] = []
        self.stated = stated
        self._loss_rows()
        self._short_rows()
        self._size_rows()
        self._net_rows()
        if self.joint["scenarios"]:
            self._joint_rows()
        self._equity_rows()
        self._stress_rows()

    def row_count(self) -> int:
        """How many rows there are, by the slots."""
        groups_with_short = {self.instruments[j]["group"] for j in self.short}
        found = len(self.groups) * self.width + len(self.short) + len(groups_with_short)
        found += 2 * sum(map(len, self.sized.values())) + sum(map(len, self.tiers.values()))
        found += 2 * sum(len(of) for _, _, of, _ in self.net)
        if scenarios := self.joint["scenarios"]:
            found += len(scenarios) + 2 + bool(self.short) + self.joint["keep_largest"] * len(self.groups)
            found += bool(self.past)
        return found + 1 + len(self.cash) + len(self.stress)

    def _slot(self, name: str, kind: str, group: int = 0) -> int:
        self.slots.append((name, self.kinds[kind], group))
        return len(self.slots) - 1

    def _row(self, coefficients: dict[int, int], constant: int = 0, *, shortfall: bool = False) -> None:
        kept = sorted((j, a) for j, a in coefficients.items() if a)
        small = all(abs(a) <= COEFFICIENT_MAX for _, a in kept) and abs(constant) <= 2**63 - 1
        need(small, "BAD_STATEMENT", "coefficient")
        row = (self.at_least_zero, kept, constant, shortfall)
        need(self.stated is None or self.stated[len(self.rows)] == row, "RULES_DIFFER", "row")
        self.rows.append(row)

    def lay_slots(self) -> None:
        """The slots; no scenario is priced."""
        self.slots: list[tuple[str, int, int]] = []
        self.values = [
            token_value(each, self.index[each["feed"]]) if each["feed"] in self.index else 0 for each in self.tokens
        ]
        self.u = [self.token_row(each) for each in self.tokens]
        self.rates = [self.short_rate(each) for each in self.instruments]
        self.sized = {j: lines for j, each in enumerate(self.instruments) if (lines := self.size_lines(each))}
        self.tiers = {
            k: lines
            for k, each in enumerate(self.tokens)
            if (lines := self.concentration(each, min(self.u[k], default=self.values[k])))
        }
        names = [each["name"] for each in self.instruments]
        of_tokens = [f"{each['chain_id']}:{each['name']}" for each in self.tokens]
        self.of_cash = [self._slot(f"cash:{each['name']}", "CASH") for each in self.cash]
        self.of_tokens = [self._slot(f"token:{name}", "TOKEN") for name in of_tokens]
        self.positions = [self._slot(f"position:{name}", "POSITION") for name in names]
        self.maxima = {each["id"]: self._slot(f"max:{each['name']}", "GROUP_MAX", each["id"]) for each in self.groups}
        self.short = {j: self._slot(f"short:{names[j]}", "AUXILIARY") for j, rate in enumerate(self.rates) if rate}
        self.charges = {j: self._slot(f"charge:{names[j]}", "AUXILIARY") for j in self.sized}
        self.concentrated = {k: self._slot(f"concentration:{of_tokens[k]}", "AUXILIARY") for k in self.tiers}
        self.net = [
            (group, name, of, self._slot(f"{name}:{group['name']}", "NET_CHARGE"))
            for group in self.groups
            for name, of in self.net_terms(group)
        ]
        if self.joint["scenarios"]:
            self.tail = self._slot("tail", "AUXILIARY_SIGNED")
            name, kind = ("history", "HISTORICAL") if self.past else ("beyond", "AUXILIARY")
            self.beyond = [self._slot(f"{name}:{n + 1}", kind) for n in range(len(self.joint["scenarios"]))]
            self.together, self.credit = self._slot("joint", "AUXILIARY"), self._slot("groups", "AUXILIARY")
        self.stress = [self._slot(f"uncovered:{each['name']}", "UNCOVERED") for each in self.parameters["stress"]]

    def _members(self, group: int) -> list[int]:
        return [j for j, each in enumerate(self.instruments) if each["group"] == group]

    def _loss_rows(self) -> None:
        for group, at in self.maxima.items():
            for s in range(1, 1 + self.width):
                self._row({**self._changes(group, s), at: 1})

    def _changes(self, group: int, s: int) -> dict[int, int]:
        """What tokens and instruments of a group gain in a scenario."""
        found = {self.positions[j]: self.v[j][s] - self.v[j][0] for j in self._members(group)}
        inside = [k for k, each in enumerate(self.tokens) if each["scenarios"]["group"] == group]
        return found | {self.of_tokens[k]: self.u[k][s] - self.u[k][0] for k in inside}

    def _short_rows(self) -> None:
        for j, at in self.short.items():
            self._row({self.positions[j]: 1, at: 1})
        for group, at in self.maxima.items():
            needed = {self.short[j]: -self.rates[j] for j in self._members(group) if j in self.short}
            if needed:
                self._row({at: 1, **needed})

    def _size_rows(self) -> None:
        for j, lines in self.sized.items():
            for slope, intercept in lines:
                self._row({self.positions[j]: -slope, self.charges[j]: 1}, intercept)
                self._row({self.positions[j]: slope, self.charges[j]: 1}, intercept)
        for k, lines in self.tiers.items():
            for slope, intercept in lines:
                self._row({self.of_tokens[k]: -slope, self.concentrated[k]: 1}, intercept)

    def _net_rows(self) -> None:
        for group, name, of, at in self.net:
            members = self._members(group["id"])
            values = {j: self.row_of(self.instruments[j], SENSITIVITY_GRID, 5) for j in members}
            for each in of:
                if name == "basis":
                    now = self.book["time_ms"]
                    found = {
                        j: away(self._net_delta(j, values[j]) * shift_of(each, self.instruments[j], now), PPM)
                        for j in members
                    }
                    intercept = 0
                else:
                    amounts = {
                        j: self._net_delta(j, v) if name == "delta" else self._vega(j, v) for j, v in values.items()
                    }
                    found = {j: away(amount * each[0], NANO) for j, amount in amounts.items()}
                    intercept = each[1] // NANO
                for sign in (-1, 1):
                    lots = {self.positions[j]: sign * value for j, value in found.items()}
                    self._row({**lots, at: 1}, intercept)

    def _is_option(self, j: int) -> bool:
        return tables.members("InstrumentKind")[self.instruments[j]["kind"]] in ("CALL", "PUT")

    def _net_delta(self, j: int, v: list[int]) -> int:
        return 50 * (v[1] - v[2]) if self._is_option(j) else v[3] - v[0]

    def _vega(self, j: int, v: list[int]) -> int:
        return -(-(v[4] - v[5]) // 2) if self._is_option(j) else 0

    def _joint_rows(self) -> None:
        scenarios, averaged, weight = self.joint["scenarios"], self.joint["tail"], self.joint["weight_ppm"]
        for n, scenario in enumerate(scenarios):
            moved: dict[int, int] = {}
            for group, column in zip(self.maxima, scenario["columns"], strict=True):
                moved |= self._changes(group, column)
            self._row({**moved, self.tail: 1, self.beyond[n]: 1})
        scale = PPM // gcd(self.joint["tail_part_ppm"], PPM)
        averaged = averaged * scale + self.joint["tail_part_ppm"] * scale // PPM
        counts = {self.beyond[n]: -scenario["count"] * scale for n, scenario in enumerate(scenarios)}
        self._row({self.tail: -averaged, self.together: averaged, **counts})
        if any(self.rates):
            self._row({self.together: 1, **{at: -self.rates[j] for j, at in self.short.items()}})
        if self.joint["keep_largest"]:
            for at in self.maxima.values():
                self._row({at: -1, self.together: 1})
        g = gcd(weight, PPM)
        plain = dict.fromkeys(self.maxima.values(), -(PPM - weight) // g)
        self._row({**plain, self.together: -weight // g, self.credit: PPM // g})
        if self.past:
            self._row({self.together: -1, self.credit: 1})

    def _equity_rows(self) -> None:
        parameters = self.parameters
        num, den = parameters["maintenance_numerator"], parameters["maintenance_denominator"]
        worth = dict.fromkeys(self.of_cash, den)
        worth |= {at: den * value for at, value in zip(self.of_tokens, self.values, strict=True)}
        worth |= {at: den * self.v[j][0] for j, at in enumerate(self.positions)}
        charged = [self.credit] if self.joint["scenarios"] else list(self.maxima.values())
        sized = (*self.charges.values(), *self.concentrated.values(), *(at for *_, at in self.net))
        self._row(worth | dict.fromkeys((*charged, *sized), -num), shortfall=True)
        for at in self.of_cash:
            self._row({at: 1}, parameters["cash_limit_micros"], shortfall=True)

    def _stress_rows(self) -> None:
        for number, at in enumerate(self.stress):
            worth = dict.fromkeys(self.of_cash, 1)
            worth |= dict(zip(self.of_tokens, self.tokens_under[number], strict=True))
            worth |= {self.positions[j]: self.under[j][1 + number] for j in range(len(self.positions))}
            self._row({**worth, at: 1})
