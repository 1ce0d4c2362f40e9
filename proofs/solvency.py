"""From a margin snapshot to the linear proof's terms: slots and rows to a layout, holdings to a witness.

Rule: the rows are the snapshot's own, unchanged; this module adds only how wide each range is. It also says when a
public statement contradicts itself. It must not know prices, instruments or rules beyond the row system.
"""

from collections import Counter
from collections.abc import Container, Sequence
from itertools import pairwise

from clearing.base.errors import LocalFault
from clearing.margin.snapshot import AccountHoldings, RiskStatement, Row, RowKind, Slot, SlotKind
from proofs.errors import ProofCode, Refused
from proofs.layout import Layout, RowRange, SlotRange, lay_out

DOMAIN = 2048
"""n of every package that a network writes; tests use smaller ones."""

_RANGES = {
    SlotKind.CASH: SlotRange(8, 2**63),
    SlotKind.TOKEN: SlotRange(7, 0),
    SlotKind.POSITION: SlotRange(5, 2**39),
    SlotKind.GROUP_MAX: SlotRange(8, 0),
}
_ROW_WIDTHS = {RowKind.AT_LEAST_ZERO: 8, RowKind.EQUAL_ZERO: 0}


def layout_of(statement: RiskStatement, size: int = DOMAIN) -> Layout:
    """The layout of a snapshot's slots and rows on a domain of n = `size`. Raises Refused BAD_LAYOUT."""
    return lay_out(size, tuple(map(_slot_range, statement.slots)), tuple(map(_row_range, statement.rows)))


def auxiliary_slots(statement: RiskStatement) -> tuple[int, ...]:
    """Indices of the GROUP_MAX slots, whose sums are never published."""
    return tuple(j for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.GROUP_MAX)


def shortfalls_of(statement: RiskStatement, accounts: Sequence[int]) -> tuple[int, ...]:
    """σ of each account: what is listed, or zero. Raises Refused BAD_STATEMENT when a listed account is not there."""
    listed = dict(statement.shortfalls)
    missing = sorted(set(listed) - set(accounts))
    if missing:
        raise Refused(ProofCode.BAD_STATEMENT, "shortfall listed for an account without commitment", account=missing[0])
    return tuple(listed.get(account, 0) for account in accounts)


def check_statement(statement: RiskStatement) -> None:
    """Whether names, totals, listed shortfalls and custody fit each other. Raises Refused BAD_STATEMENT."""
    names = [slot.name for slot in statement.slots]
    if len(set(names)) != len(names):
        raise Refused(ProofCode.BAD_STATEMENT, "slot names repeat")
    visible = [j for j, slot in enumerate(statement.slots) if slot.kind is not SlotKind.GROUP_MAX]
    if [total.slot for total in statement.totals] != visible:
        raise Refused(ProofCode.BAD_STATEMENT, "totals do not name every slot once", slots=len(visible))
    listed = [account for account, _ in statement.shortfalls]
    if any(a >= b for a, b in pairwise(listed)):
        raise Refused(ProofCode.BAD_STATEMENT, "listed shortfalls are not in order")
    if any(shortfall == 0 for _, shortfall in statement.shortfalls):
        raise Refused(ProofCode.BAD_STATEMENT, "a listed shortfall is zero")
    _check_rules(statement)
    keys = [(term.chain_id, term.vault, term.token) for term in statement.custody]
    if any(a >= b for a, b in pairwise(keys)):
        raise Refused(ProofCode.BAD_STATEMENT, "custody terms are not in order")
    for term in statement.custody:
        kinds = (SlotKind.CASH, SlotKind.TOKEN)
        if term.slot >= len(statement.slots) or statement.slots[term.slot].kind not in kinds:
            raise Refused(ProofCode.BAD_STATEMENT, "custody of a slot that holds no token", slot=term.slot)


def complete_holdings(statement: RiskStatement, account: AccountHoldings) -> tuple[int, ...]:
    """Values of all slots: the account's own, and each r_g as the least that its rows allow, rounded up.

    A row that sets r_g is one with no shortfall and r_g as its only auxiliary slot, with a positive coefficient.
    Raises LocalFault BAD_LENGTH when the account has not one value for every slot but the auxiliary ones.
    """
    auxiliary = set(auxiliary_slots(statement))
    given = iter(account.values)
    values = [0 if j in auxiliary else next(given, None) for j in range(len(statement.slots))]
    if len(account.values) != len(statement.slots) - len(auxiliary):
        raise LocalFault(ProofCode.BAD_LENGTH, "holdings", account=account.account, values=len(account.values))
    exact = [value for value in values if value is not None]
    for row in statement.rows:
        found = _maximum_of(row, auxiliary)
        if found is None:
            continue
        j, a = found
        rest = row.constant + sum(coefficient * exact[i] for i, coefficient in row.coefficients if i != j)
        exact[j] = max(exact[j], -(rest // a))
    return tuple(exact)


def _check_rules(statement: RiskStatement) -> None:
    """The claim names scenarios and groups: each group must have a maximum, all its loss rows, a place in margin.

    Linear in the statement's size, because it runs on statements that nobody need have certified.
    """
    auxiliary = frozenset(auxiliary_slots(statement))
    of_group = {statement.slots[j].group for j in auxiliary}
    if not len(auxiliary) == len(of_group) == len(statement.groups) == len(set(statement.groups)):
        raise Refused(ProofCode.BAD_STATEMENT, "maxima and groups are not one for one", maxima=len(auxiliary))
    # A loss row that stands twice would hide that another is left out.
    if len({row.name for row in statement.rows}) != len(statement.rows):
        raise Refused(ProofCode.BAD_STATEMENT, "row names repeat")
    # A positive constant would be margin that nobody holds.
    strict = [row for row in statement.rows if row.constant <= 0]
    losses = Counter(found[0] for row in strict if (found := _maximum_of(row, auxiliary)) is not None)
    if any(not losses[j] == statement.scenarios > 0 for j in auxiliary):
        raise Refused(ProofCode.BAD_STATEMENT, "loss rows do not cover every scenario of every group")
    maintenance = [row for row in strict if auxiliary <= {j for j, a in row.coefficients if a < 0}]
    if not any(row.kind is RowKind.AT_LEAST_ZERO for row in maintenance):
        raise Refused(ProofCode.BAD_STATEMENT, "no row holds equity against every group's maximum")


def _maximum_of(row: Row, auxiliary: Container[int]) -> tuple[int, int] | None:
    """(slot, coefficient) of the r_g that a loss row sets."""
    inside = [(j, a) for j, a in row.coefficients if j in auxiliary]
    if row.kind is not RowKind.AT_LEAST_ZERO or row.shortfall or len(inside) != 1 or inside[0][1] <= 0:
        return None
    return inside[0]


def _slot_range(slot: Slot) -> SlotRange:
    return _RANGES[slot.kind]


def _row_range(row: Row) -> RowRange:
    return RowRange(_ROW_WIDTHS[row.kind], row.coefficients, row.constant, row.shortfall)
