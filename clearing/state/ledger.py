"""The ledger: accounts, counters, soft-credit loans, and transfers, the only way that money moves.

Rule: a balance is never edited. Every transfer debits one account and credits another by the same amount, so the sum
per currency is constant except for deposits and withdrawals. This module must not know why money moves.
"""

from collections.abc import Iterable

from clearing.base import ids
from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.schema.records.accounts import Balance
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from clearing.schema.transfers import Transfer, TransferCode
from clearing.state.indexes import CURRENCY_HOLDERS, set_holder
from clearing.state.state import State

SUSPENSE_ACCOUNT = MEMBER_ACCOUNTS_MAX
"""Receives refunds of withdrawals whose account was closed meanwhile. Nobody can sign for it."""
CLEARING_ACCOUNT = MEMBER_ACCOUNTS_MAX + 1
"""The central counterparty's pass-through account: losers pay into it, gainers are paid from it. Zero
after every block."""

ROUNDING_ACCOUNT = MEMBER_ACCOUNTS_MAX + 2
"""Receives the remainders of payments that cannot be divided exactly. The house's; nobody can sign for it."""
FEE_POT_ACCOUNT = MEMBER_ACCOUNTS_MAX + 3
"""Receives skew fees and pays skew rebates, nothing else. The house's; nobody can sign for it."""
FUND_ACCOUNT = ids.FUND_ACCOUNT
STRAY_ACCOUNT = MEMBER_ACCOUNTS_MAX + 5
"""Stands in for an account where a withdrawal refunds deposits that nobody was credited with. Never has a balance."""
_EXTERNAL = MEMBER_ACCOUNTS_MAX + 2**32
_TOKEN = 2**32
_COUNTER_MAX = 2**62


def cash_currency(group: int) -> int:
    """The currency of a cash group's claims, in micros."""
    return group


def token_currency(asset: int) -> int:
    """The currency of a collateral token, in clearing units."""
    return _TOKEN + asset


def asset_of_currency(currency: int) -> int:
    """The collateral token behind a currency that is not cash."""
    return currency - _TOKEN


def currency_of(asset: Asset) -> int:
    """The currency that a deposit of this asset is credited in."""
    return cash_currency(asset.cash_group) if asset.is_cash else token_currency(asset.id)


def external_account(asset: int) -> int:
    """The account of the vault's token outside the ledger: its balance is minus what was credited and not released."""
    return _EXTERNAL + asset


def is_claimant(account: int) -> bool:
    """Whether the ledger owes what the account has. False for the accounts of outside vaults."""
    return account < _EXTERNAL


def balance(state: State, account: int, currency: int) -> int:
    """Credits minus debits."""
    record = state.balances.get((account, currency))
    return record.credits - record.debits if record else 0


def inventory_units(state: State, asset: Asset) -> int:
    """What the ledger owes in one token on one chain, its inventory: credited minus released, in clearing units."""
    return -balance(state, external_account(asset.id), currency_of(asset))


class Journal:
    """Writes the transfers of one block into a state, and checks that they conserve every currency."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._drift: dict[int, int] = {}
        self.transfers: list[Transfer] = []

    def transfer(self, debit: int, credit: int, currency: int, amount: int, code: TransferCode, cause: int) -> None:
        """Move `amount` >= 0. Raises Bug for a negative amount, or for a token balance that would fall below zero."""
        if amount == 0:
            return
        if amount < 0 or debit == credit:
            raise Bug(f"transfer of {amount} in {currency} from {debit} to {credit}")
        self._count(debit, currency, amount, 0)
        self._count(credit, currency, 0, amount)
        self.transfers.append(Transfer(debit, credit, currency, amount, code, cause))

    def settle_amounts(self, amounts: Iterable[tuple[int, int]], currency: int, code: TransferCode, cause: int) -> int:
        """Debit every (account, negative amount) and credit every (account, positive amount).

        Amounts must sum to zero. Returns the sum of the debits. The transfers are in the order of `amounts`.
        """
        paid = 0
        drift = 0
        for account, amount in amounts:
            drift += amount
            if amount < 0:
                paid -= amount
                self.transfer(account, CLEARING_ACCOUNT, currency, -amount, code, cause)
            else:
                self.transfer(CLEARING_ACCOUNT, account, currency, amount, code, cause)
        if drift:
            raise Bug(f"settlement of {cause} in currency {currency} sums to {drift}")
        return paid

    def check_conserved(self) -> None:
        """Raise Bug unless this block's transfers sum to zero per currency and the clearing account is empty."""
        for currency, drift in sorted(self._drift.items()):
            if drift:
                raise Bug(f"currency {currency} drifted by {drift} in one block")
        for group in self._state.terms.cash_groups:
            if balance(self._state, CLEARING_ACCOUNT, cash_currency(group)):
                raise Bug(f"the clearing account is left with cash of group {group}")

    def _count(self, account: int, currency: int, debited: int, credited: int) -> None:
        key = (account, currency)
        before = self._state.balances.get(key)
        if before is None:
            set_holder(self._state, CURRENCY_HOLDERS, currency, account, holds=True)
            before = Balance(0, 0)
        debited += before.debits
        credited += before.credits
        after = credited - debited
        if abs(after) >= _COUNTER_MAX:
            raise Bug(f"balance of account {account} in currency {currency} reaches 2^62")
        if after < 0 and currency > _TOKEN and account < _EXTERNAL:
            raise Bug(f"account {account} would owe {-after} of token {currency - _TOKEN}")
        if max(debited, credited) >= _COUNTER_MAX:
            # Counters restart at the balance. Statements use them for convenience; only the balance counts.
            debited, credited = max(-after, 0), max(after, 0)
        self._drift[currency] = self._drift.get(currency, 0) + after - (before.credits - before.debits)
        self._state.balances.put(key, Balance(debited, credited))


def can_hold(state: State, account: int) -> bool:
    """Whether the account is a known member account: only those can receive or sign. The ledger's own
    accounts are not."""
    return account < MEMBER_ACCOUNTS_MAX and account in state.accounts


def remove_account_balances(state: State, account: int) -> None:
    """Delete the empty counters of an account that is closed. Raises Bug when it still has money."""
    terms = state.terms
    currencies = [cash_currency(group) for group in terms.cash_groups]
    for currency in currencies + [token_currency(token.id) for token in terms.tokens]:
        if balance(state, account, currency):
            raise Bug(f"account {account} is closed with {balance(state, account, currency)} of currency {currency}")
        if (account, currency) in state.balances:
            state.balances.remove((account, currency))
            set_holder(state, CURRENCY_HOLDERS, currency, account, holds=False)


def soft_credit_of(state: State, account: int, group: int) -> int:
    """What an account owes of soft credit in a cash group; for the house's account, the sum over all accounts."""
    loan = state.loans.get((account, group))
    return loan.micros if loan else 0


def soft_credit_total(state: State, account: int) -> int:
    """What an account owes of soft credit in all cash groups. The house borrows nothing."""
    return (
        0
        if account == HOUSE_ACCOUNT
        else sum(soft_credit_of(state, account, group) for group in state.terms.cash_groups)
    )
