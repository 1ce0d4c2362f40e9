"""The arithmetization: from a margin snapshot to the slots, rows and witness of the linear proof.

Rule: the rows are the snapshot's own, unchanged; this module adds only how wide each range is. It also detects a
public statement that contradicts itself. It must not know prices, instruments or rules beyond the row system.
"""

from collections.abc import Sequence
from itertools import pairwise

from clearing.base.errors import LocalFault
from clearing.margin.statement.snapshot import AccountHoldings, RiskStatement, Row, RowKind, Slot, SlotKind
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import ProofLayout, RowRange, SlotRange, lay_out
from proofs.statement.auxiliary_witness import AuxiliaryWitness
from proofs.statement.custody import check_counted_once
from proofs.statement.rows import check_rows

DOMAIN = 2048
"""n of every package that a network writes; tests use smaller ones."""

_RANGES = {
    SlotKind.CASH: SlotRange(8, 2**63),
    SlotKind.TOKEN: SlotRange(7, 0),
    SlotKind.POSITION: SlotRange(5, 2**39),
    SlotKind.GROUP_MAX: SlotRange(8, 0),
    SlotKind.AUXILIARY: SlotRange(8, 0),
    SlotKind.AUXILIARY_SIGNED: SlotRange(8, 2**63),
    SlotKind.UNCOVERED: SlotRange(8, 0),
}

_AUXILIARY_KINDS = (SlotKind.AUXILIARY, SlotKind.AUXILIARY_SIGNED)

_ROW_WIDTHS = {RowKind.AT_LEAST_ZERO: 8, RowKind.EQUAL_ZERO: 0}


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
    return _RANGES[slot.kind]


def _row_range(row: Row) -> RowRange:
    return RowRange(_ROW_WIDTHS[row.kind], row.coefficients, row.constant, row.shortfall)
