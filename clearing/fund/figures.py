"""What the default fund is sized by: the stress losses and margins of all members, read from the state.

Rule: the same stress arrays, the same losses and the same house fund as in the cover terms of a statement
(`clearing.margin.fund`) of this very state. Linear in the accounts, once an epoch. It decides nothing.
"""

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.epoch import rulebook_of
from clearing.fund.sizing import StressFigures
from clearing.holdings import holdings_of
from clearing.margin.stress import StressArrays, stressed_equity, uncovered_losses
from clearing.margins import margin_book
from clearing.state.state import State


def stress_figures(state: State, contributing: tuple[int, ...]) -> StressFigures:
    """What members lack in each scenario, what the house bears first, and exposures of the `contributing` members."""
    stress = rulebook_of(state).stress()
    lacking: dict[int, list[int]] = {}
    for account, record in state.accounts.ordered():
        if account == HOUSE_ACCOUNT:
            continue
        own = holdings_of(state, account)
        if not any(own.lots) and all(cash >= 0 for cash in own.cash):
            continue  # what has no positions and owes nothing lacks nothing: tokens are never worth less than nothing
        found = uncovered_losses(stress, own.cash, own.tokens, own.lots)
        before = lacking.get(record.member, [0] * len(found))
        lacking[record.member] = [a + b for a, b in zip(before, found, strict=True)]
    return StressFigures(
        lacking=tuple(
            (name, {member: losses[at] for member, losses in sorted(lacking.items())})
            for at, name in enumerate(stress.names)
        ),
        house_micros=house_fund(state, stress),
        exposures=_exposures(state, contributing),
    )


def house_fund(state: State, stress: StressArrays) -> int:
    """What the house's own account bears: no more than it has, nor than it would keep in the worst scenario."""
    own = holdings_of(state, HOUSE_ACCOUNT)
    equity = stressed_equity(stress, own.cash, own.tokens, own.lots)
    return max(0, min(state.terms.risk.default_fund_micros, sum(own.cash), *equity))


def _exposures(state: State, contributing: tuple[int, ...]) -> dict[int, int]:
    """Initial margin of all accounts of each member, its clients' included."""
    book = margin_book(state)
    found = dict.fromkeys(contributing, 0)
    owned = [(each, state.accounts[each].member) for each in sorted(book.accounts())]
    counted = [(account, member) for account, member in owned if member in found and member != HOUSE_MEMBER]
    initial = book.margins([account for account, _ in counted]).initial
    for (_, member), micros in zip(counted, initial, strict=True):
        found[member] += int(micros)
    return found
