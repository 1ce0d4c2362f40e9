"""What the rows of a statement say of holdings, worked out from the margin of the account."""

from collections.abc import Sequence

from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.statement.rows import account_holdings
from clearing.margin.statement.snapshot import RiskSnapshot, Row
from proofs.statement.arithmetization import AuxiliaryWitness, complete_holdings


def shortfall_of(arrays: RiskArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> int:
    """The smallest shortfall with which an account's rows hold; 0 for an account that needs none."""
    return account_holdings(arrays, 0, cash, tokens, positions).shortfall


def group_maxima(arrays: RiskArrays, cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> list[int]:
    """The smallest r_g that satisfy their rows: the group losses, or the short-option minimums where those are more."""
    margin = account_margin(arrays, cash, tokens, positions)
    return list(margin.terms.groups(margin.group_losses))


def row_value(row: Row, values: Sequence[int], shortfall: int) -> int:
    """Value of a row at all slots' `values`, group maxima included."""
    total = sum(coefficient * values[slot] for slot, coefficient in row.coefficients)
    return total + row.constant + (shortfall if row.shortfall else 0)


def complete_values(snapshot: RiskSnapshot) -> dict[int, list[int]]:
    """Values of all slots by account; every row holds at them, and they sum to the totals."""
    statement = snapshot.statement
    least = AuxiliaryWitness(statement)
    values = {each.account: complete_holdings(statement, each, least) for each in snapshot.accounts}
    for each in snapshot.accounts:
        for row in statement.rows:
            assert 0 <= row_value(row, values[each.account], each.shortfall) < 2**64, (row.name, each.account)
    for total in statement.totals:
        assert total.total == sum(own[total.slot] for own in values.values())
    return values
