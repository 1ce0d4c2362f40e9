"""The invariants of a whole state: everything that balances, counted from the start. Linear in the state."""

from clearing.base.errors import Bug
from clearing.invariants import check_backing, check_fund_balance
from clearing.state.state import State


def check_whole_state(state: State) -> None:
    """All checks over the whole state. Raises Bug."""
    check_whole_ledger(state)
    check_whole_book(state)
    check_fund_balance(state)
    check_backing(state)


def check_whole_ledger(state: State) -> None:
    """Raise Bug unless every currency sums to zero over all accounts."""
    totals: dict[int, int] = {}
    for (_, currency), record in state.balances.ordered():
        totals[currency] = totals.get(currency, 0) + record.credits - record.debits
    for currency, total in totals.items():
        if total:
            raise Bug(f"currency {currency} sums to {total}")


def check_whole_book(state: State) -> None:
    """Raise Bug unless every instrument nets to zero over all accounts."""
    totals: dict[int, int] = {}
    for _, book in state.books.ordered():
        for instrument, lots in book.lots:
            totals[instrument] = totals.get(instrument, 0) + lots
    for instrument, total in totals.items():
        if total:
            raise Bug(f"positions in instrument {instrument} sum to {total}")
