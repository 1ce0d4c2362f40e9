"""The close-out of a state: what every account would receive, per token, if everything ended at the last mark.

Rule: nothing is written.

1. Positions end at their marks.
2. What an account owes it pays itself; then its member's own accounts pay, as a default would merge them, with
   affiliates where genesis pools them.
3. A member's contribution pays what its own accounts and its clients still owe.
4. All contributions pay what the house cannot, pro rata.

Every division of tokens rounds down, so no token's payments exceed its custody. The residue stays in the vaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import allocate
from clearing.collateral.cash_tokens import cash_tokens
from clearing.context.affiliation import OwnerFamilies
from clearing.context.member_status import accounts_by_member
from clearing.default_fund.contributions import current_fund_size, lowest_own_accounts
from clearing.schema.terms.assets import Asset
from clearing.state.holdings import Holdings, current_arrays, current_holdings
from clearing.state.ledger import (
    FEE_POT_ACCOUNT,
    ROUNDING_ACCOUNT,
    SUSPENSE_ACCOUNT,
    can_hold,
    inventory_units,
    soft_credit_of,
)
from clearing.state.state import State
from clearing.withdrawals.delay_queue import delayed_amounts

HOUSE_OWNED = (ROUNDING_ACCOUNT, FEE_POT_ACCOUNT)
"""Ledger accounts whose money is the house's."""


@dataclass(frozen=True, slots=True, order=True)
class Payout:
    """What one account would receive of one token on one chain."""

    account: int
    asset: int
    amount: int
    """Token base units, above zero."""


@dataclass(slots=True)
class AccountClaims:
    """An account's claims after everything is closed out."""

    cash: list[int]
    """Micros by cash group; negative: owed by it."""
    tokens: list[int]
    """Clearing units by collateral token."""


@dataclass(slots=True)
class _UnpaidPool:
    """What the house gives to the claimants on one cash group that it cannot pay."""

    cash: dict[int, int] = field(default_factory=dict)
    """Claims on other groups, by index."""
    tokens: dict[int, int] = field(default_factory=dict)


def close_out(state: State) -> tuple[Payout, ...]:
    """All payouts, ordered by account and asset. Linear in the accounts; every feed must have a price.

    Deposits without a known account have a share, which stays in the vaults.
    """
    claims = {
        account: _closed_out_claims(state, account)
        for account, _ in state.accounts.ordered()
        if can_hold(state, account)
    }
    for account in HOUSE_OWNED:
        _add_amounts(claims[HOUSE_ACCOUNT], _ledger_account_claims(state, account))
    claims[SUSPENSE_ACCOUNT] = _ledger_account_claims(state, SUSPENSE_ACCOUNT)
    settle_claims(claims, current_arrays(state).token_prices, _remaining_contributions(state), _member_sides(state))
    units = _payable_units(state, claims)
    amounts = delayed_amounts(state)  # has left its account, so no margin can use it any more
    for account, payable in units.items():
        for asset, amount in payable:
            amounts[account, asset.id] = amounts.get((account, asset.id), 0) + asset.to_amount(amount)
    return tuple(
        Payout(account, asset, amount)
        for (account, asset), amount in sorted(amounts.items())
        if amount and account != SUSPENSE_ACCOUNT
    )


@dataclass(slots=True)
class RemainingContributions:
    """Mutable: what is left of each member's contribution."""

    group: int = 0
    """Index of the cash group of the contributions."""
    micros: dict[int, int] = field(default_factory=dict)
    """By member, ordered."""
    member_of: dict[int, int] = field(default_factory=dict)
    """By account."""
    account_of: dict[int, int] = field(default_factory=dict)
    """The account that receives each member's contribution back."""

    def pay_own(self, account: int, debt: int) -> int:
        """What the member's contribution pays of a debt of this account."""
        member = self.member_of.get(account, -1)
        paid = min(self.micros.get(member, 0), debt)
        if paid:
            self.micros[member] -= paid
        return paid

    def pay_together(self, debt: int) -> int:
        """What all contributions pay of a debt of the house, pro rata to what is left of them."""
        paid = min(sum(self.micros.values()), debt)
        if paid:
            shares = allocate(paid, list(self.micros.values()))
            self.micros = {
                member: left - share for (member, left), share in zip(self.micros.items(), shares, strict=True)
            }
        return paid


def settle_claims(
    claims: dict[int, AccountClaims],
    values: list[int],
    fund_left: RemainingContributions | None = None,
    sides: Mapping[int, tuple[int, ...]] | None = None,
) -> None:
    """Move all debts to the house, and share what it cannot pay; afterwards nobody owes anything.

    `values`: micros of a clearing unit of each token; `fund_left`: contributions, which become claims; `sides`: by
    account, the accounts that pay what it cannot pay itself, ordered. The claims left sum to no more than before debts.
    Linear in debtors and payers, where the accounts of a side share its tuple.
    """
    house, fund_left = claims[HOUSE_ACCOUNT], fund_left or RemainingContributions()
    debtors = {account: owed for account, owed in claims.items() if account != HOUSE_ACCOUNT and _is_short(owed)}
    for owed in debtors.values():
        _pay_debts(owed, owed, house, values)
    queues: dict[int, _PayerQueue] = {}
    for account, owed in debtors.items():
        if side := (sides or {}).get(account, ()):
            queue = queues.get(side[0])
            if queue is None or queue.side is not side:
                queue = queues[side[0]] = _PayerQueue(side)
            queue.pay(account, owed, claims, values)
    for account, owed in debtors.items():
        _house_takes_debts(owed, house, fund_left, account)
    pools = {at: _collect_for_house(house, at, values, fund_left) for at, cash in enumerate(house.cash) if cash < 0}
    for member, micros in fund_left.micros.items():
        if fund_left.account_of[member] in claims:
            claims[fund_left.account_of[member]].cash[fund_left.group] += micros
    _distribute_pools(pools, claims)


@dataclass(slots=True)
class _PayerQueue:
    """The accounts that pay for those of one side, without those that have nothing left: a payer is never paid."""

    side: tuple[int, ...]
    first: int = 0
    """Index of the first payer that may have something left."""

    def pay(self, account: int, owed: AccountClaims, claims: dict[int, AccountClaims], values: list[int]) -> None:
        """Let the payers in order pay what an account cannot pay itself, until it owes nothing."""
        at, house = self.first, claims[HOUSE_ACCOUNT]
        while at < len(self.side) and _is_short(owed):
            payer = self.side[at]
            if payer not in (account, HOUSE_ACCOUNT):
                _pay_debts(claims[payer], owed, house, values)
            if at == self.first and (payer == HOUSE_ACCOUNT or _is_empty(claims[payer], values)):
                self.first += 1
            at += 1


def _is_empty(payer: AccountClaims, values: list[int]) -> bool:
    """Whether it has nothing that could pay a debt: no cash above zero, and no tokens with a value."""
    if any(micros > 0 for micros in payer.cash):
        return False
    return not any(value > 0 and payer.tokens[index] > 0 for index, value in enumerate(values))


def _is_short(owed: AccountClaims) -> bool:
    """Whether it owes cash in some group; a network may have none."""
    return any(micros < 0 for micros in owed.cash)


def _closed_out_claims(state: State, account: int) -> AccountClaims:
    """Cash with the value of options, without soft credit. The house's includes what it has lent."""
    own: Holdings = current_holdings(state, account)
    groups, rows = state.terms.cash_groups, current_arrays(state).rows
    cash = list(own.cash)
    for at, instrument in enumerate(state.terms.instruments.values()):
        if own.lots[at]:
            cash[groups.index(instrument.cash_group)] += rows[at][0] * own.lots[at]
    for at, group in enumerate(groups):
        loan = soft_credit_of(state, account, group)
        cash[at] += loan if account == HOUSE_ACCOUNT else -loan
    return AccountClaims(cash, list(own.tokens))


def _ledger_account_claims(state: State, account: int) -> AccountClaims:
    own = current_holdings(state, account)
    return AccountClaims(list(own.cash), list(own.tokens))


def _add_amounts(to: AccountClaims, more: AccountClaims) -> None:
    to.cash = [a + b for a, b in zip(to.cash, more.cash, strict=True)]
    to.tokens = [a + b for a, b in zip(to.tokens, more.tokens, strict=True)]


def _pay_debts(payer: AccountClaims, owed: AccountClaims, house: AccountClaims, values: list[int]) -> None:
    """Move what an account owes to the house, as far as the payer's positive claims and tokens go, with them.

    The last unit of a token is given whole; the payer has the rest of its value back.
    """
    for at in range(len(owed.cash)):
        if owed.cash[at] >= 0:
            continue
        for other in range(len(owed.cash)):
            spare = min(max(payer.cash[other], 0), -owed.cash[at])
            payer.cash[other] -= spare
            house.cash[other] += spare
            owed.cash[at] += spare
            house.cash[at] -= spare
        for index, value in enumerate(values):
            units = _units_covering(-owed.cash[at], value, payer.tokens[index])
            payer.tokens[index] -= units
            house.tokens[index] += units
            owed.cash[at] += units * value
            house.cash[at] -= units * value
        if owed.cash[at] > 0 and payer is not owed:
            payer.cash[at] += owed.cash[at]
            owed.cash[at] = 0


def _house_takes_debts(
    owed: AccountClaims, house: AccountClaims, fund_left: RemainingContributions, account: int
) -> None:
    """Move what an account still owes to the house, with what its member's contribution pays for it."""
    for at in range(len(owed.cash)):
        debt = max(-owed.cash[at], 0)
        house.cash[at] -= debt
        house.cash[fund_left.group] += fund_left.pay_own(account, debt)
        owed.cash[at] = max(owed.cash[at], 0)


def _units_covering(debt: int, value: int, available: int) -> int:
    """Whole units of a token that pay a debt, rounded up, at most `available`."""
    return min(-(-debt // value), available) if value > 0 and debt > 0 else 0


def _collect_for_house(
    house: AccountClaims, at: int, values: list[int], fund_left: RemainingContributions
) -> _UnpaidPool:
    """Take what covers the house's debt in one group from the house, then from all contributions. Its cash there is
    then zero.

    What contributions give in this very group only reduces the claims on it.
    """
    pool, debt = _UnpaidPool(), -house.cash[at]
    for other in range(len(house.cash)):
        spare = min(max(house.cash[other], 0), debt)
        if spare:
            house.cash[other] -= spare
            pool.cash[other] = spare
            debt -= spare
    for index, value in enumerate(values):
        units = _units_covering(debt, value, house.tokens[index])
        if units:
            house.tokens[index] -= units
            pool.tokens[index] = units
            debt = max(debt - units * value, 0)
    given = fund_left.pay_together(debt)
    if given and fund_left.group != at:
        pool.cash[fund_left.group] = pool.cash.get(fund_left.group, 0) + given
    house.cash[at] = 0
    return pool


def _distribute_pools(pools: dict[int, _UnpaidPool], claims: dict[int, AccountClaims]) -> None:
    """Distribute each pool over the claims on its group, pro rata, rounded down."""
    before = {account: list(account_claims.cash) for account, account_claims in claims.items()}
    for at, pool in pools.items():
        whole = sum(cash[at] for cash in before.values())
        if not whole:
            continue
        for account, account_claims in claims.items():
            claim = before[account][at]
            for other, micros in pool.cash.items():
                account_claims.cash[other] += micros * claim // whole
            for index, units in pool.tokens.items():
                account_claims.tokens[index] += units * claim // whole


def _payable_units(state: State, claims: dict[int, AccountClaims]) -> dict[int, list[tuple[Asset, int]]]:
    """Clearing units by account and asset, for the present assets."""
    units: dict[int, list[tuple[Asset, int]]] = {account: [] for account in claims}
    for at, group in enumerate(state.terms.cash_groups):
        backing = [(asset, inventory_units(state, asset)) for asset in cash_tokens(state, group)]
        whole = max(sum(claim.cash[at] for claim in claims.values()), sum(available for _, available in backing))
        for account, account_claims in claims.items():
            if account_claims.cash[at]:
                units[account] += [
                    (asset, account_claims.cash[at] * available // whole) for asset, available in backing
                ]
    for index, token in enumerate(state.terms.tokens):
        for account, account_claims in claims.items():
            if account_claims.tokens[index]:
                units[account].append((token, account_claims.tokens[index]))
    return units


def _remaining_contributions(state: State) -> RemainingContributions:
    """The present contributions; linear in the accounts where there is a fund."""
    contributions = {member: record for member, record in state.contributions.ordered() if record.micros}
    if not contributions:
        return RemainingContributions()
    lowest = lowest_own_accounts(state)
    return_accounts = {}
    for member, record in contributions.items():
        account = state.accounts.get(record.account)
        is_own = account is not None and account.member == member
        return_accounts[member] = record.account if is_own else lowest.get(member, -1)
    return RemainingContributions(
        group=state.terms.cash_groups.index(current_fund_size(state).cash_group),
        micros={member: record.micros for member, record in contributions.items()},
        member_of={account: record.member for account, record in state.accounts.ordered()},
        account_of=return_accounts,
    )


def _member_sides(state: State) -> dict[int, tuple[int, ...]]:
    """By account, the accounts that a default of its member would merge: they pay its debts and its clients'."""
    terms = state.terms.crisis.default
    if not terms.enabled:
        return {}
    members = accounts_by_member(state, OwnerFamilies(state) if terms.pool_affiliates else None)
    return {account: side.own for side in members.values() for account in (*side.own, *side.clients)}
