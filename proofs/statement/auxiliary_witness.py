"""The auxiliary witness: the smallest value of each auxiliary slot that an account's holdings allow.

Rule: every slot gets the smallest integer that its rows allow, and a tail's threshold the loss at which the expected
shortfall is smallest. The values follow from the statement and the holdings alone, so a member that knows its holdings
can recompute its commitment. It must not know prices, nor rules beyond the shapes of the rows.
"""

from collections.abc import Mapping, Sequence

from clearing.margin.statement.snapshot import RiskStatement, SlotKind
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rows import Bound, bounds_of


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
