"""The close-out of a state: who would get how much of which token if everything ended at the last mark.

Rule: nothing is written. Positions end at the marks that they were last settled at, options at their value; loans go
back to the house. The house takes over what owes, as a liquidation does: an account that owes cash gives its claims on
other cash groups at par, then tokens at their value after haircut, then its member's part of the default fund, and the
house pays the rest. What the house itself cannot pay, after giving its own claims and tokens, the default fund pays,
and what it cannot pay is missing to all claims of the group in proportion. What is left of a part of the fund is a
claim of the member's own account. A claim is paid out of each token of its group by that token's share in the group's
custody. Every division rounds down: the residue stays in the vaults, so that no token's payments exceed its custody.
"""

from dataclasses import dataclass, field

from clearing.assets import Asset
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.collateral.listing import cash_tokens
from clearing.collateral.soft_credit import lent
from clearing.exits.parts import Parts, parts_in
from clearing.gates.waiting import waiting_amounts
from clearing.holdings import Holdings, arrays_of, holdings_of
from clearing.ledger import FEE_POT_ACCOUNT, ROUNDING_ACCOUNT, SUSPENSE_ACCOUNT, can_hold, held
from clearing.state.state import State

OF_THE_HOUSE = (ROUNDING_ACCOUNT, FEE_POT_ACCOUNT)
"""Accounts of the ledger whose money is the house's."""


@dataclass(frozen=True, slots=True, order=True)
class Payout:
    """What one account would get of one token on one chain."""

    account: int
    asset: int
    amount: int
    """Token base units, above zero."""


@dataclass(slots=True)
class Claims:
    """What an account is owed, once everything is closed out."""

    cash: list[int]
    """Micros by cash group; negative: owed by it."""
    tokens: list[int]
    """Clearing units by collateral token."""


@dataclass(slots=True)
class _Pool:
    """What the house gives to those whose claims on one cash group it cannot pay."""

    cash: dict[int, int] = field(default_factory=dict)
    """Claims on other groups, by index."""
    tokens: dict[int, int] = field(default_factory=dict)


def close_out(state: State) -> tuple[Payout, ...]:
    """What everybody would get, ordered by account and asset. Linear in the accounts; every feed must have a price.

    Deposits that name no account have their share, which stays in the vaults.
    """
    claims = {account: _closed(state, account) for account, _ in state.accounts.ordered() if can_hold(state, account)}
    for account in OF_THE_HOUSE:
        _add(claims[HOUSE_ACCOUNT], _of_ledger(state, account))
    claims[SUSPENSE_ACCOUNT] = _of_ledger(state, SUSPENSE_ACCOUNT)
    settle_claims(claims, arrays_of(state).token_prices, parts_in(state))
    units = _payable(state, claims)
    amounts = waiting_amounts(state)  # has left its account, and no margin can touch it any more
    for account, payable in units.items():
        for asset, amount in payable:
            amounts[account, asset.id] = amounts.get((account, asset.id), 0) + asset.to_amount(amount)
    return tuple(
        Payout(account, asset, amount)
        for (account, asset), amount in sorted(amounts.items())
        if amount and account != SUSPENSE_ACCOUNT
    )


def settle_claims(claims: dict[int, Claims], values: list[int], parts: Parts | None = None) -> None:
    """Let the house take over what owes, and share what it cannot pay; afterwards nobody owes anything.

    `values`: micros that a clearing unit of each token counts for; `parts` of the default fund become claims. Claims
    left over sum to no more than before debts.
    """
    house, parts = claims[HOUSE_ACCOUNT], parts or Parts()
    for account, owed in claims.items():
        if account != HOUSE_ACCOUNT:
            _take_over(owed, house, values, parts, account)
    pools = {at: _give(house, at, values, parts) for at, cash in enumerate(house.cash) if cash < 0}
    for member, micros in parts.micros.items():
        if parts.account_of[member] in claims:
            claims[parts.account_of[member]].cash[parts.group] += micros
    _share(pools, claims)


def _closed(state: State, account: int) -> Claims:
    """Cash with the value of options, and without what was lent. The house has lent what the others owe."""
    own: Holdings = holdings_of(state, account)
    groups, rows = state.terms.cash_groups, arrays_of(state).rows
    cash = list(own.cash)
    for at, instrument in enumerate(state.terms.instruments.values()):
        if own.lots[at]:
            cash[groups.index(instrument.cash_group)] += rows[at][0] * own.lots[at]
    for at, group in enumerate(groups):
        loan = lent(state, account, group)
        cash[at] += loan if account == HOUSE_ACCOUNT else -loan
    return Claims(cash, list(own.tokens))


def _of_ledger(state: State, account: int) -> Claims:
    own = holdings_of(state, account)
    return Claims(list(own.cash), list(own.tokens))


def _add(to: Claims, more: Claims) -> None:
    to.cash = [a + b for a, b in zip(to.cash, more.cash, strict=True)]
    to.tokens = [a + b for a, b in zip(to.tokens, more.tokens, strict=True)]


def _take_over(owed: Claims, house: Claims, values: list[int], parts: Parts, account: int) -> None:
    """An account's debts become the house's, and so does what of its other claims, tokens and part pays for them."""
    for at in range(len(owed.cash)):
        if owed.cash[at] >= 0:
            continue
        for other in range(len(owed.cash)):
            spare = min(max(owed.cash[other], 0), -owed.cash[at])
            owed.cash[other] -= spare
            house.cash[other] += spare
            owed.cash[at] += spare
            house.cash[at] -= spare
        for index, value in enumerate(values):
            units = _units_for(-owed.cash[at], value, owed.tokens[index])
            owed.tokens[index] -= units
            house.tokens[index] += units
            owed.cash[at] += units * value
            house.cash[at] -= units * value
        debt = max(-owed.cash[at], 0)
        house.cash[at] -= debt
        house.cash[parts.group] += parts.pay_own(account, debt)
        owed.cash[at] = max(owed.cash[at], 0)


def _units_for(debt: int, value: int, there: int) -> int:
    """Whole units of a token that pay a debt, rounded up, as far as there are any."""
    return min(-(-debt // value), there) if value > 0 and debt > 0 else 0


def _give(house: Claims, at: int, values: list[int], parts: Parts) -> _Pool:
    """Take out of the house, then of all parts, what covers its debt in one group; its cash there is zero afterwards.

    What parts give of the very group is a claim less on it.
    """
    pool, debt = _Pool(), -house.cash[at]
    for other in range(len(house.cash)):
        spare = min(max(house.cash[other], 0), debt)
        if spare:
            house.cash[other] -= spare
            pool.cash[other] = spare
            debt -= spare
    for index, value in enumerate(values):
        units = _units_for(debt, value, house.tokens[index])
        if units:
            house.tokens[index] -= units
            pool.tokens[index] = units
            debt = max(debt - units * value, 0)
    given = parts.pay_together(debt)
    if given and parts.group != at:
        pool.cash[parts.group] = pool.cash.get(parts.group, 0) + given
    house.cash[at] = 0
    return pool


def _share(pools: dict[int, _Pool], claims: dict[int, Claims]) -> None:
    """Give each pool to the claims on its group in proportion, rounded down."""
    before = {account: list(each.cash) for account, each in claims.items()}
    for at, pool in pools.items():
        whole = sum(cash[at] for cash in before.values())
        if not whole:
            continue
        for account, each in claims.items():
            claim = before[account][at]
            for other, micros in pool.cash.items():
                each.cash[other] += micros * claim // whole
            for index, units in pool.tokens.items():
                each.tokens[index] += units * claim // whole


def _payable(state: State, claims: dict[int, Claims]) -> dict[int, list[tuple[Asset, int]]]:
    """Clearing units by account and asset, in the assets that there are now."""
    units: dict[int, list[tuple[Asset, int]]] = {account: [] for account in claims}
    for at, group in enumerate(state.terms.cash_groups):
        backing = [(asset, held(state, asset)) for asset in cash_tokens(state, group)]
        whole = max(sum(each.cash[at] for each in claims.values()), sum(there for _, there in backing))
        for account, each in claims.items():
            if each.cash[at]:
                units[account] += [(asset, each.cash[at] * there // whole) for asset, there in backing]
    for index, token in enumerate(state.terms.tokens):
        for account, each in claims.items():
            if each.tokens[index]:
                units[account].append((token, each.tokens[index]))
    return units
