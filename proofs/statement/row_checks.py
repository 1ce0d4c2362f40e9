"""Row checks: no row of the margin rule is missing from a public statement.

Rule: a slot stands for a term of the requirement, so it must have rows that bound it from below and a way into the
maintenance row, and nothing that the holder chooses may count as margin. Roles follow from the shape of the rows,
never from a name. It cannot judge the size of a coefficient: prices and parameters are certified by the quorum.
Linear in the statement's size, because it also runs on statements that nobody certified.

Shapes, all at least zero: a *bound* of an auxiliary slot has that one auxiliary coefficient positive; the maintenance
row has the account's shortfall and all that is charged negative. The group maxima are charged themselves, or through
a *credit* G with whole * G >= plain * sum of all maxima + weight * J, plain + weight >= whole, where J bounds an
expected shortfall over joint scenarios (k * J >= k * t + sum of count * u, counts adding up to k at least), each of
which is made of the very loss rows of the groups, one of each. Moves of history, in slots of their own kind, are no
scenarios of a group: only the rulebook says what they cost, and G is at least J. What is uncovered in a stress scenario
has one row and no part in any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.margin.statement.snapshot import RiskStatement, Row, RowKind, SlotKind
from proofs.errors import ProofCode, VerificationFailed

Coefficients = dict[int, int]
Part = tuple[tuple[int, int], ...]
"""One group's coefficients in a row."""

_CHOSEN = (
    SlotKind.GROUP_MAX,
    SlotKind.AUXILIARY,
    SlotKind.UNCOVERED,
    SlotKind.NET_CHARGE,
    SlotKind.HISTORICAL,
)


@dataclass(frozen=True, slots=True)
class Bound:
    """A row by what it bounds from below: `slot` >= the rest / `whole`."""

    row: Row
    slot: int
    whole: int
    above: Coefficients
    """Other auxiliary slots with how much of them, positive, is part of the bound."""
    public: Coefficients
    signed: Coefficients


def check_rows(statement: RiskStatement) -> None:
    """Raises VerificationFailed BAD_STATEMENT when a group, scenario or slot has no rows, or no place in margin."""
    if len({row.name for row in statement.rows}) != len(statement.rows):
        # A loss row that occurs twice would hide that another is left out.
        raise _refused("row names repeat")
    kinds = [slot.kind for slot in statement.slots]
    maxima = frozenset(j for j, kind in enumerate(kinds) if kind is SlotKind.GROUP_MAX)
    of_group = {statement.slots[j].group for j in maxima}
    if not len(maxima) == len(of_group) == len(statement.groups) == len(set(statement.groups)):
        raise _refused("maxima and groups are not one for one", maxima=len(maxima))
    bounds = bounds_of(statement)
    losses = _losses_of(statement, bounds, maxima)
    placed = charged = _charged_by_maintenance(statement.rows, kinds)
    if not maxima <= charged:
        credit = _credit_of(bounds, charged, maxima)
        _check_credit(credit, bounds, kinds, losses, maxima)
        placed = charged | maxima | _behind_credit(credit, bounds, maxima)
        charged = charged - {credit.slot}
    elif SlotKind.HISTORICAL in kinds:
        raise _refused("moves of history that nothing averages", slots=kinds.count(SlotKind.HISTORICAL))
    net = {j for j, kind in enumerate(kinds) if kind is SlotKind.NET_CHARGE}
    if not net <= charged:
        raise _refused("a charge on a net amount that nothing pays", slots=len(net - charged))
    for j in sorted(net):
        _check_net_charge(j, bounds[j], kinds, losses)
    charged_holdings = [_check_charge(j, bounds[j], kinds) for j in sorted(charged - maxima - net)]
    if len(set(charged_holdings)) != len(charged_holdings):
        # One holding's charge in the place of another's would hide that the other has none.
        raise _refused("a holding that is charged twice", slots=len(charged_holdings))
    placed = placed.union(*(_check_minimum(bounds, j) for j in sorted(maxima)))
    _check_counted(statement, bounds, losses, maxima)
    lacking = _check_uncovered(bounds, kinds)
    if placed != {j for j, slot in enumerate(statement.slots) if not slot.is_public and j not in lacking}:
        raise _refused("an auxiliary slot has no place in margin", slots=len(placed))


def bounds_of(statement: RiskStatement) -> dict[int, list[Bound]]:
    """The rows that bound each GROUP_MAX, AUXILIARY and UNCOVERED slot.

    Raises VerificationFailed BAD_STATEMENT for other rows.
    """
    kinds = [slot.kind for slot in statement.slots]
    bounds: dict[int, list[Bound]] = {j: [] for j, kind in enumerate(kinds) if kind in _CHOSEN}
    for row in statement.rows:
        found = _bound_of(row, kinds)
        if found is not None:
            bounds[found.slot].append(found)
    return bounds


def _bound_of(row: Row, kinds: Sequence[SlotKind]) -> Bound | None:
    """The row as a bound; None for a row without auxiliary slots or with the account's shortfall."""
    public: Coefficients = {}
    signed: Coefficients = {}
    chosen: Coefficients = {}
    for j, a in row.coefficients:
        if j >= len(kinds):
            raise _refused("a row names a slot that is not there", slot=j)
        part = chosen if kinds[j] in _CHOSEN else signed if kinds[j] is SlotKind.AUXILIARY_SIGNED else public
        part[j] = a
    if not chosen and not signed:
        return None
    if row.shortfall:
        if signed or any(a > 0 for a in chosen.values()):
            raise _refused("what the holder chooses counts as margin", row=row.name[:64])
        return None
    raised = [j for j, a in chosen.items() if a > 0]
    if row.kind is not RowKind.AT_LEAST_ZERO or len(raised) != 1:
        raise _refused("a row with auxiliary slots bounds none", row=row.name[:64])
    slot = raised[0]
    return Bound(row, slot, chosen[slot], {j: -a for j, a in chosen.items() if j != slot}, public, signed)


@dataclass(frozen=True, slots=True)
class _Losses:
    """The groups' loss rows."""

    group: dict[int, int]
    """Group number of each position in them."""
    rows: list[set[Part]]
    """Of each group."""


def _losses_of(statement: RiskStatement, bounds: dict[int, list[Bound]], maxima: frozenset[int]) -> _Losses:
    """Every scenario of every group must be there, and no instrument in two groups."""
    found = _Losses({}, [])
    for number, j in enumerate(sorted(maxima)):
        own = [bound for bound in bounds[j] if not bound.above]
        exact = all(account.whole == 1 and not account.signed and account.row.constant <= 0 for account in own)
        if not exact or not len(own) == statement.scenarios > 0:
            raise _refused("loss rows do not cover every scenario of every group", slot=j)
        for slot in (slot for account in own for slot in account.public):
            if found.group.setdefault(slot, number) != number:
                raise _refused("an instrument in two groups", slot=slot)
        found.rows.append({tuple(account.public.items()) for account in own})
    return found


def _charged_by_maintenance(rows: Sequence[Row], kinds: Sequence[SlotKind]) -> frozenset[int]:
    """The auxiliary slots that equity must cover, all in one row and all alike."""
    found: list[frozenset[int]] = []
    for row in rows:
        charges = [a for j, a in row.coefficients if kinds[j] in _CHOSEN]
        if row.shortfall and charges:
            if row.kind is not RowKind.AT_LEAST_ZERO or row.constant > 0 or len(set(charges)) != 1:
                raise _refused("a maintenance row that is none", row=row.name[:64])
            found.append(frozenset(j for j, _ in row.coefficients if kinds[j] in _CHOSEN))
    if len(found) != 1:
        raise _refused("no one row holds equity against every group's maximum", rows=len(found))
    return found[0]


def _credit_of(bounds: dict[int, list[Bound]], charged: frozenset[int], maxima: frozenset[int]) -> Bound:
    """The one row that charges all maxima through a credit."""
    found = [bound for j in sorted(charged - maxima) for bound in bounds[j] if any(i in maxima for i in bound.above)]
    if charged & maxima or len(found) != 1 or not maxima < found[0].above.keys():
        raise _refused("no row holds equity against every group's maximum", rows=len(found))
    if len(found[0].above) != len(maxima) + 1:
        raise _refused("a credit of other things than groups and a joint loss", slot=found[0].slot)
    return found[0]


def _joint_of(credit: Bound, maxima: frozenset[int]) -> int:
    return next(j for j in credit.above if j not in maxima)


def _behind_credit(credit: Bound, bounds: dict[int, list[Bound]], maxima: frozenset[int]) -> set[int]:
    joint = _joint_of(credit, maxima)
    return {joint, *(slot for bound in bounds[joint] if bound.signed for slot in (*bound.signed, *bound.above))}


def _check_credit(
    credit: Bound,
    bounds: dict[int, list[Bound]],
    kinds: Sequence[SlotKind],
    losses: _Losses,
    maxima: frozenset[int],
) -> None:
    """What a credit takes off must be replaced by the joint loss, in full."""
    joint = _joint_of(credit, maxima)
    plain = {credit.above[j] for j in maxima}
    if len(plain) != 1 or min(plain) + credit.above[joint] < credit.whole or _loose(credit):
        raise _refused("a credit takes off more than the joint loss replaces", slot=credit.slot)
    expected = [bound for bound in bounds[joint] if bound.signed]
    if len(expected) != 1 or expected[0].public or len(expected[0].signed) != 1:
        raise _refused("no expected shortfall stands behind the credit", slot=joint)
    ((tail, averaged),) = expected[0].signed.items()
    exact = averaged == -expected[0].whole and expected[0].row.constant <= 0
    if not exact or sum(expected[0].above.values()) < expected[0].whole:
        raise _refused("an expected shortfall over fewer scenarios than it averages", slot=joint)
    historical = _check_history(credit, joint, expected[0], bounds, kinds)
    for j in expected[0].above:
        rows = bounds[j]
        alone = len(rows) == 1 and rows[0].whole == 1 and not rows[0].above and rows[0].row.constant <= 0
        if not alone or len(rows[0].signed) != 1 or rows[0].signed.get(tail) != 1:
            raise _refused("a joint scenario without its loss", slot=j)
        if not historical:
            _check_joint_scenario(rows[0].public, losses)
    _check_floor([bound for bound in bounds[joint] if not bound.signed], bounds, maxima)


def _check_history(
    credit: Bound, joint: int, expected: Bound, bounds: dict[int, list[Bound]], kinds: Sequence[SlotKind]
) -> bool:
    """Whether the joint scenarios are moves of history, whose slots are all of one kind and nowhere else.

    Then they are of positions and tokens, and what is charged is at least their expected shortfall; otherwise nothing
    but the credit bounds what is charged.
    """
    known = {j for j, kind in enumerate(kinds) if kind is SlotKind.HISTORICAL}
    others = [bound for bound in bounds[credit.slot] if bound is not credit]
    if not known:
        if others:
            raise _refused("a credit of other things than groups and a joint loss", slot=credit.slot)
        return False
    if known != expected.above.keys():
        raise _refused("moves of history beside other joint scenarios", slots=len(known))
    held = (SlotKind.POSITION, SlotKind.TOKEN)
    if any(kinds[slot] not in held for j in known for bound in bounds[j] for slot in bound.public):
        raise _refused("a move of history of other things than positions and tokens", slots=len(known))
    least = len(others) == 1 and others[0].whole == 1 and others[0].above == {joint: 1} and not _loose(others[0])
    if not least:
        raise _refused("an expected shortfall of history that is not required", slot=credit.slot)
    return True


def _check_joint_scenario(public: Coefficients, losses: _Losses) -> None:
    """Every group's part of a joint scenario must be one of its own scenarios, or nothing."""
    parts: dict[int, list[tuple[int, int]]] = {}
    for slot, a in public.items():
        parts.setdefault(losses.group.get(slot, -1), []).append((slot, a))
    for number, part in parts.items():
        if number < 0 or tuple(part) not in losses.rows[number]:
            raise _refused("a joint scenario that is none of a group's", group=number)


def _check_floor(floors: Sequence[Bound], bounds: dict[int, list[Bound]], maxima: frozenset[int]) -> None:
    """Where groups have minimums the joint loss must be at least their sum, or the credit would undo them.

    Where it is at least some group's maximum, it must be at least every group's.
    """
    wanted: Coefficients = {}
    for j in maxima:
        for bound in bounds[j]:
            for slot, rate in bound.above.items():
                wanted[slot] = wanted.get(slot, 0) + rate
    largest = [floor for floor in floors if any(j in maxima for j in floor.above)]
    rest = [floor for floor in floors if not any(j in maxima for j in floor.above)]
    exact = not any(_loose(floor) or floor.whole != 1 for floor in floors)
    if not exact or any(bound.above != wanted for bound in rest) or len(rest) != bool(wanted):
        raise _refused("a credit undoes the groups' minimums", slots=len(wanted), rows=len(rest))
    if largest and sorted(tuple(bound.above.items()) for bound in largest) != [((j, 1),) for j in sorted(maxima)]:
        raise _refused("a joint loss that leaves out a group's maximum", rows=len(largest))


def _check_charge(charge: int, rows: Sequence[Bound], kinds: Sequence[SlotKind]) -> int:
    """A charge on size follows from one holding, which is returned.

    A token's follows from how much it is, an instrument's from how much either way.
    """
    holdings = {slot for row in rows for slot in row.public}
    alone = all(row.whole == 1 and len(row.public) == 1 and not row.above and not row.signed for row in rows)
    if len(holdings) != 1 or not alone:
        raise _refused("a charge that does not follow from one holding", slot=charge)
    (slot,) = holdings
    lines = {(row.public[slot], row.row.constant) for row in rows}
    if kinds[slot] is SlotKind.POSITION:
        complete = all((-slope, constant) in lines for slope, constant in lines)
    else:
        complete = kinds[slot] is SlotKind.TOKEN and all(slope < 0 for slope, _ in lines)
    if not complete:
        raise _refused("a charge on one side of a holding only", slot=charge)
    return slot


def _check_net_charge(charge: int, rows: Sequence[Bound], kinds: Sequence[SlotKind], losses: _Losses) -> None:
    """A charge on a net amount follows from positions of one group, either way alike."""
    if not rows or any(row.whole != 1 or row.above or row.signed for row in rows):
        raise _refused("a charge that does not follow from positions", slot=charge)
    lots = {slot for row in rows for slot in row.public}
    groups = {losses.group[slot] for slot in lots if slot in losses.group}
    if len(groups) > 1 or any(kinds[slot] is not SlotKind.POSITION for slot in lots):
        raise _refused("a net amount of other things than one group's positions", slot=charge)
    found = {(tuple(row.public.items()), row.row.constant) for row in rows}
    if any((tuple((slot, -a) for slot, a in public), constant) not in found for public, constant in found):
        raise _refused("a charge on one side of a net amount only", slot=charge)


def _check_minimum(bounds: dict[int, list[Bound]], maximum: int) -> set[int]:
    """The slots through which a group's maximum has a minimum: each counts lots, one slot one instrument's."""
    own = [bound for bound in bounds[maximum] if bound.above]
    if len(own) > 1 or any(_loose(account) or account.whole != 1 for account in own):
        raise _refused("a group's minimum is not one row", slot=maximum)
    counted = {slot for account in own for slot in account.above}
    for j in counted:
        rows = bounds[j]
        alone = len(rows) == 1 and not rows[0].above and not rows[0].signed and rows[0].row.constant <= 0
        if not alone or rows[0].whole != 1 or len(rows[0].public) != 1 or 1 not in rows[0].public.values():
            raise _refused("short lots that are not counted", slot=j)
    return counted


def _check_counted(
    statement: RiskStatement, bounds: dict[int, list[Bound]], losses: _Losses, maxima: frozenset[int]
) -> None:
    """What a minimum counts must be lots of its own group, or nothing short would ever be found; each once."""
    seen: set[int] = set()
    for number, j in enumerate(sorted(maxima)):
        for slot in (
            slot for bound in bounds[j] for counted in bound.above for b in bounds[counted] for slot in b.public
        ):
            position = statement.slots[slot].kind is SlotKind.POSITION
            if not position or slot in seen or losses.group.get(slot, number) != number:
                raise _refused("a minimum that counts other than its group's lots, each once", slot=slot)
            seen.add(slot)


def _check_uncovered(bounds: dict[int, list[Bound]], kinds: Sequence[SlotKind]) -> set[int]:
    """The UNCOVERED slots: each is at least the amount missing to zero, and every cash slot counts in full."""
    found = {j for j, kind in enumerate(kinds) if kind is SlotKind.UNCOVERED}
    cash = {j for j, kind in enumerate(kinds) if kind is SlotKind.CASH}
    for j in found:
        rows = bounds[j]
        alone = len(rows) == 1 and rows[0].whole == 1 and not rows[0].above and not _allowed(rows[0])
        if not alone or any(rows[0].public.get(slot) != 1 for slot in cash):
            raise _refused("a stress scenario that is not one row of all that is held", slot=j)
    return found


def _allowed(bound: Bound) -> bool:
    """Whether something besides holdings lowers the bound."""
    return bool(bound.signed) or bound.row.constant > 0


def _loose(bound: Bound) -> bool:
    """Whether something other than auxiliary slots lowers the bound."""
    return bool(bound.public or bound.signed) or bound.row.constant > 0


def _refused(why: str, **values: int | str) -> VerificationFailed:
    return VerificationFailed(ProofCode.BAD_STATEMENT, why, **values)
