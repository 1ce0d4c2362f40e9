"""Page "The statement": well-formed, shapes, layout."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.vectors.proofs.runner import tables
from tests.vectors.proofs.runner.encoding import need
from tests.vectors.proofs.runner.linear import CEREMONY, Layout, lay_out

PUBLIC = ("CASH", "TOKEN", "POSITION")
CHOSEN = ("GROUP_MAX", "AUXILIARY", "UNCOVERED", "NET_CHARGE", "HISTORICAL")


def kinds_of(statement: dict[str, Any]) -> list[str]:
    names = tables.members("SlotKind")
    return [names[slot["kind"]] for slot in statement["slots"]]


def slots_of(statement: dict[str, Any], *kinds: str) -> list[int]:
    return [j for j, kind in enumerate(kinds_of(statement)) if kind in kinds]


def auxiliary(statement: dict[str, Any]) -> list[int]:
    return [j for j, kind in enumerate(kinds_of(statement)) if kind not in PUBLIC]


def layout_of(statement: dict[str, Any], n: int) -> Layout:
    slots, rows = tables.ranges()
    names = tables.members("RowKind")
    return lay_out(
        n,
        [slots[kind] for kind in kinds_of(statement)],
        [(rows[names[r["kind"]]], r["coefficients"], r["constant"], r["shortfall"]) for r in statement["rows"]],
    )


def good(holds: bool, why: str) -> None:
    need(holds, "BAD_STATEMENT", why)


def rises(items: list[Any]) -> bool:
    return all(a < b for a, b in pairwise(items))


def check(statement: dict[str, Any], srs: bytes) -> None:
    need(srs == CEREMONY, "WRONG_SRS", "package")
    kinds, names = kinds_of(statement), [slot["name"] for slot in statement["slots"]]
    good(len(set(names)) == len(names), "slot names")
    good([total["slot"] for total in statement["totals"]] == slots_of(statement, *PUBLIC), "totals")
    good(rises([account for account, _ in statement["shortfalls"]]), "shortfalls")
    good(all(sigma > 0 for _, sigma in statement["shortfalls"]), "shortfalls")
    Shapes(statement).check()
    custody = statement["custody"]
    good(rises([(term["chain_id"], term["vault"], term["token"]) for term in custody]), "custody order")
    for term in custody:
        good(term["slot"] < len(kinds) and kinds[term["slot"]] in ("CASH", "TOKEN"), "custody slot")
        good(term["unit"] > 0 and 1 <= term["balances"]["bits"] <= 256, "custody unit")
    for one in custody:
        for other in custody:
            same_block = one["chain_id"] == other["chain_id"] and one["block_number"] == other["block_number"]
            need(same_block == (one["block_hash"] == other["block_hash"]), "COUNTED_TWICE", "block")
            same_token = one["chain_id"] == other["chain_id"] and one["token"] == other["token"]
            need(not same_token or one["block_number"] == other["block_number"], "COUNTED_TWICE", "token")


@dataclass
class Bound:
    """A row that bounds `slot` from below."""

    slot: int
    whole: int
    constant: int
    above: dict[int, int] = field(default_factory=dict)
    public: dict[int, int] = field(default_factory=dict)
    signed: dict[int, int] = field(default_factory=dict)

    @property
    def tight(self) -> bool:
        return not self.public and not self.signed and self.constant <= 0

    @property
    def alone(self) -> bool:
        """Whole 1, without `above` and signed, and a constant that is not positive."""
        return self.whole == 1 and not self.above and not self.signed and self.constant <= 0


def bounds_of(statement: dict[str, Any]) -> dict[int, list[Bound]]:
    kinds = kinds_of(statement)
    found: dict[int, list[Bound]] = {j: [] for j in slots_of(statement, *CHOSEN)}
    for row in statement["rows"]:
        good(all(j < len(kinds) for j, _ in row["coefficients"]), "slot of a row")
        parts: dict[str, dict[int, int]] = {"public": {}, "signed": {}, "chosen": {}}
        for j, a in row["coefficients"]:
            kind = kinds[j]
            parts["chosen" if kind in CHOSEN else "public" if kind in PUBLIC else "signed"][j] = a
        chosen, signed = parts["chosen"], parts["signed"]
        raised = [j for j, a in chosen.items() if a > 0]
        if row["shortfall"]:
            good(not signed and not raised, "margin that the holder chooses")
        elif chosen or signed:
            good(tables.members("RowKind")[row["kind"]] == "AT_LEAST_ZERO" and len(raised) == 1, "a row bounds none")
            above = {j: -a for j, a in chosen.items() if j != raised[0]}
            bound = Bound(raised[0], chosen[raised[0]], row["constant"], above, parts["public"], signed)
            found[raised[0]].append(bound)
    return found


class Shapes:
    """Section "Shapes", rule by rule."""

    def __init__(self, statement: dict[str, Any]) -> None:
        self.statement, self.kinds = statement, kinds_of(statement)
        self.maxima = slots_of(statement, "GROUP_MAX")

    def check(self) -> None:
        rows = self.statement["rows"]
        good(len({row["name"] for row in rows}) == len(rows), "1: row names")
        groups = self.statement["groups"]
        numbers = {self.statement["slots"][j]["group"] for j in self.maxima}
        good(len(self.maxima) == len(numbers) == len(groups) == len(set(groups)), "2: groups")
        self.bounds = bounds_of(self.statement)
        self.losses()
        charged = self.maintenance()
        placed = set(charged)
        if not set(self.maxima) <= charged:
            credit = self.credit(charged)
            charged = charged - {credit.slot}
            (joint,) = set(credit.above) - set(self.maxima)
            placed |= set(self.maxima) | {joint} | self.joint(joint, credit)
        else:
            good(not slots_of(self.statement, "HISTORICAL"), "15: history")
        net = set(slots_of(self.statement, "NET_CHARGE"))
        self.charges(charged - set(self.maxima) - net)
        good(net <= charged, "14: net charge")
        self.nets(net)
        placed |= self.minimums()
        self.stress()
        wanted = [j for j, kind in enumerate(self.kinds) if kind not in (*PUBLIC, "UNCOVERED")]
        good(placed == set(wanted), "13: places")

    def losses(self) -> None:
        self.group_of: dict[int, int] = {}
        self.loss_rows: dict[int, list[list[tuple[int, int]]]] = {}
        for j in self.maxima:
            own = [bound for bound in self.bounds[j] if not bound.above]
            good(len(own) == self.statement["scenarios"] > 0 and all(bound.alone for bound in own), "3: losses")
            for slot in (slot for bound in own for slot in bound.public):
                good(self.group_of.setdefault(slot, j) == j, "3: two groups")
            self.loss_rows[j] = [list(bound.public.items()) for bound in own]

    def maintenance(self) -> set[int]:
        found = []
        for row in self.statement["rows"]:
            charges = {j: a for j, a in row["coefficients"] if self.kinds[j] in CHOSEN}
            if row["shortfall"] and charges:
                exact = tables.members("RowKind")[row["kind"]] == "AT_LEAST_ZERO" and row["constant"] <= 0
                good(exact and len(set(charges.values())) == 1, "4: maintenance")
                found.append(set(charges))
        good(len(found) == 1, "4: maintenance")
        return found[0]

    def credit(self, charged: set[int]) -> Bound:
        maxima = set(self.maxima)
        good(not charged & maxima, "5: some maxima")
        found = [bound for j in charged for bound in self.bounds[j] if maxima & set(bound.above)]
        good(len(found) == 1, "6: credit")
        credit = found[0]
        good(maxima < set(credit.above) and len(credit.above) == len(maxima) + 1, "6: credit")
        good(credit.tight, "6: credit")
        (joint,) = set(credit.above) - maxima
        plain = {credit.above[j] for j in maxima}
        good(len(plain) == 1 and min(plain) + credit.above[joint] >= credit.whole, "6: credit")
        return credit

    def history(self, joint: int, credit: Bound, averaged: set[int]) -> bool:
        """Whether the joint scenarios are moves of history."""
        known = set(slots_of(self.statement, "HISTORICAL"))
        others = [bound for bound in self.bounds[credit.slot] if bound is not credit]
        if not known:
            good(not others, "6: credit")
            return False
        good(known == averaged, "15: history")
        held = {self.kinds[slot] for j in known for bound in self.bounds[j] for slot in bound.public}
        good(held <= {"POSITION", "TOKEN"}, "15: history")
        good(len(others) == 1 and others[0].tight and others[0].whole == 1, "15: history")
        good(others[0].above == {joint: 1}, "15: history")
        return True

    def joint(self, joint: int, credit: Bound) -> set[int]:
        own = self.bounds[joint]
        expected = [bound for bound in own if bound.signed]
        good(len(expected) == 1 and len(expected[0].signed) == 1, "7: expected shortfall")
        shortfall = expected[0]
        ((tail, averaged),) = shortfall.signed.items()
        good(not shortfall.public and averaged == -shortfall.whole and shortfall.constant <= 0, "7: expected shortfall")
        good(sum(shortfall.above.values()) >= shortfall.whole, "7: expected shortfall")
        past = self.history(joint, credit, set(shortfall.above))
        for j in shortfall.above:
            good(len(self.bounds[j]) == 1, "8: joint scenario")
            (loss,) = self.bounds[j]
            good(loss.whole == 1 and not loss.above and loss.constant <= 0, "8: joint scenario")
            good(loss.signed == {tail: 1}, "8: joint scenario")
            if past:
                continue
            parts: dict[int, list[tuple[int, int]]] = {}
            for slot, a in loss.public.items():
                good(slot in self.group_of, "8: joint scenario")
                parts.setdefault(self.group_of[slot], []).append((slot, a))
            good(all(part in self.loss_rows[group] for group, part in parts.items()), "8: joint scenario")
        self.floors([bound for bound in own if not bound.signed])
        return {tail, *shortfall.above}

    def floors(self, floors: list[Bound]) -> None:
        wanted: dict[int, int] = {}
        for bound in (bound for j in self.maxima for bound in self.bounds[j]):
            for slot, rate in bound.above.items():
                wanted[slot] = wanted.get(slot, 0) + rate
        good(all(floor.tight and floor.whole == 1 for floor in floors), "9: floors")
        largest = [floor.above for floor in floors if set(floor.above) & set(self.maxima)]
        rest = [floor.above for floor in floors if not set(floor.above) & set(self.maxima)]
        good(rest == ([wanted] if wanted else []), "9: floors")
        alone = sorted(tuple(above.items()) for above in largest)
        good(not largest or alone == [((j, 1),) for j in self.maxima], "9: floors")

    def charges(self, slots: set[int]) -> None:
        holdings = []
        for j in slots:
            own = self.bounds[j]
            exact = all(b.whole == 1 and not b.above and not b.signed and len(b.public) == 1 for b in own)
            held = {slot for bound in own for slot in bound.public}
            good(exact and len(held) == 1, "10: charge")
            (slot,) = held
            lines = {(bound.public[slot], bound.constant) for bound in own}
            if self.kinds[slot] == "POSITION":
                good(all((-slope, constant) in lines for slope, constant in lines), "10: charge")
            else:
                good(self.kinds[slot] == "TOKEN" and all(slope < 0 for slope, _ in lines), "10: charge")
            holdings.append(slot)
        good(len(set(holdings)) == len(holdings), "10: charge")

    def nets(self, slots: set[int]) -> None:
        for j in slots:
            own = self.bounds[j]
            good(bool(own) and all(b.whole == 1 and not b.above and not b.signed for b in own), "14: net charge")
            lots = {slot for bound in own for slot in bound.public}
            good(all(self.kinds[slot] == "POSITION" for slot in lots), "14: net charge")
            good(len({self.group_of[slot] for slot in lots if slot in self.group_of}) <= 1, "14: net charge")
            rows = [(dict(bound.public), bound.constant) for bound in own]
            good(all(({k: -a for k, a in row.items()}, c) in rows for row, c in rows), "14: net charge")

    def minimums(self) -> set[int]:
        counting: set[int] = set()
        counted: list[int] = []
        for j in self.maxima:
            own = [bound for bound in self.bounds[j] if bound.above]
            good(len(own) <= 1 and all(bound.tight and bound.whole == 1 for bound in own), "11: minimum")
            for lots in (slot for bound in own for slot in bound.above):
                rows = self.bounds[lots]
                good(len(rows) == 1 and rows[0].alone and list(rows[0].public.values()) == [1], "11: lots")
                (slot,) = rows[0].public
                good(self.kinds[slot] == "POSITION" and self.group_of.get(slot, j) == j, "11: lots")
                counting.add(lots)
                counted.append(slot)
        good(len(set(counted)) == len(counted), "11: lots")
        return counting

    def stress(self) -> None:
        cash = [j for j, kind in enumerate(self.kinds) if kind == "CASH"]
        for j in slots_of(self.statement, "UNCOVERED"):
            good(len(self.bounds[j]) == 1 and self.bounds[j][0].alone, "12: stress")
            good(all(self.bounds[j][0].public.get(slot) == 1 for slot in cash), "12: stress")
