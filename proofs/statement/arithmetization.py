"""The arithmetization: from a margin snapshot to the slots, rows and auxiliary witness of the linear proof.

Rule: the rows are the snapshot's own, unchanged; this module adds only how wide each range is. It also detects a
public statement that contradicts itself. Every auxiliary slot gets the smallest integer that its rows allow, and a
tail's threshold the loss at which the expected shortfall is smallest; so a member that knows its holdings can
recompute its commitment. It must not know prices, instruments or rules beyond the row system.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from clearing.base.errors import LocalFault
from clearing.margin.statement.snapshot import AccountHoldings, RiskStatement, Row, Slot, SlotKind
from proofs.algebra.commitment import CommitmentContext
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import ProofLayout, RowRange, SlotRange, lay_out
from proofs.statement.custody import check_counted_once
from proofs.statement.kinds import ROW_KINDS, SLOT_KINDS
from proofs.statement.row_checks import Bound, bounds_of, check_rows


class AuxiliaryWitness:
    """The smallest auxiliary values of many accounts under one statement, whose rows are read once.

    Raises VerificationFailed BAD_STATEMENT when rows have no known shape.
    """

    def __init__(self, statement: RiskStatement) -> None:
        self._slots = statement.slots
        self._bounds = bounds = bounds_of(statement)
        self._behind = {slot: row for rows in bounds.values() for row in rows if row.above for slot in row.signed}
        self._orders: dict[frozenset[int], list[int]] = {}

    def of(self, known: Mapping[int, int]) -> tuple[int, ...]:
        """Values of all slots in order; those in `known` (slot to value, every public slot) as they are.

        Raises VerificationFailed BAD_STATEMENT when slots bound each other in a circle.
        """
        values = dict(known)
        for j in self._order(frozenset(known)):
            signed = self._slots[j].kind is SlotKind.AUXILIARY_SIGNED
            values[j] = _threshold(self._behind[j], self._bounds, values) if signed else _least(self._bounds[j], values)
        return tuple(values[j] for j in range(len(self._slots)))

    def _order(self, known: frozenset[int]) -> list[int]:
        """The other slots, each after those that its value follows from."""
        if known not in self._orders:
            order: list[int] = []
            done = set(known)
            open_slots = [j for j in range(len(self._slots)) if j not in known]
            while open_slots:
                ready = [j for j in open_slots if _needs(j, self._bounds, self._behind) <= done]
                if not ready:
                    raise VerificationFailed(
                        ProofCode.BAD_STATEMENT, "auxiliary slots bound each other", slots=len(open_slots)
                    )
                order += ready
                done.update(ready)
                open_slots = [j for j in open_slots if j not in done]
            self._orders[known] = order
        return self._orders[known]


def _needs(slot: int, bounds: Mapping[int, Sequence[Bound]], behind: Mapping[int, Bound]) -> set[int]:
    """The auxiliary slots whose values a slot's own value follows from."""
    if slot in bounds:
        return {other for bound in bounds[slot] for other in (*bound.above, *bound.signed)}
    if slot not in behind:
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "a threshold of no expected shortfall", slot=slot)
    return set()


def _threshold(expected: Bound, bounds: Mapping[int, Sequence[Bound]], values: Mapping[int, int]) -> int:
    """The k-th worst of the losses behind an expected shortfall, each as often as it counts."""
    losses = [(_public(bound, values), count) for slot, count in expected.above.items() for bound in bounds[slot]]
    left = expected.whole
    for loss, count in sorted(losses, reverse=True):
        left -= count
        if left <= 0:
            return loss
    raise VerificationFailed(ProofCode.BAD_STATEMENT, "an expected shortfall over fewer scenarios than it averages")


def _least(rows: Sequence[Bound], values: Mapping[int, int]) -> int:
    smallest = 0
    for row in rows:
        needed = _public(row, values)
        needed += sum(a * values[slot] for slot, a in row.above.items())
        needed -= sum(a * values[slot] for slot, a in row.signed.items())
        smallest = max(smallest, -(-needed // row.whole))
    return smallest


def _public(bound: Bound, values: Mapping[int, int]) -> int:
    """The requirement from a row's holdings and constant."""
    return -bound.row.constant - sum(a * values[slot] for slot, a in bound.public.items())


DOMAIN = 2048
"""n of every package that a network writes; tests use smaller ones."""

_AUXILIARY_KINDS = (SlotKind.AUXILIARY, SlotKind.AUXILIARY_SIGNED, SlotKind.NET_CHARGE, SlotKind.HISTORICAL)


def layout_of(statement: RiskStatement, size: int = DOMAIN) -> ProofLayout:
    """The layout of a snapshot's slots and rows on a domain of n = `size`. Raises VerificationFailed BAD_LAYOUT."""
    return lay_out(size, tuple(map(_slot_range, statement.slots)), tuple(map(_row_range, statement.rows)))


def auxiliary_slots(statement: RiskStatement) -> tuple[int, ...]:
    """Indices of the slots whose sums are never published."""
    return tuple(j for j, slot in enumerate(statement.slots) if not slot.is_public)


def shortfalls_of(statement: RiskStatement, accounts: Sequence[int]) -> tuple[int, ...]:
    """σ of each account: the listed shortfall, or zero.

    Raises VerificationFailed BAD_STATEMENT when a listed account is not there.
    """
    listed = dict(statement.shortfalls)
    missing = sorted(set(listed) - set(accounts))
    if missing:
        raise VerificationFailed(
            ProofCode.BAD_STATEMENT, "shortfall listed for an account without commitment", account=missing[0]
        )
    return tuple(listed.get(account, 0) for account in accounts)


def check_statement(statement: RiskStatement) -> None:
    """Whether names, totals, listed shortfalls and custody fit each other. Raises VerificationFailed BAD_STATEMENT."""
    names = [slot.name for slot in statement.slots]
    if len(set(names)) != len(names):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "slot names repeat")
    visible = [j for j, slot in enumerate(statement.slots) if slot.is_public]
    if [total.slot for total in statement.totals] != visible:
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "totals do not name every slot once", slots=len(visible))
    listed = [account for account, _ in statement.shortfalls]
    if any(a >= b for a, b in pairwise(listed)):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "listed shortfalls are not in order")
    if any(shortfall == 0 for _, shortfall in statement.shortfalls):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "a listed shortfall is zero")
    check_rows(statement)
    keys = [(term.chain_id, term.vault, term.token) for term in statement.custody]
    if any(a >= b for a, b in pairwise(keys)):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "custody terms are not in order")
    for term in statement.custody:
        kinds = (SlotKind.CASH, SlotKind.TOKEN)
        if term.slot >= len(statement.slots) or statement.slots[term.slot].kind not in kinds:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "custody of a slot that holds no token", slot=term.slot)
    check_counted_once(statement.custody)


def context_of(statement: RiskStatement, account: int, owner: bytes) -> CommitmentContext:
    """What the blinders of an account's commitment are bound to in this epoch. `owner`: the address that owns it."""
    return CommitmentContext(statement.network, account, statement.epoch, statement.state_root, owner=owner)


def complete_holdings(
    statement: RiskStatement, account: AccountHoldings, auxiliary: AuxiliaryWitness | None = None
) -> tuple[int, ...]:
    """Values of all slots: the account's own, its auxiliary ones, and the smallest that rows allow for the rest.

    An account states all its AUXILIARY values or none; group maxima are always derived. Raises LocalFault BAD_LENGTH
    unless it has one value for every public slot, and all auxiliary values or none. To complete many accounts, make
    `auxiliary` of the statement once.
    """
    public = [j for j, slot in enumerate(statement.slots) if slot.is_public]
    stated = [j for j, slot in enumerate(statement.slots) if slot.kind in _AUXILIARY_KINDS] if account.auxiliary else []
    if (len(account.values), len(account.auxiliary)) != (len(public), len(stated)):
        raise LocalFault(
            ProofCode.BAD_LENGTH,
            "holdings",
            account=account.account,
            values=len(account.values),
            auxiliary=len(account.auxiliary),
        )
    known = dict(zip((*public, *stated), (*account.values, *account.auxiliary), strict=True))
    return (AuxiliaryWitness(statement) if auxiliary is None else auxiliary).of(known)


def _slot_range(slot: Slot) -> SlotRange:
    kind = SLOT_KINDS[slot.kind]
    return SlotRange(kind.width, kind.offset)


def _row_range(row: Row) -> RowRange:
    return RowRange(ROW_KINDS[row.kind].width, row.coefficients, row.constant, row.shortfall)
