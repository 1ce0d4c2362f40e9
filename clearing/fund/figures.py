"""What the default fund is sized by: the stress losses over margin, and the margins, of all members, from the state.

Rule: an account lacks what its equity falls below zero by in a stress scenario, as in the cover terms of a statement
(`clearing.margin.fund`), but cash beyond its initial margin is not counted on: it may leave, and contributions are paid
from it. So what is lacking here is never less than what a statement finds, whoever pays in meanwhile. Linear in the
accounts, once an epoch. It decides nothing.
"""

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.epoch import rulebook_of
from clearing.fund.sizing import StressFigures
from clearing.fund.stressed import stressed_equities
from clearing.holdings import Holdings, holdings_of
from clearing.margin.stress import StressArrays, stressed_equity
from clearing.margins import margin_book
from clearing.state.state import State

TOLD_MAX = 2**61
"""No figure is told beyond this: twice as much fits into 63 bits, and no group's cash reaches half of it."""


def stress_figures(state: State, contributing: tuple[int, ...], group: int) -> StressFigures:
    """What members lack in each scenario, what the house bears first, and margins of the `contributing` members.

    `group`: the cash group that contributions are of; 0: of none.
    """
    stress, book = rulebook_of(state).stress(), margin_book(state)
    # The book still knows accounts that were emptied and closed since it was built.
    accounts = [account for account in book.accounts() if account in state.accounts]
    batch = book.margins(accounts)
    margins = {member: 0 for member in contributing if member != HOUSE_MEMBER}
    risky: list[tuple[int, int, Holdings]] = []
    for account, equity, initial in zip(accounts, batch.equity.tolist(), batch.initial.tolist(), strict=True):
        member = state.accounts[account].member
        if member in margins:
            margins[member] = min(margins[member] + initial, TOLD_MAX)
        own = holdings_of(state, account)
        # What has no positions and owes nothing lacks nothing: tokens are never worth less than nothing.
        if any(own.lots) or any(cash < 0 for cash in own.cash):
            risky.append((member, min(max(equity - initial, 0), _cash(state, own, group)), own))
    lacking: dict[int, list[int]] = {}
    worths = stressed_equities(stress, [own for _, _, own in risky])
    for (member, free, _), of_account in zip(risky, worths, strict=True):
        found = [max(0, free - worth) for worth in of_account]
        before = lacking.get(member, [0] * len(found))
        lacking[member] = [min(a + b, TOLD_MAX) for a, b in zip(before, found, strict=True)]
    return StressFigures(
        lacking=tuple(
            (name, {member: losses[at] for member, losses in sorted(lacking.items())})
            for at, name in enumerate(stress.names)
        ),
        house_micros=house_fund(state, stress),
        margins=margins,
    )


def house_fund(state: State, stress: StressArrays) -> int:
    """What the house's own account bears: no more than it has, nor than it would keep in the worst scenario.

    Nor than it bears of one default: a statement counts what risk parameters name, which may be more.
    """
    own, default = holdings_of(state, HOUSE_ACCOUNT), state.terms.crisis.default
    equity = stressed_equity(stress, own.cash, own.tokens, own.lots)
    named = state.terms.risk.default_fund_micros
    if default.enabled:
        named = min(named, default.house_capital_micros)
    return max(0, min(named, sum(own.cash), *equity))


def _cash(state: State, own: Holdings, group: int) -> int:
    """The account's own cash of the fund's group."""
    return max(own.cash[state.terms.cash_groups.index(group)], 0) if group else 0
